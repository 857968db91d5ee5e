# What the engine counts, when executors and schedulers come, go and die; in two
# databases.  Nothing is counted twice, and only a restart of the server takes
# anything away.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('engine_statistics', 'workflow.max_executors_per_database = 1',
	'workflow.executor_idle_timeout = 0', 'autovacuum = off');

sub counted
{
	my ($database, $columns) = @_;

	return $node->safe_psql('postgres',
		"SELECT $columns FROM workflow.engine_statistics WHERE database = '$database'");
}

# Counted a moment after the commit that everybody sees.
sub counted_until
{
	my ($database, $condition) = @_;

	return $node->poll_query_until('postgres',
		"SELECT $condition FROM workflow.engine_statistics WHERE database = '$database'");
}

sub reset_statistics
{
	my ($database) = @_;

	$node->safe_psql($database, 'SELECT workflow.reset_engine_statistics()');
	return;
}

my $executor_of = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor' AND datname = };

$node->safe_psql('postgres', 'CREATE EXTENSION pg_workflow; CREATE DATABASE a; CREATE DATABASE b');
foreach my $database ('a', 'b')
{
	install_extension($node, $database);
	define_sql($node, $database, 'three', 'SELECT 1', 'SELECT 2', 'SELECT 3');
	define_sql($node, $database, 'nap', 'SELECT pg_sleep(0.3)');
}
wait_for_schedulers($node, 'a,b,postgres')
  or die 'timed out';

# --- databases, each for itself ---

run_execution($node, 'a', 'three') for 1 .. 4;
run_execution($node, 'b', 'three');
ok(counted_until('a', 'executions_completed = 4') && counted_until('b', 'executions_completed = 1'), 'both count');
is(counted('a', 'steps, commits, runs, executions_claimed, executors_started'), '12|12|4|4|1', 'what the first has done');
is(counted('b', 'steps, commits, runs, executions_claimed, executors_started'), '3|3|1|1|1', 'what the second has done');
is( $node->safe_psql('postgres', 'SELECT sum(steps) FROM workflow.engine_statistics'), '15', 'the sum is the server');
reset_statistics('a');
is(counted('a', 'steps, commits, executions_completed, executors_started'), '0|0|0|0', 'a reset');
is(counted('b', 'steps, commits, executions_completed, executors_started'), '3|3|1|1', 'is of one database');
is( $node->safe_psql('b', q{SELECT value FROM workflow.metrics WHERE name = 'workflow_engine_steps_total'}),
	'3', 'workflow.metrics is about the database it is asked in');

# --- times make up the life of an executor, what it does this moment included ---

my $times = 'SELECT sql_time + bookkeeping_time + commit_time + idle_time + startup_time';
my ($before, $sum, $after) = split /\|/, $node->safe_psql('postgres',
	qq{SELECT extract(epoch FROM clock_timestamp()) * 1000, ($times FROM workflow.engine_statistics WHERE database = 'a'),
		extract(epoch FROM clock_timestamp()) * 1000});
run_execution($node, 'a', 'nap');
my ($before2, $sum2, $after2) = split /\|/, $node->safe_psql('postgres',
	qq{SELECT extract(epoch FROM clock_timestamp()) * 1000, ($times FROM workflow.engine_statistics WHERE database = 'a'),
		extract(epoch FROM clock_timestamp()) * 1000});
cmp_ok($sum2 - $sum, '>=', $before2 - $after - 5, 'the times of the one executor are not less than the clock\'s');
cmp_ok($sum2 - $sum, '<=', $after2 - $before + 5, 'nor more');
cmp_ok(counted('a', 'sql_time'), '>=', 300, 'of which the step had its own');
reset_statistics('a');
start_endless($node, 'a');
ok(counted_until('a', 'sql_time > 100 AND steps = 0'), 'the time of a step that runs is in it');

# --- waiting ---

my $waiting = $node->safe_psql('a', q{SELECT workflow.start('three')});
$node->poll_query_until('a',
	"SELECT status = 'running' AND clock_timestamp() > started_at + interval '200 ms' FROM workflow.executions WHERE id = $waiting")
  or die 'timed out';
$node->safe_psql('a', q{SELECT workflow.cancel(id) FROM workflow.executions WHERE workflow = 'endless'});
wait_for_status($node, 'a', $waiting, 'completed')
  or die 'timed out';
ok(counted_until('a', 'wait_time > 200 AND executions_cancelled = 1'), 'who waits for the only executor is counted');
is(counted('a', 'steps, steps_failed, rollbacks, executions_completed'), '4|1|1|1', 'and so is what was cancelled');

# --- executors that leave take nothing along ---

reset_statistics('a');
for my $round (1 .. 3)
{
	my $pid = worker_pid($node, 'executor', 'a');

	run_execution($node, 'a', 'three');
	$node->safe_psql('a', "SELECT workflow.drain_executor($pid)");
	$node->poll_query_until('postgres', "$executor_of 'a' AND pid = $pid", '0')
	  or die 'timed out';
	run_execution($node, 'a', 'three');
}
ok(counted_until('a', 'executions_completed = 6'), 'six executions by four executors');
is(counted('a', 'steps, commits, rollbacks, executors_started, executions_recovered'), '18|18|0|3|0', 'each counted once');
is($node->safe_psql('postgres', "SELECT steps_done FROM workflow.executors WHERE database = 'a'"), '3', 'most of them by those that have left');

# --- those that die neither; what they had not committed is counted when it is done ---

reset_statistics('a');
start_endless($node, 'a');
my $victim = worker_pid($node, 'executor', 'a');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($victim)");
wait_for_endless($node, 'a', $victim);
ok(counted_until('a', 'executions_recovered = 1 AND executors_started = 1'), 'an executor that is terminated');
is(counted('a', 'steps, steps_failed, executions_claimed, runs'), '0|0|1|2', 'its step has not ended');
ok(counted_until('a', 'sql_time > 0'), 'its time was spent');

# --- a scheduler that is replaced counts on ---

my $scheduler = worker_pid($node, 'scheduler', 'a');
$victim = worker_pid($node, 'executor', 'a');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($scheduler)");
wait_for_endless($node, 'a', $victim);
ok(counted_until('a', 'executions_recovered = 2 AND executors_started = 2'), 'the next scheduler goes on');
is(counted('a', 'executions_claimed, runs, scheduler_time > 0'), '1|3|t', 'from what there was');
$node->safe_psql('a', q{SELECT workflow.cancel(id) FROM workflow.executions WHERE status = 'running'});
ok(counted_until('a', 'executions_cancelled = 1'), 'and counts how it ends');

# --- a restart begins anew, and so does a crash ---

run_execution($node, 'a', 'three');
$node->stop('immediate');
$node->start;
wait_for_schedulers($node, 'a,b,postgres')
  or die 'timed out';
ok(counted_until('a', 'stats_reset >= pg_postmaster_start_time()'), 'a crash begins anew');
is(counted('a', 'steps, executions_claimed, executions_completed, executors_started'), '0|0|0|0', 'from zero');
run_execution($node, 'a', 'three');
ok(counted_until('a', 'executions_completed = 1 AND steps = 3'), 'and goes on');

# --- a database that takes another one's place ---

$node->safe_psql('postgres', 'DROP DATABASE a');
is($node->safe_psql('postgres', "SELECT count(*) FROM workflow.engine_statistics WHERE database = 'a'"), '0', 'a database that is gone');
$node->safe_psql('postgres', 'CREATE DATABASE a');
install_extension($node, 'a');
wait_for_schedulers($node, 'a,b,postgres')
  or die 'timed out';
ok(counted_until('a', 'steps = 0 AND executions_claimed = 0 AND executors_started = 0'), 'its successor begins with zero');

$node->stop;
done_testing();
