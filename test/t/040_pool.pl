# Executors: few of them, none at times, many roles; replaced, sent home, cancelled
# and terminated.  Whatever there is of them, everything completes, and nobody starves.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('pool', 'workflow.max_executors_per_database = 1',
	'workflow.run_quantum = 50ms', 'autovacuum = off');
my $log = $node->logfile;

# Change settings, with a restart when one of them needs it.
sub set
{
	my ($how, @lines) = @_;

	$node->append_conf('postgresql.conf', join("\n", @lines, ''));
	$node->$how;
	return;
}

sub executors
{
	return q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor'};
}

sub count_in_log
{
	my ($pattern, $offset) = @_;
	my $count = () = slurp_file($log, $offset) =~ /$pattern/g;
	return $count;
}

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE done (pid int DEFAULT pg_backend_pid(), who name DEFAULT current_user, what text);
	GRANT ALL ON done TO PUBLIC;
	SELECT workflow.define('{"name": "fan", "start_step": "outer", "steps": {
		"outer": {"type": "fork_join", "fork_join_config": {"branches": {
			"a": {"steps": ["items"]}, "b": {"steps": ["b1", "b2"]}, "c": {"steps": ["p"]}}}},
		"items": {"type": "loop", "loop_config": {"collection": [1, 2, 3, 4, 5], "execution_mode": "parallel",
			"loop_body": ["item"]}},
		"item": {"type": "sql", "sql": "INSERT INTO done (what) VALUES (input.i::text)", "input_mapping": {"i": "${loop.item}"}},
		"b1": {"type": "sql", "sql": "INSERT INTO done (what) VALUES (''b1'')"},
		"b2": {"type": "sql", "sql": "INSERT INTO done (what) VALUES (''b2'')"},
		"p": {"type": "parallel", "parallel_steps": ["p1", "p2"]},
		"p1": {"type": "sql", "sql": "INSERT INTO done (what) VALUES (''p1'')"},
		"p2": {"type": "sql", "sql": "INSERT INTO done (what) VALUES (''p2'')"}}}');
	SELECT workflow.define('{"name": "loop", "start_step": "items", "steps": {
		"items": {"type": "loop", "loop_config": {"collection": "${workflow.input.items}",
			"execution_mode": "parallel", "loop_body": ["item"]}},
		"item": {"type": "sql", "sql": "SELECT pg_sleep(0.005)"}}}');
});
define_sql($node, 'postgres', 'one', 'INSERT INTO done (what) VALUES (1)');

# Run "fan" and look at what it did: pids used and steps done.
sub run_fan
{
	my $id;

	$node->safe_psql('postgres', 'TRUNCATE done');
	$id = run_execution($node, 'postgres', 'fan');
	return $node->safe_psql('postgres', qq{SELECT status,
		(SELECT string_agg(what, ' ' ORDER BY what) FROM done),
		(SELECT count(DISTINCT pid) FROM done)
		FROM workflow.executions WHERE id = $id});
}
my $fan = '1 2 3 4 5 b1 b2 p1 p2';

# --- one executor per database ---

is(run_fan(), "completed|$fan|1", 'parallel containers with one executor');

# --- no worker to be had ---

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION pg_workflow');
ok(wait_for_schedulers($node, 'other,postgres'), 'two schedulers');
my $offset = -s $log;
# launcher, logical replication launcher, two schedulers
set('restart', 'max_worker_processes = 4', 'workflow.max_executors_per_database = 0');
ok(wait_for_schedulers($node, 'other,postgres'), 'they take the last workers');
my $id = $node->safe_psql('postgres', "TRUNCATE done; SELECT workflow.start('fan')");
$node->wait_for_log(qr/WARNING: .*out of background worker slots for workflow executors/, $offset);
like(slurp_file($log, $offset), qr/HINT:  You might need to increase "max_worker_processes"/, 'a hint says what to do');
ok($node->safe_psql('postgres', "SELECT status IN ('pending', 'running') FROM workflow.executions WHERE id = $id"),
	'without a worker an execution waits');
$node->safe_psql('postgres', 'DROP DATABASE other');
$node->safe_psql('postgres', "SELECT FROM workflow.wait($id, '180 s')");
is($node->safe_psql('postgres', qq{SELECT status FROM workflow.executions WHERE id = $id}), 'completed',
	'it runs when one comes free');
is(run_fan(), "completed|$fan|1", 'and so do others, with one executor');
is(run_fan(), "completed|$fan|1", 'and again');
is(count_in_log(qr/out of background worker slots for workflow executors/, $offset), 1, 'one warning for all that');

# --- roles share few executors ---

$node->safe_psql('postgres', q{
	DO $$
	BEGIN
		FOR i IN 1..5 LOOP
			EXECUTE format('CREATE ROLE r%s LOGIN', i);
			PERFORM workflow.grant_usage(('r' || i)::regrole);
		END LOOP;
	END $$});
foreach my $case (
	[ 'max_worker_processes allows one executor' ],
	[ 'one executor', 'max_worker_processes = 20', 'workflow.max_executors = 1' ],
	[ 'two executors', 'workflow.max_executors = 2' ])
{
	my ($name, @lines) = @$case;

	set('restart', @lines) if @lines;
	# One role has more to do than the test lasts, in one large execution, and a few
	# others ahead of everybody else.
	$node->safe_psql('postgres', q{
		SET ROLE r1;
		SELECT workflow.start('loop', jsonb_build_object('items', (SELECT jsonb_agg(i) FROM generate_series(1, 30000) i)));
		SELECT count(workflow.start('loop', '{"items": [1, 2, 3, 4, 5, 6, 7, 8]}')) FROM generate_series(1, 40)});
	my @ids = map { $node->safe_psql('postgres', "SET ROLE r$_; SELECT workflow.start('one')") } 2 .. 5;
	push @ids, map { $node->safe_psql('postgres', "SET ROLE r$_; SELECT workflow.start('one')") } 2 .. 5;
	$node->safe_psql('postgres', "SELECT FROM workflow.wait($_, '180 s')") foreach @ids;
	is($node->safe_psql('postgres', 'SELECT string_agg(DISTINCT status, \',\') FROM workflow.executions
			WHERE id IN (' . join(',', @ids) . ')'), 'completed', "$name: the other roles get through");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.executions
			WHERE role = 'r1'::regrole AND workflow = 'loop' AND status IN ('pending', 'running')}) > 0, 1,
		"$name: before the first one is done");
	$node->safe_psql('postgres', q{SELECT count(workflow.cancel(id)) FROM workflow.executions
		WHERE status IN ('pending', 'running')});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM workflow.executions
			WHERE status IN ('pending', 'running', 'cancelling')}), "$name: all are cancelled");
}

# One of two executors is in a step that lasts: the other one is enough.
define_sql($node, 'postgres', 'endless', 'SELECT pg_sleep(3600)');
my $endless = $node->safe_psql('postgres', q{SET ROLE r1; SELECT workflow.start('endless', priority => 9)});
wait_for_endless($node, 'postgres');
$node->safe_psql('postgres', q{SET ROLE r1;
	SELECT workflow.start('loop', jsonb_build_object('items', (SELECT jsonb_agg(i) FROM generate_series(1, 30000) i)))});
foreach my $role ('r2', 'r3')
{
	$id = run_execution($node, 'postgres', 'one', $role);
	is($node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $id"), 'completed',
		"$role gets through beside a step that lasts");
}
is($node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $endless"), 'running', 'which goes on');
$node->safe_psql('postgres', q{SELECT count(workflow.cancel(id)) FROM workflow.executions
	WHERE status IN ('pending', 'running')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM workflow.executions
		WHERE status IN ('pending', 'running', 'cancelling')}), 'all are cancelled');

# --- executors are replaced ---

set('restart', 'workflow.max_executors = 1', 'workflow.executor_max_runs = 2');
$node->safe_psql('postgres', 'TRUNCATE done');
run_execution($node, 'postgres', 'one') foreach 1 .. 6;
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT pid) FROM done'), '6|3',
	'executor_max_runs: two runs each');
set('reload', 'workflow.executor_max_runs = 10000', 'workflow.executor_max_memory = 64kB');
$node->safe_psql('postgres', 'TRUNCATE done');
run_execution($node, 'postgres', 'one') foreach 1 .. 4;
ok($node->safe_psql('postgres', 'SELECT count(DISTINCT pid) >= 2 FROM done'), 'executor_max_memory');
set('reload', 'workflow.executor_max_memory = 256MB', 'workflow.executor_idle_timeout = 1ms');
ok($node->poll_query_until('postgres', executors() =~ s/count\(\*\)/count(*) = 0/r), 'executor_idle_timeout');
run_execution($node, 'postgres', 'one');
ok($node->poll_query_until('postgres', executors() =~ s/count\(\*\)/count(*) = 0/r), 'and again after a run');
set('reload', 'workflow.executor_idle_timeout = 1min');

# --- switched off ---

define_sql($node, 'postgres', 'two', 'SELECT pg_advisory_xact_lock(1)', 'SELECT 2');
my $session = $node->background_psql('postgres');
$session->query_safe('SELECT pg_advisory_lock(1)');
my $locked = q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted};
my $first = $node->safe_psql('postgres', "SELECT workflow.start('two')");
$node->poll_query_until('postgres', $locked)
  or die 'timed out';
set('reload', 'workflow.enabled = off');
$node->poll_query_until('postgres', 'SHOW workflow.enabled', 'off')
  or die 'timed out';
# the scheduler has its signal before it can see what is started after that
$id = $node->safe_psql('postgres', "SELECT workflow.start('one')");
$session->query_safe('SELECT pg_advisory_unlock(1)');
$node->safe_psql('postgres', "SELECT FROM workflow.wait($first, '180 s')");
is($node->safe_psql('postgres', "SELECT string_agg(status, ' ' ORDER BY id) FROM workflow.executions WHERE id IN ($first, $id)"),
	'completed pending', 'enabled = off: what runs goes on, what is queued waits');
$node->restart;
ok(wait_for_schedulers($node, 'postgres'), 'a scheduler is there');
is($node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $id"), 'pending', 'it waits after a restart');
set('reload', 'workflow.enabled = on');
ok(wait_for_status($node, 'postgres', $id, 'completed'), 'it runs when that is taken back');

# --- cancelled and terminated in the middle of a step, and idle ---

sub executor_pid
{
	return worker_pid($node, 'executor', 'postgres');
}
$session = $node->background_psql('postgres');
foreach my $function ('pg_cancel_backend', 'pg_terminate_backend')
{
	$session->query_safe('SELECT pg_advisory_lock(1)');
	$id = $node->safe_psql('postgres', "SELECT workflow.start('two')");
	$node->poll_query_until('postgres', $locked)
	  or die 'timed out';
	my $pid = executor_pid();
	$node->safe_psql('postgres', "SELECT $function($pid)");
	if ($function eq 'pg_terminate_backend')
	{
		ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid <> $pid"),
			'the step is run again by another executor');
	}
	$session->query_safe('SELECT pg_advisory_unlock(1)');
	$node->safe_psql('postgres', "SELECT FROM workflow.wait($id, '180 s')");
	is($node->safe_psql('postgres', "SELECT status, error_type FROM workflow.executions WHERE id = $id"),
		$function eq 'pg_cancel_backend' ? 'failed|57014' : 'completed|', "$function in the middle of a step");
	$node->safe_psql('postgres', "SELECT $function(pid) FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor'");
	$id = run_execution($node, 'postgres', 'one');
	is($node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $id"), 'completed', "$function of an idle executor");
}

$session->quit;

unlike(slurp_file($log), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
