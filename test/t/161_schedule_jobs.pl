# Schedules and their jobs of pg_cron when something else changes: the schedule itself,
# the clock, names of roles and databases, settings, jobs of others.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('schedule_jobs', 'workflow.max_executors = 4', 'max_worker_processes = 30', 'timezone = UTC',
	"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'postgres'", 'cron.use_background_workers = on');

$node->safe_psql('postgres', 'CREATE DATABASE other');
install_extension($node, $_) for ('postgres', 'other');

sub query
{
	my ($database, $sql) = @_;
	return $node->safe_psql($database, $sql);
}

# --- pg_cron is loaded, and not created in its database yet ---

# A185: a schema of its name that somebody else makes there
$node->safe_psql('postgres', q{
	CREATE ROLE mallory LOGIN;
	GRANT CREATE ON DATABASE postgres TO mallory;
	SELECT workflow.grant_usage('mallory')});
my $mallory = q{SET SESSION AUTHORIZATION mallory};
$node->safe_psql('postgres', qq{$mallory;
	CREATE SCHEMA cron;
	CREATE FUNCTION cron.trap(text) RETURNS text LANGUAGE plpgsql AS \$\$BEGIN RAISE LOG 'TRAP as %', current_user; RETURN \$1; END\$\$;
	CREATE VIEW cron.job AS SELECT cron.trap('pg_workflow:postgres/1') AS jobname, 'SELECT workflow.schedule_tick('::text AS command,
		'postgres'::text AS database, 'mallory'::text AS username, '* * * * *'::text AS schedule, true AS active});
my $log_start = -s $node->logfile;
is(query('postgres', "$mallory; SELECT count(*) FROM workflow.schedule_jobs()"), 0, 'no jobs');
query('postgres', $_) foreach 'SELECT count(*) FROM workflow.alerts', 'SELECT count(*) FROM workflow.verify()';
unlike(slurp_file($node->logfile, $log_start), qr/TRAP as/, 'nothing in a schema cron that is not of pg_cron is called');
$node->safe_psql('postgres', 'DROP SCHEMA cron CASCADE; DROP OWNED BY mallory; DROP ROLE mallory; CREATE EXTENSION pg_cron');

# --- a time that is due and that nobody has noticed, and a clock that was put back ---

my $new_year = q{SELECT workflow.schedule('s', 'short', '0 0 1 1 *')};
my $next = q{(SELECT next_run_at FROM workflow.schedules WHERE name = 's')};

sub set_next
{
	query('postgres', "UPDATE workflow.schedule_entries SET next_run_at = $_[0] WHERE name = 's'");
}

sub last_run
{
	return query('postgres', q{SELECT concat_ws(' ', due_at, outcome, reason) FROM workflow.schedule_runs ORDER BY id DESC LIMIT 1});
}

my $true_time = query('postgres', $new_year);
set_next(q{now() - interval '5 seconds'});
is(query('postgres', qq{$new_year = $next AND $next < now()}), 't', 'schedule() with the same arguments leaves what is due');
is(query('postgres', q{SELECT workflow.schedule('s', 'short', '0 0 1 1 *', '{"changed": 1}', max_concurrent_runs => 2, description => 'x') < now()}), 't',
	'with the same times, too');
like(query('postgres', q{SELECT workflow.schedule_tick('s')}), qr/^started/, 'and it is noticed');
set_next(q{'2026-01-01 00:00+00'});
isnt(query('postgres', q{SELECT workflow.schedule('s', 'short', '1 0 1 1 *')}), $true_time, 'with other times it is due at another');
is(last_run(), '2026-01-01 00:00:00+00 missed the schedule was changed before it was noticed', 'and what was due is recorded');
query('postgres', $new_year);

for my $change ($new_year, q{SELECT workflow.sync_schedules()}, q{SELECT workflow.schedule_tick('s')})
{
	for my $false ("'2190-01-01 00:00+00'", 'NULL')
	{
		# one that is over asks once a year
		query('postgres', q{SELECT cron.schedule(jobname, '0 0 1 1 *', command) FROM cron.job});
		query('postgres', q{UPDATE workflow.schedule_entries SET job_schedule = '0 0 1 1 *' WHERE name = 's'});
		set_next($false);
		query('postgres', $change);
		is(query('postgres', "SELECT $next"), $true_time, "$change: the clock has been put back from $false");
		is(query('postgres', q{SELECT count(*) = 1 AND bool_and(schedule = job_schedule) FROM cron.job, workflow.schedules}), 't', 'its job fits');
	}
}
query('postgres', q{SELECT workflow.unschedule('s')});

# --- roles and databases get other names, or go ---

query('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; GRANT USAGE ON SCHEMA cron TO alice, bob;
	GRANT EXECUTE ON FUNCTION cron.schedule_in_database TO alice, bob');
query($_, q{SELECT workflow.grant_usage('alice'), workflow.grant_usage('bob')}) for ('postgres', 'other');

sub as_role
{
	my ($role, $database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql, extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	return $out . $err;
}

# The jobs of pg_cron: whose, where, which.
sub jobs
{
	return query('postgres', q{SELECT string_agg(concat_ws(' ', username, database, split_part(jobname, '/', 2), substring(command, 'SELECT.*')), '; '
		ORDER BY username, database, command) FROM cron.job});
}

for my $database ('postgres', 'other')
{
	as_role($_, $database, qq{SELECT workflow.schedule('of $_', 'short', '0 0 1 1 *')}) for ('alice', 'bob');
}
my $all = q{%1$s other other SELECT workflow.schedule_tick('of alice'); %1$s postgres postgres SELECT workflow.schedule_tick('of alice')} .
  q{; %2$s other other SELECT workflow.schedule_tick('of bob'); %2$s postgres postgres SELECT workflow.schedule_tick('of bob')};
is(jobs(), sprintf($all, 'alice', 'bob'), 'four jobs');
for my $database ('postgres', 'other', 'template1')
{
	query($database, 'ALTER ROLE alice RENAME TO alicia');
	is(jobs(), sprintf($all, 'alicia', 'bob'), "$database: jobs follow a role that is renamed");
	query($database, 'BEGIN; ALTER ROLE alicia RENAME TO a; ALTER ROLE a RENAME TO alice; SAVEPOINT s; ALTER ROLE bob RENAME TO b; ROLLBACK TO s; COMMIT');
	is(jobs(), sprintf($all, 'alice', 'bob'), "$database: twice, and not at all");
	query($database, 'BEGIN; ALTER ROLE alice RENAME TO a; ROLLBACK');
	is(jobs(), sprintf($all, 'alice', 'bob'), "$database: rolled back");
}
query('other', 'BEGIN; ALTER ROLE alice RENAME TO x; ALTER ROLE bob RENAME TO alice; ALTER ROLE x RENAME TO bob; COMMIT');
is(query('postgres', q{SELECT string_agg(DISTINCT username || ' ' || substring(command, '''of (.*)'''), ', ') FROM cron.job}),
	'alice bob, bob alice', 'roles that exchange their names');
query('postgres', 'BEGIN; ALTER ROLE alice RENAME TO x; ALTER ROLE bob RENAME TO alice; ALTER ROLE x RENAME TO bob; COMMIT');
is(jobs(), sprintf($all, 'alice', 'bob'), 'and back');

query('postgres', 'ALTER DATABASE other RENAME TO another');
is(jobs(), sprintf($all, 'alice', 'bob') =~ s/other other/another another/gr, 'jobs follow a database that is renamed');
query('postgres', 'ALTER DATABASE another RENAME TO other');
query('postgres', 'CREATE DATABASE third');
install_extension($node, 'third');
query('third', q{SELECT workflow.schedule('third', 'short', '0 0 1 1 *')});
like(jobs(), qr/third third/, 'a third database');
query('postgres', 'DROP DATABASE third');
is(jobs(), sprintf($all, 'alice', 'bob'), 'jobs go with their database');

# --- nobody noticed: names that are wrong, and jobs that are not ours ---

query('postgres', q{UPDATE cron.job SET username = 'nobody' WHERE username = 'alice'});
query($_, 'SELECT workflow.sync_schedules()') for ('postgres', 'other');
is(jobs(), sprintf($all, 'alice', 'bob'), 'sync_schedules() finds jobs of a role that is not there');
query('postgres', q{UPDATE cron.job SET username = 'bob'});
query($_, 'SELECT workflow.sync_schedules()') for ('postgres', 'other');
is(jobs(), sprintf($all, 'alice', 'bob'), 'and of another role');
query('postgres', q{UPDATE cron.job SET username = 'nobody' WHERE username = 'alice'});
for my $database ('postgres', 'other')
{
	query($database, q{SELECT workflow.unschedule('of alice')});
	unlike(jobs(), qr/nobody $database/, "$database: unschedule() finds it, too");
	as_role('alice', $database, q{SELECT workflow.schedule('of alice', 'short', '0 0 1 1 *')});
	my $name = query('postgres', qq{SELECT jobname FROM cron.job WHERE username = 'alice' AND database = '$database'});
	query('postgres', qq{UPDATE cron.job SET username = 'bob', command = 'SELECT 1' WHERE jobname = '$name'});
	like(as_role('alice', $database, q{SELECT workflow.schedule('of alice', 'short', '0 0 1 1 *')}),
		qr/42710: +pg_cron has another job "$name".*role "bob" and runs in database "$database": SELECT 1.*SELECT cron\.unschedule\(\d+\) as a superuser/s,
		"$database: a job with our name that is not ours");
	query('postgres', qq{DELETE FROM cron.job WHERE jobname = '$name'});
	as_role('alice', $database, q{SELECT workflow.schedule('of alice', 'short', '0 0 1 1 *')});
}
is(jobs(), sprintf($all, 'alice', 'bob'), 'all is well');

# --- alerts: what is not as it was made; a warning when it is replaced (A92) ---

sub job_alerts
{
	return query($_[0] || 'postgres', q{SELECT string_agg(condition || ' ' || subject, '; ' ORDER BY condition, subject) FROM workflow.alerts WHERE condition ~ '^job'});
}

my $job = query('postgres', q{SELECT job FROM workflow.schedule_jobs() WHERE schedule = 'of alice'});
my $elsewhere = query('postgres', q{SELECT jobname FROM cron.job WHERE database = 'other' AND username = 'alice'});
my %broken = (
	'job missing of alice' => qq{DELETE FROM cron.job WHERE jobname = '$job'},
	'job doubled of alice' => qq{INSERT INTO cron.job (schedule, command, username, database, jobname, nodename, nodeport) SELECT schedule, command, 'bob', database, jobname, nodename, nodeport FROM cron.job WHERE jobname = '$job'},
	'job of another role of alice' => qq{UPDATE cron.job SET username = 'bob' WHERE jobname = '$job'},
	'job of another role of alice ' => qq{UPDATE cron.job SET username = 'nobody' WHERE jobname = '$job'},
	'job changed of alice' => qq{UPDATE cron.job SET schedule = '0 0 2 2 *' WHERE jobname = '$job'},
	'job changed of alice ' => qq{UPDATE cron.job SET active = false WHERE jobname = '$job'},
	"job of no role $elsewhere" => qq{UPDATE cron.job SET username = 'nobody' WHERE jobname = '$elsewhere'});

is(job_alerts(), '', 'no alert');
foreach my $alert (sort keys %broken)
{
	query('postgres', $broken{$alert});
	is(job_alerts(), $alert =~ s/ $//r, "alert: $alert");
	is(job_alerts('other'), '', 'not where pg_cron is not');
	like(as_role('alice', 'postgres', q{SELECT string_agg(condition, ' ') FROM workflow.alerts WHERE subject = 'of alice'}),
		$alert =~ /no role/ ? qr/^$/ : qr/^\Q@{[ $alert =~ s{ of alice ?$}{}r ]}\E$/, 'its owner is told, too');
	is(as_role('bob', 'postgres', q{SELECT string_agg(condition, ' ') FROM workflow.alerts WHERE subject <> 'of bob'}), '', 'others are not');
	query($_, 'SELECT workflow.sync_schedules()') for ('postgres', 'other');
	is(job_alerts(), '', 'sync_schedules() mends it');
	is(jobs(), sprintf($all, 'alice', 'bob'), 'all is as it was');
}
for my $database ('postgres', 'other')
{
	my $name = query('postgres', qq{SELECT jobname FROM cron.job WHERE username = 'alice' AND database = '$database'});

	query('postgres', qq{UPDATE cron.job SET username = 'bob' WHERE jobname = '$name'});
	like(as_role('alice', $database, q{SELECT workflow.schedule('of alice', 'short', '0 0 1 1 *')}),
		qr/WARNING: +01000: job "\Q$name\E" of pg_cron belonged to role "bob"\nDETAIL: .*of role "alice".*HINT: +Find out who made it/s,
		"$database: a warning when the job of another role is replaced");
	query('postgres', qq{UPDATE cron.job SET username = 'nobody' WHERE jobname = '$name'});
	like(as_role('postgres', $database, 'SELECT workflow.sync_schedules()'), qr/belonged to role "nobody".*HINT: +There is no such role/s, "$database: of no role");
	unlike(as_role('alice', $database, q{SELECT workflow.schedule('of alice', 'short', '0 0 1 1 *')}), qr/WARNING/, "$database: and then none");
}
is(jobs(), sprintf($all, 'alice', 'bob'), 'all is well again');

# a serializable transaction may fail after the jobs elsewhere have been written
foreach my $change (q{schedule('of alice', 'short', '0 0 1 1 *')}, q{pause_schedule('of alice')}, q{unschedule('of alice')}, 'sync_schedules()')
{
	like(as_role('alice', 'other', "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT workflow.$change; COMMIT"),
		qr/ERROR: +55000: schedules cannot be changed under isolation level SERIALIZABLE\nDETAIL: .*another database.*HINT: /s,
		"$change: not where pg_cron is in another database");
	unlike(as_role('alice', $_->[0], "BEGIN ISOLATION LEVEL $_->[1]; SELECT workflow.$change; ROLLBACK"), qr/ERROR/, "$change: $_->[0], $_->[1]")
	  for ([ 'other', 'REPEATABLE READ' ], [ 'postgres', 'SERIALIZABLE' ]);
}
is(jobs(), sprintf($all, 'alice', 'bob'), 'nothing of that has changed a job');

# a role that is gone leaves schedules without a job
query($_, q{SELECT workflow.revoke_usage('bob')}) for ('postgres', 'other');
query('postgres', 'REVOKE ALL ON SCHEMA cron FROM bob; REVOKE ALL ON FUNCTION cron.schedule_in_database FROM bob');
query('template1', 'DROP ROLE bob');
is(jobs(), q{alice other other SELECT workflow.schedule_tick('of alice'); alice postgres postgres SELECT workflow.schedule_tick('of alice')},
	'jobs go with their role');
for my $database ('postgres', 'other')
{
	is(query($database, 'SELECT workflow.sync_schedules()'), '1', "$database: it makes none for a role that is gone");
	query($database, q{SELECT workflow.unschedule('of bob')});
	is(query($database, q{SELECT string_agg(name, ', ') FROM workflow.schedules}), 'of alice', "$database: whose schedule can be removed");
}

# --- settings that are meant for something else ---

my @settings = ('default_transaction_read_only = on', "default_transaction_isolation = 'serializable'", 'default_transaction_deferrable = on',
	"statement_timeout = '5s'", 'lock_timeout = 1', 'idle_in_transaction_session_timeout = 1', "search_path = 'nowhere'",
	'row_security = off', 'client_min_messages = error', "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'", "role = 'lesser'");
my $writable = q{SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed'};
query('postgres', 'CREATE ROLE lesser; GRANT lesser TO alice');
for my $database ('postgres', 'other')
{
	query($database, "$writable; ALTER ROLE alice IN DATABASE $database SET $_") for @settings;
	# where pg_cron is a launcher of its that starts anew has to write
	my $not = $database eq 'postgres' ? qr/role|timeout|read_only/ : qr/role|timeout/;
	query($database, "$writable; ALTER DATABASE $database SET $_") for grep { !/$not/ } @settings;
	query($database, "$writable; SELECT workflow.schedule_housekeeping('90 days')");
	query($database, "$writable; UPDATE workflow.schedule_entries SET cron = '* * * * *', job_schedule = '* * * * *',
		next_run_at = date_trunc('minute', now()) WHERE name = 'of alice'");
}
query('postgres', qq{$writable; UPDATE cron.job SET schedule = '* * * * *'});
for my $database ('postgres', 'other')
{
	$node->poll_query_until($database, q{SELECT count(*) > 0 FROM workflow.schedule_runs WHERE schedule = 'of alice' AND NOT manual AND outcome = 'started'})
	  or diag(query('postgres', q{SELECT string_agg(concat_ws(' ', database, command, status, return_message), E'\n') FROM cron.job_run_details}));
	is(query($database, q{SELECT e.role FROM workflow.executions AS e JOIN workflow.schedule_runs AS r ON r.execution_id = e.id WHERE r.schedule = 'of alice' LIMIT 1}),
		'alice', "$database: its beat is not held up by settings");
	my $id = query($database, "$writable; SELECT workflow.run_schedule_now('housekeeping')");
	is(query($database, "$writable; SELECT concat_ws(' ', status, error) FROM workflow.wait($id, '120 s')"), 'completed', "$database: nor is housekeeping");
}
is(query('postgres', q{SELECT string_agg(concat_ws(' ', database, command, return_message), '; ') FROM cron.job_run_details WHERE status = 'failed'}), '', 'no beat has failed');

# --- somebody has locked pg_cron's table ---

{
	my $session = $node->background_psql('postgres');

	$session->query_safe('BEGIN; LOCK TABLE cron.job');
	foreach my $view ('workflow.alerts', 'workflow.schedule_jobs()')
	{
		my $from = -s $node->logfile;

		is(query('postgres', "SET lock_timeout = '10s'; SELECT count(*) >= 0 FROM $view"), 't', "$view answers");
		like(slurp_file($node->logfile, $from), qr/WARNING:  jobs of pg_cron are not looked at/, 'and says what it has not looked at');
	}
	$session->quit;
}

# --- the workflow of housekeeping that somebody else has made: what is scheduled is the extension's ---

query('postgres', "$writable; CREATE TABLE public.trapped (who text); GRANT INSERT ON public.trapped TO PUBLIC");
foreach my $planted (
	[ 'another one', q{INSERT INTO workflow.definitions (name, version, status, owner, document, definition)
		SELECT d.name, (SELECT max(version) + 1 FROM workflow.definitions WHERE name = d.name), 'active', 'alice'::regrole, o.document, o.definition
		FROM workflow.definitions AS d, workflow.definitions AS o WHERE d.name = 'pg_workflow.housekeeping' AND o.name = 'trap' ORDER BY d.version LIMIT 1} ],
	[ 'the same', q{UPDATE workflow.definitions SET owner = 'alice'::regrole WHERE name = 'pg_workflow.housekeeping'} ])
{
	query('postgres', $writable . q{; SELECT workflow.define('{"name": "trap", "steps": [{"id": "a", "sql": "INSERT INTO public.trapped VALUES (current_user)"}]}')});
	query('postgres', "$writable; $planted->[1]");
	my $theirs = query('postgres', q{SELECT max(version) FROM workflow.definitions WHERE name = 'pg_workflow.housekeeping' AND owner = 'alice'::regrole});
	query('postgres', "$writable; SELECT workflow.schedule_housekeeping('90 days')");
	is(query('postgres', qq{SELECT d.owner, d.version > $theirs FROM workflow.schedules AS s JOIN workflow.definitions AS d ON d.name = s.workflow AND d.version = s.version
		WHERE s.name = 'housekeeping'}), 'postgres|t', "$planted->[0] of alice's: a version of the extension's is scheduled");
	my $id = query('postgres', "$writable; SELECT workflow.run_schedule_now('housekeeping')");
	is(query('postgres', "$writable; SELECT concat_ws(' ', status, error, version > $theirs) FROM workflow.wait($id, '120 s')"), 'completed t', '... and that is what runs');
}
# it is hers since: what is scheduled already does not run either
query('postgres', "$writable; UPDATE workflow.definitions SET owner = 'alice'::regrole WHERE name = 'pg_workflow.housekeeping'");
like(($node->psql('postgres', "$writable; SELECT workflow.run_schedule_now('housekeeping')"))[2], qr/ERROR/, 'nor one that has become hers');
is(query('postgres', 'SELECT count(*) FROM public.trapped'), 0, 'nothing of hers has run');

done_testing();
