--
-- workflow.why(): why an execution does not go on, or how it has ended
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION IF NOT EXISTS pg_workflow;

-- numbers of executions and processes, and times, differ from run to run
CREATE FUNCTION why_steady(text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace($1, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[-+.\d:]*', '<time>', 'g'), '\m\d{1,9}\M(?!:)', '<n>', 'g') $$;
CREATE PROCEDURE why_wait(condition text) LANGUAGE plpgsql AS $$
DECLARE yes boolean;
BEGIN
    FOR i IN 1 .. 6000 LOOP
        EXECUTE 'SELECT ' || condition INTO yes;
        IF yes THEN RETURN; END IF;
        COMMIT;
        PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
    END LOOP;
    RAISE EXCEPTION 'it did not come to %', condition;
END $$;
\set why 'SELECT reason, step_id, since IS NOT NULL AS since, why_steady(detail) AS detail, why_steady(help) AS help FROM workflow.why(:id);'

-- no such execution
\set id -1
:why

-- it has ended
SELECT workflow.define('{"name": "why_ends", "dead_letter": true, "steps": [
    {"id": "a", "sql": "SELECT 1 / 0", "on_failure": "ignore"},
    {"id": "b", "type": "parallel", "parallel_steps": [{"id": "c", "sql": "SELECT 1 / (input.n::int)", "input_mapping": {"n": "${workflow.input.n}"}}, {"id": "d", "sql": "SELECT 1"}]}]}') AS version;
SELECT workflow.start('why_ends', '{"n": 1}') AS id \gset
SELECT status FROM workflow.wait(:id);
:why
SELECT workflow.start('why_ends', '{"n": 0}') AS id \gset
SELECT status FROM workflow.wait(:id);
:why
SELECT workflow.define('{"name": "why_undone", "steps": [{"id": "a", "type": "set", "output": 1}, {"id": "b", "sql": "SELECT 1", "compensate": {"sql": "SELECT 1 / 0"}}, {"id": "c", "type": "fail", "error": "Late", "message": "too late"}]}') AS version;
SELECT workflow.start('why_undone') AS id \gset
SELECT status FROM workflow.wait(:id);
:why

-- it has not begun
SELECT workflow.start('why_ends', start_at => '2100-01-01') AS id \gset
:why
SELECT workflow.pause(:id, 'not yet', max_pause => '1 day');
:why
SELECT workflow.resume(:id);
SELECT workflow.cancel(:id, 'never');
:why
SELECT workflow.define('{"name": "why_full", "max_running": 1, "tenant": "t", "steps": [{"id": "lock", "sql": "SELECT pg_advisory_xact_lock(90210)"}]}') AS version;
SELECT pg_advisory_lock(90210);
SELECT workflow.start('why_full') AS running \gset
CALL why_wait($$EXISTS (SELECT FROM workflow.activity WHERE workflow = 'why_full' AND wait_event = 'advisory')$$);
SELECT workflow.start('why_full') AS id \gset
CALL why_wait($$EXISTS (SELECT FROM workflow.executions WHERE workflow = 'why_full' AND limited)$$);
:why
SELECT workflow.drain('new disks');
:why
SELECT workflow.undrain();
SELECT workflow.cancel(:id);
SELECT workflow.block('why_ends', 'wrong');
SELECT count(*) FROM workflow.why(:id) WHERE reason = 'cancelled';

-- it runs: waits for a lock
\set id :running
:why
SELECT pg_advisory_unlock(90210);
SELECT status FROM workflow.wait(:running);

-- it waits for its next attempt, or in front of a step
SELECT workflow.define('{"name": "why_waits", "steps": [{"id": "a", "type": "set", "output": 1}, {"id": "b", "sql": "SELECT 1 / 0", "retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000}}]}') AS version;
SELECT workflow.start('why_waits') AS id \gset
CALL why_wait($$EXISTS (SELECT FROM workflow.step_executions WHERE step_id = 'b' AND on_failure = 'retried' AND error_type = '22012') AND NOT EXISTS (SELECT FROM workflow.activity WHERE workflow = 'why_waits')$$);
:why
SELECT workflow.hold_step(:id, 'b', 'wait for me');
CALL why_wait($$EXISTS (SELECT FROM workflow.wait_status WHERE workflow = 'why_waits' AND kind = 'hold')$$);
:why

-- what monitoring is told, and a stranger
CREATE ROLE regress_watcher;
CREATE ROLE regress_stranger;
GRANT pg_monitor TO regress_watcher;
SELECT workflow.grant_usage('regress_stranger');
SET ROLE regress_watcher;
:why
SET ROLE regress_stranger;
:why
-- a role that may not see what processes there are is not told that none is there
RESET ROLE;
ALTER ROLE regress_stranger LOGIN;
SELECT workflow.drain('nothing begins');
SET ROLE regress_stranger;
SELECT workflow.start('why_undone') AS stranger \gset
SET workflow.alert_offline = 0;
SELECT condition FROM workflow.alerts WHERE condition = 'no scheduler';
RESET workflow.alert_offline;
SELECT workflow.cancel(:stranger);
RESET ROLE;
SELECT workflow.undrain();
ALTER ROLE regress_stranger NOLOGIN;
SELECT workflow.revoke_usage('regress_stranger');
DROP ROLE regress_watcher;

-- a role nobody can connect as: for NOLOGIN see t/030_roles.pl, it depends on the version
ALTER ROLE regress_stranger LOGIN;
REVOKE CONNECT ON DATABASE :"DBNAME" FROM PUBLIC;
SELECT reason, replace(detail, current_database(), '..') AS detail FROM workflow.no_workers('regress_stranger'::regrole::oid);
GRANT CONNECT ON DATABASE :"DBNAME" TO PUBLIC;
SELECT reason, detail FROM workflow.no_workers(current_user::regrole::oid);
DROP ROLE regress_stranger;

SELECT workflow.cancel(:id);
SELECT status FROM workflow.wait(:id);
SELECT workflow.unblock('why_ends');
DROP FUNCTION why_steady;
DROP PROCEDURE why_wait;
