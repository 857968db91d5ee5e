/*
 * Circuit breakers of agents, one for each role that calls one.  They tell how a service behaves
 * here and now: a dump does not contain them.
 */

CREATE TABLE workflow.breakers (
    agent           text NOT NULL,
    role            regrole NOT NULL,
    state           text NOT NULL CHECK (state IN ('closed', 'open')),
    changed_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    opened_at       timestamptz,
    half_open_at    timestamptz,
    times_opened    bigint NOT NULL DEFAULT 0,
    calls           bigint,
    failures        bigint,
    error_type      text,
    PRIMARY KEY (agent, role),
    CHECK (state = 'closed' OR (opened_at IS NOT NULL AND half_open_at IS NOT NULL))
);

COMMENT ON TABLE workflow.breakers IS
'circuit breakers of agents: a row for each role whose calls have opened one, written when it '
'opens or closes; what is known this moment is in the view breaker_status';
COMMENT ON COLUMN workflow.breakers.agent IS 'name of the agent';
COMMENT ON COLUMN workflow.breakers.role IS 'whose calls it is about';
COMMENT ON COLUMN workflow.breakers.state IS 'closed, or open: half-open from half_open_at on';
COMMENT ON COLUMN workflow.breakers.changed_at IS 'when it last opened or closed';
COMMENT ON COLUMN workflow.breakers.opened_at IS 'when it last opened';
COMMENT ON COLUMN workflow.breakers.half_open_at IS 'open: when calls are let through again';
COMMENT ON COLUMN workflow.breakers.times_opened IS
'how often it has opened since the agent was registered';
COMMENT ON COLUMN workflow.breakers.calls IS 'calls it judged by when it last opened';
COMMENT ON COLUMN workflow.breakers.failures IS 'how many of them had failed';
COMMENT ON COLUMN workflow.breakers.error_type IS
'type of the error that opened it, where it was an executor that wrote this';

ALTER TABLE workflow.breakers ENABLE ROW LEVEL SECURITY;
CREATE POLICY breakers_read ON workflow.breakers FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
           OR EXISTS (SELECT FROM workflow.agents AS a
                      WHERE a.name OPERATOR(pg_catalog.=) agent AND pg_catalog.pg_has_role(a.owner::pg_catalog.oid, 'USAGE')));
COMMENT ON POLICY breakers_read ON workflow.breakers IS
'a role sees the circuit breakers of roles whose rights it has; the owner of the agent and members '
'of pg_monitor see all';

CREATE FUNCTION workflow.reset_breaker(agent text, reason text DEFAULT NULL, role regrole DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_reset_breaker';
COMMENT ON FUNCTION workflow.reset_breaker(text, text, regrole) IS
'close the circuit breaker of an agent for a role, or for all roles, and forget what it has '
'counted, when the transaction commits; asking for a closed one is no error. Errors: 42704 when '
'there is no such agent, 42501 for others than the owner of the agent';

CREATE FUNCTION workflow.breaker_memory(
    agent text,
    OUT role regrole,
    OUT state text,
    OUT calls bigint,
    OUT failures bigint,
    OUT failures_in_row integer,
    OUT half_open_at timestamptz,
    OUT half_open_running integer,
    OUT half_open_succeeded integer)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workflow_breaker_memory';
COMMENT ON FUNCTION workflow.breaker_memory(text) IS
'what the view breaker_status is made of: the breakers of an agent that shared memory has in this '
'database, one for each role that has called it since the server started, as far as the caller may '
'see them';

/*
 * An agent whose breakers the reader does not see, or that has none yet, has one row without a
 * role: it cannot be told from who sees it.
 */
CREATE VIEW workflow.breaker_status WITH (security_barrier) AS
SELECT a.name AS agent,
       k.role,
       CASE WHEN NOT c.enabled THEN 'disabled' ELSE COALESCE(k.state, 'closed') END AS state,
       COALESCE(k.calls, 0) AS calls,
       COALESCE(k.failures, 0) AS failures,
       COALESCE(k.failures_in_row, 0) AS failures_in_row,
       k.half_open_at,
       COALESCE(k.half_open_running, 0) AS half_open_running,
       COALESCE(k.half_open_succeeded, 0) AS half_open_succeeded,
       k.opened_at,
       COALESCE(k.times_opened, 0) AS times_opened,
       k.error_type,
       k.changed_at,
       c.failure_threshold,
       c.failure_rate_threshold,
       c.timeout_seconds,
       c.half_open_max_calls,
       c.window_size_seconds
FROM workflow.agents AS a
     CROSS JOIN LATERAL (
         SELECT COALESCE((d.d OPERATOR(pg_catalog.->>) 'enabled')::pg_catalog.bool, true) AS enabled,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'failure_threshold')::pg_catalog.int4, 5) AS failure_threshold,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'failure_rate_threshold')::pg_catalog.numeric, 0.5) AS failure_rate_threshold,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'timeout_seconds')::pg_catalog.int4, 60) AS timeout_seconds,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'half_open_max_calls')::pg_catalog.int4, 3) AS half_open_max_calls,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'window_size_seconds')::pg_catalog.int4, 120) AS window_size_seconds
         FROM (SELECT a.circuit_breaker AS d) AS d) AS c
     LEFT JOIN LATERAL (
         SELECT r.oid::regrole AS role, m.calls, m.failures, m.failures_in_row, m.half_open_running, m.half_open_succeeded,
                b.opened_at, b.times_opened, b.error_type, b.changed_at,
                CASE WHEN m.state IS NOT NULL THEN m.state
                     WHEN b.state OPERATOR(pg_catalog.=) 'open'
                          AND b.half_open_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN 'half_open'
                     ELSE b.state END AS state,
                CASE WHEN m.state IS NULL THEN b.half_open_at ELSE m.half_open_at END AS half_open_at
         FROM (SELECT t.* FROM workflow.breakers AS t WHERE t.agent OPERATOR(pg_catalog.=) a.name) AS b
              FULL JOIN workflow.breaker_memory(a.name) AS m ON m.role OPERATOR(pg_catalog.=) b.role
              JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) COALESCE(b.role, m.role)
         WHERE pg_catalog.pg_has_role(r.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
               OR pg_catalog.pg_has_role(a.owner::pg_catalog.oid, 'USAGE')) AS k ON true
WHERE a.circuit_breaker IS NOT NULL;
COMMENT ON VIEW workflow.breaker_status IS
'the circuit breakers of agents this moment, one for each role that calls one: of roles whose '
'rights the reader has; all of them for the owner of the agent and members of pg_monitor';
COMMENT ON COLUMN workflow.breaker_status.agent IS 'name of the agent';
COMMENT ON COLUMN workflow.breaker_status.role IS 'whose calls it is about; null: none are known';
COMMENT ON COLUMN workflow.breaker_status.state IS
'closed, open, half_open (the next call is let through, or some are under way), or disabled';
COMMENT ON COLUMN workflow.breaker_status.calls IS 'closed: calls in the window';
COMMENT ON COLUMN workflow.breaker_status.failures IS 'closed: how many of them have failed';
COMMENT ON COLUMN workflow.breaker_status.failures_in_row IS
'closed: failures since the last success';
COMMENT ON COLUMN workflow.breaker_status.half_open_at IS 'open: when calls are let through again';
COMMENT ON COLUMN workflow.breaker_status.half_open_running IS 'half-open: calls under way';
COMMENT ON COLUMN workflow.breaker_status.half_open_succeeded IS
'half-open: calls that have succeeded';
COMMENT ON COLUMN workflow.breaker_status.opened_at IS 'when it last opened; null: never';
COMMENT ON COLUMN workflow.breaker_status.times_opened IS
'how often it has opened since the agent was registered';
COMMENT ON COLUMN workflow.breaker_status.error_type IS
'type of the error that opened it, where it was an executor that wrote this';
COMMENT ON COLUMN workflow.breaker_status.changed_at IS 'when it last opened or closed';
COMMENT ON COLUMN workflow.breaker_status.failure_threshold IS 'calls that may tell something';
COMMENT ON COLUMN workflow.breaker_status.failure_rate_threshold IS
'it opens when so many of them have failed';
COMMENT ON COLUMN workflow.breaker_status.timeout_seconds IS 'from opening to half-open';
COMMENT ON COLUMN workflow.breaker_status.half_open_max_calls IS
'calls let through then; when they have succeeded it closes';
COMMENT ON COLUMN workflow.breaker_status.window_size_seconds IS 'for so long calls count';
