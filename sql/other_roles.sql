--
-- Steps as another role than the starter's: whatever they leave behind happens as that role
--
SET client_min_messages = warning;
CREATE ROLE workflow_lesser;
CREATE SCHEMA lesser AUTHORIZATION workflow_lesser;
GRANT USAGE ON SCHEMA test TO workflow_lesser;
SET ROLE workflow_lesser;
CREATE TABLE lesser.seen (id int GENERATED ALWAYS AS IDENTITY, what text, who name DEFAULT current_user, path text DEFAULT current_setting('search_path'));
CREATE TABLE lesser.orders (id int PRIMARY KEY, what text);
CREATE FUNCTION lesser.look(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO lesser.seen (what) VALUES (what);
  RETURN what;
END $$;
CREATE FUNCTION lesser.orders_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.what = 'escape' THEN
    EXECUTE 'RESET ROLE';
  ELSIF NEW.what = 'sleep' THEN
    PERFORM pg_sleep(600);
  ELSIF NEW.what = 'refuse' THEN
    RAISE EXCEPTION 'order % refused at the end', NEW.id;
  END IF;
  PERFORM lesser.look('trigger ' || NEW.what);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT OR UPDATE ON lesser.orders DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION lesser.orders_changed();
CREATE PROCEDURE lesser.escape() LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'RESET ROLE'; PERFORM lesser.look('procedure'); END $$;
RESET ROLE;
CREATE VIEW test.who AS SELECT what, who, path FROM lesser.seen ORDER BY id;
CREATE VIEW test.failed AS
SELECT step_id, status, error ->> 'sqlstate' AS sqlstate, regexp_replace(error ->> 'message', '[0-9.]+ s', 'n s') AS message, error ->> 'hint' AS hint
FROM workflow.step_executions WHERE execution_id = test.id() AND status <> 'completed' ORDER BY started_at;

-- A21: triggers, cursors that outlive the transaction, in settings of the definition, of defaults, of a step; a role that SQL sets itself
SELECT workflow.define($${"name": "lesser", "settings": {"role": "workflow_lesser", "search_path": "lesser"}, "steps": [
  {"id": "trigger", "type": "sql", "sql": "INSERT INTO lesser.orders VALUES ($1, 'deferred')", "params": ["${workflow.input.n + 1}"]},
  {"id": "cursor", "type": "sql", "sql": "DECLARE c CURSOR WITH HOLD FOR SELECT lesser.look('cursor')"},
  {"id": "me", "type": "sql", "sql": "SELECT current_user::text", "settings": {"role": "none"}, "result": "value"}]}$$) \gset
CALL test.go('lesser', '{"n": 0}');
TABLE test.who;
TRUNCATE lesser.seen;
SELECT workflow.define($${"name": "lesser_sets", "steps": [
  {"id": "trigger", "type": "sql", "sql": "SET ROLE workflow_lesser; INSERT INTO lesser.orders VALUES ($1, 'SET ROLE')", "params": ["${workflow.input.n + 1}"]},
  {"id": "local", "type": "sql", "sql": "SET LOCAL ROLE workflow_lesser; INSERT INTO lesser.orders VALUES ($1, 'SET LOCAL ROLE')", "params": ["${workflow.input.n + 2}"]},
  {"id": "config", "type": "sql", "sql": "SELECT set_config('role', 'workflow_lesser', true); INSERT INTO lesser.orders VALUES ($1, 'set_config')", "params": ["${workflow.input.n + 3}"]},
  {"id": "authorization", "type": "sql", "sql": "SET SESSION AUTHORIZATION workflow_lesser; INSERT INTO lesser.orders VALUES ($1, 'SET SESSION AUTHORIZATION')", "params": ["${workflow.input.n + 4}"]},
  {"id": "cursor", "type": "sql", "sql": "SET ROLE workflow_lesser; DECLARE c CURSOR WITH HOLD FOR SELECT lesser.look('cursor')"},
  {"id": "me", "type": "sql", "sql": "SELECT current_user::text || session_user", "result": "value"}]}$$) \gset
CALL test.go('lesser_sets', '{"n": 10}');
TABLE test.who;
TRUNCATE lesser.seen;
-- A22: in shared transactions, in conditions, agents and compensations
SELECT workflow.define($${"name": "lesser_batch", "commit": {"max_steps": 10}, "steps": [
  {"id": "own", "type": "sql", "sql": "SELECT current_user::text", "result": "value"},
  {"id": "trigger", "type": "sql", "sql": "INSERT INTO lesser.orders VALUES ($1, 'in a batch')", "params": ["${workflow.input.n + 1}"], "settings": {"role": "workflow_lesser"}},
  {"id": "cursor", "type": "sql", "sql": "DECLARE c CURSOR WITH HOLD FOR SELECT lesser.look('cursor')", "settings": {"role": "workflow_lesser"}},
  {"id": "refused", "type": "sql", "sql": "INSERT INTO lesser.orders VALUES ($1, 'refuse')", "params": ["${workflow.input.n + 2}"], "settings": {"role": "workflow_lesser"}, "on_failure": "ignore"},
  {"id": "after", "type": "sql", "sql": "INSERT INTO lesser.orders VALUES ($1, 'after it')", "params": ["${workflow.input.n + 3}"], "settings": {"role": "workflow_lesser"}}]}$$) \gset
CALL test.go('lesser_batch', '{"n": 20}');
TABLE test.who;
TABLE test.failed;
TRUNCATE lesser.seen;
SELECT workflow.register_agent('lesser_order', sql => 'INSERT INTO lesser.orders VALUES (input.n, ''by an agent'')') \gset
SELECT workflow.define($${"name": "lesser_undo", "settings": {"role": "workflow_lesser"}, "steps": [
  {"id": "agent", "agent_name": "lesser_order", "input_mapping": {"n": "${workflow.input.n}"},
   "compensate": {"id": "undo", "type": "sql", "sql": "UPDATE lesser.orders SET what = 'undone' WHERE id = input.n", "input_mapping": {"n": "${workflow.input.n}"}}},
  {"id": "fail", "type": "fail", "message": "it is not to be"}]}$$) \gset
CALL test.go('lesser_undo', '{"n": 30}');
TABLE test.who;
TRUNCATE lesser.seen;

-- A40: nobody gets out of it
SELECT workflow.define($${"name": "lesser_escape", "settings": {"role": "workflow_lesser"}, "steps": [
  {"id": "trigger", "type": "sql", "sql": "INSERT INTO lesser.orders VALUES ($1, 'escape')", "params": ["${workflow.input.n + 1}"], "on_failure": "ignore"},
  {"id": "now", "type": "sql", "sql": "SET CONSTRAINTS ALL IMMEDIATE; INSERT INTO lesser.orders VALUES ($1, 'escape')", "params": ["${workflow.input.n + 2}"], "on_failure": "ignore"},
  {"id": "reset", "type": "sql", "sql": "RESET ROLE", "on_failure": "ignore"},
  {"id": "set", "type": "sql", "sql": "SET ROLE postgres", "on_failure": "ignore"},
  {"id": "authorization", "type": "sql", "sql": "RESET SESSION AUTHORIZATION", "on_failure": "ignore"},
  {"id": "call", "type": "sql", "sql": "CALL lesser.escape()", "on_failure": "ignore"},
  {"id": "outside", "type": "sql", "sql": "CALL lesser.escape()", "transaction": "none", "on_failure": "ignore"},
  {"id": "outside_query", "type": "sql", "sql": "SELECT lesser.look('outside')", "transaction": "none", "on_failure": "ignore"},
  {"id": "vacuum", "type": "sql", "sql": "VACUUM lesser.orders", "transaction": "none"}]}$$) \gset
CALL test.go('lesser_escape', '{"n": 40}');
TABLE test.failed;
TABLE test.who;
TRUNCATE lesser.seen;
SELECT workflow.define($${"name": "lesser_authorization", "settings": {"session_authorization": "workflow_lesser"}, "steps": [
  {"id": "trigger", "type": "sql", "sql": "INSERT INTO lesser.orders VALUES ($1, 'authorized')", "params": ["${workflow.input.n + 1}"]},
  {"id": "reset", "type": "sql", "sql": "RESET SESSION AUTHORIZATION"}]}$$) \gset
CALL test.go('lesser_authorization', '{"n": 50}');
TABLE test.who;
TRUNCATE lesser.seen;

-- what is deferred has the step's time limits, and is the step's failure
SELECT workflow.define($${"name": "lesser_slow", "steps": [
  {"id": "limit", "type": "sql", "sql": "INSERT INTO lesser.orders VALUES ($1, 'sleep')", "params": ["${workflow.input.n + 1}"], "timeout_seconds": 1, "on_failure": "ignore"},
  {"id": "setting", "type": "sql", "sql": "INSERT INTO lesser.orders VALUES ($1, 'sleep')", "params": ["${workflow.input.n + 2}"], "settings": {"statement_timeout": "1s"}, "on_failure": "ignore"},
  {"id": "refuse", "type": "sql", "sql": "INSERT INTO lesser.orders VALUES ($1, 'refuse')", "params": ["${workflow.input.n + 3}"]}]}$$) \gset
CALL test.go('lesser_slow', '{"n": 60}');
TABLE test.failed;
-- each statement has the time that is set when it begins
SELECT workflow.define($${"name": "statement_timeouts", "steps": [
  {"id": "local", "type": "sql", "sql": "SET LOCAL statement_timeout = '100ms'; SELECT pg_sleep(600)", "on_failure": "ignore"},
  {"id": "config", "type": "sql", "sql": "SELECT set_config('statement_timeout', '100ms', true); SELECT pg_sleep(600)", "on_failure": "ignore"},
  {"id": "session", "type": "sql", "sql": "SET statement_timeout = '100ms'; SELECT pg_sleep(600)", "on_failure": "ignore"},
  {"id": "setting", "type": "sql", "sql": "SELECT pg_sleep(600)", "settings": {"statement_timeout": "100ms"}, "on_failure": "ignore"},
  {"id": "longer", "type": "sql", "sql": "SET LOCAL statement_timeout = 0; SELECT pg_sleep(1.2), current_setting('statement_timeout') AS s", "settings": {"statement_timeout": "1s"}}]}$$) \gset
CALL test.go('statement_timeouts');
TABLE test.failed;
-- so it has in execute(), where the caller's limit, which is its statement's, holds as well
CREATE VIEW test.failed_in_execute AS
SELECT step_id, status, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message
FROM workflow.step_executions WHERE execution_id = (SELECT max(id) FROM workflow.executions) AND status <> 'completed' ORDER BY started_at;
SELECT workflow.execute('statement_timeouts');
TABLE test.failed_in_execute;
SET statement_timeout = '1h';
SELECT workflow.execute('statement_timeouts');
TABLE test.failed_in_execute;
SHOW statement_timeout;
SELECT workflow.define($${"name": "statement_timeouts_of_callers", "steps": [
  {"id": "longer", "type": "sql", "sql": "SET statement_timeout = '1h'; SELECT pg_sleep(600)", "on_failure": "ignore"}]}$$) \gset
\set SHOW_CONTEXT never
SET statement_timeout = '100ms';
SELECT workflow.execute('statement_timeouts_of_callers');
SET statement_timeout = 0;
\set SHOW_CONTEXT errors
-- and where it is a step that calls it: its own limit goes on, behind what it calls, too
SELECT workflow.define($${"name": "statement_timeouts_of_steps", "steps": [
  {"id": "own", "type": "sql", "sql": "SELECT workflow.execute('statement_timeouts')"},
  {"id": "inside", "type": "sql", "sql": "SELECT workflow.execute('statement_timeouts_of_callers')", "settings": {"statement_timeout": "1s"}, "on_failure": "ignore"},
  {"id": "behind", "type": "sql", "sql": "SELECT workflow.execute('statement_timeouts'), pg_sleep(600)", "settings": {"statement_timeout": "3s"}, "on_failure": "ignore"},
  {"id": "next", "type": "sql", "sql": "SELECT pg_sleep(0)"}]}$$) \gset
CALL test.go('statement_timeouts_of_steps');
TABLE test.failed;

-- execute() in a step ends nothing of that step: not its cursors, nor does it fire its triggers
CREATE TABLE test.parents (id int PRIMARY KEY);
CREATE TABLE test.children (id int REFERENCES test.parents DEFERRABLE INITIALLY DEFERRED);
SELECT workflow.define($${"name": "inside", "steps": [
  {"id": "parent", "type": "sql", "sql": "INSERT INTO test.parents VALUES (input.n)", "input_mapping": {"n": "${workflow.input.n}"}}]}$$) \gset
CREATE FUNCTION test.around() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n int;
BEGIN
  INSERT INTO test.children VALUES (3);
  FOR n IN SELECT generate_series(1, 3) LOOP
    PERFORM workflow.execute('inside', jsonb_build_object('n', n));
  END LOOP;
  RETURN (SELECT count(*) FROM test.parents);
END $$;
SELECT workflow.define($${"name": "around", "steps": [{"id": "step", "type": "sql", "sql": "SELECT test.around()", "result": "value"}]}$$) \gset
CALL test.go('around');
TABLE test.failed;
BEGIN; DELETE FROM test.children; DELETE FROM test.parents; SELECT workflow.execute('around'); COMMIT;

-- A43: in execute() what would happen at the caller's end is refused
SELECT workflow.execute('lesser', '{"n": 70}');
SELECT workflow.define($${"name": "lesser_now", "settings": {"role": "workflow_lesser"}, "steps": [
  {"id": "look", "type": "sql", "sql": "SELECT lesser.look('in execute()')", "result": "value"}]}$$) \gset
SELECT workflow.execute('lesser_now');
SELECT workflow.define($${"name": "lesser_hold", "settings": {"role": "workflow_lesser"}, "steps": [
  {"id": "cursor", "type": "sql", "sql": "DECLARE held CURSOR WITH HOLD FOR SELECT lesser.look('cursor')"}]}$$) \gset
SELECT workflow.execute('lesser_hold');
SELECT workflow.execute('lesser_sets', '{"n": 80}');
SELECT workflow.execute('lesser_escape', '{"n": 90}') IS NOT NULL;
SELECT name FROM pg_cursors WHERE name = 'held';
SELECT current_user, session_user;
TABLE test.who;

-- A44: a lock of the session does not outlive the run
SELECT workflow.define($${"name": "lesser_lock", "steps": [{"id": "lock", "type": "sql", "sql": "SELECT pg_advisory_lock(4711)"}]}$$) \gset
CALL test.go('lesser_lock');
SELECT pg_advisory_lock(4711), pg_advisory_unlock(4711);

-- a condition in SQL, of a conditional and of a loop, runs under the settings of its step, as its role; what is inside does not
SELECT workflow.define($${"name": "condition_settings", "settings": {"work_mem": "2MB", "lock_timeout": "5s"}, "steps": [
  {"id": "c", "type": "conditional", "settings": {"role": "workflow_lesser", "work_mem": "1MB"},
   "condition": {"sql": "SELECT concat_ws(' ', current_user, current_setting('work_mem'), current_setting('lock_timeout')) = 'workflow_lesser 1MB 5s'"},
   "then": {"id": "in", "sql": "SELECT concat_ws(' ', current_user = session_user, current_setting('work_mem'))", "result": "value"}},
  {"id": "l", "type": "loop", "settings": {"role": "workflow_lesser"}, "max_iterations": 9, "input_mapping": {"i": "${loop.index}"}, "result": "counts",
   "while": {"sql": "SELECT current_user = 'workflow_lesser' AND input.i::int < 2"}, "loop_body": [{"id": "b", "type": "set", "output": 1}]},
  {"id": "u", "type": "loop", "settings": {"work_mem": "3MB"}, "max_iterations": 9, "input_mapping": {"i": "${loop.index}"}, "result": "counts",
   "until": {"sql": "SELECT current_setting('work_mem') = '3MB' AND input.i::int >= 2"}, "loop_body": [{"id": "d", "type": "set", "output": 1}]},
  {"id": "no", "type": "conditional", "settings": {"role": "workflow_nobody"}, "condition": {"sql": "SELECT true"}, "on_failure": "ignore", "then": {"id": "never", "type": "set", "output": 1}}],
  "output": ["${c.output.branch_output}", "${l.output.total_count}", "${u.output.total_count}", "${no.status} ${no.error.sqlstate}"]}$$) \gset
CALL test.go('condition_settings') \gset
SELECT status, output FROM workflow.executions WHERE id = test.id();
SET workflow.parallel = off;
CALL test.go('condition_settings') \gset
SELECT status, output FROM workflow.executions WHERE id = test.id();
RESET workflow.parallel;
SELECT workflow.execute('condition_settings');
-- where there is no such SQL they are for nothing
SELECT severity, path, message, hint FROM workflow.validate($${"name": "unused_settings", "steps": [
  {"id": "p", "type": "parallel", "settings": {"role": "workflow_lesser"}, "parallel_steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 1"}]},
  {"id": "c", "type": "conditional", "settings": {"work_mem": "1MB"}, "condition": "true", "then": {"id": "d", "type": "loop", "settings": {"work_mem": "1MB"}, "collection": [1], "loop_body": [{"id": "e", "sql": "SELECT 1"}]}},
  {"id": "f", "type": "conditional", "settings": {"work_mem": "1MB"}, "condition": {"sql": "SELECT true"}, "then": {"id": "g", "sql": "SELECT 1", "settings": {"work_mem": "1MB"}}}]}$$);

DROP SCHEMA lesser CASCADE;
REVOKE ALL ON SCHEMA test FROM workflow_lesser;
DROP ROLE workflow_lesser;
