/* Pictures of executions and workflows. */

CREATE FUNCTION workflow.timeline(execution_id bigint, width integer DEFAULT 80, ascii boolean DEFAULT NULL, max_iterations integer DEFAULT 5)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_timeline';
COMMENT ON FUNCTION workflow.timeline(bigint, integer, boolean, integer) IS
'what an execution did, or does, as a tree with bars. width: columns, 40 to 500; ascii: draw with ASCII only, null: where the client''s encoding is not UTF8; max_iterations: of a loop with more, 1 to 1000, those that did not complete, the longest, the last and the first ones are shown and the others summed up. To be read with \pset format unaligned, or \g (format=unaligned tuples_only=on). Errors: 42704 when there is no such execution, 42501 when it is another role''s, 22023';
