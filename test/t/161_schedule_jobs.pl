# Schedules and their jobs of pg_cron when something else changes: the schedule itself,
# the clock.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('schedule_jobs', 'workflow.max_executors = 4', 'max_worker_processes = 30', 'timezone = UTC',
	"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'postgres'", 'cron.use_background_workers = on');

$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron; CREATE DATABASE other');
install_extension($node, $_) for ('postgres', 'other');

sub query
{
	my ($database, $sql) = @_;
	return $node->safe_psql($database, $sql);
}

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

done_testing();
