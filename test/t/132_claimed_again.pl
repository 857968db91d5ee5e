# Executions that are ended, retried, paused and resumed while what ran of them before is still on
# its way: they go on from their rows, once, and do not keep scheduler and executors busy.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use FaultPoints;
use LockedTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest qw(deaf_sql run_one_by_one);

my $node = crash_cluster('claimed_again', { fault_installation() }, 'workflow.cancel_grace = 600s');
allow_fault_points($node);
gated_effects($node, 'w');
define_short($node);
$node->safe_psql('w', deaf_sql('deaf') . q{
	CREATE FUNCTION fails_times(e bigint, s text, n int) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT count(*) FROM workflow.step_executions WHERE execution_id = e AND step_id = s AND status = 'failed') < n THEN
			RAISE 'not yet';
		END IF;
		RETURN effect(e, s, '-');
	END $$});

# A step that fails so many times and is retried at once.
sub failing_step
{
	my ($id, $times, $retries, $delay_ms, %more) = @_;

	return step($id, 0, sql => "SELECT fails_times(input.e, '$id', $times)",
		retry => { max_retries => $retries, type => 'fixed_delay', initial_delay_ms => $delay_ms }, %more);
}

sub query { return $node->safe_psql('w', $_[0]); }

sub wait_for
{
	my ($id, $condition, $name) = @_;

	ok($node->poll_query_until('w', "SELECT $condition FROM workflow.executions WHERE id = $id"), $name)
	  or diagnose($node, 'w');
	return;
}

# While others run, executors begin with nothing else more often than five times a second.
sub nothing_spins
{
	my ($name) = @_;
	my $now = q{SELECT runs || ' ' || extract(epoch FROM clock_timestamp()) FROM workflow.engine_statistics WHERE database = 'w'};
	my ($runs, $began) = split / /, query($now);

	run_one_by_one($node, 'w', 200, q{workflow.start('short')});
	my ($more, $ended) = split / /, query($now);
	cmp_ok($more - $runs - 200, '<=', 5 * ($ended - $began) + 5, "$name: nothing spins");
	return;
}

my $id;

# --- retried before the end of its epilogue is known to the scheduler ---

define_workflow($node, 'w', 'told', 'first', { failing_step('first', 4, 2, 10), step('last', 0) }, on_failure => 'last');
ask_for_point($node, 'execution.epilogue_over');
$id = query(q{SELECT workflow.start('told')});
wait_at_point($node, 'execution.epilogue_over');
ask_for_point($node, 'executor.committed');
leave_point($node, 'execution.epilogue_over');
wait_at_point($node, 'executor.committed');
is(query("SELECT workflow.retry($id)"), 'pending', 'retried while its executor has not told of its end');
wait_for($id, q{status = 'running'}, 'it is claimed');
leave_point($node, 'executor.committed');
wait_for($id, q{status = 'completed'}, 'it goes on, also behind a wait, and completes');

# --- paused after a retry that was claimed while a branch was still there ---

define_workflow($node, 'w', 'ends', 'both', {
	both => { type => 'parallel', parallel_steps => [ 'stubborn', 'wrong' ] },
	step('stubborn', 0), wrong => { type => 'fail', error => 'Told', message => 'to fail' } });
close_gate($node, 'stubborn -');
$id = query(q{SELECT workflow.start('ends')});
wait_at_gate($node, 1);
wait_for($id, q{status = 'failed'}, 'it fails while a branch does not end');
query("SELECT workflow.retry($id)");
wait_for($id, q{status = 'running'}, 'retried, it is claimed');
query("SELECT workflow.pause($id)");
wait_for($id, 'NOT control', 'the scheduler has seen that it is paused');
open_gate();
wait_until($node, 'SELECT NOT EXISTS (SELECT FROM workflow.activity)', 'the branch is gone');
nothing_spins('paused behind a retry');
query("SELECT workflow.resume($id)");
wait_for($id, q{status = 'failed'}, 'resumed, it goes on');

# --- a run that is due while somebody keeps the row of an execution that is paused ---

define_workflow($node, 'w', 'again', 'first', { failing_step('first', 1000, 1000, 100) });
my $scheduler = scheduler_pid($node);
my $keeper = $node->background_psql('w');
$id = query(q{SELECT workflow.start('again')});
wait_until($node, "SELECT count(*) > 2 FROM workflow.step_executions WHERE execution_id = $id", 'it is tried again and again');
kill 'STOP', $scheduler;
query("SELECT workflow.pause($id)");
$keeper->query_safe("BEGIN; SELECT FROM workflow.executions WHERE id = $id FOR UPDATE");
kill 'CONT', $scheduler;
nothing_spins('paused, which the scheduler cannot see');
is(query("SELECT control FROM workflow.executions WHERE id = $id"), 't', 'it could not');
$keeper->query_safe('ROLLBACK');
wait_for($id, 'NOT control', 'it can');
my $tries = query("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $id");
query("SELECT workflow.resume($id)");
wait_until($node, "SELECT count(*) > $tries + 2 FROM workflow.step_executions WHERE execution_id = $id", 'it is tried again when it is resumed');
query("SELECT workflow.cancel($id)");
wait_for($id, q{status = 'cancelled'}, 'and cancelled');

# --- an executor that is to leave lets a pause find the end of the iteration ---

define_workflow($node, 'w', 'items', 'each', {
	each => { type => 'loop', loop_config => { collection => [ 1, 2 ], loop_body => [ 'one', 'two' ] } },
	step('one', 1, next_step => 'two'), step('two', 1) });
close_gate($node, 'one i0');
$id = query(q{SELECT workflow.start('items')});
my ($pid) = wait_at_gate($node, 1);
query("SELECT workflow.pause($id)");
wait_for($id, 'NOT control', 'paused in an iteration');
query("SELECT workflow.drain_executor($pid)");
wait_until($node, "SELECT state = 'draining' FROM workflow.executors WHERE pid = $pid", 'its executor is to leave');
wait_until($node, "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $scheduler", 'the scheduler sleeps');
open_gate();
wait_until($node, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", 'it has left');
is(query("SELECT string_agg(step_id, ' ' ORDER BY completed_at) FROM workflow.step_executions WHERE execution_id = $id AND status = 'completed'"),
	'one two', 'the iteration was ended first');
query("SELECT workflow.resume($id)");
wait_for($id, q{status = 'completed'}, 'resumed, it completes');

# --- what got stuck has its row, also when its block is decided before anybody could record it ---

$node->append_conf('postgresql.conf', 'workflow.cancel_grace = 300ms');
$node->reload;
define_workflow($node, 'w', 'race', 'both', {
	both => { type => 'fork_join', join_policy => 'any', on_join => 'cancel', branches => { deaf => ['deaf'], gate => ['gate'] } },
	deaf => { type => 'sql', sql => 'SELECT deaf()', timeout_seconds => 1 }, step('gate', 0) });
close_gate($node, 'gate -');
$id = query(q{SELECT workflow.start('race')});
wait_at_gate($node, 1);
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'deaf'}, 'the other branch has begun');
query(q{SELECT workflow.drain('for a while', mode => 'steps')});
wait_until($node, "SELECT count(*) = 1 FROM workflow.executor_history WHERE execution_id = $id AND ended_at IS NOT NULL", 'the executor of one branch is terminated');
open_gate();
wait_until($node, 'SELECT NOT EXISTS (SELECT FROM workflow.executors)', 'the other one has left');
query('SELECT workflow.undrain()');
wait_for($id, q{status = 'completed'}, 'the first branch to complete is enough');
is(query("SELECT status || ' ' || error_type FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'deaf'"),
	'failed ExecutionStuck', 'the step that got stuck has its row');

$keeper->quit;
is(scheduler_pid($node), $scheduler, 'it is the same scheduler as ever');
check_finished($node, 'w', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop;

done_testing();
