# Schedules with the real pg_cron: in its database and in another one, as roles with
# few rights, at the next minute, when something of pg_cron is missing, after a crash,
# after a restore, and when the extension goes.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('schedules', 'workflow.max_executors = 6', 'max_worker_processes = 30',
	'timezone = UTC', 'max_prepared_transactions = 2',
	# settings that nobody has: pg_cron is not loaded yet, and has no time zone before 1.5
	"cron.database_name = 'postgres'", "cron.timezone = 'Asia/Kolkata'");

$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE DATABASE other');
for my $database ('postgres', 'other')
{
	install_extension($node, $database);
	$node->safe_psql($database, q{SELECT workflow.grant_usage('alice'), workflow.grant_usage('bob')});
}

# Run SQL as a role; what it prints, errors included.
sub as_role
{
	my ($role, $database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	return $out . $err;
}

sub query
{
	my ($database, $sql) = @_;
	return $node->safe_psql($database, $sql);
}

# The jobs of pg_cron: whose, where, what.
sub jobs
{
	return query('postgres', q{SELECT string_agg(concat_ws(' ', username, database, schedule, substring(command, 'SELECT.*')), E'\n'
		ORDER BY username, database, command) FROM cron.job});
}

my $every_minute = q{SELECT workflow.schedule('s', 'short', '* * * * *')};

# --- what is missing, and what helps ---

like(as_role('alice', 'postgres', $every_minute), qr/55000.*Add pg_cron to shared_preload_libraries.*CREATE EXTENSION pg_cron/s,
	'pg_cron is not loaded');
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_cron, pg_workflow'
cron.use_background_workers = on
});
$node->restart;
like(as_role('alice', 'postgres', $every_minute), qr/55000.*Run CREATE EXTENSION pg_cron in database "postgres"/s,
	'pg_cron has not been created, here');
like(as_role('alice', 'other', $every_minute), qr/55000.*Run CREATE EXTENSION pg_cron in database "postgres"/s,
	'pg_cron has not been created, elsewhere');
query('postgres', 'CREATE EXTENSION pg_cron');

like(as_role('alice', 'postgres', $every_minute), qr/42501.*GRANT USAGE ON SCHEMA cron TO alice; GRANT EXECUTE ON FUNCTION cron\.schedule\(/s,
	'no right to use pg_cron, here');
query('postgres', 'GRANT USAGE ON SCHEMA cron TO alice, bob');
like(as_role('alice', 'other', $every_minute), qr/42501.*in database "postgres".*GRANT EXECUTE ON FUNCTION cron\.schedule_in_database\(/s,
	'no right to use pg_cron, elsewhere');
is(query('other', 'SELECT count(*) FROM workflow.schedules'), '0', 'and so there is no schedule');
query('postgres', 'GRANT EXECUTE ON FUNCTION cron.schedule_in_database TO alice');
query('postgres', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
like(as_role('alice', 'other', $every_minute), qr/42501.*not permitted to connect to database "postgres"/s,
	'no right to connect to its database');
query('postgres', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
# Since 1.5 pg_cron has seconds, and a time zone.
my $newer = query('postgres', q{SELECT string_to_array(substring(extversion, '^\d+[.]\d+'), '.')::int[] >= '{1,5}' FROM pg_extension WHERE extname = 'pg_cron'}) eq 't';
my $in_berlin = $newer ? '0 6,7' : '30 0,1';
if ($newer)
{
	as_role('alice', 'other', q{SELECT workflow.schedule('seconds', 'short', '2 seconds')});
	is(jobs(), q{alice other 2 seconds SELECT workflow.schedule_tick('seconds')}, 'this pg_cron has seconds');
	$node->poll_query_until('other', q{SELECT count(*) >= 2 FROM workflow.schedule_runs WHERE outcome = 'started' AND NOT manual})
	  or fail('it is due again and again');
	as_role('alice', 'other', q{SELECT workflow.unschedule('seconds')});
}
else
{
	like(as_role('alice', 'other', q{SELECT workflow.schedule('s', 'short', '30 seconds')}),
		qr/0A000.*pg_cron 1\.4/s, 'this pg_cron has no seconds');
}
is(jobs(), '', 'nothing of that has left a job');

# --- jobs follow the transaction ---

for my $database ('postgres', 'other')
{
	as_role('alice', $database, "BEGIN; $every_minute; ROLLBACK");
	is(jobs(), '', "$database: rolled back, it never happened");
	as_role('alice', $database, "BEGIN; SAVEPOINT a; $every_minute; ROLLBACK TO a; COMMIT");
	is(jobs(), '', "$database: in a subtransaction, too");
	as_role('alice', $database, "BEGIN; $every_minute; SELECT workflow.unschedule('s'); COMMIT");
	is(jobs(), '', "$database: removed again before the commit");
	as_role('alice', $database, "BEGIN; $every_minute; SELECT workflow.schedule('s', 'short', '30 2 * * *', timezone => 'Europe/Berlin'); COMMIT");
	is(jobs(), "alice $database $in_berlin * * * SELECT workflow.schedule_tick('s')", "$database: the last change counts");
	as_role('alice', $database, q{SELECT workflow.pause_schedule('s', 'why not')});
	is(jobs(), '', "$database: a paused schedule has no job");
	as_role('alice', $database, q{SELECT workflow.resume_schedule('s')});
	is(jobs(), "alice $database $in_berlin * * * SELECT workflow.schedule_tick('s')", "$database: resumed, it has");
	as_role('alice', $database, q{SELECT workflow.unschedule('s')});
	is(jobs(), '', "$database: unschedule() removes the job");
}
like(as_role('alice', 'other', "BEGIN; $every_minute; PREPARE TRANSACTION 'p'"), qr/0A000/,
	'with pg_cron elsewhere such a transaction cannot be prepared');

# --- the next minute: everything at once, since it takes a minute ---

# not so shortly before it that a schedule is made after
$node->poll_query_until('postgres', 'SELECT extract(second FROM clock_timestamp()) < 20')
  or die 'timed out';
my $end = query('postgres', q{SELECT date_trunc('minute', clock_timestamp()) + '1 minute 1 second'});
for my $database ('postgres', 'other')
{
	as_role('alice', $database, $every_minute);
	as_role('alice', $database, q{SELECT workflow.schedule('it''s', 'short', '* * * * *', '{"at": "${time}"}', timezone => 'Asia/Kolkata')});
	as_role('alice', $database, qq{SELECT workflow.schedule('once', 'short', '* * * * *', end_at => '$end')});
}
as_role('alice', 'postgres', q{SELECT workflow.schedule('later', 'short', '* * * * *', start_at => now() + interval '1 hour')});
as_role('alice', 'postgres', q{SELECT workflow.schedule('skipped', 'endless', '* * * * *')});
as_role('alice', 'postgres', q{SELECT workflow.schedule('queued', 'endless', '* * * * *', overlap => 'queue')});
as_role('alice', 'postgres', q{SELECT workflow.schedule('replaced', 'endless', '* * * * *', overlap => 'replace')});
my %first = map { $_ => as_role('alice', 'postgres', "SELECT workflow.run_schedule_now('$_')") } qw(skipped queued replaced);
$node->poll_query_until('postgres', qq{SELECT count(*) = 3 FROM workflow.activity}) or die 'endless steps do not run';
query('postgres', q{SELECT workflow.define('{"name": "gone", "steps": [{"id": "a", "sql": "SELECT 1"}]}')});
as_role('bob', 'postgres', q{SELECT workflow.schedule('broken', 'gone', '* * * * *')});
query('postgres', q{SELECT workflow.set_status('gone', 1, 'archived')});

sub outcome
{
	my ($database, $schedule) = @_;
	$node->poll_query_until($database, qq{SELECT count(*) > 0 FROM workflow.schedule_runs WHERE schedule = \$\$$schedule\$\$ AND NOT manual})
	  or die "$schedule was never due";
	my ($decided, $execution, $reason) = split /\|/, query($database, qq{SELECT outcome, execution_id, reason
		FROM workflow.schedule_runs WHERE schedule = \$\$$schedule\$\$ AND NOT manual ORDER BY id LIMIT 1}), 3;
	return "$decided $reason" if $execution eq '';
	return $decided if $decided ne 'started' || $schedule eq 'replaced';
	return "$decided " . query($database, "SELECT role || ' ' || status FROM workflow.wait($execution, '60 s')");
}

for my $database ('postgres', 'other')
{
	is(outcome($database, 's'), 'started alice completed', "$database: pg_cron has started it, as its role");
	is(outcome($database, "it's"), 'started alice completed', "$database: in another zone, with another name");
	like(query($database, q{SELECT e.input ->> 'at' FROM workflow.executions AS e JOIN workflow.schedules AS s ON s.last_execution_id = e.id WHERE s.name = 'it''s'}),
		qr/^\d\d:(00|30|\d\d):00$/, "$database: with the input of that time");
	is(outcome($database, 'once'), 'started alice completed', "$database: the last time before its end");
	is(query($database, q{SELECT enabled, next_run_at IS NULL FROM workflow.schedules WHERE name = 'once'}),
		't|t', "$database: then it is over");
	like(jobs(), qr/$database 0 0 1 1 \* SELECT workflow.schedule_tick\('once'\)/, "$database: and its job at rest");
	is(query($database, q{SELECT bool_and(decided_at >= due_at) AND bool_and(due_at = date_trunc('minute', due_at))
		FROM workflow.schedule_runs WHERE NOT manual AND schedule <> 'seconds'}), 't', "$database: at full minutes, and not before");
	is(query($database, q{SELECT count(*) FROM workflow.audit_log AS a JOIN workflow.executions AS e ON e.id = a.execution_id
		WHERE a.subject_type = 'schedule' AND a.subject = 's' AND a.action = 'start' AND a.role = 'alice'::regrole}) > 0, 1, "$database: that is in the audit log");
}
is(outcome('postgres', 'skipped'), 'skipped 1 of at most 1 executions have not ended', 'skipped while one runs');
is(outcome('postgres', 'queued'), 'queued', 'queued while one runs');
like(outcome('postgres', 'replaced'), qr/^(queued|started)$/, 'replaces the one that runs');
is(query('postgres', "SELECT status FROM workflow.wait($first{replaced}, '60 s')"), 'cancelled', 'which is cancelled');
is(outcome('postgres', 'broken'), 'failed workflow "gone" cannot be started: It has no active version; the newest, version 1, has status "archived".',
	'what cannot be started is recorded');
is(query('postgres', q{SELECT next_run_at > now() FROM workflow.schedules WHERE name = 'broken'}), 't', 'and the schedule goes on');
is(query('postgres', q{SELECT count(*) FROM workflow.schedule_runs WHERE schedule = 'later'}), '0', 'nothing before start_at');
is(query('postgres', q{SELECT string_agg(concat_ws(' ', database, command, return_message), '; ') FROM cron.job_run_details WHERE status = 'failed'}), '', 'for pg_cron all of that is success');
$node->poll_query_until('postgres', q{SELECT running = 1 AND queued = 0 FROM workflow.schedules WHERE name = 'replaced'})
  or die 'timed out';

# --- a crash: who waits still waits, and goes on when the other one has ended ---

as_role('alice', 'postgres', "SELECT workflow.pause_schedule(name) FROM workflow.schedules");
as_role('bob', 'postgres', "SELECT workflow.unschedule('broken')");
as_role('alice', 'other', "SELECT workflow.pause_schedule(name) FROM workflow.schedules");
$node->stop('immediate');
$node->start;
is(jobs(), '', 'after a crash: no jobs of what was paused');
is(query('postgres', q{SELECT running, queued > 0 FROM workflow.schedules WHERE name = 'queued'}), '1|t', 'the queued one still waits');
is(as_role('alice', 'postgres', "SELECT workflow.cancel($first{queued}) IS NOT NULL"), 't', 'the one before is cancelled');
query('postgres', "SELECT workflow.wait($first{queued}, '60 s')");
$node->poll_query_until('postgres', q{SELECT e.status = 'running' FROM workflow.schedule_runs AS r JOIN workflow.executions AS e ON e.id = r.execution_id
	WHERE r.schedule = 'queued' AND r.outcome = 'queued' ORDER BY r.id LIMIT 1})
  or die 'timed out';
is(query('postgres', q{SELECT running FROM workflow.schedules WHERE name = 'queued'}), '1', 'and the queued one runs');
query('postgres', q{SELECT workflow.cancel(id) FROM workflow.executions WHERE completed_at IS NULL});

# A scheduler's end of an execution, not a session's, admits the next: one that is
# cancelled while it runs has been that; here an executor's.
query('postgres', q{SELECT workflow.define('{"name": "gate", "steps": [{"id": "a", "sql": "SELECT pg_advisory_xact_lock_shared(1)"}]}')});
my $session = $node->background_psql('postgres');
$session->query_safe('SELECT pg_advisory_lock(1)');
as_role('alice', 'postgres', q{SELECT workflow.schedule('gated', 'gate', '0 0 1 1 *', overlap => 'queue', max_concurrent_runs => 2)});
my @gated = map { as_role('alice', 'postgres', q{SELECT workflow.run_schedule_now('gated')}) } 1 .. 5;
is(query('postgres', q{SELECT running, queued FROM workflow.schedules WHERE name = 'gated'}), '2|3', 'two run, three wait');
$session->query_safe('SELECT pg_advisory_unlock(1)');
is(query('postgres', "SELECT count(*) FROM unnest(ARRAY[" . join(',', @gated) . "]) AS g, workflow.wait(g, '60 s') AS e WHERE e.status = 'completed'"),
	'5', 'all have run');
is(query('postgres', q{SELECT max((SELECT count(*) FROM workflow.executions AS b WHERE b.schedule_id = a.schedule_id
		AND b.started_at <= a.started_at AND b.completed_at > a.started_at)) <= 2
	FROM workflow.executions AS a WHERE a.workflow = 'gate'}), 't', 'never more than two at a time');
$session->quit;

# --- who sees and changes what (A146) ---

is(as_role('bob', 'postgres', 'SELECT count(*) FROM workflow.schedules'), '0', 'another role sees no schedules');
like(as_role('bob', 'postgres', q{SELECT workflow.unschedule('s')}), qr/42704: schedule "s" does not exist/, 'and removes none');
is(query('postgres', q{SELECT workflow.resume_schedule('s') IS NOT NULL}), 't', 'somebody with the rights of its role may');
like(jobs(), qr/^alice postgres \* \* \* \* \* SELECT workflow.schedule_tick\('s'\)$/m, 'the job is the role\'s all the same');

# --- dump and restore ---

query('other', q{SELECT workflow.resume_schedule('s')});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('other') ], 'a dump');
query('postgres', 'CREATE DATABASE target');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('target'), $dump ], 'is restored');
unlike(jobs(), qr/target/, 'jobs are not in it');
is(query('target', q{SELECT count(*) FROM workflow.schedules}), query('other', q{SELECT count(*) FROM workflow.schedules}), 'schedules are');
is(query('target', 'SELECT workflow.sync_schedules()'), '1', 'sync_schedules() makes the jobs');
like(jobs(), qr/^alice target \* \* \* \* \* SELECT workflow.schedule_tick\('s'\)$/m, 'of the role, in the new database');
like(jobs(), qr/^alice other /m, 'and leaves those of the old one');
query('target', 'BEGIN; DROP EXTENSION pg_workflow; ROLLBACK');
like(jobs(), qr/^alice target /m, 'a drop that is rolled back leaves jobs');
query('target', 'DROP EXTENSION pg_workflow');
unlike(jobs(), qr/target/, 'DROP EXTENSION removes the jobs, elsewhere');
query('other', 'DROP EXTENSION pg_workflow');
unlike(jobs(), qr/other/, 'and in each database its own');

# --- housekeeping ---

like(as_role('alice', 'postgres', 'SELECT workflow.schedule_housekeeping()'), qr/42501/, 'housekeeping is not for everybody');
query('postgres', q{UPDATE workflow.executions SET completed_at = now() - interval '1 year' WHERE status = 'completed'});
my $old = query('postgres', q{SELECT count(*) FROM workflow.executions WHERE status = 'completed'});
my $ended = query('postgres', q{SELECT count(*) FROM workflow.executions WHERE completed_at IS NOT NULL});
query('postgres', q{INSERT INTO workflow.audit_entries (at, action, subject_type, subject, role, session_role, pid)
	SELECT now() - i * interval '100 days', 'old', 'nothing', i, 'alice'::regrole, 'alice'::regrole, 0 FROM generate_series(1, 4) AS i});
is(query('postgres', q{SELECT workflow.schedule_housekeeping('90 days', audit_older_than => '250 days', statistics_older_than => NULL) > now()}), 't', 'one call schedules it');
my $id = query('postgres', q{SELECT workflow.run_schedule_now('housekeeping')});
is(query('postgres', "SELECT status FROM workflow.wait($id, '60 s')"), 'completed', 'it runs');
is(query('postgres', q{SELECT count(*) FROM workflow.executions WHERE status = 'completed' AND completed_at < now() - interval '90 days'}), '0', "and prunes ($old)");
is(query('postgres', q{SELECT sum(total) FROM workflow.statistics_history WHERE kind = 'workflow' AND workflow NOT LIKE 'pg_workflow.%'}), $ended,
	'what has ended is in the statistics, pruned or not');
is(query('postgres', q{SELECT string_agg(subject, ',' ORDER BY subject) FROM workflow.audit_log WHERE action = 'old'}), '1,2', 'the audit log is kept as long as it was told');
is(query('postgres', q{SELECT string_agg(step_id, ',' ORDER BY step_id) FROM (SELECT DISTINCT step_id FROM workflow.step_executions WHERE execution_id = } . $id . q{ AND status = 'completed') AS s}),
	'part,prune,roll_up,rolled_up', 'its steps');

query('postgres', 'DROP EXTENSION pg_workflow CASCADE');
is(jobs(), '', 'DROP EXTENSION removes the jobs, here');

done_testing();
