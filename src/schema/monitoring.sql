/*
 * Monitoring: what waits, what happened, how well it goes, and what is wrong.
 *
 * Everything is worked out from the rows and from shared memory when it is asked
 * for; what is counted while steps run is in engine_statistics.sql.  The functions
 * read the views, so that they show a role what these show it.
 */

/* --- what waits --- */

/* In three parts, each of which has an index of its own: what has ended is not read. */
CREATE VIEW workflow.queue WITH (security_barrier) AS
SELECT q.position,
       q.id AS execution_id,
       q.workflow,
       q.version,
       q.tenant,
       q.priority,
       q.role,
       q.created_at,
       q.start_at,
       q.limited,
       CASE WHEN q.start_at IS NULL OR isfinite(q.start_at)
            THEN clock_timestamp() - GREATEST(q.created_at, q.start_at, upper(q.pauses)) END AS waiting
FROM (SELECT row_number() OVER (PARTITION BY e.role::oid ORDER BY e.priority DESC, e.id) AS position,
             e.id, e.workflow, e.version, e.tenant, e.priority, e.role, e.created_at, e.start_at, e.limited, e.pauses
      FROM workflow.executions AS e
      WHERE e.status = 'pending' AND e.start_at IS NULL AND NOT e.limited
      UNION ALL
      SELECT NULL, e.id, e.workflow, e.version, e.tenant, e.priority, e.role, e.created_at, e.start_at, e.limited, e.pauses
      FROM workflow.executions AS e
      WHERE e.status = 'pending' AND e.limited
      UNION ALL
      SELECT NULL, e.id, e.workflow, e.version, e.tenant, e.priority, e.role, e.created_at, e.start_at, e.limited, e.pauses
      FROM workflow.executions AS e
      WHERE e.status = 'pending' AND e.start_at IS NOT NULL AND NOT e.limited) AS q
WHERE pg_has_role(q.role::oid, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
   OR q.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w);
COMMENT ON VIEW workflow.queue IS
'executions that wait to be run: those in the queue, of each role in the order in which they will '
'be, then those that wait for room, then those that are deferred; with LIMIT only so many are read';
COMMENT ON COLUMN workflow.queue.position IS
'place in the queue of its role, from 1, roles take turns; null: waits for room under a limit, or '
'deferred with start_at, and run when that has come';
COMMENT ON COLUMN workflow.queue.execution_id IS 'number of the execution';
COMMENT ON COLUMN workflow.queue.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.queue.version IS 'version of the workflow';
COMMENT ON COLUMN workflow.queue.tenant IS 'label given to start()';
COMMENT ON COLUMN workflow.queue.priority IS 'higher ones are run first';
COMMENT ON COLUMN workflow.queue.role IS 'role that started it';
COMMENT ON COLUMN workflow.queue.created_at IS 'when start() was called';
COMMENT ON COLUMN workflow.queue.start_at IS 'not to be run before; null: at once';
COMMENT ON COLUMN workflow.queue.limited IS
'over a limit when its turn came (max_running, workflow.max_running_per_tenant), and waiting for '
'room: others overtake it';
COMMENT ON COLUMN workflow.queue.waiting IS
'how long it has waited since it could be run, was resumed or retried; negative: how long until '
'then; null: for ever';

CREATE VIEW workflow.queue_depth WITH (security_barrier) AS
SELECT e.workflow,
       e.tenant,
       e.priority,
       count(*) FILTER (WHERE e.start_at IS NULL OR e.start_at <= now()) AS waiting,
       count(*) FILTER (WHERE e.start_at > now()) AS deferred,
       now() - min(GREATEST(e.created_at, e.start_at, upper(e.pauses))) FILTER (WHERE e.start_at IS NULL OR e.start_at <= now()) AS oldest_wait,
       min(e.start_at) FILTER (WHERE e.start_at > now()) AS next_start_at
FROM (SELECT p.workflow, p.tenant, p.priority, p.role, p.created_at, p.start_at, p.pauses FROM workflow.executions AS p
      WHERE p.status = 'pending' AND p.start_at IS NULL AND NOT p.limited
      UNION ALL
      SELECT p.workflow, p.tenant, p.priority, p.role, p.created_at, p.start_at, p.pauses FROM workflow.executions AS p
      WHERE p.status = 'pending' AND p.limited
      UNION ALL
      SELECT p.workflow, p.tenant, p.priority, p.role, p.created_at, p.start_at, p.pauses FROM workflow.executions AS p
      WHERE p.status = 'pending' AND p.start_at IS NOT NULL AND NOT p.limited) AS e
WHERE pg_has_role(e.role::oid, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
   OR e.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w)
GROUP BY e.workflow, e.tenant, e.priority;
COMMENT ON VIEW workflow.queue_depth IS
'how many executions wait to be run, and for how long, by workflow, tenant and priority';
COMMENT ON COLUMN workflow.queue_depth.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.queue_depth.tenant IS 'label given to start()';
COMMENT ON COLUMN workflow.queue_depth.priority IS 'priority of the executions';
COMMENT ON COLUMN workflow.queue_depth.waiting IS 'number of those that could be run';
COMMENT ON COLUMN workflow.queue_depth.deferred IS 'number of those whose start_at has not come';
COMMENT ON COLUMN workflow.queue_depth.oldest_wait IS 'how long the first of them has waited';
COMMENT ON COLUMN workflow.queue_depth.next_start_at IS 'when the first deferred one is due';

CREATE FUNCTION workflow.scheduler_state(
    OUT pid integer,
    OUT executions integer,
    OUT max_running integer,
    OUT ready_since timestamptz,
    OUT no_workers_since timestamptz,
    OUT unanswered_since timestamptz,
    OUT failing_since timestamptz,
    OUT failures integer,
    OUT again_since timestamptz,
    OUT again text)
RETURNS record
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_scheduler_state';
COMMENT ON FUNCTION workflow.scheduler_state() IS
'what why() and alerts are made of: how the scheduler of this database is doing, from shared '
'memory. pid: its process; executions: under way; max_running: its workflow.max_running, null: '
'none; ready_since: since when a run waits for an executor; no_workers_since: since when no '
'background worker is to be had; unanswered_since: since when it was woken and has not looked; '
'failing_since: since when one scheduler after the other ends with an error; failures: how many '
'have; again_since: since when transactions of the engine fail through nobody''s fault and are '
'done again; again: what the last of them said; nulls: nothing of that';

/*
 * Numbers only, so of all roles: the scheduler's is.  Those of the last seconds it may be
 * about to count.
 */
CREATE VIEW workflow.left_executions WITH (security_barrier) AS
SELECT r.count - s.executions AS count, s.executions AS known, s.pid AS scheduler_pid
FROM workflow.scheduler_state() AS s,
     (SELECT count(*) AS count FROM workflow.executions AS e
      WHERE e.status IN ('running', 'cancelling')
        AND GREATEST(e.started_at, e.start_at, e.retried_at, upper(e.pauses)) < clock_timestamp() - interval '5 s') AS r
/* what it cannot get at, it knows of: a table, or rows that it skips, is locked */
WHERE s.again_since IS NULL
  AND NOT EXISTS (SELECT FROM workflow.locked_tables)
  AND r.count > s.executions + (SELECT count(*) FROM workflow.locked_executions AS k WHERE k.status IN ('running', 'cancelling'));
COMMENT ON VIEW workflow.left_executions IS
'whether more executions are under way by their rows than the scheduler knows of: rows that were '
'loaded after it had begun (pg_restore, COPY), which nobody has told it of. No row: all is well, or '
'there is no scheduler';
COMMENT ON COLUMN workflow.left_executions.count IS 'how many it does not know of';
COMMENT ON COLUMN workflow.left_executions.known IS 'how many it knows of';
COMMENT ON COLUMN workflow.left_executions.scheduler_pid IS
'process of the scheduler: the next one takes up what is there';

/* --- what happened --- */

/* A subquery, because of the barrier: see step_status. */
CREATE VIEW workflow.history WITH (security_barrier) AS
SELECT h.execution_id, h.at, h.event, h.step_id, h.scope, h.loop_label, h.visit, h.attempt, h.detail
FROM (SELECT e.execution_id, e.created_at AS at, 'queued' AS event, NULL::text AS step_id, NULL::text AS scope,
             NULL::text AS loop_label, NULL::integer AS visit, NULL::integer AS attempt, 'by ' || e.role::text AS detail
      FROM workflow.execution_status AS e
      UNION ALL
      SELECT e.execution_id, e.started_at, 'started', NULL, NULL, NULL, NULL, NULL, NULL
      FROM workflow.execution_status AS e WHERE e.started_at IS NOT NULL
      UNION ALL
      SELECT e.execution_id, e.completed_at, e.status, NULL, NULL, NULL, NULL, NULL,
             COALESCE(e.error_type || COALESCE(': ' || (e.error ->> 'message'), ''), e.cancel_reason)
      FROM workflow.execution_status AS e WHERE e.completed_at IS NOT NULL
      UNION ALL
      SELECT s.execution_id, s.started_at, 'step started', s.step_id, s.scope, s.loop_label, s.visit, s.attempt, NULL
      FROM workflow.step_status AS s
      UNION ALL
      SELECT s.execution_id, s.completed_at, 'step ' || s.status, s.step_id, s.scope, s.loop_label, s.visit, s.attempt,
             concat_ws(', ', s.on_failure, s.error_type || COALESCE(': ' || (s.error ->> 'message'), ''))
      FROM workflow.step_status AS s WHERE s.completed_at IS NOT NULL
      UNION ALL
      SELECT i.execution_id, i.at, i.event, NULL, NULL, NULL, NULL, NULL,
             concat_ws(', ', 'by ' || i.cancelled_by, i.error_type || COALESCE(': ' || (i.error ->> 'message'), ''), i.reason,
                       i.times || ' times until ' || i.last_at)
      FROM workflow.interruptions AS i
      UNION ALL
      SELECT a.execution_id, a.at, a.action, CASE a.subject_type WHEN 'step' THEN a.subject END, NULL, NULL, NULL, NULL,
             concat_ws(': ', 'by ' || a.role::text, a.reason)
      FROM workflow.audit_log AS a
           JOIN workflow.execution_status AS e ON e.execution_id = a.execution_id) AS h;
COMMENT ON VIEW workflow.history IS
'all that happened to executions, one row for each change of state; ask for one execution, or a '
'few, ORDER BY at';
COMMENT ON COLUMN workflow.history.execution_id IS 'execution it is about';
COMMENT ON COLUMN workflow.history.at IS 'when it happened';
COMMENT ON COLUMN workflow.history.event IS
'queued, started, recovered, the status it ended with (of one that was retried: each time), step '
'started, step and the status that ended with, or what somebody did to it';
COMMENT ON COLUMN workflow.history.step_id IS 'step it is about; null: the execution as a whole';
COMMENT ON COLUMN workflow.history.scope IS 'where the step runs: empty at the top, else a path';
COMMENT ON COLUMN workflow.history.loop_label IS
'what the iteration it is in is called, of a loop with "label"; null for executions of others';
COMMENT ON COLUMN workflow.history.visit IS 'visit of the step, from 1';
COMMENT ON COLUMN workflow.history.attempt IS 'attempt, from 1';
COMMENT ON COLUMN workflow.history.detail IS 'the error, the reason, or who did it';

/* --- how well it goes --- */

/* Of all roles: a number, and where those who look at the newest begin. */
CREATE VIEW workflow.newest_execution WITH (security_barrier) AS SELECT max(e.id) AS id FROM workflow.executions AS e;
COMMENT ON VIEW workflow.newest_execution IS
'where those begin who look at the newest executions only';
COMMENT ON COLUMN workflow.newest_execution.id IS 'highest number of an execution, of any role';

CREATE FUNCTION workflow.statistics(
    period interval DEFAULT '1 day',
    max_executions integer DEFAULT NULL,
    OUT kind text,
    OUT workflow text,
    OUT name text,
    OUT total bigint,
    OUT completed bigint,
    OUT failed bigint,
    OUT timed_out bigint,
    OUT cancelled bigint,
    OUT stuck bigint,
    OUT retries bigint,
    OUT trips bigint,
    OUT success_rate numeric,
    OUT queue_p50 interval,
    OUT queue_p95 interval,
    OUT queue_p99 interval,
    OUT run_average interval,
    OUT run_p50 interval,
    OUT run_p95 interval,
    OUT run_p99 interval)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 100
SET jit = off
BEGIN ATOMIC
    /*
     * All, or the newest, by their numbers: one after the other by the key, whatever the
     * planner believes.
     */
    WITH executions AS MATERIALIZED (
        SELECT e.workflow, e.tenant, e.status, e.error_type, e.retries, e.queued, e.duration
        FROM workflow.execution_status AS e
        WHERE max_executions IS NULL AND e.completed_at >= now() - period
        UNION ALL
        SELECT e.workflow, e.tenant, e.status, e.error_type, e.retries, e.queued, e.duration
        FROM workflow.newest_execution AS last,
             generate_series(last.id, last.id - max_executions + 1, -1) AS newest (id)
             CROSS JOIN LATERAL (SELECT x.workflow, x.tenant, x.status, x.error_type, x.retries, x.queued, x.duration, x.completed_at
                                 FROM workflow.execution_status AS x WHERE x.execution_id = newest.id OFFSET 0) AS e
        WHERE max_executions IS NOT NULL AND e.completed_at >= now() - period
    ), steps AS MATERIALIZED (
        SELECT s.workflow, s.step_id, s.agent_name, s.status, s.error_type, s.on_failure, s.duration
        FROM workflow.step_status AS s
        WHERE max_executions IS NULL AND s.completed_at >= now() - period AND s.status <> 'skipped'
        UNION ALL
        (SELECT s.workflow, s.step_id, s.agent_name, s.status, s.error_type, s.on_failure, s.duration
        FROM workflow.newest_execution AS last,
             generate_series(last.id, last.id - max_executions + 1, -1) AS newest (id)
             CROSS JOIN LATERAL (SELECT t.workflow, t.step_id, t.agent_name, t.status, t.error_type, t.on_failure, t.duration, t.completed_at
                                 FROM workflow.step_status AS t WHERE t.execution_id = newest.id OFFSET 0) AS s
        WHERE max_executions IS NOT NULL AND s.completed_at >= now() - period AND s.status <> 'skipped'
        LIMIT 20::bigint * max_executions)
    ), figures AS (
        SELECT 'workflow' AS kind, workflow, workflow AS name, status, error_type, retries, queued, duration FROM executions
        UNION ALL
        SELECT 'tenant', NULL, tenant, status, error_type, retries, queued, duration FROM executions WHERE tenant IS NOT NULL
        UNION ALL
        SELECT 'step', workflow, step_id, status, error_type, (on_failure IS NOT DISTINCT FROM 'retried')::integer, NULL, duration FROM steps
        UNION ALL
        SELECT 'agent', NULL, agent_name, status, error_type, (on_failure IS NOT DISTINCT FROM 'retried')::integer, NULL, duration FROM steps WHERE agent_name IS NOT NULL
        UNION ALL
        /* a row that is none of those that ended */
        SELECT 'agent', NULL, a.subject, NULL, NULL, NULL, NULL, NULL FROM workflow.audit_log AS a
        WHERE a.action = 'circuit_breaker_open' AND a.subject_type = 'agent' AND a.at >= now() - period
    )
    SELECT f.kind, f.workflow, f.name,
           count(f.status),
           count(*) FILTER (WHERE f.status = 'completed'),
           count(*) FILTER (WHERE f.status = 'failed'),
           count(*) FILTER (WHERE f.status = 'timed_out'),
           count(*) FILTER (WHERE f.status = 'cancelled'),
           count(*) FILTER (WHERE f.error_type = 'ExecutionStuck'),
           COALESCE(sum(f.retries), 0),
           CASE WHEN f.kind = 'agent' THEN count(*) FILTER (WHERE f.status IS NULL) END,
           round(100.0 * count(*) FILTER (WHERE f.status = 'completed')
                 / NULLIF(count(*) FILTER (WHERE f.status <> 'cancelled'), 0), 1),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY f.queued),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY f.queued),
           percentile_cont(0.99) WITHIN GROUP (ORDER BY f.queued),
           avg(f.duration),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY f.duration),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY f.duration),
           percentile_cont(0.99) WITHIN GROUP (ORDER BY f.duration)
    FROM figures AS f
    GROUP BY f.kind, f.workflow, f.name
    ORDER BY array_position('{workflow,step,agent,tenant}', f.kind), f.workflow, f.name;
END;
COMMENT ON FUNCTION workflow.statistics(interval, integer) IS
'outcomes and times of what ended within the last period: of workflows, their steps (each attempt '
'counts), agents and tenants; trips are openings of an agent''s circuit breaker. success_rate is '
'in percent, of those not cancelled; queue times are from start() to the first executor, run times '
'from there to the end. Reads all that is retained, see prune(); with max_executions only the '
'newest so many, and at most twenty times as many attempts at their steps';

CREATE VIEW workflow.statistics WITH (security_barrier) AS
SELECT s.* FROM workflow.statistics() AS s;
COMMENT ON VIEW workflow.statistics IS 'workflow.statistics() of the last day';
COMMENT ON COLUMN workflow.statistics.kind IS 'workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics.workflow IS
'name of the workflow; null for agents and tenants';
COMMENT ON COLUMN workflow.statistics.name IS 'name of the workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics.total IS
'number of executions, or of attempts at steps, that ended';
COMMENT ON COLUMN workflow.statistics.completed IS 'number of those that completed';
COMMENT ON COLUMN workflow.statistics.failed IS 'number of those that failed';
COMMENT ON COLUMN workflow.statistics.timed_out IS 'number of those that timed out';
COMMENT ON COLUMN workflow.statistics.cancelled IS 'number of those that were cancelled';
COMMENT ON COLUMN workflow.statistics.stuck IS
'number of those that did not stop when they were to: attempts at steps, or executions that ended '
'with the error ExecutionStuck';
COMMENT ON COLUMN workflow.statistics.retries IS
'steps and agents: attempts that were followed by another; workflows and tenants: how often '
'retry() let an execution go on';
COMMENT ON COLUMN workflow.statistics.trips IS
'agents: how often the circuit breaker has opened; null: has none of its own';
COMMENT ON COLUMN workflow.statistics.success_rate IS
'completed ones, percent of those not cancelled';
COMMENT ON COLUMN workflow.statistics.queue_p50 IS
'time from start() to the first executor: half waited no longer';
COMMENT ON COLUMN workflow.statistics.queue_p95 IS
'time from start() to the first executor: 95 per cent waited no longer';
COMMENT ON COLUMN workflow.statistics.queue_p99 IS
'time from start() to the first executor: 99 per cent waited no longer';
COMMENT ON COLUMN workflow.statistics.run_average IS
'average time from the first executor to the end';
COMMENT ON COLUMN workflow.statistics.run_p50 IS
'time from the first executor to the end: half took no longer';
COMMENT ON COLUMN workflow.statistics.run_p95 IS
'time from the first executor to the end: 95 per cent took no longer';
COMMENT ON COLUMN workflow.statistics.run_p99 IS
'time from the first executor to the end: 99 per cent took no longer';

/* Containers whose children run side by side, with what became of these. */
CREATE VIEW workflow.blocks WITH (security_barrier) AS
SELECT b.execution_id,
       b.workflow,
       b.step_id,
       b.scope,
       b.visit,
       b.status,
       b.started_at,
       b.completed_at,
       b.duration,
       c.total_tasks,
       c.successful_tasks,
       c.failed_tasks,
       c.task_time,
       CASE WHEN extract(epoch FROM b.duration) > 0
            THEN round(extract(epoch FROM c.task_time) / extract(epoch FROM b.duration), 2) ELSE 1.0 END AS speedup,
       c.longest_task,
       e.parallel AND NOT e.inline AS parallel
FROM workflow.step_status AS b
     JOIN workflow.executions AS e ON e.id = b.execution_id
     CROSS JOIN LATERAL workflow.scope_children(b.scope, b.step_id, b.visit,
                                                b.step_type = 'loop') AS r
     CROSS JOIN LATERAL (
         SELECT count(*) AS total_tasks,
                count(*) FILTER (WHERE t.outcome = 'completed' AND t.status NOT IN ('failed', 'timed_out')) AS successful_tasks,
                count(*) FILTER (WHERE t.status IN ('failed', 'timed_out')) AS failed_tasks,
                COALESCE(sum(t.ended - t.began), '0') AS task_time,
                COALESCE(max(t.ended - t.began), '0') AS longest_task
         FROM (SELECT s.scope, max(s.scope_outcome) AS outcome,
                      max(s.status) FILTER (WHERE s.scope_outcome IS NOT NULL) AS status, min(s.started_at) AS began, max(s.completed_at) AS ended
               FROM workflow.step_executions AS s
               WHERE s.execution_id = b.execution_id
                 AND s.parent_step_id = b.step_id
                 AND s.scope >= r.first COLLATE "C"
                 AND s.scope < r.behind COLLATE "C"
               GROUP BY s.scope
               HAVING max(s.scope_outcome) <> 'skipped') AS t) AS c
WHERE b.step_type IN ('parallel', 'fork_join')
   OR b.step_type = 'loop' AND b.loop_execution_mode = 'parallel';
COMMENT ON VIEW workflow.blocks IS
'containers whose children may run side by side: how many children ended and how, and what running '
'them side by side gained; ask for one execution, or a few';
COMMENT ON COLUMN workflow.blocks.execution_id IS 'execution the container belongs to';
COMMENT ON COLUMN workflow.blocks.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.blocks.step_id IS 'id of the container';
COMMENT ON COLUMN workflow.blocks.scope IS 'where it is: empty at the top, else a path';
COMMENT ON COLUMN workflow.blocks.visit IS 'visit of the container, from 1';
COMMENT ON COLUMN workflow.blocks.status IS 'running while it is open';
COMMENT ON COLUMN workflow.blocks.started_at IS 'when it was opened';
COMMENT ON COLUMN workflow.blocks.completed_at IS 'when it was closed';
COMMENT ON COLUMN workflow.blocks.duration IS
'how long it was open, so far if it still is, pauses not counted';
COMMENT ON COLUMN workflow.blocks.total_tasks IS
'number of children that have begun and were not skipped';
COMMENT ON COLUMN workflow.blocks.successful_tasks IS 'number of those that completed';
COMMENT ON COLUMN workflow.blocks.failed_tasks IS
'number of those that failed or timed out, also where on_failure put a default in place of the '
'output';
COMMENT ON COLUMN workflow.blocks.task_time IS 'sum of the times the children took';
COMMENT ON COLUMN workflow.blocks.speedup IS
'task_time / duration, measured; 1.0 for a duration of 0';
COMMENT ON COLUMN workflow.blocks.longest_task IS
'time of the child that took longest: its container cannot take less, and the speedup be no more '
'than task_time / longest_task';
COMMENT ON COLUMN workflow.blocks.parallel IS
'its children could run side by side: not in execute(), nor with workflow.parallel = off';

CREATE FUNCTION workflow.metrics(execution_id bigint)
RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
    /* what retry() has set aside does not count, nor do compensations; a phase is a step of the
       top with all that is in it */
    WITH execution AS (
        SELECT * FROM workflow.execution_status AS e WHERE e.execution_id = metrics.execution_id
    ), step AS MATERIALIZED (
        SELECT s.*,
               CASE s.scope WHEN '' THEN s.step_id
               ELSE COALESCE((workflow.scope_level(s.scope, 1)).step_id, s.scope) END AS phase
        FROM workflow.step_status AS s
        WHERE s.execution_id = metrics.execution_id AND s.status <> 'skipped' AND s.scope !~ '^~'
          AND NOT EXISTS (SELECT FROM workflow.compensations AS c
                          WHERE c.execution_id = metrics.execution_id AND c.compensation = s.step_id)
    ), leaf AS (
        SELECT s.*, bool_or(s.step_type = 'agent') OVER () AS has_agents,
               bool_or(s.phase = 'agents' AND s.scope <> '') OVER () AS has_phase
        FROM step AS s
        WHERE s.step_type IN ('agent', 'sql', 'external') AND s.on_failure IS DISTINCT FROM 'retried'
    ), figures AS (
        SELECT count(*) FILTER (WHERE l.is_agent) AS total,
               count(*) FILTER (WHERE l.is_agent AND l.status = 'completed') AS completed,
               count(*) FILTER (WHERE l.is_agent AND l.status IN ('failed', 'timed_out')) AS failed,
               COALESCE(sum(extract(epoch FROM l.duration)), 0) AS time
        FROM (SELECT leaf.*, CASE WHEN has_phase THEN phase = 'agents'
                                  WHEN has_agents THEN step_type = 'agent' ELSE true END AS is_agent
              FROM leaf) AS l
    ), phases AS (
        SELECT jsonb_object_agg(p.phase, p.time) AS times,
               jsonb_object_agg(p.phase, p.figures) AS figures
        FROM (SELECT s.phase,
                     round(sum(extract(epoch FROM s.duration)) FILTER (WHERE s.scope = ''), 3) AS time,
                     (SELECT jsonb_build_object(
                                 'steps', count(*),
                                 'completed', count(*) FILTER (WHERE l.status = 'completed'),
                                 'failed', count(*) FILTER (WHERE l.status IN ('failed', 'timed_out')),
                                 'success_rate', round(100.0 * count(*) FILTER (WHERE l.status = 'completed')
                                                       / NULLIF(count(*), 0), 1))
                      FROM leaf AS l WHERE l.phase = s.phase) AS figures
              FROM step AS s
              GROUP BY s.phase) AS p
    ), stuck AS (
        SELECT count(*) AS attempts FROM step AS s WHERE s.error_type = 'ExecutionStuck'
    ), parallel AS (
        SELECT jsonb_object_agg('parallel_' || b.step_id, jsonb_build_object(
                   'duration_ms', b.ms, 'successful_tasks', b.ok, 'failed_tasks', b.bad,
                   'speedup_vs_sequential', CASE WHEN b.ms > 0 THEN round(b.tasks / b.ms, 2) ELSE 1.0 END)) AS blocks
        FROM (SELECT step_id, round(sum(extract(epoch FROM duration)) * 1000, 3) AS ms,
                     round(sum(extract(epoch FROM task_time)) * 1000, 3) AS tasks,
                     sum(successful_tasks) AS ok, sum(failed_tasks) AS bad
              FROM workflow.blocks AS b WHERE b.execution_id = metrics.execution_id GROUP BY step_id) AS b
    )
    SELECT jsonb_build_object(
               'execution_id', e.execution_id,
               'status', e.status,
               'total_agents', f.total,
               'completed_agents', f.completed,
               'failed_agents', f.failed,
               'stuck_attempts', u.attempts,
               'success_rate', round(100.0 * f.completed / NULLIF(f.total, 0), 1),
               'queue_time', round(extract(epoch FROM e.queued), 3),
               'total_time', round(extract(epoch FROM e.duration), 3),
               'phase_times', COALESCE(p.times, '{}'),
               'phases', COALESCE(p.figures, '{}'),
               'speedup_factor', CASE WHEN extract(epoch FROM e.duration) > 0
                                      THEN round(f.time / extract(epoch FROM e.duration), 2) ELSE 1.0 END)
           || COALESCE(b.blocks, '{}')
    FROM execution AS e, figures AS f, phases AS p, stuck AS u, parallel AS b;
END;
COMMENT ON FUNCTION workflow.metrics(bigint) IS
'figures of one execution: total_agents, completed_agents, failed_agents and success_rate in '
'percent (of the steps in the phase "agents", a step of the top with children, where there is one; '
'else of the steps of type agent; else of all that run SQL; the last attempt of each counts), '
'stuck_attempts, queue_time and total_time in seconds, phase_times of the steps of the top in '
'seconds, phases with steps, completed, failed and success_rate of each of them, speedup_factor '
'(time of all steps / total time, measured), and for each container whose children run side by '
'side parallel_<step>: duration_ms, successful_tasks, failed_tasks, speedup_vs_sequential. What '
'retry() has set aside does not count. Null for an execution that does not exist or is not the '
'caller''s to see';

/* --- how far it is --- */

CREATE FUNCTION workflow.plan_steps(
    definition_id integer,
    OUT step_id text,
    OUT step_type text,
    OUT parent_step_id text,
    OUT line text,
    OUT longest boolean,
    OUT depth integer,
    OUT open_end boolean)
RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'workflow_plan_steps';
COMMENT ON FUNCTION workflow.plan_steps(integer) IS
'steps of a version of a workflow, by the number it has in workflow.definitions: their types, the '
'container and the line each is in, whether that is the container''s longest line, how deep, and '
'whether it is a loop of which nobody knows how often it will go round (while, until). Error: '
'42704 for an unknown number';

CREATE FUNCTION workflow.progress(execution_id bigint)
RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
    WITH RECURSIVE execution AS (
        SELECT * FROM workflow.execution_status AS e WHERE e.execution_id = progress.execution_id
    ), plan AS (
        SELECT p.* FROM execution AS e, workflow.plan_steps(e.definition_id) AS p
    ), counts AS (
        SELECT s.step_id,
               count(*) FILTER (WHERE s.attempt = 1) AS opened,
               count(*) FILTER (WHERE s.completed_at IS NOT NULL
                                  AND s.on_failure IS DISTINCT FROM 'retried') AS ended,
               sum(s.loop_collection_size) FILTER (WHERE s.attempt = 1) AS size
        FROM workflow.step_status AS s
        WHERE s.execution_id = progress.execution_id
        GROUP BY s.step_id
    ), taken AS (
        SELECT s.step_id, s.branch_taken, count(*) AS times
        FROM workflow.step_status AS s
        WHERE s.execution_id = progress.execution_id AND s.branch_taken IS NOT NULL
        GROUP BY s.step_id, s.branch_taken
    ), expected AS (
        SELECT p.step_id, p.step_type, p.open_end, GREATEST(1, COALESCE(c.opened, 0))::numeric AS times
        FROM plan AS p LEFT JOIN counts AS c ON c.step_id = p.step_id
        WHERE p.parent_step_id IS NULL
        UNION ALL
        SELECT p.step_id, p.step_type, p.open_end,
               CASE x.step_type
                   WHEN 'loop' THEN
                       COALESCE(c.size, GREATEST(o.opened, 1))
                       + GREATEST(x.times - COALESCE(c.opened, 0), 0) * COALESCE(c.size / NULLIF(c.opened, 0), 1)
                       - CASE WHEN c.size IS NULL AND c.opened > 0 THEN 0
                              WHEN c.size IS NULL THEN 1 ELSE 0 END
                   WHEN 'conditional' THEN
                       COALESCE(t.times, 0)
                       + CASE WHEN p.longest THEN GREATEST(x.times - COALESCE(c.opened, 0), 0) ELSE 0 END
                   ELSE x.times
               END
        FROM expected AS x
             JOIN plan AS p ON p.parent_step_id = x.step_id
             LEFT JOIN counts AS c ON c.step_id = x.step_id
             LEFT JOIN counts AS o ON o.step_id = p.step_id
             LEFT JOIN taken AS t ON t.step_id = x.step_id AND t.branch_taken = p.line
    ), figures AS (
        /* the total is not known before the last while or until loop has ended */
        SELECT s.done, CASE WHEN NOT s.open_end OR e.completed_at IS NOT NULL THEN s.total END AS total
        FROM execution AS e,
             (SELECT COALESCE(sum(c.ended) FILTER (WHERE is_leaf), 0) AS done,
                     GREATEST(sum(GREATEST(x.times, COALESCE(c.ended, 0))) FILTER (WHERE is_leaf), 1) AS total,
                     COALESCE(bool_or(x.open_end AND x.times > COALESCE(c.ended, 0)), false) AS open_end
              FROM expected AS x LEFT JOIN counts AS c ON c.step_id = x.step_id,
                   LATERAL (SELECT x.step_type NOT IN ('parallel', 'fork_join', 'conditional', 'loop')) AS t (is_leaf)) AS s
    ), now_running AS (
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('step_id', a.step_id, 'scope', NULLIF(a.scope, ''),
                                                             'iteration', a.iteration, 'label', a.loop_label, 'attempt', a.attempt,
                                                             'seconds', round(extract(epoch FROM a.elapsed), 3)))
                         ORDER BY a.scope, a.step_id) AS steps
        FROM workflow.activity AS a
        WHERE a.execution_id = progress.execution_id
    ), past AS (
        SELECT avg(h.duration) AS duration
        FROM (SELECT h.duration
              FROM execution AS e, workflow.execution_status AS h
              WHERE h.execution_id < e.execution_id AND h.execution_id > e.execution_id - 10000
                AND h.workflow = e.workflow AND h.status = 'completed'
              ORDER BY h.execution_id DESC LIMIT 20) AS h
    )
    SELECT jsonb_build_object(
               'execution_id', e.execution_id,
               'workflow', e.workflow,
               'status', e.status,
               'done', f.done,
               'total', CASE WHEN e.status = 'completed' THEN f.done ELSE round(f.total) END,
               'percent', CASE WHEN e.status = 'completed' THEN 100
                               WHEN f.total IS NULL AND p.duration IS NULL THEN NULL
                               WHEN f.total IS NOT NULL THEN LEAST(99, floor(100.0 * f.done / f.total))
                               ELSE LEAST(99, floor(100.0 * extract(epoch FROM e.duration)
                                                    / NULLIF(extract(epoch FROM p.duration), 0))) END,
               'current_steps', COALESCE(r.steps, '[]'),
               'message', e.status || CASE WHEN e.status = 'completed' THEN ': ' || f.done || ' steps'
                                           ELSE ': ' || f.done || COALESCE(' of ' || round(f.total), '') || ' steps' END,
               'elapsed_seconds', round(extract(epoch FROM e.duration), 3),
               'expected_end', CASE WHEN e.status IN ('running', 'cancelling') THEN
                   CASE WHEN p.duration > e.duration THEN clock_timestamp() - e.duration + p.duration
                        WHEN f.done > 0 THEN clock_timestamp() - e.duration + e.duration * (f.total / f.done)::double precision END END)
    FROM execution AS e, figures AS f, now_running AS r, past AS p;
END;
COMMENT ON FUNCTION workflow.progress(bigint) IS
'how far an execution is: status, done and total (steps that are no containers; the total is an '
'estimate until all loops and branches are known, and null while a while or until loop is to come '
'or runs), percent (100 only when completed; where there is no total, of the time the last '
'completed executions took, null when there are none), current_steps, message, elapsed_seconds, '
'and expected_end, from the last completed executions of the workflow or, when it has outlived '
'those, from its own speed. Null for an execution that does not exist or is not the caller''s to '
'see';
