# Circuit breakers: shared by all executors, not blocked by those that die, and not
# forgotten by a restart.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use CrashTest qw(check_pool);
use WorkflowTest;

my $node = workflow_cluster('breaker', 'max_worker_processes = 40', 'workflow.max_executors = 16',
	'workflow.cancel_grace = 200ms', 'restart_after_crash = on', 'max_prepared_transactions = 2');

# The agent does what the table says: fail, wait until it says otherwise, succeed, or
# not listen.
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE mood (mood text);
	INSERT INTO mood VALUES ('fail');
	CREATE FUNCTION moody(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		WHILE (SELECT mood = 'wait' FROM mood) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		WHILE (SELECT mood = 'deaf' FROM mood) LOOP
			BEGIN
				PERFORM pg_sleep(3600);
			EXCEPTION WHEN query_canceled THEN
				NULL;
			END;
		END LOOP;
		IF (SELECT mood = 'fail' FROM mood) OR (input ->> 'fail')::boolean THEN
			RAISE EXCEPTION 'in a bad mood' USING ERRCODE = 'AG001';
		END IF;
		RETURN 'true';
	END $$;
});

sub sql
{
	my ($text) = @_;

	return $node->safe_psql('postgres', $text);
}

sub wait_until
{
	my ($sql, $name) = @_;

	ok($node->poll_query_until('postgres', "SELECT coalesce(($sql), false)"), $name);
	return;
}

sub mood
{
	my ($mood) = @_;

	sql("UPDATE mood SET mood = '$mood'");
	return;
}

# The agent with a breaker.
sub register
{
	my ($breaker) = @_;

	sql("SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '$breaker')");
	return;
}

sub start
{
	my ($count) = @_;

	sql("SELECT count(workflow.start('call')) FROM generate_series(1, $count)");
	return;
}

sub run_call
{
	my $id = sql("SELECT workflow.start('call')");

	return sql("SELECT status || coalesce(' ' || error_type, '') FROM workflow.wait($id, '60 s')");
}

sub state_is
{
	my ($state) = @_;

	return "SELECT state = '$state' FROM workflow.breaker_status WHERE agent = 'moody'";
}

# Run only so many calls, all of which fail, and wait for the breaker to be half-open.
sub fail_and_wait
{
	my ($calls) = @_;

	mood('fail');
	is(run_call(), 'failed AG001', 'a call fails') for 1 .. $calls;
	wait_until(state_is('half_open'), 'the breaker becomes half-open');
	return;
}

# Executions that are over, of those started since the last call.
my $last = 0;

sub count_ended
{
	my ($how) = @_;

	return "SELECT count(*) FROM workflow.executions WHERE id > $last
		AND workflow = 'call' AND status = 'failed' AND error_type = '$how'";
}

sub remember
{
	$last = sql("SELECT coalesce(max(id), 0) FROM workflow.executions");
	return;
}

sub running
{
	return q{SELECT count(*) FROM workflow.activity WHERE step_id = 'call'};
}

register('{}');
$node->safe_psql(
	'postgres', q{
	SELECT workflow.define('{"name": "call", "steps": [{"id": "call", "agent_name": "moody"}]}');
	SELECT workflow.define('{"name": "limited", "steps": [{"id": "call", "agent_name": "moody", "timeout_seconds": 1}]}');
	SELECT workflow.define('{"name": "many", "steps": [{"id": "each", "type": "loop", "collection": "${workflow.input}",
		"execution_mode": "parallel", "result": "counts", "loop_body": [
			{"id": "call", "agent_name": "moody", "input_mapping": {"fail": "${loop.item % 5 == 0}"}, "on_failure": "ignore"}]}]}');
});

# --- 16 executors count right ---

register('{"failure_threshold": 1000000, "window_size_seconds": 86400}');
mood('succeed');
my $id = sql(q{SELECT workflow.start('many', (SELECT jsonb_agg(i) FROM generate_series(1, 4000) AS i))});
is(sql("SELECT status FROM workflow.wait($id, '180 s')"), 'completed', '4,000 calls by many executors');
cmp_ok(sql("SELECT count(DISTINCT executor_pid) FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'call'"),
	'>', 1, 'by several of them');
# successes a moment after their commit
wait_until(q{SELECT calls >= 4000 FROM workflow.breaker_status}, 'all are counted');
is(sql(q{SELECT calls, failures, state FROM workflow.breaker_status}), '4000|800|closed', 'each once');
is(sql(q{SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'breakers' AND n_tup_ins + n_tup_upd > 0}), '0',
	'and no row was written');

# --- half-open: so many and not one more, whoever runs them ---

sql("ALTER SYSTEM SET workflow.max_executors_per_database = 8");
sql("SELECT pg_reload_conf()");
register('{"failure_threshold": 2, "failure_rate_threshold": 1, "timeout_seconds": 1, "half_open_max_calls": 3}');
sql(q{SELECT workflow.reset_breaker('moody')});
fail_and_wait(2);
mood('wait');
remember();
start(40);
# executions that an executor took together with one of the three wait behind it
wait_until("SELECT count(*) FILTER (WHERE state <> 'idle') = 3
	AND (" . running() . ') = 3 AND (' . count_ended('CircuitBreakerOpen') . ') > 0 FROM workflow.executors',
	'three calls of 40 are made, the other executors refuse theirs');
is(run_call(), 'failed CircuitBreakerOpen', 'and go on refusing') for 1 .. 5;
is(sql("SELECT count(*) FROM workflow.executions WHERE id > $last AND status = 'completed'"), '0', 'nothing else was run');
is(sql(q{SELECT state, half_open_running, half_open_succeeded FROM workflow.breaker_status}), 'half_open|3|0',
	'the breaker says so');
is( sql("SELECT DISTINCT s.error ->> 'message' FROM workflow.step_executions s
		WHERE execution_id > $last AND error_type = 'CircuitBreakerOpen'"),
	'circuit breaker of agent "moody" is half-open', 'the error says why');

# --- an executor that dies gives its place to another call ---

my $pid = sql('SELECT min(executor_pid) FROM workflow.activity');
sql("SELECT pg_terminate_backend($pid)");
wait_until("SELECT count(*) = 3 AND bool_and(executor_pid <> $pid) FROM workflow.activity WHERE step_id = 'call'",
	'an executor is terminated, its step runs again');
is(run_call(), 'failed CircuitBreakerOpen', 'no fourth call for all that');
is(sql(q{SELECT state, half_open_running, half_open_succeeded FROM workflow.breaker_status}), 'half_open|3|0',
	'still three');
my $cancelled = sql('SELECT min(execution_id) FROM workflow.activity');
sql("SELECT workflow.cancel($cancelled)");
sql("SELECT status FROM workflow.wait($cancelled, '60 s')");
start(1);
wait_until("SELECT count(*) = 3 AND bool_and(execution_id <> $cancelled) FROM workflow.activity WHERE step_id = 'call'",
	'a call that is cancelled gives its place to another one, too');
is(sql(q{SELECT state, half_open_running, half_open_succeeded FROM workflow.breaker_status}), 'half_open|3|0',
	'three again');
mood('succeed');
wait_until(q{SELECT state = 'closed' FROM workflow.breakers}, 'they succeed, and the breaker closes');
is(run_call(), 'completed', 'calls are made again');

# --- the server crashes with half-open calls under way ---

fail_and_wait(2);
mood('wait');
start(3);
wait_until('SELECT (' . running() . ') = 3', 'three calls run');
$pid = sql('SELECT min(executor_pid) FROM workflow.activity');
kill 'KILL', $pid;
wait_until("SELECT count(*) = 3 AND bool_and(executor_pid <> $pid) FROM workflow.activity WHERE step_id = 'call'",
	'an executor is killed, the server restarts, the three run again');
is(sql(q{SELECT state, half_open_running FROM workflow.breaker_status}), 'half_open|3', 'half-open as before');
is(run_call(), 'failed CircuitBreakerOpen', 'with its limit');
mood('succeed');
wait_until(q{SELECT state = 'closed' FROM workflow.breakers}, 'they succeed, and the breaker closes');

# --- an open breaker survives an immediate shutdown ---

register('{"failure_threshold": 2, "failure_rate_threshold": 1, "timeout_seconds": 3600, "half_open_max_calls": 1}');
mood('fail');
is(run_call(), 'failed AG001', 'a call fails') for 1 .. 2;
my $half_open_at = sql(q{SELECT half_open_at FROM workflow.breaker_status WHERE state = 'open'});
isnt($half_open_at, '', 'the breaker is open');
is(sql(q{SELECT state || ' ' || half_open_at FROM workflow.breakers}), "open $half_open_at", 'its row says so');
$node->stop('immediate');
$node->start;
mood('succeed');
is(sql(q{SELECT half_open_at FROM workflow.breaker_status WHERE state = 'open'}), $half_open_at,
	'after an immediate shutdown it is still open, for as long as before');
is(run_call(), 'failed CircuitBreakerOpen', 'and refuses calls');

# whoever commits a prepared transaction knows of no breaker that it is to close
foreach my $change (q{reset_breaker('moody')}, q{drop_agent('moody')}, q{register_agent('moody', 'moody(jsonb)')})
{
	like(($node->psql('postgres', "BEGIN; SELECT workflow.$change; PREPARE TRANSACTION 'p'", extra_params => [ '-v', 'VERBOSITY=verbose' ]))[2],
		qr/0A000: +cannot PREPARE a transaction that has reset or removed circuit breakers/, "$change: not in a prepared transaction");
	is(sql(q{SELECT b.state, s.state FROM workflow.breakers AS b JOIN workflow.breaker_status AS s ON s.agent = b.agent}), 'open|open', 'all is as it was');
}
sql(q{BEGIN; SAVEPOINT s; SELECT workflow.reset_breaker('moody'); ROLLBACK TO s; SELECT workflow.register_agent('plain', 'moody(jsonb)');
	PREPARE TRANSACTION 'p'});
sql(q{COMMIT PREPARED 'p'});
is(sql(q{SELECT count(*) FROM workflow.agents WHERE name = 'plain'}), '1', 'an agent without a breaker may be registered in one');
sql(q{SELECT workflow.reset_breaker('moody')});

# one that has not long to wait may become half-open while the server is away
register('{"failure_threshold": 2, "failure_rate_threshold": 1, "timeout_seconds": 3, "half_open_max_calls": 1}');
mood('fail');
is(run_call(), 'failed AG001', 'a call fails') for 1 .. 2;
my $opened_at = sql(q{SELECT opened_at FROM workflow.breakers});
$node->stop('immediate');
$node->start;
mood('succeed');
wait_until(state_is('half_open'), 'it becomes half-open');
is(sql("SELECT clock_timestamp() >= '$opened_at'::timestamptz + interval '3 s'"), 't', 'not before its time');
is(run_call(), 'completed', 'a call is made');
wait_until(q{SELECT state = 'closed' FROM workflow.breakers}, 'and the breaker closes');
$node->stop('immediate');
$node->start;
is(sql(q{SELECT state FROM workflow.breaker_status}), 'closed', 'after another one it is closed');
is(run_call(), 'completed', 'and lets calls through');

# --- nobody waits for the row ---

register('{"failure_threshold": 2, "failure_rate_threshold": 1, "timeout_seconds": 3600}');
my $session = $node->background_psql('postgres');
$session->query_safe(q{BEGIN; SELECT workflow.reset_breaker('moody')});
mood('fail');
is(run_call(), 'failed AG001', 'the row is locked, a call fails') for 1 .. 2;
is(run_call(), 'failed CircuitBreakerOpen', 'the breaker opens all the same');
is(sql(q{SELECT state FROM workflow.breakers}), 'closed', 'the row could not be written');
$session->query_safe('ROLLBACK');
$session->quit;
wait_until(q{SELECT workflow.start('call') > 0 AND (SELECT state = 'open' FROM workflow.breakers)},
	'a later call has it written');
sql(q{SELECT workflow.reset_breaker('moody', 'for the test')});
is(sql(q{SELECT b.state, s.state FROM workflow.breakers b, workflow.breaker_status s}), 'closed|closed', 'reset');

# nor for who inserts it first, and waits for a session himself
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION gated(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock((input ->> 'gate')::int);
		RAISE EXCEPTION 'in a bad mood' USING ERRCODE = 'AG001';
	END $$;
	SELECT workflow.register_agent('gated', 'gated(jsonb)', circuit_breaker => '{"failure_threshold": 1, "timeout_seconds": 3600}');
	SELECT workflow.define('{"name": "gated", "steps": [{"id": "call", "agent_name": "gated", "input_mapping": {"gate": "${workflow.input}"}}]}');
});
my $gates = $node->background_psql('postgres');
$gates->query_safe('SELECT pg_advisory_lock(1), pg_advisory_lock(2)');
my ($first, $second) = map { sql("SELECT workflow.start('gated', '$_')") } 1, 2;
wait_until(q{SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, 'two calls run');
my $owner = $node->background_psql('postgres');
$owner->query_safe("BEGIN; SELECT FROM workflow.executions WHERE id = $first FOR UPDATE");
$gates->query_safe('SELECT pg_advisory_unlock(1)');
wait_until(q{SELECT s.state = 'open' AND s.opened_at IS NULL AND s.half_open_at < clock_timestamp() + interval '3595 s'
	FROM workflow.breaker_status AS s WHERE agent = 'gated'},
	'the first fails, but cannot commit, and others may write the row by now');
$gates->query_safe('SELECT pg_advisory_unlock(2)');
is(sql("SELECT status FROM workflow.wait($second, '60 s')"), 'failed', 'the second fails, and does not wait for the first');
$owner->query_safe('ROLLBACK');
is(sql("SELECT status FROM workflow.wait($first, '60 s')"), 'failed', 'which ends when it can');
wait_until(q{SELECT state = 'open' FROM workflow.breakers WHERE agent = 'gated'}, 'and the row is written');
$_->quit foreach $gates, $owner;
sql(q{SELECT workflow.drop_agent('gated')});

# --- a call that does not listen is a failure ---

register('{"failure_threshold": 1, "timeout_seconds": 3600}');
mood('deaf');
$id = sql(q{SELECT workflow.start('limited')});
wait_until(q{SELECT state = 'open' FROM workflow.breakers}, 'a call that swallows its time limit opens the breaker');
sql(q{SELECT workflow.reset_breaker('moody')});
mood('succeed');
sql("SELECT FROM workflow.wait($id, '60 s')");

# --- dropped and registered again ---

mood('fail');
is(run_call(), 'failed AG001', 'a call fails');
is(run_call(), 'failed CircuitBreakerOpen', 'the breaker is open');
mood('succeed');
sql(q{BEGIN; SELECT workflow.drop_agent('moody'); ROLLBACK});
is(run_call(), 'failed CircuitBreakerOpen', 'a drop that is rolled back leaves it so');
sql(q{SELECT workflow.drop_agent('moody')});
register('{"failure_threshold": 1}');
is(run_call(), 'completed', 'a new agent of the name has a new one');

check_pool($node, 'postgres', 'at the end');
$node->stop;
done_testing();
