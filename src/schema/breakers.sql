/* Circuit breakers of agents. */

CREATE TABLE workflow.breakers (
    agent           text PRIMARY KEY,
    state           text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open')),
    changed_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    opened_at       timestamptz,
    half_open_at    timestamptz,
    times_opened    bigint NOT NULL DEFAULT 0,
    calls           bigint,
    failures        bigint,
    error_type      text,
    CHECK (state = 'closed' OR (opened_at IS NOT NULL AND half_open_at IS NOT NULL))
);

COMMENT ON TABLE workflow.breakers IS
'circuit breakers of agents, a row from the registration on, written when one opens or closes; what is known this moment is in the view breaker_status';
COMMENT ON COLUMN workflow.breakers.agent IS 'name of the agent';
COMMENT ON COLUMN workflow.breakers.state IS 'closed, or open: half-open from half_open_at on';
COMMENT ON COLUMN workflow.breakers.changed_at IS 'when it last opened or closed';
COMMENT ON COLUMN workflow.breakers.opened_at IS 'when it last opened; null: never';
COMMENT ON COLUMN workflow.breakers.half_open_at IS 'open: when calls are let through again';
COMMENT ON COLUMN workflow.breakers.times_opened IS 'how often it has opened since the agent was registered';
COMMENT ON COLUMN workflow.breakers.calls IS 'calls it judged by when it last opened';
COMMENT ON COLUMN workflow.breakers.failures IS 'how many of them had failed';
COMMENT ON COLUMN workflow.breakers.error_type IS 'type of the error that opened it, where it was an executor that wrote this';

ALTER TABLE workflow.breakers ENABLE ROW LEVEL SECURITY;
CREATE POLICY breakers_read ON workflow.breakers FOR SELECT USING (true);
COMMENT ON POLICY breakers_read ON workflow.breakers IS
'roles that may use workflows see all circuit breakers';

CREATE FUNCTION workflow.reset_breaker(agent text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_reset_breaker';
COMMENT ON FUNCTION workflow.reset_breaker(text, text) IS
'close the circuit breaker of an agent and forget what it has counted, when the transaction commits; asking for a closed one is no error. Errors: 42704 when there is no such agent, 42501 for others than the owner of the agent';

CREATE FUNCTION workflow.breaker_memory(
    agent text,
    OUT state text,
    OUT calls bigint,
    OUT failures bigint,
    OUT failures_in_row integer,
    OUT half_open_at timestamptz,
    OUT half_open_running integer,
    OUT half_open_succeeded integer)
RETURNS record
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_breaker_memory';
COMMENT ON FUNCTION workflow.breaker_memory(text) IS
'what the view breaker_status is made of: a breaker of this database as shared memory has it; null when the agent has not been called since the server started';

CREATE VIEW workflow.breaker_status WITH (security_barrier) AS
SELECT b.agent,
       CASE WHEN NOT c.enabled THEN 'disabled'
            WHEN m.state IS NOT NULL THEN m.state
            WHEN b.state OPERATOR(pg_catalog.=) 'open'
                 AND b.half_open_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN 'half_open'
            ELSE b.state END AS state,
       COALESCE(m.calls, 0) AS calls,
       COALESCE(m.failures, 0) AS failures,
       COALESCE(m.failures_in_row, 0) AS failures_in_row,
       CASE WHEN m.state IS NULL THEN b.half_open_at ELSE m.half_open_at END AS half_open_at,
       COALESCE(m.half_open_running, 0) AS half_open_running,
       COALESCE(m.half_open_succeeded, 0) AS half_open_succeeded,
       b.opened_at,
       b.times_opened,
       b.error_type,
       b.changed_at,
       c.failure_threshold,
       c.failure_rate_threshold,
       c.timeout_seconds,
       c.half_open_max_calls,
       c.window_size_seconds
FROM workflow.breakers AS b
     JOIN workflow.agents AS a ON a.name OPERATOR(pg_catalog.=) b.agent
     CROSS JOIN LATERAL workflow.breaker_memory(b.agent) AS m
     CROSS JOIN LATERAL (
         SELECT COALESCE((d.d OPERATOR(pg_catalog.->>) 'enabled')::pg_catalog.bool, true) AS enabled,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'failure_threshold')::pg_catalog.int4, 5) AS failure_threshold,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'failure_rate_threshold')::pg_catalog.numeric, 0.5) AS failure_rate_threshold,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'timeout_seconds')::pg_catalog.int4, 60) AS timeout_seconds,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'half_open_max_calls')::pg_catalog.int4, 3) AS half_open_max_calls,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'window_size_seconds')::pg_catalog.int4, 120) AS window_size_seconds
         FROM (SELECT a.circuit_breaker AS d) AS d) AS c;
COMMENT ON VIEW workflow.breaker_status IS 'the circuit breakers of agents this moment';
COMMENT ON COLUMN workflow.breaker_status.agent IS 'name of the agent';
COMMENT ON COLUMN workflow.breaker_status.state IS 'closed, open, half_open (the next call is let through, or some are under way), or disabled';
COMMENT ON COLUMN workflow.breaker_status.calls IS 'closed: calls in the window';
COMMENT ON COLUMN workflow.breaker_status.failures IS 'closed: how many of them have failed';
COMMENT ON COLUMN workflow.breaker_status.failures_in_row IS 'closed: failures since the last success';
COMMENT ON COLUMN workflow.breaker_status.half_open_at IS 'open: when calls are let through again';
COMMENT ON COLUMN workflow.breaker_status.half_open_running IS 'half-open: calls under way';
COMMENT ON COLUMN workflow.breaker_status.half_open_succeeded IS 'half-open: calls that have succeeded';
COMMENT ON COLUMN workflow.breaker_status.opened_at IS 'when it last opened; null: never';
COMMENT ON COLUMN workflow.breaker_status.times_opened IS 'how often it has opened since the agent was registered';
COMMENT ON COLUMN workflow.breaker_status.error_type IS 'type of the error that opened it, where it was an executor that wrote this';
COMMENT ON COLUMN workflow.breaker_status.changed_at IS 'when it last opened or closed';
COMMENT ON COLUMN workflow.breaker_status.failure_threshold IS 'calls that may tell something';
COMMENT ON COLUMN workflow.breaker_status.failure_rate_threshold IS 'it opens when so many of them have failed';
COMMENT ON COLUMN workflow.breaker_status.timeout_seconds IS 'from opening to half-open';
COMMENT ON COLUMN workflow.breaker_status.half_open_max_calls IS 'calls let through then; when they have succeeded it closes';
COMMENT ON COLUMN workflow.breaker_status.window_size_seconds IS 'for so long calls count';
