# Without shared_preload_libraries: CREATE EXTENSION and workflow.execute() are
# all that is needed; what needs workers says so.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Watchdog;

my $node = PostgreSQL::Test::Cluster->new('not_preloaded');
my $hint = qr/HINT:  Add it to shared_preload_libraries and restart the server, or use workflow\.execute\(\)\./;
my ($status, $output, $error);

$node->init;
$node->append_conf('postgresql.conf', "workflow.max_executors = 4\n");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE effects (n int);
	SELECT workflow.define('{"name": "w", "steps": [
		{"id": "both", "type": "parallel", "parallel_steps": [
			{"id": "l", "sql": "INSERT INTO effects VALUES (1) RETURNING n", "result": "value"},
			{"id": "r", "sql": "INSERT INTO effects VALUES (2) RETURNING n", "result": "value"}]}]}');
});

is($node->safe_psql('postgres', "SELECT workflow.execute('w')"),
	'{"l": 1, "r": 2}', 'execute() works');
is($node->safe_psql('postgres', 'SELECT sum(n) FROM effects'), '3', 'and has done something');
is( $node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT status) FROM workflow.step_executions'),
	'3|1', 'and has written its steps');

($status, $output, $error) = $node->psql('postgres', "SELECT workflow.start('w') > 0");
is($output, 't', 'start() queues');
like($error, qr/WARNING:  the execution is queued, but no worker will run it/, 'and warns');
like($error, $hint, 'with a hint');

($status, $output, $error) = $node->psql('postgres', 'SELECT workflow.wait(max(id)) FROM workflow.executions');
like($error, qr/ERROR:  cannot wait for execution \d+/, 'wait() for what never ends is refused');
like($error, $hint, 'with a hint');

($status, $output, $error) = $node->psql('postgres', "CALL workflow.run('w')");
like($error, qr/ERROR:  workflow\.run\(\) needs workers/, 'run() is refused');
like($error, $hint, 'with a hint');

is( $node->safe_psql('postgres', 'SELECT count(*) FROM workflow.executors'),
	'0', 'there are no executors');

is( $node->safe_psql('postgres',
		'SELECT workflow.reset_engine_statistics(); SELECT count(*) FROM workflow.engine_statistics'),
	"\n0", 'nothing is counted, and a reset does nothing');

# a circuit breaker needs shared memory: without it calls are not counted
$node->safe_psql('postgres', q{
	CREATE FUNCTION moody(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'AG001'; END $$;
	SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '{"failure_threshold": 1}');
	SELECT workflow.define('{"name": "calls", "steps": [{"id": "each", "type": "loop", "collection": [1, 2, 3], "loop_body": [
		{"id": "call", "agent_name": "moody", "on_failure": "ignore"}]}]}');
});
is( $node->safe_psql('postgres',
		q{SELECT jsonb_path_query_array(workflow.execute('calls'), '$.iterations[*].error.type')}),
	'["AG001", "AG001", "AG001"]', 'execute() calls an agent however often it fails');
is($node->safe_psql('postgres', 'SELECT agent, state, calls FROM workflow.breaker_status'), 'moody|closed|0',
	'its breaker stays closed');
is($node->safe_psql('postgres', q{SELECT workflow.reset_breaker('moody')}), '', 'and can be reset');

# once the library is preloaded, what was queued is run
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_workflow'\n");
$node->restart;
is( $node->safe_psql('postgres', "SELECT status FROM workflow.wait((SELECT max(id) FROM workflow.executions), '60 s')"),
	'completed', 'after a restart with the library what was queued is run');

$node->stop;
done_testing();
