--
-- Who sees what of others: each view, table and function, as each kind of role
--
SET client_min_messages = error;
SET jit = off;
ALTER SEQUENCE workflow.executions_id_seq RESTART 9100001;
CREATE ROLE regress_vis_starter LOGIN;	-- whose executions they are
CREATE ROLE regress_vis_author LOGIN;	-- who owns their workflow
CREATE ROLE regress_vis_seer LOGIN;		-- whom the author lets see it
CREATE ROLE regress_vis_user LOGIN;		-- uses workflows and has nothing to do with them
CREATE ROLE regress_vis_outsider LOGIN;	-- uses no workflows
CREATE ROLE regress_vis_monitor LOGIN IN ROLE pg_monitor;
CREATE ROLE regress_vis_both LOGIN IN ROLE pg_monitor;
SELECT count(workflow.grant_usage(r::regrole)) FROM unnest('{regress_vis_starter,regress_vis_author,regress_vis_seer,regress_vis_user,regress_vis_both}'::text[]) AS r;

-- what there is to see: VIS_SQL in definitions, VIS_PAYLOAD in executions, of the tenant VIS_TENANT
SET ROLE regress_vis_author;
SELECT workflow.define('{"name": "vis_work", "workflow_id": "vis", "dead_letter": {}, "steps": [
  {"id": "ask", "type": "conditional", "condition": {"expression": "''VIS_SQL'' == ''no''"}, "if_true_step": {"id": "never", "type": "set", "output": 1}, "if_false_step": {"id": "else", "type": "set", "output": 1}},
  {"id": "say", "type": "sql", "sql": "SELECT $1::text || '', VIS_SQL''", "params": ["${workflow.input.text}"], "result": "value", "compensate": "unsay"},
  {"id": "read", "type": "sql", "sql": "SELECT $1::integer", "params": ["${workflow.input.number}"], "result": "value"},
  {"id": "sleep", "type": "sql", "sql": "SELECT pg_sleep(600) /* VIS_SQL */", "when": "${workflow.input.sleep ?? false}"},
  {"id": "unsay", "type": "sql", "sql": "SELECT $1::integer", "params": ["${say.output}"]}]}');
SELECT workflow.grant_execute('vis', 'regress_vis_seer', 'see');
SET ROLE regress_vis_starter;
SELECT workflow.start('vis', '{"text": "VIS_PAYLOAD", "number": "VIS_PAYLOAD"}', tenant => 'VIS_TENANT') AS failed \gset
SELECT status FROM workflow.wait(:failed, '60 s');
SELECT workflow.start('vis', '{"text": "VIS_PAYLOAD", "number": 1}', tenant => 'VIS_TENANT') AS completed \gset
SELECT status FROM workflow.wait(:completed, '60 s');
SELECT workflow.start('vis', '{"text": "VIS_PAYLOAD", "number": 1}', tenant => 'VIS_TENANT', start_at => 'infinity', idempotency_key => 'VIS_PAYLOAD') AS paused \gset
SELECT workflow.hold_step(:paused, 'read', 'VIS_PAYLOAD'), workflow.skip_step(:paused, 'say', '"VIS_PAYLOAD"', 'VIS_PAYLOAD'), workflow.pause(:paused, 'VIS_PAYLOAD');
SELECT workflow.start('vis', '{"text": "VIS_PAYLOAD"}', tenant => 'VIS_TENANT', start_at => 'infinity') AS cancelled \gset
SELECT workflow.cancel(:cancelled, 'VIS_PAYLOAD');
SELECT workflow.start('vis', '{"text": "VIS_PAYLOAD"}', tenant => 'VIS_TENANT', start_at => 'infinity') AS waiting \gset
BEGIN;
SELECT workflow.start('vis', '{"text": "VIS_PAYLOAD", "number": 1}', tenant => 'VIS_TENANT') AS held \gset
SELECT workflow.hold_step(:held, 'say', 'VIS_PAYLOAD');
COMMIT;
SELECT set_config('test.id', :'held', false) = :'held' AS set;
DO $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM workflow.waits WHERE execution_id = current_setting('test.id')::bigint) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT workflow.start('vis', '{"text": "VIS_PAYLOAD", "number": 1, "sleep": true}', tenant => 'VIS_TENANT') AS running \gset
SELECT workflow.schedule('vis_schedule', 'vis', '0 0 * * *', '{"text": "VIS_PAYLOAD"}', tenant => 'VIS_TENANT', enabled => false) IS NULL AS scheduled;
RESET ROLE;
UPDATE workflow.executions SET interruptions = jsonb_build_array(jsonb_build_object('event', 'recovered', 'at', now(), 'reason', 'VIS_PAYLOAD'),
    jsonb_build_object('event', 'cancelled', 'at', now(), 'error', error, 'reason', 'VIS_PAYLOAD')) WHERE id = :failed;
UPDATE workflow.schedule_entries SET pause_reason = 'VIS_PAYLOAD' WHERE name = 'vis_schedule';
INSERT INTO workflow.schedule_run_entries (schedule_id, schedule, role, due_at, manual, outcome, execution_id, reason)
SELECT id, name, role, now(), false, 'failed', :failed, 'VIS_PAYLOAD' FROM workflow.schedule_entries WHERE name = 'vis_schedule';
INSERT INTO workflow.executor_history (started_at, pid, role, reason, execution_id, workflow, step_id, stuck_at)
VALUES (now(), 1, 'regress_vis_starter', 'stuck', :failed, 'vis_work', 'say', now());
INSERT INTO workflow.statistics_days (day, kind, name, role, total, completed, failed, timed_out, cancelled, retries, stuck, queue_times, run_times)
VALUES (current_date, 'tenant', 'VIS_TENANT', 'regress_vis_starter', 3, 3, 0, 0, 0, 0, 0, '{}', '{}');
SELECT set_config('test.id', :'running', false) = :'running' AS set;
DO $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM workflow.activity WHERE execution_id = test.id() AND wait_event = 'PgSleep') LOOP
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
    END LOOP;
END $$;

-- what of that is in a text: P(ayload), S(QL), T(enant), I(d)
CREATE SCHEMA vis;
SELECT set_config('vis.seen', '', false) = '' AS set;
GRANT USAGE, CREATE ON SCHEMA vis TO PUBLIC;
CREATE FUNCTION vis.found(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN concat(
    CASE WHEN $1 LIKE '%VIS_PAYLOAD%' THEN 'P' END, CASE WHEN $1 LIKE '%VIS_SQL%' THEN 'S' END,
    CASE WHEN $1 LIKE '%VIS_TENANT%' THEN 'T' END, CASE WHEN $1 ~ '\m91000[0-9][0-9]\M' THEN 'I' END);
-- a function that tells what it was shown, and that the planner likes to call first
CREATE FUNCTION vis.look(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0000001 AS $$
BEGIN
    PERFORM set_config('vis.seen', concat(current_setting('vis.seen'), ' ', $1), false) WHERE vis.found($1) <> '';
    RETURN true;
END $$;
CREATE TABLE vis.relations AS
SELECT c.relname AS name, string_agg(format('vis.look(t.%I::text)', a.attname), ' AND ' ORDER BY a.attnum) AS looks
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f') GROUP BY c.relname;
CREATE TABLE vis.seen (reader name, subject text, seen text);
GRANT SELECT ON vis.relations TO PUBLIC;
GRANT INSERT ON vis.seen TO PUBLIC;


-- A135, A179: by looking on from within a condition, and by reading what is returned
CREATE PROCEDURE vis.read_relations() LANGUAGE plpgsql AS $$
DECLARE
    r record;
    returned text;
BEGIN
    FOR r IN SELECT * FROM vis.relations ORDER BY name LOOP
        PERFORM set_config('vis.seen', '', false);
        BEGIN
            EXECUTE format('SELECT string_agg(t::text, %L) FROM workflow.%I AS t', ' ', r.name) INTO returned;
            EXECUTE format('SELECT count(*) FROM workflow.%I AS t WHERE %s', r.name, r.looks);
            EXECUTE format('SELECT count(*) FROM workflow.%I AS t WHERE vis.look(t::text)', r.name);
            INSERT INTO vis.seen VALUES (current_user, r.name, vis.found(concat(returned, current_setting('vis.seen'))));
        EXCEPTION WHEN insufficient_privilege THEN
            INSERT INTO vis.seen VALUES (current_user, r.name, SQLSTATE);
        END;
    END LOOP;
END $$;

-- A136: all functions, with each execution's number for ID where it is asked for; whatever they do is rolled back
CREATE TABLE vis.calls (call text, run text);
INSERT INTO vis.calls (call) VALUES
    -- about an execution
    ('SELECT workflow.wait(ID, ''0 s'')'), ('SELECT workflow.timeline(ID)'), ('SELECT workflow.timeline_svg(ID)'),
    ('SELECT workflow.diagram(ID)'), ('SELECT workflow.report(ID)'), ('SELECT workflow.progress(ID)'), ('SELECT workflow.metrics(ID)'),
    ('SELECT string_agg(w::text, '' '') FROM workflow.why(ID) AS w'), ('SELECT string_agg(r::text, '' '') FROM workflow.reasons(ID) AS r'),
    ('SELECT count(*) > 0 FROM workflow.executors_of(ID) AS x'),
    ('SELECT workflow.cancel(ID, ''no'')'), ('SELECT workflow.pause(ID)'), ('SELECT workflow.resume(ID)'),
    ('SELECT workflow.erase(ID) > 0'),
    ('SELECT workflow.retry(ID)'), ('SELECT workflow.retry(ID, ''say'')'), ('SELECT workflow.retry(ID, ''say'', ''{}'')'), ('SELECT workflow.retry(ID, input => ''null'')'),
    ('SELECT workflow.retry_help(ID)'), ('SELECT workflow.retry_possible(ID)'),
    ('SELECT workflow.hold_step(ID, ''read'')'), ('SELECT workflow.release_step(ID, ''say'')'),
    ('SELECT workflow.skip_step(ID, ''say'')'), ('SELECT workflow.skip_step(ID, ''say'', ''1'')'), ('SELECT workflow.skip_step(ID, ''say'', ''null'')'),
    -- about others
    ('SELECT workflow.report()'),
    ('SELECT string_agg(s::text, '' '') FROM workflow.statistics(''1 day'', 500) AS s'),
    ('SELECT string_agg(s::text, '' '') FROM workflow.statistics_between(''-infinity'', ''infinity'') AS s'),
    ('SELECT string_agg(a::text, '' '') FROM workflow.current_alerts() AS a'),
    ('SELECT string_agg(s::text, '' '') FROM workflow.executor_slots() AS s'),
    ('SELECT string_agg(s::text, '' '') FROM workflow.executor_slots() AS s WHERE vis.look(s.execution_id::text) AND vis.look(s.step_id)'),
    ('SELECT count(*) > 0 FROM workflow.engine_counters() AS c'),
    ('SELECT count(*) FROM workflow.executions_to_steer(''{failed,completed,paused,cancelled,pending,running}'', NULL, ''vis'', NULL, ''failed'', NULL, NULL, NULL, 100) AS e'),
    ('SELECT workflow.explain(''vis'')'), ('SELECT workflow.diagram(''vis'', 1)'),
    ('SELECT string_agg(p::text, '' '') FROM workflow.plan_steps(DEFINITION) AS p'),
    ('SELECT workflow.workflow_to_steer(''vis'', NULL)'), ('SELECT workflow.no_workers(10)'), ('SELECT workflow.lock_holder(1, NULL)'), ('SELECT workflow.scheduler_state()'), ('SELECT workflow.drained()'),
    ('SELECT workflow.breaker_memory(''vis'')'), ('SELECT workflow.version()'),
    ('SELECT string_agg(v::text, '' '') FROM workflow.verify() AS v'), ('SELECT string_agg(c::text, '' '') FROM workflow.verify_checks() AS c'),
    ('SELECT string_agg(o::text, '' '') FROM workflow.script_objects() AS o'),
    ('SELECT workflow.set_owner(''vis'', ''regress_vis_author'')'), ('SELECT workflow.reassign_owned(''regress_vis_starter'', ''regress_vis_author'')'),
    ('SELECT workflow.grant_execute(''vis'', ''regress_vis_user'')'), ('SELECT workflow.revoke_execute(''vis'', ''-'')'),
    ('SELECT workflow.replay(LETTER)'), ('SELECT workflow.replay(LETTER, ''{}'')'), ('SELECT workflow.discard(LETTER)'),
    ('SELECT workflow.replay_all(''vis'')'), ('SELECT workflow.replay_help(LETTER)'), ('SELECT workflow.replay_possible(LETTER)'),
    ('SELECT workflow.cancel_executions(''vis'')'), ('SELECT workflow.pause_executions(''vis'')'),
    ('SELECT workflow.resume_executions(''vis'')'), ('SELECT workflow.retry_executions(''vis'')'),
    ('SELECT workflow.unschedule(''vis_schedule'')'), ('SELECT workflow.pause_schedule(''vis_schedule'')'),
    ('SELECT workflow.resume_schedule(''vis_schedule'')'), ('SELECT workflow.run_schedule_now(''vis_schedule'')'),
    ('SELECT workflow.schedule_tick(''vis_schedule'')'), ('SELECT string_agg(j::text, '' '') FROM workflow.schedule_jobs() AS j'), ('SELECT workflow.sync_schedules()'),
    ('SELECT workflow.schedule(''vis_schedule'', ''vis'', ''0 1 * * *'', ''{}'', enabled => false)'),
    ('SELECT workflow.drain_executor(PID)'), ('SELECT workflow.recycle_executor(PID)'),
    ('SELECT workflow.block(''vis'')'), ('SELECT workflow.unblock(''vis'')'), ('SELECT workflow.set_status(''vis'', 1, ''archived'')'),
    ('SELECT workflow.define(''{"name": "vis_work", "workflow_id": "vis", "steps": [{"id": "a", "type": "set", "output": 1}]}'')'),
    ('SELECT workflow.validate(''{}'')'), ('SELECT workflow.register_agent(''vis'', sql => ''SELECT 1'')'),
    ('SELECT workflow.set_agent_status(''vis'', ''active'')'), ('SELECT workflow.drop_agent(''vis'')'), ('SELECT workflow.reset_breaker(''vis'')'),
    -- for everybody, and for the owner of the extension only
    ('SELECT workflow.start(''vis'')'), ('SELECT workflow.execute(''vis'')'), ('CALL workflow.run(''vis'')'),
    ('SELECT workflow.evaluate(''1'')'), ('SELECT workflow.evaluate_condition(''true'')'), ('SELECT workflow.next_runs(''0 0 * * *'')'),
    ('SELECT workflow.paused_time(NULL, NULL, NULL, now(), now())'), ('SELECT workflow.scope_level(''a.b'', 1)'), ('SELECT workflow.scope_children('''', ''a'', 1, false)'), ('SELECT workflow.histogram_bound(''1 s'')'), ('SELECT workflow.add_histograms(''{}'', ''{}'')'),
    ('SELECT workflow.merge_histograms(''{}'')'), ('SELECT workflow.histogram_percentile(''{}'', 0.5)'),
    ('SELECT workflow.prune()'), ('CALL workflow.prune_all()'), ('SELECT workflow.roll_up_statistics()'), ('SELECT workflow.schedule_housekeeping()'),
    ('SELECT workflow.drain()'), ('SELECT workflow.undrain()'), ('SELECT workflow.reset_engine_statistics()'),
    ('SELECT workflow.set_role_limits(''regress_vis_starter'')'),
    ('SELECT workflow.grant_usage(''regress_vis_outsider'')'), ('SELECT workflow.revoke_usage(''regress_vis_outsider'')'),
    ('SELECT workflow.extension_ready()'), ('SELECT workflow.refuse_change()'), ('SELECT workflow.drain_changed()');
UPDATE vis.calls SET run = replace(replace(replace(call, 'DEFINITION', (SELECT max(id)::text FROM workflow.definitions WHERE name = 'vis_work')),
    'LETTER', (SELECT id::text FROM workflow.dead_letters WHERE execution_id = :failed)),
    'PID', (SELECT executor_pid::text FROM workflow.activity WHERE execution_id = :running));
-- is none forgotten?  What the type role is made of reads no table of ours
SELECT p.oid::regprocedure AS "not called" FROM pg_proc AS p
WHERE p.pronamespace = 'workflow'::regnamespace AND p.proname !~ '^role_' AND NOT EXISTS (SELECT FROM vis.calls AS c WHERE position('workflow.' || p.proname || '(' IN c.call) > 0);
CREATE TABLE vis.executions AS SELECT e.id FROM workflow.executions AS e WHERE e.role = 'regress_vis_starter'::regrole;
CREATE TABLE vis.errors (reader name, call text, id bigint, message text);
GRANT SELECT ON vis.calls, vis.executions TO PUBLIC;
GRANT INSERT ON vis.errors TO PUBLIC;
CREATE PROCEDURE vis.make_calls() LANGUAGE plpgsql AS $$
DECLARE
    c record;
    e record;
    returned text;
    detail text;
    hint text;
    state text;
BEGIN
    FOR c IN SELECT * FROM vis.calls LOOP
        -- the last number is nobody's
        FOR e IN SELECT id, true AS exists FROM vis.executions WHERE c.call ~ '\mID\M' UNION ALL SELECT 9199999, c.call !~ '\mID\M' LOOP
            PERFORM set_config('vis.seen', '', false);
            BEGIN
                EXECUTE regexp_replace(c.run, '\mID\M', e.id::text) INTO returned;
                RAISE EXCEPTION USING errcode = 'VIS00', message = concat(returned, ' ');
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, returned = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
                returned := concat(returned, detail, hint);
                IF state <> 'VIS00' THEN
                    returned := replace(returned, e.id::text, 'N');
                    INSERT INTO vis.errors VALUES (current_user, c.call, e.id, returned);
                END IF;
            END;
            IF e.exists THEN
                INSERT INTO vis.seen VALUES (current_user, c.call, concat_ws(' ', NULLIF(state, 'VIS00'), NULLIF(vis.found(concat(returned, current_setting('vis.seen'))), ''),
                    CASE WHEN state = 'VIS00' AND returned ~ '^[0-9]{1,3} $' THEN trim(returned) END));
            END IF;
        END LOOP;
    END LOOP;
END $$;

SET ROLE regress_vis_starter;
CALL vis.read_relations();
CALL vis.make_calls();
SET ROLE regress_vis_author;
CALL vis.read_relations();
CALL vis.make_calls();
SET ROLE regress_vis_seer;
CALL vis.read_relations();
CALL vis.make_calls();
SET ROLE regress_vis_user;
CALL vis.read_relations();
CALL vis.make_calls();
SET ROLE regress_vis_both;
CALL vis.read_relations();
CALL vis.make_calls();
SET ROLE regress_vis_monitor;
CALL vis.read_relations();
CALL vis.make_calls();
SET ROLE regress_vis_outsider;
CALL vis.read_relations();
CALL vis.make_calls();
RESET ROLE;

-- nothing: "-"; an error: its SQLSTATE; a number that was returned, or what was seen: P(ayload), S(QL), T(enant), I(d)
CREATE VIEW vis.matrix AS
SELECT m.subject, m.relation,
       max(m.seen) FILTER (WHERE m.reader = 'regress_vis_starter') AS starter, max(m.seen) FILTER (WHERE m.reader = 'regress_vis_author') AS author,
       max(m.seen) FILTER (WHERE m.reader = 'regress_vis_seer') AS seer, max(m.seen) FILTER (WHERE m.reader = 'regress_vis_user') AS "user", max(m.seen) FILTER (WHERE m.reader = 'regress_vis_both') AS "both",
       max(m.seen) FILTER (WHERE m.reader = 'regress_vis_monitor') AS monitor, max(m.seen) FILTER (WHERE m.reader = 'regress_vis_outsider') AS outsider
FROM (SELECT s.reader, s.subject, s.subject IN (SELECT r.name FROM vis.relations AS r) AS relation,
             string_agg(DISTINCT COALESCE(NULLIF(s.seen, ''), '-'), ', ') AS seen
      FROM vis.seen AS s GROUP BY s.reader, s.subject) AS m
GROUP BY m.subject, m.relation;
SELECT subject, starter, author, seer, "user", "both", monitor, outsider FROM vis.matrix WHERE relation ORDER BY subject COLLATE "C";
SELECT regexp_replace(subject, '^SELECT (workflow.)?', '') AS call, starter, author, seer, "user", "both", monitor, outsider FROM vis.matrix WHERE NOT relation ORDER BY subject COLLATE "C";
-- A134: who may neither see nor steer an execution gets the errors for one that is not there
SELECT DISTINCT e.reader, e.call, e.message FROM vis.errors AS e
WHERE e.reader IN ('regress_vis_user', 'regress_vis_outsider') AND e.call ~ '\mID\M' AND e.id <> 9199999
  AND NOT EXISTS (SELECT FROM vis.errors AS n WHERE (n.reader, n.call, n.message) = (e.reader, e.call, e.message) AND n.id = 9199999);

SELECT workflow.cancel(:running);
SELECT status FROM workflow.wait(:running, '60 s');
SELECT count(workflow.revoke_usage(r::regrole)) FROM unnest('{regress_vis_starter,regress_vis_author,regress_vis_seer,regress_vis_user,regress_vis_both}'::text[]) AS r;
DELETE FROM workflow.schedule_run_entries WHERE role = 'regress_vis_starter'::regrole;
DELETE FROM workflow.schedule_entries WHERE role = 'regress_vis_starter'::regrole;
DELETE FROM workflow.executor_history WHERE role = 'regress_vis_starter'::regrole;
DELETE FROM workflow.statistics_days WHERE role = 'regress_vis_starter'::regrole;
DELETE FROM workflow.dead_letters WHERE role = 'regress_vis_starter'::regrole;
DELETE FROM workflow.step_executions WHERE execution_id IN (SELECT id FROM vis.executions);
DELETE FROM workflow.waits WHERE execution_id IN (SELECT id FROM vis.executions);
DELETE FROM workflow.executions WHERE id IN (SELECT id FROM vis.executions);
DELETE FROM workflow.audit_entries WHERE role::text LIKE 'regress_vis%';
DELETE FROM workflow.definitions WHERE name = 'vis_work';
DELETE FROM workflow.grants WHERE workflow = 'vis_work';
DROP SCHEMA vis CASCADE;
DROP ROLE regress_vis_starter, regress_vis_author, regress_vis_seer, regress_vis_user, regress_vis_outsider, regress_vis_monitor, regress_vis_both;
