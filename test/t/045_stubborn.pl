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

# --- what is counted ---

# One of two branches gets stuck, the execution goes on: side by side, and one after the other.
$node->safe_psql('postgres', q{SELECT workflow.define(format('{"name": %s, "steps": [{"id": "both", "type": "parallel", "parallel_steps": [
	{"id": "bad", "sql": "SELECT stubborn()", "timeout_seconds": 1, "on_failure": "ignore"}, {"id": "good", "sql": "SELECT 1"}]}]}', to_json(name))::jsonb)
	FROM unnest('{beside,after}'::text[]) AS w (name)});
foreach my $case ([ 'beside', 'true' ], [ 'after', 'false' ])
{
	my ($workflow, $parallel) = @$case;
	my $statistics = qq{SELECT string_agg(concat_ws(' ', kind, name, total, stuck), ', ' ORDER BY kind, name)
		FROM workflow.%s WHERE workflow = '$workflow' AND kind IN ('step', 'workflow')};
	my $counted = "step bad 1 1, step both 1 0, step good 1 0, workflow $workflow 1 0";

	is($node->safe_psql('postgres', "SELECT coalesce(max(stuck), 0) FROM workflow.statistics WHERE workflow = '$workflow'"), 0, "$workflow: nothing yet");
	$id = $node->safe_psql('postgres', "SELECT workflow.start('$workflow', parallel => $parallel)");
	is($node->safe_psql('postgres', "SELECT status FROM workflow.wait($id, '60 s')"), 'completed', "$workflow: it goes on");
	is($node->safe_psql('postgres', "SELECT error_type FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'bad'"),
		'ExecutionStuck', "$workflow: behind an attempt that is stuck");
	is($node->safe_psql('postgres', "SELECT workflow.metrics($id) -> 'stuck_attempts'"), 1, "$workflow: metrics() counts it");
	is($node->safe_psql('postgres', sprintf($statistics, 'statistics')), $counted, "$workflow: so do the statistics");
	ok( $node->poll_query_until('postgres', qq{SELECT coalesce((SELECT sum(value) FROM workflow.metrics
		WHERE name = 'workflow_recent_stuck_attempts' AND labels ->> 'workflow' = '$workflow'), 0) = 1}), "$workflow: and the view metrics");
	# the history is the scheduler's, and may come behind the end
	ok( $node->poll_query_until('postgres', qq{SELECT concat_ws(' ', value, threshold) = '100.0 1' FROM workflow.alerts
		WHERE condition = 'stuck rate' AND subject = '$workflow'}), "$workflow: there is the alert");
	is( $node->safe_psql('postgres', "SET workflow.alert_stuck_rate = 100; SELECT count(*) FROM workflow.alerts WHERE condition = 'stuck rate' AND subject = '$workflow'"),
		0, "$workflow: not where so much is expected");
	ok( $node->poll_query_until('postgres', "SELECT workflow.roll_up_statistics() >= 0 AND coalesce(max(stuck), 0) = 1 FROM workflow.statistics_history WHERE workflow = '$workflow'"),
		"$workflow: by day, too");
	is($node->safe_psql('postgres', sprintf($statistics, 'statistics_history')), $counted, "$workflow: the same figures");
}
is($node->safe_psql('postgres', q{SELECT stuck FROM workflow.statistics WHERE kind = 'workflow' AND workflow = 'limited'}), 1,
	'an execution that ends by it counts as stuck, too');

# A163: others go on
$id = $node->safe_psql('postgres', "SELECT workflow.start('short')");
is($node->safe_psql('postgres', "SELECT status FROM workflow.wait($id, '60 s')"),
	'completed', 'executors are there again');

$node->stop;
done_testing();
