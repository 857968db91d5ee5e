# Definitions that are lost while executions of them are there (rows deleted by hand, a restore of
# parts): what becomes of those, and that it is nobody else's affair: the scheduler stays, the views
# answer, others run.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use WorkflowTest;

my $node = workflow_cluster(
	'lost_definitions',
	'workflow.max_executors = 4',
	'workflow.short_wait = 0',
	'workflow.max_recoveries = 3',
	'workflow.cancel_grace = 300ms');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', $query), $name);
}

sub ended { return sql("SELECT status, error_type FROM workflow.wait($_[0], '60 s')"); }

# Started by a role; which may have so many executors.
sub start { return sql("SET ROLE amy; SELECT workflow.start('$_[0]', parallel => true)"); }

sub executors
{
	sql("SELECT workflow.set_role_limits('amy', max_executors => $_[0])");
	return;
}

sub lose
{
	sql("DELETE FROM workflow.definitions WHERE name = '$_[0]'");
	return;
}

my $scheduler;

# The scheduler is the one that it was, and runs what there is.
sub others_run
{
	my ($name) = @_;

	is(ended(sql("SELECT workflow.start('short')")), 'completed|', "$name: others run");
	is(worker_pid($node, 'scheduler', 'postgres'), $scheduler, "$name: the scheduler is still there");
	return;
}

install_extension($node, 'postgres');
sql(deaf_sql('swallow'));
sql(q{
	CREATE ROLE amy LOGIN;
	SELECT workflow.grant_usage('amy');
	CREATE TABLE gate AS SELECT false AS open;
	GRANT SELECT ON gate TO PUBLIC;
	CREATE PROCEDURE wait_at_gate() LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT (SELECT g.open FROM public.gate AS g) LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
	END $$;
	CREATE FUNCTION pass() RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		CALL public.wait_at_gate();
		RETURN 1;
	END $$;
	SELECT workflow.define(replace(d, '"gate"', '"SELECT public.pass()"')::jsonb) FROM (VALUES
		('{"name": "overdue", "timeout_seconds": 3, "steps": [{"id": "a", "sql": "gate"}], "on_failure": [{"id": "f", "sql": "SELECT 1"}]}'),
		('{"name": "paused", "steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 1"}], "on_failure": [{"id": "f", "sql": "SELECT 1"}]}'),
		('{"name": "epilogue", "steps": [{"id": "a", "sql": "SELECT 1/0"}], "on_failure": [{"id": "f", "sql": "gate"}]}'),
		('{"name": "branches", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "l", "sql": "SELECT 1/0",
			"retry": {"errors": ["all"], "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000, "max_retries": 3}}, {"id": "r", "sql": "gate"}]}]}'),
		('{"name": "soon", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "l", "sql": "SELECT 1/0",
			"retry": {"errors": ["all"], "type": "fixed_delay", "initial_delay_ms": 2000, "max_delay_ms": 2000, "max_retries": 3}}, {"id": "r", "sql": "gate"}]}]}'),
		('{"name": "loop", "steps": [{"id": "p", "type": "loop", "collection": [1, 2], "execution_mode": "parallel", "loop_body": [{"id": "i", "sql": "gate"}]}]}'),
		('{"name": "stuck", "steps": [{"id": "s2", "sql": "SELECT public.swallow()", "timeout_seconds": 1}]}')) AS v (d)});
$node->restart;
$node->poll_query_until('postgres', schedulers(), 'postgres') or die 'no scheduler';
$scheduler = worker_pid($node, 'scheduler', 'postgres');

# --- its time is over, and no executor is to be had ---

my $id = start('overdue');
wait_until("SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id", 'its step runs');
lose('overdue');
executors(0);
sql("SELECT pg_terminate_backend(executor_pid) FROM workflow.activity WHERE execution_id = $id");
is(ended($id), 'timed_out|Timeout', 'overdue: it times out, without what it would have run on failure');
others_run('overdue');
executors(4);

# --- paused for too long ---

$id = sql(q{SET ROLE amy; BEGIN; SELECT workflow.start('paused') AS id \gset
SELECT workflow.hold_step(:id, 'b') \gset
COMMIT; SELECT :id});
wait_for_status($node, 'postgres', $id, 'waiting') or die 'it does not wait';
lose('paused');
sql("SELECT workflow.pause($id, max_pause => '50 ms')");
is(ended($id), 'failed|PauseTimeout', 'paused for too long: it fails, without what it would have run on failure');
others_run('pause');

# --- its epilogue is not to be had; its name is longer than a slot has room for ---

my $long = 'epilogue' . 'e' x 60;
sql("SELECT workflow.define(definition || '{\"name\": \"$long\"}') FROM workflow.definitions WHERE name = 'epilogue'");
$id = start($long);
wait_until("SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND step_id = 'f'", 'what is run on failure runs');
lose($long);
is(sql("SELECT workflow, step_id FROM workflow.activity WHERE execution_id = $id"),
	substr($long, 0, 63) . '|f',
	'who looks at what runs is shown it, by as much of its name as there is');
foreach my $view (split(/\n/, sql("SELECT viewname FROM pg_views WHERE schemaname = 'workflow'")))
{
	is($node->psql('postgres', "SELECT * FROM workflow.$view"), 0, "the view $view answers");
}
$node->restart;
is(ended($id), 'failed|22012', 'epilogue: it ends as was decided');
wait_for_schedulers($node, 'postgres') or die 'no scheduler';
$scheduler = worker_pid($node, 'scheduler', 'postgres');
others_run('epilogue');

# --- a branch that has waited long enough ---

$id = start('branches');
wait_until("SELECT EXISTS (SELECT FROM workflow.waits WHERE execution_id = $id) AND EXISTS (SELECT FROM workflow.activity WHERE execution_id = $id AND step_id = 'r')",
	'a branch waits beside another that runs');
lose('branches');
executors(0);
sql("UPDATE workflow.waits SET until = now() WHERE execution_id = $id");
$node->restart;
wait_until("SELECT NOT EXISTS (SELECT FROM workflow.waits WHERE execution_id = $id)", 'branches: it is not waited for any more');
wait_for_schedulers($node, 'postgres') or die 'no scheduler';
$scheduler = worker_pid($node, 'scheduler', 'postgres');
others_run('branches');
executors(4);
is(ended($id), 'failed|CrashLoop', 'branches: it fails when somebody is to run it');

# --- a branch whose time comes beside one that runs, of which the scheduler has read no definition ---

$id = start('soon');
wait_until("SELECT EXISTS (SELECT FROM workflow.waits WHERE execution_id = $id) AND EXISTS (SELECT FROM workflow.activity WHERE execution_id = $id AND step_id = 'r')",
	'a branch waits beside another that runs, and is due soon');
lose('soon');
is(ended($id), 'failed|42704', 'soon: it fails when the branch is due');
others_run('soon');

# --- an executor ends that did children ---

$id = start('loop');
wait_until("SELECT count(*) = 2 FROM workflow.activity WHERE execution_id = $id", 'two iterations run');
lose('loop');
sql("SELECT pg_terminate_backend(executor_pid) FROM workflow.activity WHERE execution_id = $id ORDER BY executor_pid LIMIT 1");
others_run('loop');
sql('UPDATE gate SET open = true');
# by who has read it, or nobody that has is to be had
like(sql("SELECT status FROM workflow.wait($id, '60 s')"), qr/^(failed|completed)$/, 'loop: it ends');
others_run('loop, ended');

# --- an executor does not respond ---

$id = start('stuck');
wait_until("SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id", 'a step runs that does not stop');
lose('stuck');
is(ended($id), 'failed|CrashLoop', 'stuck: it fails');
is(sql("SELECT workflow, step_id, reason FROM workflow.executor_history WHERE execution_id = $id"), 'stuck|s2|stuck', 'stuck: the history has it');
others_run('stuck');

$node->stop;
done_testing();
