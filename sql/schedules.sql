--
-- Schedules, as far as they need no pg_cron: when an expression is due, what is
-- refused, and what is decided when a schedule is due.
--
SET timezone = 'UTC';
SELECT workflow.define('{"name": "quick", "start_step": "a", "steps":
    {"a": {"type": "sql", "sql": "SELECT 1", "result": "value"}}, "output": "${workflow.input}"}') > 0 AS defined;
SELECT workflow.define('{"name": "long", "start_step": "a", "steps":
    {"a": {"type": "sql", "sql": "SELECT pg_sleep(3600)"}}}') > 0 AS defined;

-- when: fields, names, steps, the last day, one of two fields for days
SELECT * FROM workflow.next_runs('*/20 9-10 * * mon-fri', after => '2026-11-20 10:30+00', count => 3);
SELECT * FROM workflow.next_runs('0 0 $ * *', after => '2027-01-31 00:00+00', count => 3);
SELECT * FROM workflow.next_runs('0 12 13 * fri', after => '2026-11-01 00:00+00', count => 4);
SELECT * FROM workflow.next_runs('@hourly', after => '2026-11-20 10:30+00');
SELECT * FROM workflow.next_runs('30 seconds', after => '2026-11-20 10:30:01+00', count => 2);
-- 29 February
SELECT * FROM workflow.next_runs('0 0 29 2 *', after => '2096-03-01 00:00+00');
SELECT * FROM workflow.next_runs('0 0 31 2 *', after => '2026-11-20 00:00+00');
SELECT count(*) FROM workflow.next_runs('0 0 1 1 *', after => '294270-01-01 00:00+00', count => 100);
-- clocks put forward (02:00 becomes 03:00) and back (03:00 becomes 02:00) in Berlin
SELECT * FROM workflow.next_runs('30 2 * * *', 'Europe/Berlin', '2026-03-28 00:00+00', 3);
SELECT * FROM workflow.next_runs('30 2 * * *', 'Europe/Berlin', '2026-10-24 00:00+00', 3);
SELECT * FROM workflow.next_runs('*/30 * * * *', 'Europe/Berlin', '2026-03-29 00:00+00', 4);
SELECT next_runs, next_runs AT TIME ZONE 'Europe/Berlin' AS berlin
FROM workflow.next_runs('*/30 * * * *', 'Europe/Berlin', '2026-10-24 23:30+00', 7);
-- clocks put back at midnight, by half an hour, and a day that was left out
SELECT * FROM workflow.next_runs('30 23 * * *', 'America/Havana', '2024-11-02 12:00+00', 2);
SELECT * FROM workflow.next_runs('45 1 * * *', 'Australia/Lord_Howe', '2026-04-03 20:00+00', 3);
SELECT * FROM workflow.next_runs('0 12 * * *', 'Pacific/Apia', '2011-12-29 00:00+00', 3);

-- what is refused
SELECT * FROM workflow.next_runs('61 * * * *');
SELECT * FROM workflow.next_runs('1/5 * * * *');
SELECT * FROM workflow.next_runs('* * * *');
SELECT * FROM workflow.next_runs('@reboot');
SELECT * FROM workflow.next_runs('* * * * *', 'Mars/Olympus');
SELECT * FROM workflow.next_runs('* * * * *', count => 0);
SELECT * FROM workflow.next_runs(NULL);
SELECT workflow.schedule('s', 'quick', '* * * *');
SELECT workflow.schedule('s', 'quick', '0 0 30 2 *');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', timezone => '');
SELECT workflow.schedule('s', 'missing', '0 0 * * *');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', overlap => 'wait');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', max_concurrent_runs => 0);
SELECT workflow.schedule('s', 'quick', '0 0 * * *', priority => 1000000);
SELECT workflow.schedule('s', 'quick', '0 0 * * *', max_lateness => '-1 s');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', max_lateness => '2 years');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', start_at => 'infinity');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', end_at => '-infinity');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', start_at => '2030-01-02', end_at => '2030-01-01');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', end_at => '2020-01-01');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', '{"day": "${today}"}');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', '{"day": "${dueat}"}');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', '{"day": "${date - 1 banana}"}');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', '{"day": "${schedule, YYYY}"}');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', '{"day": "${date"}');
SELECT workflow.schedule('', 'quick', '0 0 * * *');
SELECT workflow.schedule(NULL, 'quick', '0 0 * * *');
SELECT workflow.unschedule('s');
SELECT workflow.pause_schedule('s');
SELECT workflow.resume_schedule('s');
SELECT workflow.run_schedule_now('s');
SELECT workflow.schedule_tick('s');

-- without pg_cron, which this server has not loaded: the two commands that help
SELECT workflow.schedule('s', 'quick', '0 0 * * *');
SELECT workflow.schedule_housekeeping();
SELECT count(*) FROM workflow.schedules;

-- a paused one needs no job: input with placeholders, run by hand
SELECT workflow.schedule('s', 'quick', '0 6 * * *', enabled => false, timezone => 'America/New_York', input =>
    '{"date": "${date}", "month": ["${date - 1 month, YYYY-MM}", 7, null], "at": "${due_at}", "since": "${previous_run_at}",
      "text": "of ${schedule} in ${timezone} by ${ workflow }: $${x} $5", "time": "${time + 1 hour, HH24}"}');
SELECT workflow.run_schedule_now('s') AS id \gset
SELECT status, error FROM workflow.wait(:id, '60 s');
SELECT e.output ->> 'date' = to_char(r.due_at AT TIME ZONE 'America/New_York', 'YYYY-MM-DD') AS date,
       (e.output ->> 'at')::timestamptz = r.due_at AS at, e.output ->> 'at' ~ '-0[45]:00$' AS zone,
       (e.output ->> 'since')::timestamptz = s.created_at AS since,
       e.output -> 'month' ->> 0 = to_char(r.due_at AT TIME ZONE 'America/New_York' - interval '1 month', 'YYYY-MM') AS month,
       e.output #> '{month,1}' AS number, e.output ->> 'text' AS text,
       e.output ->> 'time' = to_char(r.due_at AT TIME ZONE 'America/New_York' + interval '1 hour', 'HH24') AS time
FROM workflow.schedule_runs AS r JOIN workflow.executions AS e ON e.id = r.execution_id
    JOIN workflow.schedules AS s ON s.name = r.schedule
WHERE r.schedule = 's';
-- from the second run on previous_run_at is the one before
SELECT workflow.run_schedule_now('s') AS id \gset
SELECT (output ->> 'since')::timestamptz = (SELECT min(due_at) FROM workflow.schedule_runs WHERE schedule = 's') AS since
FROM workflow.wait(:id, '60 s');
SELECT name, workflow, cron, timezone, enabled, next_run_at, last_outcome, last_execution_id = :id AS last, running, queued,
       job_schedule, role FROM workflow.schedules;
-- A85: hostile names and values stay what they are
SELECT workflow.schedule(E'it''s "x" \\ ${date}', 'quick', '0 6 * * *', '{"a": "''; DROP TABLE x; --${schedule}"}', enabled => false);
SELECT workflow.run_schedule_now(E'it''s "x" \\ ${date}') AS id \gset
SELECT output FROM workflow.wait(:id, '60 s');
SELECT workflow.unschedule(E'it''s "x" \\ ${date}');

-- changing keeps what happened; a schedule of the same name of another role is not touched
SELECT workflow.schedule('s', 'long', '0 0 1 1 *', enabled => false, description => 'changed');
SELECT workflow, cron, input, description, last_outcome FROM workflow.schedules WHERE name = 's';
SELECT action, subject, execution_id IS NOT NULL AS execution, before ->> 'workflow' AS before, after ->> 'workflow' AS after
FROM workflow.audit_log WHERE subject_type = 'schedule' AND subject = 's' ORDER BY id;

-- pg_cron's part, played by hand: due a moment ago
CREATE FUNCTION due(schedule text, ago interval DEFAULT '1 s') RETURNS text LANGUAGE sql AS $$
    UPDATE workflow.schedule_entries SET enabled = true, job_schedule = CASE cron WHEN '* * * * *' THEN cron ELSE '0 0 * * *' END,
        next_run_at = date_trunc('minute', clock_timestamp() - ago) WHERE name = schedule;
    SELECT regexp_replace(workflow.schedule_tick(schedule), '20[0-9]{2}-.*:[0-9.]+\+00', '..');
$$;
CREATE TABLE marks AS SELECT max(id) AS id FROM workflow.schedule_runs;
CREATE VIEW runs AS SELECT row_number() OVER (ORDER BY r.id) AS n, outcome, manual, e.status,
    e.start_at = 'infinity' AS waits, regexp_replace(reason, '20[0-9-]+ [0-9:.+]+', '..') AS reason
FROM workflow.schedule_runs AS r LEFT JOIN workflow.executions AS e ON e.id = r.execution_id
WHERE schedule = 's' AND r.id > (SELECT max(id) FROM marks) ORDER BY r.id;

-- skip
SELECT due('s') ~ '^started' AS started;
SELECT workflow.schedule_tick('s') ~ '^not due before' AS not_due;
SELECT due('s');
SELECT workflow.run_schedule_now('s');
SELECT outcome, manual, status = 'completed' AS ended, waits, reason FROM runs;
SELECT last_outcome, last_reason, running, queued FROM workflow.schedules WHERE name = 's';

-- queue: begins when the one before has ended, however that ends
SELECT workflow.schedule('s', 'long', '0 0 1 1 *', overlap => 'queue', enabled => false);
SELECT due('s') ~ '^queued' AS queued;
SELECT due('s') ~ '^queued' AS queued;
SELECT n, outcome, waits FROM runs;
SELECT running, queued FROM workflow.schedules WHERE name = 's';
SELECT execution_id AS first FROM workflow.schedule_runs WHERE schedule = 's' AND outcome = 'started' ORDER BY id DESC LIMIT 1 \gset
SELECT workflow.cancel(:first) IS NOT NULL AS cancelled;
SELECT status FROM workflow.wait(:first, '60 s');
CALL test.until($$SELECT queued = 1 FROM workflow.schedules WHERE name = 's'$$);
SELECT n, outcome, status = 'cancelled' AS cancelled, waits FROM runs WHERE outcome <> 'skipped';
SELECT running, queued FROM workflow.schedules WHERE name = 's';
-- one that waits can be cancelled
SELECT max(execution_id) AS last FROM workflow.schedule_runs WHERE schedule = 's' \gset
SELECT workflow.cancel(:last);
SELECT running, queued FROM workflow.schedules WHERE name = 's';

-- replace: the one that runs is cancelled, then the new one begins
SELECT workflow.schedule('s', 'long', '0 0 1 1 *', overlap => 'replace', enabled => false);
SELECT max(execution_id) AS old FROM workflow.schedule_runs WHERE schedule = 's' AND execution_id <> :last \gset
SELECT due('s') ~ '^(queued|started)' AS goes_on;
SELECT status, cancel_reason FROM workflow.wait(:old, '60 s');
CALL test.until($$SELECT queued = 0 FROM workflow.schedules WHERE name = 's'$$);
SELECT running, queued FROM workflow.schedules WHERE name = 's';
-- what cannot be started replaces nothing
SELECT workflow.set_status('long', 1, 'archived');
\set VERBOSITY terse
SELECT due('s');
\set VERBOSITY default
SELECT last_outcome, last_reason, running, queued FROM workflow.schedules WHERE name = 's';
SELECT workflow.run_schedule_now('s');
SELECT workflow.set_status('long', 1, 'active');

-- nor what is blocked
SELECT workflow.block('long', 'under repair');
\set VERBOSITY terse
SELECT due('s') ~ '^failed: workflow "long" is blocked: WorkflowBlocked.*under repair' AS failed;
\set VERBOSITY default
SELECT last_outcome, last_reason ~ 'is blocked' AS blocked, running, queued FROM workflow.schedules WHERE name = 's';
SELECT workflow.unblock('long');

-- several at a time
SELECT workflow.schedule('s', 'long', '0 0 1 1 *', max_concurrent_runs => 2, enabled => false);
SELECT due('s') ~ '^started' AS started;
SELECT due('s');
SELECT running, queued FROM workflow.schedules WHERE name = 's';

-- Room is what those leave that have not ended, whoever changes that.  The queued one
-- is paused while the other one ends, and goes on when it is resumed.
SELECT workflow.define('{"name": "queued", "steps": [{"id": "a", "sql": "SELECT pg_sleep(3600)"}]}') > 0 AS defined;
SELECT workflow.schedule('q', 'queued', '0 0 1 1 *', overlap => 'queue', enabled => false);
SELECT workflow.run_schedule_now('q') AS a \gset
SELECT workflow.run_schedule_now('q') AS b \gset
SELECT workflow.pause(:b);
SELECT workflow.cancel(:a) IS NOT NULL AS cancelled;
SELECT status FROM workflow.wait(:a, '60 s');
SELECT running, queued FROM workflow.schedules WHERE name = 'q';
SELECT workflow.resume(:b);
CALL test.until(format($$SELECT status = 'running' FROM workflow.executions WHERE id = %s$$, :b));
SELECT running, queued FROM workflow.schedules WHERE name = 'q';
-- all of them are paused: the one that has begun keeps its room
SELECT workflow.run_schedule_now('q') AS c \gset
SELECT paused FROM workflow.pause_executions('queued') AS paused;
SELECT workflow.resume(:c);
SELECT reason, detail, replace(help, :b::text, 'b') AS help FROM workflow.why(:c);
SELECT workflow.resume(:b);
SELECT running, queued FROM workflow.schedules WHERE name = 'q';
-- one that waits is cancelled and retried, while there is no room and when there is
SELECT workflow.cancel(:c);
SELECT workflow.retry(:c);
SELECT running, queued FROM workflow.schedules WHERE name = 'q';
SELECT workflow.cancel(:c);
SELECT workflow.cancel(:b) IS NOT NULL AS cancelled;
SELECT status FROM workflow.wait(:b, '60 s');
SELECT workflow.retry(:c);
CALL test.until(format($$SELECT status = 'running' FROM workflow.executions WHERE id = %s$$, :c));
-- one that has run and is retried waits as well, and is the first to go on
SELECT workflow.retry(:b);
SELECT workflow.run_schedule_now('q') AS d \gset
SELECT running, queued FROM workflow.schedules WHERE name = 'q';
SELECT schedule, running, max_concurrent_runs, first_execution_id = :c AS first, first_status FROM workflow.schedule_queue ORDER BY execution_id;
SELECT workflow.schedule('q', 'queued', '0 0 1 1 *', overlap => 'queue', max_concurrent_runs => 2, enabled => false);
CALL test.until(format($$SELECT status = 'running' FROM workflow.executions WHERE id = %s$$, :b));
SELECT running, queued FROM workflow.schedules WHERE name = 'q';
-- room is made by raising the number, by an end that a session writes, and by a pause that lasts too long
SELECT workflow.run_schedule_now('q') AS e \gset
SELECT workflow.run_schedule_now('q') AS f \gset
SELECT workflow.schedule('q', 'queued', '0 0 1 1 *', overlap => 'queue', max_concurrent_runs => 3, enabled => false);
CALL test.until(format($$SELECT status = 'running' FROM workflow.executions WHERE id = %s$$, :d));
SELECT running, queued FROM workflow.schedules WHERE name = 'q';
SELECT workflow.pause(:d, max_pause => '1 millisecond');
CALL test.until(format($$SELECT status = 'failed' FROM workflow.executions WHERE id = %s$$, :d));
CALL test.until(format($$SELECT status = 'running' FROM workflow.executions WHERE id = %s$$, :e));
SELECT running, queued FROM workflow.schedules WHERE name = 'q';
-- somebody writes into the table
CALL test.until(format('SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = %s', :e));
UPDATE workflow.executions SET status = 'failed', completed_at = clock_timestamp() WHERE id = :e;
SELECT pg_cancel_backend(executor_pid) FROM workflow.activity WHERE execution_id = :e;
CALL test.until(format('SELECT count(*) = 0 FROM workflow.activity WHERE execution_id = %s', :e));
DELETE FROM workflow.step_executions WHERE execution_id = :e;
CALL test.until(format($$SELECT status = 'running' FROM workflow.executions WHERE id = %s$$, :f));
-- without its schedule what is retried waits for nothing, nor does what was paused meanwhile
SELECT workflow.run_schedule_now('q') AS g \gset
SELECT workflow.pause(:g);
SELECT workflow.unschedule('q');
SELECT status, cancel_reason FROM workflow.wait(:g, '60 s');
SELECT workflow.retry(:g);
CALL test.until(format($$SELECT status = 'running' FROM workflow.executions WHERE id = %s$$, :g));
SELECT count(workflow.cancel(id)) AS cancelled FROM workflow.executions WHERE id IN (:b, :c, :f, :g);
SELECT count(*) FROM unnest(ARRAY[:b, :c, :f, :g]) AS i, workflow.wait(i, '60 s') AS w WHERE w.status = 'cancelled';

-- where a due time is skipped instead, what is retried waits all the same: it is no due time
SELECT workflow.schedule('k', 'queued', '0 0 1 1 *', overlap => 'skip', enabled => false);
SELECT workflow.run_schedule_now('k') AS a \gset
SELECT workflow.cancel(:a) IS NOT NULL AS cancelled;
SELECT status FROM workflow.wait(:a, '60 s');
SELECT workflow.run_schedule_now('k') AS b \gset
SELECT workflow.retry(:a);
SELECT running, queued FROM workflow.schedules WHERE name = 'k';
SELECT reason, detail, replace(help, :b::text, 'b') AS help FROM workflow.why(:a);
-- and a due time is skipped while it does
SELECT workflow.run_schedule_now('k') IS NULL AS skipped;
SELECT outcome, reason FROM workflow.schedule_runs ORDER BY id DESC LIMIT 1;
SELECT workflow.cancel(:b) IS NOT NULL AS cancelled;
CALL test.until(format($$SELECT status = 'running' FROM workflow.executions WHERE id = %s$$, :a));
SELECT running, queued FROM workflow.schedules WHERE name = 'k';
SELECT workflow.cancel(:a) IS NOT NULL AS cancelled;
SELECT status FROM workflow.wait(:a, '60 s');
SELECT workflow.unschedule('k');

-- a clock that was put back: the next time worked out from now counts, but none is decided twice
SELECT workflow.schedule('c', 'quick', '0 0 1 1 *', enabled => false);
UPDATE workflow.schedule_entries SET enabled = true, job_schedule = '0 0 * * *', next_run_at = '2190-01-01 00:00+00' WHERE name = 'c';
SELECT workflow.schedule_tick('c') ~ '^not due before' AS not_due;
SELECT next_run_at = workflow.next_runs('0 0 1 1 *') AS realigned FROM workflow.schedules WHERE name = 'c';
INSERT INTO workflow.schedule_run_entries (schedule_id, schedule, role, due_at, manual, outcome)
    SELECT id, name, role, next_run_at, false, 'started' FROM workflow.schedule_entries WHERE name = 'c';
UPDATE workflow.schedule_entries SET next_run_at = '2190-01-01 00:00+00' WHERE name = 'c';
SELECT workflow.schedule_tick('c') ~ '^not due before' AS not_due;
SELECT next_run_at = (SELECT max(n) FROM workflow.next_runs('0 0 1 1 *', count => 2) AS n) AS the_one_after FROM workflow.schedules WHERE name = 'c';
-- nor is one lost that nobody has noticed
UPDATE workflow.schedule_entries SET next_run_at = '2026-01-01 00:00+00' WHERE name = 'c';
SELECT condition, subject, value > threshold AS over, since FROM workflow.alerts WHERE condition LIKE 'schedule%';
SELECT workflow.pause_schedule('c');
SELECT due_at, outcome, reason FROM workflow.schedule_runs WHERE schedule = 'c' ORDER BY id DESC LIMIT 1;
UPDATE workflow.schedule_entries SET enabled = true, next_run_at = '2026-01-02 00:00+00' WHERE name = 'c';
SELECT workflow.schedule('c', 'quick', '0 0 1 1 *', enabled => false);
SELECT due_at, outcome, reason FROM workflow.schedule_runs WHERE schedule = 'c' ORDER BY id DESC LIMIT 1;
UPDATE workflow.schedule_entries SET enabled = true, next_run_at = '2026-01-03 00:00+00' WHERE name = 'c';
SELECT workflow.unschedule('c');
SELECT due_at, outcome, reason FROM workflow.schedule_runs WHERE schedule = 'c' ORDER BY id DESC LIMIT 1;

-- noticed too late; and late, with later times due as well
SELECT workflow.schedule('s', 'quick', '* * * * *', max_concurrent_runs => 5, max_lateness => '0', enabled => false);
SELECT due('s', '1 hour');
SELECT workflow.schedule('s', 'quick', '* * * * *', max_concurrent_runs => 5, max_lateness => '5 minutes', enabled => false);
SELECT due('s', '1 hour') ~ '^started' AS started;
SELECT outcome, reason FROM runs ORDER BY n DESC LIMIT 3;

-- within its start and its end
SELECT workflow.schedule('later', 'quick', '0 0 1 * *', start_at => '2090-05-01 00:00+00', enabled => false);
UPDATE workflow.schedule_entries SET enabled = true, job_schedule = '0 0 * * *', next_run_at = start_at WHERE name = 'later';
SELECT workflow.schedule_tick('later');
SELECT workflow.pause_schedule('later', 'holidays');
SELECT workflow.pause_schedule('later', 'twice');
SELECT enabled, next_run_at, pause_reason, workflow.schedule_tick('later') FROM workflow.schedules WHERE name = 'later';
SELECT workflow.resume_schedule('later');
SELECT workflow.unschedule('later');

-- one transaction
BEGIN;
SELECT workflow.schedule('rolled_back', 'quick', '0 0 1 * *', enabled => false);
ROLLBACK;
SELECT count(*) FROM workflow.schedules WHERE name = 'rolled_back';
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT workflow.schedule_tick('s');
ROLLBACK;

-- A75: rights: other roles see nothing and change nothing
CREATE ROLE pgwf_schedules_alice LOGIN;
CREATE ROLE pgwf_schedules_monitor IN ROLE pg_monitor;
SELECT workflow.grant_usage('pgwf_schedules_alice');
SET ROLE pgwf_schedules_alice;
SELECT count(*) FROM workflow.schedules;
SELECT count(*) FROM workflow.schedule_runs;
SELECT workflow.unschedule('s');
SELECT workflow.pause_schedule('s');
SELECT workflow.run_schedule_now('s');
SELECT workflow.schedule_tick('s');
SELECT workflow.schedule('s', 'quick', '0 0 * * *', enabled => false);
SELECT workflow.schedule_housekeeping();
INSERT INTO workflow.schedule_run_entries DEFAULT VALUES;
SELECT workflow.schedule('alices', 'quick', '0 0 * * *', '{"secret": 1}', enabled => false);
-- the name that was meant, if it is hers to see
SELECT workflow.unschedule('alice');
SELECT workflow.pause_schedule('alcies');
SELECT workflow.resume_schedule('ALICES');
SELECT workflow.run_schedule_now('S');
SELECT workflow.schedule('other', 'quikc', '@daily', enabled => false);
SELECT workflow.run_schedule_now('alices') AS id \gset
SELECT status, role FROM workflow.wait(:id, '60 s');
RESET ROLE;
-- somebody with her rights starts it as her
SELECT workflow.run_schedule_now('alices') AS id \gset
SELECT status, role FROM workflow.wait(:id, '60 s');
SET ROLE pgwf_schedules_monitor;
SELECT name, role, last_outcome, input FROM workflow.schedules ORDER BY name;
RESET ROLE;

-- unschedule: what runs goes on, what waits does not
SELECT workflow.schedule('s', 'long', '* * * * *', overlap => 'queue', enabled => false);
SELECT workflow.run_schedule_now('s') AS id \gset
SELECT workflow.run_schedule_now('s') IS NOT NULL AS queued;
SELECT workflow.unschedule('s');
SELECT status, cancel_reason, count(*) FROM workflow.executions
WHERE schedule_id IS NOT NULL AND workflow = 'long' AND status IN ('pending', 'running', 'cancelled')
    AND cancel_reason IS DISTINCT FROM 'replaced by a later execution of its schedule' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) > 10 AS history FROM workflow.schedule_runs WHERE schedule = 's';
SELECT count(workflow.cancel(id)) > 0 AS cancelled FROM workflow.executions WHERE workflow = 'long' AND status IN ('pending', 'running');
SELECT count(workflow.wait(id, '60 s')) > 0 AS ended FROM workflow.executions WHERE workflow = 'long';

-- history is pruned with the executions
SELECT workflow.prune('1 hour') >= 0 AS pruned;
UPDATE workflow.schedule_run_entries SET decided_at = '2020-01-01' WHERE schedule = 's';
SELECT workflow.prune('1 hour') >= 0 AS pruned;
SELECT count(*) FROM workflow.schedule_runs WHERE schedule = 's';
-- but what a schedule goes by: its newest entry, the newest that started something, the newest that is not by hand
SELECT workflow.schedule('quarterly', 'quick', '0 0 1 */3 *', '{"since": "${previous_run_at}"}', enabled => false);
INSERT INTO workflow.schedule_run_entries (schedule_id, schedule, role, due_at, decided_at, manual, outcome, execution_id)
SELECT s.id, s.name, s.role, t.due_at, t.due_at, t.manual, t.outcome, t.execution_id
FROM workflow.schedule_entries AS s,
    (VALUES ('2020-01-01'::timestamptz, false, 'started', 1), ('2020-04-01', false, 'started', 2), ('2020-04-02', true, 'skipped', NULL),
            ('2020-07-01', false, 'missed', NULL), ('2020-07-02', true, 'skipped', NULL), ('2020-07-03', true, 'failed', NULL))
        AS t (due_at, manual, outcome, execution_id)
WHERE s.name = 'quarterly' ORDER BY t.due_at;
SELECT workflow.prune('1 hour') >= 0 AS pruned;
SELECT due_at, manual, outcome FROM workflow.schedule_runs WHERE schedule = 'quarterly' ORDER BY id;
SELECT last_run_at, last_outcome FROM workflow.schedules WHERE name = 'quarterly';
SELECT workflow.run_schedule_now('quarterly') AS id \gset
SELECT input FROM workflow.wait(:id, '60 s');
SELECT workflow.prune('1 hour') >= 0 AS pruned;
SELECT due_at > '2021-01-01' AS newest, manual, outcome FROM workflow.schedule_runs WHERE schedule = 'quarterly' ORDER BY id;
SELECT workflow.unschedule('quarterly');
SELECT workflow.prune('1 hour') >= 0 AS pruned;
SELECT due_at > '2021-01-01' AS newest, manual, outcome FROM workflow.schedule_runs WHERE schedule = 'quarterly' ORDER BY id;

-- tidy up
SELECT workflow.unschedule('alices');
SELECT workflow.revoke_usage('pgwf_schedules_alice');
DELETE FROM workflow.audit_entries WHERE subject_type = 'schedule';
DELETE FROM workflow.schedule_run_entries;
DELETE FROM workflow.executions WHERE role = 'pgwf_schedules_alice'::regrole;
DROP ROLE pgwf_schedules_alice, pgwf_schedules_monitor;
DROP FUNCTION due;
DROP VIEW runs;
DROP TABLE marks;
