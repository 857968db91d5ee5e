/*
 * charts.sql
 *	  What diagram() makes of plans and executions that are hard to draw, as a page that
 *	  has Mermaid draw them (charts.js).
 *
 * Behind pictures.sql, in the same session.  Variable out: folder to write to.
 */
\ir nest.sql
SET workflow.max_nesting = 16;
CREATE TABLE charts (number int GENERATED ALWAYS AS IDENTITY, name text, chart text, steps jsonb);
-- the plan of a workflow, or an execution of it; all: each of its steps is to be seen
CREATE PROCEDURE draw(definition jsonb, input jsonb DEFAULT NULL, all_steps boolean DEFAULT true) LANGUAGE plpgsql AS $$
DECLARE
    workflow text := definition ->> 'name';
    steps jsonb := CASE WHEN all_steps THEN jsonb_path_query_array(definition, '$.**.id ? (@.type() == "string")') ELSE '[]' END;
    id bigint;
BEGIN
    PERFORM workflow.define(definition);
    INSERT INTO charts (name, chart, steps) VALUES (workflow, workflow.diagram(workflow), steps);
    IF input IS NOT NULL THEN
        id := workflow.start(workflow, input);
        COMMIT;
        PERFORM workflow.wait(id);
        COMMIT;
        INSERT INTO charts (name, chart, steps) VALUES (workflow || ', run', workflow.diagram(id), steps);
    END IF;
END $$;
INSERT INTO charts (name, chart, steps)
SELECT 'hostile', workflow.diagram(:id), jsonb_path_query_array(:'definition', '$.steps.**.id ? (@.type() == "string")');
CALL draw(jsonb_build_object('name', 'seven deep', 'steps', jsonb_build_array(nest(7))), '{}');
CALL draw(jsonb_build_object('name', 'sixteen deep', 'steps', jsonb_build_array(nest(16))), '{}');
SELECT jsonb_build_object('name', 'long names', 'steps', jsonb_build_array(jsonb_build_object('id', 'synchronise_the_warehouses_of_the_company_and_its_affiliates', 'type', 'parallel', 'parallel_steps',
    (SELECT jsonb_agg(jsonb_build_object('id', 'transfer_of_all_accounts_receivable_and_payable_from_the_branch_of_' || w, 'sql', 'SELECT 1')) FROM unnest('{berlin,hamburg}'::text[]) AS w)))) AS definition \gset
CALL draw(:'definition', '{}', false);
CALL draw('{"name": "größer als 猫", "steps": [{"id": "a", "sql": "SELECT ''café → 猫 😀''"},
    {"id": "f", "type": "fork_join", "branches": {"x": [{"id": "c", "sql": "SELECT ''שלום''"}], "y": [{"id": "d", "type": "set", "output": "é"}]}},
    {"id": "b", "type": "fail", "error": "Ärger", "message": "${workflow.input.m}"}]}', '{"m": "déjà vu → 猫 😀"}');
CALL draw($${"name": "quotes", "steps": [{"id": "a", "sql": "SELECT \"say \"\"it\"\"\" FROM (SELECT 'it''s; #35; #quot; &quot; `x` **b** %% -- }] ) > <' AS \"say \"\"it\"\"\") AS q"},
    {"id": "ask", "type": "conditional", "condition": {"expression": "\"it's\" == \"`]}|\""}, "if_true_step": {"id": "b", "type": "set", "output": 1}, "if_false_step": {"id": "c", "type": "fail", "error": "\"E\"", "message": "\"said\" 'so' `there` \\"}}]}$$, '{}');
-- what Mermaid has words and signs for
SELECT jsonb_build_object('name', 'words', 'steps', (SELECT jsonb_agg(jsonb_build_object('id', w, 'type', 'set', 'output', 1))
    FROM unnest('{end,graph,flowchart,subgraph,style,class,classDef,click,default,direction,linkStyle,call,href,o,x,v,TB,LR,_self,style_,n0,all}'::text[]) AS w)) AS definition \gset
CALL draw(:'definition', '{}');
CALL draw('{"name": "undone", "steps": [
    {"id": "flight", "sql": "SELECT 1", "compensate": {"id": "cancel_flight", "sql": "SELECT 1"}},
    {"id": "extras", "type": "parallel", "parallel_steps": [{"id": "car", "sql": "SELECT 1", "compensate": {"id": "cancel_car", "sql": "SELECT 1"}}, {"id": "bad", "sql": "SELECT 1/0"}]}],
    "on_failure": {"id": "tell", "sql": "SELECT 1"}}', '{}');
SELECT jsonb_build_object('name', 'wide', 'steps', jsonb_build_array(jsonb_build_object('id', 'all', 'type', 'parallel', 'parallel_steps',
    (SELECT jsonb_agg(jsonb_build_object('id', 'transfer_of_all_accounts_receivable_of_the_year_' || i, 'sql', 'SELECT ' || repeat('1 + ', 30) || i)) FROM generate_series(1, 300) AS i)))) AS definition \gset
CALL draw(:'definition', NULL, false);
SELECT jsonb_build_object('name', 'long', 'steps', (SELECT jsonb_agg(jsonb_build_object('id', 's' || i, 'type', 'set', 'output', i)) FROM generate_series(1, 300) AS i)) AS definition \gset
CALL draw(:'definition', '{}', false);
RESET workflow.max_nesting;

\o :out/charts.html
\qecho '<!DOCTYPE html><meta charset="utf-8"><body><script src="mermaid.min.js"></script><script>const charts ='
SELECT replace(json_agg(json_build_object('name', name, 'chart', chart, 'steps', steps) ORDER BY number)::text, '<', '\u003c') FROM charts;
\qecho '</script><script src="charts.js"></script>'
\o
