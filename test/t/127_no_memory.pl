# A process that gets no memory: executors, the scheduler and the launcher, those that are at work
# and those that start.  What cannot be done is done again, by somebody else if need be, until
# there is memory: nobody is blamed, nothing is there twice, and it is told.  A step that asks for
# too much itself fails, with the server's SQLSTATE.
#
# Who gets none, and of what size, is decided by a library that is loaded before all
# others (Shortage.pm).

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Shortage;
use Test::More;
use Time::HiRes qw(usleep);
use WorkflowTest 'worker_pid';

prepare_shortage();
my $node = crash_cluster('no_memory', 'workflow.max_recoveries = 2', 'workflow.alert_offline = 1s', 'autovacuum = off');
gated_effects($node, 'w');

# Where there is no memory for the statement of a step either, it is tried again.
my %again = (retry => { errors => ['53200'], max_retries => 1000, type => 'fixed_delay', initial_delay_ms => 100 });
my %chain = (step('one', 0, next_step => 'two', %again), agent_step('two', 0, next_step => 'three', %again), step('three', 0, %again));
define_workflow($node, 'w', 'chain', 'one', \%chain);
define_workflow($node, 'w', 'batched', 'one', \%chain, commit => { max_steps => 10, max_ms => 1000 });
define_workflow($node, 'w', 'block', 'all', {
	all => { type => 'parallel', parallel_steps => [ 'left', 'many' ], next_step => 'one' }, step('left', 0, %again),
	many => { type => 'loop', loop_config => { collection => [ 1 .. 3 ], loop_body => ['body'], execution_mode => 'parallel' } },
	step('body', 1, %again), %chain });
define_workflow($node, 'w', 'undone', 'one', {
	step('one', 0, next_step => 'wrong', compensate => { id => 'undo', type => 'sql', sql => 'SELECT 1', %again }, %again),
	wrong => { type => 'sql', sql => 'SELECT 1 / 0', %again } });

# needs memory for certain, also behind the gate
define_workflow($node, 'w', 'large', 'large', { step('large', 0, %again,
	sql => q{SELECT length(repeat(effect(input.e, 'large', input.p), 20000))}, next_step => 'last'), step('last', 0, %again) });

my $names = q{('chain', 'batched', 'block', 'undone')};
my $all_ended = q{SELECT NOT EXISTS (SELECT FROM workflow.executions WHERE status NOT IN ('completed', 'failed'))};

sub start_all
{
	$node->safe_psql('w', "SELECT count(workflow.start(d.name)) FROM workflow.definitions AS d, generate_series(1, 10) WHERE d.name IN $names");
	return;
}

# Wait until there are so many more refusals than before.  Meanwhile more is started, so that there
# is something to do.
sub wait_for_refusals
{
	my ($before, $count, $name) = @_;
	my $until = $before + $count;

	for (my $tries = 1; refusals() < $until && $tries < 100 * $PostgreSQL::Test::Utils::timeout_default; $tries++)
	{
		try_sql($node, 'w', "SELECT workflow.start('large')") if $tries % 100 == 0;
		usleep(10_000);
	}
	cmp_ok(refusals(), '>=', $until, "$name: memory is refused");
	return;
}

sub all_is_well
{
	my ($name) = @_;

	ok($node->poll_query_until('w', $all_ended), "$name: everything ends when there is memory again") or diagnose($node, 'w');
	is($node->safe_psql('w', q{SELECT string_agg(DISTINCT concat_ws(' ', workflow, status, error_type), ', ')
			FROM workflow.executions WHERE status <> 'completed'}), 'undone failed 22012', "$name: as without it");
	is($node->safe_psql('w', 'SELECT max(recoveries) FROM workflow.executions'), 0, "$name: nothing was counted");
	is($node->safe_psql('w', q{SELECT count(*) FROM workflow.step_executions WHERE step_id = 'undo' AND status = 'completed'}),
		$node->safe_psql('w', q{SELECT count(*) FROM workflow.executions WHERE workflow = 'undone'}), "$name: what had to be undone is");
	check_effects($node, 'w', 'true', $name);
	check_finished($node, 'w', $name);
	check_pool($node, 'w', $name);
	$node->safe_psql('w', q{SELECT workflow.prune('0', max_executions => 100000)});
	$node->safe_psql('w', 'TRUNCATE effects');
	return;
}

# It has to be said in the log, behind a place in it.
sub wait_for_log
{
	my ($from, $like, $name) = @_;

	for (my $tries = 0; slurp_file($node->logfile, $from) !~ $like && $tries < 100 * $PostgreSQL::Test::Utils::timeout_default; $tries++)
	{
		usleep(10_000);
	}
	like(slurp_file($node->logfile, $from), $like, $name);
	return;
}

# --- all processes of a kind, at work and starting ---

my $told = qr/is done again: out of memory|does again what failed: out of memory|have ended \d+ times in a row before they began to work/;
foreach my $kind ('executor', 'scheduler', 'launcher')
{
	foreach my $least (1024, 100_000)
	{
		foreach my $how ('at work', 'that start')
		{
			my $name = "$kind $how, $least bytes";
			my $from = -s $node->logfile;
			my $before = refusals();

			# executors alone are asked for much
			next if $least > 1024 && $kind ne 'executor';
			next if $kind eq 'launcher' && $how eq 'at work';
			if ($how eq 'at work')
			{
				$node->safe_psql('w', "SELECT workflow.start('chain')");
				wait_until($node, $all_ended, 'executors are there');
			}
			no_memory("pg_workflow $kind", $least);
			if ($how eq 'that start')
			{
				kill 'TERM', split /\n/, $node->safe_psql('w', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_workflow $kind'");
			}
			start_all();
			# each start of a scheduler comes later, those of the launcher after five seconds
			wait_for_refusals($before, $kind eq 'executor' ? 10 : 1, $name) if $least == 1024;
			wait_for_log($from, $told, "$name: the log says so") if $kind eq 'executor' && $least == 1024;
			wait_for_log(-s $node->logfile, qr/have ended \d+ times in a row/, "$name: it says so again while that lasts")
			  if $kind eq 'executor' && $least == 1024 && $how eq 'that start';
			wait_until($node, q{SELECT EXISTS (SELECT FROM workflow.alerts WHERE condition = 'done again')}, "$name: an alert says so")
			  if $kind eq 'executor' && $least == 1024;
			if ($kind eq 'scheduler')
			{
				wait_until($node, q{SELECT failures > 0 FROM workflow.scheduler_state()}, "$name: it is known to fail");
				wait_until($node, q{SELECT EXISTS (SELECT FROM workflow.alerts WHERE condition IN ('scheduler fails', 'no scheduler'))}, "$name: an alert says so");
			}
			no_memory();
			all_is_well($name);
		}
	}
}

# --- one process of several ---

foreach my $round (1, 2)
{
	close_gate($node, 'large -');
	$node->safe_psql('w', q{SELECT count(workflow.start('large')) FROM generate_series(1, 10)});
	start_all();
	my ($victim) = wait_at_gate($node, 5);
	my $before = refusals();
	no_memory($victim, 1024);
	open_gate();
	wait_for_refusals($before, 1, "one executor ($round)");
	all_is_well("one executor ($round)");
	no_memory();
	$node->safe_psql('w', 'TRUNCATE gates');
}

# --- a step that asks for too much itself ---

define_workflow($node, 'w', 'greedy', 'much', {
	much => { type => 'sql', sql => q{SELECT length(repeat('x', 150000000))}, result => 'value', next_step => 'one' }, %chain });
define_workflow($node, 'w', 'caught', 'much', {
	much => { type => 'sql', sql => q{SELECT length(repeat('x', 150000000))}, catch => [ { errors => ['53200'], next_step => 'one' } ] }, %chain });
no_memory('pg_workflow executor', 100_000_000);
my $greedy = $node->safe_psql('w', q{SELECT workflow.start('greedy')});
my $caught = $node->safe_psql('w', q{SELECT workflow.start('caught')});
wait_until($node, $all_ended, 'both end');
is($node->safe_psql('w', "SELECT status, error_type, error ->> 'step_id', error ->> 'message', recoveries FROM workflow.executions WHERE id = $greedy"),
	'failed|53200|much|out of memory|0', 'a step that asks for too much fails');
is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $caught"), 'completed|0', 'which can be caught');
no_memory();
$node->safe_psql('w', "SELECT workflow.retry($greedy)");
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $greedy", 'and does it when there is memory');
check_finished($node, 'w', 'at the end');
check_effects($node, 'w', 'true', 'at the end');
check_pool($node, 'w', 'at the end');
unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'no process has crashed');
$node->stop;

done_testing();
