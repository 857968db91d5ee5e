# A hot standby runs no workflow and says so; after promotion executions go on where
# the primary left them, nothing twice.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_workflow'\nmax_worker_processes = 20\n");
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE effects (step text, item int)});
$primary->safe_psql('postgres', q{SELECT workflow.define('{"name": "chain", "steps": [
	{"id": "before", "type": "sql", "sql": "INSERT INTO effects VALUES (''before'', 0)"},
	{"id": "items", "type": "loop", "loop_config": {"collection": [1, 2, 3, 4, 5, 6], "execution_mode": "parallel",
		"loop_body": [{"id": "item", "type": "sql", "input_mapping": {"i": "${loop.item}"},
			"sql": "INSERT INTO effects VALUES (''item'', input.i); SELECT pg_advisory_xact_lock_shared(1) WHERE input.i::int > 3"}]}},
	{"id": "after", "type": "sql", "sql": "INSERT INTO effects VALUES (''after'', 0)"}]}')});

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

# Half of the items are done, the others wait for a lock.
my $session = $primary->background_psql('postgres');
$session->query_safe('SELECT pg_advisory_lock(1)');
my $id = $primary->safe_psql('postgres', "SELECT workflow.start('chain')");
my $later = $primary->safe_psql('postgres', "SELECT workflow.start('chain', start_at => 'infinity')");
ok($primary->poll_query_until('postgres', q{SELECT count(*) = 4 FROM effects}), 'half of it is done');
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^pg_workflow'}), 0,
	'a standby has no workers');
is($standby->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $id"), 'running', 'it shows executions');
is($standby->safe_psql('postgres', "SELECT count(*) FROM workflow.step_status WHERE execution_id = $id AND step_id = 'before'"), 1, 'and steps');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM workflow.activity, workflow.executors'), 0, 'and that nothing runs');
is($standby->safe_psql('postgres', q{SELECT string_agg(DISTINCT check_name, ', ') FROM workflow.verify() WHERE status <> 'ok' AND check_name <> 'durability of commits'}),
	'', 'and that all is well');
is($standby->safe_psql('postgres', q{SELECT status || ' ' || detail FROM workflow.verify() WHERE check_name = 'scheduler'}),
	'ok standby: workflows run on the primary server', 'which is to run them');
foreach my $call (
	q{start('chain')}, q{execute('chain')}, qq{cancel($id)}, q{define('{"name": "x", "steps": [{"id": "a", "type": "set", "output": 1}]}')},
	qq{wait($id)})
{
	my ($result, $stdout, $stderr) = $standby->psql('postgres', "SELECT workflow.$call", timeout => 30);
	like($stderr, qr/ERROR:  cannot .*(recovery|read-only)/, "refused: $call");
	like($stderr, qr/HINT:  .*primary/, 'with what helps');
}
is($standby->safe_psql('postgres', q{SELECT count(*) FROM workflow.validate('{"name": "x", "steps": [{"id": "a", "type": "set", "output": 1}]}')}),
	0, 'validate() works');
like($standby->safe_psql('postgres', q{SELECT workflow.explain('chain')}), qr/items/, 'so does explain()');

# --- promotion ---

$session->quit;
$primary->stop('immediate');
$standby->promote;
ok(wait_for_status($standby, 'postgres', $id, 'completed'), 'after promotion the execution goes on to its end');
is($standby->safe_psql('postgres', q{SELECT string_agg(step || ' ' || item, ', ' ORDER BY step, item) FROM effects}),
	'after 0, before 0, item 1, item 2, item 3, item 4, item 5, item 6', 'each step once');
is($standby->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $later"), 'pending', 'what was not due still waits');
$id = run_execution($standby, 'postgres', 'chain');
is($standby->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $id"), 'completed', 'new ones run');

unlike(slurp_file($standby->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$standby->stop;
done_testing();
