/*
 * Schedules: workflows started by pg_cron.
 *
 * pg_cron is not required: it gives the beat only, by a job for each schedule that
 * calls schedule_tick().  What a schedule says, and when it is due, is here.
 */

CREATE TABLE workflow.schedule_entries (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    workflow        text NOT NULL,
    version         integer,
    cron            text NOT NULL,
    timezone        text NOT NULL,
    input           jsonb NOT NULL,
    priority        integer,
    tenant          text,
    start_at        timestamptz,
    end_at          timestamptz,
    max_concurrent_runs integer NOT NULL CHECK (max_concurrent_runs > 0),
    overlap         text NOT NULL CHECK (overlap IN ('skip', 'queue', 'replace')),
    max_lateness    interval NOT NULL,
    enabled         boolean NOT NULL,
    role            workflow.role NOT NULL,
    description     text,
    next_run_at     timestamptz,
    job_schedule    text,             -- of its job in cron.job; null: it has none
    pause_reason    text,
    created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

COMMENT ON TABLE workflow.schedule_entries IS
'schedules, as workflow.schedule() was told; the view workflow.schedules shows how they are doing. '
'A role sees its own';
COMMENT ON COLUMN workflow.schedule_entries.id IS 'number of the schedule';
COMMENT ON COLUMN workflow.schedule_entries.name IS 'name of the schedule';
COMMENT ON COLUMN workflow.schedule_entries.workflow IS 'workflow it starts';
COMMENT ON COLUMN workflow.schedule_entries.version IS
'version it starts; null: the newest active one';
COMMENT ON COLUMN workflow.schedule_entries.cron IS 'when: a cron expression, or "N seconds"';
COMMENT ON COLUMN workflow.schedule_entries.timezone IS 'time zone of the expression';
COMMENT ON COLUMN workflow.schedule_entries.input IS 'input of the executions, with placeholders';
COMMENT ON COLUMN workflow.schedule_entries.priority IS
'priority of the executions; null: the definition''s';
COMMENT ON COLUMN workflow.schedule_entries.tenant IS 'tenant of the executions';
COMMENT ON COLUMN workflow.schedule_entries.start_at IS 'not due before; null: at once';
COMMENT ON COLUMN workflow.schedule_entries.end_at IS 'not due after; null: no end';
COMMENT ON COLUMN workflow.schedule_entries.max_concurrent_runs IS
'so many of its executions may run at a time';
COMMENT ON COLUMN workflow.schedule_entries.overlap IS
'what happens when it is due and so many run: skip, queue or replace';
COMMENT ON COLUMN workflow.schedule_entries.max_lateness IS
'a time that is noticed later than this is missed';
COMMENT ON COLUMN workflow.schedule_entries.enabled IS 'false: paused';
COMMENT ON COLUMN workflow.schedule_entries.role IS
'role that made it and that its executions run as';
COMMENT ON COLUMN workflow.schedule_entries.description IS 'description';
COMMENT ON COLUMN workflow.schedule_entries.next_run_at IS
'when it is due next; null: paused, or over';
COMMENT ON COLUMN workflow.schedule_entries.job_schedule IS
'schedule of its job in cron.job, in pg_cron''s time zone; null: it has no job';
COMMENT ON COLUMN workflow.schedule_entries.pause_reason IS 'reason given to pause_schedule()';
COMMENT ON COLUMN workflow.schedule_entries.created_at IS 'when it was made';
COMMENT ON COLUMN workflow.schedule_entries.updated_at IS 'when it was changed last, by somebody';

CREATE TABLE workflow.schedule_run_entries (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule_id     integer NOT NULL,
    schedule        text NOT NULL,
    role            workflow.role NOT NULL,
    due_at          timestamptz NOT NULL,
    decided_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    manual          boolean NOT NULL,
    outcome         text NOT NULL CHECK (outcome IN ('started', 'queued', 'skipped', 'missed', 'failed')),
    execution_id    bigint,
    reason          text
);
CREATE INDEX schedule_run_entries_schedule_idx ON workflow.schedule_run_entries (schedule_id, id);
CREATE INDEX schedule_run_entries_decided_at_idx ON workflow.schedule_run_entries (decided_at);

COMMENT ON TABLE workflow.schedule_run_entries IS
'what became of each time a schedule was due; a role sees its own';
COMMENT ON COLUMN workflow.schedule_run_entries.id IS 'number of the entry';
COMMENT ON COLUMN workflow.schedule_run_entries.schedule_id IS 'number of the schedule';
COMMENT ON COLUMN workflow.schedule_run_entries.schedule IS 'name of the schedule';
COMMENT ON COLUMN workflow.schedule_run_entries.role IS 'role of the schedule';
COMMENT ON COLUMN workflow.schedule_run_entries.due_at IS
'when it was due, or run_schedule_now() was called';
COMMENT ON COLUMN workflow.schedule_run_entries.decided_at IS 'when that was noticed';
COMMENT ON COLUMN workflow.schedule_run_entries.manual IS 'by run_schedule_now()';
COMMENT ON COLUMN workflow.schedule_run_entries.outcome IS
'started; queued: started, and runs when another has ended; skipped: another one ran; missed: '
'noticed too late; failed: could not be started';
COMMENT ON COLUMN workflow.schedule_run_entries.execution_id IS 'execution that was started';
COMMENT ON COLUMN workflow.schedule_run_entries.reason IS 'why it was skipped, missed or failed';

ALTER TABLE workflow.schedule_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY schedule_entries_read ON workflow.schedule_entries FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY schedule_entries_read ON workflow.schedule_entries IS
'a role sees the schedules of the roles whose rights it has';

ALTER TABLE workflow.schedule_run_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY schedule_run_entries_read ON workflow.schedule_run_entries FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY schedule_run_entries_read ON workflow.schedule_run_entries IS
'a role sees what became of its schedules';

/* The reason of a failure is the message of an error. */
CREATE VIEW workflow.schedule_runs WITH (security_barrier) AS
SELECT r.id,
       r.schedule_id,
       r.schedule,
       r.role,
       r.due_at,
       r.decided_at,
       r.manual,
       r.outcome,
       r.execution_id,
       CASE WHEN r.outcome OPERATOR(pg_catalog.<>) 'failed'
                 OR pg_catalog.pg_has_role(r.role::pg_catalog.oid, 'USAGE') THEN r.reason END AS reason
FROM workflow.schedule_run_entries AS r CROSS JOIN (SELECT) AS read_only
WHERE pg_catalog.pg_has_role(r.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.schedule_runs IS
'what became of each time a schedule was due; a role sees its own, members of pg_monitor see all, '
'of others without why they failed';
COMMENT ON COLUMN workflow.schedule_runs.id IS 'number of the entry';
COMMENT ON COLUMN workflow.schedule_runs.schedule_id IS 'number of the schedule';
COMMENT ON COLUMN workflow.schedule_runs.schedule IS 'name of the schedule';
COMMENT ON COLUMN workflow.schedule_runs.role IS 'role of the schedule';
COMMENT ON COLUMN workflow.schedule_runs.due_at IS
'when it was due, or run_schedule_now() was called';
COMMENT ON COLUMN workflow.schedule_runs.decided_at IS 'when that was noticed';
COMMENT ON COLUMN workflow.schedule_runs.manual IS 'by run_schedule_now()';
COMMENT ON COLUMN workflow.schedule_runs.outcome IS
'started; queued: started, and runs when another has ended; skipped: another one ran; missed: '
'noticed too late; failed: could not be started';
COMMENT ON COLUMN workflow.schedule_runs.execution_id IS 'execution that was started';
COMMENT ON COLUMN workflow.schedule_runs.reason IS 'why it was skipped, missed or failed';

CREATE VIEW workflow.schedules WITH (security_barrier) AS
SELECT s.name,
       s.workflow,
       s.cron,
       s.timezone,
       s.enabled,
       s.next_run_at,
       r.due_at AS last_run_at,
       COALESCE(e.status, r.outcome) AS last_outcome,
       r.execution_id AS last_execution_id,
       COALESCE(CASE WHEN o.own OR r.outcome OPERATOR(pg_catalog.<>) 'failed' THEN r.reason END, e.error_type) AS last_reason,
       l.running,
       l.queued,
       s.overlap,
       s.max_concurrent_runs,
       s.version,
       s.start_at,
       s.end_at,
       s.max_lateness,
       s.priority,
       s.tenant,
       s.role,
       s.job_schedule,
       CASE WHEN o.own THEN s.pause_reason END AS pause_reason,
       s.description,
       s.created_at,
       s.updated_at,
       CASE WHEN o.own THEN s.input END AS input
FROM workflow.schedule_entries AS s
     CROSS JOIN LATERAL (SELECT pg_catalog.pg_has_role(s.role::pg_catalog.oid, 'USAGE') AS own) AS o
     LEFT JOIN LATERAL (SELECT x.due_at, x.outcome, x.execution_id, x.reason
                        FROM workflow.schedule_run_entries AS x
                        WHERE x.schedule_id OPERATOR(pg_catalog.=) s.id
                        ORDER BY x.id DESC LIMIT 1) AS r ON true
     LEFT JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) r.execution_id
     CROSS JOIN LATERAL (SELECT pg_catalog.count(*) FILTER (WHERE x.start_at IS DISTINCT FROM 'infinity') AS running,
                                pg_catalog.count(*) FILTER (WHERE x.start_at OPERATOR(pg_catalog.=) 'infinity') AS queued
                         FROM workflow.executions AS x
                         WHERE x.schedule_id OPERATOR(pg_catalog.=) s.id
                           AND x.status IN ('pending', 'running', 'paused', 'cancelling', 'blocked', 'waiting')) AS l
WHERE o.own OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');

COMMENT ON VIEW workflow.schedules IS
'schedules and how they are doing: a role''s own; all of them for members of pg_monitor, without '
'input, reason of a pause, and why they failed';
COMMENT ON COLUMN workflow.schedules.name IS 'name of the schedule';
COMMENT ON COLUMN workflow.schedules.workflow IS 'workflow it starts';
COMMENT ON COLUMN workflow.schedules.cron IS 'when: a cron expression, or "N seconds"';
COMMENT ON COLUMN workflow.schedules.timezone IS 'time zone of the expression';
COMMENT ON COLUMN workflow.schedules.enabled IS 'false: paused';
COMMENT ON COLUMN workflow.schedules.next_run_at IS 'when it is due next; null: paused, or over';
COMMENT ON COLUMN workflow.schedules.last_run_at IS
'when it was due last, or run_schedule_now() was called';
COMMENT ON COLUMN workflow.schedules.last_outcome IS
'what became of that: status of the execution; or skipped, missed, failed; started when the '
'execution has been pruned';
COMMENT ON COLUMN workflow.schedules.last_execution_id IS 'execution that was started then';
COMMENT ON COLUMN workflow.schedules.last_reason IS
'why it was skipped, missed or failed, or type of the execution''s error';
COMMENT ON COLUMN workflow.schedules.running IS
'number of its executions that have not ended, without the next column''s';
COMMENT ON COLUMN workflow.schedules.queued IS
'number of its executions that wait for another to end';
COMMENT ON COLUMN workflow.schedules.overlap IS
'what happens when it is due and max_concurrent_runs run: skip, queue or replace';
COMMENT ON COLUMN workflow.schedules.max_concurrent_runs IS
'so many of its executions may run at a time';
COMMENT ON COLUMN workflow.schedules.version IS 'version it starts; null: the newest active one';
COMMENT ON COLUMN workflow.schedules.start_at IS 'not due before; null: at once';
COMMENT ON COLUMN workflow.schedules.end_at IS 'not due after; null: no end';
COMMENT ON COLUMN workflow.schedules.max_lateness IS
'a time that is noticed later than this is missed';
COMMENT ON COLUMN workflow.schedules.priority IS
'priority of the executions; null: the definition''s';
COMMENT ON COLUMN workflow.schedules.tenant IS 'tenant of the executions';
COMMENT ON COLUMN workflow.schedules.role IS 'role that made it and that its executions run as';
COMMENT ON COLUMN workflow.schedules.job_schedule IS
'schedule of its job in cron.job, in pg_cron''s time zone; null: it has no job';
COMMENT ON COLUMN workflow.schedules.pause_reason IS
'reason given to pause_schedule(); null for schedules of others';
COMMENT ON COLUMN workflow.schedules.description IS 'description';
COMMENT ON COLUMN workflow.schedules.created_at IS 'when it was made';
COMMENT ON COLUMN workflow.schedules.updated_at IS 'when it was changed last, by somebody';
COMMENT ON COLUMN workflow.schedules.input IS
'input of the executions, with placeholders; null for schedules of others';

/* what waits, and what for: as state/admission.c counts */
CREATE VIEW workflow.schedule_queue WITH (security_barrier) AS
SELECT e.id AS execution_id,
       s.name AS schedule,
       o.running,
       s.max_concurrent_runs,
       f.id AS first_execution_id,
       f.status AS first_status
FROM workflow.executions AS e
     JOIN workflow.schedule_entries AS s ON s.id OPERATOR(pg_catalog.=) e.schedule_id
     CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS running, pg_catalog.min(x.id) AS first
                         FROM workflow.executions AS x
                         WHERE x.schedule_id OPERATOR(pg_catalog.=) s.id
                           AND x.status OPERATOR(pg_catalog.=) ANY ('{pending,running,paused,cancelling,blocked,waiting}'::pg_catalog.text[])
                           AND NOT COALESCE(x.start_at OPERATOR(pg_catalog.=) 'infinity'::pg_catalog.timestamptz, false)) AS o
     LEFT JOIN workflow.executions AS f ON f.id OPERATOR(pg_catalog.=) o.first
WHERE e.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text
  AND e.start_at OPERATOR(pg_catalog.=) 'infinity'::pg_catalog.timestamptz
  AND NOT e.limited
  AND (pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
       OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
       OR e.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w));

COMMENT ON VIEW workflow.schedule_queue IS
'executions that wait for others of their schedule to end, and for which: a role''s own, and those of '
'workflows it may see; all of them for members of pg_monitor';
COMMENT ON COLUMN workflow.schedule_queue.execution_id IS 'execution that waits';
COMMENT ON COLUMN workflow.schedule_queue.schedule IS 'name of its schedule';
COMMENT ON COLUMN workflow.schedule_queue.running IS
'number of executions of the schedule that have not ended and do not wait, paused and blocked ones '
'included';
COMMENT ON COLUMN workflow.schedule_queue.max_concurrent_runs IS
'so many of them may be there; when there are fewer, the oldest that waits is let go';
COMMENT ON COLUMN workflow.schedule_queue.first_execution_id IS 'the oldest of them';
COMMENT ON COLUMN workflow.schedule_queue.first_status IS 'its status';

CREATE FUNCTION workflow.schedule(
    name text,
    workflow text,
    cron text,
    input jsonb DEFAULT '{}',
    timezone text DEFAULT 'UTC',
    start_at timestamptz DEFAULT NULL,
    end_at timestamptz DEFAULT NULL,
    max_concurrent_runs integer DEFAULT 1,
    overlap text DEFAULT 'skip',
    enabled boolean DEFAULT true,
    version integer DEFAULT NULL,
    priority integer DEFAULT NULL,
    tenant text DEFAULT NULL,
    max_lateness interval DEFAULT '10 minutes',
    description text DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_schedule';
COMMENT ON FUNCTION workflow.schedule(text, text, text, jsonb, text, timestamptz, timestamptz, integer, text, boolean, integer, integer, text, interval, text) IS
'have pg_cron start a workflow at the times of a cron expression, as the calling role, or change a '
'schedule of that name; returns when it is due next. overlap: skip, queue or replace, when it is '
'due and max_concurrent_runs (1 or more) of its executions have not ended. input may hold '
'placeholders such as ${date}. A time noticed later than max_lateness is missed. Errors: 22023 for '
'an expression, time zone or placeholder that is none, 42704 for an unknown workflow, 42501 when '
'the name belongs to another role or pg_cron may not be used, 42710 when pg_cron has another job '
'of the same name, 55000 where there is no pg_cron';

CREATE FUNCTION workflow.unschedule(name text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_unschedule';
COMMENT ON FUNCTION workflow.unschedule(text) IS
'remove a schedule and its job; executions go on, those that wait for another to end are '
'cancelled. Errors: 42704 when there is none, 42501 for others than its role';

CREATE FUNCTION workflow.pause_schedule(name text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_pause_schedule';
COMMENT ON FUNCTION workflow.pause_schedule(text, text) IS
'have a schedule start nothing until resume_schedule(); executions go on. Pausing twice is no '
'error. Errors: 42704 when there is none, 42501 for others than its role';

CREATE FUNCTION workflow.resume_schedule(name text)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_resume_schedule';
COMMENT ON FUNCTION workflow.resume_schedule(text) IS
'have a paused schedule start executions again; returns when it is due next. What was due '
'meanwhile is not made up for. Errors: 42704 when there is none, 42501 for others than its role, '
'55000 where there is no pg_cron';

CREATE FUNCTION workflow.run_schedule_now(name text)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_run_schedule_now';
COMMENT ON FUNCTION workflow.run_schedule_now(text) IS
'start an execution as the schedule would, now, also when it is paused or over; returns its id, '
'null when it was skipped because others run. Errors: 42704 when there is none, 42501 for others '
'than its role, and those of start()';

CREATE FUNCTION workflow.schedule_tick(name text)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_schedule_tick';
COMMENT ON FUNCTION workflow.schedule_tick(text) IS
'for pg_cron''s jobs: start an execution if the schedule is due, record what came of it, and say '
'so. Calling it more often does no harm. Errors: 42704 when there is no such schedule, 42501 for '
'others than its role';

CREATE FUNCTION workflow.next_runs(
    cron text,
    timezone text DEFAULT 'UTC',
    after timestamptz DEFAULT pg_catalog.now(),
    count integer DEFAULT 1)
RETURNS SETOF timestamptz
LANGUAGE c STABLE PARALLEL SAFE ROWS 1
AS 'MODULE_PATHNAME', 'workflow_next_runs';
COMMENT ON FUNCTION workflow.next_runs(text, text, timestamptz, integer) IS
'the first times after a given one, count (1 to 10000) of them, at which a cron expression is due '
'in a time zone. Errors: 22023 for an expression or a time zone that is none, or another count';

CREATE FUNCTION workflow.sync_schedules()
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_sync_schedules';
COMMENT ON FUNCTION workflow.sync_schedules() IS
'have pg_cron''s jobs be what the caller''s schedules need, whatever role they have got, after a '
'restore or after pg_cron''s time zone was changed; returns how many have a job. Errors: 42501 '
'when pg_cron may not be used, 55000 where there is none';

CREATE FUNCTION workflow.schedule_jobs(
    OUT schedule text,
    OUT job text,
    OUT database text,
    OUT role regrole,
    OUT job_schedule text,
    OUT active boolean)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workflow_schedule_jobs';
COMMENT ON FUNCTION workflow.schedule_jobs() IS
'what alerts are made of: the jobs of pg_cron that are ours, as they are, and a row without a job '
'for each schedule that should have one; no rows where pg_cron is in another database. schedule: '
'name of the schedule, null for one of another database, or that is gone; role: null when there is '
'none of its name. A role''s own, and those of its schedules; all of them for members of '
'pg_monitor';

CREATE FUNCTION workflow.schedule_housekeeping(
    older_than interval DEFAULT '30 days',
    cron text DEFAULT '17 3 * * *',
    timezone text DEFAULT 'UTC',
    name text DEFAULT 'housekeeping',
    audit_older_than interval DEFAULT '1 year',
    statistics_older_than interval DEFAULT '10 years')
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_schedule_housekeeping';
COMMENT ON FUNCTION workflow.schedule_housekeeping(interval, text, text, text, interval, interval) IS
'define the workflow pg_workflow.housekeeping, which calls roll_up_statistics() until all that has '
'ended is in the statistics by day, and then prune() with the ages given here until nothing is '
'older; and schedule this version of it; the workflow belongs to the owner of the extension. Null '
'for audit_older_than or statistics_older_than: those are kept. Returns when it is due next. For '
'the owner of the extension, or whom that grants it, prune() and roll_up_statistics() to. Errors: '
'22023 for a negative age, and those of schedule()';
