/* Pictures of executions and workflows. */

CREATE FUNCTION workflow.timeline(execution_id bigint, width integer DEFAULT 80, ascii boolean DEFAULT NULL, max_iterations integer DEFAULT 5)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_timeline';
COMMENT ON FUNCTION workflow.timeline(bigint, integer, boolean, integer) IS
'what an execution did, or does, as a tree with bars. width: columns, 40 to 500; ascii: draw with '
'ASCII only, null: where the client''s encoding is not UTF8; max_iterations: of a loop with more, '
'1 to 200, those that did not complete, the longest, the last and the first ones are shown and the '
'others summed up. Steps in a row that completed at once share a line where there are more than '
'40. To be read with \pset format unaligned, or \g (format=unaligned tuples_only=on). Errors: '
'42704 when there is no such execution, 42501 when it is another role''s, 22023';

CREATE FUNCTION workflow.timeline_svg(execution_id bigint, max_iterations integer DEFAULT 20)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_timeline_svg';
COMMENT ON FUNCTION workflow.timeline_svg(bigint, integer) IS
'what an execution did, or does, as an SVG that is complete in itself, for light and dark: a row '
'for each step and branch, retries, waits, failures, and the critical path, the steps whose end '
'the end of the execution waited for. max_iterations: as in timeline(). psql writes it to a file '
'with \g (format=unaligned tuples_only=on) file.svg. Errors: 42704, 42501, 22023';

CREATE FUNCTION workflow.diagram(workflow text, version integer DEFAULT NULL)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_diagram';
COMMENT ON FUNCTION workflow.diagram(text, integer) IS
'the plan of a version as a Mermaid flowchart; without a version that which start() would take. '
'Errors: 42704 when there is no such workflow or version';

CREATE FUNCTION workflow.diagram(execution_id bigint)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_execution_diagram';
COMMENT ON FUNCTION workflow.diagram(bigint) IS
'the plan of an execution as a Mermaid flowchart, each step in the colour of its state, with '
'counts and the mean duration. Errors: 42704 when there is no such execution, 42501 when it is '
'another role''s';

CREATE FUNCTION workflow.report(execution_id bigint DEFAULT NULL)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_report';
COMMENT ON FUNCTION workflow.report(bigint) IS
'a page of HTML that is complete in itself: running, paused and failed executions, queue, dead '
'letters, blocked workflows, schedules, executors, as far as the caller may see them, and of an '
'execution, without one named of what runs or ran last, why it is as it is, its timeline, a table '
'of its steps, and all facts. psql writes it to a file with \g (format=unaligned tuples_only=on) '
'file.html. Errors: 42704 when there is no such execution, 42501 when it is another role''s';

/* Monitoring: pictures of all executions, without what their errors say. */
GRANT EXECUTE ON FUNCTION workflow.timeline(bigint, integer, boolean, integer), workflow.timeline_svg(bigint, integer),
    workflow.diagram(bigint), workflow.report(bigint) TO pg_monitor;
