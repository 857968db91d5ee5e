# The epilogue of executions that do not complete: compensations and the on_failure
# chain, when a process or the server goes in the middle.  Each commits once.
#
# Steps say in the server log that they are tried, and stand still at a gate.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = crash_cluster('epilogue', "workflow.cancel_grace = '60s'");
gated_effects($node, 'w');

my %ways = ways_to_go($node);

sub status_of
{
	my ($id) = @_;

	return $node->safe_psql('w', "SELECT status || ' ' || error_type || coalesce(' ' || ending, '') FROM workflow.wait($id, '60 s')");
}

# The effects of an execution in the order in which they committed.
sub effects
{
	my ($id) = @_;

	return $node->safe_psql('w',
		"SELECT string_agg(step_id || CASE WHEN place <> '-' THEN ' ' || place ELSE '' END, ', ' ORDER BY n) FROM effects WHERE execution_id = $id");
}

# How often a step was tried.
sub tries
{
	my ($id, $step) = @_;

	return scalar(() = slurp_file($node->logfile) =~ /trying $id: \Q$step\E\.$/mg);
}

sub undo
{
	my ($id, $loops) = @_;

	my ($name, $step) = step("undo_$id", $loops);
	return { %$step, id => $name };
}

# --- half a compensation, half a chain ---

define_workflow(
	$node, 'w', 'undone', 'first',
	{
		step('first', 0, compensate => undo('first', 0), next_step => 'each'),
		each => { type => 'loop', loop_config => { collection => [ 1, 2, 3 ], loop_body => [ 'place', 'inner' ] }, next_step => 'after' },
		place => { type => 'set', assign => { place => 'i${loop.index}' } },
		# the compensation sees the variable as its step did
		step('inner', 1, compensate => { %{ undo('inner', 1) },
			input_mapping => { e => '${workflow.execution_id}', p => '${vars.place}' } }),
		after => { type => 'set', assign => { place => 'behind the loop' }, next_step => 'end' },
		end => { type => 'fail', error => 'Told', message => 'told to' },
		tell => { type => 'loop', loop_config => { collection => [ 1, 2 ], loop_body => ['say'] }, next_step => 'last' },
		step('say', 1), step('last', 0)
	},
	on_failure => 'tell');
my $all = 'first, inner i0, inner i1, inner i2, undo_inner i2, undo_inner i1, undo_inner i0, undo_first, say i0, say i1, last';

foreach my $gate ('undo_inner i1', 'say i1')
{
	foreach my $way (sort keys %ways)
	{
		close_gate($node, $gate);
		my $id = $node->safe_psql('w', "SELECT workflow.start('undone')");
		my @pids = wait_at_gate($node, 1);
		is($node->safe_psql('w', "SELECT status || ' ' || ending FROM workflow.executions WHERE id = $id"),
			'running failed', "$gate, $way: how it ends is decided");
		$ways{$way}->(1, @pids);
		is(status_of($id), 'failed Told', "$gate, $way: it ends as was decided");
		is(effects($id), $all, "$gate, $way: everything once, in order");
		is(tries($id, $gate), 2, "$gate, $way: what was under way ran again");
		is(tries($id, 'undo_inner i2'), 1, "$gate, $way: what had committed did not");
		is($node->safe_psql('w', "SELECT string_agg(DISTINCT status, ',') FROM workflow.compensations WHERE execution_id = $id"),
			'completed', "$gate, $way: the view says so");
	}
}

# --- a delay before a retry of a compensation survives ---

$node->safe_psql('w', q{CREATE TABLE may (go boolean); INSERT INTO may VALUES (false)});
define_workflow(
	$node, 'w', 'retried', 'first',
	{
		step('first', 0, compensate => { %{ undo('first', 0) },
			sql => "SELECT effect(input.e, 'undo_first', input.p) FROM may WHERE 1 / go::int = 1",
			retry => { type => 'fixed_delay', initial_delay_ms => 1000, max_delay_ms => 1000, jitter => JSON::PP::false, max_retries => 100 } }, next_step => 'second'),
		step('second', 0, compensate => undo('second', 0), next_step => 'end'),
		end => { type => 'fail', error => 'Told' }
	});
{
	my $id = $node->safe_psql('w', "SELECT workflow.start('retried')");
	wait_until($node, "SELECT count(*) > 0 FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'undo_first'", 'an attempt has failed');
	wait_until($node, "SELECT NOT EXISTS (SELECT FROM workflow.activity WHERE execution_id = $id)", 'it waits without an executor');
	$node->stop('immediate');
	$node->start;
	$node->safe_psql('w', 'UPDATE may SET go = true');
	is(status_of($id), 'failed Told', 'retry of a compensation: it ends');
	is(effects($id), 'first, second, undo_second, undo_first', 'retry of a compensation: once');
	is($node->safe_psql('w', "SELECT count(*) = max(attempt) AND max(attempt) > 1 FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'undo_first'"),
		't', 'retry of a compensation: attempts are counted on');
}

# --- a failing compensation is recorded and the others go on ---

define_workflow(
	$node, 'w', 'fails', 'first',
	{
		step('first', 0, compensate => undo('first', 0), next_step => 'second'),
		step('second', 0, compensate => { id => 'undo_second', type => 'sql', sql => 'SELECT 1 / 0' }, next_step => 'third'),
		step('third', 0, compensate => undo('third', 0), next_step => 'end'),
		end => { type => 'fail', error => 'Told' }
	});
{
	close_gate($node, 'undo_first -');
	my $id = $node->safe_psql('w', "SELECT workflow.start('fails')");
	wait_at_gate($node, 1);
	$ways{'immediate stop'}->();
	is(status_of($id), 'failed Told', 'failing compensation: it ends');
	is(effects($id), 'first, second, third, undo_third, undo_first', 'failing compensation: the others are run');
	is($node->safe_psql('w', "SELECT string_agg(step_id || ' ' || status || coalesce(' ' || error_type, ''), ', ' ORDER BY completed_at) FROM workflow.compensations WHERE execution_id = $id"),
		'first completed, second failed 22012, third completed', 'failing compensation: it is on record, once');
}

# --- cancel with compensate while a parallel loop runs, and the server goes ---

define_workflow(
	$node, 'w', 'cancelled', 'first',
	{
		step('first', 0, compensate => undo('first', 0), next_step => 'each'),
		each => { type => 'loop', loop_config => { execution_mode => 'parallel', collection => [ 1 .. 8 ], loop_body => [ 'inner', 'wait' ] } },
		step('inner', 1, compensate => undo('inner', 1)), step('wait', 1, compensate => undo('wait', 1))
	});
foreach my $way ('', 'immediate stop', 'kill -9', 'SIGTERM of the scheduler')
{
	my $name = 'cancel, ' . ($way || 'nobody goes');
	my @gates = map { "wait i$_" } 0 .. 7;
	close_gate($node, @gates, $way ? 'undo_first -' : ());
	my $id = $node->safe_psql('w', "SELECT workflow.start('cancelled')");
	wait_at_gate($node, 5);
	$node->safe_psql('w', "SELECT workflow.cancel($id, 'undo', compensate => true)");
	if ($way)
	{
		wait_until($node, "SELECT EXISTS (SELECT FROM workflow.activity WHERE execution_id = $id AND step_id = 'undo_first')", 'the last compensation runs');
		$ways{$way}->(1, wait_at_gate($node, 1));
	}
	is(status_of($id), 'cancelled Cancelled', "$name: it ends");
	open_gate();
	is($node->safe_psql('w', qq{
			SELECT count(*) FILTER (WHERE step_id = 'inner') = count(*) FILTER (WHERE step_id = 'undo_inner')
				AND count(*) FILTER (WHERE step_id = 'inner') >= 5
				AND count(*) = count(DISTINCT (step_id, place)) AND count(*) FILTER (WHERE step_id LIKE '%wait') = 0
				AND max(n) FILTER (WHERE step_id = 'undo_first') = max(n)
			FROM effects WHERE execution_id = $id}), 't', "$name: all that completed is undone, once, the first step last");
}

# --- a failure in a nested scope, others running beside it ---

define_workflow(
	$node, 'w', 'nested', 'block',
	{
		block => { type => 'fork_join', fork_join_config => { branches => {
			left => { steps => [ 'l1', 'l2' ] }, right => { steps => [ 'r1', 'r2' ] } } } },
		step('l1', 0, compensate => undo('l1', 0)), l2 => { type => 'loop', loop_config => { collection => [1], loop_body => ['fail'] } },
		fail => { type => 'fail', error => 'Inside' },
		step('r1', 0, compensate => undo('r1', 0)), step('r2', 0)
	});
{
	close_gate($node, 'r2 -');
	my $id = $node->safe_psql('w', "SELECT workflow.start('nested')");
	is(status_of($id), 'failed Inside', 'nested: what stands still is stopped first');
	open_gate();
	is($node->safe_psql('w', "SELECT string_agg(step_id, ', ' ORDER BY step_id) FROM effects WHERE execution_id = $id AND step_id <> 'r1' AND step_id <> 'undo_r1'"),
		'l1, undo_l1', 'nested: undone');
	is($node->safe_psql('w', "SELECT count(*) FILTER (WHERE step_id = 'r1') = count(*) FILTER (WHERE step_id = 'undo_r1') FROM effects WHERE execution_id = $id"),
		't', 'nested: beside it, too');
}

# --- what brings the server down again and again ends ---

define_workflow(
	$node, 'w', 'poison', 'first',
	{
		step('first', 0, compensate => undo('first', 0), next_step => 'second'),
		step('second', 0, compensate => { id => 'undo_second', type => 'sql', sql => 'SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)' }, next_step => 'end'),
		end => { type => 'fail', error => 'Told' }
	});
{
	my $id = $node->safe_psql('w', "SELECT workflow.start('poison')");
	is(status_of($id), 'failed Told', 'a compensation that kills its process: it ends as was decided');
	is($node->safe_psql('w', "SELECT error #>> '{epilogue,type}' FROM workflow.executions WHERE id = $id"), 'CrashLoop', 'and says why it is not undone');
	is($node->safe_psql('w', "SELECT string_agg(status, ',') FROM workflow.compensations WHERE execution_id = $id"), 'not_run,not_run', 'so does the view');
}

# --- an error in a variable survives ---

define_workflow(
	$node, 'w', 'caught', 'bad',
	{
		bad => { type => 'sql', sql => 'SELECT 1 / 0', catch => [ { next_step => 'handle', as => 'e' } ] },
		step('handle', 0, next_step => 'done'), done => { type => 'set', output => '${vars.e.message}' }
	});
{
	close_gate($node, 'handle -');
	my $id = $node->safe_psql('w', "SELECT workflow.start('caught')");
	wait_at_gate($node, 1);
	$ways{'immediate stop'}->();
	is($node->safe_psql('w', "SELECT status || ' ' || (output #>> '{}') FROM workflow.wait($id, '60 s')"), 'completed division by zero', 'catch with as: the variable is there after a crash');
}

# --- paused in its epilogue, it holds nothing and goes on ---

{
	close_gate($node, 'undo_inner i1');
	my $id = $node->safe_psql('w', "SELECT workflow.start('undone')");
	wait_at_gate($node, 1);
	$node->safe_psql('w', "SELECT workflow.pause($id)");
	# the few steps that are left take no longer than it takes the scheduler to look
	wait_until($node, "SELECT NOT control FROM workflow.executions WHERE id = $id", 'its executor has been told');
	open_gate();
	wait_until($node, "SELECT status = 'paused' AND NOT EXISTS (SELECT FROM workflow.activity WHERE execution_id = $id) FROM workflow.executions WHERE id = $id", 'it is paused');
	$node->stop('immediate');
	$node->start;
	$node->safe_psql('w', "SELECT workflow.resume($id)");
	is(status_of($id), 'failed Told', 'paused in its epilogue: it goes on');
	is(effects($id), $all, 'paused in its epilogue: everything once');
}

check_effects($node, 'w', "e.workflow <> 'caught'", 'all');
check_finished($node, 'w', 'all');
check_pool($node, 'w', 'all');
$node->stop;

done_testing();
