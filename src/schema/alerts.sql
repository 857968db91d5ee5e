/*
 * What is wrong, by thresholds that are settings, and one row per figure for
 * those who collect them.
 */

CREATE FUNCTION workflow.current_alerts(
    OUT condition text,
    OUT subject text,
    OUT value numeric,
    OUT threshold numeric,
    OUT since timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 5
SET jit = off  -- compiling it takes longer than anything it does
BEGIN ATOMIC
    WITH setting AS (
        /* seconds, kilobytes, per cent or a number; null: turned off */
        SELECT substr(s.name, length('workflow.alert_') + 1) AS name,
               CASE WHEN s.setting::numeric < 0 THEN NULL
                    WHEN s.unit = 'ms' THEN s.setting::numeric / 1000
                    ELSE s.setting::numeric END AS value
        FROM pg_settings AS s WHERE s.name LIKE 'workflow.alert\_%'
    ), threshold AS MATERIALIZED (
        SELECT max(value) FILTER (WHERE name = 'average_duration') AS average_duration,
               max(value) FILTER (WHERE name = 'block_duration') AS block_duration,
               max(value) FILTER (WHERE name = 'block_failures') AS block_failures,
               max(value) FILTER (WHERE name = 'block_speedup') AS block_speedup,
               max(value) FILTER (WHERE name = 'block_success_rate') AS block_success_rate,
               max(value) FILTER (WHERE name = 'connections') AS connections,
               max(value) FILTER (WHERE name = 'dead_letters') AS dead_letters,
               max(value) FILTER (WHERE name = 'draining') AS draining,
               max(value) FILTER (WHERE name = 'executor_memory') AS executor_memory,
               max(value) FILTER (WHERE name = 'frozen') AS frozen,
               max(value) FILTER (WHERE name = 'held') AS held,
               max(value) FILTER (WHERE name = 'lock_wait') AS lock_wait,
               max(value) FILTER (WHERE name = 'offline') AS offline,
               max(value) FILTER (WHERE name = 'paused') AS paused,
               max(value) FILTER (WHERE name = 'queue_wait') AS queue_wait,
               max(value) FILTER (WHERE name = 'stuck_rate') AS stuck_rate,
               max(value) FILTER (WHERE name = 'success_rate') AS success_rate,
               now() - make_interval(secs => COALESCE(max(value) FILTER (WHERE name = 'window'), 0)::double precision) AS since
        FROM setting
    ), ended AS MATERIALIZED (
        /* what is long gone is not looked at: ids are about in the order of start() */
        SELECT e.execution_id, e.workflow, e.status, e.duration, e.completed_at
        FROM threshold AS t,
             workflow.newest_execution AS last,
             generate_series(last.id, last.id - 999, -1) AS newest (id)
             CROSS JOIN LATERAL (SELECT x.execution_id, x.workflow, x.status, x.duration, x.completed_at
                                 FROM workflow.execution_status AS x WHERE x.execution_id = newest.id OFFSET 0) AS e
        WHERE e.completed_at >= t.since
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
             /* an execution at a time, by its key */
             CROSS JOIN LATERAL (SELECT * FROM workflow.blocks AS k WHERE k.execution_id = e.execution_id AND k.completed_at IS NOT NULL OFFSET 0) AS b
        GROUP BY b.workflow, b.step_id
    )
    /* nothing is begun, and something waits */
    SELECT h.reason AS condition, current_database()::text AS subject,
           round(extract(epoch FROM q.wait)) AS value, t.offline AS threshold, now() - q.wait AS since
    FROM threshold AS t, (SELECT max(d.oldest_wait) AS wait FROM workflow.queue_depth AS d) AS q,
         LATERAL (
             /* not from pg_stat_activity: that shows roles no backend_type but their own sessions' */
             SELECT n.reason
             FROM workflow.no_workers((SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user)) AS n
             WHERE n.reason IN ('not preloaded', 'standby', 'no scheduler', 'disabled', 'replica')
             UNION ALL
             SELECT 'drained' FROM workflow.drain_status) AS h
    WHERE extract(epoch FROM q.wait) > t.offline
    UNION ALL
    SELECT 'scheduler frozen', current_database()::text, round(extract(epoch FROM clock_timestamp() - s.unanswered_since)), t.frozen, s.unanswered_since
    FROM threshold AS t, workflow.scheduler_state() AS s
    WHERE extract(epoch FROM clock_timestamp() - s.unanswered_since) > t.frozen
    UNION ALL
    /* executions that run, too: nobody goes on with them */
    SELECT f.condition, current_database()::text, round(extract(epoch FROM clock_timestamp() - f.since)), t.offline, f.since
    FROM threshold AS t, workflow.scheduler_state() AS s,
         LATERAL (VALUES ('scheduler fails', s.failing_since), ('done again', s.again_since)) AS f (condition, since)
    WHERE extract(epoch FROM clock_timestamp() - f.since) > t.offline
    UNION ALL
    /* executions that run, too: they wait between their steps */
    SELECT 'no executor', current_database()::text, round(extract(epoch FROM clock_timestamp() - s.ready_since)), l.threshold, s.ready_since
    FROM threshold AS t, workflow.scheduler_state() AS s,
         LATERAL (SELECT CASE WHEN s.no_workers_since IS NOT NULL THEN t.offline ELSE t.queue_wait END AS threshold) AS l
    WHERE extract(epoch FROM clock_timestamp() - s.ready_since) > l.threshold
    UNION ALL
    SELECT 'executor frozen', x.pid::text, round(extract(epoch FROM clock_timestamp() - x.last_heartbeat)), t.frozen, x.last_heartbeat
    FROM threshold AS t, workflow.executors AS x
    WHERE x.database = current_database() AND x.state NOT IN ('starting', 'idle')
      AND extract(epoch FROM clock_timestamp() - x.last_heartbeat) > t.frozen
    UNION ALL
    SELECT 'lock wait', a.workflow || '.' || a.step_id, round(extract(epoch FROM clock_timestamp() - k.since)), t.lock_wait, k.since
    FROM threshold AS t, workflow.activity AS a
         CROSS JOIN LATERAL (SELECT min(l.waitstart) AS since FROM pg_locks AS l WHERE l.pid = a.executor_pid AND NOT l.granted) AS k
    WHERE a.wait_event_type = 'Lock' AND a.step_id IS NOT NULL AND extract(epoch FROM clock_timestamp() - k.since) > t.lock_wait
    UNION ALL
    SELECT 'execution paused', e.workflow, round(extract(epoch FROM now() - min(e.paused_at))), t.paused, min(e.paused_at)
    FROM threshold AS t, workflow.execution_status AS e
    WHERE e.status = 'paused' AND extract(epoch FROM now() - e.paused_at) > t.paused
    GROUP BY e.workflow, t.paused
    UNION ALL
    SELECT 'step held', e.workflow || '.' || h.step_id, round(extract(epoch FROM now() - a.since)), t.held, a.since
    FROM threshold AS t, workflow.execution_status AS e, unnest(e.held_steps) AS h (step_id),
         LATERAL (SELECT max(l.at) AS since FROM workflow.audit_log AS l
                  WHERE l.execution_id = e.execution_id AND l.action = 'hold_step' AND l.subject = h.step_id) AS a
    WHERE e.status IN ('running', 'cancelling') AND extract(epoch FROM now() - a.since) > t.held
    UNION ALL
    SELECT 'row locked', k.workflow, round(extract(epoch FROM max(now() - k.since))), t.offline, min(k.since)
    FROM threshold AS t, workflow.locked_executions AS k
    WHERE k.status IN ('running', 'cancelling') AND extract(epoch FROM now() - k.since) > t.offline
    GROUP BY k.workflow, t.offline
    UNION ALL
    /* pg_cron does not call: its job is missing, of another role or database, or fails */
    SELECT 'schedule overdue', s.name, round(extract(epoch FROM clock_timestamp() - s.next_run_at)), t.offline, s.next_run_at
    FROM threshold AS t, workflow.schedules AS s
    WHERE s.enabled AND s.next_run_at < clock_timestamp() - make_interval(secs => t.offline::double precision)
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
    /* the server shows ordinary roles nothing of others' sessions */
    SELECT 'connections', 'max_connections', round(100.0 * c.count / current_setting('max_connections')::integer, 1), t.connections, c.since
    FROM threshold AS t,
         (SELECT count(*) AS count, max(a.backend_start) AS since
          FROM pg_stat_activity AS a WHERE a.backend_type = 'client backend') AS c
    WHERE 100.0 * c.count / current_setting('max_connections')::integer > t.connections
    UNION ALL
    SELECT 'workflow blocked', b.workflow || COALESCE(' for ' || b.role::text, ''), b.stuck_count, NULL, b.blocked_at
    FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL
    UNION ALL
    SELECT 'circuit breaker ' || b.state, b.agent || COALESCE(' for ' || b.role::text, ''), b.failures, b.failure_threshold, b.opened_at
    FROM workflow.breaker_status AS b WHERE b.state IN ('open', 'half_open')
    UNION ALL
    SELECT 'dead letters', d.workflow, count(*), t.dead_letters, min(d.last_failed_at)
    FROM threshold AS t, workflow.dead_letter_status AS d
    WHERE d.status = 'pending'
    GROUP BY d.workflow, t.dead_letters
    HAVING count(*) > t.dead_letters;
END;
COMMENT ON FUNCTION workflow.current_alerts() IS 'the rows of the view workflow.alerts';

CREATE VIEW workflow.alerts WITH (security_barrier) AS
SELECT a.* FROM workflow.current_alerts() AS a;
COMMENT ON VIEW workflow.alerts IS
'what is beyond its threshold, a setting workflow.alert_<condition>; empty when all is well. Looks at what has ended within workflow.alert_window, at most the last 1,000 executions, and the last 100 for blocks';
COMMENT ON COLUMN workflow.alerts.condition IS 'what is wrong';
COMMENT ON COLUMN workflow.alerts.subject IS 'workflow, step, agent, process or database it is about';
COMMENT ON COLUMN workflow.alerts.value IS 'figure that is beyond the threshold: seconds, per cent, kilobytes or a number; null where the state says it all';
COMMENT ON COLUMN workflow.alerts.threshold IS 'the threshold, in the same unit';
COMMENT ON COLUMN workflow.alerts.since IS 'since when, or from when on it was looked at';

CREATE FUNCTION workflow.current_metrics(
    OUT name text,
    OUT labels jsonb,
    OUT value numeric)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 100
SET jit = off
BEGIN ATOMIC
    WITH recent AS MATERIALIZED (
        SELECT * FROM workflow.statistics(max_executions => 500)
    )
    SELECT 'workflow_executions' AS name, jsonb_build_object('workflow', s.workflow, 'status', o.status) AS labels, o.value::numeric AS value
    FROM recent AS s,
         LATERAL (VALUES ('completed', s.completed), ('failed', s.failed), ('timed_out', s.timed_out), ('cancelled', s.cancelled)) AS o (status, value)
    WHERE s.kind = 'workflow'
    UNION ALL
    SELECT 'workflow_' || p.name, jsonb_build_object('workflow', s.workflow, 'quantile', p.quantile), round(extract(epoch FROM p.value), 6)
    FROM recent AS s,
         LATERAL (VALUES ('run_seconds', '0.5', s.run_p50), ('run_seconds', '0.95', s.run_p95), ('run_seconds', '0.99', s.run_p99),
                         ('queue_seconds', '0.5', s.queue_p50), ('queue_seconds', '0.95', s.queue_p95), ('queue_seconds', '0.99', s.queue_p99)) AS p (name, quantile, value)
    WHERE s.kind = 'workflow'
    UNION ALL
    SELECT 'workflow_agent_calls', jsonb_build_object('agent', s.name, 'status', o.status), o.value
    FROM recent AS s,
         LATERAL (VALUES ('completed', s.completed), ('failed', s.failed), ('timed_out', s.timed_out)) AS o (status, value)
    WHERE s.kind = 'agent'
    UNION ALL
    SELECT 'workflow_step_retries', jsonb_build_object('workflow', s.workflow), sum(s.retries)
    FROM recent AS s WHERE s.kind = 'step' GROUP BY s.workflow
    UNION ALL
    SELECT 'workflow_stuck_attempts', jsonb_build_object('workflow', s.workflow), sum(s.stuck)
    FROM recent AS s WHERE s.kind = 'step' GROUP BY s.workflow
    UNION ALL
    SELECT 'workflow_breaker_trips', jsonb_build_object('agent', s.name), s.trips
    FROM recent AS s WHERE s.kind = 'agent'
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
    SELECT 'workflow_breaker_state', jsonb_build_object('agent', b.agent, 'role', b.role),
           CASE b.state WHEN 'closed' THEN 0 WHEN 'open' THEN 1 WHEN 'half_open' THEN 2 END
    FROM workflow.breaker_status AS b WHERE b.state <> 'disabled' AND b.role IS NOT NULL
    UNION ALL
    SELECT 'workflow_blocked_workflows', '{}', count(DISTINCT b.workflow) FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL
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
END;
COMMENT ON FUNCTION workflow.current_metrics() IS 'the rows of the view workflow.metrics';

CREATE VIEW workflow.metrics WITH (security_barrier) AS
SELECT m.* FROM workflow.current_metrics() AS m;
COMMENT ON VIEW workflow.metrics IS
'one row for each figure, for postgres_exporter and the like; outcomes and times are those of the last 500 executions, if they ended within a day; what ends in _total are counters, see engine_statistics';
COMMENT ON COLUMN workflow.metrics.name IS 'name of the figure, in the style of Prometheus';
COMMENT ON COLUMN workflow.metrics.labels IS 'what it is about';
COMMENT ON COLUMN workflow.metrics.value IS 'the figure';
