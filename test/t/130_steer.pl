# What sessions want of executions outlives the server: a pause, a delay before a retry,
# a retry() of an execution and a held step are interrupted by immediate shutdowns.
# And what waits holds nothing: ten thousand executions in a retry delay are in nobody's way.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('steer', 'workflow.max_executors = 2', 'restart_after_crash = on');

$node->safe_psql('postgres', 'CREATE DATABASE w');
$node->safe_psql(
	'w', q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE ran (id bigint, step text);
	CREATE TABLE gate (step text);
	CREATE FUNCTION work(step text, id bigint) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RAISE LOG 'trying % %.', id, step;
		IF EXISTS (SELECT FROM gate AS g WHERE g.step = 'fail ' || work.step) THEN
			RAISE 'told to fail';
		END IF;
		WHILE EXISTS (SELECT FROM gate AS g WHERE g.step = work.step) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		INSERT INTO ran VALUES (id, step);
		RETURN step;
	END $$;
	CREATE FUNCTION step(id text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
	RETURN jsonb_build_object('id', id, 'type', 'sql', 'result', 'value', 'sql', format('SELECT work(%L, input.e)', id),
		'input_mapping', '{"e": "${workflow.execution_id}"}'::jsonb) || more;
	SELECT workflow.define(jsonb_build_object('name', 'chain', 'steps', jsonb_build_array(step('a'),
		step('b', '{"retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 6000}}'), step('c'))));
	SELECT workflow.define(jsonb_build_object('name', 'wide', 'steps', jsonb_build_array(step('a'),
		jsonb_build_object('id', 'p', 'type', 'parallel', 'parallel_steps', jsonb_build_array(step('p1'), step('p2'))), step('c'))));
	SELECT workflow.define('{"name": "quick", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1"}]}');
	SELECT workflow.define('{"name": "waits", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1 / 0",
		"retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000}}]}');
});

sub query
{
	return $node->safe_psql('w', $_[0]);
}

sub wait_until
{
	my ($sql, $name) = @_;

	$node->poll_query_until('w', $sql) or fail($name);
	return;
}

sub start
{
	return query("SELECT workflow.start('$_[0]')");
}

sub ends
{
	my ($id) = @_;

	return query("SELECT status FROM workflow.wait($id, '60 s')");
}

sub ran
{
	my ($id) = @_;

	return query("SELECT string_agg(step, ' ' ORDER BY step) FROM ran WHERE id = $id");
}

sub tries
{
	my ($id, $step) = @_;

	return scalar(() = slurp_file($node->logfile) =~ /trying $id $step\.$/mg);
}

sub running
{
	my ($id, $step) = @_;

	wait_until("SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND step_id = '$step'", "$step runs");
	return;
}

sub crash
{
	$node->stop('immediate');
	$node->start;
	return;
}

# The scheduler tells its executors what is wanted when it has read it, and then it waits.
sub told
{
	my ($execution) = @_;

	wait_until("SELECT NOT control FROM workflow.executions WHERE id = $execution", 'the scheduler has seen it');
	wait_until(q{SELECT a.wait_event_type = 'Extension' FROM workflow.scheduler_state() AS s JOIN pg_stat_activity AS a USING (pid)}, 'and told who runs it');
	return;
}

my $nothing_runs = q{SELECT count(*) = 0 FROM workflow.executor_slots() WHERE state NOT IN ('idle', 'starting') OR execution_id IS NOT NULL};

# --- a pause ---

query(q{INSERT INTO gate VALUES ('b')});
my $id = start('chain');
running($id, 'b');
is(query("SELECT workflow.pause($id)"), 'paused', 'paused while a step runs');
told($id);
query('DELETE FROM gate');
wait_until("SELECT count(*) = 1 FROM ran WHERE id = $id AND step = 'b'", 'the step ends');
wait_until($nothing_runs, 'no executor is held');
crash();
is(query("SELECT status FROM workflow.executions WHERE id = $id"), 'paused', 'paused after a crash');
is(ends(start('quick')), 'completed', 'others run');
is(ran($id), 'a b', 'nothing further has begun');
query("SELECT workflow.resume($id)");
is(ends($id), 'completed', 'resumed');
is(ran($id), 'a b c', 'each step ran once');

# while the step still runs
query(q{INSERT INTO gate VALUES ('b')});
$id = start('chain');
running($id, 'b');
query("SELECT workflow.pause($id)");
crash();
is(query("SELECT status, recoveries FROM workflow.executions WHERE id = $id"), 'paused|0', 'paused after a crash in its step');
query('DELETE FROM gate');
is(ends(start('quick')), 'completed', 'others run');
is(ran($id), 'a', 'the step does not run again by itself');
query("SELECT workflow.resume($id)");
is(ends($id), 'completed', 'resumed');
is(ran($id), 'a b c', 'each step has one effect');

# resumed before the step has ended
query(q{INSERT INTO gate VALUES ('b')});
$id = start('chain');
running($id, 'b');
query("SELECT workflow.pause($id)");
query("SELECT workflow.resume($id)");
crash();
query('DELETE FROM gate');
is(ends($id), 'completed', 'resumed, then a crash');
is(ran($id), 'a b c', 'each step has one effect');

# --- a delay before a retry ---

query(q{INSERT INTO gate VALUES ('fail b')});
$id = start('chain');
wait_until("SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $id AND retry_at IS NOT NULL", 'it waits');
query('DELETE FROM gate');
crash();
is(ends($id), 'completed', 'a retry delay outlives a crash');
is(query("SELECT string_agg(step_id || attempt || status, ' ' ORDER BY started_at) FROM workflow.step_executions WHERE execution_id = $id"),
	'a1completed b1failed b2completed c1completed', 'with the attempts that were to be');
is(query("SELECT r.started_at >= f.retry_at FROM workflow.step_executions AS f, workflow.step_executions AS r
	WHERE f.execution_id = $id AND r.execution_id = $id AND f.step_id = 'b' AND r.step_id = 'b' AND f.attempt = 1 AND r.attempt = 2"),
	't', 'not before its time');

# --- an execution that is retried ---

query(q{INSERT INTO gate VALUES ('fail p2')});
$id = start('wide');
is(ends($id), 'failed', 'fails');
query(q{DELETE FROM gate; INSERT INTO gate VALUES ('p2')});
is(query("SELECT workflow.retry($id)"), 'pending', 'retried');
running($id, 'p2');
crash();
query('DELETE FROM gate');
is(ends($id), 'completed', 'a retried execution outlives a crash');
is(ran($id), 'a c p1 p2', 'each step has one effect');
is(tries($id, 'p1'), 1, 'what had completed did not run again');

# retried, and nobody has taken it up
query(q{INSERT INTO gate VALUES ('fail p2')});
$id = start('wide');
is(ends($id), 'failed', 'fails');
query('DELETE FROM gate');
query('ALTER SYSTEM SET workflow.enabled = off');
$node->reload;
wait_until("SELECT setting = 'off' FROM pg_settings WHERE name = 'workflow.enabled'", 'disabled');
query("SELECT workflow.retry($id, 'p')");
crash();
is(query("SELECT status, reopen FROM workflow.executions WHERE id = $id"), 'pending|t', 'it waits');
query('ALTER SYSTEM RESET workflow.enabled');
$node->reload;
is(ends($id), 'completed', 'goes on');
is(ran($id), 'a c p1 p1 p2', 'from the step that was named');

# --- a held step ---

query(q{INSERT INTO gate VALUES ('a')});
$id = start('chain');
running($id, 'a');
query("SELECT workflow.hold_step($id, 'b')");
told($id);
query('DELETE FROM gate');
wait_until("SELECT count(*) = 1 FROM ran WHERE id = $id AND step = 'a'", 'the step ends');
wait_until($nothing_runs, 'a held step holds no executor');
crash();
is(ends(start('quick')), 'completed', 'others run');
wait_until($nothing_runs, 'a held step holds no executor after a crash');
is(query("SELECT status FROM workflow.executions WHERE id = $id") . ' ' . ran($id), 'waiting a', 'it is held still');
query("SELECT workflow.release_step($id, 'b')");
is(ends($id), 'completed', 'released');
is(ran($id), 'a b c', 'each step has one effect');

# --- ten thousand that wait ---

# kilobytes of the scheduler's own memory
sub scheduler_memory
{
	my $pid = query(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler' AND datname = 'w'});
	my ($kilobytes) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
	return $kilobytes;
}

sub executor_memory
{
	return query(q{SELECT COALESCE(max(memory_bytes), 0) / 1024 FROM workflow.executors});
}

my $waiting = q{SELECT count(*) = %d FROM workflow.step_executions AS s JOIN workflow.executions AS e ON e.id = s.execution_id
	WHERE e.workflow = 'waits' AND s.retry_at IS NOT NULL};

query(q{SELECT count(workflow.start('waits')) FROM generate_series(1, 2000)});
wait_until(sprintf($waiting, 2000), 'two thousand wait');
wait_until($nothing_runs, 'no executor is held');
my ($scheduler_before, $executor_before) = (scheduler_memory(), executor_memory());
query(q{SELECT count(workflow.start('waits')) FROM generate_series(1, 8000)});
wait_until(sprintf($waiting, 10000), 'ten thousand wait');
wait_until($nothing_runs, 'no executor is held');
is(query(q{SELECT count(*) FROM workflow.executors WHERE state <> 'starting'}), 2, 'by two executors');
my ($scheduler_after, $executor_after) = (scheduler_memory(), executor_memory());
note("scheduler: $scheduler_before kB, then $scheduler_after kB; executors: $executor_before kB, then $executor_after kB");
cmp_ok($scheduler_after, '<', $scheduler_before + 2048, 'they take nothing of the scheduler');
cmp_ok($executor_after, '<', $executor_before + 2048, 'and nothing of the executors');

query(q{SELECT count(workflow.start('quick')) FROM generate_series(1, 200)});
wait_until(q{SELECT count(*) = 0 FROM workflow.executions WHERE workflow = 'quick' AND status <> 'completed'}, 'others complete');
is(query(q{SELECT count(*) FROM workflow.executions WHERE workflow = 'waits' AND status = 'waiting'}), 10000, 'others run beside them');

crash();
is(ends(start('quick')), 'completed', 'after a crash, too');
wait_until($nothing_runs, 'no executor is held after a crash');
is(query(q{SELECT count(*) FROM workflow.executions WHERE workflow = 'waits' AND status = 'waiting'}), 10000, 'they wait still');
query(q{SELECT count(workflow.cancel(id)) FROM workflow.executions WHERE workflow = 'waits'});
wait_until(q{SELECT count(*) = 10000 FROM workflow.executions WHERE workflow = 'waits' AND status = 'cancelled'}, 'all are cancelled');
pass('all are cancelled');

$node->stop('fast');
done_testing();
