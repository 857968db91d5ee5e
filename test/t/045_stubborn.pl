# Steps that do not stop when asked to: after workflow.cancel_grace the process is
# terminated.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use WorkflowTest;

my $node = workflow_cluster('stubborn', 'workflow.cancel_grace = 200ms', 'workflow.max_recoveries = 2');

$node->safe_psql(
	'postgres', deaf_sql('stubborn') . q{
	CREATE EXTENSION pg_workflow;
	SELECT workflow.define('{"name": "stubborn", "steps": [{"id": "a", "sql": "SELECT stubborn()"}]}');
	SELECT workflow.define('{"name": "limited", "steps": [{"id": "a", "sql": "SELECT stubborn()", "timeout_seconds": 1}]}');
	SELECT workflow.define('{"name": "sibling", "steps": [{"id": "a", "type": "parallel", "on_join": "cancel", "min_success": 1,
		"parallel_steps": [{"id": "bad", "sql": "SELECT stubborn()"},
		                   {"id": "good", "sql": "SELECT 1"}]}]}');
	SELECT workflow.define('{"name": "short", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
});

# cancelled
my $id = $node->safe_psql('postgres', "SELECT workflow.start('stubborn')");
wait_for_endless($node, 'postgres');
$node->safe_psql('postgres', "SELECT workflow.cancel($id, 'enough')");
is($node->safe_psql('postgres', "SELECT status FROM workflow.wait($id, '60 s')"),
	'cancelled', 'a step that swallows cancels is terminated');
like(slurp_file($node->logfile),
	qr/terminated workflow executor with PID \d+/, 'the log says so');

# the loser of a join
$id = $node->safe_psql('postgres', "SELECT workflow.start('sibling')");
is($node->safe_psql('postgres', "SELECT status FROM workflow.wait($id, '60 s')"),
	'completed', 'a join does not wait for a stubborn loser');

# a time limit
$id = $node->safe_psql('postgres', "SELECT workflow.start('limited')");
is( $node->safe_psql('postgres', "SELECT status, error_type FROM workflow.wait($id, '60 s')"),
	'failed|ExecutionStuck', 'a step that swallows its timeout is terminated');

# A163: others go on
$id = $node->safe_psql('postgres', "SELECT workflow.start('short')");
is($node->safe_psql('postgres', "SELECT status FROM workflow.wait($id, '60 s')"),
	'completed', 'executors are there again');

$node->stop;
done_testing();
