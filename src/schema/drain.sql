/* Sending executors home, one by one or all. */

CREATE FUNCTION workflow.drain_executor(pid integer, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_drain_executor';
COMMENT ON FUNCTION workflow.drain_executor(integer, text) IS
'have an executor finish the step it runs and leave; what else it had to do goes on elsewhere. '
'Takes effect when the transaction commits, and is not waited for. False, with a warning, when '
'there is no such executor. For the role of the executor and its members, members of '
'pg_signal_backend and the owner of the extension. Error: 42501 for others';

CREATE FUNCTION workflow.recycle_executor(pid integer, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_recycle_executor';
COMMENT ON FUNCTION workflow.recycle_executor(integer, text) IS
'the same as drain_executor(), and another executor can take its place at once. A step that was '
'asked to stop, or whose time is over, and that does not end is given no more time. Errors as '
'there';

CREATE TABLE workflow.database_state (
    singleton       boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    drain           text NOT NULL CHECK (drain IN ('executions', 'steps')),
    drained_by      workflow.role NOT NULL,
    drained_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    drain_reason    text
);
COMMENT ON TABLE workflow.database_state IS
'what drain() has asked for, one row; none: executions run as ever. Written by drain() and '
'undrain(), and by a restore';
COMMENT ON COLUMN workflow.database_state.singleton IS 'true: there is one row at most';
COMMENT ON COLUMN workflow.database_state.drain IS 'executions: none is begun; steps: none is run';
COMMENT ON COLUMN workflow.database_state.drained_by IS 'role that called drain()';
COMMENT ON COLUMN workflow.database_state.drained_at IS 'when it did';
COMMENT ON COLUMN workflow.database_state.drain_reason IS 'reason it gave';

ALTER TABLE workflow.database_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY database_state_read ON workflow.database_state FOR SELECT USING (true);
COMMENT ON POLICY database_state_read ON workflow.database_state IS
'roles that may use workflows see whether they run';

CREATE FUNCTION workflow.drain_changed()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_drain_changed';
COMMENT ON FUNCTION workflow.drain_changed() IS
'internal: has the scheduler look at workflow.database_state when what wrote it commits. Error: '
'39P01';

CREATE TRIGGER database_state_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON workflow.database_state
    FOR EACH STATEMENT EXECUTE FUNCTION workflow.drain_changed();
COMMENT ON TRIGGER database_state_changed ON workflow.database_state IS
'what a restore brings holds from then on, as if drain() had been called';

CREATE FUNCTION workflow.drain(reason text DEFAULT NULL, mode text DEFAULT 'executions')
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_drain';
COMMENT ON FUNCTION workflow.drain(text, text) IS
'let the workflows of this database run dry, before maintenance say. Mode executions: those that '
'run go on to their end, and none is begun; steps: those that run stop behind the step they are '
'at, and nothing is begun. New ones are queued. Lasts until undrain(), also over restarts of the '
'server. Not waited for: drained() tells. For the owner of the extension, or whom that grants it '
'to. Errors: 22023 for another mode, 22004 for a null';

CREATE FUNCTION workflow.undrain(reason text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_undrain';
COMMENT ON FUNCTION workflow.undrain(text) IS
'have workflows run again after drain(). For the owner of the extension, or whom that grants it to';

CREATE FUNCTION workflow.drained()
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_drained';
COMMENT ON FUNCTION workflow.drained() IS
'whether drain() was called and has come to its end: nothing runs any more, in mode executions no '
'execution is under way either. Quarantined executors do not count';

CREATE VIEW workflow.drain_status WITH (security_barrier) AS
SELECT s.drain AS mode,
       s.drained_by,
       s.drained_at,
       s.drain_reason AS reason,
       workflow.drained() AS drained,
       (SELECT pg_catalog.count(*) FROM workflow.executor_slots() AS e
        WHERE e.database OPERATOR(pg_catalog.=)
              (SELECT d.oid FROM pg_catalog.pg_database AS d
               WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())) AS executors,
       (SELECT pg_catalog.count(*) FROM workflow.executions AS x
        WHERE x.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])) AS running
FROM workflow.database_state AS s CROSS JOIN (SELECT) AS read_only;
COMMENT ON VIEW workflow.drain_status IS 'how far drain() has come; no row: it was not called';
COMMENT ON COLUMN workflow.drain_status.mode IS 'executions or steps, see workflow.drain()';
COMMENT ON COLUMN workflow.drain_status.drained_by IS 'role that called drain()';
COMMENT ON COLUMN workflow.drain_status.drained_at IS 'when it did';
COMMENT ON COLUMN workflow.drain_status.reason IS 'reason it gave';
COMMENT ON COLUMN workflow.drain_status.drained IS 'what workflow.drained() says';
COMMENT ON COLUMN workflow.drain_status.executors IS
'executors of this database that are there still';
COMMENT ON COLUMN workflow.drain_status.running IS 'executions that are under way';
