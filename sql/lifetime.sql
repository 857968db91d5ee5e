--
-- Values that have to outlive the memory they were made in: results, inputs and
-- errors from one commit to the next, time limits from one execute() to another.
--
SET client_min_messages = error;

-- what an execution returns
SELECT workflow.define('{"name": "large output", "steps": [
	{"id": "a", "sql": "SELECT repeat(''x'', 3000000)", "result": "value"}]}');
SELECT md5(workflow.execute('large output') #>> '{}') = md5(repeat('x', 3000000)) AS same;

-- an output too large to be remembered is the next step's input
SELECT workflow.define('{"name": "large input", "steps": [
	{"id": "a", "sql": "SELECT repeat(''x'', 3000000)", "result": "value"},
	{"id": "b", "sql": "SELECT md5($1 #>> ''{}'')", "params": ["${a.output}"], "result": "value"},
	{"id": "c", "sql": "SELECT md5(input.v #>> ''{}'') = input.sum", "result": "value",
	 "input_mapping": {"v": "${a.output}", "sum": "${b.output}"}}]}');
SELECT workflow.execute('large input') AS same;
SELECT workflow.start('large input') AS id \gset
SELECT status, output AS same FROM workflow.wait(:id, '30s');

-- a cycle without any SQL: each visit replaces what the one before has left
SELECT workflow.define('{"name": "cycle of values", "start_step": "count", "steps": {
	"count": {"type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "output": "visit ${vars.n}", "max_visits": 60, "next_step": "copy"},
	"copy": {"type": "set", "output": "${count.output}", "next_step": "again"},
	"again": {"type": "conditional", "condition": "${vars.n} < 50", "if_true_step": "count"}}}');
SELECT workflow.start('cycle of values') AS id \gset
SELECT status FROM workflow.wait(:id, '30s');
SELECT step_id, count(*), count(DISTINCT output), min(output #>> '{}'), max(output #>> '{}')
FROM workflow.step_executions WHERE execution_id = :id AND step_id <> 'again' GROUP BY step_id ORDER BY step_id;

-- the open container of a thread that was made anew from its rows
CREATE TABLE checked (n integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
INSERT INTO checked VALUES (1);
SELECT workflow.define('{"name": "reloaded branch", "steps": [
	{"id": "choose", "type": "conditional", "condition": "true", "then": [
		{"id": "a", "sql": "SELECT 1"},
		{"id": "clash", "sql": "INSERT INTO checked VALUES (1)", "on_failure": "ignore"},
		{"id": "b", "sql": "SELECT repeat(''b'', 9000)", "result": "value"},
		{"id": "c", "sql": "SELECT repeat(''c'', 9000)", "result": "value"},
		{"id": "d", "sql": "SELECT 1", "result": "value"}]}]}');
SELECT workflow.start('reloaded branch') AS id \gset
SELECT status, output FROM workflow.wait(:id, '30s');
SELECT step_id, status, on_failure, branch_taken FROM workflow.step_executions WHERE execution_id = :id ORDER BY started_at;

SELECT workflow.define('{"name": "reloaded branches", "steps": [
	{"id": "fork", "type": "fork_join", "fork_join_config": {"branches": {
		"left": {"steps": [{"id": "l", "sql": "SELECT ''left''", "result": "value"}]},
		"right": {"steps": [{"id": "r", "sql": "SELECT 1"},
			{"id": "clash", "sql": "INSERT INTO checked VALUES (1)", "on_failure": "ignore"},
			{"id": "b", "sql": "SELECT repeat(''b'', 9000)", "result": "value"},
			{"id": "c", "sql": "SELECT length(input.b)", "input_mapping": {"b": "${b.output}"}, "result": "value"}]},
		"skipped": {"steps": [{"id": "s", "sql": "SELECT 1", "when": "false"}]},
		"last": {"steps": [{"id": "d", "sql": "SELECT ''last''", "result": "value"}]}}}}]}');
SET workflow.parallel = off;
SELECT workflow.start('reloaded branches') AS id \gset
RESET workflow.parallel;
SELECT status, output FROM workflow.wait(:id, '30s');
SELECT scope, step_id, status, on_failure FROM workflow.step_executions WHERE execution_id = :id ORDER BY started_at;

-- time limits around an execute() inside a step hold, and end with their step
SELECT workflow.define('{"name": "inner", "steps": [
	{"id": "i", "sql": "SELECT 1", "result": "value", "timeout_seconds": 60}]}');
SELECT workflow.define('{"name": "inner without limit", "steps": [{"id": "i", "sql": "SELECT 1", "result": "value"}]}');
SELECT workflow.define('{"name": "outer late", "steps": [
	{"id": "o", "sql": "SELECT workflow.execute(input.w), pg_sleep(30)", "input_mapping": {"w": "${workflow.input}"},
	 "timeout_seconds": 1, "on_failure": {"default": "late"}}]}');
SELECT w, workflow.execute('outer late', to_jsonb(w)) FROM unnest(ARRAY['inner', 'inner without limit']) AS w;
-- the first step is in time, on any machine, and the second one lasts longer than the first has
CREATE PROCEDURE test.in_time(INOUT executed jsonb DEFAULT NULL, INOUT status text DEFAULT NULL, INOUT output jsonb DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    seconds int;
    id bigint;
BEGIN
    FOREACH seconds IN ARRAY '{1,4,16,64}'::int[] LOOP
        PERFORM workflow.define(format('{"name": "outer in time", "steps": [
            {"id": "o", "sql": "SELECT workflow.execute(''inner without limit'')", "result": "value", "timeout_seconds": %s},
            {"id": "p", "sql": "SELECT pg_sleep(%s.5)", "result": "none"}]}', seconds, seconds)::jsonb);
        BEGIN
            executed := workflow.execute('outer in time');
        EXCEPTION WHEN OTHERS THEN
            executed := to_jsonb(SQLERRM);
        END;
        id := workflow.start('outer in time');
        COMMIT;
        SELECT e.status, e.output INTO status, output FROM workflow.wait(id) AS e;
        EXIT WHEN status = 'completed' AND executed = output;
    END LOOP;
END $$;
CALL test.in_time();
SELECT workflow.start('outer late', '"inner without limit"') AS late \gset
SELECT status, output FROM workflow.wait(:late, '30s');

DROP TABLE checked;

-- the function of an agent is dropped while the step before runs
CREATE FUNCTION test.soon_gone(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN test.pass(input); END $$;
SELECT workflow.register_agent('soon-gone', 'test.soon_gone(jsonb)') \gset
SELECT workflow.define('{"name": "soon_gone", "steps": [{"id": "a", "agent_name": "soon-gone"}, {"id": "b", "agent_name": "soon-gone"}]}') \gset
CALL test.to_gate('soon_gone');
DROP FUNCTION test.soon_gone;
CALL test.open_gate();
SELECT status, error_type, error ->> 'step_id' AS step, error ->> 'message' AS message FROM workflow.wait(test.id(), '60 seconds');
SELECT workflow.drop_agent('soon-gone') \gset
