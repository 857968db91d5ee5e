# Commands that need a database, or the extension, for themselves must not hang or
# fail because our workers are there; and whoever may not run them must not stop
# anybody's workers.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('databases', 'max_prepared_transactions = 2',
	'allow_in_place_tablespaces = on');
my $log = $node->logfile;

$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
$node->safe_psql('postgres', 'CREATE DATABASE a');
install_extension($node, 'a');
start_endless($node, 'a');

# --- databases ---

$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE a');
pass('CREATE DATABASE from a template with workers');
wait_for_endless($node, 'a');
wait_for_endless($node, 'copy');
ok(wait_for_schedulers($node, 'a,copy'), 'template and copy both run');

$node->safe_psql('postgres', 'ALTER DATABASE copy RENAME TO renamed');
wait_for_endless($node, 'renamed');
ok(wait_for_schedulers($node, 'a,renamed'), 'ALTER DATABASE RENAME');

# In a transaction block nobody comes back before it ends.
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN');
$session->query_safe('ALTER DATABASE renamed RENAME TO other');
is($node->safe_psql('postgres', schedulers()), 'a', 'no scheduler while a RENAME is not committed');
$session->query_safe('ROLLBACK');
wait_for_endless($node, 'renamed');
$session->quit;

$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION ''");
$node->safe_psql('postgres', 'ALTER DATABASE renamed SET TABLESPACE elsewhere');
wait_for_endless($node, 'renamed');
ok(wait_for_schedulers($node, 'a,renamed'), 'ALTER DATABASE SET TABLESPACE');

# Tables of the extension go to another tablespace while executions run, and it is made in one.
$node->safe_psql('postgres', 'CREATE DATABASE spaces');
$node->safe_psql('spaces', q{SET default_tablespace = elsewhere; CREATE EXTENSION pg_workflow});
is($node->safe_psql('spaces', q{SELECT count(*) FROM pg_class AS c JOIN pg_tablespace AS t ON t.oid = c.reltablespace
	WHERE t.spcname = 'elsewhere' AND c.oid IN ('workflow.executions'::regclass, 'workflow.executions_pkey'::regclass)}), 2,
	'CREATE EXTENSION with default_tablespace');
$node->safe_psql('spaces', q{
	CREATE TABLE effects (execution_id bigint, i int);
	SELECT workflow.define('{"name": "chain", "steps": [
		{"id": "first", "sql": "INSERT INTO effects VALUES ($1::bigint, 0)", "params": ["${workflow.execution_id}"]},
		{"id": "rest", "type": "loop", "loop_config": {"collection": [1, 2, 3, 4, 5, 6, 7, 8, 9], "loop_body": ["one"]}},
		{"id": "one", "sql": "INSERT INTO effects VALUES ($1::bigint, $2::int)", "params": ["${workflow.execution_id}", "${loop.item}"]}]}')});
my $started = 0;
foreach my $round (1 .. 3)
{
	foreach my $tablespace ('pg_default', 'elsewhere')
	{
		$node->safe_psql('spaces', q{SELECT workflow.start('chain') FROM generate_series(1, 20)});
		$started += 20;
		$node->poll_query_until('spaces', q{SELECT count(*) > 0 FROM workflow.executions WHERE status = 'running'
			OR id > (SELECT max(id) - 20 FROM workflow.executions) AND status = 'completed'}) or die 'nothing runs';
		$node->safe_psql('spaces', "ALTER TABLE workflow.$_ SET TABLESPACE $tablespace", timeout => 60)
		  foreach 'executions', 'step_executions';
		$node->safe_psql('spaces', "ALTER INDEX workflow.$_ SET TABLESPACE $tablespace", timeout => 60)
		  foreach 'executions_pkey', 'executions_waiting_idx';
	}
}
ok($node->poll_query_until('spaces', qq{SELECT count(*) = $started FROM workflow.executions WHERE status = 'completed'}),
	'ALTER TABLE SET TABLESPACE while executions run: they come to their ends');
is($node->safe_psql('spaces', q{SELECT count(*), count(DISTINCT (execution_id, i)) FROM effects}), join('|', (10 * $started) x 2),
	'each step has run once');
is($node->safe_psql('spaces', q{SELECT count(*) FROM workflow.verify(full => true) WHERE area = 'data' AND status <> 'ok'}), 0, 'and nothing is lost');
$node->safe_psql('postgres', 'DROP DATABASE spaces');

# --- rights ---

my $workers = q{SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity
	WHERE backend_type IN ('pg_workflow scheduler', 'pg_workflow executor')};
my $before = $node->safe_psql('postgres', $workers);
foreach my $case (
	[ 'postgres', 'DROP DATABASE renamed' ],
	[ 'postgres', 'DROP DATABASE renamed WITH (FORCE)' ],
	[ 'postgres', 'CREATE DATABASE copy TEMPLATE renamed' ],
	[ 'postgres', 'ALTER DATABASE renamed RENAME TO other' ],
	[ 'postgres', 'ALTER DATABASE renamed SET TABLESPACE pg_default' ],
	[ 'renamed', 'DROP EXTENSION pg_workflow' ],
	[ 'renamed', 'ALTER EXTENSION pg_workflow UPDATE' ],
	[ 'renamed', 'DROP SCHEMA workflow CASCADE' ],
	[ 'renamed', 'DROP OWNED BY CURRENT_USER, postgres' ])
{
	my ($database, $command) = @$case;
	my $user = $node->safe_psql('postgres', 'SELECT current_user');
	$command =~ s/postgres$/"$user"/;

	isnt($node->psql($database, "SET ROLE nobody; $command"), 0, "refused: $command");
}
isnt($node->psql('postgres', 'BEGIN; DROP DATABASE renamed'), 0, 'refused: DROP DATABASE in a transaction block');
isnt($node->psql('postgres', 'DROP DATABASE missing'), 0, 'refused: DROP DATABASE of none');
is($node->safe_psql('postgres', $workers), $before, 'refused commands stop nobody');

# --- who holds a database is stopped in the middle ---

foreach my $end ('pg_cancel_backend', 'pg_terminate_backend')
{
	my $executor = worker_pid($node, 'executor', 'renamed');
	my $offset = -s $log;

	# An executor that cannot react keeps the command waiting.
	kill 'STOP', $executor;
	my $dropper = $node->background_psql('postgres', on_error_stop => 0);
	$dropper->query_until(qr/go/, "\\echo go\nDROP DATABASE renamed;\n");
	$node->poll_query_until(
		'postgres', q{
		SELECT count(*) = 1 FROM pg_stat_activity
		WHERE query ~ '^DROP DATABASE renamed' AND backend_type = 'client backend'
			AND wait_event_type = 'Extension'})
	  or die 'timed out';
	$node->safe_psql('postgres', qq{
		SELECT $end(pid) FROM pg_stat_activity
		WHERE query ~ '^DROP DATABASE renamed' AND backend_type = 'client backend'});
	$node->poll_query_until(
		'postgres', q{
		SELECT count(*) = 0 FROM pg_stat_activity
		WHERE query ~ '^DROP DATABASE renamed' AND backend_type = 'client backend'
			AND state = 'active'})
	  or die 'timed out';
	kill 'CONT', $executor;
	wait_for_endless($node, 'renamed', $executor);
	pass("the database is served again after $end() of who held it");
	eval { $dropper->quit };
}

# --- the extension ---

$node->safe_psql('renamed', 'BEGIN; DROP EXTENSION pg_workflow; ROLLBACK');
wait_for_endless($node, 'renamed');
pass('DROP EXTENSION rolled back');

$node->safe_psql('renamed', q{
	DO $$
	BEGIN
		EXECUTE 'DROP EXTENSION pg_workflow';
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN NULL;
	END $$});
wait_for_endless($node, 'renamed');
pass('DROP EXTENSION rolled back in a subtransaction of a DO block');

$node->safe_psql('renamed', 'ALTER EXTENSION pg_workflow UPDATE');
wait_for_endless($node, 'renamed');
pass('ALTER EXTENSION UPDATE');

$node->safe_psql('renamed', 'DROP EXTENSION pg_workflow');
ok(wait_for_schedulers($node, 'a'), 'DROP EXTENSION');
$node->safe_psql('renamed', 'DROP SCHEMA IF EXISTS workflow');
install_extension($node, 'renamed');
ok(wait_for_schedulers($node, 'a,renamed'), 'CREATE EXTENSION again');
start_endless($node, 'renamed');

# From within a step it would wait for its own end.
$node->safe_psql('renamed', q{
	SELECT workflow.define('{"name": "suicide", "start_step": "drop", "steps":
		{"drop": {"type": "sql", "sql": "DROP EXTENSION pg_workflow"}}}')});
my $id = $node->safe_psql('renamed', "SELECT workflow.start('suicide')");
ok(wait_for_status($node, 'renamed', $id, 'failed'), 'DROP EXTENSION in a step fails');

# --- prepared transactions ---

$node->safe_psql('renamed', "BEGIN; DROP EXTENSION pg_workflow; PREPARE TRANSACTION 'drop'");
$node->safe_psql('renamed', "ROLLBACK PREPARED 'drop'");
wait_for_endless($node, 'renamed');
pass('DROP EXTENSION in a prepared transaction that is rolled back');

$id = $node->safe_psql('renamed', q{
	BEGIN;
	SELECT workflow.start('short');
	PREPARE TRANSACTION 'start'});
is($node->safe_psql('renamed', "SELECT count(*) FROM workflow.executions WHERE id = $id"), 0,
	'nothing is started by PREPARE TRANSACTION');
$node->safe_psql('renamed', "COMMIT PREPARED 'start'");
ok(wait_for_status($node, 'renamed', $id, 'completed'), 'COMMIT PREPARED starts it');

# --- DROP SCHEMA and DROP OWNED take the extension along, DROP DATABASE everything ---

$node->psql('renamed', 'DROP SCHEMA workflow CASCADE');
if ($node->safe_psql('renamed', "SELECT count(*) FROM pg_extension WHERE extname = 'pg_workflow'"))
{
	wait_for_endless($node, 'renamed');
	pass('DROP SCHEMA CASCADE was refused, the workers are back');
}
else
{
	ok(wait_for_schedulers($node, 'a'), 'DROP SCHEMA CASCADE');
	install_extension($node, 'renamed');
	start_endless($node, 'renamed');
}

# The extension of another superuser, in a database of its own.
$node->safe_psql('postgres', 'CREATE ROLE other SUPERUSER LOGIN');
$node->safe_psql('postgres', 'CREATE DATABASE owned');
$node->safe_psql('owned', 'SET ROLE other; CREATE EXTENSION pg_workflow');
ok(wait_for_schedulers($node, 'a,owned,renamed'), 'an extension of another superuser');
$node->safe_psql('owned', 'DROP OWNED BY other CASCADE');
ok(wait_for_schedulers($node, 'a,renamed'), 'DROP OWNED');
$node->safe_psql('postgres', 'DROP DATABASE owned');

$node->safe_psql('postgres', 'DROP DATABASE renamed');
ok(wait_for_schedulers($node, 'a'), 'DROP DATABASE with a step under way');
$node->safe_psql('postgres', 'DROP DATABASE a WITH (FORCE)');
ok(wait_for_schedulers($node, ''), 'DROP DATABASE WITH (FORCE)');
unlike(slurp_file($log), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');

$node->stop;
done_testing();
