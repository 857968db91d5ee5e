# One role after everything: executors, the queue, priorities.  An execution of another one
# begins, however many there are before it and however long they last.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('fairness', 'workflow.max_executors = 2', 'workflow.run_quantum = 50ms', 'autovacuum = off');
my $flood = 3000;

install_extension($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE hog LOGIN;
	CREATE ROLE other LOGIN;
	CREATE ROLE third LOGIN;
	SELECT workflow.grant_usage(r) FROM unnest('{hog,other,third}'::regrole[]) AS r;
	SELECT workflow.define('{"name": "full", "max_running": 1, "steps": [
		{"id": "a", "sql": "SELECT CASE current_user WHEN ''hog'' THEN workflow.start(''full'', priority => 1000) END"}]}');
	CREATE PROCEDURE waits_for_itself() LANGUAGE plpgsql AS $$
	DECLARE
		id bigint := workflow.start('waits_for_itself');
	BEGIN
		LOOP
			COMMIT;
			EXIT WHEN (SELECT status = 'completed' FROM workflow.execution_status WHERE execution_id = id);
			PERFORM pg_sleep(0.01);
		END LOOP;
	END $$});
define_sql($node, 'postgres', 'again', q{SELECT workflow.start('again', priority => 1000)});
define_sql($node, 'postgres', 'deferred', q{SELECT workflow.start('deferred', start_at => '2000-01-01')});
define_sql($node, 'postgres', 'levels', q{SELECT workflow.start('levels', priority => 1000 - (random() * 1000)::int)});
define_sql($node, 'postgres', 'runs_itself', { sql => q{CALL workflow.run('runs_itself')}, transaction => 'none', result => 'none' });
define_sql($node, 'postgres', 'waits_for_itself', { sql => 'CALL waits_for_itself()', transaction => 'none', result => 'none' });

sub stop_all
{
	$node->safe_psql('postgres', q{ALTER SYSTEM SET workflow.enabled = off; SELECT pg_reload_conf()});
	$node->poll_query_until('postgres', q{
		SELECT count(workflow.cancel(id)) FROM workflow.executions WHERE status IN ('pending', 'running')}, '0')
	  or die 'timed out';
	$node->poll_query_until('postgres', q{SELECT count(*) FROM workflow.executions WHERE status = 'cancelling'}, '0')
	  or die 'not all are cancelled';
	$node->safe_psql('postgres', q{ALTER SYSTEM RESET workflow.enabled; SELECT pg_reload_conf()});
	return;
}

# Run something as another role, and count the executions of the first that began before it did.
sub gets_through
{
	my ($role, $workflow, $name, $most) = @_;
	my $id = run_execution($node, 'postgres', $workflow, $role);
	my ($status, $before) = split /\|/, $node->safe_psql('postgres', qq{
		SELECT o.status, (SELECT count(*) FROM workflow.executions AS h
			WHERE h.role = 'hog'::regrole AND h.started_at BETWEEN o.created_at AND o.started_at)
		FROM workflow.executions AS o WHERE o.id = $id});

	is($status, 'completed', "$name: $role gets through");
	cmp_ok($before, '<=', $most, "$name: at most $most of others begin before");
	return;
}

# --- steps that do not end have all executors (A160) ---

$node->safe_psql('postgres', q{SET ROLE hog; SELECT count(workflow.start('endless')) FROM generate_series(1, 30)});
$node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM workflow.activity WHERE wait_event = 'PgSleep'}) or die 'they do not sleep';
gets_through($_, 'short', 'thirty sleeps', 30) foreach ('other', 'third', 'other');
is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.executions WHERE role = 'hog'::regrole AND status NOT IN ('running', 'pending')}),
	0, 'and none of those that sleep had to end for that');
# no more than one for each that had none: the reserve is four
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM workflow.executors'), '<=', 4, 'one executor beyond the limit for each');

# nor in another database
$node->safe_psql('postgres', 'CREATE DATABASE second');
install_extension($node, 'second');
my $id = run_execution($node, 'second', 'short');
is($node->safe_psql('second', "SELECT status FROM workflow.executions WHERE id = $id"), 'completed', 'another database gets through');
stop_all();

# a step that waits for what it has started
$node->safe_psql('postgres', q{SET ROLE hog; SELECT count(workflow.start('waits_for_itself')) FROM generate_series(1, 30)});
$node->poll_query_until('postgres', q{SELECT count(*) >= 2 FROM workflow.activity}) or die 'they do not run';
gets_through('other', 'short', 'steps that wait for others', 100);
stop_all();

# --- a flood that does not end (A161) ---

foreach my $case (
	[ 'again', 'executions that start themselves again', 'short' ],
	[ 'deferred', 'the same, deferred to the past', 'short' ],
	[ 'levels', 'the same, of a thousand priorities', 'short' ],
	[ 'runs_itself', 'CALL run() of themselves', 'short' ],
	[ 'full', 'the same workflow, which has a limit', 'full' ])
{
	my ($workflow, $name, $others) = @$case;
	my $arguments = $workflow eq 'deferred' ? q{start_at => '2000-01-01'} : 'priority => 1000';

	$node->safe_psql('postgres', qq{SET ROLE hog; SELECT count(workflow.start('$workflow', $arguments)) FROM generate_series(1, $flood)});
	$node->poll_query_until('postgres', qq{SELECT count(*) > 10 FROM workflow.executions WHERE workflow = '$workflow' AND completed_at IS NOT NULL})
	  or die 'it does not run';
	gets_through('other', $others, $name, $flood / 2);
	gets_through('third', $others, $name, $flood / 2);
	stop_all();
}

# what may run in the database is limited, too
$node->safe_psql('postgres', q{ALTER SYSTEM SET workflow.max_running = 3; SELECT pg_reload_conf()});
$node->safe_psql('postgres', "SET ROLE hog; SELECT count(workflow.start('again', priority => 1000)) FROM generate_series(1, $flood)");
gets_through('other', 'short', 'workflow.max_running', $flood / 2);
stop_all();
$node->safe_psql('postgres', q{ALTER SYSTEM RESET workflow.max_running; SELECT pg_reload_conf()});

# --- shares ---

$node->append_conf('postgresql.conf', 'workflow.max_executors = 4');
$node->restart;
define_sql($node, 'postgres', 'naps', 'SELECT pg_sleep(0.01)');
$node->safe_psql('postgres', "SET ROLE hog; SELECT count(workflow.start('naps')) FROM generate_series(1, 100000)");
$node->poll_query_until('postgres', q{SELECT count(*) = 4 FROM workflow.executors WHERE role = 'hog'}) or die 'the first has not all';
$node->safe_psql('postgres', "SET ROLE other; SELECT count(workflow.start('naps', priority => -1000)) FROM generate_series(1, 100000)");
ok($node->poll_query_until('postgres', q{
		SELECT count(*) FILTER (WHERE role = 'hog') = 2 AND count(*) FILTER (WHERE role = 'other') = 2 FROM workflow.executors
		WHERE draining_since IS NULL}), 'two roles have half of the executors each');

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop('immediate');
done_testing();
