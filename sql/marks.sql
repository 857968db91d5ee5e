--
-- hold_step(), release_step(), skip_step()
--
SET client_min_messages = warning;

SELECT workflow.define($${"name": "marks", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"},
  {"id": "b", "type": "set", "output": "b"},
  {"id": "f", "type": "parallel", "parallel_steps": [
    {"id": "p", "type": "sql", "sql": "SELECT 'p'", "result": "value"},
    {"id": "q", "type": "sql", "sql": "SELECT 'q'", "result": "value"}]},
  {"id": "z", "type": "set", "output": {"b": "${b.output}", "f": "${f.output}"}}]}$$);
CREATE PROCEDURE test.stands(n integer) LANGUAGE plpgsql AS $$
BEGIN
    CALL test.until(format('SELECT count(*) = %s FROM workflow.step_executions WHERE execution_id = test.id() AND status <> ''running''', n));
    CALL test.told();
    CALL test.at_rest();
END $$;

-- held before it is come to, also a step without SQL; it holds nothing
CALL test.to_gate('marks');
SELECT workflow.hold_step(test.id(), 'b', 'wait for b'), workflow.hold_step(test.id(), 'b');
CALL test.told();
CALL test.open_gate();
CALL test.stands(1);
SELECT status FROM workflow.executions WHERE id = test.id();
-- by whom, since when and why: kept with the mark, and told wherever it is told
SELECT workflow, status, step_id, mark, marked_by = current_user AS by_me, marked_at BETWEEN created_at AND clock_timestamp() AS has_time, reason
FROM workflow.marked_steps JOIN workflow.execution_status USING (execution_id, workflow, status) WHERE execution_id = test.id();
SELECT w.reason, step_id, since = marked_at AS since, detail = format('by %s: wait for b; it waits when it comes to this step', marked_by) AS says_why
FROM workflow.why(test.id()) AS w JOIN workflow.marked_steps AS m USING (step_id) WHERE m.execution_id = test.id();
SELECT picture, text ~ format('held since [-+ :0-9]*(#43;00)?[^ ]* by %s: wait for b', current_user) AS says_why
FROM (VALUES ('timeline', workflow.timeline(test.id(), 120)), ('svg', workflow.timeline_svg(test.id())), ('diagram', workflow.diagram(test.id())), ('report', workflow.report(test.id()))) AS p (picture, text);
-- one child of several: the others go on
SELECT workflow.hold_step(test.id(), 'p');
SELECT workflow.release_step(test.id(), 'b', 'go'), workflow.release_step(test.id(), 'b');
CALL test.stands(3);
TABLE test.steps;
SELECT workflow.skip_step(test.id(), 'p', '"instead"', 'not needed');
SELECT status, output FROM workflow.wait(test.id(), '60 s');
TABLE test.steps;
SELECT action, subject_type, subject, reason, after FROM workflow.audit_log WHERE execution_id = test.id() ORDER BY id;
SELECT event, step_id, replace(detail, current_user, 'me') AS detail FROM workflow.history WHERE execution_id = test.id() AND event !~ '^step ' ORDER BY at;
-- what is over is not told as a state
SELECT split_part(line, '   ◆', 1) AS line FROM regexp_split_to_table(replace(regexp_replace(workflow.timeline(test.id(), 120), '[0-9]{4}-[-+ :0-9.]*', 'TIME ', 'g'), current_user, 'me'), '\n') AS line WHERE line ~ 'held|skipped|step|marked';

-- skipped, without an output
CALL test.to_gate('marks');
SELECT workflow.skip_step(test.id(), 'q'), workflow.skip_step(test.id(), 'q');
CALL test.open_gate();
SELECT status, output FROM workflow.wait(test.id(), '60 s');
TABLE test.steps;

-- while it waits for its next attempt: skipped, or held
SELECT workflow.define($${"name": "marks_retry", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 3, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000}},
  {"id": "b", "type": "set", "output": "${a.output}"}]}$$);
SELECT set_config('test.id', workflow.start('marks_retry')::text, false) IS NOT NULL AS started;
CALL test.stands(1);
SELECT workflow.hold_step(test.id(), 'a');
CALL test.told();
SELECT workflow.skip_step(test.id(), 'a', '42');
SELECT status, output FROM workflow.wait(test.id(), '60 s');
SELECT step_id, attempt, status, output, on_failure FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at, attempt;

-- a held step whose time is over ends like one that was not begun
SELECT workflow.define($${"name": "marks_late", "steps": [
  {"id": "f", "type": "parallel", "timeout_seconds": 1, "parallel_steps": [{"id": "g", "type": "sql", "sql": "SELECT 1"}, {"id": "h", "type": "set", "output": 1}]}]}$$);
SELECT set_config('test.id', workflow.start('marks_late', start_at => clock_timestamp() + interval '100 ms')::text, false) IS NOT NULL AS started,
       workflow.hold_step(test.id(), 'g');
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');

-- those that are held hold back no others, however many they are
SELECT workflow.define(jsonb_build_object('name', 'marks_many', 'steps', jsonb_build_array(jsonb_build_object('id', 'f', 'type', 'parallel', 'parallel_steps',
  (SELECT jsonb_agg(jsonb_build_object('id', 'h' || i, 'type', 'sql', 'sql', 'SELECT 1', 'result', 'value') ORDER BY i) FROM generate_series(1, 20) AS i)))));
BEGIN;
SELECT set_config('test.id', workflow.start('marks_many', parallel => true)::text, false) IS NOT NULL AS started;
SELECT count(workflow.hold_step(test.id(), 'h' || i)) FROM generate_series(1, 19) AS i;
COMMIT;
CALL test.stands(1);
SELECT step_id, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;
SELECT count(workflow.release_step(test.id(), 'h' || i)) FROM generate_series(1, 19) AS i;
SELECT status FROM workflow.wait(test.id(), '60 s');

-- in all iterations from now on; a pause does not take the mark away
SELECT workflow.define($${"name": "marks_loop", "steps": [
  {"id": "l", "type": "loop", "loop_config": {"collection": [1, 2, 3], "result": "outputs", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"}, {"id": "b", "type": "sql", "sql": "SELECT 1", "result": "value"}]}}]}$$);
CALL test.to_gate('marks_loop');
BEGIN;
SELECT workflow.skip_step(test.id(), 'b', '"skipped"');
SELECT workflow.pause(test.id());
COMMIT;
CALL test.told();
CALL test.open_gate();
SELECT workflow.resume(test.id());
SELECT status, output FROM workflow.wait(test.id(), '60 s');

-- paused and resumed before the scheduler has looked: the thread that runs sees the mark
CALL test.to_gate('marks');
BEGIN;
SELECT workflow.hold_step(test.id(), 'b');
SELECT workflow.pause(test.id());
SELECT workflow.resume(test.id());
COMMIT;
CALL test.told();
CALL test.open_gate();
CALL test.stands(1);
SELECT status FROM workflow.executions WHERE id = test.id();
SELECT workflow.release_step(test.id(), 'b');
SELECT status, output FROM workflow.wait(test.id(), '60 s');
TABLE test.steps;

-- compensations of one that is being cancelled
SELECT workflow.define($${"name": "marks_undo", "steps": [
  {"id": "a", "sql": "SELECT 1", "result": "none", "compensate": {"id": "undo_a", "sql": "SELECT 1", "result": "none"}},
  {"id": "b", "sql": "SELECT 1", "result": "none", "compensate": {"id": "undo_b", "sql": "SELECT 1/0", "result": "none"}},
  {"id": "c", "sql": "SELECT test.pass()", "result": "none"}]}$$);
CALL test.to_gate('marks_undo');
SELECT workflow.hold_step(test.id(), 'undo_a');
BEGIN;
SELECT workflow.cancel(test.id(), compensate => true);
SELECT workflow.skip_step(test.id(), 'undo_b');
COMMIT;
CALL test.until('SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = ''undo_b''');
CALL test.open_gate();
CALL test.told();
CALL test.at_rest();
SELECT step_id, reason FROM workflow.why(test.id()) WHERE reason = 'held';
SELECT workflow.release_step(test.id(), 'undo_a');
SELECT status FROM workflow.wait(test.id(), '60 s');
TABLE test.steps;

-- without compensations it comes to none; of one that has ended a mark can be taken off
CALL test.to_gate('marks');
BEGIN;
SELECT workflow.hold_step(test.id(), 'b');
SELECT workflow.cancel(test.id());
SELECT workflow.hold_step(test.id(), 'f');
COMMIT;
SELECT status FROM workflow.wait(test.id(), '60 s');
CALL test.open_gate();
SELECT workflow.release_step(test.id(), 'b'), workflow.retry(test.id());
SELECT status FROM workflow.wait(test.id(), '60 s');

-- too late, or wrong
SELECT workflow.hold_step(test.id(), 'b'), workflow.skip_step(test.id(), 'b'), workflow.release_step(test.id(), 'b');
SELECT workflow.hold_step(test.id(), 'nowhere');
SELECT workflow.hold_step(test.id(), NULL);
SELECT workflow.skip_step(-1, 'b');

TABLE test.wrong;
