/* Trying out the expressions of definitions. */

CREATE FUNCTION workflow.evaluate(expression text, context jsonb DEFAULT '{}')
RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_evaluate';

COMMENT ON FUNCTION workflow.evaluate(text, jsonb) IS
'value of an expression, or of a string of an input mapping when it contains "${", in a made-up '
'context {"workflow": {"input": ..}, "steps": {"check": {"output": ..}}, "loop": {"item": ..}, '
'"vars": {..}}';

CREATE FUNCTION workflow.evaluate_condition(condition text, context jsonb DEFAULT '{}')
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_evaluate_condition';

COMMENT ON FUNCTION workflow.evaluate_condition(text, jsonb) IS
'what a conditional step would make of a condition in the context evaluate() describes: one that '
'cannot be evaluated is false, with a warning';
