/* Dead letters: executions that failed for good and wait for somebody to decide. */

CREATE TABLE workflow.dead_letters (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id    bigint NOT NULL,
    workflow        text NOT NULL,
    version         integer NOT NULL,
    role            workflow.role NOT NULL,
    tenant          text,
    priority        integer NOT NULL,
    status          text NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'replaying', 'replayed', 'discarded')),
    execution_status text NOT NULL CHECK (execution_status IN ('failed', 'timed_out')),
    step_id         text,
    error_type      text,
    failure_count   integer NOT NULL DEFAULT 1,
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    keep_until      timestamptz,
    replay_execution_id bigint,
    replayed_by     workflow.role,
    replayed_at     timestamptz,
    settled_at      timestamptz,
    discarded_by    workflow.role,
    discard_reason  text,
    input           jsonb NOT NULL,
    error           jsonb,
    retry_history   jsonb NOT NULL,
    replays         bigint[] NOT NULL DEFAULT '{}',
    erased_at       timestamptz
);
CREATE UNIQUE INDEX dead_letters_execution_idx ON workflow.dead_letters (execution_id);
CREATE INDEX dead_letters_pending_idx ON workflow.dead_letters (workflow, id) WHERE status = 'pending';
CREATE INDEX dead_letters_settled_idx ON workflow.dead_letters (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX dead_letters_keep_until_idx ON workflow.dead_letters (keep_until) WHERE keep_until IS NOT NULL;

COMMENT ON TABLE workflow.dead_letters IS
'executions that failed or timed out for good, of workflows with "dead_letter"; each stays until a '
'replay succeeds or somebody discards it. A role sees those of its own executions';
COMMENT ON COLUMN workflow.dead_letters.id IS 'number of the dead letter';
COMMENT ON COLUMN workflow.dead_letters.execution_id IS
'execution that failed; the dead letter outlives it when it is pruned';
COMMENT ON COLUMN workflow.dead_letters.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.dead_letters.version IS 'version of the workflow the execution followed';
COMMENT ON COLUMN workflow.dead_letters.role IS
'role that started the execution; replays run as this role';
COMMENT ON COLUMN workflow.dead_letters.tenant IS 'tenant of the execution; replays have the same';
COMMENT ON COLUMN workflow.dead_letters.priority IS
'priority of the execution; replays have the same';
COMMENT ON COLUMN workflow.dead_letters.status IS
'pending (to be decided), replaying, replayed (a replay or a retry succeeded) or discarded';
COMMENT ON COLUMN workflow.dead_letters.execution_status IS
'how it ended the last time: failed or timed_out';
COMMENT ON COLUMN workflow.dead_letters.step_id IS
'step whose error it was the last time; null: of no step';
COMMENT ON COLUMN workflow.dead_letters.error_type IS 'type of the last error';
COMMENT ON COLUMN workflow.dead_letters.failure_count IS
'how often it has failed: the execution, its retries and its replays';
COMMENT ON COLUMN workflow.dead_letters.first_failed_at IS 'when the execution failed first';
COMMENT ON COLUMN workflow.dead_letters.last_failed_at IS 'when it or a replay failed last';
COMMENT ON COLUMN workflow.dead_letters.keep_until IS
'prune() may delete it after that, whatever its status; null: only once it is settled';
COMMENT ON COLUMN workflow.dead_letters.replay_execution_id IS
'execution that replays it, or did last; the failed execution itself when that is retried';
COMMENT ON COLUMN workflow.dead_letters.replayed_by IS 'role that asked for that';
COMMENT ON COLUMN workflow.dead_letters.replayed_at IS 'when it did';
COMMENT ON COLUMN workflow.dead_letters.settled_at IS 'when a replay succeeded or it was discarded';
COMMENT ON COLUMN workflow.dead_letters.discarded_by IS 'role that called discard()';
COMMENT ON COLUMN workflow.dead_letters.discard_reason IS 'reason given to discard()';
COMMENT ON COLUMN workflow.dead_letters.input IS
'input of the execution, which replays get unless another is given';
COMMENT ON COLUMN workflow.dead_letters.error IS 'last error';
COMMENT ON COLUMN workflow.dead_letters.retry_history IS
'the failed attempts at steps, the oldest first, at most the last 100: an array of objects with '
'execution_id, scope, step_id, step_type, visit, attempt, status, error_type, sqlstate, message, '
'started_at, completed_at';
COMMENT ON COLUMN workflow.dead_letters.replays IS
'all executions that have replayed it: erase() takes the payloads out of them, too';
COMMENT ON COLUMN workflow.dead_letters.erased_at IS
'when erase() took out its payloads; null: it did not';

ALTER TABLE workflow.dead_letters ENABLE ROW LEVEL SECURITY;
CREATE POLICY dead_letters_read ON workflow.dead_letters FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY dead_letters_read ON workflow.dead_letters IS
'a role sees the dead letters of the executions of roles whose rights it has';

CREATE VIEW workflow.dead_letter_status WITH (security_barrier) AS
SELECT l.id AS dead_letter_id,
       l.execution_id,
       l.workflow,
       l.version,
       l.role,
       l.tenant,
       l.status,
       l.execution_status,
       l.step_id,
       l.error_type,
       l.failure_count,
       pg_catalog.jsonb_array_length(l.retry_history) AS attempts,
       l.first_failed_at,
       l.last_failed_at,
       COALESCE(l.settled_at, pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.-) l.first_failed_at AS unsettled,
       l.replay_execution_id,
       l.replayed_by,
       l.replayed_at,
       l.settled_at,
       CASE WHEN pg_catalog.pg_has_role(l.role::pg_catalog.oid, 'USAGE')
            THEN l.error OPERATOR(pg_catalog.->>) 'message' END AS message
FROM workflow.dead_letters AS l CROSS JOIN (SELECT) AS read_only
WHERE pg_catalog.pg_has_role(l.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
   OR l.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w);
COMMENT ON VIEW workflow.dead_letter_status IS
'dead letters without their input: a role''s own; without the message those of workflows it may '
'see, and all of them for members of pg_monitor';
COMMENT ON COLUMN workflow.dead_letter_status.dead_letter_id IS 'number of the dead letter';
COMMENT ON COLUMN workflow.dead_letter_status.execution_id IS 'execution that failed';
COMMENT ON COLUMN workflow.dead_letter_status.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.dead_letter_status.version IS
'version of the workflow the execution followed';
COMMENT ON COLUMN workflow.dead_letter_status.role IS 'role that started the execution';
COMMENT ON COLUMN workflow.dead_letter_status.tenant IS 'tenant of the execution';
COMMENT ON COLUMN workflow.dead_letter_status.status IS 'pending, replaying, replayed or discarded';
COMMENT ON COLUMN workflow.dead_letter_status.execution_status IS
'how it ended the last time: failed or timed_out';
COMMENT ON COLUMN workflow.dead_letter_status.step_id IS 'step whose error it was the last time';
COMMENT ON COLUMN workflow.dead_letter_status.error_type IS 'type of the last error';
COMMENT ON COLUMN workflow.dead_letter_status.failure_count IS
'how often it has failed, replays included';
COMMENT ON COLUMN workflow.dead_letter_status.attempts IS
'number of failed attempts at steps in its history';
COMMENT ON COLUMN workflow.dead_letter_status.first_failed_at IS 'when the execution failed first';
COMMENT ON COLUMN workflow.dead_letter_status.last_failed_at IS 'when it or a replay failed last';
COMMENT ON COLUMN workflow.dead_letter_status.unsettled IS
'how long it took, or has taken so far, until it was settled';
COMMENT ON COLUMN workflow.dead_letter_status.replay_execution_id IS
'execution that replays it, or did last';
COMMENT ON COLUMN workflow.dead_letter_status.replayed_by IS 'role that asked for that';
COMMENT ON COLUMN workflow.dead_letter_status.replayed_at IS 'when it did';
COMMENT ON COLUMN workflow.dead_letter_status.settled_at IS
'when a replay succeeded or it was discarded';
COMMENT ON COLUMN workflow.dead_letter_status.message IS
'message of the last error; null for executions of others';

CREATE FUNCTION workflow.replay(
    dead_letter_id bigint,
    input jsonb DEFAULT NULL,
    version integer DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_replay';
COMMENT ON FUNCTION workflow.replay(bigint, jsonb, integer) IS
'start the workflow of a dead letter anew, as the role of the execution that failed, and return '
'the id of the new execution; its success settles the dead letter. Null input: that of the failed '
'execution; null version: the newest active one. One that is being replayed or has been replayed '
'is not replayed again: the id of that execution is returned. Errors: 42704 for an unknown dead '
'letter or workflow, 42501 without the rights of the role that started the execution, 55000 for '
'one that was discarded or a version that cannot be started, 28000 for a role no worker can run as';

CREATE FUNCTION workflow.discard(dead_letter_id bigint, reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_discard';
COMMENT ON FUNCTION workflow.discard(bigint, text) IS
'settle a dead letter without a replay and return its status after that; one that has been settled '
'stays as it is. Errors: 42704 for an unknown dead letter, 42501 for others than the role that '
'started the execution and the owner of the workflow, 55000 for one that is being replayed';

CREATE FUNCTION workflow.replay_help(dead_letter_id bigint)
RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_replay_help';
COMMENT ON FUNCTION workflow.replay_help(bigint) IS
'statement that has a pending dead letter replayed: replay(), or where that is not possible what '
'helps instead; for who has the rights of its role or may see its workflow, and pg_monitor';

CREATE FUNCTION workflow.replay_possible(dead_letter_id bigint)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000
AS 'MODULE_PATHNAME', 'workflow_replay_possible';
COMMENT ON FUNCTION workflow.replay_possible(bigint) IS
'internal: whether a dead letter and its workflow belong to roles that exist; a notice says of the '
'first that a statement leaves out whose it is';

CREATE FUNCTION workflow.replay_all(
    workflow text DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_dead_letters integer DEFAULT 1000)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    -- also when there is nothing to be filtered
    SELECT workflow.workflow_to_steer(replay_all.workflow, NULL);
    SELECT pg_catalog.count(workflow.replay(due.id))
    -- locks are taken in the order of executions, as reassign_owned() does
    FROM (SELECT oldest.id FROM (
          SELECT l.id, l.execution_id
          FROM workflow.dead_letters AS l
          WHERE l.status OPERATOR(pg_catalog.=) 'pending'
            AND (replay_all.workflow IS NULL OR l.workflow OPERATOR(pg_catalog.=) (SELECT workflow.workflow_to_steer(replay_all.workflow, NULL)))
            AND (replay_all.error_type IS NULL OR l.error_type OPERATOR(pg_catalog.=) replay_all.error_type)
            AND pg_catalog.pg_has_role(l.role::pg_catalog.oid, 'USAGE')
            AND workflow.replay_possible(l.id)
          ORDER BY l.id
          LIMIT max_dead_letters) AS oldest ORDER BY oldest.execution_id) AS due;
END;
COMMENT ON FUNCTION workflow.replay_all(text, text, integer) IS
'replay the pending dead letters the caller may replay, the oldest, at most so many; returns how '
'many. Null: of all workflows, with any type of error. What belongs to a role that does not exist, '
'or is of a workflow that does, is left out. One that cannot be started otherwise is an error, and '
'nothing is replayed then: as for replay(). Errors: 42704 for an unknown workflow';
