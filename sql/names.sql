-- A name that leads nowhere: the one that was meant, if the caller may see it.
CREATE TABLE names_tried (what text, call text);
CREATE FUNCTION names_hint(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  message text;
  detail text;
  hint text;
BEGIN
  EXECUTE call;
  RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', message, nullif(detail, ''), hint);
END $$;

SELECT workflow.define('{"name": "names_orders", "workflow_id": "wf-8812", "steps": [
  {"id": "check", "type": "set", "output": 1},
  {"id": "both", "type": "parallel", "parallel_steps": [{"id": "left", "type": "set", "output": 1}, {"id": "right", "type": "set", "output": 1}]}]}');
SELECT workflow.register_agent('names_quote', sql => 'SELECT 1');
SELECT workflow.execute('names_orders') IS NOT NULL AS executed;
SELECT max(id) AS id FROM workflow.executions WHERE workflow = 'names_orders' \gset

-- workflows, wherever one is named; also by workflow_id, also in other letters
INSERT INTO names_tried
SELECT 'workflow', format(call, quote_literal(name))
FROM unnest('{names_ordres,NAMES_ORDERS,wf-8821,nothing_like_it}'::text[]) AS name,
  unnest('{SELECT workflow.start(%s),SELECT workflow.execute(%s)}'::text[]) AS call;
INSERT INTO names_tried
SELECT 'workflow', format(call, quote_literal('names_order'))
FROM unnest(ARRAY['SELECT workflow.explain(%s)', 'SELECT workflow.diagram(%s)', 'SELECT workflow.block(%s)', 'SELECT workflow.unblock(%s)',
  'SELECT workflow.set_status(%s, 1, ''active'')', 'SELECT workflow.pause_executions(workflow => %s)',
  'SELECT workflow.resume_executions(workflow => %s)', 'SELECT workflow.retry_executions(workflow => %s)', 'SELECT workflow.replay_all(workflow => %s)',
  'SELECT workflow.cancel_executions(workflow => %s)']) AS call;
-- agents
INSERT INTO names_tried
SELECT 'agent', format(call, quote_literal('names-quote'))
FROM unnest(ARRAY['SELECT workflow.drop_agent(%s)', 'SELECT workflow.set_agent_status(%s, ''active'')', 'SELECT workflow.reset_breaker(%s)',
  'SELECT workflow.define(jsonb_build_object(''name'', ''x'', ''steps'', jsonb_build_array(jsonb_build_object(''id'', ''a'', ''agent_name'', %s))))']) AS call;
-- steps
INSERT INTO names_tried
SELECT 'step', format(call, :id, quote_literal(step))
FROM unnest('{Check,rigth,nowhere}'::text[]) AS step,
  unnest('{"SELECT workflow.hold_step(%s, %s)","SELECT workflow.release_step(%s, %s)","SELECT workflow.skip_step(%s, %s)"}'::text[]) AS call;
-- words
INSERT INTO names_tried VALUES
('word', 'SELECT workflow.cancel_executions(status => ''pendig'')'),
('word', 'SELECT workflow.retry_executions(status => ''FAILED'')'),
('word', 'SELECT workflow.retry_executions(status => ''broken'')'),
('word', 'SELECT workflow.prune(statuses => ''{complete}'')'),
('word', 'SELECT workflow.prune(statuses => ''{running}'')'),
('word', 'SELECT workflow.set_status(''names_orders'', 1, ''archive'')'),
('word', 'SELECT workflow.define(''{}'', ''activ'')'),
('word', 'SELECT workflow.set_agent_status(''names_quote'', ''inactiv'')'),
('word', 'SELECT workflow.register_agent(''x'', sql => ''SELECT 1'', result => ''rwos'')'),
('word', 'SELECT workflow.drain(mode => ''step'')'),
('word', 'SELECT workflow.next_runs(''dayly'')'),
('word', 'SELECT workflow.next_runs(''@hourli'')'),
('word', 'SELECT workflow.next_runs(''@daily'', ''Europe/Berln'')'),
('word', 'SELECT workflow.next_runs(''@daily'', ''Middle-earth'')');
SELECT regexp_replace(call, '_step\(\d+', '_step(N') AS call, names_hint(call) FROM names_tried WHERE what <> 'workflow' ORDER BY what, call COLLATE "C";
SELECT regexp_replace(call, '_step\(\d+', '_step(N') AS call, names_hint(call) FROM names_tried WHERE what = 'workflow' ORDER BY call COLLATE "C";

CALL workflow.run('names_ordesr');

-- retry() from a step: of an execution that failed
SELECT workflow.define('{"name": "names_fails", "steps": [{"id": "first", "type": "set", "output": 1}, {"id": "second", "type": "fail", "message": "no"}]}') \gset
SELECT workflow.start('names_fails') AS id \gset
SELECT status FROM workflow.wait(:id);
SELECT workflow.retry(:id, from_step => 'frist');

-- names too long for a process's own memory: who looks while the step runs sees them whole, and the
-- step once, in a block in a block as well
SELECT workflow.define(jsonb_build_object('name', 'names_' || repeat('long_', 20), 'workflow_id', 'names_long', 'steps', jsonb_build_array(
  jsonb_build_object('id', 'around_' || repeat('and_', 20) || 'it', 'type', 'loop', 'collection', '[1]'::jsonb, 'loop_body', jsonb_build_array(
    jsonb_build_object('id', 'in_' || repeat('there_', 20), 'type', 'loop', 'collection', '[1]'::jsonb, 'loop_body', jsonb_build_array(
      jsonb_build_object('id', 'sleeps_' || repeat('very_', 18) || 'well', 'sql', 'SELECT pg_sleep(600)')))))))) IS NOT NULL AS defined;
SELECT workflow.start('names_long') AS id \gset
SELECT set_config('test.id', :'id', false) IS NOT NULL AS set;
CALL test.until('SELECT count(*) > 0 FROM workflow.activity WHERE execution_id = test.id() AND wait_event = ''PgSleep''');
SELECT length(workflow), scope, step_id FROM workflow.activity WHERE execution_id = :id;
SELECT scope, step_id, step_type, status FROM workflow.step_status WHERE execution_id = :id ORDER BY scope;
SELECT workflow.cancel(:id);
SELECT status FROM workflow.wait(:id);

SELECT workflow.drop_agent('names_quote');
DROP FUNCTION names_hint;
DROP TABLE names_tried;
