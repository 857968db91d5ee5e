--
-- Tiers of tasks that run side by side, with safe defaults: the twelve published cases
--
SET client_min_messages = warning;

-- a task says what it is asked for, fails, or takes too long
CREATE FUNCTION test.tier_task(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF input -> 'failing' ? (input ->> 'task') THEN
        RAISE EXCEPTION 'task % failed', input ->> 'task';
    ELSIF input -> 'late' ? (input ->> 'task') THEN
        PERFORM pg_sleep(60);
    END IF;
    RETURN jsonb_build_object('from', input ->> 'task');
END $$;
SELECT workflow.register_agent('tier_task', 'test.tier_task(jsonb)');

-- one tier: its tasks with their defaults and flags; the other comes behind the model
CREATE FUNCTION test.tier(id text, tasks jsonb, next text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object(id, jsonb_build_object('type', 'parallel', 'parallel_steps', jsonb_agg(key ORDER BY key)) || COALESCE(jsonb_build_object('next_step', next), '{}'))
           || jsonb_object_agg(key, jsonb_strip_nulls(jsonb_build_object('type', 'agent', 'agent_name', 'tier_task',
               'on_failure', jsonb_build_object('default', value -> 'default'), 'when', value -> 'when',
               'input_mapping', jsonb_build_object('task', key, 'failing', '${workflow.input.failing ?? []}', 'late', '${workflow.input.late ?? []}'))))
    FROM jsonb_each(tasks)
$$;
SELECT workflow.define(jsonb_build_object('name', 'tiers', 'start_step', 'tier_1', 'steps',
    test.tier('tier_1', '{"rag": {"default": [], "when": "${workflow.input.enable_rag ?? true}"}, "tools": {"default": [], "when": "${workflow.input.enable_tools ?? true}"},
        "memory": {"default": {}}}', 'model')
    || '{"model": {"type": "set", "output": {"saw": "${tier_1.output}"}, "next_step": "tier_2"}}'
    || test.tier('tier_2', '{"quality": {"default": 0}, "citations": {"default": []}, "cost": {"default": 0}}', 'answer')
    || '{"answer": {"type": "set", "output": {"tier_1": "${model.output.saw}", "tier_2": "${tier_2.output}"}}}')) \gset
CREATE PROCEDURE test.tiers(name text, input jsonb DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE
    answer record;
    status text;
    output jsonb;
    error_type text;
    error text;
BEGIN
    CALL test.go('tiers', input, status, output, error_type, error);
    SELECT e.status, e.output INTO answer FROM workflow.executions AS e WHERE e.id = test.id();
    RAISE INFO '%: %, tier 1 %, tier 2 %', name, answer.status, answer.output -> 'tier_1', answer.output -> 'tier_2';
    RAISE INFO '  tasks that succeeded and failed: % and %, % and %',
        (SELECT successful_tasks FROM workflow.blocks WHERE execution_id = test.id() AND step_id = 'tier_1'),
        (SELECT failed_tasks FROM workflow.blocks WHERE execution_id = test.id() AND step_id = 'tier_1'),
        (SELECT successful_tasks FROM workflow.blocks WHERE execution_id = test.id() AND step_id = 'tier_2'),
        (SELECT failed_tasks FROM workflow.blocks WHERE execution_id = test.id() AND step_id = 'tier_2');
END $$;

CALL test.tiers('1. all succeed');
CALL test.tiers('2. one task switched off', '{"enable_rag": false}');
CALL test.tiers('3. another one', '{"enable_tools": false}');
CALL test.tiers('4. one fails', '{"failing": ["rag"]}');
CALL test.tiers('5. all fail', '{"failing": ["rag", "tools", "memory"]}');
SELECT workflow.define(jsonb_set(document, '{steps,tools,timeout_seconds}', '1')) FROM workflow.definitions WHERE name = 'tiers' AND version = 1 \gset
CALL test.tiers('6. one is late: what has finished is kept', '{"late": ["tools"]}');
SELECT workflow.define(document) FROM workflow.definitions WHERE name = 'tiers' AND version = 1 \gset
CALL test.tiers('7. the second tier, all succeed');
CALL test.tiers('8. the second tier, one fails', '{"failing": ["cost"]}');
-- 9. and 10.: no tier runs its tasks side by side, with the same results
SET workflow.parallel = off;
CALL test.tiers('9. one after the other');
CALL test.tiers('10. one after the other, one fails in each tier', '{"failing": ["memory", "quality"]}');
RESET workflow.parallel;

-- 11. the gain is measured: tasks of 500, 300 and 200 ms in a tier of 500, of 1000 and of 0 ms
CALL test.tiers('11. gain');
UPDATE workflow.step_executions SET completed_at = started_at + CASE step_id WHEN 'rag' THEN interval '500 ms' WHEN 'tools' THEN '300 ms' WHEN 'memory' THEN '200 ms' END
WHERE execution_id = test.id() AND step_id IN ('rag', 'tools', 'memory');
CREATE FUNCTION test.gain(took interval) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
    UPDATE workflow.step_executions SET completed_at = started_at + took WHERE execution_id = test.id() AND step_id = 'tier_1';
    RETURN (workflow.metrics(test.id()) -> 'parallel_tier_1' ->> 'speedup_vs_sequential')::numeric;
END $$;
SELECT test.gain('500 ms') AS "500", test.gain('1000 ms') AS "1000", test.gain('0 ms') AS "0";
SELECT test.gain('500 ms');
-- 12. the figures are there
SELECT workflow.metrics(test.id()) -> 'parallel_tier_1' AS tier_1, jsonb_object_keys(workflow.metrics(test.id()) -> 'parallel_tier_2') AS tier_2;
DELETE FROM workflow.step_executions WHERE execution_id = test.id();
DELETE FROM workflow.executions WHERE id = test.id();

TABLE test.wrong;
