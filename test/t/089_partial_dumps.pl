# Parts of a dump: rows alone, the tables of the engine alone, definitions alone, and a dump and a
# restore by roles that are no superusers.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('partial_dumps', 'workflow.max_executors = 4');
my $folder = PostgreSQL::Test::Utils::tempdir();
my @connection = ('-h', $node->host, '-p', $node->port);

$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN;
	CREATE ROLE reader LOGIN IN ROLE pg_read_all_data;
	CREATE ROLE backup LOGIN BYPASSRLS IN ROLE pg_read_all_data;
	CREATE ROLE restorer LOGIN BYPASSRLS IN ROLE pg_write_all_data;
	CREATE DATABASE source});
install_extension($node, 'source');
$node->safe_psql('source', q{
	SELECT workflow.grant_usage('alice');
	CREATE SCHEMA app AUTHORIZATION alice;
	SET ROLE alice;
	CREATE TABLE app.effects (step text);
	CREATE FUNCTION app.agent(jsonb) RETURNS jsonb LANGUAGE sql RETURN '"from the agent"'::jsonb;
	SELECT workflow.register_agent('agent', function => 'app.agent(jsonb)');
	SELECT workflow.define('{"name": "w", "steps": [
		{"id": "a", "sql": "INSERT INTO app.effects VALUES (''a'')"},
		{"id": "b", "agent_name": "agent"},
		{"id": "lock", "sql": "SELECT pg_advisory_xact_lock_shared(1)"},
		{"id": "c", "sql": "INSERT INTO app.effects VALUES (''c'')"}]}');
	SELECT workflow.define('{"name": "fails", "dead_letter": true, "steps": [{"id": "a", "sql": "SELECT 1 / 0"}]}');
	SELECT workflow.grant_execute('w', 'postgres');
	RESET ROLE;
	SELECT workflow.set_role_limits('alice', max_running => 5);
	SELECT workflow.block('short', 'for the test')});

# History, a dead letter, one that runs and one that is to come.
my $done = run_execution($node, 'source', 'w', 'alice');
run_execution($node, 'source', 'fails', 'alice');
my $session = $node->background_psql('source');
$session->query_safe('SELECT pg_advisory_lock(1)');
my $running = $node->safe_psql('source', q{SET ROLE alice; SELECT workflow.start('w')});
$node->safe_psql('source', q{SET ROLE alice; SELECT workflow.start('w', start_at => 'infinity', idempotency_key => 'later')});
$node->poll_query_until('source', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
  or die 'the step does not run';

# All rows of all tables of the engine that a dump has, and what their numbers go on from.
sub contents
{
	my ($database) = @_;
	my @tables = split /\n/, $node->safe_psql('source', q{SELECT t::regclass FROM pg_extension, unnest(extconfig) AS t
		WHERE extname = 'pg_workflow' ORDER BY t::regclass::text});

	cmp_ok(scalar @tables, '>', 20, 'tables and sequences') if $database eq 'source';
	return $node->safe_psql($database, join "\n", map {
		/_seq$/ ? "SELECT '$_', last_value FROM $_;" : "SELECT '$_', t::text FROM $_ AS t ORDER BY t::text;"
	} @tables);
}

# A new database in which nothing moves; with the extension when that is not part of the dump.
sub target
{
	my ($name, $extension) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql('postgres', "ALTER DATABASE $name SET workflow.enabled = off");
	$node->safe_psql($name, 'CREATE EXTENSION pg_workflow') if $extension;
	return;
}

# Dump the source into a file, by a role; its name.
sub dump_source
{
	my ($name, $role, @options) = @_;

	command_ok([ 'pg_dump', @connection, '-U', $role, '-f', "$folder/$name", @options, 'source' ], "pg_dump @options");
	return "$folder/$name";
}

sub load
{
	my ($database, $file) = @_;

	command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', @connection, '-d', $database, '-f', $file ], 'it loads');
	return;
}

my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my $before = contents('source');

# --- rows alone ---

target('rows');
load('rows', dump_source('schema', $superuser, '--schema-only'));
is($node->safe_psql('rows', 'SELECT count(*) FROM workflow.executions'), 0, 'objects alone');
load('rows', dump_source('data', $superuser, '--data-only'));
is(contents('rows'), $before, 'the same rows');

target('sections');
load('sections', dump_source($_, $superuser, "--section=$_")) foreach 'pre-data', 'data', 'post-data';
is(contents('sections'), $before, 'in sections: the same rows');

# --- the tables of the engine, and nothing of the application ---

# Members of an extension are not a schema's to dump.
unlike(slurp_file(dump_source('nothing', $superuser, '--schema=workflow')), qr/^COPY/m, 'the schema alone is nothing');
target('engine', 1);
load('engine', dump_source('tables', $superuser, '--table=workflow.*'));
is(contents('engine'), $before, 'the tables: the same rows');

# --- the application, and nothing of the engine ---

my $app = dump_source('app', $superuser, '--schema=app');
unlike(slurp_file($app), qr/workflow\./, 'the schema of the application has nothing of the engine');
target('application', 1);
$node->safe_psql('postgres', 'ALTER DATABASE application RESET workflow.enabled');
load('application', $app);
load('application', dump_source('definitions', $superuser, '--table=workflow.definitions*', '--table=workflow.agents'));
$node->safe_psql('application', q{SELECT workflow.grant_usage('alice')});
my $new = run_execution($node, 'application', 'w', 'alice');
is($node->safe_psql('application', "SELECT status FROM workflow.executions WHERE id = $new"), 'completed', 'definitions and agents alone run');
is($node->safe_psql('application', q{SET ROLE alice;
	SELECT workflow.define('{"name": "w", "steps": [{"id": "a", "sql": "SELECT 2"}]}')}), 2, 'and go on with the next version');

# --- roles that are no superusers ---

command_fails_like([ 'pg_dump', @connection, '-U', 'reader', '-f', "$folder/part", 'source' ], qr/affected by row-level security/,
	'who may not see all rows gets no dump of some');
my $dump = dump_source('custom', 'backup', '-F', 'custom');
my @restore = ('pg_restore', @connection, '-U', 'restorer', '--no-owner', '--no-privileges', '--no-comments', '-e', '-d');

target('theirs');
$node->safe_psql('postgres', 'ALTER DATABASE theirs OWNER TO restorer');
command_fails_like([ @restore, 'theirs', $dump ], qr/permission denied to create extension "pg_workflow"/, 'the extension is made by a superuser');
$node->safe_psql('theirs', 'DROP SCHEMA IF EXISTS app CASCADE; CREATE EXTENSION pg_workflow');
command_ok([ @restore, 'theirs', $dump ], 'and then a role may restore which may write everything');
is(contents('theirs'), $before, 'the same rows');

# --- what was under way goes on from there ---

$session->quit;
ok(wait_for_status($node, 'source', $running, 'completed'), 'it completes in the source');
$node->safe_psql('rows', 'ALTER DATABASE rows RESET workflow.enabled');
ok(wait_for_status($node, 'rows', $running, 'completed'), 'and in the copy');
is($node->safe_psql('rows', q{SELECT string_agg(step, ' ' ORDER BY step) FROM app.effects}), 'a a c c', 'from where it was');

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
