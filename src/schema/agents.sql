/* Agents. */

CREATE FUNCTION workflow.register_agent(
    name text,
    function regprocedure DEFAULT NULL,
    sql text DEFAULT NULL,
    result text DEFAULT 'row',
    timeout_seconds integer DEFAULT NULL,
    status text DEFAULT 'active',
    description text DEFAULT NULL,
    retry jsonb DEFAULT NULL,
    circuit_breaker jsonb DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_register_agent';
COMMENT ON FUNCTION workflow.register_agent(text, regprocedure, text, text, integer, text, text, jsonb, jsonb) IS
'register a function (jsonb) returning jsonb, or SQL, under a name for steps of type agent, or '
'replace what the caller registered before. It runs as the role that starts the workflow, which '
'needs EXECUTE on the function. timeout_seconds limits one call. retry: one policy or an array of '
'them, as in "retry" of a step, for steps whose own policies do not name the error. '
'circuit_breaker: {"failure_threshold": 5, "failure_rate_threshold": 0.5, "timeout_seconds": 60, '
'"half_open_max_calls": 3, "window_size_seconds": 120, "enabled": true}, each member with that '
'default; null: no breaker. Errors: 22023 unless exactly one of function and sql is given, or for '
'an option that is not acceptable, 42P13 for a function of another kind, 42601 for SQL that does '
'not parse, 42501 when the name belongs to another role';

CREATE FUNCTION workflow.drop_agent(name text)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_drop_agent';
COMMENT ON FUNCTION workflow.drop_agent(text) IS
'forget an agent; steps that name it fail from then on. Errors: 42704 when there is none, 42501 '
'for others than the owner';

CREATE FUNCTION workflow.set_agent_status(name text, status text)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_set_agent_status';
COMMENT ON FUNCTION workflow.set_agent_status(text, text) IS
'make an agent active or inactive; steps that name an inactive one fail. Errors: 42704 when there '
'is none, 42501 for others than the owner, 22023 for another status';
