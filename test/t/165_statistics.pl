# Statistics by day: each end is added once, whatever else goes on: transactions that
# have not committed, other sessions that roll up or prune, a crash.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use WorkflowTest;

my $node = workflow_cluster('statistics', 'max_prepared_transactions = 2', 'autovacuum = off');

sub query { return $node->safe_psql('postgres', $_[0]); }

sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', $query), $name);
}

# A session that runs commands one after the other; where one says gate('x') it waits there.
sub session
{
	my @commands = map { ('-c', $_) } @_;
	my $output = '';

	return IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), @commands ],
		'<', \undef, '>', \$output, '2>&1');
}

sub at_gate { return wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ 'gate.''$_[0]' AND wait_event = 'PgSleep'", "session $_[0] waits"); }
sub open_gate { return query("INSERT INTO gates VALUES ('$_[0]')"); }

# Roll up until nothing that has ended is left, and say what is known of the workflow.
sub rolled_up
{
	my $until = query(q{SELECT coalesce(max(completed_at), '-infinity') FROM workflow.executions});

	for my $attempt (1 .. 1000)
	{
		query('SELECT workflow.roll_up_statistics()');
		last if query("SELECT rolled_up_until > '$until' FROM workflow.statistics_state") eq 't';
		usleep(100_000);
	}
	return known();
}

sub known { return query(q{SELECT coalesce(sum(total), 0) FROM workflow.statistics_history WHERE kind = 'workflow' AND workflow = 'short'}); }

install_extension($node, 'postgres');
query(q{
	CREATE TABLE gates (name text);
	CREATE FUNCTION gate(n text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT EXISTS (SELECT FROM gates WHERE name = n) LOOP PERFORM pg_sleep(0.01); END LOOP;
	END $$});

# --- what is not committed yet ---

run_execution($node, 'postgres', 'short');
is(rolled_up(), '1', 'one');
my $open = session('BEGIN', "SELECT workflow.execute('short')", "SELECT gate('open')", 'COMMIT');
at_gate('open');
run_execution($node, 'postgres', 'short');
is(query('SELECT workflow.roll_up_statistics()'), '0', 'what ended after a transaction began that goes on is left for later');
is(query("SELECT workflow.prune('0')"), '1', 'and is not deleted; what had been rolled up is');
is(known(), '1', 'it is in no statistics');
open_gate('open');
IPC::Run::finish($open);
is(rolled_up(), '3', 'both are, when it has committed');

query("BEGIN; SELECT workflow.execute('short'); PREPARE TRANSACTION 'p'");
run_execution($node, 'postgres', 'short');
is(query('SELECT workflow.roll_up_statistics()'), '0', 'a prepared transaction is waited for, too');
query("COMMIT PREPARED 'p'");
is(rolled_up(), '5', 'it is committed');

# --- sessions beside each other ---

run_execution($node, 'postgres', 'short');
my $first = session('BEGIN', 'SELECT workflow.roll_up_statistics()', "SELECT gate('first')", 'ROLLBACK');
at_gate('first');
is(query('SET statement_timeout = 180000; SELECT workflow.roll_up_statistics()'), '0', 'who comes second leaves it to the first, and does not wait');
is(query("SET statement_timeout = 180000; SELECT workflow.prune('0') < 5"), 't', 'nor does prune()');
open_gate('first');
IPC::Run::finish($first);
is(rolled_up(), '6', 'the first has rolled back; nothing is lost');

my @others = map { session(q{DO $$ BEGIN FOR i IN 1 .. 1000 LOOP
	PERFORM workflow.roll_up_statistics(7); COMMIT; EXIT WHEN EXISTS (SELECT FROM gates WHERE name = 'enough'); END LOOP; END $$}) } 1 .. 2;
push @others, session(q{DO $$ BEGIN FOR i IN 1 .. 1000 LOOP
	PERFORM workflow.prune('0', max_executions => 11); COMMIT; EXIT WHEN EXISTS (SELECT FROM gates WHERE name = 'enough'); END LOOP; END $$});
query("SELECT count(workflow.start('short')) FROM generate_series(1, 500)");
wait_until("SELECT count(*) = 0 FROM workflow.executions WHERE workflow = 'short' AND status IN ('pending', 'running')", '500 have run');
open_gate('enough');
IPC::Run::finish($_) for @others;
ok(!$_->result, 'no session has failed') for @others;
is(rolled_up(), '506', 'each was added once');
is(query(q{SELECT sum(total) FROM workflow.statistics_history WHERE kind = 'step' AND workflow = 'short'}), '506', 'with its step');
is( query(q{SELECT sum(n::int) FROM workflow.statistics_history, jsonb_each_text(run_times) AS t (k, n) WHERE kind = 'workflow' AND workflow = 'short'}),
	'506', 'and its time');

# --- a crash ---

run_execution($node, 'postgres', 'short');
my $lost = session('BEGIN', 'SELECT workflow.roll_up_statistics()', "SELECT workflow.prune('0')", "SELECT gate('lost')", 'COMMIT');
at_gate('lost');
$node->stop('immediate');
eval { IPC::Run::finish($lost) };
$node->start;
is(known(), '506', 'what was not committed was not added');
is(query("SELECT count(*) > 0 FROM workflow.executions WHERE workflow = 'short'"), 't', 'nor deleted');
is(rolled_up(), '507', 'it is added afterwards');
wait_until("SELECT workflow.prune('0') >= 0 AND NOT EXISTS (SELECT FROM workflow.executions)", 'pruned');
$node->stop('immediate');
$node->start;
is(known(), '507', 'and stays');

done_testing();
