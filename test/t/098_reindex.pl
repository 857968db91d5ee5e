# Who rebuilds our tables and indexes while executions run does not lose a deadlock against the
# engine: what an executor or a session has only read it keeps no lock on, so it never waits for
# somebody who waits for it.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = crash_cluster('reindex');
gated_effects($node, 'w');
define_workflow($node, 'w', 'gated', 'first', { step('first', 0, next_step => 'last'), step('last', 0) });

my @rebuild = ('REINDEX TABLE workflow.executions', 'REINDEX TABLE workflow.step_executions',
	'REINDEX INDEX workflow.executions_pkey', 'VACUUM FULL workflow.step_executions', 'VACUUM FULL workflow.executions',
	'CLUSTER workflow.executions USING executions_pkey', 'CREATE INDEX rebuilt ON workflow.executions (version)',
	'DROP INDEX workflow.rebuilt', 'REINDEX SCHEMA workflow');

sub rebuild
{
	my ($when) = @_;

	foreach my $command (@rebuild)
	{
		my ($result, $out, $error) = $node->psql('w', "SET statement_timeout = '30 s'; $command");

		is($error, '', "$when: $command");
	}
	return;
}

# --- while a step runs, its execution has been read ---

close_gate($node, 'first -', 'last -');
my $id = $node->safe_psql('w', q{SELECT workflow.start('gated')});
my ($executor) = wait_at_gate($node, 1);
my $waiter = $node->background_psql('w');
$waiter->query_until(qr/waiting/, "\\echo waiting\nSELECT status FROM workflow.wait($id);\n");
wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT status FROM workflow.wait%' AND wait_event_type = 'Extension'},
	'a session waits for it');
rebuild('a step runs, a session waits');

# --- while one runs that had been interrupted: rows of its steps have been read, too ---

open_gate();
wait_until($node, "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'", 'the gate is open');
$waiter->quit;
is($node->safe_psql('w', "SELECT status FROM workflow.executions WHERE id = $id"), 'completed', 'it completes');
close_gate($node, 'last -');
$id = $node->safe_psql('w', q{SELECT workflow.start('gated')});
($executor) = wait_at_gate($node, 1);
kill 'TERM', $executor;
wait_at_gate($node, 1, $executor);
rebuild('its executor was terminated');
open_gate();
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $id", 'it completes');

# --- in the midst of executions that begin and end ---

$node->safe_psql(
	'w', q{
	SELECT workflow.define('{"name": "items", "steps": [
		{"id": "each", "type": "loop", "collection": [1, 2, 3, 4, 5, 6], "execution_mode": "parallel", "loop_body": [
			{"id": "hit", "sql": "SELECT 1 / ($1::int - 3)", "params": ["${loop.item}"], "on_failure": "ignore"}]}]}');
	SELECT workflow.define('{"name": "fails", "dead_letter": true, "steps": [
		{"id": "a", "sql": "SELECT 1", "compensate": {"sql": "SELECT 2"}}, {"id": "b", "sql": "SELECT 1 / 0"}]}');
	SELECT workflow.define('{"name": "batch", "commit": {"max_steps": 10}, "steps": [
		{"id": "each", "type": "loop", "collection": [1, 2, 3, 4, 5, 6], "loop_body": [{"id": "hit", "sql": "SELECT pg_sleep(0.001)"}]}]}');
});
foreach my $command ('REINDEX SCHEMA workflow', 'REINDEX SCHEMA workflow', 'VACUUM FULL workflow.executions', 'REINDEX SCHEMA CONCURRENTLY workflow')
{
	$node->safe_psql('w', q{SELECT count(workflow.start(w)) FROM unnest('{items,fails,batch}'::text[]) AS w, generate_series(1, 60)});
	my ($result, $out, $error) = $node->psql('w', $command);

	is($error, '', "many run: $command");
}
wait_until($node, q{SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running')}, 'all end');
is($node->safe_psql('w', q{SELECT workflow, status, count(*) FROM workflow.executions WHERE workflow <> 'gated' GROUP BY 1, 2 ORDER BY 1}),
	"batch|completed|240\nfails|failed|240\nitems|completed|240", 'as they should');

# --- an index that is made and dropped at once, while the scheduler looks at what is due ---

$node->safe_psql('w', q{
	ALTER SYSTEM SET workflow.short_wait = 0;
	SELECT pg_reload_conf();
	SELECT workflow.define('{"name": "again", "steps": [{"id": "a", "sql": "SELECT 1 / 0", "retry": {"errors": ["all"], "type": "fixed_delay", "jitter": false, "max_retries": 1, "initial_delay_ms": 3000, "max_delay_ms": 3000}}]}');
});
$id = $node->safe_psql('w', q{SELECT workflow.start('again')});
wait_until($node, "SELECT status = 'waiting' FROM workflow.executions WHERE id = $id", 'it waits for its next attempt');
my ($result, $out, $error) = $node->psql('w', q{
	SET statement_timeout = '100 s';
	DO $$
	BEGIN
		CREATE INDEX made ON workflow.executions (version);
		-- the scheduler asks for the lock for writing
		LOOP
			EXIT WHEN EXISTS (SELECT FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
				WHERE NOT l.granted AND l.relation = 'workflow.executions'::regclass AND a.backend_type = 'pg_workflow scheduler');
			PERFORM pg_sleep(0.001);
		END LOOP;
		DROP INDEX workflow.made;
	END $$});
is($error, '', 'an index is made and dropped beside waits that are due');
wait_until($node, "SELECT status = 'failed' FROM workflow.executions WHERE id = $id", 'they go on');
$node->safe_psql('w', 'ALTER SYSTEM RESET workflow.short_wait; SELECT pg_reload_conf()');

unlike(slurp_file($node->logfile), qr/deadlock detected/, 'nobody has lost a deadlock');

check_finished($node, 'w', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop;

done_testing();
