# pg_cancel_backend(), pg_terminate_backend() and recycle_executor() on an executor, wherever it
# is; and the first two on the scheduler and the launcher.  The rows of the table in
# docs/reliability.md, "When an administrator steps in".
#
# Steps leave traces and stand still at a gate, see CrashTest.pm.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use CrashTest;
use StuckTest;

my $node = crash_cluster('signals', 'workflow.cancel_grace = 60s', 'workflow.max_executors = 2');
gated_effects($node, 'w');

sub query { return $node->safe_psql('w', $_[0]); }

# Gates elsewhere than in a step's SQL: in a trigger that its SQL has deferred, in what writes its
# row, and in the commit.
query(q{
	CREATE FUNCTION stand(id text, place text) RETURNS boolean LANGUAGE plpgsql SET search_path = public AS $$
	BEGIN
		IF EXISTS (SELECT FROM gates AS g WHERE g.step_id = $1 AND g.place = $2) THEN
			RAISE LOG 'standing: % %.', $1, $2;
			PERFORM pg_advisory_xact_lock_shared(1);
		END IF;
		RETURN true;
	END $$;
	CREATE FUNCTION stand_at() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
	BEGIN
		PERFORM stand(NEW.step_id, TG_ARGV[0]);
		RETURN NEW;
	END $$;
	CREATE TABLE deferring (step_id text);
	CREATE CONSTRAINT TRIGGER later AFTER INSERT ON deferring DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION stand_at('deferred');
	CREATE TRIGGER row BEFORE INSERT ON workflow.step_executions
		FOR EACH ROW WHEN (NEW.status = 'completed') EXECUTE FUNCTION stand_at('row');
	CREATE CONSTRAINT TRIGGER commit AFTER INSERT ON workflow.step_executions DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW WHEN (NEW.status = 'completed') EXECUTE FUNCTION stand_at('commit');
	CREATE TABLE outside (execution_id bigint);
	CREATE PROCEDURE outside(execution_id bigint) LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO outside VALUES ($1);
		SET work_mem = '77kB';
		COMMIT;
		PERFORM stand('outside', '-');
	END $$});

# The attempts at steps in order: "step/attempt status error".
sub rows
{
	my ($id) = @_;

	return qq{(SELECT string_agg(concat_ws(' ', step_id || '/' || attempt, status, error_type), ', ' ORDER BY completed_at, started_at)
		FROM workflow.step_executions WHERE execution_id = $id AND step_type IN ('sql', 'conditional', 'fail'))};
}

# How an execution has ended; its rows; its effects; what counts towards CrashLoop; what its
# history says of recoveries.
sub outcome
{
	my ($id) = @_;

	# a statement of its own: the rest of the same one would see what was there before
	query("SELECT FROM workflow.wait($id, '180 s')");
	return query(qq{SELECT concat_ws(' ', w.status, w.error_type) || E'\n' || } . rows($id) . qq{
		|| E'\neffects: ' || (SELECT coalesce(string_agg(step_id, ' ' ORDER BY n), '') FROM effects WHERE execution_id = $id)
		|| E'\nrecoveries: ' || w.recoveries
		|| coalesce(E'\n' || (SELECT string_agg(detail, ', ') FROM workflow.history WHERE execution_id = $id AND event = 'recovered'), '')
		FROM workflow.executions AS w WHERE w.id = $id});
}

# How often the step at the gate was begun.
sub tries
{
	my ($id, $gate) = @_;

	return scalar(() = slurp_file($node->logfile) =~ /(?:trying $id|standing): \Q$gate\E\.$/mg);
}

my %ways = (
	cancel => sub { query("SELECT pg_cancel_backend($_[0])") },
	terminate => sub {
		query("SELECT pg_terminate_backend($_[0])");
		wait_until($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $_[0]", 'it ends');
	},
	recycle => sub {
		query("SELECT workflow.recycle_executor($_[0], 'test')");
		wait_until($node, "SELECT count(*) = 0 FROM workflow.executors WHERE pid = $_[0] AND state NOT IN ('draining', 'stuck')",
			'it is to go');
	});

# Why an executor went, and who is told to have asked for that.
sub departure
{
	my ($pid) = @_;

	wait_until($node, "SELECT count(*) = 1 FROM workflow.executor_history WHERE pid = $pid AND ended_at IS NOT NULL", 'it has gone');
	return query("SELECT concat_ws(' ', reason, request_reason) FROM workflow.executor_history WHERE pid = $pid");
}

# Start an execution that comes to the gate, let each of the ways happen to its executor, open
# the gate, and compare: how it ended, its rows, its effects, how often the step at the gate was
# begun.  before: happens at the gate first; after: behind the gate.
sub check_place
{
	my ($workflow, $gate, $outcomes, %more) = @_;

	foreach my $way (sort keys %$outcomes)
	{
		my ($end, $rows, $effects, $tries) = @{ $outcomes->{$way} };
		my ($id, $pid, $before);

		close_gate($node, $gate);
		$id = query("SELECT workflow.start('$workflow')");
		($pid) = wait_at_gate($node, 1);
		defined $pid or die "$workflow does not come to $gate: " . query('SELECT ' . rows($id));
		$before = tries($id, $gate) - 1;
		$more{before}->($id) if $more{before};
		$ways{$way}->($pid);
		# what was lost comes to the gate again
		wait_at_gate($node, 1, $pid) if $way eq 'terminate' && $tries > 1 && !$more{paused};
		wait_until($node, "SELECT count(*) > 0 FROM workflow.step_executions WHERE execution_id = $id AND error_type = '57014'",
			'it is cancelled') if $more{cancelled_at_once} && $way eq 'cancel';
		open_gate();
		$more{after}->($id, $way) if $more{after};
		is(outcome($id), join("\n", $end, $rows, "effects: $effects", 'recoveries: 0',
				$way eq 'terminate' && $tries > 1 && !$more{paused} ? 'its executor was terminated' : ()), "$workflow, $gate, $way");
		is(tries($id, $gate) - $before, $tries, "$workflow, $gate, $way: so often it was begun");
		is(departure($pid), $way eq 'recycle' ? $more{recycled} // 'recycle test' : 'died', "$workflow, $gate, $way: why the executor went")
		  if $way ne 'cancel';
	}
	return;
}

# --- in a step (A172) ---

my $whole = 's1/1 completed, s2/1 completed, s3/1 completed';

define_workflow($node, 'w', 'chain', 's1', { step('s1', 0, next_step => 's2'), step('s2', 0, next_step => 's3'), step('s3', 0) });
check_place('chain', 's2 -', {
		cancel => [ 'failed 57014', 's1/1 completed, s2/1 failed 57014', 's1', 1 ],
		terminate => [ 'completed', $whole, 's1 s2 s3', 2 ],
		recycle => [ 'completed', $whole, 's1 s2 s3', 1 ] }, cancelled_at_once => 1);

define_workflow($node, 'w', 'retried', 's1', { step('s1', 0, next_step => 's2'),
	step('s2', 0, retry => { max_retries => 1, type => 'immediate' }, next_step => 's3'), step('s3', 0) });
check_place('retried', 's2 -', {
		cancel => [ 'completed', 's1/1 completed, s2/1 failed 57014, s2/2 completed, s3/1 completed', 's1 s2 s3', 2 ],
		terminate => [ 'completed', $whole, 's1 s2 s3', 2 ],
		recycle => [ 'completed', $whole, 's1 s2 s3', 1 ] }, cancelled_at_once => 1);

# whose triggers have been deferred to the end of the transaction
define_workflow($node, 'w', 'deferring', 's1', { step('s1', 0, next_step => 's2'),
	step('s2', 0, sql => q{INSERT INTO deferring VALUES ('s2'); SELECT effect(input.e, 's2', input.p)}, next_step => 's3'), step('s3', 0) });
check_place('deferring', 's2 deferred', {
		cancel => [ 'failed 57014', 's1/1 completed, s2/1 failed 57014', 's1', 1 ],
		terminate => [ 'completed', $whole, 's1 s2 s3', 2 ],
		recycle => [ 'completed', $whole, 's1 s2 s3', 1 ] }, cancelled_at_once => 1);

# a condition is not false because somebody does not want to wait for it
define_workflow($node, 'w', 'asks', 'ask', {
	ask => { type => 'conditional', condition => { sql => q{SELECT stand('ask', '-')} }, if_true_step => 's1', if_false_step => 's2' },
	step('s1', 0), step('s2', 0) });
check_place('asks', 'ask -', {
		cancel => [ 'failed 57014', 'ask/1 failed 57014', '', 1 ],
		terminate => [ 'completed', 's1/1 completed, ask/1 completed', 's1', 2 ],
		recycle => [ 'completed', 's1/1 completed, ask/1 completed', 's1', 1 ] }, cancelled_at_once => 1);

# one of several in a parallel loop
define_workflow($node, 'w', 'items', 'each', {
	each => { type => 'loop', loop_config => { collection => [ 1, 2 ], execution_mode => 'parallel', max_parallelism => 1,
			on_error => 'continue', loop_body => ['item'] }, next_step => 's3' },
	step('item', 1), step('s3', 0) });
check_place('items', 'item i0', {
		cancel => [ 'completed', 'item/1 failed 57014, item/1 completed, s3/1 completed', 'item s3', 1 ],
		terminate => [ 'completed', 'item/1 completed, item/1 completed, s3/1 completed', 'item item s3', 2 ],
		recycle => [ 'completed', 'item/1 completed, item/1 completed, s3/1 completed', 'item item s3', 1 ] }, cancelled_at_once => 1);

# outside a transaction: what the statement has committed stays
define_workflow($node, 'w', 'outside', 's1', { step('s1', 0, next_step => 'outside'),
	outside => { type => 'sql', transaction => 'none', result => 'none', sql => 'CALL outside(input.e)', on_failure => 'ignore',
		input_mapping => { e => '${workflow.execution_id}' }, next_step => 's2' },
	step('s2', 0, sql => q{SELECT effect(input.e, 's2', input.p) WHERE current_setting('work_mem') <> '77kB'}) });
my %committed = (cancel => 1, terminate => 2, recycle => 1);
check_place('outside', 'outside -', {
		cancel => [ 'completed', 's1/1 completed, outside/1 failed 57014, s2/1 completed', 's1 s2', 1 ],
		terminate => [ 'completed', 's1/1 completed, outside/1 completed, s2/1 completed', 's1 s2', 2 ],
		recycle => [ 'completed', 's1/1 completed, outside/1 completed, s2/1 completed', 's1 s2', 1 ] },
	after => sub {
		my ($id, $way) = @_;

		query("SELECT FROM workflow.wait($id)");
		is(query("SELECT count(*) FROM outside WHERE execution_id = $id"), $committed{$way}, "outside, $way: at least once");
	});

# --- between steps: the SQL has ended, and is recorded; the next is not cancelled for it ---

my %between = (
	cancel => [ 'completed', $whole, 's1 s2 s3', 1 ],
	terminate => [ 'completed', $whole, 's1 s2 s3', 2 ],
	recycle => [ 'completed', $whole, 's1 s2 s3', 1 ]);
check_place('chain', 's2 row', \%between);
check_place('chain', 's2 commit', \%between);

# --- steps that share a transaction ---

define_workflow($node, 'w', 'batch', 's1', { step('s1', 0, next_step => 's2'), step('s2', 0, on_failure => 'ignore', next_step => 's3'), step('s3', 0) },
	commit => { max_steps => 10, max_ms => 3600000 });
check_place('batch', 's2 -', {
		cancel => [ 'completed', 's1/1 completed, s2/1 failed 57014, s3/1 completed', 's1 s3', 1 ],
		terminate => [ 'completed', $whole, 's1 s2 s3', 2 ],
		recycle => [ 'completed', $whole, 's1 s2 s3', 1 ] });
check_place('batch', 's3 commit', \%between);

# --- how it ends is decided: compensations, the on_failure chain ---

define_workflow($node, 'w', 'undone', 's1', {
	step('s1', 0, compensate => { %{ { step('undo', 0) }->{undo} }, id => 'undo' }, next_step => 'end'),
	end => { type => 'fail', error => 'Told', message => 'told to' },
	step('tell', 0, on_failure => 'ignore', next_step => 'last'), step('last', 0) }, on_failure => 'tell');
my $told = 's1/1 completed, end/1 failed Told';
foreach my $gate ('undo -', 'tell -')
{
	my $undo = $gate eq 'undo -' ? 'undo/1 failed 57014, tell/1 completed' : 'undo/1 completed, tell/1 failed 57014';

	check_place('undone', $gate, {
			cancel => [ 'failed Told', "$told, $undo, last/1 completed", $gate eq 'undo -' ? 's1 tell last' : 's1 undo last', 1 ],
			terminate => [ 'failed Told', "$told, undo/1 completed, tell/1 completed, last/1 completed", 's1 undo tell last', 2 ],
			recycle => [ 'failed Told', "$told, undo/1 completed, tell/1 completed, last/1 completed", 's1 undo tell last', 1 ] });
}

# --- while it is cancelled or paused ---

query(q{CREATE FUNCTION swallow(execution_id bigint) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RETURN effect($1, 's2', '-');
	EXCEPTION WHEN query_canceled THEN
		RAISE LOG 'swallowed: %.', $1;
		PERFORM pg_advisory_xact_lock_shared(1);
		RETURN 'swallowed';
	END $$});
define_workflow($node, 'w', 'stopping', 's1', { step('s1', 0, next_step => 's2'),
	step('s2', 0, sql => 'SELECT swallow(input.e)', next_step => 's3'), step('s3', 0) });
check_place('stopping', 's2 -', {
		cancel => [ 'cancelled Cancelled', 's1/1 completed, s2/1 cancelled Cancelled', 's1', 1 ],
		terminate => [ 'cancelled Cancelled', 's1/1 completed', 's1', 1 ],
		# it has swallowed a cancel: it gets no more time
		recycle => [ 'cancelled Cancelled', 's1/1 completed, s2/1 failed ExecutionStuck', 's1', 1 ] },
	recycled => 'stuck test',
	before => sub {
		query("SELECT workflow.cancel($_[0])");
		$node->wait_for_log(qr/swallowed: $_[0]\./);
		wait_at_gate($node, 1);
	});

check_place('chain', 's2 -', {
		cancel => [ 'failed 57014', 's1/1 completed, s2/1 failed 57014', 's1', 1 ],
		terminate => [ 'completed', $whole, 's1 s2 s3', 2 ],
		recycle => [ 'completed', $whole, 's1 s2 s3', 1 ] },
	paused => 1,
	before => sub { query("SELECT workflow.pause($_[0])") },
	after => sub {
		my ($id, $way) = @_;

		return if $way eq 'cancel';
		wait_until($node, "SELECT count(*) = 0 FROM workflow.activity WHERE execution_id = $id", 'nobody works on it');
		is(query("SELECT status FROM workflow.executions WHERE id = $id"), 'paused', "paused, $way: it stays so");
		query("SELECT workflow.resume($id)");
	});

check_effects($node, 'w', 'true', 'all of them');
check_finished($node, 'w', 'all of them');
$node->stop;
done_testing();
