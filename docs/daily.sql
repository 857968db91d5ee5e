/*
 * daily.sql
 *	  The daily questions about workflows, as macros for psql.
 *
 * NOTES
 *	  \i daily.sql in a session, or in ~/.psqlrc; then type a colon and a name,
 *	  such as :running, and Enter.  :daily shows the names.  Nothing is created in
 *	  the database and nothing is executed when the file is read, so it can be read
 *	  in any database, also before the extension is there.  Whoever may see
 *	  executions may ask: of others', members of pg_monitor are shown no data.
 *
 *	  Some macros read variables:
 *	    id			number of an execution		\set id 42
 *	    workflow	LIKE pattern of names		\set workflow order%
 *	    period		how far to look back		\set period '7 days'
 *	    rows		how many rows to show		\set rows 500
 *	    width		columns of a timeline		\set width 150
 *	    clip		what is done to long names	\set clip '''x^'', '''''	shows the whole of them
 *	  docs/administration.md shows what the answers look like.
 */

\if :{?id} \else \set id 0 \endif
\if :{?workflow} \else \set workflow % \endif
\if :{?period} \else \set period '1 day' \endif
\if :{?rows} \else \set rows 40 \endif
\if :{?width} \else \set width 80 \endif

-- Pattern and replacement: of a name longer than 24, and of a text longer than 54, both ends stay.
\if :{?clip} \else \set clip '''^(.{10}).{5,}(.{10})$'', ''\\1....\\2''' \endif
\if :{?clip_text} \else \set clip_text '''^(.{30}).{5,}(.{20})$'', ''\\1....\\2''' \endif

-- this moment

\set running 'SELECT execution_id AS id, regexp_replace(workflow, :clip) AS workflow, regexp_replace(step_id, :clip) AS step, regexp_replace(COALESCE(loop_label, iteration::text), :clip) AS iteration, elapsed, wait_event FROM workflow.activity WHERE workflow LIKE :''workflow'' ORDER BY elapsed DESC LIMIT :rows;'

\set executing 'SELECT execution_id AS id, regexp_replace(workflow, :clip) AS workflow, status, queued, duration, regexp_replace(tenant, :clip) AS tenant, regexp_replace(role::text, :clip) AS role FROM workflow.execution_status WHERE status IN (''running'', ''cancelling'') AND workflow LIKE :''workflow'' ORDER BY started_at LIMIT :rows;'

\set executors 'SELECT pid, regexp_replace(role, :clip) AS role, state, uptime, runs_done, steps_done, pg_size_pretty(memory_bytes) AS memory FROM workflow.executors WHERE database = current_database() ORDER BY attached_at LIMIT :rows;'

\set queue 'SELECT position, execution_id AS id, regexp_replace(workflow, :clip) AS workflow, priority, regexp_replace(tenant, :clip) AS tenant, waiting FROM workflow.queue WHERE workflow LIKE :''workflow'' LIMIT :rows;'

\set depth 'SELECT regexp_replace(workflow, :clip) AS workflow, priority, regexp_replace(tenant, :clip) AS tenant, waiting, deferred, oldest_wait FROM workflow.queue_depth WHERE workflow LIKE :''workflow'' ORDER BY oldest_wait DESC NULLS LAST LIMIT :rows;'

-- what waits for somebody to do something

\set alerts 'SELECT condition, regexp_replace(subject, :clip_text) AS subject, value, threshold, date_trunc(''second'', since) AS since FROM workflow.alerts ORDER BY since LIMIT :rows;'

\set stuck 'SELECT pid, regexp_replace(workflow, :clip) AS workflow, regexp_replace(step_id, :clip) AS step, execution_id AS id, elapsed, CASE WHEN ended_at IS NOT NULL THEN ''gone'' WHEN quarantined_at IS NOT NULL THEN ''quarantined'' ELSE ''stuck'' END AS process FROM workflow.executor_history WHERE stuck_at > now() - :''period''::interval ORDER BY stuck_at DESC LIMIT :rows;'

\set locked 'SELECT a.execution_id AS id, regexp_replace(a.workflow, :clip) AS workflow, regexp_replace(a.step_id, :clip) AS step, b.pid AS waits_for, s.backend_type, regexp_replace(s.query, :clip_text) AS query FROM workflow.activity AS a CROSS JOIN LATERAL unnest(pg_blocking_pids(a.executor_pid)) AS b (pid) LEFT JOIN pg_stat_activity AS s ON s.pid = b.pid ORDER BY a.execution_id LIMIT :rows;'

\set paused 'SELECT execution_id AS id, regexp_replace(workflow, :clip) AS workflow, regexp_replace(paused_by::text, :clip) AS paused_by, date_trunc(''second'', paused_until) AS paused_until, regexp_replace(pause_reason, :clip_text) AS reason FROM workflow.execution_status WHERE status = ''paused'' AND workflow LIKE :''workflow'' ORDER BY paused_at LIMIT :rows;'

\set held 'SELECT execution_id AS id, regexp_replace(workflow, :clip) AS workflow, regexp_replace(step_id, :clip) AS step, mark, regexp_replace(marked_by, :clip) AS by, date_trunc(''second'', marked_at) AS since, regexp_replace(reason, :clip) AS reason FROM workflow.marked_steps WHERE status NOT IN (''completed'', ''failed'', ''timed_out'', ''cancelled'') AND workflow LIKE :''workflow'' ORDER BY marked_at LIMIT :rows;'

\set blocked 'SELECT regexp_replace(b.workflow, :clip) AS workflow, b.kind, date_trunc(''second'', b.blocked_at) AS blocked_at, regexp_replace(b.blocked_by::text, :clip) AS blocked_by, regexp_replace(b.reason, :clip_text) AS reason, (SELECT count(*) FROM workflow.execution_status AS e WHERE e.workflow = b.workflow AND e.status = ''blocked'') AS waiting FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL ORDER BY b.blocked_at LIMIT :rows;'

\set breakers 'SELECT regexp_replace(agent, :clip) AS agent, state, failures, calls, error_type, date_trunc(''second'', opened_at) AS opened_at, date_trunc(''second'', half_open_at) AS half_open_at FROM workflow.breaker_status WHERE state <> ''closed'' ORDER BY agent LIMIT :rows;'

\set letters 'SELECT regexp_replace(workflow, :clip) AS workflow, regexp_replace(step_id, :clip) AS step, regexp_replace(error_type, :clip) AS error_type, count(*), date_trunc(''second'', min(first_failed_at)) AS oldest FROM workflow.dead_letter_status WHERE status = ''pending'' AND workflow LIKE :''workflow'' GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT :rows;'

-- what went wrong

\set failed 'SELECT execution_id AS id, regexp_replace(workflow, :clip) AS workflow, regexp_replace(error_type, :clip) AS error_type, regexp_replace(error ->> ''step_id'', :clip) AS step, regexp_replace(error ->> ''message'', :clip_text) AS message FROM workflow.execution_status WHERE status IN (''failed'', ''timed_out'') AND completed_at > now() - :''period''::interval AND workflow LIKE :''workflow'' ORDER BY completed_at DESC LIMIT :rows;'

\set errors 'SELECT regexp_replace(workflow, :clip) AS workflow, regexp_replace(error_type, :clip) AS error_type, count(*), date_trunc(''second'', max(completed_at)) AS last FROM workflow.execution_status WHERE status IN (''failed'', ''timed_out'') AND completed_at > now() - :''period''::interval AND workflow LIKE :''workflow'' GROUP BY 1, 2 ORDER BY 3 DESC LIMIT :rows;'

\set swallowed 'SELECT execution_id AS id, regexp_replace(workflow, :clip) AS workflow, regexp_replace(step_id, :clip) AS step, attempt, on_failure, regexp_replace(error_type, :clip) AS error_type, regexp_replace(error ->> ''message'', :clip_text) AS message FROM workflow.step_status WHERE status IN (''failed'', ''timed_out'') AND on_failure IS NOT NULL AND completed_at > now() - :''period''::interval AND workflow LIKE :''workflow'' ORDER BY completed_at DESC LIMIT :rows;'

-- one execution: \set id 42; of many steps and events the last ones

\set show 'SELECT execution_id, workflow, version, status, role, priority, tenant, created_at, start_at, started_at, completed_at, queued, duration, recoveries, retries, limited, ending, held_steps, skipped_steps, paused_by, paused_until, left(pause_reason, 200) AS pause_reason, cancelled_by, cancelled_at, left(cancel_reason, 200) AS cancel_reason, error_type, left(error ->> ''message'', 200) AS message, left(input::text, 200) AS input, left(output::text, 200) AS output FROM workflow.execution_status WHERE execution_id = :id \\gx'
\set why 'SELECT * FROM workflow.why(:id) LIMIT :rows \\gx'
\set error 'SELECT error ->> ''type'' AS type, error ->> ''step_id'' AS step, error ->> ''scope'' AS scope, error ->> ''message'' AS message, error ->> ''detail'' AS detail, error ->> ''hint'' AS hint, error ->> ''context'' AS context FROM workflow.execution_status WHERE execution_id = :id \\gx'
\set timeline 'SELECT workflow.timeline(:id, :width) \\g (format=unaligned tuples_only=on)'
\set history 'SELECT date_trunc(''second'', at) AS at, event, regexp_replace(concat_ws(''/'', NULLIF(scope, ''''), step_id), :clip) AS step, regexp_replace(loop_label, :clip) AS label, regexp_replace(detail, :clip_text) AS detail FROM (SELECT * FROM workflow.history WHERE execution_id = :id ORDER BY at DESC LIMIT :rows) AS h ORDER BY h.at;'
\set steps 'SELECT regexp_replace(scope, :clip) AS scope, regexp_replace(loop_label, :clip) AS label, regexp_replace(step_id, :clip) AS step, attempt, status, duration, regexp_replace(error_type, :clip) AS error_type FROM (SELECT * FROM workflow.step_status WHERE execution_id = :id ORDER BY started_at DESC, scope DESC, step_id DESC LIMIT :rows) AS s ORDER BY s.started_at, s.scope, s.step_id;'
\set progress 'SELECT p ->> ''percent'' AS percent, p ->> ''done'' AS done, p ->> ''total'' AS total, regexp_replace(p ->> ''message'', :clip_text) AS message, p ->> ''expected_end'' AS expected_end FROM workflow.progress(:id) AS p;'

-- how it goes

\set outcomes 'SELECT regexp_replace(workflow, :clip) AS workflow, total, success_rate, failed, timed_out, cancelled, queue_p95, run_p50, run_p95 FROM workflow.statistics(:''period''::interval) WHERE kind = ''workflow'' AND workflow LIKE :''workflow'' ORDER BY total DESC LIMIT :rows;'
\set slowest 'SELECT regexp_replace(workflow, :clip) AS workflow, regexp_replace(name, :clip) AS step, total, run_average, run_p95, run_average * total AS altogether FROM workflow.statistics(:''period''::interval) WHERE kind = ''step'' AND workflow LIKE :''workflow'' ORDER BY 6 DESC LIMIT :rows;'
\set audit 'SELECT date_trunc(''second'', at) AS at, regexp_replace(role::text, :clip) AS role, action, subject_type, regexp_replace(subject, :clip) AS subject, regexp_replace(reason, :clip_text) AS reason FROM workflow.audit_log WHERE at > now() - :''period''::interval ORDER BY id DESC LIMIT :rows;'
\set size 'SELECT c.relname AS "table", pg_size_pretty(pg_total_relation_size(c.oid)) AS size, NULLIF(c.reltuples, -1)::bigint AS rows FROM pg_class AS c WHERE c.relnamespace = ''workflow''::regnamespace AND c.relkind = ''r'' ORDER BY pg_total_relation_size(c.oid) DESC LIMIT :rows;'


-- the names

\set daily '\\echo ''this moment    :running  :executing  :executors  :queue  :depth  :locked''\n\\echo ''to be settled  :alerts  :stuck  :paused  :held  :blocked  :breakers  :letters''\n\\echo ''went wrong     :failed  :errors  :swallowed''\n\\echo ''one execution  :show  :why  :steps  :timeline  :history  :progress  :error''\n\\echo ''looking back   :outcomes  :slowest  :audit  :size''\n\\echo ''they read      \\\\set id 42, \\\\set workflow order%, \\\\set period 1d, \\\\set rows 500, \\\\set width 150'''
