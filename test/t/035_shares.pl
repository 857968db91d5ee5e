# Databases share the executors: who comes later gets its share, with more databases
# than executors everybody still gets through, and nobody waits for those that idle.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('shares', 'workflow.run_quantum = 50ms');

foreach my $database (qw(a b c))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	install_extension($node, $database);
	$node->safe_psql($database, q{
		SELECT workflow.define('{"name": "long", "start_step": "items", "steps": {
			"items": {"type": "loop", "loop_config": {"collection": "${workflow.input.items}",
				"execution_mode": "parallel", "loop_body": ["item"]}},
			"item": {"type": "sql", "sql": "SELECT pg_sleep(0.01)"}}}')});
}

# Start a parallel loop of so many items.
sub start_loop
{
	my ($database, $items) = @_;

	return $node->safe_psql($database, qq{
		SELECT workflow.start('long', jsonb_build_object('items',
			(SELECT jsonb_agg(i) FROM generate_series(1, $items) AS i)))});
}

# SQL: number of executors of a database.
sub executors_of
{
	my $database = shift;

	return qq{SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'pg_workflow executor' AND datname = '$database'};
}

foreach my $executors (4, 2, 1)
{
	$node->append_conf('postgresql.conf', "workflow.max_executors = $executors");
	$node->restart;

	# One database has them all, for a loop that outlasts the test ..
	my $first = start_loop('a', 20000);
	ok($node->poll_query_until('postgres', executors_of('a'), $executors),
		"$executors executors: one database can have all");

	# .. and gives some up to those that come later.
	my $second = start_loop('b', 30);
	my $third = start_loop('c', 30);
	ok(wait_for_status($node, 'b', $second, 'completed'), "$executors executors: the second database gets through");
	ok(wait_for_status($node, 'c', $third, 'completed'), "$executors executors: the third database gets through");
	is($node->safe_psql('a', "SELECT status FROM workflow.executions WHERE id = $first"),
		'running', "$executors executors: the first one goes on meanwhile");
	is($node->safe_psql('b', "SELECT count(*) FROM workflow.step_executions
		WHERE execution_id = $second AND step_id = 'item' AND status = 'completed'"),
		30, "$executors executors: each item once");

	# Who is alone again has all again.
	ok($node->poll_query_until('postgres', executors_of('a'), $executors),
		"$executors executors: the first database has all again");
	$node->safe_psql('a', "SELECT workflow.cancel($first, 'test')");
	ok(wait_for_status($node, 'a', $first, 'cancelled'), "$executors executors: the loop is cancelled");
}

# With a step that does not end in each of two executors, a third database has none;
# that shows as waiting, not as failure, and ends with one of them.
$node->append_conf('postgresql.conf', 'workflow.max_executors = 2');
$node->restart;
my $endless = start_endless($node, 'a');
start_endless($node, 'b');
my $id = $node->safe_psql('c', "SELECT workflow.start('short')");
$node->safe_psql('a', "SELECT workflow.cancel($endless, 'test')");
ok(wait_for_status($node, 'c', $id, 'completed'), 'who waits gets the first executor that is free');

$node->stop;
done_testing();
