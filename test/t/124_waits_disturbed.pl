# Threads that wait, and sessions and crashes at the wrong moment: paused and resumed before the
# scheduler has looked, rows that somebody has locked, executors that die when they have just
# written down that a thread waits.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use FaultPoints;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = crash_cluster('waits_disturbed', { fault_installation() }, 'workflow.short_wait = 0');
allow_fault_points($node);

sub query { return $node->safe_psql('w', $_[0]); }

sub wait_for
{
	my ($condition, $name) = @_;

	ok($node->poll_query_until('w', "SELECT $condition"), $name)
	  or diagnose($node, 'w');
	return;
}

sub ends
{
	my ($id, $name) = @_;

	is(query("SELECT status, error_type FROM workflow.wait($id, '2 min')"), 'completed|', $name)
	  or diagnose($node, 'w');
	return;
}

sub short_wait
{
	my ($value) = @_;

	query("ALTER SYSTEM SET workflow.short_wait = '$value'");
	query('SELECT pg_reload_conf()');
	return;
}

query(q{
	CREATE TABLE broken (what text);
	CREATE FUNCTION may_fail(what text) RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock_shared(1);
		IF EXISTS (SELECT FROM broken AS b WHERE b.what = may_fail.what) THEN
			RAISE EXCEPTION 'broken';
		END IF;
		RETURN 1;
	END $$;
	CREATE FUNCTION tries(id text, delay int, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql RETURN jsonb_build_object('id', id,
		'sql', format('SELECT may_fail(%L)', id), 'retry', jsonb_build_object('errors', '["all"]'::jsonb, 'type', 'fixed_delay', 'jitter', false,
			'max_retries', 1000, 'initial_delay_ms', delay, 'max_delay_ms', delay)) || more;
	CREATE FUNCTION block(name text, delay int, more jsonb DEFAULT '{}') RETURNS int LANGUAGE sql AS $$
		SELECT workflow.define(jsonb_build_object('name', name, 'steps', jsonb_build_array(jsonb_build_object('id', 'p', 'type', 'parallel',
			'parallel_steps', jsonb_build_array(tries('x', delay), '{"id": "y", "sql": "SELECT 2"}'::jsonb)), '{"id": "q", "sql": "SELECT 3"}'::jsonb)) || more)
	$$;
	SELECT block('one', 3000, '{"max_running": 1}'), block('soon', 2000), block('late', 3600000);
	SELECT workflow.define(jsonb_build_object('name', 'alone', 'steps', jsonb_build_array(tries('x', 3600000), '{"id": "y", "sql": "SELECT 2"}'::jsonb)));
	SELECT workflow.define(jsonb_build_object('name', 'batch', 'commit', '{"max_steps": 10}'::jsonb, 'steps',
		jsonb_build_array('{"id": "w", "sql": "SELECT 1"}'::jsonb, tries('x', 3600000))))});

# --- paused and resumed before the scheduler has looked ---

# it is in the scheduler's memory still
short_wait('2s');
query(q{INSERT INTO broken VALUES ('x')});
my $first = query(q{SELECT workflow.start('one', parallel => true)});
my $second = query(q{SELECT workflow.start('one', parallel => true)});
wait_for("count(*) = 1 FROM workflow.waits WHERE execution_id = $first", 'a branch waits, and another execution for room');
query("SELECT workflow.pause($first), workflow.resume($first)");
query('TRUNCATE broken');
ends($_, 'paused and resumed in one statement, it goes on') foreach $first, $second;

foreach my $order ([ 'pause', 'release', 'resume' ], [ 'release', 'pause', 'resume' ], [ 'pause', 'resume', 'release' ])
{
	my %do = (pause => 'workflow.pause(ID)', resume => 'workflow.resume(ID)', release => q{workflow.release_step(ID, 'x')});
	my $id = query(q{BEGIN; SELECT workflow.start('soon', parallel => true) AS id; SELECT workflow.hold_step(max(id), 'x') FROM workflow.executions;
		SELECT workflow.hold_step(max(id), 'q') FROM workflow.executions; COMMIT}) =~ s/\n.*//sr;

	wait_for("count(*) = 1 FROM workflow.waits WHERE execution_id = $id", "@$order: a branch is held");
	query('BEGIN; ' . join('', map { 'SELECT ' . $do{$_} =~ s/ID/$id/r . '; ' } @$order) . 'COMMIT');
	wait_for("count(*) = 1 FROM workflow.waits WHERE execution_id = $id AND step_id = 'q'", "@$order: it goes on up to the next step that is held");
	query("SELECT workflow.release_step($id, 'q')");
	ends($id, "@$order: and to its end");
}

# --- an executor dies when it has written that a thread waits, and has not told so ---

foreach my $short ('0', '30s')
{
	short_wait($short);
	query(q{INSERT INTO broken VALUES ('x')});
	# the time of what waits is longer than what may stay in memory
	query("SELECT block('soon', " . ($short eq '0' ? 2000 : 31000) . ')');
	ask_for_point($node, 'thread.waiting');
	my $id = query(q{SELECT workflow.start('soon', parallel => true)});
	wait_at_point($node, 'thread.waiting');
	ask_for_point($node, 'executor.committed');
	leave_point($node, 'thread.waiting');
	my $executor = wait_at_point($node, 'executor.committed');
	query("SELECT pg_terminate_backend($executor)");
	leave_point($node, 'executor.committed');
	query('TRUNCATE broken');
	ends($id, "$short: its thread is woken all the same");
	is(query("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $id"), 5, "$short: nothing was done twice");
}

# the iteration that waits keeps its place among the two that may be under way
short_wait('0');
query(q{INSERT INTO broken VALUES ('x')});
query(q{SELECT workflow.define(jsonb_build_object('name', 'two', 'steps', jsonb_build_array(jsonb_build_object('id', 'l', 'type', 'loop',
	'execution_mode', 'parallel', 'max_parallelism', 2, 'collection', '${workflow.input}', 'loop_body', jsonb_build_array(tries('x', 3600000))))))});
ask_for_point($node, 'thread.waiting');
my $two = query(q{SELECT workflow.start('two', (SELECT jsonb_agg(i) FROM generate_series(1, 40) AS i), parallel => true)});
wait_at_point($node, 'thread.waiting');
ask_for_point($node, 'executor.committed');
leave_point($node, 'thread.waiting');
my $killed = wait_at_point($node, 'executor.committed');
query("SELECT pg_terminate_backend($killed)");
leave_point($node, 'executor.committed');
wait_for("status = 'waiting' FROM workflow.executions WHERE id = $two", 'of a loop as many wait as may be under way');
is(query("SELECT count(DISTINCT scope) FROM workflow.step_executions WHERE execution_id = $two AND step_id = 'x'"), 2, 'and no other has begun');
query("SELECT workflow.cancel($two)");

# --- paused, resumed and skipped while an executor has written that a thread waits, and has not told so ---

short_wait('0');
my $gate = $node->background_psql('w');
query(q{SELECT workflow.define(jsonb_build_object('name', name, 'steps', jsonb_build_array(jsonb_build_object('id', 'p', 'type', 'parallel',
	'parallel_steps', jsonb_build_array(tries('x', 3600000), '{"id": "y", "sql": "SELECT pg_advisory_xact_lock_shared(2)"}'::jsonb)), '{"id": "q", "sql": "SELECT 3"}'::jsonb)) || more)
	FROM (VALUES ('beside', '{}'::jsonb), ('beside_one', '{"max_running": 1}')) AS w (name, more)});
# where one may run, it waits for its own end to be claimed again
foreach my $case ([ 'beside', 'pause resume skip' ], [ 'beside', 'pause skip resume' ], [ 'beside_one', 'pause skip resume' ])
{
	my ($workflow, $order) = @$case;
	my %do = (pause => 'workflow.pause(ID)', resume => 'workflow.resume(ID)', skip => q{workflow.skip_step(ID, 'x')});

	query(q{INSERT INTO broken VALUES ('x')});
	$gate->query_safe('SELECT pg_advisory_lock(2)');
	ask_for_point($node, 'thread.waiting');
	my $id = query("SELECT workflow.start('$workflow', parallel => true)");
	wait_at_point($node, 'thread.waiting');
	wait_for(q{count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, "$workflow, $order: the other branch runs");
	ask_for_point($node, 'executor.committed');
	leave_point($node, 'thread.waiting');
	wait_at_point($node, 'executor.committed');
	query('BEGIN; ' . join('', map { 'SELECT ' . $do{$_} =~ s/ID/$id/r . '; ' } split / /, $order) . 'COMMIT');
	wait_for(($workflow eq 'beside' ? q{status = 'running'} : 'limited') . " AND NOT control FROM workflow.executions WHERE id = $id",
		"$order: it is " . ($workflow eq 'beside' ? 'claimed again' : 'queued'));
	query('TRUNCATE broken');
	leave_point($node, 'executor.committed');
	$gate->query_safe('SELECT pg_advisory_unlock(2)');
	ends($id, "$workflow, $order: it goes on");
}
$gate->quit;

# --- a session has the row of an execution that begins to wait ---

short_wait('0');
my $keeper = $node->background_psql('w');
foreach my $workflow ('alone', 'late', 'batch')
{
	query(q{INSERT INTO broken VALUES ('x')});
	$keeper->query_safe('SELECT pg_advisory_lock(1)');
	my $id = query("SELECT workflow.start('$workflow', parallel => true)");
	wait_for(q{count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, "$workflow: a step runs");
	$keeper->query_safe("BEGIN; SELECT FROM workflow.executions WHERE id = $id FOR UPDATE; SELECT pg_advisory_unlock(1)");
	# in each state of waiting for a lock an executor would not be idle
	wait_for(qq{count(*) = 1 FROM workflow.step_executions WHERE execution_id = $id AND status = 'failed'}, "$workflow: it has failed");
	wait_for(q{count(*) = 0 FROM workflow.executors WHERE state = 'busy'}, "$workflow: no executor waits for the row");
	$keeper->query_safe('COMMIT');
	wait_for("status = 'waiting' FROM workflow.executions WHERE id = $id", "$workflow: let go, it is written down");
	is(query("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'x'"), 1, "$workflow: and has not been tried again");
	query("TRUNCATE broken; SELECT workflow.skip_step($id, 'x')");
	ends($id, "$workflow: skipped, it goes on");
}
$keeper->quit;
check_finished($node, 'w', 'at the end');

$node->stop;
done_testing();
