-- Retries: a failed attempt is followed by another one, each a row.
CREATE SEQUENCE tries;
CREATE TABLE attempts (at integer DEFAULT nextval('tries'));

CREATE FUNCTION attempts_of(execution bigint)
RETURNS TABLE (step_id text, attempt integer, status text, on_failure text, error_type text, delay_ms integer)
LANGUAGE sql AS $$
	SELECT step_id, attempt, status, on_failure, error_type,
		round(extract(epoch FROM retry_at - completed_at) * 1000)::integer
	FROM workflow.step_executions WHERE execution_id = execution ORDER BY completed_at
$$;

SELECT workflow.define('{"name": "retry third", "steps": [
	{"id": "try", "sql": "SELECT 1 / (nextval(''tries'') >= 3)::integer", "result": "value",
	 "retry": {"errors": ["division_by_zero"], "max_retries": 5, "initial_delay_ms": 20, "jitter": false}},
	{"id": "after", "sql": "SELECT input.v", "input_mapping": {"v": "${try.output}"}, "result": "value"}]}');
SELECT workflow.start('retry third') AS id \gset
SELECT status, output FROM workflow.wait(:id, '30s');
SELECT * FROM attempts_of(:id);

-- what a failed attempt did is gone, and the retries end
SELECT workflow.define('{"name": "retry twice", "steps": [
	{"id": "try", "sql": "INSERT INTO attempts DEFAULT VALUES; SELECT 1 / 0",
	 "retry": {"max_retries": 2, "type": "fixed_delay", "initial_delay_ms": 5, "jitter": false}}]}');
SELECT workflow.start('retry twice') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '30s');
SELECT * FROM attempts_of(:id);
SELECT count(*) FROM attempts;

-- the first policy that names the error counts; 0 is never
SELECT workflow.define('{"name": "retry by error", "steps": [
	{"id": "class", "sql": "SELECT 1 / 0", "on_failure": "ignore",
	 "retry": [{"errors": ["40*", "unique_violation"], "max_retries": 9},
	           {"errors": ["22*"], "max_retries": 1, "type": "immediate"}]},
	{"id": "never", "sql": "SELECT 1 / 0", "on_failure": "ignore",
	 "retry": [{"errors": ["22012"], "max_retries": 0}, {"errors": ["all"], "max_retries": 5}]},
	{"id": "linear", "sql": "SELECT 1 / 0", "on_failure": "ignore",
	 "retry": {"errors": ["task_failed"], "type": "linear_backoff", "max_retries": 3, "initial_delay_ms": 10,
	           "max_delay_ms": 25, "jitter": false}},
	{"id": "if", "sql": "SELECT 1 / 0", "on_failure": "ignore",
	 "retry": {"max_retries": 2, "type": "immediate", "retry_if": "${if.error.message} contains ''syntax''"}},
	{"id": "timeout", "sql": "SELECT pg_sleep(30)", "timeout_seconds": 1, "on_failure": {"default": 7},
	 "retry": {"errors": ["timeout"], "max_retries": 1, "type": "immediate"}}]}');
SELECT workflow.start('retry by error') AS id \gset
SELECT status, output FROM workflow.wait(:id, '30s');
SELECT * FROM attempts_of(:id);

-- serialization failures and deadlocks are retried without being asked
SELECT workflow.define('{"name": "retry by default", "steps": [
	{"id": "try", "sql": "DO $d$ BEGIN RAISE EXCEPTION ''again'' USING ERRCODE = ''40001''; END $d$"}]}');
SELECT workflow.start('retry by default') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '30s');
SELECT step_id, attempt, status, on_failure, error_type FROM attempts_of(:id);

-- the budget is of the whole execution; children of containers have their own attempts
SELECT workflow.define('{"name": "retry budget", "max_retry_budget": 3,
	"defaults": {"retry": {"max_retries": 2, "type": "immediate"}, "on_failure": "ignore"}, "steps": [
	{"id": "a", "sql": "SELECT 1 / 0"}, {"id": "b", "sql": "SELECT 1 / 0"}, {"id": "c", "sql": "SELECT 1 / 0"}]}');
SELECT workflow.start('retry budget') AS id \gset
SELECT status FROM workflow.wait(:id, '30s');
SELECT step_id, count(*) AS attempts FROM attempts_of(:id) GROUP BY step_id ORDER BY step_id;
SELECT workflow.define('{"name": "retry children", "steps": [
	{"id": "each", "type": "loop", "execution_mode": "parallel", "collection": [0, 1, 2, 3, 4, 5], "on_error": "continue", "loop_body": [
		{"id": "x", "sql": "SELECT 1 / (input.i::int % 2)", "input_mapping": {"i": "${loop.item}"},
		 "retry": {"max_retries": 2, "type": "fixed_delay", "initial_delay_ms": 10}}], "result": "counts"}]}');
SELECT workflow.start('retry children') AS id \gset
SELECT status, output FROM workflow.wait(:id, '30s');
SELECT loop_iteration_index, count(*) AS attempts, max(scope_outcome) AS outcome
FROM workflow.step_executions WHERE execution_id = :id AND step_id = 'x' GROUP BY 1 ORDER BY 1;

-- a retry delay holds no executor, and can be cancelled
SELECT workflow.define('{"name": "retry later", "steps": [
	{"id": "try", "sql": "SELECT 1 / 0", "retry": {"max_retries": 5, "initial_delay_ms": 3600000, "max_delay_ms": 3600000}}]}');
SELECT count(workflow.start('retry later')) FROM generate_series(1, 100);
SELECT workflow.start('retry third') AS id \gset
SELECT status FROM workflow.wait(:id, '30s');
SELECT count(workflow.cancel(id, 'enough')) FROM workflow.executions WHERE workflow = 'retry later';
SELECT DISTINCT w.status FROM (SELECT id FROM workflow.executions WHERE workflow = 'retry later' OFFSET 0) AS e,
	LATERAL workflow.wait(e.id, '30s') AS w;

-- execute() tries again at once
SELECT setval('tries', 1);
SELECT workflow.execute('retry third');
-- catch: when no retry follows, an error leads to another step
SELECT workflow.define('{"name": "catch", "start_step": "a", "steps": {
	"a": {"sql": "SELECT 1 / 0", "retry": {"errors": ["22012"], "max_retries": 1, "type": "immediate"},
	      "catch": [{"errors": ["08*"], "next_step": "wrong"}, {"errors": ["division_by_zero"], "next_step": "mend"}],
	      "next_step": "b"},
	"b": {"sql": "SELECT 1", "next_step": null},
	"mend": {"type": "parallel", "parallel_steps": ["x", "y"], "catch": [{"next_step": "last"}], "next_step": "b"},
	"x": {"sql": "SELECT input.m", "result": "value", "input_mapping": {"m": "${a.error.message} (${a.error.sqlstate})"}},
	"y": {"sql": "SELECT ''x''::integer"},
	"last": {"type": "set", "output": "${x.output}; ${mend.error.type}", "next_step": null},
	"wrong": {"type": "fail", "message": "wrong"}}}');
SELECT workflow.explain('catch');
SELECT workflow.start('catch') AS id \gset
SELECT status, output FROM workflow.wait(:id, '30s');
SELECT step_id, attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = :id
	AND scope = '' ORDER BY completed_at;
SELECT workflow.execute('catch');
-- in a line of a container it leads to a later step; the loop goes on
SELECT workflow.define('{"name": "catch inside", "steps": [
	{"id": "each", "type": "loop", "collection": [1, 0, 2], "result": "outputs", "loop_body": [
		{"id": "divide", "sql": "SELECT 10 / input.i::integer", "result": "value", "input_mapping": {"i": "${loop.item}"},
		 "catch": [{"errors": ["22*"], "next_step": "say"}]},
		{"id": "double", "sql": "SELECT 2 * input.v::integer", "result": "value", "input_mapping": {"v": "${divide.output}"}},
		{"id": "say", "type": "set", "output": "${divide.status}"}]}]}');
SELECT workflow.start('catch inside') AS id \gset
SELECT status, output FROM workflow.wait(:id, '30s');
SELECT scope, step_id, status, on_failure FROM workflow.step_executions WHERE execution_id = :id AND scope <> '' ORDER BY completed_at;

-- policies of an agent come after the step's own and before the definition's defaults
CREATE FUNCTION fails(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'no' USING ERRCODE = input ->> 'code';
END $$;
SELECT workflow.register_agent('fails', 'fails(jsonb)',
	retry => '[{"errors": ["08*"], "max_retries": 2, "type": "immediate"}, {"errors": ["AG001"], "max_retries": 1, "type": "immediate"}]');
SELECT workflow.register_agent('fails too', 'fails(jsonb)', retry => '{"max_retries": 1, "type": "immediate"}');
SELECT workflow.define('{"name": "retry agent",
	"defaults": {"retry": {"errors": ["AG001", "AG002"], "max_retries": 3, "type": "immediate"}, "on_failure": "ignore"},
	"steps": [
	{"id": "class", "agent_name": "fails", "input_mapping": {"code": "08006"}},
	{"id": "code", "agent_name": "fails", "input_mapping": {"code": "AG001"}},
	{"id": "default", "agent_name": "fails", "input_mapping": {"code": "AG002"}},
	{"id": "none", "agent_name": "fails", "input_mapping": {"code": "AG003"}},
	{"id": "own", "agent_name": "fails", "input_mapping": {"code": "08001"},
	 "retry": {"errors": ["connection_exception", "08001"], "max_retries": 1, "type": "immediate"}},
	{"id": "own-other", "agent_name": "fails", "input_mapping": {"code": "08001"},
	 "retry": {"errors": ["40*"], "max_retries": 4, "type": "immediate"}},
	{"id": "own-default", "agent_name": "fails", "input_mapping": {"code": "AG002"},
	 "retry": {"errors": ["40*"], "max_retries": 0}},
	{"id": "never", "agent_name": "fails", "input_mapping": {"code": "08001"}, "retry": {"max_retries": 0}},
	{"id": "all", "agent_name": "fails too", "input_mapping": {"code": "AG003"}},
	{"id": "sql", "sql": "SELECT 1 / 0"}]}');
SELECT workflow.start('retry agent') AS id \gset
SELECT status, output FROM workflow.wait(:id, '30s');
SELECT step_id, max(attempt) AS attempts, min(error_type) AS error_type, string_agg(on_failure, ' ' ORDER BY attempt) AS on_failure
FROM workflow.step_executions WHERE execution_id = :id GROUP BY step_id ORDER BY min(completed_at);
-- what is registered when the step fails counts
SELECT workflow.register_agent('fails', 'fails(jsonb)', retry => '{"errors": ["08006"], "max_retries": 4, "type": "immediate"}');
SELECT workflow.start('retry agent') AS id \gset
SELECT status, output FROM workflow.wait(:id, '30s');
SELECT step_id, max(attempt) AS attempts FROM workflow.step_executions
WHERE execution_id = :id AND step_id IN ('class', 'code') GROUP BY step_id ORDER BY step_id;
SELECT workflow.drop_agent('fails'), workflow.drop_agent('fails too');
DROP FUNCTION fails(jsonb);

DROP TABLE attempts;
DROP SEQUENCE tries;
DROP FUNCTION attempts_of;
