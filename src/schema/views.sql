/*
 * Views.
 *
 * They run with the rights of their owner, so they see all executions, and show
 * a role what is its own.  Members of pg_monitor see all executions, and who was
 * granted to see a workflow those of it (seen_workflows), but of others' no input,
 * output, error or query.  security_barrier keeps functions in
 * a user's WHERE from seeing rows before that is decided.
 */

CREATE FUNCTION workflow.executor_slots(
    OUT pid integer,
    OUT database oid,
    OUT role oid,
    OUT state text,
    OUT attached_at timestamptz,
    OUT runs_done bigint,
    OUT steps_done bigint,
    OUT memory_bytes bigint,
    OUT draining_since timestamptz,
    OUT last_heartbeat timestamptz,
    OUT execution_id bigint,
    OUT definition_id integer,
    OUT workflow text,
    OUT step_id text,
    OUT scope text,
    OUT branch text,
    OUT iteration integer,
    OUT visit integer,
    OUT attempt integer,
    OUT step_started_at timestamptz,
    OUT execution_started_at timestamptz,
    OUT step_state text,
    OUT label text)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 8
AS 'MODULE_PATHNAME', 'workflow_executor_slots';
COMMENT ON FUNCTION workflow.executor_slots() IS
'what the views executors and activity are made of: the executors of all databases, from shared '
'memory';

CREATE FUNCTION workflow.executors_of(
    execution_id bigint,
    OUT pid integer,
    OUT state text,
    OUT last_heartbeat timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 1
AS 'MODULE_PATHNAME', 'workflow_executors_of';
COMMENT ON FUNCTION workflow.executors_of(bigint) IS
'what why() is made of: the executors that were given something of an execution, at a step, '
'between two, or not begun with it; none of an execution that is not the caller''s to see';

CREATE VIEW workflow.executors WITH (security_barrier) AS
SELECT s.pid,
       d.datname AS database,
       pg_catalog.pg_get_userbyid(s.role) AS role,
       s.state,
       s.attached_at,
       pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.attached_at AS uptime,
       s.runs_done,
       s.steps_done,
       s.memory_bytes,
       s.last_heartbeat,
       s.draining_since
FROM workflow.executor_slots() AS s
     LEFT JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.database;
COMMENT ON VIEW workflow.executors IS 'the executors of all databases of the server this moment';
COMMENT ON COLUMN workflow.executors.pid IS 'process; null while it starts';
COMMENT ON COLUMN workflow.executors.database IS 'database it is connected to';
COMMENT ON COLUMN workflow.executors.role IS 'role it is connected as';
COMMENT ON COLUMN workflow.executors.state IS
'starting, idle, busy, draining (leaves at the end of its step), stuck (did not stop its step in '
'time, and was sent SIGTERM) or quarantined (ignores that, too, and is written off)';
COMMENT ON COLUMN workflow.executors.attached_at IS 'when it was ready for its first run';
COMMENT ON COLUMN workflow.executors.uptime IS 'how long ago that was';
COMMENT ON COLUMN workflow.executors.runs_done IS 'number of runs it has ended';
COMMENT ON COLUMN workflow.executors.steps_done IS 'number of steps it has ended';
COMMENT ON COLUMN workflow.executors.memory_bytes IS
'memory it had allocated at the end of its last run, in bytes';
COMMENT ON COLUMN workflow.executors.last_heartbeat IS
'last sign of life: it began a step, ended a run, or, while it has a run, its timer went off, '
'every two seconds';
COMMENT ON COLUMN workflow.executors.draining_since IS
'when it was asked to leave; null: it was not';

CREATE VIEW workflow.activity WITH (security_barrier) AS
SELECT s.pid AS executor_pid,
       s.execution_id,
       s.workflow,
       s.step_id,
       s.scope,
       s.branch,
       s.iteration,
       s.label AS loop_label,
       s.visit,
       s.attempt,
       s.step_state AS state,
       s.step_started_at AS started_at,
       pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.step_started_at AS elapsed,
       a.wait_event_type,
       a.wait_event,
       CASE WHEN pg_catalog.pg_has_role(s.role, 'USAGE') THEN a.query END AS query
FROM workflow.executor_slots() AS s
     LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) s.pid
WHERE s.execution_id IS NOT NULL
  AND s.database OPERATOR(pg_catalog.=)
      (SELECT d.oid FROM pg_catalog.pg_database AS d
       WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database());
COMMENT ON VIEW workflow.activity IS
'the steps that run this moment in this database: a role''s own, and those of workflows it may see; '
'all of them for members of pg_monitor';
COMMENT ON COLUMN workflow.activity.executor_pid IS 'process that runs the step';
COMMENT ON COLUMN workflow.activity.execution_id IS 'execution the step belongs to';
COMMENT ON COLUMN workflow.activity.workflow IS 'name of the workflow, clipped to 63 bytes';
COMMENT ON COLUMN workflow.activity.step_id IS 'id of the step, clipped to 63 bytes';
COMMENT ON COLUMN workflow.activity.scope IS 'scope of the step, clipped to 127 bytes';
COMMENT ON COLUMN workflow.activity.branch IS
'branch of the innermost parallel or fork_join step it is in, clipped to 63 bytes; null: none';
COMMENT ON COLUMN workflow.activity.iteration IS
'index, from 0, of the innermost loop iteration; null: none';
COMMENT ON COLUMN workflow.activity.loop_label IS
'what that iteration is called, of a loop with "label", clipped to 63 bytes; null for executions '
'of others';
COMMENT ON COLUMN workflow.activity.visit IS 'visit of the step, from 1';
COMMENT ON COLUMN workflow.activity.attempt IS 'attempt, from 1';
COMMENT ON COLUMN workflow.activity.state IS
'running; completing: its SQL has ended, and its row and what follows are being committed; stuck: '
'it did not stop in time when it was to, see workflow.executors';
COMMENT ON COLUMN workflow.activity.started_at IS 'when the attempt began';
COMMENT ON COLUMN workflow.activity.elapsed IS 'how long ago that was';
COMMENT ON COLUMN workflow.activity.wait_event_type IS
'what the process waits for, as in pg_stat_activity';
COMMENT ON COLUMN workflow.activity.wait_event IS
'what the process waits for, as in pg_stat_activity';
COMMENT ON COLUMN workflow.activity.query IS
'query the process runs, as in pg_stat_activity; null for executions of others';

/*
 * Those that are over, and the one it is in, or was in when it ended.  Columns instead of the
 * row: a function of the row type would forbid some ALTER TABLE.
 */
CREATE FUNCTION workflow.paused_time(pauses tstzmultirange, paused_at timestamptz,
                                     pause_ends timestamptz, since timestamptz, until timestamptz)
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT COALESCE(sum(upper(p.part) - lower(p.part)), '0')
    FROM unnest((COALESCE(pauses, '{}')
                 + CASE WHEN paused_at IS NULL OR pauses @> paused_at THEN '{}'::tstzmultirange
                        ELSE tstzmultirange(tstzrange(paused_at, GREATEST(paused_at, LEAST(pause_ends, 'infinity')))) END)
                * tstzmultirange(tstzrange(since, GREATEST(since, until)))) AS p (part);
END;
COMMENT ON FUNCTION workflow.paused_time(tstzmultirange, timestamptz, timestamptz, timestamptz, timestamptz) IS
'how much of the time between since and until an execution was paused, or had ended until it was '
'retried; of its row: pauses, paused_at, and the first of paused_until, cancelled_at and '
'completed_at. What views are made of';

/* Paths of scopes are taken apart nowhere else in SQL: their grammar is that of scope.h. */
CREATE FUNCTION workflow.scope_level(
    scope text,
    level integer,
    OUT step_id text,
    OUT visit integer,
    OUT branch text,
    OUT iteration integer)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_scope_level';
COMMENT ON FUNCTION workflow.scope_level(text, integer) IS
'what views are made of: a level of the path of a scope, from 1, the outermost; 0: the innermost. '
'Null: it has none, as that of the top, or is no path';

CREATE FUNCTION workflow.scope_children(
    scope text,
    step_id text,
    visit integer,
    iterates boolean,
    OUT first text,
    OUT behind text)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_scope_children';
COMMENT ON FUNCTION workflow.scope_children(text, text, integer, boolean) IS
'what views are made of: the scopes of the children of a container, and what is in these, are '
'those from first on to before behind, as bytes; iterates: it is a loop';

CREATE VIEW workflow.execution_status WITH (security_barrier) AS
SELECT e.id AS execution_id,
       e.workflow,
       e.version,
       e.definition_id,
       e.status,
       e.role,
       e.priority,
       e.tenant,
       e.created_at,
       e.start_at,
       e.started_at,
       e.completed_at,
       COALESCE(e.started_at, e.completed_at, pg_catalog.clock_timestamp())
           OPERATOR(pg_catalog.-) e.created_at AS queued,
       COALESCE(e.completed_at, pg_catalog.clock_timestamp())
           OPERATOR(pg_catalog.-) e.started_at
           OPERATOR(pg_catalog.-) CASE WHEN e.paused_at IS NULL AND e.pauses IS NULL THEN '0'::pg_catalog."interval"
                                       ELSE workflow.paused_time(e.pauses, e.paused_at, LEAST(e.paused_until, e.cancelled_at, e.completed_at),
                                                                 e.started_at, COALESCE(e.completed_at, pg_catalog.clock_timestamp())) END AS duration,
       e.recoveries,
       e.retries,
       e.limited,
       e.ending,
       (SELECT pg_catalog.array_agg(m.key ORDER BY m.key) FROM pg_catalog.jsonb_each(e.step_marks) AS m
        WHERE (m.value OPERATOR(pg_catalog.->>) 'mark') OPERATOR(pg_catalog.=) 'hold') AS held_steps,
       (SELECT pg_catalog.array_agg(m.key ORDER BY m.key) FROM pg_catalog.jsonb_each(e.step_marks) AS m
        WHERE (m.value OPERATOR(pg_catalog.->>) 'mark') OPERATOR(pg_catalog.=) 'skip') AS skipped_steps,
       e.paused_by,
       e.paused_at,
       e.paused_until,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.pause_reason END AS pause_reason,
       e.error_type,
       e.cancelled_by,
       e.cancelled_at,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.cancel_reason END AS cancel_reason,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.input END AS input,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.output END AS output,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.error END AS error
FROM workflow.executions AS e CROSS JOIN (SELECT) AS read_only
WHERE pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
   OR e.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w);
COMMENT ON VIEW workflow.execution_status IS
'executions: a role''s own; without input, output, error and reasons those of workflows it may see, '
'and all of them for members of pg_monitor';
COMMENT ON COLUMN workflow.execution_status.execution_id IS 'number of the execution';
COMMENT ON COLUMN workflow.execution_status.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.execution_status.version IS 'version of the workflow';
COMMENT ON COLUMN workflow.execution_status.definition_id IS
'number of that version in workflow.definitions';
COMMENT ON COLUMN workflow.execution_status.status IS 'status, as in workflow.executions';
COMMENT ON COLUMN workflow.execution_status.role IS 'role that started it';
COMMENT ON COLUMN workflow.execution_status.priority IS 'higher ones are run first';
COMMENT ON COLUMN workflow.execution_status.tenant IS 'label given to start()';
COMMENT ON COLUMN workflow.execution_status.created_at IS 'when start() was called';
COMMENT ON COLUMN workflow.execution_status.start_at IS 'not to be run before; null: at once';
COMMENT ON COLUMN workflow.execution_status.started_at IS 'when an executor was first to run it';
COMMENT ON COLUMN workflow.execution_status.completed_at IS 'when it reached a final status';
COMMENT ON COLUMN workflow.execution_status.queued IS
'how long it waited, or has waited so far, to be run';
COMMENT ON COLUMN workflow.execution_status.duration IS
'how long it ran, or has run so far, pauses not counted; null before';
COMMENT ON COLUMN workflow.execution_status.recoveries IS
'recoveries after crashes without progress since';
COMMENT ON COLUMN workflow.execution_status.retries IS
'how often retry() has let it go on after it had ended';
COMMENT ON COLUMN workflow.execution_status.limited IS
'pending: over a limit when its turn came, and waiting for room';
COMMENT ON COLUMN workflow.execution_status.ending IS
'status it will end with, while compensations and its on_failure chain are run';
COMMENT ON COLUMN workflow.execution_status.held_steps IS
'steps it waits in front of until release_step(), as hold_step() was told; null: none';
COMMENT ON COLUMN workflow.execution_status.skipped_steps IS
'steps it is not to run, as skip_step() was told; null: none';
COMMENT ON COLUMN workflow.execution_status.paused_by IS 'role that called pause() last';
COMMENT ON COLUMN workflow.execution_status.paused_at IS 'when that was';
COMMENT ON COLUMN workflow.execution_status.paused_until IS
'paused: when it fails with the type PauseTimeout unless it is resumed; null: never';
COMMENT ON COLUMN workflow.execution_status.pause_reason IS
'reason given to pause(); null for executions of others';
COMMENT ON COLUMN workflow.execution_status.error_type IS 'type of the error it failed with';
COMMENT ON COLUMN workflow.execution_status.cancelled_by IS 'role that called cancel()';
COMMENT ON COLUMN workflow.execution_status.cancelled_at IS 'when cancel() was called';
COMMENT ON COLUMN workflow.execution_status.cancel_reason IS
'reason given to cancel(); null for executions of others';
COMMENT ON COLUMN workflow.execution_status.input IS 'input; null for executions of others';
COMMENT ON COLUMN workflow.execution_status.output IS 'output; null for executions of others';
COMMENT ON COLUMN workflow.execution_status.error IS 'error; null for executions of others';

CREATE VIEW workflow.marked_steps WITH (security_barrier) AS
SELECT e.id AS execution_id,
       e.workflow,
       e.status,
       m.key AS step_id,
       m.value OPERATOR(pg_catalog.->>) 'mark' AS mark,
       m.value OPERATOR(pg_catalog.->>) 'by' AS marked_by,
       (m.value OPERATOR(pg_catalog.->>) 'at')::timestamptz AS marked_at,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN m.value OPERATOR(pg_catalog.->>) 'reason' END AS reason
FROM workflow.executions AS e CROSS JOIN LATERAL pg_catalog.jsonb_each(e.step_marks) AS m
WHERE pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
   OR e.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w);
COMMENT ON VIEW workflow.marked_steps IS
'steps that hold_step() and skip_step() have marked; of a role''s own executions; without reason '
'of those of workflows it may see, and of all for members of pg_monitor';
COMMENT ON COLUMN workflow.marked_steps.execution_id IS 'number of the execution';
COMMENT ON COLUMN workflow.marked_steps.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.marked_steps.status IS 'status of the execution';
COMMENT ON COLUMN workflow.marked_steps.step_id IS 'id of the step';
COMMENT ON COLUMN workflow.marked_steps.mark IS
'hold: the execution waits in front of it until release_step(); skip: it is not run';
COMMENT ON COLUMN workflow.marked_steps.marked_by IS 'name of the role that has marked it';
COMMENT ON COLUMN workflow.marked_steps.marked_at IS 'when that was';
COMMENT ON COLUMN workflow.marked_steps.reason IS
'reason that was given; null for executions of others';

CREATE VIEW workflow.wait_status WITH (security_barrier) AS
SELECT w.execution_id,
       e.workflow,
       w.scope,
       w.step_id,
       w.visit,
       w.attempt,
       w.kind,
       w.since,
       w.until,
       CASE WHEN w.until OPERATOR(pg_catalog.<) pg_catalog.clock_timestamp()
            THEN pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) w.until END AS overdue
FROM workflow.waits AS w JOIN workflow.executions AS e
     ON e.id OPERATOR(pg_catalog.=) w.execution_id AND e.status OPERATOR(pg_catalog.=) ANY ('{waiting,running}'::pg_catalog.text[])
WHERE pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
   OR e.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w);
COMMENT ON VIEW workflow.wait_status IS
'what threads of executions wait for, that run or wait themselves: of a role''s own, of those of '
'workflows it may see, and of all for members of pg_monitor';
COMMENT ON COLUMN workflow.wait_status.execution_id IS 'number of the execution';
COMMENT ON COLUMN workflow.wait_status.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.wait_status.scope IS
'where it stands: empty at the top, else a path, as in step_status';
COMMENT ON COLUMN workflow.wait_status.step_id IS
'step it stands in front of, or at, if it is one that waits';
COMMENT ON COLUMN workflow.wait_status.visit IS
'which visit of that; null: not known before it begins';
COMMENT ON COLUMN workflow.wait_status.attempt IS 'which attempt of that is the next, or waits';
COMMENT ON COLUMN workflow.wait_status.kind IS
'retry: the delay of its retry policy; hold: it is held by hold_step(); timer: it is a step that '
'waits for a time';
COMMENT ON COLUMN workflow.wait_status.since IS 'when it began to wait';
COMMENT ON COLUMN workflow.wait_status.until IS
'when it goes on by itself, or its time is over; infinity: when somebody lets it';
COMMENT ON COLUMN workflow.wait_status.overdue IS
'how long that has been so and nobody has gone on with it; null: the time has not come';

CREATE VIEW workflow.interruptions WITH (security_barrier) AS
SELECT e.id AS execution_id,
       e.workflow,
       (i.value OPERATOR(pg_catalog.->>) 'at')::timestamptz AS at,
       i.value OPERATOR(pg_catalog.->>) 'event' AS event,
       COALESCE((i.value OPERATOR(pg_catalog.->>) 'times')::integer, 1) AS times,
       (i.value OPERATOR(pg_catalog.->>) 'last_at')::timestamptz AS last_at,
       i.value OPERATOR(pg_catalog.->) 'error' OPERATOR(pg_catalog.->>) 'type' AS error_type,
       i.value OPERATOR(pg_catalog.->>) 'by' AS cancelled_by,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN i.value OPERATOR(pg_catalog.->>) 'reason' END AS reason,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN i.value OPERATOR(pg_catalog.->) 'error' END AS error
FROM workflow.executions AS e CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(e.interruptions) AS i (value)
WHERE pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
   OR e.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w);
COMMENT ON VIEW workflow.interruptions IS
'what executions went on after: recoveries, and ends that retry() has taken back, the newest '
'hundred of each execution; of a role''s own; without reason and error of those of workflows it may '
'see, and of all for members of pg_monitor';
COMMENT ON COLUMN workflow.interruptions.execution_id IS 'number of the execution';
COMMENT ON COLUMN workflow.interruptions.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.interruptions.at IS 'when it was recovered or had ended';
COMMENT ON COLUMN workflow.interruptions.event IS
'recovered: it went on from its rows, since the server, the scheduler or an executor had ended or '
'a transaction of ours could not be committed; failed, timed_out, cancelled: it had ended so';
COMMENT ON COLUMN workflow.interruptions.times IS
'recovered: how often in a row for this reason, without a step that ended in between';
COMMENT ON COLUMN workflow.interruptions.last_at IS
'when it was the last of these times; null: once';
COMMENT ON COLUMN workflow.interruptions.error_type IS 'ended: type of the error';
COMMENT ON COLUMN workflow.interruptions.cancelled_by IS
'cancelled: name of the role that called cancel()';
COMMENT ON COLUMN workflow.interruptions.reason IS
'why it was recovered, or the reason given to cancel(); null for executions of others';
COMMENT ON COLUMN workflow.interruptions.error IS 'ended: the error; null for executions of others';

/*
 * The filter is outside of the UNION ALL: conditions of a user are moved into the
 * parts of one that is a view by itself, barrier or not, and would come before a
 * filter in there.
 */
CREATE VIEW workflow.step_status WITH (security_barrier) AS
SELECT q.execution_id,
       q.workflow,
       q.scope,
       q.step_id,
       q.visit,
       q.attempt,
       q.step_type,
       q.status,
       q.started_at,
       q.completed_at,
       COALESCE(q.completed_at, pg_catalog.clock_timestamp())
           OPERATOR(pg_catalog.-) q.started_at OPERATOR(pg_catalog.-) q.paused AS duration,
       q.executor_pid,
       q.agent_name,
       q.parent_step_id,
       q.branch_name,
       q.loop_iteration_index,
       q.loop_collection_size,
       CASE WHEN pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE') THEN q.loop_label END AS loop_label,
       q.loop_execution_mode,
       q.join_policy,
       q.condition_result,
       q.branch_taken,
       q.scope_outcome,
       q.on_failure,
       q.retry_at,
       q.error_type,
       CASE WHEN pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE') THEN q.input END AS input,
       CASE WHEN pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE') THEN q.output END AS output,
       CASE WHEN pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE') THEN q.error END AS error
FROM (SELECT s.execution_id, e.workflow, e.role, s.scope, s.step_id, s.visit, s.attempt, s.step_type, s.status,
             s.started_at, s.completed_at, s.executor_pid, s.agent_name, s.parent_step_id, s.branch_name,
             s.loop_iteration_index, s.loop_collection_size, s.loop_label, s.loop_execution_mode, s.join_policy,
             s.condition_result, s.branch_taken, s.scope_outcome, s.on_failure, s.retry_at, s.error_type,
             s.input, s.output, s.error,
             /* what is no container does not stop for it; now(): nothing volatile, or the parts
                were not planned as one */
             CASE WHEN e.paused_at IS NULL AND e.pauses IS NULL OR s.step_type NOT IN ('parallel', 'fork_join', 'conditional', 'loop')
                  THEN '0'::pg_catalog."interval"
                  ELSE workflow.paused_time(e.pauses, e.paused_at, LEAST(e.paused_until, e.cancelled_at, e.completed_at),
                                            s.started_at, COALESCE(s.completed_at, pg_catalog.now())) END AS paused
      FROM workflow.step_executions AS s
           JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) s.execution_id
      UNION ALL
      SELECT a.execution_id, e.workflow, e.role, a.scope, a.step_id, a.visit, a.attempt,
             (d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) a.step_id
                 OPERATOR(pg_catalog.->>) 'type'),
             'running', a.started_at, NULL, a.executor_pid,
             (d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) a.step_id
                 OPERATOR(pg_catalog.->>) 'agent_name'),
             NULL, (workflow.scope_level(a.scope, 0)).branch, a.iteration, NULL, a.loop_label,
             NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '0'
      FROM workflow.activity AS a
           JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) a.execution_id
           LEFT JOIN workflow.definitions AS d ON d.id OPERATOR(pg_catalog.=) e.definition_id
      WHERE a.step_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM workflow.step_executions AS s
                        WHERE s.execution_id OPERATOR(pg_catalog.=) a.execution_id
                          AND s.scope OPERATOR(pg_catalog.=) a.scope
                          AND s.step_id OPERATOR(pg_catalog.=) a.step_id
                          AND s.visit OPERATOR(pg_catalog.=) a.visit
                          AND s.attempt OPERATOR(pg_catalog.=) a.attempt)) AS q
WHERE pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
   OR q.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w);
COMMENT ON VIEW workflow.step_status IS
'steps: those that have ended, wait or are open containers, from workflow.step_executions, and '
'those that run this moment; a role''s own; without input, output and error those of workflows it '
'may see, and all for members of pg_monitor';
COMMENT ON COLUMN workflow.step_status.execution_id IS 'execution the step belongs to';
COMMENT ON COLUMN workflow.step_status.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.step_status.scope IS 'where it runs: empty at the top, else a path';
COMMENT ON COLUMN workflow.step_status.step_id IS 'id of the step';
COMMENT ON COLUMN workflow.step_status.visit IS 'visit of the step, from 1';
COMMENT ON COLUMN workflow.step_status.attempt IS 'attempt, from 1';
COMMENT ON COLUMN workflow.step_status.step_type IS 'type of the step';
COMMENT ON COLUMN workflow.step_status.status IS
'status, as in workflow.step_executions; running: runs this moment, or is an open container';
COMMENT ON COLUMN workflow.step_status.started_at IS 'when the attempt began';
COMMENT ON COLUMN workflow.step_status.completed_at IS 'when it ended';
COMMENT ON COLUMN workflow.step_status.duration IS
'how long it took, or has taken so far; of a container without pauses';
COMMENT ON COLUMN workflow.step_status.executor_pid IS 'process that ran or runs it';
COMMENT ON COLUMN workflow.step_status.agent_name IS 'name of the agent';
COMMENT ON COLUMN workflow.step_status.parent_step_id IS 'container it is in';
COMMENT ON COLUMN workflow.step_status.branch_name IS 'branch or line it is in';
COMMENT ON COLUMN workflow.step_status.loop_iteration_index IS
'index, from 0, of the innermost loop iteration it is in';
COMMENT ON COLUMN workflow.step_status.loop_collection_size IS 'loops: number of items';
COMMENT ON COLUMN workflow.step_status.loop_label IS
'what that iteration is called, of a loop with "label"; null for executions of others';
COMMENT ON COLUMN workflow.step_status.loop_execution_mode IS 'loops: sequential or parallel';
COMMENT ON COLUMN workflow.step_status.join_policy IS
'parallel and fork_join: when the join counts as met';
COMMENT ON COLUMN workflow.step_status.condition_result IS 'conditionals: what the condition gave';
COMMENT ON COLUMN workflow.step_status.branch_taken IS 'conditionals: which way was taken';
COMMENT ON COLUMN workflow.step_status.scope_outcome IS
'how the step''s scope ended, on the row that ended it';
COMMENT ON COLUMN workflow.step_status.on_failure IS
'how a failure was dealt with: ignored, default, caught or retried';
COMMENT ON COLUMN workflow.step_status.retry_at IS
'of a failed attempt that another one follows: when that is, or was, due; of a step that waits: '
'when it goes on; null: none follows, and it does not wait';
COMMENT ON COLUMN workflow.step_status.error_type IS 'type of the error it failed with';
COMMENT ON COLUMN workflow.step_status.input IS 'input; null for executions of others';
COMMENT ON COLUMN workflow.step_status.output IS 'output; null for executions of others';
COMMENT ON COLUMN workflow.step_status.error IS 'error; null for executions of others';

CREATE FUNCTION workflow.lock_holder(
    pid integer,
    prepared_transaction text,
    OUT name text,
    OUT state text,
    OUT help text)
RETURNS record
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
    SELECT COALESCE('prepared transaction ' || lock_holder.prepared_transaction,
                    format('process %s', lock_holder.pid) || COALESCE(format(
                        ' (%s)', NULLIF(concat_ws(', ', a.usename, NULLIF(a.application_name, ''), a.state), '')), '')),
           a.state,
           CASE WHEN lock_holder.prepared_transaction IS NOT NULL
                THEN format('ROLLBACK PREPARED %L', lock_holder.prepared_transaction)
                ELSE format('SELECT pg_terminate_backend(%s)', lock_holder.pid) END
    FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = lock_holder.pid;
END;
COMMENT ON FUNCTION workflow.lock_holder(integer, text) IS
'what locked_tables and why() are made of: who holds a lock, the process or the prepared '
'transaction, in words; the state of its session, as in pg_stat_activity, if the caller may see it; '
'the statement that ends it';

/* Who holds a row is told by its xmax, as long as that transaction holds its own lock: not where
   several share the row. */
CREATE VIEW workflow.locked_executions WITH (security_barrier) AS
SELECT e.id AS execution_id,
       e.workflow,
       e.status,
       l.pid,
       p.gid AS prepared_transaction,
       COALESCE(p.prepared, a.xact_start) AS since
FROM workflow.executions AS e
     JOIN pg_catalog.pg_locks AS l ON l.locktype OPERATOR(pg_catalog.=) 'transactionid'::pg_catalog.text
          AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock'::pg_catalog.text AND l.granted
          AND l.transactionid OPERATOR(pg_catalog.=) e.xmax
     LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction OPERATOR(pg_catalog.=) e.xmax
     LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid
     /* by the conditions of the indexes that have them: all that is kept is not read */
WHERE (e.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND e.start_at IS NULL AND NOT e.limited
       OR e.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND e.start_at IS NOT NULL AND NOT e.limited
       OR e.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND e.limited
       OR e.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])
       OR e.status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text
       OR e.status OPERATOR(pg_catalog.=) 'waiting'::pg_catalog.text)
  AND (p.gid IS NOT NULL OR l.pid IS NOT NULL)
  AND NOT EXISTS (SELECT FROM workflow.executor_slots() AS s WHERE s.pid OPERATOR(pg_catalog.=) l.pid)
  AND (pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
       OR e.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w));
COMMENT ON VIEW workflow.locked_executions IS
'executions whose row somebody else''s transaction has locked: what the scheduler wants of them '
'waits for that';
COMMENT ON COLUMN workflow.locked_executions.execution_id IS 'the execution';
COMMENT ON COLUMN workflow.locked_executions.workflow IS 'its workflow';
COMMENT ON COLUMN workflow.locked_executions.status IS 'its status';
COMMENT ON COLUMN workflow.locked_executions.pid IS
'process that holds the lock; null: a prepared transaction does';
COMMENT ON COLUMN workflow.locked_executions.prepared_transaction IS
'name of that prepared transaction';
COMMENT ON COLUMN workflow.locked_executions.since IS
'when the transaction that holds it began, or was prepared';

/*
 * Locks that the engine's reading or writing conflicts with: what it takes itself is weaker.  What
 * is waited for is in the way as well, since whoever comes after waits behind it.
 */
CREATE VIEW workflow.locked_tables WITH (security_barrier) AS
WITH part AS MATERIALIZED (
    SELECT c.oid AS oid, c.oid AS table_oid
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT i.indexrelid, i.indrelid
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
    WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT c.reltoastrelid, c.oid
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'r' AND c.reltoastrelid <> 0
), prepared AS MATERIALIZED (
    SELECT l.virtualtransaction, p.gid, p.prepared
    FROM pg_catalog.pg_prepared_xacts AS p
         JOIN pg_catalog.pg_locks AS l ON l.locktype = 'transactionid' AND l.transactionid = p.transaction AND l.pid IS NULL
), lock AS MATERIALIZED (
    SELECT l.relation, l.mode, l.granted, l.pid, l.waitstart, p.gid, p.prepared
    FROM pg_catalog.pg_locks AS l
         LEFT JOIN prepared AS p ON l.pid IS NULL AND p.virtualtransaction = l.virtualtransaction
    WHERE l.locktype = 'relation' AND l.relation IN (SELECT p.oid FROM part AS p)
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
), strong AS (
    SELECT c.relname::text COLLATE "default" AS table_name, r.relname::text COLLATE "default" AS relation, l.relation AS oid,
           l.mode, l.granted, l.pid, l.gid,
           COALESCE(l.waitstart, l.prepared, a.xact_start) AS since,
           /* VACUUM, when it gives pages at the end back: it ends that when somebody waits */
           l.granted AND a.state IS NOT DISTINCT FROM 'active' AND EXISTS (
               SELECT FROM lock AS v
               WHERE v.pid = l.pid AND v.relation = l.relation AND v.granted
                 AND v.mode = 'ShareUpdateExclusiveLock') AS gives_way
    FROM lock AS l
         JOIN part AS p ON p.oid = l.relation
         JOIN pg_catalog.pg_class AS c ON c.oid = p.table_oid
         JOIN pg_catalog.pg_class AS r ON r.oid = p.oid
         LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
)
SELECT s.table_name, s.relation, s.mode, s.granted, s.pid, s.gid AS prepared_transaction, s.since,
       s.mode = 'AccessExclusiveLock' AND NOT s.gives_way
           AND s.table_name NOT IN ('statistics_days', 'statistics_state') AS unreadable,
       format(CASE WHEN s.granted THEN '%s has locked %s (%s)'
                   ELSE '%s waits to lock %s (%s), and who comes after it waits, too: behind %s' END,
              h.name, CASE WHEN s.relation = s.table_name THEN '' ELSE s.relation || ' of ' END || 'table workflow.' || s.table_name,
              s.mode, b.name) AS detail,
       /* of one that waits: what keeps it, if that does nothing, or else its own end */
       CASE WHEN b.idle THEN b.help
            WHEN h.state = 'active' THEN format('SELECT pg_cancel_backend(%s)', s.pid)
            ELSE h.help END AS help
FROM strong AS s
     CROSS JOIN LATERAL workflow.lock_holder(s.pid, s.gid) AS h
     LEFT JOIN LATERAL (
         SELECT k.name, k.help, l.gid IS NOT NULL OR k.state LIKE 'idle%' AS idle
         FROM unnest(pg_blocking_pids(CASE WHEN NOT s.granted THEN s.pid END)) AS w (pid)
              LEFT JOIN lock AS l ON w.pid = 0 AND l.relation = s.oid AND l.granted AND l.gid IS NOT NULL
              CROSS JOIN LATERAL workflow.lock_holder(w.pid, l.gid) AS k
         ORDER BY idle DESC NULLS LAST LIMIT 1) AS b ON true;
COMMENT ON VIEW workflow.locked_tables IS
'locks of tables of the engine, of their indexes too, that keep it from reading or writing them: '
'held by a session or a prepared transaction, or waited for, which whoever comes after waits '
'behind. It reads no table of the engine, so it waits for none of these locks';
COMMENT ON COLUMN workflow.locked_tables.table_name IS 'name of the table';
COMMENT ON COLUMN workflow.locked_tables.relation IS
'what is locked of it: the table, one of its indexes, its TOAST table';
COMMENT ON COLUMN workflow.locked_tables.mode IS
'mode of the lock, as in pg_locks: AccessExclusiveLock keeps from reading, the others from writing';
COMMENT ON COLUMN workflow.locked_tables.granted IS 'whether it is held, or waited for';
COMMENT ON COLUMN workflow.locked_tables.pid IS
'process that holds it, or waits for it; null: a prepared transaction holds it';
COMMENT ON COLUMN workflow.locked_tables.prepared_transaction IS
'name of that prepared transaction';
COMMENT ON COLUMN workflow.locked_tables.since IS
'since when it is waited for, or when the transaction that holds it began or was prepared';
COMMENT ON COLUMN workflow.locked_tables.unreadable IS
'whether why() and alerts cannot read the table meanwhile: they tell of this lock, and of nothing '
'else. Not for the moment in which VACUUM gives back empty pages: who waits then has it end that';
COMMENT ON COLUMN workflow.locked_tables.detail IS
'the same in words, and what keeps one that waits';
COMMENT ON COLUMN workflow.locked_tables.help IS 'the statement that helps';
