# Recovery, case by case: a process or the server goes while an execution stands at
# a known place.  After that the steps that were under way run again, and no other.
#
# Steps say in the server log that they are tried, which no rollback takes back, and
# stand still at a gate.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = crash_cluster('recovery');
gated_effects($node, 'w');

my %ways = ways_to_go($node);

# The steps of an execution that were tried more often than once, in order.
sub tried_again
{
	my ($id) = @_;
	my (%tries, @again);

	$tries{$_}++ foreach slurp_file($node->logfile) =~ /trying $id: (\S+ \S+)\.$/mg;
	foreach my $step (sort keys %tries)
	{
		push @again, $step . ($tries{$step} > 2 ? " x $tries{$step}" : '') if $tries{$step} > 1;
	}
	return join ', ', @again;
}

my $input = '{"three": [1, 2, 3], "five": [1, 2, 3, 4, 5]}';

# A case: the workflow, the steps that stand at the gate, what has to be true as
# well before anybody goes; then those same steps are tried again, and it completes.
sub check_case
{
	my ($name, $start, $steps, $gated, $also, @only) = @_;

	define_workflow($node, 'w', $name, $start, $steps);
	foreach my $way (@only ? @only : sort keys %ways)
	{
		close_gate($node, @$gated);
		my $id = $node->safe_psql('w', "SELECT workflow.start('$name', '$input')");
		my @pids = wait_at_gate($node, scalar @$gated);
		wait_until($node, "SELECT $also FROM workflow.step_executions WHERE execution_id = $id", 'the others have ended')
		  if $also;
		$ways{$way}->(scalar @$gated, @pids);
		is($node->safe_psql('w', "SELECT status FROM workflow.wait($id, '180 s')"),
			'completed', "$name, $way: completes");
		is(tried_again($id), join(', ', sort @$gated), "$name, $way: what was under way ran again, nothing else");
		# when and why it was interrupted is kept, and told in its place
		my $why = $way eq 'SIGTERM of the executors' ? qr/executor/
		  : $way eq 'SIGTERM of the scheduler' ? qr/was restarted/ : qr/had crashed/;
		like($node->safe_psql('w', "SELECT string_agg(h.detail, '; ' ORDER BY h.at) FROM workflow.history AS h, workflow.executions AS e
			WHERE e.id = $id AND h.execution_id = $id AND h.event = 'recovered' AND h.at BETWEEN e.started_at AND e.completed_at"),
			$why, "$name, $way: told in its history");
		# a run is counted that was in a process that crashed itself
		is($node->safe_psql('w', "SELECT recoveries FROM workflow.executions WHERE id = $id"),
			$way =~ /immediate stop|SIGTERM of the scheduler/ ? 0 : 1,
			"$name, $way: counted as a recovery, unless somebody wanted it")
		  if $way ne 'SIGTERM of the executors';
	}
	return;
}

sub parallel
{
	return { type => 'parallel', parallel_steps => [@_] };
}

# --- places ---

check_case('chain', 'c1', { step('c1', 0, next_step => 'c2'), step('c2', 0, next_step => 'c3'),
		step('c3', 0, next_step => 'c4'), step('c4', 0) }, ['c3 -']);
# its claim may be lost, but not in the first seconds of a scheduler
check_case('first', 'c1', { step('c1', 0, next_step => 'c2'), step('c2', 0) }, ['c1 -']);
check_case('iteration', 'l', {
		l => { type => 'loop', loop_config => { collection => '${workflow.input.five}', loop_body => [ 'l1', 'l2' ] },
			next_step => 'after' },
		step('l1', 1), step('l2', 1), step('after', 0) }, ['l2 i3']);
check_case('children', 'p', {
		p => { %{ parallel('pa', 'pb', 'pc') }, next_step => 'after' },
		step('pa', 0), step('pb', 0), pc => parallel('pd', 'pe'), step('pd', 0), step('pe', 0), step('after', 0) },
	[ 'pb -', 'pe -' ], q{count(*) FILTER (WHERE step_id IN ('pa', 'pd')) = 2});
check_case('range', 'r', {
		r => { type => 'loop', loop_config => { collection => '${workflow.input.five}', loop_body => [ 'r1', 'r2' ],
				execution_mode => 'parallel' }, next_step => 'after' },
		step('r1', 1), step('r2', 1), step('after', 0) }, [ 'r1 i2', 'r2 i4' ],
	q{count(*) FILTER (WHERE step_id = 'r2') = 3});
check_case('branch', 'l', {
		l => { type => 'loop', loop_config => { collection => '${workflow.input.three}', loop_body => [ 'f', 'l2' ] },
			next_step => 'after' },
		f => { type => 'fork_join', fork_join_config => { branches =>
				{ left => { steps => [ 'f1', 'f2' ] }, right => { steps => [ 'f3', 'f4' ] } } } },
		step('f1', 1), step('f2', 1), step('f3', 1), step('f4', 1), step('l2', 1), step('after', 0) },
	['f4 i1'], q{count(*) FILTER (WHERE step_id = 'f2') = 2});
# in the run that closed the container
check_case('behind', 'p', {
		p => { %{ parallel('pa', 'pb') }, next_step => 'after' },
		step('pa', 0), step('pb', 0), step('after', 0, next_step => 'last'), step('last', 0) }, ['after -']);
check_case('behind_in_loop', 'l', {
		l => { type => 'loop', loop_config => { collection => '${workflow.input.three}', loop_body => [ 'p', 'l2' ] },
			next_step => 'after' },
		p => parallel('pa', 'pb'), step('pa', 1), step('pb', 1), step('l2', 1), step('after', 0) }, ['l2 i1']);

# --- between the last child and the join ---

# The row of the container is locked: the run that closes it waits.
define_workflow($node, 'w', 'join', 'p', { p => { %{ parallel('pa', 'pb') }, next_step => 'after' },
	step('pa', 0), step('pb', 0), step('after', 0) });
foreach my $way (sort keys %ways)
{
	close_gate($node, 'pb -');
	my $id = $node->safe_psql('w', "SELECT workflow.start('join', '$input')");
	wait_at_gate($node, 1);
	my $locker = $node->background_psql('w');
	$locker->query_safe("BEGIN; SELECT FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'p' FOR UPDATE");
	open_gate();
	# for the row, not still at the gate
	my $waiting = q{pg_stat_activity WHERE backend_type = 'pg_workflow executor' AND wait_event_type = 'Lock' AND wait_event <> 'advisory'};
	wait_until($node, "SELECT count(*) = 1 FROM $waiting", 'the join waits');
	my $pid = $node->safe_psql('w', "SELECT pid FROM $waiting");
	$ways{$way}->(0, $pid);
	eval { $locker->quit };
	is($node->safe_psql('w', "SELECT status FROM workflow.wait($id, '180 s')"), 'completed', "join, $way: completes");
	# the step behind it begins when that is committed
	is(tried_again($id), '', "join, $way: no child ran again");
}

# --- while it is being cancelled ---

# The step that does not let itself be cancelled keeps the execution "cancelling".
define_workflow($node, 'w', 'cancelling', 'p', { p => { %{ parallel('pa', 'stubborn') }, next_step => 'after' },
	pa => { type => 'loop', loop_config => { collection => '${workflow.input.three}', loop_body => ['pb'],
			execution_mode => 'parallel' } },
	step('pb', 1), step('stubborn', 0), step('after', 0) });
foreach my $way (sort keys %ways)
{
	close_gate($node, 'stubborn -', 'pb i1');
	my $id = $node->safe_psql('w', "SELECT workflow.start('cancelling', '$input')");
	wait_at_gate($node, 2);
	is($node->safe_psql('w', "SELECT workflow.cancel($id)"), 'cancelling', "cancelling, $way: accepted");
	my @pids = wait_at_gate($node, 1);
	wait_until($node, qq{SELECT status = 'cancelled' FROM workflow.step_executions
		WHERE execution_id = $id AND step_id = 'pb' AND loop_iteration_index = 1}, 'the other step is interrupted');
	is($node->safe_psql('w', "SELECT status FROM workflow.executions WHERE id = $id"),
		'cancelling', "cancelling, $way: not before all have stopped");
	$ways{$way}->(0, @pids);
	is($node->safe_psql('w', "SELECT status FROM workflow.wait($id, '180 s')"),
		'cancelled', "cancelling, $way: cancelled");
	is(tried_again($id), '', "cancelling, $way: nothing ran again");
	is($node->safe_psql('w', "SELECT count(*) FROM effects WHERE execution_id = $id AND step_id = 'stubborn'"),
		0, "cancelling, $way: the step had no effect");
}

# --- a loop that stops at its first failure ---

# Its first item fails while others stand at the gate: these end, and no other begins.
$node->safe_psql('w', q{CREATE FUNCTION fail_later() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock_shared(2);
		RAISE 'the first item fails';
	END $$});
define_workflow($node, 'w', 'stops', 'l', { l => { type => 'loop', loop_config => {
		collection => '${workflow.input.many}', loop_body => [ 'la', 'lb' ], execution_mode => 'parallel', on_error => 'stop' } },
	la => { type => 'sql', result => 'value', input_mapping => { e => '${workflow.execution_id}', n => '${loop.index}', p => 'i${loop.index}' },
		sql => q{SELECT CASE WHEN input.n = 0 THEN fail_later() ELSE effect(input.e, 'la', input.p) END} },
	step('lb', 1) });
close_gate($node, map { "la i$_" } 1 .. 39);
my $second = $node->background_psql('w');
$second->query_safe('SELECT pg_advisory_lock(2)');
my $stops = $node->safe_psql('w', q{SELECT workflow.start('stops',
	jsonb_build_object('many', (SELECT jsonb_agg(i) FROM generate_series(1, 40) AS i)))});
wait_at_gate($node, 5);
$second->quit;
# the scheduler has taken the report of the failure when its executor is idle
wait_until($node, q{SELECT count(*) FILTER (WHERE state = 'idle') = 1 AND count(*) FILTER (WHERE state = 'busy') = 4
	FROM workflow.executors}, 'the failure is known');
open_gate();
is($node->safe_psql('w', "SELECT status FROM workflow.wait($stops, '180 s')"), 'failed', 'the loop fails');
is($node->safe_psql('w', qq{SELECT count(*) FILTER (WHERE step_id = 'la'), count(*) FILTER (WHERE step_id = 'lb')
		FROM workflow.step_executions WHERE execution_id = $stops AND status = 'completed'}),
	'4|4', 'items that had begun end, others do not begin');

# --- orderly stops do not count ---

# A fast stop ends the gatekeeper perhaps before the steps: these wait for a row.
$node->safe_psql(
	'w', q{
	TRUNCATE gates;
	INSERT INTO gates VALUES ('patient', '-');
	CREATE FUNCTION be_patient(execution_id bigint) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		WHILE EXISTS (SELECT FROM gates) LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
		RETURN effect($1, 'patient', '-');
	END $$});
define_workflow($node, 'w', 'patient', 'before', { step('before', 0, next_step => 'patient'),
	patient => { type => 'sql', sql => 'SELECT be_patient(input.e)', result => 'value',
		input_mapping => { e => '${workflow.execution_id}' }, next_step => 'after' },
	step('after', 0) });
my $id = $node->safe_psql('w', "SELECT workflow.start('patient')");
my $runs = q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'patient'};
wait_until($node, $runs, 'a patient step runs');
foreach my $round (1 .. 4)
{
	# which would not end by itself
	$node->stop('fast');
	$node->start;
	wait_until($node, $runs, 'it runs again');
	is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $id"),
		'running|0', "fast stop number $round is not counted");
}
$node->safe_psql('w', 'DELETE FROM gates');
is($node->safe_psql('w', "SELECT status FROM workflow.wait($id, '180 s')"), 'completed', 'the execution completes');

check_finished($node, 'w', 'at the end');
check_effects($node, 'w', 'true', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop('fast');

done_testing();
