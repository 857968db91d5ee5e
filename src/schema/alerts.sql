/*
 * What is wrong, by thresholds that are settings, and one row per figure for
 * those who collect them.
 */

CREATE VIEW workflow.alert_thresholds WITH (security_barrier) AS
SELECT d.name AS workflow, d.version,
       (SELECT COALESCE(pg_catalog.jsonb_object_agg(
                   pg_catalog.regexp_replace(a.key, '_(seconds|ms)$', ''),
                   CASE WHEN a.value::pg_catalog.numeric OPERATOR(pg_catalog.<) 0 THEN NULL
                        WHEN a.key OPERATOR(pg_catalog.~) '_ms$' THEN pg_catalog.trim_scale(a.value::pg_catalog.numeric OPERATOR(pg_catalog./) 1000)
                        ELSE a.value::pg_catalog.numeric END), '{}')
        FROM pg_catalog.jsonb_each(d.definition OPERATOR(pg_catalog.->) 'alerts') AS a
        WHERE pg_catalog.jsonb_typeof(a.value) OPERATOR(pg_catalog.=) 'number') AS thresholds
FROM workflow.definitions AS d CROSS JOIN (SELECT) AS read_only
WHERE pg_catalog.jsonb_typeof(d.definition OPERATOR(pg_catalog.->) 'alerts') OPERATOR(pg_catalog.=) 'object'
  AND d.status OPERATOR(pg_catalog.=) 'active'
  AND NOT EXISTS (SELECT FROM workflow.definitions AS n
                  WHERE n.name OPERATOR(pg_catalog.=) d.name AND n.version OPERATOR(pg_catalog.>) d.version
                    AND n.status OPERATOR(pg_catalog.=) 'active');
COMMENT ON VIEW workflow.alert_thresholds IS
'thresholds of alerts that workflows have of their own: "alerts" of the version that start() takes';
COMMENT ON COLUMN workflow.alert_thresholds.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.alert_thresholds.version IS 'version that has them';
COMMENT ON COLUMN workflow.alert_thresholds.thresholds IS
'by the names of the settings workflow.alert_<name>, times in seconds; null: the alert is turned '
'off';

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
                    WHEN s.unit = 'ms' THEN trim_scale(s.setting::numeric / 1000)
                    ELSE s.setting::numeric END AS value
        FROM pg_catalog.pg_settings AS s WHERE s.name LIKE 'workflow.alert\_%'
    ), threshold AS MATERIALIZED (
        /* of a workflow that has its own, and (named by nothing) of all others: whoever asks
           takes the first by name, descending */
        SELECT o.workflow, v.*
        FROM (SELECT jsonb_object_agg(s.name, s.value) AS settings FROM setting AS s) AS s,
             (SELECT '' AS workflow, '{}'::jsonb AS alerts UNION ALL SELECT a.workflow, a.thresholds FROM workflow.alert_thresholds AS a) AS o,
             jsonb_to_record(s.settings || o.alerts) AS v (
                 average_duration numeric, average_duration_for numeric, block_duration numeric, block_failures numeric, block_speedup numeric,
                 block_success_rate numeric, connections numeric, dead_letters numeric, draining numeric, executor_memory numeric,
                 frozen numeric, held numeric, lock_wait numeric, offline numeric, paused numeric, queue_wait numeric,
                 stuck_rate numeric, success_rate numeric, success_rate_consecutive numeric, "window" numeric)
    ), everywhere AS MATERIALIZED (
        SELECT t.*, now() - make_interval(secs => COALESCE(t."window", 0)::double precision) AS since FROM threshold AS t WHERE t.workflow = ''
    ), ended AS MATERIALIZED (
        /* what is long gone is not looked at: ids are about in the order of start() */
        SELECT e.execution_id, e.workflow, e.status, e.duration, e.completed_at, e.completed_at >= t.since AS recent
        FROM everywhere AS t,
             workflow.newest_execution AS last,
             generate_series(last.id, last.id - 999, -1) AS newest (id)
             CROSS JOIN LATERAL (SELECT x.execution_id, x.workflow, x.status, x.duration, x.completed_at
                                 FROM workflow.execution_status AS x WHERE x.execution_id = newest.id OFFSET 0) AS e
        WHERE e.completed_at IS NOT NULL
    ), block AS MATERIALIZED (
        /* what a container did in one execution */
        SELECT b.execution_id, b.workflow, b.step_id, max(b.completed_at) AS completed_at,
               round(max(extract(epoch FROM b.duration)), 3) AS duration,
               sum(b.failed_tasks) AS failures, sum(b.successful_tasks) AS successes, sum(b.total_tasks) AS tasks,
               round(100.0 * sum(b.successful_tasks) / NULLIF(sum(b.total_tasks), 0), 1) AS success_rate,
               /* few milliseconds say nothing, and what cannot gain: children that nobody is to
                  share, one that takes nearly all of it */
               round(sum(extract(epoch FROM b.task_time)) FILTER (WHERE b.may_gain) / sum(extract(epoch FROM b.duration)) FILTER (WHERE b.may_gain), 2) AS speedup,
               sum(extract(epoch FROM b.task_time)) FILTER (WHERE b.may_gain) / sum(extract(epoch FROM b.longest_task)) FILTER (WHERE b.may_gain) AS possible_speedup
        FROM (SELECT e.execution_id FROM ended AS e WHERE e.recent ORDER BY e.execution_id DESC LIMIT 100) AS e
             /* an execution at a time, by its key */
             CROSS JOIN LATERAL (SELECT k.*, k.parallel AND k.duration >= '1 s' AND k.longest_task > '0' AS may_gain
                                 FROM workflow.blocks AS k WHERE k.execution_id = e.execution_id AND k.completed_at IS NOT NULL OFFSET 0) AS b
        GROUP BY b.execution_id, b.workflow, b.step_id
    ), rate AS (
        /* of an execution: of the children of its containers; 0 for one that did not complete */
        SELECT e.workflow, e.completed_at, e.recent, row_number() OVER (PARTITION BY e.workflow ORDER BY e.completed_at DESC) AS back,
               CASE WHEN e.status = 'completed' THEN COALESCE(b.success_rate, 100) ELSE 0 END AS success_rate
        FROM ended AS e
             LEFT JOIN (SELECT b.execution_id, round(100.0 * sum(b.successes) / NULLIF(sum(b.tasks), 0), 1) AS success_rate
                        FROM block AS b GROUP BY b.execution_id) AS b ON b.execution_id = e.execution_id
        WHERE e.status <> 'cancelled'
    ), average AS (
        /* at the end of each execution, of those up to then */
        SELECT e.workflow, e.completed_at, avg(extract(epoch FROM e.duration)) OVER (PARTITION BY e.workflow ORDER BY e.completed_at) AS duration
        FROM ended AS e WHERE e.recent AND e.duration IS NOT NULL
    ), job AS MATERIALIZED (
        SELECT * FROM workflow.schedule_jobs()
    )
    /* nothing is begun, or nothing goes on, and something waits: of what a standby shows as
       running its primary takes care */
    SELECT h.reason AS condition, current_database()::text AS subject,
           round(extract(epoch FROM w.wait)) AS value, t.offline AS threshold, now() - w.wait AS since
    FROM everywhere AS t,
         (SELECT GREATEST((SELECT max(d.oldest_wait) FROM workflow.queue_depth AS d),
                          (SELECT w.overdue FROM workflow.wait_status AS w
                           WHERE w.until < 'infinity' ORDER BY w.until LIMIT 1)) AS wait) AS q,
         LATERAL (
             /* not from pg_stat_activity: that shows roles no backend_type but their own
                sessions' */
             SELECT n.reason, CASE WHEN n.reason NOT IN ('standby', 'replica') THEN n.since END AS since
             FROM workflow.no_workers((SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)) AS n
             WHERE n.reason IN ('not preloaded', 'standby', 'no scheduler', 'disabled', 'replica')
             UNION ALL
             SELECT 'drained', CASE WHEN d.mode = 'steps' THEN d.drained_at END FROM workflow.drain_status AS d) AS h,
         LATERAL (SELECT GREATEST(q.wait,
                                  (SELECT now() - h.since FROM workflow.execution_status AS e
                                   WHERE e.status IN ('running', 'waiting', 'cancelling')
                                     AND h.since IS NOT NULL LIMIT 1)) AS wait) AS w
    WHERE extract(epoch FROM w.wait) > t.offline
    UNION ALL
    SELECT 'scheduler frozen', current_database()::text, round(extract(epoch FROM clock_timestamp() - s.unanswered_since)), t.frozen, s.unanswered_since
    FROM everywhere AS t, workflow.scheduler_state() AS s
    WHERE extract(epoch FROM clock_timestamp() - s.unanswered_since) > t.frozen
    UNION ALL
    /* executions that run, too: nobody goes on with them */
    SELECT f.condition, current_database()::text, round(extract(epoch FROM clock_timestamp() - f.since)), t.offline, f.since
    FROM everywhere AS t, workflow.scheduler_state() AS s,
         LATERAL (VALUES ('scheduler fails', s.failing_since), ('done again', s.again_since)) AS f (condition, since)
    WHERE extract(epoch FROM clock_timestamp() - f.since) > t.offline
    UNION ALL
    /* executions that run, too: they wait between their steps */
    SELECT 'no executor', current_database()::text, round(extract(epoch FROM clock_timestamp() - s.ready_since)), l.threshold, s.ready_since
    FROM everywhere AS t, workflow.scheduler_state() AS s,
         LATERAL (SELECT CASE WHEN s.no_workers_since IS NOT NULL THEN t.offline ELSE t.queue_wait END AS threshold) AS l
    WHERE extract(epoch FROM clock_timestamp() - s.ready_since) > l.threshold
    UNION ALL
    /* while there is a scheduler that has nothing against running them */
    SELECT 'not taken up', current_database()::text, l.count, NULL, NULL
    FROM workflow.left_executions AS l
    WHERE NOT EXISTS (SELECT FROM workflow.drain_status)
      AND NOT EXISTS (SELECT FROM workflow.no_workers((SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)) AS n
                      WHERE n.reason <> 'role')
    UNION ALL
    SELECT 'not taken up', current_database()::text, count(*), NULL, min(w.until)
    FROM workflow.wait_status AS w CROSS JOIN workflow.scheduler_state() AS s
    WHERE w.until < clock_timestamp() - interval '5 s'
      /* it is at it, or cannot be */
      AND s.ready_since IS NULL AND s.again_since IS NULL
      AND NOT EXISTS (SELECT FROM workflow.locked_tables)
      AND NOT EXISTS (SELECT FROM workflow.locked_executions AS k WHERE k.execution_id = w.execution_id)
      AND NOT EXISTS (SELECT FROM workflow.no_workers((SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)) AS n
                      WHERE n.reason <> 'role')
    HAVING count(*) > 0
    UNION ALL
    SELECT 'executor frozen', x.pid::text, round(extract(epoch FROM clock_timestamp() - x.last_heartbeat)), t.frozen, x.last_heartbeat
    FROM everywhere AS t, workflow.executors AS x
    WHERE x.database = current_database() AND x.state <> 'idle'
      AND extract(epoch FROM clock_timestamp() - x.last_heartbeat) > t.frozen
      /* what waits while it connects has no timer yet */
      AND NOT (x.state = 'starting' AND EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE l.pid = x.pid AND NOT l.granted))
    UNION ALL
    SELECT 'lock wait', a.workflow || '.' || a.step_id, round(extract(epoch FROM clock_timestamp() - k.since)), t.lock_wait, k.since
    FROM workflow.activity AS a,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (a.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
         CROSS JOIN LATERAL (SELECT min(l.waitstart) AS since FROM pg_catalog.pg_locks AS l WHERE l.pid = a.executor_pid AND NOT l.granted) AS k
    WHERE a.wait_event_type = 'Lock' AND a.step_id IS NOT NULL AND extract(epoch FROM clock_timestamp() - k.since) > t.lock_wait
    UNION ALL
    SELECT 'execution paused', e.workflow, round(extract(epoch FROM now() - min(e.paused_at))), t.paused, min(e.paused_at)
    FROM workflow.execution_status AS e,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (e.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE e.status = 'paused' AND extract(epoch FROM now() - e.paused_at) > t.paused
    GROUP BY e.workflow, t.paused
    UNION ALL
    SELECT 'step held', m.workflow || '.' || m.step_id, round(extract(epoch FROM now() - m.marked_at)), t.held, m.marked_at
    FROM workflow.marked_steps AS m,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (m.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE m.mark = 'hold' AND m.status IN ('running', 'waiting', 'cancelling') AND extract(epoch FROM now() - m.marked_at) > t.held
    UNION ALL
    SELECT 'row locked', k.workflow, round(extract(epoch FROM max(now() - k.since))), t.offline, min(k.since)
    FROM everywhere AS t, workflow.locked_executions AS k
    WHERE (k.status IN ('running', 'cancelling')
           OR EXISTS (SELECT FROM workflow.wait_status AS w
                      WHERE w.execution_id = k.execution_id AND w.until < clock_timestamp()))
      AND extract(epoch FROM now() - k.since) > t.offline
    GROUP BY k.workflow, t.offline
    UNION ALL
    /* pg_cron does not call: its job is missing, of another role or database, or fails */
    SELECT 'schedule overdue', s.name, round(extract(epoch FROM clock_timestamp() - s.next_run_at)), t.offline, s.next_run_at
    FROM everywhere AS t, workflow.schedules AS s
    WHERE s.enabled AND s.next_run_at < clock_timestamp() - make_interval(secs => t.offline::double precision)
    UNION ALL
    /* the job is not as schedule() has made it; seen only where pg_cron is */
    SELECT j.condition, s.name, NULL, NULL, NULL
    FROM workflow.schedules AS s,
         LATERAL (SELECT CASE WHEN count(k.job) = 0 THEN 'job missing' WHEN count(k.job) > 1 THEN 'job doubled'
                              WHEN bool_or(k.role IS DISTINCT FROM s.role) THEN 'job of another role'
                              WHEN bool_or(NOT k.active OR k.job_schedule <> s.job_schedule) THEN 'job changed' END AS condition
                  FROM job AS k WHERE k.schedule = s.name HAVING count(*) > 0) AS j
    WHERE s.enabled AND s.job_schedule IS NOT NULL AND j.condition IS NOT NULL
    UNION ALL
    SELECT 'job of no role', k.job, NULL, NULL, NULL FROM job AS k WHERE k.role IS NULL AND k.schedule IS NULL
    UNION ALL
    SELECT 'queue wait', d.workflow, round(extract(epoch FROM max(d.oldest_wait))), t.queue_wait, now() - max(d.oldest_wait)
    FROM workflow.queue_depth AS d,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (d.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE extract(epoch FROM d.oldest_wait) > t.queue_wait
    GROUP BY d.workflow, t.queue_wait
    UNION ALL
    SELECT 'success rate', r.workflow, max(r.success_rate), t.success_rate, min(r.completed_at)
    FROM rate AS r,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (r.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE r.back <= t.success_rate_consecutive
    GROUP BY r.workflow, t.success_rate, t.success_rate_consecutive
    HAVING count(*) = t.success_rate_consecutive AND max(r.success_rate) < t.success_rate AND bool_or(r.recent)
    UNION ALL
    SELECT 'average duration', a.workflow, round(a.duration, 3), t.average_duration, a.since
    FROM (SELECT DISTINCT a.workflow FROM average AS a) AS w,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (w.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t,
         LATERAL (SELECT max(a.completed_at) AS until FROM average AS a WHERE a.workflow = w.workflow AND a.duration <= t.average_duration) AS good,
         LATERAL (SELECT a.workflow, min(a.completed_at) AS since, (array_agg(a.duration ORDER BY a.completed_at DESC))[1] AS duration
                  FROM average AS a WHERE a.workflow = w.workflow AND a.completed_at > COALESCE(good.until, '-infinity')
                  GROUP BY a.workflow) AS a
    WHERE t.average_duration IS NOT NULL AND extract(epoch FROM now() - a.since) >= t.average_duration_for
    UNION ALL
    SELECT 'block ' || f.name, b.workflow || '.' || b.step_id,
           CASE WHEN f.too_much THEN max(f.value) ELSE min(f.value) END, f.threshold, min(b.completed_at)
    FROM block AS b,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (b.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t,
         LATERAL (VALUES
             ('duration', true, b.duration, t.block_duration),
             ('failures', true, b.failures, t.block_failures),
             ('success rate', false, b.success_rate, t.block_success_rate),
             ('speedup', false, CASE WHEN b.possible_speedup > t.block_speedup THEN b.speedup END, t.block_speedup))
             AS f (name, too_much, value, threshold)
    WHERE CASE WHEN f.too_much THEN f.value > f.threshold ELSE f.value < f.threshold END
    GROUP BY b.workflow, b.step_id, f.name, f.too_much, f.threshold
    UNION ALL
    SELECT 'stuck rate', h.workflow, round(100.0 * h.stuck / GREATEST(w.total, h.stuck), 1), t.stuck_rate, h.since
    FROM (SELECT x.workflow, count(*) AS stuck, min(x.stuck_at) AS since
          FROM everywhere AS r, workflow.executor_history AS x WHERE x.stuck_at >= r.since GROUP BY x.workflow) AS h,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (h.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t,
         LATERAL (SELECT count(*) AS total FROM ended AS e WHERE e.workflow = h.workflow AND e.recent) AS w
    WHERE 100.0 * h.stuck / GREATEST(w.total, h.stuck) > t.stuck_rate
    UNION ALL
    SELECT 'executor ' || s.state, s.pid::text, NULL, NULL, COALESCE(h.quarantined_at, h.stuck_at)
    FROM workflow.executors AS s
         LEFT JOIN workflow.executor_history AS h ON h.pid = s.pid AND h.ended_at IS NULL
    WHERE s.state IN ('stuck', 'quarantined') AND s.database = current_database()
    UNION ALL
    SELECT 'executor draining', s.pid::text, round(extract(epoch FROM now() - s.draining_since)), t.draining, s.draining_since
    FROM everywhere AS t, workflow.executors AS s
    WHERE s.database = current_database() AND extract(epoch FROM now() - s.draining_since) > t.draining
    UNION ALL
    SELECT 'executor memory', s.pid::text, s.memory_bytes / 1024, t.executor_memory, s.attached_at
    FROM everywhere AS t, workflow.executors AS s
    WHERE s.database = current_database() AND s.memory_bytes / 1024 > t.executor_memory
    UNION ALL
    /* the server shows ordinary roles nothing of others' sessions */
    SELECT 'connections', 'max_connections', round(100.0 * c.count / current_setting('max_connections')::integer, 1), t.connections, c.since
    FROM everywhere AS t,
         (SELECT count(*) AS count, max(a.backend_start) AS since
          FROM pg_catalog.pg_stat_activity AS a WHERE a.backend_type = 'client backend') AS c
    WHERE 100.0 * c.count / current_setting('max_connections')::integer > t.connections
    UNION ALL
    SELECT 'workflow blocked', b.workflow || COALESCE(' for ' || b.role::text, ''), b.stuck_count, NULL, b.blocked_at
    FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL
    UNION ALL
    /* a row for each: what belonged to a role that is gone cannot be run */
    SELECT 'owner missing', o.owner::text, sum(o.count), NULL, NULL
    FROM workflow.owners AS o WHERE o.missing GROUP BY o.owner::text
    UNION ALL
    SELECT 'circuit breaker ' || b.state, b.agent || COALESCE(' for ' || b.role::text, ''), b.failures, b.failure_threshold, b.opened_at
    FROM workflow.breaker_status AS b WHERE b.state IN ('open', 'half_open')
    UNION ALL
    SELECT 'dead letters', d.workflow, count(*), t.dead_letters, min(d.last_failed_at)
    FROM workflow.dead_letter_status AS d,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (d.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE d.status = 'pending'
    GROUP BY d.workflow, t.dead_letters
    HAVING count(*) > t.dead_letters;
END;
COMMENT ON FUNCTION workflow.current_alerts() IS 'the rows of the view workflow.alerts';

/*
 * While a table cannot be read there is nothing else to be said: whoever reads it waits for the
 * lock.  So the function is not even planned then.
 */
CREATE VIEW workflow.alerts WITH (security_barrier) AS
SELECT a.* FROM workflow.current_alerts() AS a
WHERE NOT EXISTS (SELECT FROM workflow.locked_tables AS k WHERE k.unreadable)
UNION ALL
SELECT 'table locked', 'workflow.' || k.relation, round(extract(epoch FROM max(clock_timestamp() - k.since))), t.value, min(k.since)
FROM (SELECT NULLIF(extract(epoch FROM current_setting('workflow.alert_offline', true)::interval), -1) AS value) AS t,
     workflow.locked_tables AS k
WHERE extract(epoch FROM clock_timestamp() - k.since) > t.value
GROUP BY k.relation, t.value;
COMMENT ON VIEW workflow.alerts IS
'what is beyond its threshold, a setting workflow.alert_<condition>, or "alerts" of the '
'workflow''s definition; empty when all is well. Looks at what has ended within '
'workflow.alert_window, at most the last 1,000 executions, and the last 100 for blocks';
COMMENT ON COLUMN workflow.alerts.condition IS 'what is wrong';
COMMENT ON COLUMN workflow.alerts.subject IS
'workflow, step, agent, process or database it is about';
COMMENT ON COLUMN workflow.alerts.value IS
'figure that is beyond the threshold: seconds, per cent, kilobytes or a number; null where the '
'state says it all';
COMMENT ON COLUMN workflow.alerts.threshold IS 'the threshold, in the same unit';
COMMENT ON COLUMN workflow.alerts.since IS 'since when, or from when on it was looked at';

/*
 * One SELECT for each figure, with its name as a constant: who asks for one by its name
 * pays for that one.  Names and labels follow the conventions of Prometheus: base units,
 * _total at counters and nowhere else, the same labels on all rows of a name, no label
 * whose values grow without bounds.
 */
CREATE VIEW workflow.metrics WITH (security_barrier) AS
WITH recent AS MATERIALIZED (
    SELECT * FROM workflow.statistics(max_executions => 500)
), engine AS MATERIALIZED (
    SELECT s.* FROM workflow.engine_statistics AS s WHERE s.database = current_database()
), executors AS MATERIALIZED (
    SELECT s.state, s.memory_bytes FROM workflow.executors AS s WHERE s.database = current_database()
)
/* what goes on */
SELECT 'workflow_scheduler_up' AS name, '{}'::jsonb AS labels, (s.pid IS NOT NULL)::integer::numeric AS value
FROM workflow.scheduler_state() AS s
UNION ALL
SELECT 'workflow_executions_under_way', '{}', COALESCE(s.executions, 0)
FROM workflow.scheduler_state() AS s
UNION ALL
SELECT 'workflow_queue_depth', jsonb_build_object('workflow', d.workflow), sum(d.waiting)
FROM workflow.queue_depth AS d GROUP BY d.workflow
UNION ALL
SELECT 'workflow_queue_oldest_seconds', jsonb_build_object('workflow', d.workflow),
       round(extract(epoch FROM max(d.oldest_wait)), 3)
FROM workflow.queue_depth AS d WHERE d.oldest_wait IS NOT NULL GROUP BY d.workflow
UNION ALL
/* for a time, or somebody: nothing of them is in memory */
SELECT 'workflow_waiting_executions', jsonb_build_object('kind', k.kind),
       (SELECT count(*) FROM workflow.execution_status AS e
        WHERE e.status = 'waiting'
          AND e.execution_id IN (SELECT w.execution_id FROM workflow.wait_status AS w
                                 WHERE w.kind = k.kind))
FROM unnest('{retry,hold,timer}'::text[]) AS k (kind)
UNION ALL
SELECT 'workflow_executors', jsonb_build_object('state', x.state),
       (SELECT count(*) FROM executors AS e WHERE e.state = x.state)
FROM unnest('{starting,idle,busy,draining,stuck,quarantined}'::text[]) AS x (state)
UNION ALL
SELECT 'workflow_executor_memory_bytes', '{}', COALESCE(sum(e.memory_bytes), 0) FROM executors AS e
UNION ALL
SELECT 'workflow_executor_memory_max_bytes', '{}', COALESCE(max(e.memory_bytes), 0) FROM executors AS e
UNION ALL
/* what needs somebody */
SELECT 'workflow_alerts_active', jsonb_build_object('condition', a.condition), count(*)
FROM workflow.alerts AS a GROUP BY a.condition
UNION ALL
SELECT 'workflow_breaker_state', jsonb_build_object('agent', b.agent, 'role', b.role),
       CASE b.state WHEN 'closed' THEN 0 WHEN 'open' THEN 1 WHEN 'half_open' THEN 2 END
FROM workflow.breaker_status AS b WHERE b.state <> 'disabled' AND b.role IS NOT NULL
UNION ALL
SELECT 'workflow_blocked_workflows', '{}', count(DISTINCT b.workflow)
FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL
UNION ALL
SELECT 'workflow_dead_letters', jsonb_build_object('workflow', d.workflow), count(*)
FROM workflow.dead_letter_status AS d WHERE d.status = 'pending' GROUP BY d.workflow
UNION ALL
/* what was, of the newest executions */
SELECT 'workflow_recent_executions', jsonb_build_object('workflow', s.workflow, 'status', o.status), o.value
FROM recent AS s,
     LATERAL (VALUES ('completed', s.completed), ('failed', s.failed), ('timed_out', s.timed_out), ('cancelled', s.cancelled)) AS o (status, value)
WHERE s.kind = 'workflow'
UNION ALL
SELECT 'workflow_recent_run_seconds', jsonb_build_object('workflow', s.workflow, 'percentile', p.percentile),
       round(extract(epoch FROM p.value), 6)
FROM recent AS s, LATERAL (VALUES ('50', s.run_p50), ('95', s.run_p95), ('99', s.run_p99)) AS p (percentile, value)
WHERE s.kind = 'workflow' AND p.value IS NOT NULL
UNION ALL
SELECT 'workflow_recent_queue_seconds', jsonb_build_object('workflow', s.workflow, 'percentile', p.percentile),
       round(extract(epoch FROM p.value), 6)
FROM recent AS s, LATERAL (VALUES ('50', s.queue_p50), ('95', s.queue_p95), ('99', s.queue_p99)) AS p (percentile, value)
WHERE s.kind = 'workflow' AND p.value IS NOT NULL
UNION ALL
SELECT 'workflow_recent_step_retries', jsonb_build_object('workflow', s.workflow), sum(s.retries)
FROM recent AS s WHERE s.kind = 'step' GROUP BY s.workflow
UNION ALL
SELECT 'workflow_recent_stuck_attempts', jsonb_build_object('workflow', s.workflow), sum(s.stuck)
FROM recent AS s WHERE s.kind = 'step' GROUP BY s.workflow
UNION ALL
SELECT 'workflow_recent_agent_calls', jsonb_build_object('agent', s.name, 'status', o.status), o.value
FROM recent AS s,
     LATERAL (VALUES ('completed', s.completed), ('failed', s.failed), ('timed_out', s.timed_out)) AS o (status, value)
WHERE s.kind = 'agent'
UNION ALL
SELECT 'workflow_recent_breaker_trips', jsonb_build_object('agent', s.name), s.trips
FROM recent AS s WHERE s.kind = 'agent'
UNION ALL
/* counters */
SELECT 'workflow_engine_executions_total', jsonb_build_object('status', o.status), o.value
FROM engine AS s,
     LATERAL (VALUES ('completed', s.executions_completed), ('failed', s.executions_failed),
                     ('timed_out', s.executions_timed_out), ('cancelled', s.executions_cancelled)) AS o (status, value)
UNION ALL
SELECT 'workflow_executor_seconds_total', jsonb_build_object('activity', o.activity), round(o.value::numeric / 1000, 6)
FROM engine AS s,
     LATERAL (VALUES ('sql', s.sql_time), ('bookkeeping', s.bookkeeping_time), ('commit', s.commit_time),
                     ('idle', s.idle_time), ('startup', s.startup_time)) AS o (activity, value)
UNION ALL
SELECT 'workflow_engine_' || o.name || '_total', '{}', round(o.value::numeric / 1000, 6)
FROM engine AS s,
     LATERAL (VALUES ('queue_seconds', s.queue_time), ('wait_seconds', s.wait_time),
                     ('scheduler_seconds', s.scheduler_time)) AS o (name, value)
UNION ALL
SELECT 'workflow_engine_' || o.name || '_total', '{}', o.value
FROM engine AS s,
     LATERAL (VALUES ('steps', s.steps), ('steps_failed', s.steps_failed), ('retries', s.retries), ('runs', s.runs),
                     ('commits', s.commits), ('durable_commits', s.durable_commits), ('batched_commits', s.batched_commits),
                     ('batched_steps', s.batched_steps), ('rollbacks', s.rollbacks), ('wal_bytes', s.wal_bytes),
                     ('executions_claimed', s.executions_claimed), ('executions_recovered', s.executions_recovered),
                     ('executors_started', s.executors_started)) AS o (name, value);
COMMENT ON VIEW workflow.metrics IS
'one row for each figure, for postgres_exporter and the like; what ends in _total are counters, '
'see engine_statistics, the others gauges; workflow_recent_... are of the last 500 executions, if '
'they ended within a day';
COMMENT ON COLUMN workflow.metrics.name IS 'name of the metric, by the conventions of Prometheus';
COMMENT ON COLUMN workflow.metrics.labels IS 'what it is about: the same labels for all of a name';
COMMENT ON COLUMN workflow.metrics.value IS 'the figure';
