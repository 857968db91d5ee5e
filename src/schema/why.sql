/*
 * Why an execution does not go on, or how it has ended.
 *
 * Everything is derived from the views, when it is asked for, so that a role is
 * told what these show it.
 */

CREATE FUNCTION workflow.no_workers(role oid, OUT reason text, OUT detail text, OUT help text, OUT since timestamptz)
RETURNS record
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_no_workers';
COMMENT ON FUNCTION workflow.no_workers(oid) IS
'what why() is made of: what keeps workers from running executions of a role in this database (not '
'preloaded, standby, scheduler fails, no scheduler, disabled, replica, role), what helps, and '
'since when that is so; nulls: nothing does';

/*
 * The answers are in parts: it has ended, somebody has stopped it, it waits, it runs.  A
 * new reason is a SELECT in the part it belongs to and a row in
 * docs/troubleshooting.md, which test/t/067_why.pl reads: each has a test, and an alert.
 */
CREATE FUNCTION workflow.reasons(
    execution_id bigint,
    OUT reason text,
    OUT step_id text,
    OUT since timestamptz,
    OUT detail text,
    OUT help text)
RETURNS SETOF record
LANGUAGE sql VOLATILE STRICT PARALLEL RESTRICTED ROWS 3
SET jit = off  -- it looks expensive and is not: compiling took a hundred times as long
BEGIN ATOMIC
    WITH e AS MATERIALIZED (
        SELECT s.*, s.status IN ('pending', 'running', 'waiting', 'cancelling') AS wants_to_run,
               s.error ->> 'step_id' AS error_step
        FROM workflow.execution_status AS s WHERE s.execution_id = reasons.execution_id
    ), activity AS MATERIALIZED (
        SELECT a.* FROM e, workflow.activity AS a
        WHERE a.execution_id = e.execution_id AND a.step_id IS NOT NULL AND e.completed_at IS NULL
    ), frozen AS MATERIALIZED (
        /* who has given no sign of life since then */
        SELECT clock_timestamp() - CASE WHEN s.value < '0' THEN '1 minute' ELSE s.value END AS since
        FROM (SELECT current_setting('workflow.alert_frozen', true)::interval AS value) AS s
    ), at_work AS MATERIALIZED (
        /* its executors, wherever in a run of it they stand: some are at a step */
        SELECT x.pid, x.state, x.last_heartbeat, a.step_id, a.scope, a.loop_label, a.started_at,
               p.wait_event_type, p.wait_event, x.last_heartbeat < f.since AS frozen
        FROM e CROSS JOIN frozen AS f CROSS JOIN LATERAL workflow.executors_of(e.execution_id) AS x
             LEFT JOIN activity AS a ON a.executor_pid = x.pid
             LEFT JOIN pg_catalog.pg_stat_activity AS p ON p.pid = x.pid
        WHERE e.completed_at IS NULL
    ), steps AS MATERIALIZED (
        SELECT s.step_id, s.scope, s.visit, s.attempt, s.status, s.agent_name, s.on_failure, s.error_type,
               s.completed_at, s.retry_at, concat_ws(': ', s.error_type, s.error ->> 'message') AS message, s.loop_label
        FROM workflow.step_status AS s  -- by the parameter: a plan for any execution must not read all of them
        WHERE s.execution_id = reasons.execution_id AND s.error_type IS NOT NULL AND s.scope !~ '^~'
    ), undone AS MATERIALIZED (
        SELECT c.* FROM workflow.compensations AS c WHERE c.execution_id = reasons.execution_id
    ), retries AS MATERIALIZED (
        SELECT s.* FROM e, steps AS s
        WHERE s.retry_at > clock_timestamp() AND e.wants_to_run
          /* the next attempt at a container is another visit */
          AND NOT EXISTS (SELECT FROM workflow.step_status AS n
                          WHERE n.execution_id = reasons.execution_id AND n.scope = s.scope AND n.step_id = s.step_id
                            AND n.visit >= s.visit AND n.attempt > s.attempt)
        ORDER BY s.retry_at LIMIT 10
    ), timers AS MATERIALIZED (
        SELECT s.step_id, s.scope, s.started_at, s.retry_at, s.loop_label
        FROM e, workflow.step_status AS s
        WHERE s.execution_id = reasons.execution_id AND s.status = 'waiting'
          AND s.retry_at > clock_timestamp() AND s.scope !~ '^~' AND e.wants_to_run
        ORDER BY s.retry_at LIMIT 10
    ), held AS MATERIALIZED (
        SELECT m.* FROM e, workflow.marked_steps AS m
        WHERE m.execution_id = reasons.execution_id AND m.mark = 'hold' AND e.wants_to_run
    ), expected AS MATERIALIZED (
        /* it waits for what is said to be waited for */
        SELECT r.step_id FROM retries AS r
        UNION ALL
        SELECT t.step_id FROM timers AS t
        UNION ALL
        SELECT h.step_id FROM held AS h
    ), scheduler AS MATERIALIZED (
        SELECT s.*, s.executions >= s.max_running AS full, s.unanswered_since < f.since AS frozen
        FROM workflow.scheduler_state() AS s, frozen AS f
    ), missing AS MATERIALIZED (
        SELECT n.reason, n.since,
               CASE WHEN n.reason = 'role' AND workflow.role_missing(e.role) THEN format('there is no such role: %s', e.role) ELSE n.detail END AS detail,
               CASE WHEN n.reason = 'role' AND workflow.role_missing(e.role)
                    THEN format('-- SELECT workflow.reassign_owned(%L, ''..'')', e.role::text) ELSE n.help END AS help
        FROM e, workflow.no_workers(e.role::oid) AS n WHERE e.wants_to_run AND n.reason IS NOT NULL
        UNION ALL
        SELECT 'frozen', s.unanswered_since, format('the scheduler (process %s) has given no sign of life since it was woken', s.pid),
               format('-- on the machine of the server: kill -CONT %s', s.pid)
        FROM e, scheduler AS s WHERE e.wants_to_run AND s.frozen
    ), executors AS MATERIALIZED (
        SELECT n.*, n.busy >= n.most OR n.here >= n.most_here OR r.busy >= r.most OR s.no_workers_since IS NOT NULL AS exhausted,
               CASE WHEN s.no_workers_since IS NOT NULL
                    THEN format('no background worker is to be had since %s: max_worker_processes is %s',
                                date_trunc('second', s.no_workers_since), current_setting('max_worker_processes'))
                    WHEN r.busy >= r.most
                    THEN format('%s of %s executors of role %s are busy (its max_executors, or its CONNECTION LIMIT)', r.busy, r.most, r.role)
                    WHEN n.here >= n.most_here
                    THEN format('%s of %s executors of the database are busy (workflow.max_executors_per_database)', n.here, n.most_here)
                    ELSE format('%s of %s executors are busy', n.busy, n.most) END AS detail,
               CASE WHEN s.no_workers_since IS NOT NULL
                    THEN format('ALTER SYSTEM SET max_worker_processes = %s -- and restart the server', current_setting('max_worker_processes')::integer + 8)
                    ELSE 'SELECT * FROM workflow.activity ORDER BY elapsed DESC' END AS help
        FROM scheduler AS s,
             (SELECT count(*) FILTER (WHERE x.state <> 'idle') AS busy,
                     count(*) FILTER (WHERE x.state <> 'idle' AND x.database = current_database()) AS here,
                     current_setting('workflow.max_executors', true)::bigint AS most,
                     NULLIF(current_setting('workflow.max_executors_per_database', true)::bigint, 0) AS most_here
              FROM workflow.executors AS x) AS n
             LEFT JOIN LATERAL (
                 SELECT e.role,
                        LEAST(NULLIF(p.rolconnlimit, -1),
                              (SELECT l.max_executors FROM workflow.role_limits AS l
                               WHERE (l.role::oid = e.role::oid OR l.role IS NULL) AND l.max_executors IS NOT NULL
                               ORDER BY l.role IS NULL LIMIT 1)) AS most,
                        (SELECT count(*) FROM workflow.executors AS x
                         WHERE x.state <> 'idle' AND x.database = current_database() AND x.role = p.rolname) AS busy
                 FROM e JOIN pg_catalog.pg_roles AS p ON p.oid = e.role::oid AND NOT p.rolsuper) AS r ON true
    ), silent AS MATERIALIZED (
        /* executors it waits for that give no sign of life: they have a run of it, or, where none
           has, they are to come for its role, or keep the places */
        SELECT w.pid, w.last_heartbeat FROM at_work AS w WHERE w.frozen AND w.step_id IS NULL
        UNION
        SELECT x.pid, x.last_heartbeat
        FROM e CROSS JOIN frozen AS f CROSS JOIN executors AS n
             JOIN workflow.executors AS x ON x.last_heartbeat < f.since
        WHERE e.wants_to_run AND NOT e.limited AND COALESCE(e.start_at <= clock_timestamp(), true)
          AND NOT EXISTS (SELECT FROM at_work) AND NOT EXISTS (SELECT FROM expected)
          AND CASE x.state
                  WHEN 'starting' THEN x.database = current_database() AND x.role = pg_get_userbyid(e.role::oid)
                       AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE l.pid = x.pid AND NOT l.granted)
                  ELSE x.state IN ('busy', 'draining') AND n.exhausted END
    ), locked AS MATERIALIZED (
        /* tables, where it stands at no step, or at one that waits for them.  Without some of them
           everything goes on */
        SELECT DISTINCT ON (k.pid, k.prepared_transaction)
               CASE WHEN s.again_since IS NULL AND k.table_name IN (
                        'executor_history', 'audit_entries', 'dead_letters', 'breakers', 'database_state',
                        'statistics_days', 'statistics_state', 'schedule_run_entries') THEN 3 ELSE 0 END AS rank,
               k.since, k.detail, k.help
        FROM e CROSS JOIN scheduler AS s CROSS JOIN workflow.locked_tables AS k
        WHERE e.wants_to_run AND COALESCE(e.start_at <= clock_timestamp(), true)
          AND NOT EXISTS (SELECT FROM at_work AS w
                          WHERE w.step_id IS NOT NULL
                            AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l
                                                 JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
                                            WHERE l.pid = w.pid AND NOT l.granted AND c.relnamespace = 'workflow'::regnamespace))
          AND NOT EXISTS (SELECT FROM expected)
        ORDER BY k.pid, k.prepared_transaction, 1, k.granted DESC, k.relation <> k.table_name, k.relation
    ), answers AS (
        SELECT 0 AS rank, 'unknown' AS reason, NULL::text AS step_id, NULL::timestamptz AS since,
               'there is no such execution, or it is another role''s' AS detail,
               'SELECT execution_id, workflow, status FROM workflow.execution_status ORDER BY execution_id DESC LIMIT 10' AS help
        WHERE NOT EXISTS (SELECT FROM e)

        /* --- it has ended --- */
        UNION ALL
        SELECT 1, 'completed', NULL, e.completed_at, NULL, NULL FROM e WHERE e.status = 'completed'
        UNION ALL
        SELECT 1, replace(e.status, '_', ' '), e.error_step, e.completed_at,
               concat_ws('; ', concat_ws(': ', e.error_type, e.error ->> 'message'), e.error ->> 'detail', e.error ->> 'hint'),
               CASE
                   WHEN h.help LIKE '--%' THEN h.help
                   WHEN e.error_type = 'CircuitBreakerOpen' AND h.help LIKE 'SELECT workflow.retry(%' THEN
                       (SELECT format('SELECT workflow.reset_breaker(%L, role => %L), workflow.retry(%s)', s.agent_name, e.role, e.execution_id)
                        FROM steps AS s WHERE s.agent_name IS NOT NULL AND s.error_type = 'CircuitBreakerOpen' LIMIT 1)
                   WHEN e.error_type = 'CrashLoop' THEN '-- look into the server log; then ' || h.help
                   ELSE '-- mend the cause; then ' || h.help END
        FROM e, workflow.retry_help(e.execution_id) AS h (help) WHERE e.status IN ('failed', 'timed_out')
        UNION ALL
        SELECT 1, 'cancelled', NULL, COALESCE(e.cancelled_at, e.completed_at),
               concat_ws(': ', 'by ' || e.cancelled_by::text, e.cancel_reason), workflow.retry_help(e.execution_id)
        FROM e WHERE e.status = 'cancelled'
        UNION ALL
        (SELECT 2, 'step ' || replace(s.status, '_', ' '), concat_ws('/', NULLIF(s.scope, ''), s.step_id), s.completed_at,
                concat_ws(': ', s.loop_label, concat_ws(', ', s.on_failure, s.message)),
                format('SELECT * FROM workflow.step_status WHERE execution_id = %s AND step_id = %L', reasons.execution_id, s.step_id)
         FROM e, steps AS s
         WHERE e.completed_at IS NOT NULL AND s.status IN ('failed', 'timed_out') AND s.on_failure IS DISTINCT FROM 'retried'
           AND (s.scope <> '' OR s.step_id IS DISTINCT FROM e.error_step)
           AND NOT EXISTS (SELECT FROM undone AS c WHERE c.compensation = s.step_id)
         ORDER BY s.completed_at DESC LIMIT 5)
        UNION ALL
        (SELECT 3, 'not undone', concat_ws('/', NULLIF(c.scope, ''), c.step_id), c.compensation_completed_at,
                concat_ws(': ', c.compensation || ' ' || replace(c.status, '_', ' '), c.error_type, c.error ->> 'message'),
                format('SELECT * FROM workflow.compensations WHERE execution_id = %s', reasons.execution_id)
         FROM undone AS c
         WHERE c.status NOT IN ('completed', 'skipped', 'pending') LIMIT 5)
        UNION ALL
        (SELECT 3, 'erased', NULL, a.at, concat_ws(': ', 'by ' || a.role::text, a.reason), NULL
         FROM workflow.audit_log AS a WHERE a.execution_id = reasons.execution_id AND a.action = 'erase'
         ORDER BY a.at DESC LIMIT 1)
        UNION ALL
        SELECT 3, 'dead letter', NULL, d.last_failed_at, 'waits for somebody to decide',
               workflow.replay_help(d.dead_letter_id)
        FROM workflow.dead_letter_status AS d WHERE d.execution_id = reasons.execution_id AND d.status = 'pending'

        /* --- somebody has stopped it --- */
        UNION ALL
        SELECT 1, 'paused', NULL, e.paused_at,
               concat_ws(': ', 'by ' || e.paused_by::text, e.pause_reason) || COALESCE('; fails at ' || e.paused_until, ''),
               format('SELECT workflow.resume(%s)', e.execution_id)
        FROM e WHERE e.status = 'paused'
        UNION ALL
        SELECT 1, 'blocked', NULL, b.blocked_at,
               concat_ws(': ', 'workflow ' || e.workflow || COALESCE(', by ' || b.blocked_by::text, ', automatically'), b.reason),
               format('SELECT workflow.unblock(%L)', e.workflow)
        FROM e LEFT JOIN workflow.blocked_workflows AS b ON b.workflow = e.workflow AND b.unblocked_at IS NULL AND (b.role IS NULL OR b.role = e.role)
        WHERE e.status = 'blocked'
        UNION ALL
        SELECT 1, 'cancelling', NULL, e.cancelled_at, concat_ws(': ', 'by ' || e.cancelled_by::text, e.cancel_reason),
               CASE WHEN EXISTS (SELECT FROM activity)
                    THEN format('SELECT workflow.recycle_executor(executor_pid) FROM workflow.activity WHERE execution_id = %s', e.execution_id) END
        FROM e WHERE e.status = 'cancelling'
        UNION ALL
        SELECT 2, 'ending', NULL, NULL, 'compensations and the on_failure chain are run; then it will be ' || replace(e.ending, '_', ' '),
               format('SELECT * FROM workflow.compensations WHERE execution_id = %s', e.execution_id)
        FROM e WHERE e.ending IS NOT NULL
        UNION ALL
        SELECT 0, 'drained', NULL, d.drained_at, concat_ws(': ', 'mode ' || d.mode || ', by ' || d.drained_by::text, d.reason),
               'SELECT workflow.undrain()'
        FROM e, workflow.drain_status AS d
        WHERE e.status IN ('pending', 'waiting') OR (e.wants_to_run AND d.mode = 'steps')

        /* --- it waits --- */
        UNION ALL
        SELECT 0, n.reason, NULL, n.since, n.detail, n.help FROM missing AS n
        UNION ALL
        SELECT 0, 'row locked', NULL, k.since,
               'what is to be done with it waits for ' || h.name, h.help
        FROM workflow.locked_executions AS k CROSS JOIN LATERAL workflow.lock_holder(k.pid, k.prepared_transaction) AS h
        WHERE k.execution_id = reasons.execution_id AND k.pid IS DISTINCT FROM (SELECT c.pid FROM scheduler AS c)
        UNION ALL
        SELECT k.rank, 'table locked', NULL, k.since, k.detail, k.help FROM locked AS k
        UNION ALL
        SELECT 0, 'frozen', NULL, x.last_heartbeat,
               format('process %s, an executor it waits for, has given no sign of life since %s', x.pid, date_trunc('second', x.last_heartbeat)),
               format('-- on the machine of the server: kill -CONT %s', x.pid)
        FROM silent AS x
        UNION ALL
        SELECT 0, 'done again', NULL, s.again_since,
               'transactions of the engine, or starts of its executors, fail through no fault of the execution''s, and are done again until they succeed: ' || s.again,
               '-- mend the cause, which is in the server log'
        FROM e, scheduler AS s
        WHERE e.wants_to_run AND s.again_since IS NOT NULL AND NOT EXISTS (SELECT FROM activity) AND NOT EXISTS (SELECT FROM locked)
          AND COALESCE(e.start_at <= clock_timestamp(), true)
        UNION ALL
        SELECT 1, 'deferred', NULL, e.created_at,
               CASE WHEN q.execution_id IS NULL THEN format('not before %s', e.start_at)
                    ELSE format('%s of at most %s executions of schedule %s have not ended', q.running, q.max_concurrent_runs, q.schedule) END,
               CASE WHEN q.first_status = 'paused' THEN format('SELECT workflow.resume(%s)', q.first_execution_id)
                    WHEN q.first_status IS NOT NULL THEN format('SELECT * FROM workflow.why(%s)', q.first_execution_id)
                    ELSE format('SELECT workflow.cancel(%s)', e.execution_id) END
        FROM e LEFT JOIN workflow.schedule_queue AS q ON q.execution_id = e.execution_id
        WHERE e.status = 'pending' AND e.start_at > clock_timestamp()
        UNION ALL
        SELECT 1, 'no room', NULL, e.created_at,
               -- a limit that is seen to hold, or else those that may: not all that run may be seen
               concat_ws(' or ', CASE WHEN NOT f.tenant AND NOT f.role
                                      THEN format('%s of workflow %s run (max_running)', n.of_workflow, e.workflow) END,
                         CASE WHEN f.tenant OR (n.max_tenant > 0 AND NOT f.role)
                              THEN format('%s of tenant %s run (workflow.max_running_per_tenant is %s)', n.of_tenant, e.tenant, n.max_tenant) END,
                         CASE WHEN f.role
                              THEN format('%s of role %s run (its max_running is %s)', n.of_role, e.role, n.max_role) END),
               CASE WHEN f.role
                    THEN format('SELECT execution_id, workflow, duration FROM workflow.execution_status WHERE role = %L AND status = %L', e.role, 'running')
                    ELSE format('SELECT execution_id, duration FROM workflow.execution_status WHERE workflow = %L AND status = %L', e.workflow, 'running') END
        FROM e CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE o.workflow = e.workflow) AS of_workflow,
                   count(*) FILTER (WHERE o.tenant = e.tenant) AS of_tenant,
                   count(*) FILTER (WHERE o.role::oid = e.role::oid) AS of_role,
                   (SELECT l.max_running FROM workflow.role_limits AS l
                    WHERE (l.role::oid = e.role::oid OR l.role IS NULL) AND l.max_running IS NOT NULL ORDER BY l.role IS NULL LIMIT 1) AS max_role,
                   CASE WHEN e.tenant IS NOT NULL THEN current_setting('workflow.max_running_per_tenant', true)::integer END AS max_tenant
            FROM workflow.execution_status AS o WHERE o.status IN ('running', 'cancelling')) AS n
            CROSS JOIN LATERAL (SELECT COALESCE(n.max_tenant > 0 AND n.of_tenant >= n.max_tenant, false) AS tenant,
                                       COALESCE(n.of_role >= n.max_role, false) AS role) AS f
        WHERE e.status = 'pending' AND e.limited
        UNION ALL
        SELECT 1, CASE WHEN s.full THEN 'no room' WHEN q.untold THEN 'not taken up' WHEN x.exhausted THEN 'no executor' ELSE 'queued' END,
               NULL, COALESCE(e.start_at, e.created_at),
               concat_ws(', ', 'position ' || q.position, 'priority ' || e.priority,
                         CASE WHEN s.full THEN format('%s executions run in the database (workflow.max_running is %s)', s.executions, s.max_running)
                              WHEN q.untold THEN 'the scheduler knows of nothing that waits: the row was loaded behind its back'
                              WHEN x.exhausted OR NOT EXISTS (SELECT FROM missing) THEN x.detail END),
               CASE WHEN s.full THEN format('SELECT execution_id, workflow, duration FROM workflow.execution_status WHERE status = %L', 'running')
                    WHEN q.untold THEN format('SELECT pg_terminate_backend(%s) -- the next scheduler takes up what is there', s.pid)
                    WHEN x.exhausted THEN x.help
                    ELSE 'SELECT * FROM workflow.queue LIMIT 10' END
        FROM executors AS x, scheduler AS s,
             e LEFT JOIN LATERAL (
                 /* no run waits for an executor, and nothing keeps it from becoming one */
                 SELECT w.position, w.waiting > interval '5 s' AND s.pid IS NOT NULL AND s.ready_since IS NULL
                        AND s.again_since IS NULL AND NOT EXISTS (SELECT FROM locked) AND NOT EXISTS (SELECT FROM silent)
                        AND NOT EXISTS (SELECT FROM workflow.locked_executions AS k WHERE k.execution_id = e.execution_id)
                        AND NOT EXISTS (SELECT FROM missing) AND NOT EXISTS (SELECT FROM workflow.drain_status) AS untold
                 FROM workflow.queue AS w WHERE w.execution_id = e.execution_id) AS q ON true
        WHERE e.status = 'pending' AND NOT e.limited AND COALESCE(e.start_at <= clock_timestamp(), true)
        UNION ALL
        SELECT 2, 'not taken up', concat_ws('/', NULLIF(w.scope, ''), w.step_id), w.until,
               'its time has come, and the scheduler does not know of it: its row was loaded behind its back',
               format('SELECT pg_terminate_backend(%s) -- the next scheduler takes up what is there', s.pid)
        FROM scheduler AS s, workflow.wait_status AS w
        WHERE w.execution_id = reasons.execution_id AND w.overdue > interval '5 s'
          AND s.pid IS NOT NULL AND s.ready_since IS NULL AND s.again_since IS NULL
          AND NOT EXISTS (SELECT FROM locked) AND NOT EXISTS (SELECT FROM missing) AND NOT EXISTS (SELECT FROM silent)
          AND NOT EXISTS (SELECT FROM workflow.locked_executions AS k WHERE k.execution_id = w.execution_id)
        UNION ALL
        SELECT 3, 'retry', concat_ws('/', NULLIF(r.scope, ''), r.step_id), r.completed_at,
               concat_ws(': ', r.loop_label, format('attempt %s is due at %s after %s', r.attempt + 1, date_trunc('second', r.retry_at), r.message)),
               format('SELECT workflow.skip_step(%s, %L)', reasons.execution_id, r.step_id)
        FROM retries AS r
        UNION ALL
        SELECT 3, 'timer', concat_ws('/', NULLIF(t.scope, ''), t.step_id), t.started_at,
               concat_ws(': ', t.loop_label,
                         format('it waits until %s', date_trunc('second', t.retry_at))),
               format('SELECT workflow.skip_step(%s, %L)', reasons.execution_id, t.step_id)
        FROM timers AS t
        UNION ALL
        SELECT 3, 'held', h.step_id, h.marked_at,
               concat_ws('; ', concat_ws(': ', 'by ' || h.marked_by, h.reason), 'it waits when it comes to this step'),
               format('SELECT workflow.release_step(%s, %L)', reasons.execution_id, h.step_id)
        FROM held AS h

        /* --- it runs --- */
        UNION ALL
        (SELECT 3, CASE WHEN w.frozen THEN 'frozen'
                        WHEN b.name IS NOT NULL AND w.state = 'busy' THEN 'lock'
                        ELSE COALESCE(NULLIF(w.state, 'busy'), 'running') END, concat_ws('/', NULLIF(w.scope, ''), w.step_id), w.started_at,
                concat_ws(': ', w.loop_label, CASE WHEN w.frozen
                     THEN format('its process %s has given no sign of life since %s', w.pid, date_trunc('second', w.last_heartbeat))
                     WHEN b.name IS NOT NULL THEN 'waits for a lock of ' || b.name
                     WHEN w.wait_event IS NOT NULL THEN format('waits: %s, %s', w.wait_event_type, w.wait_event)
                     ELSE 'computes' END),
                CASE WHEN w.frozen THEN format('-- on the machine of the server: kill -CONT %s', w.pid)
                     WHEN b.name IS NOT NULL THEN b.help
                     ELSE format('SELECT query FROM workflow.activity WHERE executor_pid = %s', w.pid) END
         FROM at_work AS w
              LEFT JOIN LATERAL (SELECT pg_blocking_pids(w.pid) AS pids WHERE w.wait_event_type = 'Lock') AS l ON true
              LEFT JOIN LATERAL (
                  /* 0: prepared transactions, whose lock is like the one that is waited for */
                  SELECT h.name, h.help
                  FROM unnest(l.pids) AS o (pid)
                       LEFT JOIN (
                           SELECT DISTINCT x.gid
                           FROM pg_catalog.pg_locks AS k
                                JOIN pg_catalog.pg_locks AS h
                                     ON h.granted AND h.pid IS NULL AND h.locktype = k.locktype
                                        AND (h.database, h.relation, h.page, h.tuple, h.transactionid::text, h.classid, h.objid, h.objsubid)
                                            IS NOT DISTINCT FROM (k.database, k.relation, k.page, k.tuple, k.transactionid::text, k.classid, k.objid, k.objsubid)
                                JOIN pg_catalog.pg_locks AS t ON t.pid IS NULL AND t.locktype = 'transactionid' AND t.virtualtransaction = h.virtualtransaction
                                JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction = t.transactionid
                           WHERE k.pid = w.pid AND NOT k.granted) AS p ON o.pid = 0
                       CROSS JOIN LATERAL workflow.lock_holder(o.pid, p.gid) AS h
                  WHERE o.pid IS DISTINCT FROM (SELECT c.pid FROM scheduler AS c)) AS b ON true
         WHERE w.step_id IS NOT NULL OR (b.name IS NOT NULL AND NOT w.frozen)
         ORDER BY w.started_at LIMIT 20)
        UNION ALL
        SELECT 3, CASE WHEN l.count > 0 THEN 'not taken up' WHEN x.exhausted THEN 'no executor' ELSE 'between steps' END, NULL, NULL,
               CASE WHEN l.count > 0
                    THEN format('the scheduler does not know of %s of the executions that run: their rows were loaded behind its back', l.count)
                    ELSE x.detail END,
               CASE WHEN l.count > 0
                    THEN format('SELECT pg_terminate_backend(%s) -- the next scheduler takes up what is there', l.scheduler_pid)
                    ELSE x.help END
        FROM e CROSS JOIN executors AS x CROSS JOIN scheduler AS s
             /* while a run waits for an executor it may be this one's */
             LEFT JOIN workflow.left_executions AS l ON x.exhausted IS NOT TRUE OR s.ready_since IS NULL
        WHERE e.status IN ('running', 'cancelling')
          AND NOT EXISTS (SELECT FROM at_work AS w WHERE w.step_id IS NOT NULL OR w.wait_event_type = 'Lock')
          AND NOT EXISTS (SELECT FROM expected)
          AND NOT EXISTS (SELECT FROM missing) AND NOT EXISTS (SELECT FROM silent)
        UNION ALL
        SELECT 4, 'interrupted', NULL, NULL,
               format('%s times by crashes without progress since; at %s it fails as CrashLoop', e.recoveries, current_setting('workflow.max_recoveries', true)),
               '-- look into the server log'
        FROM e WHERE e.wants_to_run AND e.recoveries > 0
    )
    /* help that is a comment must stay one, whatever the names in it */
    SELECT a.reason, a.step_id, a.since, NULLIF(a.detail, ''),
           CASE WHEN a.help LIKE '--%' THEN translate(a.help, E'\n\r', '  ') ELSE a.help END
    FROM answers AS a ORDER BY a.rank, a.since DESC NULLS LAST, a.step_id;
END;
COMMENT ON FUNCTION workflow.reasons(bigint) IS
'what why() is made of: its rows, as long as the tables of the engine can be read';

CREATE FUNCTION workflow.why(
    execution_id bigint,
    OUT reason text,
    OUT step_id text,
    OUT since timestamptz,
    OUT detail text,
    OUT help text)
RETURNS SETOF record
LANGUAGE sql VOLATILE STRICT PARALLEL RESTRICTED ROWS 3
BEGIN ATOMIC
    /* as with alerts, the function is not planned while a table that it reads is locked */
    WITH unreadable AS MATERIALIZED (
        SELECT k.granted, k.since, k.detail, k.help
        FROM workflow.locked_tables AS k WHERE k.unreadable AND k.table_name <> 'executor_history'
    )
    SELECT r.* FROM workflow.reasons(why.execution_id) AS r WHERE NOT EXISTS (SELECT FROM unreadable)
    UNION ALL
    (SELECT 'table locked', NULL, u.since, u.detail, u.help
     FROM unreadable AS u ORDER BY u.granted DESC, u.since LIMIT 5);
END;
COMMENT ON FUNCTION workflow.why(bigint) IS
'why an execution does not go on, or how it has ended: a row for each reason, the one to look at '
'first on top. reason: unknown (no such execution, or another role''s); completed, failed, timed '
'out, cancelled, step failed, step timed out, not undone, erased, dead letter; paused, blocked, '
'cancelling, ending, drained, not preloaded, standby, scheduler fails, no scheduler, disabled, '
'frozen, replica, role, row locked, table locked, done again; deferred, no room, queued, no '
'executor, not taken up, retry, held; running, lock, frozen, stuck, quarantined, draining, between '
'steps, interrupted. step_id: the step it is about, with its scope; since: when that began; detail: '
'what there is to say; help: the statement that helps, or shows more';

/* Monitoring: without what errors and reasons say. */
GRANT EXECUTE ON FUNCTION workflow.why(bigint), workflow.reasons(bigint), workflow.retry_help(bigint), workflow.replay_help(bigint),
    workflow.no_workers(oid), workflow.scheduler_state() TO pg_monitor;
