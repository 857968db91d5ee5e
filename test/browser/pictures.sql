/*
 * pictures.sql
 *	  Executions with names and errors that try to be more than text, and the
 *	  pictures of them.
 *
 * Variable out: folder to write to.
 */
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = error;
\pset format unaligned
\pset tuples_only on

CREATE EXTENSION pg_workflow;
SELECT '<script>document.body.dataset.owned = 1</script>"''&amp;</title></svg>]]>--><b>name</b> ' || U&'\05E9\05DC\05D5\05DD \202Eevil' || E'\x01\x1b[31m' AS name,
       '</text></svg><img src=x onerror="document.body.dataset.owned = 2"><script>document.body.dataset.owned = 3</script> ' || U&'\05D1\05E2\05D9\05D4 ' || E'\x07 ' || repeat('long', 2000) AS message \gset
SELECT jsonb_build_object('name', :'name', 'dead_letter', true, 'steps', '[
    {"id": "good", "type": "set", "output": 1},
    {"id": "block", "type": "parallel", "parallel_steps": [
        {"id": "stubborn", "sql": "SELECT 1 / input.n::int AS \"<i>&\"", "input_mapping": {"n": 0}, "on_failure": "ignore", "retry": {"max_retries": 2, "type": "fixed_delay", "initial_delay_ms": 20}},
        {"id": "fine", "sql": "SELECT pg_sleep(0.05)"}]},
    {"id": "ask", "type": "conditional", "condition": {"expression": "\"end --> ]} <b>;%%{init}%%\" != \"\""}, "if_true_step": {"id": "end", "type": "set", "output": 1}, "if_false_step": {"id": "graph", "type": "set", "output": 2}},
    {"id": "many", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "on_error": "continue", "loop_body": [{"id": "one", "type": "set", "output": "${loop.item}"}]}},
    {"id": "a", "type": "fail", "error": "<b>Odd</b>", "message": "${workflow.input.message}"}]'::jsonb) AS definition \gset
SELECT workflow.define(:'definition');
SELECT workflow.start(:'name', jsonb_build_object('message', :'message', 'items', (SELECT jsonb_agg(i) FROM generate_series(1, 100) AS i))) AS id \gset
SELECT status FROM workflow.wait(:id);
\o :out/hostile.svg
SELECT workflow.timeline_svg(:id);
\o :out/widths.html
\qecho '<meta charset="utf-8"><body><p style="width:300px">'
SELECT workflow.timeline_svg(:id);
\qecho '</p><p style="width:100000px">'
SELECT workflow.timeline_svg(:id);
\qecho '</p><script>for (const p of document.querySelectorAll("p"))'
\qecho 'p.dataset.marks = [...p.querySelectorAll(".more")].filter(m => new DOMMatrix(getComputedStyle(m).transform).e < 0).length;</script>'
\o :out/hostile.html
SELECT workflow.report(:id);
\o :out/overview.html
SELECT workflow.report();
\o :out/hostile.mmd
SELECT workflow.diagram(:id);
\o

-- running and waiting
SELECT workflow.define('{"name": "going", "steps": [{"id": "wait", "sql": "SELECT 1 / input.n::int", "input_mapping": {"n": 0}, "retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000}}]}');
SELECT workflow.start('going') AS going \gset
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM workflow.step_executions WHERE step_id = 'wait') LOOP PERFORM pg_sleep(0.01); END LOOP;
END $$;
\o :out/waiting.html
SELECT workflow.report(:going);
\o
SELECT workflow.cancel(:going);
SELECT status FROM workflow.wait(:going);
\o :out/cancelled.svg
SELECT workflow.timeline_svg(:going);
\o
SELECT workflow.start('going', start_at => '2100-01-01') AS later \gset
\o
SELECT workflow.pause(:later, '</bdi></td><script>document.body.dataset.owned = 4</script>');
\o :out/paused.html
SELECT workflow.report(:later);
\o
SELECT workflow.resume(:later);
\o :out/empty.svg
SELECT workflow.timeline_svg(:later);
\o
