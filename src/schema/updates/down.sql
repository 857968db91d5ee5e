/*
 * By hand, back to the version before: what up.sql has done is undone.  Rows that it has no place
 * for are not lost silently: the script refuses, and says what to do, or tells what is lost.
 */

/* Rights per workflow: what was closed would be open.  Limits of roles.  Erasures.  Traces. */
DO $$
BEGIN
    IF EXISTS (SELECT FROM workflow.grants WHERE NOT granted) THEN
        RAISE EXCEPTION 'workflows that were revoked from all roles would be open to all again'
            USING ERRCODE = '55000', DETAIL = 'The version before has no rights per workflow.',
            HINT = 'Open them yourself, SELECT workflow.grant_execute(workflow, ''-'') FROM workflow.grants WHERE NOT granted, and archive those that nobody is to start.';
    END IF;
    IF EXISTS (SELECT FROM workflow.grants) THEN
        RAISE WARNING 'rights granted on workflows are lost: the version before has none';
    END IF;
    IF EXISTS (SELECT FROM workflow.role_limits) THEN
        RAISE WARNING 'limits of roles are lost: the version before has none';
    END IF;
    IF EXISTS (SELECT FROM workflow.executions WHERE erased_at IS NOT NULL AND status <> 'completed') THEN
        RAISE WARNING 'that executions were erased is forgotten: the version before lets them be retried, without their data';
    END IF;
    IF EXISTS (SELECT FROM workflow.executions WHERE traceparent IS NOT NULL) THEN
        RAISE WARNING 'the traces that executions belong to are lost: the version before has none';
    END IF;
    IF EXISTS (SELECT FROM workflow.executions WHERE status = 'waiting') THEN
        RAISE WARNING 'executions that wait are queued, and count for max_running: the version before keeps them in memory';
    END IF;
END $$;

ALTER TABLE workflow.executions DROP COLUMN traceparent, DROP COLUMN erased_at;
ALTER TABLE workflow.dead_letters DROP COLUMN replays, DROP COLUMN erased_at;
ALTER TABLE workflow.statistics_state DROP COLUMN pruned_until;

/* What waits is queued: it waits in the scheduler's memory. */
UPDATE workflow.executions SET status = 'pending' WHERE status = 'waiting';
ALTER DOMAIN workflow.status_of_execution DROP CONSTRAINT status_of_execution_check;
ALTER DOMAIN workflow.status_of_execution ADD CONSTRAINT status_of_execution_check
    CHECK (VALUE IN ('pending', 'running', 'paused', 'cancelling', 'completed', 'failed', 'cancelled', 'timed_out', 'blocked'));
