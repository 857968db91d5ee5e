/* What became of executors; and of those that got stuck, with what. */

CREATE TABLE workflow.executor_history (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    runs            bigint NOT NULL DEFAULT 0,
    steps           bigint NOT NULL DEFAULT 0,
    peak_memory     bigint,
    execution_id    bigint,
    stuck_at        timestamptz,
    quarantined_at  timestamptz,
    draining_since  timestamptz,
    elapsed         interval,
    pid             integer NOT NULL,
    visit           integer,
    attempt         integer,
    role            workflow.role NOT NULL,
    requested_by    workflow.role,
    reason          text NOT NULL
                    CHECK (reason IN ('idle', 'runs', 'memory', 'age', 'drain', 'recycle', 'stuck', 'died', 'room', 'role')),
    request_reason  text,
    workflow        text,
    scope           text COLLATE "C",
    step_id         text COLLATE "C"
);
CREATE INDEX executor_history_stuck_idx ON workflow.executor_history (workflow, stuck_at)
    WHERE stuck_at IS NOT NULL;
CREATE INDEX executor_history_ended_idx ON workflow.executor_history (ended_at);

COMMENT ON TABLE workflow.executor_history IS
'executors of this database that have ended, and why; and those that got stuck, from that moment '
'on. Written by the scheduler: those that ended together with it, or with the server, are not in '
'it. Shown to the owner of the extension and to members of pg_monitor; to other roles what they '
'asked for and what ran as them';
COMMENT ON COLUMN workflow.executor_history.id IS 'number of the entry';
COMMENT ON COLUMN workflow.executor_history.started_at IS 'when the process started';
COMMENT ON COLUMN workflow.executor_history.ended_at IS
'when it had ended; null: it is stuck and lives';
COMMENT ON COLUMN workflow.executor_history.runs IS 'runs it had ended';
COMMENT ON COLUMN workflow.executor_history.steps IS 'steps it had ended';
COMMENT ON COLUMN workflow.executor_history.peak_memory IS
'most memory it was seen to have allocated, in bytes; measured every 64 runs';
COMMENT ON COLUMN workflow.executor_history.execution_id IS 'stuck: execution it worked on';
COMMENT ON COLUMN workflow.executor_history.stuck_at IS
'when it was found to be stuck and sent SIGTERM; null: it never was';
COMMENT ON COLUMN workflow.executor_history.quarantined_at IS
'when it was written off because it ignored SIGTERM, too; null: it never was';
COMMENT ON COLUMN workflow.executor_history.draining_since IS
'when it was asked to leave; null: it was not';
COMMENT ON COLUMN workflow.executor_history.elapsed IS 'stuck: how long its step had run';
COMMENT ON COLUMN workflow.executor_history.pid IS 'process';
COMMENT ON COLUMN workflow.executor_history.visit IS 'stuck: visit of the step, from 1';
COMMENT ON COLUMN workflow.executor_history.attempt IS 'stuck: attempt, from 1';
COMMENT ON COLUMN workflow.executor_history.role IS 'role it was connected as';
COMMENT ON COLUMN workflow.executor_history.requested_by IS
'role that called drain_executor(), recycle_executor() or drain(); null: nobody did';
COMMENT ON COLUMN workflow.executor_history.reason IS
'why it ended: idle (workflow.executor_idle_timeout), runs (workflow.executor_max_runs), memory '
'(workflow.executor_max_memory), age (workflow.executor_max_age), drain, recycle, stuck, room (its '
'slot was needed for another role or database), role (its role, or that role''s settings, are not '
'what they were when it connected), died (by itself, or terminated)';
COMMENT ON COLUMN workflow.executor_history.request_reason IS 'reason given with the request';
COMMENT ON COLUMN workflow.executor_history.workflow IS 'stuck: workflow of the step';
COMMENT ON COLUMN workflow.executor_history.scope IS 'stuck: scope of the step';
COMMENT ON COLUMN workflow.executor_history.step_id IS 'stuck: the step';

ALTER TABLE workflow.executor_history ENABLE ROW LEVEL SECURITY;
CREATE POLICY executor_history_read ON workflow.executor_history FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
           OR pg_catalog.pg_has_role(requested_by::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY executor_history_read ON workflow.executor_history IS
'a role sees executors that ran as it and those it asked to leave; members of pg_monitor see all';
