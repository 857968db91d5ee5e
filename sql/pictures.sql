--
-- Pictures other than timeline(): diagram(), timeline_svg(), explain() with
-- durations.  What a browser makes of them is tested in test/browser.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION IF NOT EXISTS pg_workflow;
\pset format unaligned
\pset tuples_only on

SELECT workflow.define('{"name": "drawn", "steps": {
    "first": {"sql": "SELECT 1 AS \"<b>&\"", "next_step": "block", "catch": [{"errors": ["22012"], "next_step": "mend"}]},
    "block": {"type": "parallel", "parallel_steps": ["left", "right"], "next_step": "ask"},
    "left": {"sql": "SELECT 1"},
    "right": {"sql": "SELECT 1/(input.n::int)", "input_mapping": {"n": "${workflow.input.n}"}, "on_failure": "ignore"},
    "ask": {"type": "conditional", "condition": {"expression": "${first.status} == \"completed\" and 1 < 2"}, "if_true_step": "yes", "if_false_step": "no", "next_step": "route"},
    "yes": {"type": "set", "output": 1}, "no": {"type": "set", "output": 0},
    "route": {"type": "conditional", "switch": [{"when": "${workflow.input.n} > 5", "step": "sorry"}], "next_step": "each"},
    "each": {"type": "loop", "loop_config": {"collection": "${workflow.input.items}", "on_error": "continue", "loop_body": ["one", "two"]}, "next_step": "both"},
    "one": {"sql": "SELECT 1/(input.i::int - 2)", "input_mapping": {"i": "${loop.item}"}}, "two": {"sql": "SELECT 2"},
    "both": {"type": "fork_join", "fork_join_config": {"join_policy": "all", "branches": {"a": {"steps": ["a1", "a2"]}, "b": {"steps": ["b1"]}}}, "next_step": "skip"},
    "a1": {"sql": "SELECT 1"}, "a2": {"sql": "SELECT 1"}, "b1": {"sql": "SELECT 1"},
    "mend": {"type": "set", "output": "mended", "next_step": null},
    "skip": {"sql": "SELECT 1", "when": "false", "next_step": "done"},
    "done": {"type": "succeed", "output": "ok"},
    "sorry": {"type": "fail", "error": "Sorry", "message": "sorry"}}, "start_step": "first"}');
SELECT workflow.diagram('drawn');

-- durations only where there are any
SELECT workflow.explain('drawn') = workflow.explain('drawn', averages => false) AS nothing_to_say;
SELECT workflow.start('drawn', '{"n": 0, "items": [1, 2, 3]}') AS id \gset
SELECT status FROM workflow.wait(:id);
UPDATE workflow.executions SET created_at = '2026-01-01 12:00:00', started_at = '2026-01-01 12:00:00.020', completed_at = '2026-01-01 12:00:01.5' WHERE id = :id;
UPDATE workflow.step_executions SET started_at = '2026-01-01 12:00:00.020',
    completed_at = '2026-01-01 12:00:00.020'::timestamptz + length(scope || step_id) * interval '10 ms' WHERE execution_id = :id;
SELECT workflow.diagram(:id);
SELECT workflow.explain('drawn', 1);

-- A86: an SVG is XML, whatever names and errors are
SELECT xml_is_well_formed_document(workflow.timeline_svg(:id)) AS is_xml;
SELECT count(*) AS rows_with_tooltips FROM regexp_matches(workflow.timeline_svg(:id), '<title>', 'g');
SELECT count(*) FROM regexp_matches(workflow.timeline_svg(:id), '<(?:script|image|foreignObject|a|use|animate)\M|href|url\(|@import', 'gi');
SELECT workflow.define(jsonb_build_object('name', '"/></svg><script>alert(1)</script>' || E'\x01\n&' || U&'\202E', 'steps',
    '[{"id": "a", "type": "fail", "error": "<b>", "message": "${workflow.input.m}"}]'::jsonb)) AS version;
SELECT workflow.start('"/></svg><script>alert(1)</script>' || E'\x01\n&' || U&'\202E', jsonb_build_object('m', ']]>--><!-- ''"&&lt; ' || U&'\05E9\05DC\05D5\05DD' || E'\x1f\x7f' || U&'\FFFE')) AS odd \gset
SELECT status FROM workflow.wait(:odd);
SELECT xml_is_well_formed_document(workflow.timeline_svg(:odd)) AS is_xml, workflow.timeline_svg(:odd) ~ '<script|<b>' AS injected;
SELECT workflow.diagram(:odd) ~ 'script' AS has_the_name;

-- in whatever encoding the client reads it: what is not ASCII is there, as references
SELECT workflow.define('{"name": "picture_letters", "steps": [
    {"id": "a", "sql": "SELECT ''caf\u00e9 \u2192 \u732b''"},
    {"id": "b", "type": "fail", "error": "\u00c4rger", "message": "${workflow.input.m}"}]}');
SELECT workflow.start('picture_letters', jsonb_build_object('m', U&'d\00e9j\00e0 vu \2192 \732b \+01F600')) AS letters \gset
SELECT status FROM workflow.wait(:letters);
SELECT picture, text !~ '[^\x01-\x7f]' AS is_ascii, text ~ letters AS has_letters
FROM (VALUES ('svg', workflow.timeline_svg(:letters), 'd&#xE9;j&#xE0; vu &#x2192; &#x732B; &#x1F600;'),
             ('report', workflow.report(:letters), 'd&#xE9;j&#xE0; vu &#x2192; &#x732B; &#x1F600;'),
             ('diagram', workflow.diagram('picture_letters'), 'caf#233; #8594; #29483;'),
             ('diagram of an execution', workflow.diagram(:letters), 'caf#233; #8594; #29483;')) AS p (picture, text, letters);
SET client_encoding = 'LATIN1';
SELECT workflow.timeline_svg(:letters) AS svg, workflow.report(:letters) AS report, workflow.diagram(:letters) AS diagram \gset
RESET client_encoding;

-- however deep: edges lead from node to node, never to or from a frame, which Mermaid 10 cannot draw
\getenv abs_srcdir PG_ABS_SRCDIR
\set nest :abs_srcdir '/test/browser/nest.sql'
\i :nest
SET workflow.max_nesting = 16;
SELECT workflow.define(jsonb_build_object('name', 'picture_deep', 'steps', jsonb_build_array(nest(16))));
RESET workflow.max_nesting;
CREATE FUNCTION picture_edges(diagram text) RETURNS TABLE (source text, target text) LANGUAGE sql
AS $$ SELECT e[1], e[2] FROM regexp_matches(diagram, '^ +(\w+) -\.?->(?:\|[^|]*\|)? (\w+)$', 'gn') AS e $$;
CREATE FUNCTION picture_nodes(diagram text) RETURNS SETOF text LANGUAGE sql
AS $$ SELECT n[1] FROM regexp_matches(diagram, '^ +(\w+)[[({].*$', 'gn') AS n $$;
SELECT (SELECT count(*) FROM regexp_matches(diagram, 'subgraph', 'g')) AS frames, (SELECT count(*) FROM picture_edges(diagram)) AS edges FROM workflow.diagram('picture_deep') AS diagram;
SELECT workflow AS edges_without_node FROM unnest('{picture_deep,drawn}'::text[]) AS workflow, workflow.diagram(workflow) AS diagram
WHERE EXISTS (SELECT FROM picture_edges(diagram) WHERE source NOT IN (SELECT picture_nodes(diagram)) OR target NOT IN (SELECT picture_nodes(diagram)));

-- the same as rows: each level has its place, however narrow, and something of each name is left
SELECT workflow.start('picture_deep') AS deep \gset
SELECT status FROM workflow.wait(:deep);
SELECT count(DISTINCT m[1]) AS places FROM regexp_matches(workflow.timeline_svg(:deep), '<text class="label" x="(\d+)"', 'g') AS m;
SELECT count(DISTINCT m[1]) AS places FROM regexp_matches(workflow.report(:deep), 'padding-left:([\d.]+)em', 'g') AS m;
SELECT width, max(length(line)) <= width AS fits, count(*) FILTER (WHERE line ~ '(level|beside|right|after)\d') AS named
FROM unnest('{40,60,80,120}'::int[]) AS width, regexp_split_to_table(workflow.timeline(:deep, width, true), '\n') AS line GROUP BY width ORDER BY width;
SELECT rtrim(substr(line, 1, 38)) AS deepest FROM regexp_split_to_table(workflow.timeline(:deep, 80, true), '\n') AS line WHERE line ~ 'level16|innermost|right15|after16';

-- names that differ at their ends keep them
SELECT workflow.define(jsonb_build_object('name', 'picture_names', 'steps', jsonb_build_array(jsonb_build_object('id', 'synchronise_the_warehouses_of_the_company_and_its_affiliates', 'type', 'parallel', 'parallel_steps',
    (SELECT jsonb_agg(jsonb_build_object('id', 'transfer_of_all_accounts_receivable_and_payable_from_the_branch_of_' || w, 'sql', 'SELECT 1')) FROM unnest('{berlin,hamburg}'::text[]) AS w)))));
SELECT workflow.start('picture_names') AS names \gset
SELECT status FROM workflow.wait(:names);
SELECT substr(line, 1, 38) AS label FROM regexp_split_to_table(workflow.timeline(:names, 80, true), '\n') AS line WHERE line ~ '^\+ .*of';
SELECT m[1] FROM regexp_matches(workflow.timeline_svg(:names), '<text class="label"[^>]*>([^<]*)</text>', 'g') AS m WHERE m[1] !~ '^(execution|&#8230;)';

-- a long error is told in front of the picture in a few lines, and as a whole among the facts
SELECT workflow.define('{"name": "picture_error", "steps": [{"id": "a", "type": "fail", "error": "Odd", "message": "${workflow.input}"}]}');
SELECT workflow.start('picture_error', to_jsonb(repeat('a very long error message that goes on ', 200) || 'and ends')) AS error \gset
SELECT status FROM workflow.wait(:error);
SELECT length(substring(split_part(report, '<div class="picture">', 1) FROM '<h2>Execution.*')) < 2000 AS short, report ~ 'that goes on and ends</bdi>' AS whole FROM workflow.report(:error) AS report;

-- steps that completed in the end may have failed and waited before: the legend says how that looks
CREATE SEQUENCE picture_tries;
SELECT workflow.define('{"name": "picture_mended", "steps": [{"id": "flaky", "sql": "SELECT 1 / (nextval(''picture_tries'') >= 3)::int", "retry": {"max_retries": 5, "type": "fixed_delay", "initial_delay_ms": 20}}]}');
SELECT workflow.start('picture_mended') AS mended \gset
SELECT status FROM workflow.wait(:mended);
SET client_encoding = 'UTF8';
SELECT ascii, (regexp_match(workflow.timeline(:mended, 80, ascii), '\n\n([^\n]*)$'))[1] AS legend FROM unnest('{f,t}'::boolean[]) AS ascii;
-- what undoes steps, wherever they are, and what runs on failure: behind the end, in its order
SELECT workflow.define('{"name": "picture_undone", "steps": [
    {"id": "flight", "sql": "SELECT 1", "compensate": {"id": "cancel_flight", "sql": "SELECT 1"}},
    {"id": "extras", "type": "parallel", "parallel_steps": [{"id": "car", "sql": "SELECT 1", "compensate": {"id": "cancel_car", "sql": "SELECT 1"}}, {"id": "bad", "sql": "SELECT 1/0"}]}],
    "on_failure": {"id": "tell", "sql": "SELECT 1"}}');
SELECT workflow.diagram('picture_undone');

-- what is large is drawn in part, within what Mermaid accepts
SELECT workflow.define(jsonb_build_object('name', 'picture_wide', 'steps', jsonb_build_array(jsonb_build_object('id', 'all', 'type', 'parallel', 'parallel_steps',
    (SELECT jsonb_agg(jsonb_build_object('id', 'transfer_of_all_accounts_receivable_of_the_year_' || i, 'sql', 'SELECT ' || repeat('1 + ', 30) || i)) FROM generate_series(1, 1000) AS i)))));
SELECT length(diagram) < 50000 AS characters, (SELECT count(*) FROM picture_edges(diagram)) <= 500 AS edges, (SELECT count(*) FROM picture_nodes(diagram)) > 100 AS nodes,
    diagram ~ 'more\["\.\.\. \d+ more steps"\]' AS more FROM workflow.diagram('picture_wide') AS diagram;
SELECT workflow.define(jsonb_build_object('name', 'picture_long', 'steps', (SELECT jsonb_agg(jsonb_build_object('id', 's' || i, 'type', 'set', 'output', i)) FROM generate_series(1, 1000) AS i)));
SELECT workflow.start('picture_long') AS long \gset
SELECT status FROM workflow.wait(:long);
UPDATE workflow.executions SET created_at = '2026-01-01 12:00:00', started_at = '2026-01-01 12:00:00', completed_at = '2026-01-01 12:00:01' WHERE id = :long;
UPDATE workflow.step_executions SET started_at = '2026-01-01 12:00:00'::timestamptz + (substr(step_id, 2)::int - 1) * interval '1 ms',
    completed_at = '2026-01-01 12:00:00'::timestamptz + substr(step_id, 2)::int * interval '1 ms' WHERE execution_id = :long;
SELECT count(*) FROM regexp_matches(workflow.diagram('picture_long'), ': set', 'g');
SELECT (regexp_match(workflow.diagram('picture_long'), '\.\.\. [^"]*'))[1];
SELECT count(*) FROM regexp_matches(workflow.timeline_svg(:long), '<title>', 'g');
SELECT regexp_replace(workflow.timeline(:long, 80, true), 'execution \d+', 'execution N');

-- what has something to tell has a row, as far as there are rows
SELECT workflow.define(jsonb_build_object('name', 'picture_rows', 'steps', (SELECT jsonb_agg(jsonb_build_object('id', 's' || i, 'sql', 'SELECT 1 / 0', 'on_failure', 'ignore')) FROM generate_series(1, 400) AS i)));
SELECT workflow.start('picture_rows') AS rows \gset
SELECT status FROM workflow.wait(:rows);
SELECT (regexp_match(workflow.timeline_svg(:rows), '\.\.\. [\d,]+ more rows'))[1], (regexp_match(workflow.report(:rows), '>([\d,]+ more steps)'))[1];

-- when it stood still
UPDATE workflow.executions SET pauses = tstzmultirange(tstzrange(started_at, completed_at)) WHERE id = :id;
SELECT count(*) FROM regexp_matches(workflow.timeline_svg(:id), '<rect class="pause" x="0.000%"[^>]* width="100.000%"', 'g');

-- a report has a table of steps, and facts, of the execution it is about
SELECT count(*) FROM regexp_matches(workflow.report(:id), '<td class="step"', 'g');
SELECT workflow.report(:id) LIKE '%<details open><summary>Facts%' AS facts, workflow.report() LIKE '%<details><summary>Facts%' AS closed,
    workflow.report(:id) LIKE '%<th>input</th><td class="code"><bdi>{&quot;n&quot;: 0%' AS input, workflow.report(:odd) LIKE '%; then SELECT workflow.retry(%' AS why;

-- and all that waits for somebody
SELECT workflow.define('{"name": "picture_letter", "dead_letter": true, "steps": [{"id": "a", "type": "fail", "error": "Odd", "message": "lost & found"}]}');
SELECT workflow.start('picture_letter') AS letter \gset
SELECT status FROM workflow.wait(:letter);
SELECT workflow.start('picture_letter', start_at => '2100-01-01') AS paused \gset
SELECT workflow.pause(:paused, 'look at <that>');
SELECT workflow.report() ~ '<h2>Dead letters</h2>.*>a: lost &amp; found<' AS letters, workflow.report() ~ '<h2>Paused executions</h2>.*>look at &lt;that&gt;<' AS paused;

-- a report shows a role its own
CREATE ROLE regress_watcher;
CREATE ROLE regress_stranger;
GRANT pg_monitor TO regress_watcher;
SELECT workflow.grant_usage('regress_watcher'), workflow.grant_usage('regress_stranger');
SELECT workflow.report(:odd) LIKE '%&lt;script&gt;%' AS name, workflow.report(:odd) LIKE '%]]&gt;--&gt;%' AS message;
SET ROLE regress_watcher;
SELECT workflow.report(:odd) LIKE '%&lt;script&gt;%' AS name, workflow.report(:odd) LIKE '%]]&gt;--&gt;%' AS message, workflow.report() LIKE '%<svg%' AS picture;
SELECT workflow.report(:id) LIKE '%<th>input</th>%' AS input, workflow.report(:odd) LIKE '%; then SELECT workflow.retry(%' AS why, workflow.report() LIKE '%lost &amp; found%' AS letters, workflow.report() LIKE '%look at &lt;that%' AS paused;
SET ROLE regress_stranger;
SELECT workflow.report() LIKE '%<h2>Dead letters%' AS letters, workflow.report() LIKE '%<h2>Paused%' AS paused;
SELECT workflow.report() LIKE '%&lt;script&gt;%' AS name, workflow.report() LIKE '%<svg%' AS picture, workflow.report() LIKE '%Nothing runs.%' AS nothing_runs;
\set VERBOSITY sqlstate
SELECT workflow.report(:odd);
SELECT workflow.diagram(:odd);
SELECT workflow.timeline_svg(:odd);
RESET ROLE;
SELECT workflow.cancel(:paused);
DELETE FROM workflow.dead_letters WHERE workflow = 'picture_letter';
SELECT workflow.revoke_usage('regress_watcher'), workflow.revoke_usage('regress_stranger');
DROP ROLE regress_watcher;
DROP ROLE regress_stranger;

-- arguments
\set VERBOSITY terse
SELECT workflow.report(-1);
SELECT workflow.diagram('no such workflow');
SELECT workflow.diagram('drawn', 9);
SELECT workflow.diagram(NULL::text);
SELECT workflow.diagram(NULL::bigint);
SELECT workflow.diagram(-1);
SELECT workflow.timeline_svg(-1);
SELECT workflow.timeline_svg(:id, 0);

-- a line of very many steps is thinned out while it is read; none is forgotten
\set VERBOSITY default
SELECT workflow.define('{"name": "spinning", "start_step": "begin", "steps": {
    "begin": {"type": "set", "assign": {"n": 0}, "next_step": "turn"},
    "turn": {"type": "set", "max_visits": 2000, "assign": {"n": "${vars.n + 1}"}, "next_step": "enough"},
    "enough": {"type": "conditional", "switch": [{"when": "${vars.n} < 1300", "next_step": "turn"}], "next_step": "end"},
    "end": {"type": "set", "output": "${vars.n}"}}}');
SELECT workflow.execute('spinning');
SELECT max(id) AS spun FROM workflow.executions WHERE workflow = 'spinning' \gset
SELECT count(*) FROM workflow.step_executions WHERE execution_id = :spun;
SELECT sum(COALESCE((regexp_match(line, '(\d+) (?:completed|more)'))[1]::int, 1)) FROM regexp_split_to_table(workflow.timeline(:spun), '\n') AS line WHERE line ~ '[✓…]';
SELECT xml_is_well_formed_document(workflow.timeline_svg(:spun)) AS is_xml;
