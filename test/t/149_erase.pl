# erase() beside executors that are still on their way out of an execution, and what the server
# keeps of it elsewhere.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('erase', 'workflow.max_executors = 4', "workflow.cancel_grace = '1 h'", 'workflow.log_events = failures');
install_extension($node, 'postgres');
$node->safe_psql(
	'postgres', q{
	-- ignores that it is cancelled, until it gets the lock
	CREATE FUNCTION stubborn() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		LOOP
			BEGIN
				PERFORM pg_advisory_xact_lock(4711);
				RETURN 'ERASE_ME';
			EXCEPTION WHEN query_canceled THEN NULL;
			END;
		END LOOP;
	END $$;
	CREATE FUNCTION wait_for_stubborn() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
	END $$;
	SELECT workflow.define('{"name": "late", "steps": [{"id": "both", "type": "fork_join", "branches": {
		"late": [{"id": "stubborn", "sql": "SELECT stubborn()", "result": "value"}],
		"end": [{"id": "wait", "sql": "SELECT wait_for_stubborn()", "result": "none"}, {"id": "stop", "type": "fail", "message": "enough"}]}}]}')});

# A177: a branch that goes on
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(4711)');
my $id = $node->safe_psql('postgres', q{SELECT workflow.start('late', '{"who": "ERASE_ME"}')});
is($node->safe_psql('postgres', "SELECT status FROM workflow.wait($id, '5 minutes')"), 'failed', 'it has ended, with a branch that does not stop');
my ($code, $out, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT workflow.erase($id)");
like($error, qr/ERROR:  55006: execution $id cannot be erased yet\nDETAIL:  Process \d+ is still at work for it\./, 'an executor may still write a row');
is($node->safe_psql('postgres', "SELECT erased_at, input FROM workflow.executions WHERE id = $id"), '|{"who": "ERASE_ME"}', 'nothing is taken out');

$holder->quit;
cmp_ok($node->safe_psql('postgres', "SELECT workflow.erase($id)"), '>', 0, 'when it has gone');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM workflow.activity'), 'nobody is at work');
is($node->safe_psql('postgres', "SELECT count(*) FROM workflow.step_executions AS s WHERE s.execution_id = $id AND s::text ~ 'ERASE_ME'"), '0', 'no row came late');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM workflow.step_executions AS s WHERE s.execution_id = $id"), '>=', 4, 'rows have');

# What docs/erasure.md says of elsewhere: samples of values are there until they are taken anew.
$node->safe_psql('postgres', q{
	SELECT workflow.define('{"name": "plain", "steps": [{"id": "a", "type": "set", "output": "${workflow.input.who}"}]}');
	CREATE TABLE started AS SELECT workflow.start('plain', '{"who": "SAMPLE_ME"}', idempotency_key => 'SAMPLE_ME ' || n) AS id FROM generate_series(1, 20) AS n});
is($node->safe_psql('postgres', "SELECT count(*) FROM started, workflow.wait(id, '5 minutes') AS w WHERE w.status = 'completed'"), '20', 'executions');
my $vacuum = 'VACUUM (ANALYZE) workflow.executions, workflow.step_executions, workflow.dead_letters, workflow.audit_entries';
my $samples = q{SELECT count(*) > 0 FROM pg_stats AS s WHERE s.schemaname = 'workflow' AND s::text ~ 'SAMPLE_ME'};
$node->safe_psql('postgres', $vacuum);
is($node->safe_psql('postgres', $samples), 't', 'the planner has seen values');
is($node->safe_psql('postgres', 'SELECT count(workflow.erase(id)) FROM started'), '20', 'all are erased');
$node->safe_psql('postgres', $vacuum);
is($node->safe_psql('postgres', $samples), 'f', 'and the planner has forgotten them');
is($node->safe_psql('postgres', 'SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = $$step_executions$$'), '0', 'no dead row is left');

# The log has messages of errors, and neither inputs nor outputs.
like(slurp_file($node->logfile), qr/step "stop" failed: enough/, 'the log has the message');
unlike(slurp_file($node->logfile), qr/^[^\n]*LOG:  workflow [^\n]*(?:ERASE_ME|SAMPLE_ME)/m, 'and no input');

$node->stop;
done_testing();
