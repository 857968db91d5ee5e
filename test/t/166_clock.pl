# Clocks that jump, by hours, back and forward, while executions run: everything ends, what was
# waited for a while is not waited for by hours, each end is in the statistics once.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use MovableClock;
use WorkflowTest;

my $node = MovableClock::movable_cluster('clock', 'workflow.cancel_grace = 1s', 'autovacuum = off');

# The server's clock is so many hours ahead from now on.
sub set_clock
{
	my ($hours) = @_;

	MovableClock::set_ahead(3600 * $hours);
	return;
}

sub query { return $node->safe_psql('postgres', $_[0]); }

sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', "SELECT coalesce(($query), false)"), $name);
}

sub status { return "(SELECT status FROM workflow.executions WHERE id = $_[0])"; }

install_extension($node, 'postgres');
query(deaf_sql('deaf') . q{
	CREATE TABLE mood (fails boolean);
	INSERT INTO mood VALUES (false);
	CREATE FUNCTION moody(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT fails FROM mood) THEN RAISE 'in a bad mood'; END IF;
		RETURN 'true';
	END $$;
	SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '{"failure_threshold": 1, "timeout_seconds": 3, "half_open_max_calls": 1}'),
		workflow.define('{"name": "call", "steps": [{"id": "call", "agent_name": "moody"}]}'),
		workflow.define('{"name": "deaf", "steps": [{"id": "deaf", "sql": "SELECT deaf()"}]}'),
		workflow.define('{"name": "gated", "steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "gate", "sql": "SELECT pg_advisory_xact_lock_shared(1)", "result": "none"}, {"id": "b", "sql": "SELECT 2"}]}'),
		workflow.define('{"name": "again", "steps": [{"id": "a", "sql": "SELECT 1 / (SELECT count(*) FROM workflow.step_executions WHERE execution_id = input.e)",
			"input_mapping": {"e": "${workflow.execution_id}"},
			"retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3000, "errors": ["22012"]}}]}')});
my $began = time();
is(query("SELECT abs(extract(epoch FROM clock_timestamp()) - $began) < 60"), 't', 'the clock is right');

my $short = 0;

# So many executions end, one after the other.
sub run_short
{
	my ($count) = @_;

	run_one_by_one($node, 'postgres', $count, "workflow.start('short')");
	$short += $count;
	return;
}

# Until all that can be has been rolled up; what is known.
sub rolled_up
{
	for my $attempt (1 .. 100)
	{
		query('SELECT workflow.roll_up_statistics()');
		last if query(q{SELECT rolled_up_until > clock_timestamp() - interval '1 minute' FROM workflow.statistics_state}) eq 't';
		usleep(100_000);
	}
	is(query('SELECT rolled_up_until <= clock_timestamp() FROM workflow.statistics_state'), 't', 'no statistics of the future');
	return query(q{SELECT coalesce(sum(total), 0) FROM workflow.statistics_history WHERE kind = 'workflow' AND workflow = 'short'});
}

# Those that have ended by the clock of now.
sub ended { return query(q{SELECT count(*) FROM workflow.executions WHERE workflow = 'short' AND completed_at <= clock_timestamp()}); }

# --- a jump, while things are under way ---

foreach my $jump ([ 0 => -5 ], [ -5 => 3 ], [ 3 => 0 ], [ 0 => -5, 0 ], [ -5 => 0, 0 ])
{
	my ($from, $to, $short_wait) = @$jump;
	my $name = sprintf '%+d to %+d hours, %s', $from, $to, defined $short_wait ? 'waits are written down' : 'waits are in memory';

	query('ALTER SYSTEM SET workflow.short_wait = ' . ($short_wait // q{'10s'}));
	$node->reload;
	run_short(3);
	is(rolled_up(), ended(), "$name: statistics before");
	# pg_sleep() would sleep by the server's clock
	my $gate = $node->background_psql('postgres');
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	my $gated = query("SELECT workflow.start('gated')");
	my $again = query("SELECT workflow.start('again')");
	my $deaf = query("SELECT workflow.start('deaf')");
	query('UPDATE mood SET fails = true');
	run_execution($node, 'postgres', 'call');
	wait_until("SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $again AND retry_at IS NOT NULL", "$name: one waits to be retried");
	wait_until(q{SELECT count(*) = 2 FROM workflow.activity WHERE step_id IN ('gate', 'deaf')}, "$name: two run");
	isnt(query(q{SELECT state FROM workflow.breaker_status}), 'closed', "$name: a breaker is open");
	query("SELECT workflow.cancel($deaf)");

	set_clock($to);
	wait_until(status($deaf) . " = 'cancelled'", "$name: the one that does not listen is cancelled");
	wait_until(status($again) . " = 'completed'", "$name: what waited is retried");
	$gate->quit;
	wait_until(status($gated) . " = 'completed'", "$name: what ran goes on");
	query('UPDATE mood SET fails = false');
	# who calls finds that the clock was put back
	my $called;
	for my $attempt (1 .. 100)
	{
		$called = query(status(run_execution($node, 'postgres', 'call')) =~ s/^\(|\)$//gr);
		last if $called eq 'completed';
		usleep(100_000);
	}
	is($called, 'completed', "$name: the breaker closes when its time is over");
	run_short(3);
	query(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'});
	run_short(1);
	is(rolled_up(), ended(), "$name: each end is counted once when its time has come");
	is(query(q{SELECT count(*) FROM workflow.engine_statistics AS s, jsonb_each_text(to_jsonb(s)) AS c (name, value) WHERE c.value ~ '^-'}),
		0, "$name: no figure is below nothing");
}
set_clock(4);
run_short(1);
is(rolled_up(), $short, 'in the end each is counted once');

# --- a pause is not ---

my $pruning = $node->background_psql('postgres');
$pruning->query_until(qr/go/, "\\echo go\nCALL workflow.prune_all('0 s', max_rows => 1, pause => '2 s', time_budget => '5 s');\n");
wait_until(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^CALL workflow.prune_all' AND wait_event_type = 'Extension'}, 'prune_all() pauses');
set_clock(-1);
is($pruning->query('SELECT 1') =~ s/.*\n//sr, 1, 'neither its pause nor its budget takes hours when the clock is put back');
$pruning->quit;
set_clock(4);

# --- what began later than now ends ---

query(q{SELECT workflow.define('{"name": "moved", "steps": [{"id": "a", "sql": "SELECT 1 / (SELECT count(*) FROM mood WHERE NOT fails)"}]}')});
my $held = query(q{SELECT workflow.start('moved', start_at => clock_timestamp() + interval '1 hour')});
query("SELECT workflow.pause($held)");
query('UPDATE mood SET fails = true');
my $failed = run_execution($node, 'postgres', 'moved');
is(query(status($failed)), 'failed', 'one has failed');
query('UPDATE mood SET fails = false');
set_clock(2);
query("SELECT workflow.resume($held)");
is(query(status($held)), 'pending', 'resume() when the clock was put back since pause()');
is(query("SELECT workflow.paused_time(pauses, paused_at, NULL, 'epoch', 'infinity') FROM workflow.executions WHERE id = $held"),
	'00:00:00', 'the pause is over, and took no time');
query("SELECT workflow.retry($failed)");
wait_until(status($failed) . " = 'completed'", 'retry() when the clock was put back since it failed');
set_clock(4);

# --- an appointment is by the clock ---

my $later = query("SELECT workflow.start('short', start_at => clock_timestamp() + interval '1 hour')");
run_short(1);
set_clock(6);
wait_until(status($later) . " = 'completed'", 'what was to begin in an hour begins when the clock is put forward');

done_testing();
