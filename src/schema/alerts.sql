/*
 * What is wrong, by thresholds that are settings, and one row per figure for
 * those who collect them.
 */

/* A threshold as a number: seconds, kilobytes or what it is; null: turned off. */
CREATE FUNCTION workflow.alert_threshold(name text)
RETURNS numeric
LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN s.setting::numeric < 0 THEN NULL
                WHEN s.unit = 'ms' THEN s.setting::numeric / 1000
                ELSE s.setting::numeric END
    FROM pg_settings AS s WHERE s.name = 'workflow.alert_' || alert_threshold.name;
END;
COMMENT ON FUNCTION workflow.alert_threshold(text) IS
'the setting workflow.alert_<name> as a number: seconds, kilobytes or per cent; null: turned off (-1)';

CREATE VIEW workflow.alerts WITH (security_barrier) AS
WITH threshold AS MATERIALIZED (
    SELECT workflow.alert_threshold('average_duration') AS average_duration,
           workflow.alert_threshold('block_duration') AS block_duration,
           workflow.alert_threshold('block_failures') AS block_failures,
           workflow.alert_threshold('block_speedup') AS block_speedup,
           workflow.alert_threshold('block_success_rate') AS block_success_rate,
           workflow.alert_threshold('dead_letters') AS dead_letters,
           workflow.alert_threshold('draining') AS draining,
           workflow.alert_threshold('executor_memory') AS executor_memory,
           workflow.alert_threshold('offline') AS offline,
           workflow.alert_threshold('queue_wait') AS queue_wait,
           workflow.alert_threshold('stuck_rate') AS stuck_rate,
           workflow.alert_threshold('success_rate') AS success_rate,
           now() - make_interval(secs => COALESCE(workflow.alert_threshold('window'), 0)::double precision) AS since
), ended AS MATERIALIZED (
    /* what is long gone is not looked at: ids are about in the order of start() */
    SELECT e.execution_id, e.workflow, e.status, e.duration, e.completed_at
    FROM threshold AS t, workflow.execution_status AS e
    WHERE e.completed_at >= t.since
      AND e.execution_id > (SELECT max(l.id) - 10000 FROM workflow.executions AS l)
), by_workflow AS MATERIALIZED (
    SELECT e.workflow, count(*) AS total, min(e.completed_at) AS since,
           round(100.0 * count(*) FILTER (WHERE e.status = 'completed')
                 / NULLIF(count(*) FILTER (WHERE e.status <> 'cancelled'), 0), 1) AS success_rate,
           round(avg(extract(epoch FROM e.duration)), 3) AS duration
    FROM ended AS e GROUP BY e.workflow
), by_block AS MATERIALIZED (
    SELECT b.workflow, b.step_id, min(b.started_at) AS since,
           round(avg(extract(epoch FROM b.duration)), 3) AS duration,
           round(avg(b.failed_tasks), 2) AS failures,
           round(100.0 * sum(b.successful_tasks) / NULLIF(sum(b.total_tasks), 0), 1) AS success_rate,
           round(avg(b.speedup) FILTER (WHERE b.total_tasks > 1), 2) AS speedup
    FROM (SELECT e.execution_id FROM ended AS e ORDER BY e.execution_id DESC LIMIT 100) AS e
         JOIN workflow.blocks AS b ON b.execution_id = e.execution_id AND b.completed_at IS NOT NULL
    GROUP BY b.workflow, b.step_id
)
SELECT 'no scheduler' AS condition, current_database()::text AS subject,
       round(extract(epoch FROM q.wait)) AS value, t.offline AS threshold, now() - q.wait AS since
FROM threshold AS t, (SELECT max(d.oldest_wait) AS wait FROM workflow.queue_depth AS d) AS q
WHERE extract(epoch FROM q.wait) > t.offline
  -- not from pg_stat_activity: that shows roles no backend_type but their own sessions'
  AND EXISTS (SELECT FROM workflow.no_workers((SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user)) AS n
              WHERE n.reason IN ('not preloaded', 'no scheduler'))
UNION ALL
SELECT 'queue wait', d.workflow, round(extract(epoch FROM max(d.oldest_wait))), t.queue_wait, now() - max(d.oldest_wait)
FROM threshold AS t, workflow.queue_depth AS d
WHERE extract(epoch FROM d.oldest_wait) > t.queue_wait
GROUP BY d.workflow, t.queue_wait
UNION ALL
SELECT 'success rate', w.workflow, w.success_rate, t.success_rate, w.since
FROM threshold AS t, by_workflow AS w
WHERE w.total >= 3 AND w.success_rate < t.success_rate
UNION ALL
SELECT 'average duration', w.workflow, w.duration, t.average_duration, w.since
FROM threshold AS t, by_workflow AS w
WHERE w.duration > t.average_duration
UNION ALL
SELECT 'block duration', b.workflow || '.' || b.step_id, b.duration, t.block_duration, b.since
FROM threshold AS t, by_block AS b WHERE b.duration > t.block_duration
UNION ALL
SELECT 'block failures', b.workflow || '.' || b.step_id, b.failures, t.block_failures, b.since
FROM threshold AS t, by_block AS b WHERE b.failures > t.block_failures
UNION ALL
SELECT 'block success rate', b.workflow || '.' || b.step_id, b.success_rate, t.block_success_rate, b.since
FROM threshold AS t, by_block AS b WHERE b.success_rate < t.block_success_rate
UNION ALL
SELECT 'block speedup', b.workflow || '.' || b.step_id, b.speedup, t.block_speedup, b.since
FROM threshold AS t, by_block AS b WHERE b.speedup < t.block_speedup
UNION ALL
SELECT 'stuck rate', h.workflow, round(100.0 * h.stuck / GREATEST(w.total, h.stuck), 1), t.stuck_rate, h.since
FROM threshold AS t,
     LATERAL (SELECT x.workflow, count(*) AS stuck, min(x.stuck_at) AS since
              FROM workflow.executor_history AS x WHERE x.stuck_at >= t.since GROUP BY x.workflow) AS h
     LEFT JOIN by_workflow AS w ON w.workflow = h.workflow
WHERE 100.0 * h.stuck / GREATEST(w.total, h.stuck) > t.stuck_rate
UNION ALL
SELECT 'executor ' || s.state, s.pid::text, NULL, NULL, COALESCE(h.quarantined_at, h.stuck_at)
FROM workflow.executors AS s
     LEFT JOIN workflow.executor_history AS h ON h.pid = s.pid AND h.ended_at IS NULL
WHERE s.state IN ('stuck', 'quarantined') AND s.database = current_database()
UNION ALL
SELECT 'executor draining', s.pid::text, round(extract(epoch FROM now() - s.draining_since)), t.draining, s.draining_since
FROM threshold AS t, workflow.executors AS s
WHERE s.database = current_database() AND extract(epoch FROM now() - s.draining_since) > t.draining
UNION ALL
SELECT 'executor memory', s.pid::text, s.memory_bytes / 1024, t.executor_memory, s.attached_at
FROM threshold AS t, workflow.executors AS s
WHERE s.database = current_database() AND s.memory_bytes / 1024 > t.executor_memory
UNION ALL
SELECT 'workflow blocked', b.workflow, b.stuck_count, NULL, b.blocked_at
FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL
UNION ALL
SELECT 'circuit breaker ' || b.state, b.agent, b.failures, b.failure_threshold, b.opened_at
FROM workflow.breaker_status AS b WHERE b.state IN ('open', 'half_open')
UNION ALL
SELECT 'dead letters', d.workflow, count(*), t.dead_letters, min(d.last_failed_at)
FROM threshold AS t, workflow.dead_letter_status AS d
WHERE d.status = 'pending'
GROUP BY d.workflow, t.dead_letters
HAVING count(*) > t.dead_letters;
COMMENT ON VIEW workflow.alerts IS
'what is beyond its threshold, a setting workflow.alert_<condition>; empty when all is well. Looks at what has ended within workflow.alert_window, at most the last 10,000 executions, and the last 100 for blocks';
COMMENT ON COLUMN workflow.alerts.condition IS 'what is wrong';
COMMENT ON COLUMN workflow.alerts.subject IS 'workflow, step, agent, process or database it is about';
COMMENT ON COLUMN workflow.alerts.value IS 'figure that is beyond the threshold: seconds, per cent, kilobytes or a number; null where the state says it all';
COMMENT ON COLUMN workflow.alerts.threshold IS 'the threshold, in the same unit';
COMMENT ON COLUMN workflow.alerts.since IS 'since when, or from when on it was looked at';

CREATE VIEW workflow.metrics WITH (security_barrier) AS
SELECT 'workflow_executions' AS name, jsonb_build_object('workflow', s.workflow, 'status', o.status) AS labels, o.value::numeric AS value
FROM workflow.statistics AS s,
     LATERAL (VALUES ('completed', s.completed), ('failed', s.failed), ('timed_out', s.timed_out), ('cancelled', s.cancelled)) AS o (status, value)
WHERE s.kind = 'workflow'
UNION ALL
SELECT 'workflow_' || p.name, jsonb_build_object('workflow', s.workflow, 'quantile', p.quantile), round(extract(epoch FROM p.value), 6)
FROM workflow.statistics AS s,
     LATERAL (VALUES ('run_seconds', '0.5', s.run_p50), ('run_seconds', '0.95', s.run_p95), ('run_seconds', '0.99', s.run_p99),
                     ('queue_seconds', '0.5', s.queue_p50), ('queue_seconds', '0.95', s.queue_p95), ('queue_seconds', '0.99', s.queue_p99)) AS p (name, quantile, value)
WHERE s.kind = 'workflow'
UNION ALL
SELECT 'workflow_agent_calls', jsonb_build_object('agent', s.name, 'status', o.status), o.value
FROM workflow.statistics AS s,
     LATERAL (VALUES ('completed', s.completed), ('failed', s.failed), ('timed_out', s.timed_out)) AS o (status, value)
WHERE s.kind = 'agent'
UNION ALL
SELECT 'workflow_step_retries', jsonb_build_object('workflow', s.workflow), sum(s.retries)
FROM workflow.statistics AS s WHERE s.kind = 'step' GROUP BY s.workflow
UNION ALL
SELECT 'workflow_breaker_trips', jsonb_build_object('agent', s.name), s.trips
FROM workflow.statistics AS s WHERE s.kind = 'agent'
UNION ALL
SELECT 'workflow_queue_depth', jsonb_build_object('workflow', d.workflow), sum(d.waiting)
FROM workflow.queue_depth AS d GROUP BY d.workflow
UNION ALL
SELECT 'workflow_queue_oldest_seconds', jsonb_build_object('workflow', d.workflow), round(extract(epoch FROM max(d.oldest_wait)), 3)
FROM workflow.queue_depth AS d WHERE d.oldest_wait IS NOT NULL GROUP BY d.workflow
UNION ALL
SELECT 'workflow_executors', jsonb_build_object('state', s.state), count(*)
FROM workflow.executors AS s WHERE s.database = current_database() GROUP BY s.state
UNION ALL
SELECT 'workflow_executor_memory_bytes', jsonb_build_object('pid', s.pid), s.memory_bytes
FROM workflow.executors AS s WHERE s.database = current_database() AND s.memory_bytes IS NOT NULL
UNION ALL
SELECT 'workflow_executor_steps', jsonb_build_object('pid', s.pid), s.steps_done
FROM workflow.executors AS s WHERE s.database = current_database()
UNION ALL
SELECT 'workflow_breaker_state', jsonb_build_object('agent', b.agent),
       CASE b.state WHEN 'closed' THEN 0 WHEN 'open' THEN 1 WHEN 'half_open' THEN 2 END
FROM workflow.breaker_status AS b WHERE b.state <> 'disabled'
UNION ALL
SELECT 'workflow_blocked_workflows', '{}', count(*) FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL
UNION ALL
SELECT 'workflow_dead_letters', jsonb_build_object('workflow', d.workflow), count(*)
FROM workflow.dead_letter_status AS d
WHERE d.status = 'pending'
GROUP BY d.workflow
UNION ALL
SELECT 'workflow_alerts', jsonb_build_object('condition', a.condition), count(*)
FROM workflow.alerts AS a GROUP BY a.condition
UNION ALL
/* counters, times in seconds */
SELECT 'workflow_engine_' || CASE WHEN c.key ~ '_time$' THEN 'seconds' ELSE c.key END || '_total',
       CASE WHEN c.key ~ '_time$' THEN jsonb_build_object('in', left(c.key, -5)) ELSE '{}' END,
       CASE WHEN c.key ~ '_time$' THEN c.value::numeric / 1000 ELSE c.value::numeric END
FROM workflow.engine_statistics AS s,
     LATERAL jsonb_each_text(to_jsonb(s) - '{database,stats_reset}'::text[]) AS c
WHERE s.database = current_database();
COMMENT ON VIEW workflow.metrics IS
'one row for each figure, for postgres_exporter and the like; outcomes and times are of the last day, what ends in _total are counters, see engine_statistics';
COMMENT ON COLUMN workflow.metrics.name IS 'name of the figure, in the style of Prometheus';
COMMENT ON COLUMN workflow.metrics.labels IS 'what it is about';
COMMENT ON COLUMN workflow.metrics.value IS 'the figure';
