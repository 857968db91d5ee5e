/*
 * Statistics by day, for as long as one likes: what ended is added to them once, by
 * roll_up_statistics() or by prune(), which deletes nothing before.
 */

CREATE TABLE workflow.statistics_days (
    day             date NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('workflow', 'step', 'agent', 'tenant')),
    workflow        text,
    name            text NOT NULL,
    role            workflow.role NOT NULL,
    total           bigint NOT NULL,
    completed       bigint NOT NULL,
    failed          bigint NOT NULL,
    timed_out       bigint NOT NULL,
    cancelled       bigint NOT NULL,
    stuck           bigint NOT NULL,
    retries         bigint NOT NULL,
    trips           bigint,
    queue_time      interval,
    run_time        interval,
    run_max         interval,
    queue_times     jsonb NOT NULL,
    run_times       jsonb NOT NULL,
    UNIQUE NULLS NOT DISTINCT (day, kind, workflow, name, role)
);
/* For publications: the key, which has a null for agents and tenants, cannot be it. */
ALTER TABLE workflow.statistics_days REPLICA IDENTITY FULL;
COMMENT ON TABLE workflow.statistics_days IS
'statistics of what ended, by day, kept when prune() deletes executions; the view '
'statistics_history shows them. A role sees its own, members of pg_monitor see all';
COMMENT ON COLUMN workflow.statistics_days.day IS 'day, of UTC, on which it ended';
COMMENT ON COLUMN workflow.statistics_days.kind IS 'workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics_days.workflow IS
'name of the workflow; null for agents and tenants';
COMMENT ON COLUMN workflow.statistics_days.name IS 'name of the workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics_days.role IS 'role that started the executions';
COMMENT ON COLUMN workflow.statistics_days.total IS
'number of executions, or of attempts at steps, that ended';
COMMENT ON COLUMN workflow.statistics_days.completed IS 'number of those that completed';
COMMENT ON COLUMN workflow.statistics_days.failed IS 'number of those that failed';
COMMENT ON COLUMN workflow.statistics_days.timed_out IS 'number of those that timed out';
COMMENT ON COLUMN workflow.statistics_days.cancelled IS 'number of those that were cancelled';
COMMENT ON COLUMN workflow.statistics_days.stuck IS
'number of those that did not stop when they were to: attempts at steps, or executions that ended '
'with the error ExecutionStuck';
COMMENT ON COLUMN workflow.statistics_days.retries IS
'steps and agents: attempts that were followed by another; workflows and tenants: how often '
'retry() let an execution go on';
COMMENT ON COLUMN workflow.statistics_days.trips IS
'agents: how often the circuit breaker has opened; null: has none of its own';
COMMENT ON COLUMN workflow.statistics_days.queue_time IS
'sum of the times from start() to the first executor; null for steps and agents';
COMMENT ON COLUMN workflow.statistics_days.run_time IS
'sum of the times they ran; null: none of them ran';
COMMENT ON COLUMN workflow.statistics_days.run_max IS 'longest of those times';
COMMENT ON COLUMN workflow.statistics_days.queue_times IS
'how many waited less than so many seconds, and not less than the next smaller number in the '
'series 1, 1.5, 2, 3, 5, 7, 10 ..';
COMMENT ON COLUMN workflow.statistics_days.run_times IS 'the same of the times they ran';

ALTER TABLE workflow.statistics_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY statistics_days_read ON workflow.statistics_days FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON POLICY statistics_days_read ON workflow.statistics_days IS
'a role sees statistics of what ran as it; members of pg_monitor see all';

CREATE TABLE workflow.statistics_state (
    singleton       boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    rolled_up_until timestamptz NOT NULL,
    rolled_up_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    pruned_until    timestamptz
);
COMMENT ON TABLE workflow.statistics_state IS
'how far statistics_days have come, one row; none: nothing was rolled up';
COMMENT ON COLUMN workflow.statistics_state.singleton IS 'true: there is one row at most';
COMMENT ON COLUMN workflow.statistics_state.rolled_up_until IS
'what ended before this is in statistics_days';
COMMENT ON COLUMN workflow.statistics_state.rolled_up_at IS 'when it was rolled up last';
COMMENT ON COLUMN workflow.statistics_state.pruned_until IS
'what ended before this may have been deleted: days behind it can be added anew, when the clock '
'was put back; null: nothing was';
ALTER TABLE workflow.statistics_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY statistics_state_read ON workflow.statistics_state FOR SELECT USING (true);
COMMENT ON POLICY statistics_state_read ON workflow.statistics_state IS
'roles that may use workflows see how far statistics have come';

/* --- times as counts, so that those of several days can be added --- */

CREATE FUNCTION workflow.histogram_bound(duration interval)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT (b.bounds)[width_bucket(extract(epoch FROM duration), b.bounds) + 1]::text
    FROM (SELECT '{0.001,0.0015,0.002,0.003,0.005,0.007,0.01,0.015,0.02,0.03,0.05,0.07,0.1,0.15,0.2,0.3,0.5,0.7,1,1.5,2,3,5,7,10,15,20,30,50,70,100,150,200,300,500,700,1000,1500,2000,3000,5000,7000,10000,15000,20000,30000,50000,70000,100000,150000,200000,300000,500000,700000,1000000,1500000,2000000,3000000,5000000,7000000,Infinity}'::numeric[] AS bounds) AS b;
END;
COMMENT ON FUNCTION workflow.histogram_bound(interval) IS
'the key a time is counted under in statistics_days: the smallest number of seconds in the series '
'0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01 .. 7000000, Infinity that it is less than';

CREATE FUNCTION workflow.add_histograms(a jsonb, b jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT COALESCE(jsonb_object_agg(s.key, s.n), '{}')
    FROM (SELECT c.key, sum(c.value::bigint) AS n
          FROM (SELECT * FROM jsonb_each_text(a) UNION ALL SELECT * FROM jsonb_each_text(b)) AS c
          GROUP BY c.key) AS s;
END;
COMMENT ON FUNCTION workflow.add_histograms(jsonb, jsonb) IS
'the counts of two histograms together, key by key';

CREATE AGGREGATE workflow.merge_histograms(jsonb) (
    SFUNC = workflow.add_histograms,
    STYPE = jsonb,
    INITCOND = '{}',
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE workflow.merge_histograms(jsonb) IS
'the counts of several histograms together, for histogram_percentile(): run_times of a month, say';

CREATE FUNCTION workflow.histogram_percentile(histogram jsonb, fraction numeric)
RETURNS interval
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT make_interval(secs => LEAST(h.bound, 7000000)::double precision)
    FROM (SELECT c.key::numeric AS bound,
                 sum(c.value::bigint) OVER (ORDER BY c.key::numeric) AS upto,
                 sum(c.value::bigint) OVER () AS total
          FROM jsonb_each_text(histogram) AS c) AS h
    WHERE h.upto >= fraction * h.total AND h.total > 0
    ORDER BY h.bound LIMIT 1;
END;
COMMENT ON FUNCTION workflow.histogram_percentile(jsonb, numeric) IS
'the time that the given fraction (0 to 1) of a histogram took less than: the bound of the bucket '
'in which that one is, which is at most two thirds more than the time itself. Null when nothing '
'was counted';

/* --- rolling up --- */

/*
 * Not BEGIN ATOMIC, since it groups by roles: pg_upgrade creates functions before the operator
 * classes of the type, without which such a body is not accepted.
 */
CREATE FUNCTION workflow.statistics_between(
    since timestamptz,
    until timestamptz,
    OUT day date,
    OUT kind text,
    OUT workflow text,
    OUT name text,
    OUT role workflow.role,
    OUT total bigint,
    OUT completed bigint,
    OUT failed bigint,
    OUT timed_out bigint,
    OUT cancelled bigint,
    OUT stuck bigint,
    OUT retries bigint,
    OUT trips bigint,
    OUT queue_time interval,
    OUT run_time interval,
    OUT run_max interval,
    OUT queue_times jsonb,
    OUT run_times jsonb)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
    WITH ended AS MATERIALIZED (
        SELECT e.id, e.workflow, e.tenant, e.role, e.status, e.error_type, e.completed_at,
               /* an execution that was retried has been counted with its end before that, or
                  that end is gone */
               CASE WHEN e.created_at >= since THEN e.retries ELSE (e.retries > 0)::integer END AS retries,
               CASE WHEN e.retried_at IS NOT NULL THEN LEAST(e.retried_at, since) ELSE '-infinity' END AS steps_since,
               COALESCE(e.started_at, e.completed_at) - e.created_at AS queued,
               e.completed_at - e.started_at - CASE WHEN e.paused_at IS NULL AND e.pauses IS NULL THEN '0'
                                                     ELSE workflow.paused_time(e.pauses, e.paused_at, LEAST(e.paused_until, e.cancelled_at, e.completed_at),
                                                                               e.started_at, e.completed_at) END AS duration,
               e.pauses, e.paused_at, LEAST(e.paused_until, e.cancelled_at, e.completed_at) AS pause_ends
        FROM workflow.executions AS e
        WHERE e.completed_at >= since AND e.completed_at < until
          AND e.status IN ('completed', 'failed', 'cancelled', 'timed_out')
    ), steps AS MATERIALIZED (
        SELECT e.workflow, e.role, s.step_id, s.agent_name, s.status, s.error_type, s.completed_at,
               (s.on_failure IS NOT DISTINCT FROM 'retried')::integer AS retries,
               s.completed_at - s.started_at
                   - CASE WHEN e.paused_at IS NULL AND e.pauses IS NULL OR s.step_type NOT IN ('parallel', 'fork_join', 'conditional', 'loop') THEN '0'
                          ELSE workflow.paused_time(e.pauses, e.paused_at, e.pause_ends, s.started_at, s.completed_at) END AS duration
        FROM ended AS e JOIN workflow.step_executions AS s ON s.execution_id = e.id
        WHERE s.completed_at >= e.steps_since AND s.status <> 'skipped'
    ), figures AS MATERIALIZED (
        SELECT (f.at AT TIME ZONE 'UTC')::date AS day, f.kind, COALESCE(f.workflow, '') AS workflow, f.name, f.role,
               f.status, f.error_type, f.retries, f.queued, f.duration
        FROM (SELECT e.completed_at AS at, 'workflow' AS kind, e.workflow, e.workflow AS name, e.role, e.status, e.error_type, e.retries, e.queued, e.duration
              FROM ended AS e
              UNION ALL
              SELECT e.completed_at, 'tenant', NULL, e.tenant, e.role, e.status, e.error_type, e.retries, e.queued, e.duration
              FROM ended AS e WHERE e.tenant IS NOT NULL
              UNION ALL
              SELECT s.completed_at, 'step', s.workflow, s.step_id, s.role, s.status, s.error_type, s.retries, NULL, s.duration
              FROM steps AS s
              UNION ALL
              SELECT s.completed_at, 'agent', NULL, s.agent_name, s.role, s.status, s.error_type, s.retries, NULL, s.duration
              FROM steps AS s WHERE s.agent_name IS NOT NULL
              UNION ALL
              SELECT a.at, 'agent', NULL, a.subject, a.role, NULL, NULL, NULL, NULL, NULL
              FROM workflow.audit_entries AS a
              WHERE a.action = 'circuit_breaker_open' AND a.subject_type = 'agent' AND a.at >= since AND a.at < until) AS f
    ), sums AS (
        SELECT f.day, f.kind, f.workflow, f.name, f.role,
               count(f.status) AS total,
               count(*) FILTER (WHERE f.status = 'completed') AS completed,
               count(*) FILTER (WHERE f.status = 'failed') AS failed,
               count(*) FILTER (WHERE f.status = 'timed_out') AS timed_out,
               count(*) FILTER (WHERE f.status = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE f.error_type = 'ExecutionStuck') AS stuck,
               COALESCE(sum(f.retries), 0) AS retries,
               count(*) FILTER (WHERE f.status IS NULL) AS trips,
               sum(f.queued) AS queue_time, sum(f.duration) AS run_time, max(f.duration) AS run_max
        FROM figures AS f GROUP BY f.day, f.kind, f.workflow, f.name, f.role
    ), queue_histograms AS (
        SELECT b.day, b.kind, b.workflow, b.name, b.role, jsonb_object_agg(b.bound, b.n) AS times
        FROM (SELECT f.day, f.kind, f.workflow, f.name, f.role, workflow.histogram_bound(f.queued) AS bound, count(*) AS n
              FROM figures AS f WHERE f.queued IS NOT NULL
              GROUP BY f.day, f.kind, f.workflow, f.name, f.role, workflow.histogram_bound(f.queued)) AS b
        GROUP BY b.day, b.kind, b.workflow, b.name, b.role
    ), run_histograms AS (
        SELECT b.day, b.kind, b.workflow, b.name, b.role, jsonb_object_agg(b.bound, b.n) AS times
        FROM (SELECT f.day, f.kind, f.workflow, f.name, f.role, workflow.histogram_bound(f.duration) AS bound, count(*) AS n
              FROM figures AS f WHERE f.duration IS NOT NULL
              GROUP BY f.day, f.kind, f.workflow, f.name, f.role, workflow.histogram_bound(f.duration)) AS b
        GROUP BY b.day, b.kind, b.workflow, b.name, b.role
    )
    SELECT s.day, s.kind, NULLIF(s.workflow, ''), s.name, s.role, s.total, s.completed, s.failed, s.timed_out, s.cancelled, s.stuck, s.retries,
           CASE WHEN s.kind = 'agent' THEN s.trips END, s.queue_time, s.run_time, s.run_max,
           COALESCE(q.times, '{}'), COALESCE(r.times, '{}')
    FROM sums AS s
         LEFT JOIN queue_histograms AS q ON q.day = s.day AND q.kind = s.kind AND q.workflow = s.workflow AND q.name = s.name
                                           AND q.role OPERATOR(workflow.=) s.role
         LEFT JOIN run_histograms AS r ON r.day = s.day AND r.kind = s.kind AND r.workflow = s.workflow AND r.name = s.name
                                           AND r.role OPERATOR(workflow.=) s.role
    ORDER BY s.day, s.kind, s.workflow, s.name, s.role;
$$;
COMMENT ON FUNCTION workflow.statistics_between(timestamptz, timestamptz) IS
'what statistics_days are made of: outcomes and times of what ended at or after one time and '
'before another, read from the rows there are. Use the view statistics_history';

CREATE FUNCTION workflow.roll_up_statistics(max_executions integer DEFAULT 50000)
RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_roll_up_statistics';
COMMENT ON FUNCTION workflow.roll_up_statistics(integer) IS
'add what has ended since the last time to the statistics by day, oldest first and at most about '
'max_executions executions; returns how many. Call it until it returns 0, or from time to time. '
'Each end is added once, whoever calls it how often; while another session does it 0 is returned. '
'Reads only, but for the statistics: no execution is locked or held back. What ended while a '
'transaction runs that might still write earlier ends is added later. For the owner of the '
'extension, or whom that grants it to. Errors: 22023 for a number that is not positive, 55000 '
'under REPEATABLE READ or SERIALIZABLE';

/* --- reading --- */

CREATE VIEW workflow.statistics_history WITH (security_barrier) AS
SELECT d.day,
       d.kind,
       d.workflow,
       d.name,
       sum(d.total)::bigint AS total,
       sum(d.completed)::bigint AS completed,
       sum(d.failed)::bigint AS failed,
       sum(d.timed_out)::bigint AS timed_out,
       sum(d.cancelled)::bigint AS cancelled,
       sum(d.stuck)::bigint AS stuck,
       sum(d.retries)::bigint AS retries,
       sum(d.trips)::bigint AS trips,
       round(100.0 * sum(d.completed) / NULLIF(sum(d.total - d.cancelled), 0), 1) AS success_rate,
       sum(d.queue_time) / NULLIF(sum(d.total), 0)::double precision AS queue_average,
       workflow.histogram_percentile(workflow.merge_histograms(d.queue_times), 0.5) AS queue_p50,
       workflow.histogram_percentile(workflow.merge_histograms(d.queue_times), 0.95) AS queue_p95,
       workflow.histogram_percentile(workflow.merge_histograms(d.queue_times), 0.99) AS queue_p99,
       sum(d.run_time) / NULLIF((SELECT sum(c.value::bigint) FROM jsonb_each_text(workflow.merge_histograms(d.run_times)) AS c), 0)::double precision AS run_average,
       LEAST(workflow.histogram_percentile(workflow.merge_histograms(d.run_times), 0.5), max(d.run_max)) AS run_p50,
       LEAST(workflow.histogram_percentile(workflow.merge_histograms(d.run_times), 0.95), max(d.run_max)) AS run_p95,
       LEAST(workflow.histogram_percentile(workflow.merge_histograms(d.run_times), 0.99), max(d.run_max)) AS run_p99,
       max(d.run_max) AS run_max,
       workflow.merge_histograms(d.queue_times) AS queue_times,
       workflow.merge_histograms(d.run_times) AS run_times
FROM workflow.statistics_days AS d
WHERE pg_has_role(d.role::oid, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
GROUP BY d.day, d.kind, d.workflow, d.name;
COMMENT ON VIEW workflow.statistics_history IS
'statistics by day of all that was rolled up, see roll_up_statistics(), also when the executions '
'have been pruned; a role''s own, all of them for members of pg_monitor';
COMMENT ON COLUMN workflow.statistics_history.day IS 'day, of UTC, on which it ended';
COMMENT ON COLUMN workflow.statistics_history.kind IS 'workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics_history.workflow IS
'name of the workflow; null for agents and tenants';
COMMENT ON COLUMN workflow.statistics_history.name IS 'name of the workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics_history.total IS
'number of executions, or of attempts at steps, that ended';
COMMENT ON COLUMN workflow.statistics_history.completed IS 'number of those that completed';
COMMENT ON COLUMN workflow.statistics_history.failed IS 'number of those that failed';
COMMENT ON COLUMN workflow.statistics_history.timed_out IS 'number of those that timed out';
COMMENT ON COLUMN workflow.statistics_history.cancelled IS 'number of those that were cancelled';
COMMENT ON COLUMN workflow.statistics_history.stuck IS
'number of those that did not stop when they were to: attempts at steps, or executions that ended '
'with the error ExecutionStuck';
COMMENT ON COLUMN workflow.statistics_history.retries IS
'steps and agents: attempts that were followed by another; workflows and tenants: how often '
'retry() let an execution go on';
COMMENT ON COLUMN workflow.statistics_history.trips IS
'agents: how often the circuit breaker has opened; null: has none of its own';
COMMENT ON COLUMN workflow.statistics_history.success_rate IS
'completed ones, percent of those not cancelled';
COMMENT ON COLUMN workflow.statistics_history.queue_average IS
'average time from start() to the first executor; null for steps and agents';
COMMENT ON COLUMN workflow.statistics_history.queue_p50 IS
'half of them waited less than that: a bound of queue_times';
COMMENT ON COLUMN workflow.statistics_history.queue_p95 IS
'95 per cent of them waited less than that: a bound of queue_times';
COMMENT ON COLUMN workflow.statistics_history.queue_p99 IS
'99 per cent of them waited less than that: a bound of queue_times';
COMMENT ON COLUMN workflow.statistics_history.run_average IS
'average time from the first executor to the end';
COMMENT ON COLUMN workflow.statistics_history.run_p50 IS
'half of them took no longer: a bound of run_times, or run_max';
COMMENT ON COLUMN workflow.statistics_history.run_p95 IS
'95 per cent of them took no longer: a bound of run_times, or run_max';
COMMENT ON COLUMN workflow.statistics_history.run_p99 IS
'99 per cent of them took no longer: a bound of run_times, or run_max';
COMMENT ON COLUMN workflow.statistics_history.run_max IS 'longest time, exact';
COMMENT ON COLUMN workflow.statistics_history.queue_times IS
'how many waited less than so many seconds, and not less than the next smaller number in the '
'series 1, 1.5, 2, 3, 5, 7, 10 ..';
COMMENT ON COLUMN workflow.statistics_history.run_times IS
'the same of the times they ran; merge_histograms() adds several, histogram_percentile() reads '
'them';
