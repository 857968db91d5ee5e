--
-- The published examples of the systems this extension re-implements: unchanged
-- definitions, with functions in place of their agents
--
SET client_min_messages = warning;

-- 1. a block of three children, two at a time, then a step that reads all three
CREATE FUNCTION test.agent_a(jsonb) RETURNS jsonb LANGUAGE sql RETURN jsonb_build_object('from', 'a', 'data', $1 -> 'data');
CREATE FUNCTION test.agent_b(jsonb) RETURNS jsonb LANGUAGE sql RETURN jsonb_build_object('from', 'b', 'data', $1 -> 'data');
CREATE FUNCTION test.agent_c(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF $1 -> 'data' = 'null' THEN RAISE EXCEPTION 'nothing to work on'; END IF;
    RETURN jsonb_build_object('from', 'c', 'data', $1 -> 'data');
END $$;
CREATE FUNCTION test.aggregator(jsonb) RETURNS jsonb LANGUAGE sql RETURN jsonb_build_object('aggregated', $1);
SELECT workflow.register_agent('agent-a', 'test.agent_a(jsonb)') \gset
SELECT workflow.register_agent('agent-b', 'test.agent_b(jsonb)') \gset
SELECT workflow.register_agent('agent-c', 'test.agent_c(jsonb)') \gset
SELECT workflow.register_agent('aggregator', 'test.aggregator(jsonb)') \gset
SELECT workflow.define($${
  "workflow_id": "wf-parallel-001", "name": "parallel-example", "version": "1.0.0", "start_step": "parallel-block",
  "steps": {
    "parallel-block": {"id": "parallel-block", "type": "parallel", "parallel_steps": ["step-a", "step-b", "step-c"], "max_parallelism": 2, "next_step": "step-final"},
    "step-a": {"id": "step-a", "type": "agent", "agent_name": "agent-a", "input_mapping": {"data": "${workflow.input.data_a}"}, "next_step": null},
    "step-b": {"id": "step-b", "type": "agent", "agent_name": "agent-b", "input_mapping": {"data": "${workflow.input.data_b}"}, "next_step": null},
    "step-c": {"id": "step-c", "type": "agent", "agent_name": "agent-c", "input_mapping": {"data": "${workflow.input.data_c}"}, "next_step": null},
    "step-final": {"id": "step-final", "agent_name": "aggregator", "input_mapping": {"result_a": "${step-a.output}", "result_b": "${step-b.output}", "result_c": "${step-c.output}"}, "next_step": null}
  }}$$) \gset
CALL test.go('wf-parallel-001', '{"data_a": 1, "data_b": {"b": [2]}, "data_c": "three"}');
TABLE test.steps;
TABLE test.places;
-- partial failure: every child finishes, what succeeded is kept
CALL test.go('parallel-example', '{"data_a": 1, "data_b": 2, "data_c": null}');
SELECT scope, step, status, output, error FROM test.steps;

-- 2. loops: sequential and continue; parallel, five at a time, the first hundred, collect
CREATE FUNCTION test.process(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF $1 ->> 'item' = 'bad' THEN RAISE EXCEPTION 'cannot process "%"', $1 ->> 'item'; END IF;
    RETURN jsonb_build_object('done', $1 -> 'item', 'place', format('%s of %s', ($1 ->> 'index')::int + 1, $1 ->> 'total'));
END $$;
SELECT workflow.register_agent('fetch-items', sql => 'SELECT string_to_array(input.source::text, '','') AS items') \gset
SELECT workflow.register_agent('process', 'test.process(jsonb)') \gset
SELECT workflow.register_agent('summarise', sql => 'SELECT count(*) FILTER (WHERE i ->> ''status'' = ''completed'') AS good, count(*) AS total FROM jsonb_array_elements(input.results) AS i') \gset
SELECT workflow.define($${
  "workflow_id": "wf-loop-seq-001", "name": "loop-sequential-example", "version": "1.0.0", "start_step": "step-1",
  "steps": {
    "step-1": {"id": "step-1", "type": "agent", "agent_name": "fetch-items", "input_mapping": {"source": "${workflow.input.source}"}, "next_step": "loop-step"},
    "loop-step": {"id": "loop-step", "type": "loop",
      "loop_config": {"collection": "${step-1.output.items}", "loop_body": ["process-item"], "execution_mode": "sequential", "on_error": "continue"}, "next_step": "step-3"},
    "process-item": {"id": "process-item", "type": "agent", "agent_name": "process",
      "input_mapping": {"item": "${loop.item}", "index": "${loop.index}", "total": "${loop.total}", "first": "${loop.is_first}", "last": "${loop.is_last}"}, "next_step": null},
    "step-3": {"id": "step-3", "type": "agent", "agent_name": "summarise", "input_mapping": {"results": "${loop-step.output.iterations}"}, "next_step": null}
  }}$$) \gset
CALL test.go('wf-loop-seq-001', '{"source": "x,bad,z"}');
SELECT scope, step, status, ends, CASE WHEN step <> 'loop-step' THEN output END AS output, error FROM test.steps;
SELECT o ->> 'index' AS i, o ->> 'status' AS status, o -> 'output' AS output, o #>> '{error,message}' AS error
FROM workflow.step_executions, jsonb_array_elements(output -> 'iterations') AS o WHERE execution_id = test.id() AND step_id = 'loop-step';
CREATE FUNCTION test.validator(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF $1 #>> '{record,n}' IS NULL THEN RAISE EXCEPTION 'record has no n'; END IF;
    RETURN ($1 -> 'record') || '{"valid": true}';
END $$;
CREATE TABLE test.store (position int, record jsonb);
SELECT workflow.register_agent('validator', 'test.validator(jsonb)') \gset
SELECT workflow.register_agent('store', sql => 'INSERT INTO test.store VALUES (input.position, input.record) RETURNING position') \gset
SELECT workflow.register_agent('reporter', sql => 'SELECT input.count AS count') \gset
SELECT workflow.define($${
  "workflow_id": "wf-loop-par-001", "name": "loop-parallel-example", "version": "1.0.0", "start_step": "loop-step",
  "steps": {
    "loop-step": {"id": "loop-step", "type": "loop",
      "loop_config": {"collection": "${workflow.input.records}", "loop_body": ["validate-record", "store-record"], "execution_mode": "parallel", "max_parallelism": 5, "max_iterations": 100, "on_error": "collect"},
      "next_step": "report"},
    "validate-record": {"id": "validate-record", "type": "agent", "agent_name": "validator", "input_mapping": {"record": "${loop.item}"}, "next_step": null},
    "store-record": {"id": "store-record", "type": "agent", "agent_name": "store", "input_mapping": {"record": "${validate-record.output}", "position": "${loop.index}"}, "next_step": null},
    "report": {"id": "report", "type": "agent", "agent_name": "reporter", "input_mapping": {"count": "${loop-step.output.total_count}"}, "next_step": null}
  }}$$) \gset
SELECT jsonb_build_object('records', jsonb_agg(jsonb_build_object('n', i))) AS input FROM generate_series(0, 119) AS i \gset
CALL test.go('wf-loop-par-001', :'input');
-- each iteration stored its own record, validated, at its own place
SELECT count(*), bool_and(record = jsonb_build_object('n', position, 'valid', true)) AS right, min(position), max(position) FROM test.store;
TRUNCATE test.store;
CALL test.go('wf-loop-par-001', '{"records": [{"n": 1}, {"m": 2}, {"n": 3}, {}]}');
SELECT output - 'iterations' AS output, jsonb_array_length(output -> 'iterations') AS iterations FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'loop-step';
SELECT * FROM test.store ORDER BY position;

-- 3. conditions: the thirteen published cases, then those that their code got wrong
CREATE TABLE test.cases (n int PRIMARY KEY, expression text, expected boolean, id bigint);
INSERT INTO test.cases VALUES
 (1, '${step-1.output.score} > 0.8', true), (2, '${step-1.output.status} == ''success''', true), (3, '${step-1.output.count} < 100', true),
 (4, '${step-1.output.score} > 0.8 and ${step-1.output.count} < 100', true), (5, '${step-1.output.score} < 0.1 or ${step-1.output.approved} == true', true),
 (6, '''admin'' in ${step-1.output.text}', true), (7, '''urgent'' in ${step-1.output.tags}', true),
 (8, '${step-1.output.results[0].score} >= 0.9', true), (9, '${step-1.output.results[1].name} == ''second''', true),
 (10, '${workflow.input.amount} > 1000', true), (11, '${workflow.input.kind} == ''premium''', true),
 (12, '${step-1.output.score} > 0.99', false), (13, '${step-1.output.status} == ''failed''', false),
 (14, '${step-1.output.text} contains ''admin''', true), (15, '''admin'' contains ${step-1.output.text}', false), (16, '${step-1.output.tags} contains ''urgent''', true),
 (17, 'len(${step-1.output.results}) == 2', true), (18, 'len(${step-1.output.text}) > 3', true), (19, '${analyze.output.score} > 0.8', true),
 (20, '''null'' not in ${step-1.output.tags} and ${step-1.output.text} != ''true or false''', true), (21, '${step-1.output.nothing} != null', false), (22, '${step-1.output.nothing} == null', true),
 (23, 'not (${step-1.output.approved} and ${step-1.output.count} == 42)', false), (24, '${step-1.output.score} + 0.05 == 1.00', true), (25, '${step-1.output.text} > 1', false),
 (26, '${workflow.input.exact} == 9007199254740993', true), (27, '${workflow.input.exact} == 9007199254740992', false);
SELECT count(workflow.define(jsonb_build_object('name', 'condition ' || n, 'start_step', 'step-1', 'steps', jsonb_build_object(
  'step-1', '{"agent_name": "echo", "next_step": "analyze", "input_mapping": {"score": 0.95, "status": "success", "count": 42, "approved": true, "text": "an admin here", "tags": ["urgent", "new"], "results": [{"name": "first", "score": 0.9}, {"name": "second", "score": 0.1}]}}'::jsonb,
  'analyze', '{"type": "set", "output": "${step-1.output}", "next_step": "check"}'::jsonb,
  'check', jsonb_build_object('type', 'conditional', 'condition', jsonb_build_object('expression', expression), 'if_true_step', 'yes', 'if_false_step', 'no'),
  'yes', '{"type": "set", "output": "yes"}'::jsonb, 'no', '{"type": "set", "output": "no"}'::jsonb)))) FROM test.cases;
UPDATE test.cases SET id = workflow.start('condition ' || n, '{"amount": 1500, "kind": "premium", "exact": 9007199254740993}');
SELECT count(workflow.wait(id, '60 seconds')) FROM test.cases;
SELECT c.n, c.expression, s.condition_result AS result, s.branch_taken AS taken, s.output ->> 'branch_output' AS output, s.error ->> 'message' AS error,
       CASE WHEN (s.condition_result, s.branch_taken) IS DISTINCT FROM (c.expected, CASE WHEN c.expected THEN 'then' ELSE 'else' END) THEN 'WRONG' END AS verdict
FROM test.cases AS c JOIN workflow.step_executions AS s ON s.execution_id = c.id AND s.step_id = 'check' ORDER BY n;

-- 4. fork-join: all of three providers; any of three services; majority of five nodes; three of four, two steps each
SELECT workflow.define(jsonb_build_object('name', 'fork ' || policy, 'start_step', 'fork', 'steps', jsonb_build_object(
  'fork', jsonb_build_object('type', 'fork_join', 'next_step', 'merge', 'fork_join_config', jsonb_build_object('join_policy', policy, 'branch_timeout_seconds', 60, 'branches',
      (SELECT jsonb_object_agg('branch-' || i, jsonb_build_object('steps', jsonb_build_array('get-' || i, 'check-' || i), 'timeout_seconds', 5 + 5 * i)) FROM generate_series(1, branches) AS i))),
  'merge', '{"agent_name": "echo", "input_mapping": {"all": "${fork.output}", "status": "${fork.status}"}}'::jsonb)
  || (SELECT jsonb_object_agg('get-' || i, jsonb_build_object('agent_name', 'may-fail', 'input_mapping', jsonb_build_object('from', i, 'fail', format('${%s in workflow.input.down}', i)))) FROM generate_series(1, branches) AS i)
  || (SELECT jsonb_object_agg('check-' || i, jsonb_build_object('agent_name', 'echo', 'input_mapping', jsonb_build_object('checked', format('${get-%s.output.from}', i)))) FROM generate_series(1, branches) AS i)))
FROM (VALUES ('all', 3), ('any', 3), ('majority', 5)) AS v (policy, branches) \g /dev/null
SELECT workflow.define($${"name": "fork n_of_m", "start_step": "fork", "steps": {
  "fork": {"type": "fork_join", "next_step": "merge", "fork_join_config": {"join_policy": "n_of_m", "n_required": 3, "branches": {
    "one": {"steps": ["get-1", "check-1"]}, "two": {"steps": ["get-2", "check-2"]}, "three": {"steps": ["get-3", "check-3"]}, "four": {"steps": ["get-4", "check-4"]}}}},
  "get-1": {"agent_name": "may-fail", "input_mapping": {"from": 1, "fail": "${1 in workflow.input.down}"}}, "check-1": {"agent_name": "echo", "input_mapping": {"checked": "${get-1.output.from}"}},
  "get-2": {"agent_name": "may-fail", "input_mapping": {"from": 2, "fail": "${2 in workflow.input.down}"}}, "check-2": {"agent_name": "echo", "input_mapping": {"checked": "${get-2.output.from}"}},
  "get-3": {"agent_name": "may-fail", "input_mapping": {"from": 3, "fail": "${3 in workflow.input.down}"}}, "check-3": {"agent_name": "echo", "input_mapping": {"checked": "${get-3.output.from}"}},
  "get-4": {"agent_name": "may-fail", "input_mapping": {"from": 4, "fail": "${4 in workflow.input.down}"}}, "check-4": {"agent_name": "echo", "input_mapping": {"checked": "${get-4.output.from}"}},
  "merge": {"agent_name": "echo", "input_mapping": {"all": "${fork.output}", "status": "${fork.status}"}}}}$$) \gset
CALL test.go('fork all', '{"down": []}');
CALL test.go('fork all', '{"down": [2]}');
SELECT scope, step, status, ends, output FROM test.steps;
CALL test.go('fork any', '{"down": [1, 3]}');
CALL test.go('fork any', '{"down": [1, 2, 3]}');
CALL test.go('fork majority', '{"down": [1, 5]}');
CALL test.go('fork majority', '{"down": [1, 2, 5]}');
CALL test.go('fork n_of_m', '{"down": [4]}');
CALL test.go('fork n_of_m', '{"down": [3, 4]}');

-- 7. phases: a validation that must succeed, eleven agents of which half are enough, a synthesis of what they found
CREATE FUNCTION test.analyse(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF ($1 ->> 'n')::int = ANY (SELECT jsonb_array_elements_text($1 -> 'late')::int) THEN PERFORM pg_sleep(600); END IF;
    IF ($1 ->> 'n')::int = ANY (SELECT jsonb_array_elements_text($1 -> 'fail')::int) THEN RAISE EXCEPTION 'agent % failed', $1 ->> 'n'; END IF;
    RETURN jsonb_build_object('recommendation', 'use ' || ($1 ->> 'n'));
END $$;
SELECT workflow.register_agent('analyse', 'test.analyse(jsonb)') \gset
SELECT workflow.define(jsonb_build_object('name', 'assessment', 'start_step', 'validation', 'steps', jsonb_build_object(
  'validation', '{"type": "sql", "sql": "SELECT 1 / input.valid::int", "input_mapping": {"valid": "${workflow.input.valid}"}, "result": "value", "timeout_seconds": 60, "next_step": "agents"}'::jsonb,
  'agents', jsonb_build_object('type', 'parallel', 'min_success_ratio', 0.5, 'next_step', 'synthesis', 'parallel_steps', (SELECT jsonb_agg('agent-' || i ORDER BY i) FROM generate_series(1, 11) AS i)),
  'synthesis', '{"type": "sql", "result": "row", "timeout_seconds": 120, "next_step": "report", "input_mapping": {"agents": "${agents.output}"},
     "sql": "SELECT count(*) FILTER (WHERE value <> ''null'') AS completed_agents, count(*) FILTER (WHERE value = ''null'') AS failed_agents, round(100.0 * count(*) FILTER (WHERE value <> ''null'') / count(*), 1) AS success_rate, array_agg(value ->> ''recommendation'' ORDER BY length(key), key) FILTER (WHERE value <> ''null'') AS recommendations FROM jsonb_each(input.agents)"}'::jsonb,
  'report', '{"type": "set", "output": {"metrics": "${synthesis.output}", "says": "${agents.error.message ?? ''all completed''}"}}'::jsonb)
  || (SELECT jsonb_object_agg('agent-' || i, jsonb_build_object('agent_name', 'analyse', 'timeout_seconds', 300,
        'input_mapping', jsonb_build_object('n', i, 'fail', '${workflow.input.fail ?? []}', 'late', '${workflow.input.late ?? []}', 'validated', '${validation.output}'))) FROM generate_series(1, 11) AS i))) \g /dev/null
CALL test.go('assessment', '{"valid": 1}');
CALL test.go('assessment', '{"valid": 1, "fail": [4]}');
SELECT step, status, output FROM test.steps WHERE step LIKE 'agent-%' ORDER BY length(step), step;
-- 6 of 11 are enough, 5 of 11 are not: 5 < 5.5
CALL test.go('assessment', '{"valid": 1, "fail": [1, 2, 3, 4, 5]}');
CALL test.go('assessment', '{"valid": 1, "fail": [1, 2, 3, 4, 5, 6]}');
-- the validation fails: nothing else runs
CALL test.go('assessment', '{"valid": 0}');
TABLE test.steps;
-- one is late: timed out, the others are kept
SELECT workflow.define(jsonb_set(document, '{steps,agent-7,timeout_seconds}', '1')) FROM workflow.definitions WHERE name = 'assessment' AND version = 1 \g /dev/null
CALL test.go('assessment', '{"valid": 1, "late": [7]}');
SELECT step, status FROM test.steps WHERE step LIKE 'agent-%' ORDER BY length(step), step;

TABLE test.wrong;
