--
-- workflow.verify(): faults are planted one by one, and each is found by the check that is
-- meant, and by no other; what the help says, where it is a statement, mends it
--
-- What concerns processes, settings of the server and pg_cron is in test/t/170_verify.pl.
-- In a database of its own, in which all is well.
--
SET client_min_messages = error;
CREATE DATABASE regress_verify;
SELECT current_database() AS regression \gset
\c regress_verify
SET client_min_messages = error;
SET jit = off;
CREATE EXTENSION pg_workflow;
CREATE ROLE regress_verify_user LOGIN;
CREATE ROLE regress_verify_other LOGIN;
SELECT workflow.grant_usage('regress_verify_user');

-- a life of all kinds
CREATE FUNCTION public.agent(jsonb) RETURNS jsonb LANGUAGE sql RETURN $1;
SELECT workflow.register_agent('agent', 'public.agent(jsonb)') \gset
SELECT workflow.define('{"name": "good", "steps": [{"id": "both", "type": "parallel", "parallel_steps": [
    {"id": "l", "sql": "SELECT 1"}, {"id": "r", "type": "loop", "collection": [1, 2, 3], "loop_body": [{"id": "item", "agent_name": "agent", "input_mapping": {"i": "${loop.item}"}}]}]}]}') AS good \gset
SELECT workflow.start('good') AS completed \gset
SELECT status FROM workflow.wait(:completed, '5 minutes');
SET ROLE regress_verify_user;
SELECT workflow.start('good', start_at => 'infinity') AS deferred \gset
RESET ROLE;
SELECT workflow.execute('good') IS NOT NULL AS executed;
SELECT workflow.start('good', start_at => 'infinity') AS cancelled \gset
SELECT workflow.cancel(:cancelled) \gset
SELECT workflow.start('good', start_at => 'infinity') AS paused \gset
SELECT workflow.pause(:paused) \gset
BEGIN;
SELECT workflow.start('good') AS held \gset
SELECT workflow.hold_step(:held, 'both') \gset
COMMIT;
CREATE PROCEDURE public.until_true(condition text) LANGUAGE plpgsql AS $$
DECLARE
    yes boolean;
BEGIN
    FOR i IN 1 .. 1200 LOOP
        EXECUTE 'SELECT ' || condition INTO yes;
        EXIT WHEN yes;
        COMMIT;
        PERFORM pg_sleep(0.05);
    END LOOP;
    RAISE NOTICE '%', yes;
END $$;
SET client_min_messages = notice;
CALL until_true(format('EXISTS (SELECT FROM workflow.executions WHERE id = %s AND status = %L)', :held, 'waiting'));
SET client_min_messages = error;
SELECT workflow.roll_up_statistics() > 0 AS rolled_up;

-- what is found, by check; whom it is told is another question
CREATE VIEW public.found AS
SELECT v.check_name, v.status, v.detail, v.help FROM workflow.verify() AS v WHERE v.status IN ('error', 'warning');
-- all is well
SELECT * FROM found;
SELECT area, string_agg(check_name, ', ' ORDER BY place) AS checks, bool_and(status = 'ok') AS ok
FROM workflow.verify() WITH ORDINALITY AS v (area, check_name, status, detail, help, place) GROUP BY area ORDER BY min(place);
SELECT count(*) AS "not ok in full" FROM workflow.verify(full => true) WHERE status <> 'ok';

-- each sequence is looked at
SELECT q.relname AS "sequence not known" FROM pg_class AS q
WHERE q.relkind = 'S' AND q.relnamespace = 'workflow'::regnamespace
  AND NOT EXISTS (SELECT FROM workflow.verify_checks() AS c WHERE c.check_name = 'sequences' AND strpos(c.query, 'workflow.' || q.relname || ' ') > 0);
-- what the script creates is what there is
SELECT o.kind, o.name FROM workflow.script_objects() AS o
WHERE CASE WHEN o.kind IN ('table', 'view') THEN to_regclass(o.name) IS NULL
           WHEN o.kind IN ('function', 'procedure', 'aggregate') THEN to_regprocedure(o.name) IS NULL
           WHEN o.kind IN ('type', 'domain') THEN to_regtype(o.name) IS NULL
           WHEN o.kind IN ('index', 'dump') THEN to_regclass('workflow.' || COALESCE(o.name, o.relation)) IS NULL END;
SELECT d.classid::regclass AS catalog, pg_describe_object(d.classid, d.objid, 0) AS "not known to be of the script"
FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid
WHERE x.extname = 'pg_workflow' AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
  AND CASE d.classid WHEN 'pg_proc'::regclass THEN d.objid NOT IN (SELECT to_regprocedure(name) FROM workflow.script_objects() WHERE kind IN ('function', 'procedure', 'aggregate'))
                     WHEN 'pg_class'::regclass THEN (SELECT c.relkind FROM pg_class AS c WHERE c.oid = d.objid) IN ('r', 'v')
                          AND d.objid NOT IN (SELECT to_regclass(name) FROM workflow.script_objects() WHERE kind IN ('table', 'view')) END;
SELECT c.relname AS "index not known" FROM pg_class AS c JOIN pg_index AS i ON i.indexrelid = c.oid
WHERE c.relnamespace = 'workflow'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid)
  AND c.relname NOT IN (SELECT name FROM workflow.script_objects() WHERE kind = 'index');
SELECT kind, count(*) = (SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'u') AND connamespace = 'workflow'::regnamespace) AS keys,
       count(*) = (SELECT count(*) FROM pg_policy) AS policies, count(*) = (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal) AS triggers,
       count(*) = (SELECT cardinality(extconfig) FROM pg_extension WHERE extname = 'pg_workflow') AS dumps
FROM workflow.script_objects() WHERE kind IN ('key', 'policy', 'trigger', 'dump') GROUP BY kind ORDER BY kind;

--
-- Faults.  Each is planted, looked for, and rolled back: "found" are the checks that have found something, and "mended"
-- says whether that check finds nothing any more when the help has been run: null where it is no statement.
--
CREATE TABLE public.faults (n integer GENERATED ALWAYS AS IDENTITY, meant text, fault text, found text, detail text, help text, mended boolean);
CREATE FUNCTION public.try_fault(wanted text, fault text, OUT checks text, OUT detail text, OUT help text, OUT mended boolean) LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE fault;
        SELECT string_agg(DISTINCT f.check_name, ', '), string_agg(f.detail, '; '), min(f.help) INTO checks, detail, help FROM public.found AS f;
        IF help !~ '^--' THEN
            EXECUTE help;
            mended := NOT EXISTS (SELECT FROM public.found AS f WHERE f.check_name = wanted);
        END IF;
        RAISE EXCEPTION SQLSTATE 'VFY00';
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE <> 'VFY00' THEN
            checks := SQLERRM;
        END IF;
    END;
END $$;

INSERT INTO faults (meant, fault) VALUES
    -- installation
    ('version', $$UPDATE pg_extension SET extversion = '99.0.0' WHERE extname = 'pg_workflow'$$),
    ('objects', $$ALTER EXTENSION pg_workflow DROP FUNCTION workflow.timeline_svg(bigint, integer); DROP FUNCTION workflow.timeline_svg(bigint, integer)$$),
    ('members', $$ALTER EXTENSION pg_workflow DROP VIEW workflow.interruptions$$),
    ('foreign objects', $$CREATE FUNCTION workflow.start(text, text) RETURNS bigint LANGUAGE sql RETURN 1$$),
    ('foreign objects', $$CREATE TABLE workflow.notes (note text)$$),
    ('foreign objects', $$CREATE TABLE public.kid () INHERITS (workflow.executions)$$),
    ('indexes', $$DROP INDEX workflow.executions_pending_idx$$),
    ('indexes', $$DROP INDEX workflow.blocked_workflows_now_idx$$),
    ('indexes', $$ALTER TABLE workflow.step_executions DROP CONSTRAINT step_executions_pkey$$),
    ('indexes', $$ALTER TABLE workflow.statistics_days DROP CONSTRAINT statistics_days_day_kind_workflow_name_role_key$$),
    ('indexes', $$UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'workflow.executions_running_idx'::regclass$$),
    ('indexes', $$CREATE INDEX left_ccnew ON workflow.executions (tenant); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'workflow.left_ccnew'::regclass$$),
    ('row security', $$ALTER TABLE workflow.executions DISABLE ROW LEVEL SECURITY$$),
    ('row security', $$ALTER TABLE workflow.agents FORCE ROW LEVEL SECURITY$$),
    ('row security', $$DROP POLICY step_executions_read ON workflow.step_executions$$),
    ('row security', $$CREATE POLICY everybody ON workflow.executions USING (true)$$),
    ('row security', $$ALTER VIEW workflow.queue SET (security_barrier = off)$$),
    ('row security', $$ALTER VIEW workflow.activity RESET (security_barrier)$$),
    ('triggers', $$ALTER TABLE workflow.definitions DISABLE TRIGGER definitions_immutable$$),
    ('triggers', $$DROP TRIGGER definitions_immutable ON workflow.definitions$$),
    ('triggers', $$CREATE TRIGGER "Theirs" BEFORE UPDATE ON workflow.executions FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()$$),
    ('triggers', $$CREATE RULE "Theirs" AS ON INSERT TO workflow.executions DO INSTEAD NOTHING$$),
    ('owner', $$ALTER TABLE workflow.audit_entries OWNER TO regress_verify_other$$),
    ('owner', $$ALTER FUNCTION workflow.version() OWNER TO regress_verify_other$$),
    ('owner', $$ALTER TYPE workflow.role OWNER TO regress_verify_other$$),
    ('owner', $$ALTER DOMAIN workflow.status_of_step OWNER TO regress_verify_other$$),
    ('rights', $$GRANT UPDATE (role) ON workflow.executions TO regress_verify_user$$),
    ('rights', $$GRANT SELECT (input) ON workflow.executions TO PUBLIC$$),
    ('rights', $$GRANT UPDATE ON workflow.executions TO regress_verify_user$$),
    ('rights', $$GRANT SELECT ON workflow.audit_entries TO PUBLIC$$),
    ('rights', $$GRANT EXECUTE ON FUNCTION workflow.drain(text, text) TO PUBLIC$$),
    ('rights', $$GRANT CREATE ON SCHEMA workflow TO regress_verify_other$$),
    ('usage', $$REVOKE EXECUTE ON FUNCTION workflow.verify(boolean) FROM regress_verify_user$$),
    ('durability of tables', $$ALTER TABLE workflow.executions SET UNLOGGED$$),
    ('autovacuum', $$ALTER TABLE workflow.executions SET (autovacuum_enabled = off)$$),
    ('dumps', $$ALTER EXTENSION pg_workflow DROP TABLE workflow.agents; ALTER EXTENSION pg_workflow ADD TABLE workflow.agents$$),
    -- settings of this session
    ('limits', $$SET LOCAL workflow.max_running = 3; SET LOCAL workflow.max_running_per_tenant = 4$$),
    ('trusted owners', $$SET LOCAL workflow.trusted_owners = 'postgres, "No Such Role"'$$),
    -- roles
    ('roles', format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database())),
    -- schedules
    ('workflows', $$INSERT INTO workflow.schedule_entries (name, workflow, cron, timezone, input, max_concurrent_runs, overlap, max_lateness, enabled, role, next_run_at)
        VALUES ('s', 'no such workflow', '* * * * *', 'UTC', '{}', 1, 'skip', '1 hour', true, 'postgres', '2100-01-01')$$),
    ('last runs', $$WITH s AS (INSERT INTO workflow.schedule_entries (name, workflow, cron, timezone, input, max_concurrent_runs, overlap, max_lateness, enabled, role, next_run_at)
        VALUES ('s', 'good', '* * * * *', 'UTC', '{}', 1, 'skip', '1 hour', true, 'postgres', '2100-01-01') RETURNING id)
        INSERT INTO workflow.schedule_run_entries (schedule_id, schedule, role, due_at, manual, outcome, reason) SELECT id, 's', 'postgres', '2026-01-01', false, 'failed', 'why not' FROM s$$),
    -- data
    ('sequences', $$SELECT setval('workflow.executions_id_seq', 1)$$),
    ('sequences', $$SELECT setval('workflow.audit_entries_id_seq', 1)$$),
    ('sequences', $$SELECT workflow.set_role_limits('regress_verify_user', max_pending => 1000); ALTER SEQUENCE workflow.role_limits_id_seq RESTART$$),
    ('owners', $$UPDATE workflow.agents SET owner = 'nobody (missing)'$$),
    ('definitions', format('UPDATE workflow.executions SET definition_id = -1 WHERE id = %s', :deferred)),
    ('statuses', format('UPDATE workflow.executions SET completed_at = NULL WHERE id = %s', :completed)),
    ('statuses', format('UPDATE workflow.executions SET status = %L WHERE id = %s', 'cancelling', :deferred)),
    ('statuses', format('UPDATE workflow.executions SET retries = 1 WHERE id = %s', :completed)),
    ('statuses', format('UPDATE workflow.executions SET status = %L WHERE id = %s', 'failed', :completed)),
    ('statuses', format('UPDATE workflow.executions SET completed_at = now() WHERE id = %s', :deferred)),
    ('statuses', format('UPDATE workflow.executions SET paused_at = NULL WHERE id = %s', :paused)),
    ('open steps', format('UPDATE workflow.executions SET completed_at = completed_at - interval %1$L WHERE id = %2$s;
        UPDATE workflow.step_executions SET status = %3$L, completed_at = NULL WHERE execution_id = %2$s AND step_id = %4$L', '1 hour', :completed, 'running', 'both')),
    ('steps', $$INSERT INTO workflow.step_executions (execution_id, started_at, completed_at, scope, step_id, step_type, status) VALUES (0, now(), now(), '', 'a', 'sql', 'completed')$$),
    ('steps', format('DELETE FROM workflow.step_executions WHERE execution_id = %s', :completed)),
    ('scopes', format('DELETE FROM workflow.step_executions WHERE execution_id = %s AND step_id = %L', :completed, 'both')),
    ('counts', $$UPDATE workflow.statistics_days SET total = total + 1 WHERE kind = 'workflow'$$),
    ('dead letters', format('INSERT INTO workflow.dead_letters (execution_id, workflow, version, role, priority, status, execution_status, first_failed_at, last_failed_at, input, retry_history)
        VALUES (%s, %L, 1, %L, 0, %L, %L, now(), now(), %L, %L)', :completed, 'good', 'postgres', 'replaying', 'failed', '{}', '[]')),
    ('waiting', format('UPDATE workflow.executions SET schedule_id = -1 WHERE id = %s', :deferred)),
    ('waits', format('DELETE FROM workflow.waits WHERE execution_id = %s', :held)),
    ('waits', format('UPDATE workflow.executions SET completed_at = completed_at - interval %1$L WHERE id = %2$s;
        INSERT INTO workflow.waits (execution_id, thread, scope, step_id, attempt, kind, until) VALUES (%2$s, %3$L, %3$L, %4$L, 1, %5$L, %6$L)', '1 hour', :completed, 'both.l', 'l', 'retry', '2100-01-01')),
    ('waits', $$INSERT INTO workflow.waits (execution_id, thread, scope, step_id, attempt, kind, until) VALUES (0, '', '', 'both', 1, 'retry', '2100-01-01')$$),
    ('waits', format('UPDATE workflow.executions SET step_marks = NULL WHERE id = %s', :held)),
    ('agents', $$CREATE FUNCTION public.gone(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
        SELECT workflow.register_agent(E'x\nALTER ROLE regress_verify_user SUPERUSER; --', 'public.gone(jsonb)'); DROP FUNCTION public.gone(jsonb)$$),
    ('agents', $$DROP FUNCTION public.agent$$),
    ('agents', $$SELECT workflow.set_agent_status('agent', 'inactive')$$),
    ('agents', $$DELETE FROM workflow.agents$$),
    -- deployment
    ('queue', format('UPDATE workflow.executions SET start_at = now() - interval %L, created_at = now() - interval %1$L WHERE id = %s', '1 day', :deferred)),
    ('stopped', $$SELECT workflow.block('good', 'why not')$$),
    ('stopped', $$INSERT INTO workflow.blocked_workflows (workflow, role, kind, reason) VALUES ('good', 'regress_verify_other', 'automatic', 'stuck')$$),
    ('stopped', $$SELECT workflow.drain('for ever')$$),
    ('stopped', format('UPDATE workflow.executions SET paused_at = now() - interval %L WHERE id = %s', '1 month', :paused)),
    ('outcomes', format('INSERT INTO workflow.dead_letters (execution_id, workflow, version, role, priority, status, execution_status, first_failed_at, last_failed_at, input, retry_history)
        VALUES (%s, %L, 1, %L, 0, %L, %L, now(), now(), %L, %L)', :completed, 'good', 'postgres', 'pending', 'failed', '{}', '[]'));
DO $$
DECLARE
    f record;
BEGIN
    FOR f IN SELECT * FROM public.faults ORDER BY n LOOP
        UPDATE public.faults AS u SET (found, detail, help, mended) = (SELECT t.checks, t.detail, t.help, t.mended FROM public.try_fault(f.meant, f.fault) AS t)
        WHERE u.n = f.n;
    END LOOP;
END $$;
SELECT n, meant, CASE WHEN found = meant THEN 'found' ELSE found END AS found, mended FROM faults ORDER BY n;
-- each check has one: here, as it is committed further down, or in test/t/170_verify.pl
SELECT c.check_name AS "planted elsewhere" FROM workflow.verify_checks() AS c WHERE c.check_name NOT IN (SELECT f.meant FROM faults AS f) ORDER BY 1;
SELECT n, detail, help FROM faults WHERE found IS DISTINCT FROM meant OR NOT mended ORDER BY n;
-- A188: nothing that is run without being read gives a role rights, and no name gets out of a comment
SELECT n, help FROM faults WHERE help ~* '(grant|login)' AND help !~ '^--' OR help ~ '^--.*[\n\r]' ORDER BY n;
SELECT * FROM found;

-- those whose help is done by the scheduler, or an executor, when it is committed
CREATE PROCEDURE public.until_not_found(wanted text) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 600 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM public.found AS f WHERE f.check_name = wanted);
        COMMIT;
        PERFORM pg_sleep(0.05);
    END LOOP;
END $$;
UPDATE workflow.executions SET status = 'blocked', start_at = NULL WHERE id = :deferred;
SELECT check_name, status, detail, help FROM found;
SELECT help FROM found \gexec
CALL until_not_found('blocks');
SELECT status FROM workflow.wait(:deferred, '5 minutes');
-- what waits to be released, and is not held: an execution by itself, and branches of one that runs
BEGIN;
SELECT workflow.start('good', parallel => true) AS forked \gset
SELECT workflow.hold_step(:forked, 'l'), workflow.hold_step(:forked, 'item') \gset
COMMIT;
SET client_min_messages = notice;
CALL until_true(format('count(*) = 2 FROM workflow.waits WHERE execution_id = %s', :forked));
SET client_min_messages = error;
UPDATE workflow.executions SET step_marks = NULL WHERE id IN (:held, :forked);
SELECT check_name, status, regexp_replace(detail, '[0-9]+', 'N') AS detail, regexp_replace(help, '[0-9]+', 'N', 'g') AS help FROM found ORDER BY 3;
-- at once: a branch that is woken sees that the other is held no more
BEGIN;
SELECT help FROM found ORDER BY help \gexec
COMMIT;
SELECT status FROM workflow.wait(:held, '60 s');
SELECT status FROM workflow.wait(:forked, '60 s');
SELECT * FROM found;

-- whose definition is lost ends as cancelled, and the scheduler goes on
BEGIN;
SELECT workflow.start('good', parallel => true) AS lost \gset
SELECT workflow.hold_step(:lost, 'l') \gset
COMMIT;
SELECT workflow.start('good', start_at => 'infinity') AS lost_paused \gset
SELECT workflow.pause(:lost_paused) \gset
SET client_min_messages = notice;
CALL until_true(format('EXISTS (SELECT FROM workflow.waits WHERE execution_id = %s)', :lost));
SET client_min_messages = error;
UPDATE workflow.executions SET definition_id = -1 WHERE id IN (:lost, :lost_paused);
SELECT check_name, regexp_replace(detail, '[0-9]+', 'N') AS detail, regexp_replace(help, '[0-9]+', 'N', 'g') AS help FROM found ORDER BY 2;
SELECT help FROM found ORDER BY help \gexec
SELECT status FROM workflow.wait(:lost, '60 s');
SELECT status FROM workflow.wait(:lost_paused, '60 s');
SELECT workflow.start('good') AS next \gset
SELECT status FROM workflow.wait(:next, '60 s');
SELECT * FROM found;
SET workflow.alert_executor_memory = 1;
SELECT count(workflow.start('good')) AS started FROM generate_series(1, 3);
SELECT bool_and(w.status = 'completed') AS completed
FROM workflow.executions AS e, workflow.wait(e.id, '5 minutes') AS w WHERE e.status NOT IN ('paused', 'cancelled');
SELECT DISTINCT check_name, regexp_replace(help, '[0-9]+', 'N') AS help FROM found;
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT help FROM public.found LOOP
        EXECUTE statement;
    END LOOP;
END $$;
CALL until_not_found('executors');
SELECT * FROM found;
RESET workflow.alert_executor_memory;

-- a table that is not there, and a view: what asks them cannot be checked, the rest can
BEGIN;
ALTER EXTENSION pg_workflow DROP TABLE workflow.dead_letters;
ALTER TABLE workflow.dead_letters RENAME TO dead_letters_hidden;
SELECT check_name, status, detail FROM found ORDER BY check_name, detail;
ROLLBACK;
SELECT * FROM workflow.verify(NULL);

-- a library of another version does not know what there should be
BEGIN;
UPDATE pg_extension SET extversion = '99.0.0' WHERE extname = 'pg_workflow';
SELECT string_agg(check_name, ', ') FILTER (WHERE status = 'error') AS error, bool_or(check_name = 'objects' AND status = 'unknown') AS objects_unknown,
       count(*) FILTER (WHERE status = 'unknown') >= 8 AS others_too
FROM workflow.verify();
ROLLBACK;

-- who is not shown everything is told so
CREATE ROLE regress_verify_monitor LOGIN IN ROLE pg_monitor;
SELECT r.role, v.status, string_agg(DISTINCT v.check_name, ', ') AS checks
FROM unnest('{regress_verify_user,regress_verify_monitor}'::text[]) AS r (role),
     LATERAL (SELECT set_config('role', r.role, true)) AS s,
     LATERAL workflow.verify(s IS NULL) AS v
WHERE v.status <> 'ok' GROUP BY 1, 2 ORDER BY 1, 2;
UPDATE workflow.executions SET completed_at = NULL WHERE role = 'regress_verify_user'::regrole;
SET ROLE regress_verify_user;
SELECT check_name, status FROM workflow.verify() WHERE check_name IN ('statuses', 'scopes');
RESET ROLE;
SET ROLE regress_verify_other;
SELECT count(*) FROM workflow.verify();
RESET ROLE;

-- the caller's settings are the caller's again, also behind an error
SET search_path = public, pg_temp;
SET lock_timeout = '7 s';
SELECT count(*) > 40 AS rows FROM workflow.verify();
SHOW search_path;
SHOW lock_timeout;

-- one that is to run without its definition fails, which is nobody else's affair
RESET search_path;
RESET lock_timeout;
SELECT workflow.start('good', start_at => 'infinity') AS lost \gset
UPDATE workflow.executions SET definition_id = -1, start_at = now() WHERE id = :lost;
SELECT workflow.start('good') AS next \gset
SELECT status FROM workflow.wait(:next, '60 s');
SELECT status, error ->> 'detail' AS detail FROM workflow.wait(:lost, '60 s');
SELECT reason, regexp_replace(help, '[0-9]+', 'N') AS help FROM workflow.why(:lost);
SELECT workflow.retry(:lost);
SELECT workflow.start('good') AS next \gset
SELECT status FROM workflow.wait(:next, '60 s');

\c :regression
DROP DATABASE regress_verify WITH (FORCE);
DROP ROLE regress_verify_user, regress_verify_other, regress_verify_monitor;
