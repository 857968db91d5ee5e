--
-- The published format, as its authors write it: every definition runs with
-- workers, with workflow.parallel = off, and inside execute(), and gives the same.
--
SET client_min_messages = warning;
CREATE FUNCTION published_agent(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF input ->> 'spoilt' = 'yes' OR input #>> '{crate,spoilt}' = 'yes' THEN
    RAISE EXCEPTION 'spoilt: %', coalesce(input ->> 'name', input #>> '{crate,name}');
  END IF;
  RETURN input;
END $$;
SELECT count(workflow.register_agent(name, function => 'published_agent(jsonb)'))
FROM unnest(ARRAY['Harbour', 'Scales & Customs', 'Office']) AS name;

CREATE TABLE published_result (mode text, status text, output jsonb, message text);
CREATE PROCEDURE published_try(workflow text, input jsonb DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
  mode text;
BEGIN
  DELETE FROM published_result;
  FOREACH mode IN ARRAY ARRAY['on', 'off'] LOOP
    PERFORM set_config('workflow.parallel', mode, false);
    id := workflow.start(workflow, input);
    COMMIT;
    INSERT INTO published_result
    SELECT 'parallel ' || mode, e.status, e.output, e.error ->> 'message'
    FROM workflow.wait(id, '1 minute') AS e;
    COMMIT;
  END LOOP;
  BEGIN
    INSERT INTO published_result
    VALUES ('execute', 'completed', workflow.execute(workflow, input), NULL);
  EXCEPTION WHEN OTHERS THEN
    INSERT INTO published_result VALUES ('execute', 'failed', NULL, sqlerrm);
  END;
  RESET workflow.parallel;
END $$;
CREATE VIEW published AS
SELECT count(*) AS modes, status, output, message FROM published_result GROUP BY status, output, message;

-- a chain: no types, no next_step at the end, literals of every kind, a text label
SELECT workflow.define('{
  "workflow_id": "wf-crate-001", "name": "published chain", "version": "1.0.0", "start_step": "unload_1",
  "steps": {
    "unload_1": {"id": "unload_1", "agent_name": "Harbour", "next_step": "weigh-1",
      "input_mapping": {"name": "${workflow.input.crate.name}", "crate": "${workflow.input.crate}", "days": 3, "dry": true,
                        "none": null, "tags": ["a", "${workflow.input.tag}"], "deep": {"er": ["${workflow.input.tag}"]}}},
    "weigh-1": {"id": "weigh-1", "agent_name": "Scales & Customs",
      "input_mapping": {"all": "${unload_1.output}", "weight": "${unload_1.output.crate.weights[1]}", "dry": "${unload_1.output.dry}",
                        "text": "${unload_1.output.name} weighs ${unload_1.output.crate.weights[0]}"}}}}');
CALL published_try('wf-crate-001', '{"crate": {"name": "figs", "weights": [2.50, 7]}, "tag": "t"}');
SELECT * FROM published;
-- a field that is not there is named
CALL published_try('published chain', '{"crate": {"name": "figs"}, "tag": "t"}');
SELECT * FROM published;

-- a parallel block: children by id, and the block as a whole
SELECT workflow.define('{
  "workflow_id": "published-parallel", "name": "published parallel", "version": "1.0", "start_step": "block-1",
  "steps": {
    "block-1": {"id": "block-1", "type": "parallel", "parallel_steps": ["c", "a", "b"], "max_parallelism": 2, "next_step": "last"},
    "a": {"id": "a", "type": "agent", "agent_name": "Harbour", "input_mapping": {"name": "a", "spoilt": "${workflow.input.spoilt}"}, "next_step": null},
    "b": {"id": "b", "type": "agent", "agent_name": "Harbour", "input_mapping": {"name": "b"}, "next_step": null},
    "c": {"id": "c", "type": "agent", "agent_name": "Harbour", "input_mapping": {"name": "c", "spoilt": "${workflow.input.spoilt}"}, "next_step": null},
    "last": {"id": "last", "type": "agent", "agent_name": "Office", "next_step": null,
      "input_mapping": {"from_a": "${a.output}", "from_b": "${b.output.name}", "block": "${block-1.output}"}}}}');
CALL published_try('published parallel', '{"spoilt": "no"}');
SELECT * FROM published;
CALL published_try('published parallel', '{"spoilt": "yes"}');
SELECT * FROM published;

-- loops: the second goes over what the first did, and takes from a map by what it found
SELECT workflow.define('{
  "workflow_id": "published-loops", "name": "published loops", "version": "1.0", "start_step": "sort-all",
  "steps": {
    "sort-all": {"id": "sort-all", "type": "loop", "description": "one by one", "next_step": "price-all",
      "loop_config": {"collection": "${workflow.input.crates}", "loop_body": ["sort-one"], "execution_mode": "sequential",
                      "max_iterations": 3, "on_error": "continue"}},
    "sort-one": {"id": "sort-one", "type": "agent", "agent_name": "Harbour", "next_step": null,
      "input_mapping": {"crate": "${loop.item}", "kind": "${loop.item.kind}", "place": "${loop.index}", "of": "${loop.total}"}},
    "price-all": {"id": "price-all", "type": "loop", "next_step": "sum",
      "loop_config": {"collection": "${sort-all.output.iterations}", "loop_body": ["price-one"], "execution_mode": "parallel",
                      "max_parallelism": 5, "max_iterations": 100, "on_error": "collect"}},
    "price-one": {"id": "price-one", "type": "agent", "agent_name": "Office", "next_step": null,
      "input_mapping": {"name": "${loop.item.input.crate.name}", "price": "${workflow.input.prices[loop.item.output.kind]}",
                        "first": "${loop.is_first}", "last": "${loop.is_last}"}},
    "sum": {"id": "sum", "type": "agent", "agent_name": "Office", "next_step": null,
      "input_mapping": {"sorted": "${sort-all.output.total_count}", "spoilt": "${sort-all.output.failed_count}",
                        "prices": "${price-all.output.iterations}", "total": "${price-all.output.total_count}"}}}}');
CALL published_try('published loops', '{"prices": {"red": 1.10, "blue": 2},
  "crates": [{"name": "x", "kind": "red"}, {"name": "y", "kind": "blue"}, {"name": "z", "kind": "red"}, {"name": "left out"}]}');
SELECT modes, status, message, output - 'prices' AS output,
       jsonb_path_query_array(output, '$.prices[*].output') AS prices FROM published;
-- continue goes on without the failed one, collect reports it at the end
CALL published_try('published loops', '{"prices": {"red": 1.10},
  "crates": [{"name": "x", "kind": "red"}, {"name": "y", "spoilt": "yes", "kind": "red"}, {"name": "z", "kind": "red"}]}');
SELECT * FROM published;
CALL published_try('published loops', '{"prices": {}, "crates": []}');
SELECT * FROM published;

-- conditionals: a branch that is not there is no branch, whichever it is
SELECT workflow.define(jsonb_build_object('name', 'published ' || kind, 'start_step', 'ask', 'steps', jsonb_build_object(
    'ask', jsonb_build_object('id', 'ask', 'type', 'conditional', 'condition',
                              '{"expression": "${workflow.input.score} > 0.8 and ${workflow.input.valid} == true"}'::jsonb,
                              'next_step', 'end') || branches,
    'yes', '{"id": "yes", "agent_name": "Office", "input_mapping": {"answer": "yes"}, "next_step": null}'::jsonb,
    'end', '{"id": "end", "agent_name": "Office", "input_mapping": {"ask": "${ask.output}"}, "next_step": null}'::jsonb)))
FROM (VALUES ('then', '{"if_true_step": "yes", "if_false_step": null}'::jsonb),
             ('else', '{"if_true_step": null, "if_false_step": "yes"}')) AS v(kind, branches);
CALL published_try('published then', '{"score": 0.9, "valid": true}');
SELECT * FROM published;
CALL published_try('published then', '{"score": 0.9}');
SELECT * FROM published;
CALL published_try('published else', '{"score": 0.9, "valid": true}');
SELECT * FROM published;
CALL published_try('published else', '{"score": 0.9, "valid": false}');
SELECT * FROM published;

-- join policies, with one branch spoilt and with two
SELECT workflow.define(jsonb_build_object('name', 'published ' || kind, 'version', '1.0', 'start_step', 'fork', 'steps', jsonb_build_object(
    'fork', jsonb_build_object('id', 'fork', 'type', 'fork_join', 'next_step', 'end', 'fork_join_config',
      '{"branches": {"north": {"steps": ["n-1", "n-2"], "timeout_seconds": 300}, "east_2": {"steps": ["e-1"]}, "west": {"steps": ["w-1"]}},
        "n_required": null, "branch_timeout_seconds": 600}'::jsonb || policy),
    'n-1', '{"id": "n-1", "type": "agent", "agent_name": "Harbour", "input_mapping": {"name": "n"}, "next_step": null}'::jsonb,
    'n-2', '{"id": "n-2", "type": "agent", "agent_name": "Harbour", "input_mapping": {"name": "${n-1.output.name}2"}, "next_step": null}'::jsonb,
    'e-1', '{"id": "e-1", "type": "agent", "agent_name": "Harbour", "input_mapping": {"name": "e", "spoilt": "${workflow.input.east}"}, "next_step": null}'::jsonb,
    'w-1', '{"id": "w-1", "type": "agent", "agent_name": "Harbour", "input_mapping": {"name": "w", "spoilt": "${workflow.input.west}"}, "next_step": null}'::jsonb,
    'end', '{"id": "end", "type": "agent", "agent_name": "Office", "input_mapping": {"all": "${fork.output}", "north": "${fork.output.north.name}"}, "next_step": null}'::jsonb)))
FROM (VALUES ('all', '{"join_policy": "all"}'::jsonb), ('any', '{"join_policy": "any"}'), ('majority', '{"join_policy": "majority"}'),
             ('2 of 3', '{"join_policy": "n_of_m", "n_required": 2}'), ('default', '{}')) AS v(kind, policy);
CALL published_try('published all', '{"east": "no", "west": "no"}');
SELECT * FROM published;
CALL published_try('published default', '{"east": "yes", "west": "no"}');
SELECT * FROM published;
CALL published_try('published any', '{"east": "yes", "west": "yes"}');
SELECT * FROM published;
CALL published_try('published majority', '{"east": "yes", "west": "no"}');
SELECT * FROM published;
CALL published_try('published majority', '{"east": "yes", "west": "yes"}');
SELECT * FROM published;
CALL published_try('published 2 of 3', '{"east": "no", "west": "yes"}');
SELECT * FROM published;
CALL published_try('published 2 of 3', '{"east": "yes", "west": "yes"}');
SELECT * FROM published;

-- conditionals without next_step whose branches say what follows: forks in the road.
-- Steps named as steps.<id>, one step at the end of several ways, and children that
-- name the block they belong to as their next step
\set road '{"name": "published road", "version": "1.0", "start_step": "look", "steps": {"look": {"id": "look", "type": "agent", "agent_name": "Harbour", "input_mapping": {"state": "${workflow.input.state}"}, "next_step": "whole"}, "whole": {"id": "whole", "type": "conditional", "condition": {"expression": "${steps.look.output.state} != \'broken\'"}, "if_true_step": "inspect", "if_false_step": "refuse", "next_step": null}, "inspect": {"id": "inspect", "type": "parallel", "parallel_steps": ["smell", "taste"], "next_step": "judge"}, "smell": {"id": "smell", "type": "agent", "agent_name": "Harbour", "input_mapping": {"smells": "${steps.look.output.state}"}, "next_step": "inspect"}, "taste": {"id": "taste", "type": "agent", "agent_name": "Harbour", "input_mapping": {"tastes": "${steps.look.output.state}"}, "next_step": "inspect"}, "judge": {"id": "judge", "type": "conditional", "condition": {"expression": "${steps.smell.output.smells} == \'fresh\' or ${steps.taste.output.tastes} == \'good\'"}, "if_true_step": "sell", "if_false_step": "judge-again", "next_step": null}, "judge-again": {"id": "judge-again", "type": "conditional", "condition": {"expression": "${steps.look.output.state} == \'tired\'"}, "if_true_step": "sell", "if_false_step": "refuse", "next_step": null}, "sell": {"id": "sell", "type": "agent", "agent_name": "Office", "input_mapping": {"sold": "${steps.look.output.state}", "found": "${steps.inspect.output}"}, "next_step": "thank"}, "thank": {"id": "thank", "type": "agent", "agent_name": "Office", "input_mapping": {"thanks_for": "${steps.sell.output.sold}"}, "next_step": null}, "refuse": {"id": "refuse", "type": "agent", "agent_name": "Office", "input_mapping": {"refused": "${steps.look.output.state}"}, "next_step": null}}}'
SELECT * FROM workflow.validate(:'road');
SELECT workflow.define(:'road');
SELECT workflow.explain('published road');
CALL published_try('published road', '{"state": "fresh"}');
SELECT * FROM published;
CALL published_try('published road', '{"state": "tired"}');
SELECT * FROM published;
CALL published_try('published road', '{"state": "rotten"}');
SELECT * FROM published;
CALL published_try('published road', '{"state": "broken"}');
SELECT * FROM published;
SELECT step_id, scope, condition_result, branch_taken FROM workflow.step_executions
WHERE execution_id = (SELECT max(id) FROM workflow.executions WHERE workflow = 'published road' AND parallel AND input ->> 'state' = 'tired')
ORDER BY scope, step_id COLLATE "C";

-- what has a next_step contains its branch, as does one inside a container
SELECT * FROM workflow.validate('{"name": "n", "start_step": "a", "steps": {
  "a": {"type": "conditional", "condition": {"expression": "1 < 2"}, "if_true_step": "b", "next_step": "c"},
  "b": {"type": "set", "output": 1, "next_step": "c"}, "c": {"type": "set", "output": 1}}}');
SELECT * FROM workflow.validate('{"name": "n", "start_step": "l", "steps": {
  "l": {"type": "loop", "loop_config": {"collection": [1], "loop_body": ["a"]}, "next_step": "c"},
  "a": {"type": "conditional", "condition": {"expression": "1 < 2"}, "if_true_step": "b"},
  "b": {"type": "set", "output": 1, "next_step": "c"}, "c": {"type": "set", "output": 1}}}');
SELECT * FROM workflow.validate('{"name": "n", "start_step": "a", "steps": {
  "a": {"type": "conditional", "condition": {"expression": "1 < 2"}, "if_true_step": "b", "next_step": "d"},
  "b": {"type": "conditional", "condition": {"expression": "1 < 2"}, "if_true_step": "c"},
  "c": {"type": "set", "output": 1, "next_step": "d"}, "d": {"type": "set", "output": 1}}}');
-- one way that leads into a block, one that never ends
SELECT * FROM workflow.validate('{"name": "n", "start_step": "a", "steps": {
  "a": {"type": "conditional", "condition": {"expression": "1 < 2"}, "if_true_step": "b", "if_false_step": "p"},
  "p": {"type": "parallel", "parallel_steps": ["b", "c"], "next_step": "d"},
  "b": {"type": "set", "output": 1}, "c": {"type": "set", "output": 1}, "d": {"type": "set", "output": 1}}}');
SELECT * FROM workflow.validate('{"name": "n", "start_step": "a", "steps": {
  "a": {"type": "conditional", "condition": {"expression": "1 < 2"}, "if_true_step": "b", "if_false_step": "c"},
  "b": {"type": "set", "output": 1, "next_step": "d"}, "d": {"type": "set", "output": 1, "next_step": "a"}, "c": {"type": "set", "output": 1}}}');
-- one of the branches is missing: that way the workflow ends
SELECT workflow.define('{"name": "published half", "start_step": "a", "steps": {
  "a": {"type": "conditional", "condition": {"expression": "${workflow.input.n} > 1"}, "else_step": "b"},
  "b": {"type": "set", "output": "b", "next_step": "c"}, "c": {"type": "set", "output": "${b.output}c"}}}');
CALL published_try('published half', '{"n": 1}');
SELECT * FROM published;
CALL published_try('published half', '{"n": 2}');
SELECT * FROM published;
-- a case that leads back to its own switch visits it again
SELECT workflow.define('{"name": "published again", "start_step": "a", "steps": {
  "a": {"type": "conditional", "max_visits": 3, "switch": [{"when": "${workflow.input.again}", "next_step": "a"}], "next_step": "b"},
  "b": {"type": "set", "output": "b"}}}');
CALL published_try('published again', '{"again": true}');
SELECT * FROM published;
CALL published_try('published again', '{"again": false}');
SELECT * FROM published;
-- a step that is called steps stays one
SELECT workflow.define('{"name": "published steps", "start_step": "steps", "steps": {
  "steps": {"type": "set", "output": {"output": 1}, "next_step": "end"},
  "end": {"type": "set", "output": ["${steps.output.output}", "${steps.steps.output}", "${steps.steps.status}", "${steps.status}"]}}}');
CALL published_try('published steps');
SELECT * FROM published;

SELECT count(workflow.drop_agent(name)) FROM unnest(ARRAY['Harbour', 'Scales & Customs', 'Office']) AS name;
DROP VIEW published;
DROP TABLE published_result;
DROP PROCEDURE published_try;
DROP FUNCTION published_agent;
