/*
 * daily.sql
 *	  The daily questions about workflows, as macros for psql.
 *
 * NOTES
 *	  \i daily.sql in a session, or in ~/.psqlrc; then type a colon and a name,
 *	  such as :running, and Enter.  :daily shows the names.  Nothing is created in
 *	  the database and nothing is executed when the file is read, so it can be read
 *	  in any database, also before the extension is there.
 *
 *	  Some macros read variables:
 *	    id			number of an execution		\set id 42
 *	    workflow	LIKE pattern of names		\set workflow order%
 *	    period		how far to look back		\set period '7 days'
 *	  docs/administration.md shows what the answers look like.
 */

\if :{?id} \else \set id 0 \endif
\if :{?workflow} \else \set workflow % \endif
\if :{?period} \else \set period '1 day' \endif

-- this moment

\set running 'SELECT execution_id, workflow, step_id, iteration, elapsed, wait_event FROM workflow.activity WHERE workflow LIKE :''workflow'' ORDER BY elapsed DESC;'

\set executing 'SELECT execution_id, workflow, status, queued, duration, tenant, role FROM workflow.execution_status WHERE status IN (''running'', ''cancelling'') AND workflow LIKE :''workflow'' ORDER BY started_at;'

\set executors 'SELECT pid, role, state, uptime, runs_done, steps_done, pg_size_pretty(memory_bytes) AS memory FROM workflow.executors WHERE database = current_database() ORDER BY attached_at;'

\set queue 'SELECT position, execution_id, workflow, priority, tenant, waiting FROM workflow.queue WHERE workflow LIKE :''workflow'' LIMIT 20;'

\set depth 'SELECT workflow, priority, tenant, waiting, deferred, oldest_wait FROM workflow.queue_depth WHERE workflow LIKE :''workflow'' ORDER BY oldest_wait DESC NULLS LAST;'

-- what waits for somebody to do something

\set alerts 'SELECT condition, subject, value, threshold, since FROM workflow.alerts ORDER BY since;'

\set stuck 'SELECT pid, workflow, step_id, execution_id, elapsed, CASE WHEN ended_at IS NOT NULL THEN ''gone'' WHEN quarantined_at IS NOT NULL THEN ''quarantined'' ELSE ''stuck'' END AS process FROM workflow.executor_history WHERE stuck_at > now() - :''period''::interval ORDER BY stuck_at DESC;'

\set locked 'SELECT a.execution_id, a.workflow, a.step_id, b.pid AS waits_for, s.backend_type, left(s.query, 40) AS query FROM workflow.activity AS a CROSS JOIN LATERAL unnest(pg_blocking_pids(a.executor_pid)) AS b (pid) LEFT JOIN pg_stat_activity AS s ON s.pid = b.pid ORDER BY a.execution_id;'

\set paused 'SELECT execution_id, workflow, paused_by, paused_until, pause_reason AS reason FROM workflow.execution_status WHERE status = ''paused'' AND workflow LIKE :''workflow'' ORDER BY paused_at;'

\set held 'SELECT execution_id, workflow, step_id, mark, marked_by, marked_at, reason FROM workflow.marked_steps WHERE status NOT IN (''completed'', ''failed'', ''timed_out'', ''cancelled'') AND workflow LIKE :''workflow'' ORDER BY marked_at;'

\set blocked 'SELECT b.workflow, b.kind, b.blocked_at, b.blocked_by, b.reason, (SELECT count(*) FROM workflow.execution_status AS e WHERE e.workflow = b.workflow AND e.status = ''blocked'') AS waiting FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL ORDER BY b.blocked_at;'

\set breakers 'SELECT agent, role, state, failures, calls, error_type, opened_at, half_open_at FROM workflow.breaker_status WHERE state <> ''closed'' ORDER BY agent, role;'

\set letters 'SELECT workflow, step_id, error_type, count(*), min(first_failed_at) AS oldest FROM workflow.dead_letter_status WHERE status = ''pending'' AND workflow LIKE :''workflow'' GROUP BY 1, 2, 3 ORDER BY 4 DESC;'

-- what went wrong

\set failed 'SELECT execution_id, workflow, error_type, error ->> ''step_id'' AS step, error ->> ''message'' AS message FROM workflow.execution_status WHERE status IN (''failed'', ''timed_out'') AND completed_at > now() - :''period''::interval AND workflow LIKE :''workflow'' ORDER BY completed_at DESC LIMIT 20;'

\set errors 'SELECT workflow, error_type, count(*), max(completed_at) AS last FROM workflow.execution_status WHERE status IN (''failed'', ''timed_out'') AND completed_at > now() - :''period''::interval AND workflow LIKE :''workflow'' GROUP BY 1, 2 ORDER BY 3 DESC;'

\set swallowed 'SELECT execution_id, workflow, step_id, attempt, on_failure, error_type, error ->> ''message'' AS message FROM workflow.step_status WHERE status IN (''failed'', ''timed_out'') AND on_failure IS NOT NULL AND completed_at > now() - :''period''::interval AND workflow LIKE :''workflow'' ORDER BY completed_at DESC LIMIT 20;'

-- one execution: \set id 42

\set show 'SELECT * FROM workflow.executions WHERE id = :id \\gx'
\set why 'SELECT * FROM workflow.why(:id) \\gx'
\set error 'SELECT error ->> ''type'' AS type, error ->> ''step_id'' AS step, error ->> ''scope'' AS scope, error ->> ''message'' AS message, error ->> ''detail'' AS detail, error ->> ''hint'' AS hint, error ->> ''context'' AS context FROM workflow.execution_status WHERE execution_id = :id \\gx'
\set timeline 'SELECT workflow.timeline(:id) \\g (format=unaligned tuples_only=on)'
\set history 'SELECT at, event, step_id, scope, detail FROM workflow.history WHERE execution_id = :id ORDER BY at;'
\set steps 'SELECT scope, step_id, attempt, status, duration, error_type FROM workflow.step_status WHERE execution_id = :id ORDER BY started_at, scope, step_id;'
\set progress 'SELECT p ->> ''percent'' AS percent, p ->> ''done'' AS done, p ->> ''total'' AS total, p ->> ''message'' AS message, p ->> ''expected_end'' AS expected_end FROM workflow.progress(:id) AS p;'

-- how it goes

\set outcomes 'SELECT workflow, total, success_rate, failed, timed_out, cancelled, queue_p95, run_p50, run_p95 FROM workflow.statistics(:''period''::interval) WHERE kind = ''workflow'' AND workflow LIKE :''workflow'' ORDER BY total DESC;'
\set slowest 'SELECT workflow, name AS step, total, run_average, run_p95, run_average * total AS altogether FROM workflow.statistics(:''period''::interval) WHERE kind = ''step'' AND workflow LIKE :''workflow'' ORDER BY 6 DESC LIMIT 10;'
\set audit 'SELECT at, role, action, subject_type, subject, reason FROM workflow.audit_log WHERE at > now() - :''period''::interval ORDER BY id DESC LIMIT 20;'
\set size 'SELECT c.relname AS "table", pg_size_pretty(pg_total_relation_size(c.oid)) AS size, NULLIF(c.reltuples, -1)::bigint AS rows FROM pg_class AS c WHERE c.relnamespace = ''workflow''::regnamespace AND c.relkind = ''r'' ORDER BY pg_total_relation_size(c.oid) DESC LIMIT 5;'


-- the names

\set daily '\\echo ''this moment    :running  :executing  :executors  :queue  :depth  :locked''\n\\echo ''to be settled  :alerts  :stuck  :paused  :held  :blocked  :breakers  :letters''\n\\echo ''went wrong     :failed  :errors  :swallowed''\n\\echo ''one execution  :show  :why  :steps  :timeline  :history  :progress  :error''\n\\echo ''looking back   :outcomes  :slowest  :audit  :size''\n\\echo ''they read      \\\\set id 42, \\\\set workflow order%, \\\\set period 1d'''
