# A healthy system has no alert, whatever it does: parallel blocks of some seconds and of less than
# a millisecond, execute(), pauses, retries, schedules, cancels, failures that are caught.

use strict;
use warnings FATAL => 'all';

use Test::More;
use WorkflowTest;

my $node = workflow_cluster('healthy', 'workflow.max_executors = 6');

install_extension($node, 'postgres');
$node->safe_psql('postgres', q{
	SELECT workflow.define('{"name": "seconds", "steps": [{"id": "block", "type": "parallel", "parallel_steps": [
		{"id": "a", "sql": "SELECT pg_sleep(2.5)"}, {"id": "b", "sql": "SELECT pg_sleep(0.1)"}, {"id": "c", "sql": "SELECT pg_sleep(0.1)"}]}]}');
	SELECT workflow.define('{"name": "quick", "steps": [{"id": "block", "type": "parallel", "parallel_steps": [
		{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 2"}, {"id": "c", "sql": "SELECT 3"}]}]}');
	SELECT workflow.define('{"name": "loop", "steps": [{"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}",
		"execution_mode": "parallel", "max_parallelism": 2, "loop_body": [{"id": "a", "sql": "SELECT 1"}]}}]}');
	SELECT workflow.define('{"name": "again", "steps": [{"id": "a", "input_mapping": {"id": "${workflow.execution_id}"},
		"sql": "SELECT 1 / count(*) FROM workflow.step_executions WHERE execution_id = input.id::bigint",
		"retry": {"max_retries": 3, "initial_delay_ms": 1, "errors": ["22012"]}}]}');
	SELECT workflow.define('{"name": "caught", "steps": [{"id": "a", "sql": "SELECT 1 / 0", "on_failure": {"default": 0}}]}');
	SELECT workflow.define('{"name": "stops", "steps": [{"id": "block", "type": "parallel", "parallel_steps": [
		{"id": "a", "sql": "SELECT pg_advisory_xact_lock(1)"}, {"id": "b", "sql": "SELECT 1"}]}, {"id": "c", "sql": "SELECT 1"}]}')});

sub alerts
{
	return $node->safe_psql('postgres', 'SELECT condition, subject, value FROM workflow.alerts ORDER BY 1, 2');
}

is(alerts(), '', 'nothing has run');

# one that is paused while its block is open, for all of the time
my $session = $node->background_psql('postgres');
$session->query_safe('SELECT pg_advisory_lock(1)');
my $paused = $node->safe_psql('postgres', q{SELECT workflow.start('stops')});
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $paused AND wait_event = 'advisory'"), 'its block is open');
$node->safe_psql('postgres', "SELECT workflow.pause($paused)");

foreach my $round (1 .. 3)
{
	$node->safe_psql('postgres', q{SELECT workflow.start('seconds') FROM generate_series(1, 2)});
	foreach my $workflow ('quick', 'again', 'caught')
	{
		$node->safe_psql('postgres', "SELECT workflow.start('$workflow') FROM generate_series(1, 20)");
		$node->safe_psql('postgres', "SELECT workflow.execute('$workflow')");
	}
	$node->safe_psql('postgres', q{SELECT workflow.start('loop', to_jsonb(ARRAY[1, 2, 3, 4])) FROM generate_series(1, 5)});
	$node->safe_psql('postgres', q{SELECT workflow.execute('loop', '[1, 2, 3]'), workflow.execute('quick')});
	$node->safe_psql('postgres', q{SELECT workflow.cancel(workflow.start('seconds', start_at => 'infinity')) FROM generate_series(1, 4)});
	is(alerts(), '', "round $round: while they run");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM workflow.executions WHERE id <> $paused AND status IN ('pending', 'running', 'cancelling')"),
		"round $round: all have ended");
	is(alerts(), '', "round $round: and when they have ended");
}
$session->quit;
$node->safe_psql('postgres', "SELECT workflow.resume($paused)");
ok(wait_for_status($node, 'postgres', $paused, 'completed'), 'the one that was paused goes on');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT status, ',' ORDER BY status) FROM workflow.executions}), 'cancelled,completed', 'they did what they were to');
is(alerts(), '', 'nothing is wrong');

# what the source of these alerts has, 2 seconds and 1.2, would be: of blocks of seconds only
$ENV{PGOPTIONS} = '-c workflow.alert_block_duration=2s -c workflow.alert_block_speedup=1.2';
is($node->safe_psql('postgres', q{SELECT DISTINCT condition, subject FROM workflow.alerts WHERE subject <> 'seconds.block'}), '',
	'execute(), and blocks of less than a millisecond, gain nothing and are not to');
is($node->safe_psql('postgres', q{SELECT condition FROM workflow.alerts WHERE subject = 'seconds.block'}), 'block duration', 'who asks is told');
delete $ENV{PGOPTIONS};
$node->stop;
done_testing();
