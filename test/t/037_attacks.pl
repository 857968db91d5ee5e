# Attacks that take more than a session: by who owns the database, by who was there before the
# extension, by way of a dump.  docs/security.md has the list.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('attacks', 'workflow.max_executors = 4');

# SQL as a role; what it returns, or the error.
sub as_role
{
	my ($role, $database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql, extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ], on_error_stop => 1);

	return $status == 0 ? $out : $err;
}

$node->safe_psql('postgres', q{
	CREATE ROLE owner LOGIN;
	CREATE ROLE mallory LOGIN;
	CREATE ROLE victim LOGIN;
	CREATE ROLE app LOGIN;
	CREATE DATABASE early OWNER mallory;
	CREATE DATABASE d OWNER owner;
	CREATE DATABASE copy OWNER owner});

# --- before the extension ---

# A102: a schema and tables of our names, with something to run: nobody runs it
is(as_role('mallory', 'early', q{
	CREATE SCHEMA workflow;
	CREATE TABLE workflow.definitions (id int, name text, version int, status text, owner oid, definition jsonb);
	CREATE TABLE workflow.agents (name text);
	CREATE TABLE workflow.executions (id bigint, definition_id int, workflow text, version int, status text, role oid, input jsonb);
	INSERT INTO workflow.executions VALUES (1, 1, 'w', 1, 'pending', 10, '{}')}), '', 'somebody else makes schema workflow');
# A103: its owner gets nothing of the library by declaring its functions
like(as_role('mallory', 'early', $_), qr/42501.*permission denied for language c/, 'no function of the library without the extension')
  foreach q{CREATE FUNCTION f() RETURNS void LANGUAGE c AS '$libdir/pg_workflow', 'workflow_undrain'};
# A111: nobody but a superuser creates the extension
like(as_role('mallory', 'early', 'CREATE EXTENSION pg_workflow'), qr/42501.*permission denied to create extension/, 'nor the extension');
# nor does a superuser take the schema over
like(as_role('postgres', 'early', 'CREATE EXTENSION pg_workflow'), qr/42P06/, 'which takes no schema over');
is($node->safe_psql('early', q{SELECT status FROM workflow.executions}), 'pending', 'nothing of it has run');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'early' AND backend_type ~ 'pg_workflow'}), 0,
	'nobody of ours is in that database');
$node->safe_psql('postgres', 'DROP DATABASE early');

# A104: traps in the path of who creates the extension, A105: and in its temporary schema
my $start = -s $node->logfile;
my $trap = q{LANGUAGE plpgsql AS $$BEGIN RAISE LOG 'TRAP as %', current_user; RETURN NULL; END$$};
as_role('owner', 'd', qq{
	CREATE SCHEMA evil;
	CREATE FUNCTION evil.pg_has_role(oid, text) RETURNS boolean $trap;
	CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz $trap;
	CREATE FUNCTION evil.num_nonnulls(text, text, text) RETURNS int $trap;
	CREATE FUNCTION evil.jsonb_typeof(jsonb) RETURNS text $trap;
	CREATE FUNCTION evil.same(text, text) RETURNS boolean $trap;
	CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
	CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.same(VALUE::pg_catalog.text, ''));
	GRANT USAGE ON SCHEMA evil TO PUBLIC});
# A106: rights by default, A109: also on the schema
is(as_role('postgres', 'd', q{
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO app;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO app WITH GRANT OPTION;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON ROUTINES TO app;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO app, PUBLIC;
	SET search_path = evil, pg_catalog;
	CREATE TEMP TABLE executions (a int);
	CREATE TEMP TABLE pg_class (a int);
	CREATE EXTENSION pg_workflow}), '', 'an extension among traps');
unlike(slurp_file($node->logfile, $start), qr/LOG:  TRAP as/, 'none of which is sprung');
is($node->safe_psql('d', q{SELECT p.oid::regprocedure FROM pg_proc AS p WHERE pronamespace = 'workflow'::regnamespace AND prosrc ~ 'evil'
	UNION ALL SELECT c.oid::regclass::text::regprocedure FROM pg_class AS c WHERE relnamespace = 'workflow'::regnamespace AND relkind = 'v' AND pg_get_viewdef(oid) ~ 'evil'}),
	'', 'nor part of anything');
is($node->safe_psql('d', q{
	SELECT 'schema' FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'workflow' AND grantee IN (0, 'app'::regrole)
	UNION ALL SELECT relname FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'workflow'::regnamespace AND grantee IN (0, 'app'::regrole)
	UNION ALL SELECT proname FROM pg_proc, aclexplode(proacl) WHERE pronamespace = 'workflow'::regnamespace AND grantee = 'app'::regrole}),
	'', 'default privileges give nothing of it');

# --- who owns the database ---

# A112: the owner of the database has not got the extension
like(as_role('owner', 'd', $_), qr/ERROR:  (?:42501|2BP01)/, $_) foreach
	'DROP EXTENSION pg_workflow CASCADE', 'DROP SCHEMA workflow CASCADE', 'ALTER EXTENSION pg_workflow UPDATE', 'ALTER SCHEMA workflow OWNER TO owner',
	'ALTER SCHEMA workflow RENAME TO other', 'CREATE TABLE workflow.t ()', 'GRANT ALL ON SCHEMA workflow TO owner', 'SELECT * FROM workflow.executions',
	'REASSIGN OWNED BY postgres TO owner', 'DROP OWNED BY postgres', 'CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION evil.same()',
	'ALTER DATABASE d SET workflow.enabled = off', 'ALTER DATABASE d SET session_replication_role = replica', q{ALTER DATABASE d SET session_preload_libraries = 'x'};

$node->safe_psql('d', q{
	SELECT workflow.grant_usage(r) FROM unnest('{owner,mallory,victim}'::regrole[]) AS r;
	CREATE TABLE seen (what text, who name DEFAULT current_user, session name DEFAULT session_user);
	GRANT ALL ON seen TO PUBLIC;
	SELECT workflow.define('{"name": "who", "steps": [{"id": "a", "sql": "INSERT INTO public.seen VALUES (''step'')"}]}')});

# A49: settings of the database: its role, its session, its path, its limits
as_role('owner', 'd', "ALTER DATABASE d SET $_") foreach q{role = 'owner'}, q{session_authorization = 'owner'}, q{search_path = evil, pg_catalog},
	q{lock_timeout = '1ms'}, q{default_transaction_read_only = on}, q{default_transaction_isolation = 'serializable'}, q{workflow.trusted_owners = '*'};
$start = -s $node->logfile;
# a new scheduler has them, too
my $scheduler = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE datname = 'd' AND backend_type = 'pg_workflow scheduler'});
$node->safe_psql('postgres', "SELECT pg_terminate_backend($scheduler)");
$node->poll_query_until('postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'd' AND backend_type = 'pg_workflow scheduler'
	AND pid <> $scheduler}) or die 'no scheduler';
my $prepare = 'SET default_transaction_read_only = off; SET lock_timeout = 0; SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;';
is(as_role('victim', 'd', q{SHOW search_path}), 'evil, pg_catalog', 'settings of the database hold');
my $id = as_role('victim', 'd', qq{$prepare SELECT workflow.start('who')});
is(as_role('victim', 'd', qq{$prepare SELECT status FROM workflow.wait($id, '300 s')}), 'failed', 'a step of a role that is to read only');
is(as_role('victim', 'd', qq{$prepare SELECT error_type FROM workflow.execution_status WHERE execution_id = $id}), '25006', 'is read only, and recorded');
is(as_role('owner', 'd', "$prepare ALTER DATABASE d SET default_transaction_read_only = off"), '', 'it is to read only no more');
$id = as_role('victim', 'd', qq{$prepare SELECT workflow.start('who')});
is(as_role('victim', 'd', qq{$prepare SELECT status FROM workflow.wait($id, '300 s')}), 'completed', 'and one that may write');
unlike(slurp_file($node->logfile, $start), qr/LOG:  TRAP as (?!victim)/, 'nothing of the owner\'s of the database runs as the extension\'s');
$node->safe_psql('postgres', 'ALTER DATABASE d RESET ALL');
is($node->safe_psql('d', 'SELECT * FROM seen'), 'step|victim|victim', 'who starts is who it runs as');

# A50: a role that sets itself another one for its sessions
is(as_role('mallory', 'd', q{ALTER ROLE mallory SET search_path = evil, pg_catalog}), '', 'what it may set');
like(as_role('mallory', 'd', q{ALTER ROLE mallory SET session_replication_role = replica}), qr/42501/, 'and what not');
as_role('mallory', 'd', $_) foreach q{ALTER ROLE mallory SET role = 'postgres'}, q{ALTER ROLE mallory SET session_authorization = 'postgres'};
$node->safe_psql('d', 'TRUNCATE seen');
$id = as_role('mallory', 'd', q{SELECT workflow.start('who')});
is(as_role('mallory', 'd', qq{SELECT status FROM workflow.wait($id, '300 s')}), 'completed', 'its executor connects');
is($node->safe_psql('d', 'SELECT * FROM seen'), 'step|mallory|mallory', 'as no other');
$node->safe_psql('d', 'ALTER ROLE mallory RESET ALL');

# --- what others see ---

# A142: the SQL of others' steps in the views of the server
define_sql($node, 'd', 'secret', q{SELECT pg_advisory_xact_lock(1), 'SECRET'});
my $session = $node->background_psql('d');
$session->query_safe('SELECT pg_advisory_lock(1)');
$id = as_role('victim', 'd', q{SELECT workflow.start('secret')});
$node->poll_query_until('d', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'the step does not run';
is(as_role('mallory', 'd', q{SELECT count(*) FROM pg_stat_activity AS a WHERE a::text ~ 'SECRET' AND pid <> pg_backend_pid()}), 0, 'others do not see it');
is(as_role('victim', 'd', q{SELECT count(*) FROM pg_stat_activity AS a WHERE a::text ~ 'SECRET' AND pid <> pg_backend_pid()}), 1, 'who has started it does');
# A145: nor may they end, or cancel, the process
like(as_role('mallory', 'd', qq{SELECT $_(executor_pid) FROM (SELECT pid AS executor_pid FROM pg_stat_activity WHERE usename = 'victim' AND pid <> pg_backend_pid()) AS x}),
	qr/42501/, $_) foreach 'pg_cancel_backend', 'pg_terminate_backend', 'workflow.recycle_executor', 'workflow.drain_executor';
$session->query_safe('SELECT pg_advisory_unlock(1)');
is(as_role('victim', 'd', qq{SELECT status FROM workflow.wait($id, '300 s')}), 'completed', 'it goes on');
$session->quit;

# --- a dump ---

# A150: what others have written is rows, and nothing of it runs as who restores it, A151: whatever it looks like
$node->safe_psql('d', 'TRUNCATE seen; SELECT workflow.drain()');
ok($node->poll_query_until('d', 'SELECT workflow.drained()'), 'nothing is begun any more');
unlike(as_role('mallory', 'd', q{
	SELECT workflow.define(jsonb_build_object('name', E'm\n\\\\.\n\\\\! touch /tmp/mallory\nINSERT INTO public.seen VALUES (''from the dump'');', 'description', E'\\\\.\n\\\\q',
		'steps', '[{"id": "a", "sql": "INSERT INTO public.seen VALUES (''dumped'')"}]'::jsonb));
	SELECT workflow.register_agent(E'a\n\\\\.\nSELECT 1;', sql => 'INSERT INTO public.seen VALUES (''agent'')');
	SELECT workflow.schedule('mine', E'm\n\\\\.\n\\\\! touch /tmp/mallory\nINSERT INTO public.seen VALUES (''from the dump'');', '@daily', enabled => false);
	SELECT workflow.start('who', tenant => E'\\\\.')}), qr/ERROR/, 'somebody with odd names');
$id = $node->safe_psql('d', q{SELECT max(id) FROM workflow.executions WHERE role = 'mallory'::regrole});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'd' ], 'a superuser dumps');
# A152: a role that may not see all cannot dump what it does not see
command_fails_like([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-U', 'mallory', '-f', "$dump.mallory", 'd' ],
	qr/permission denied|row-level security|failed to get data for sequence/, 'nobody dumps others\' executions');
$node->safe_psql('postgres', 'ALTER DATABASE copy SET workflow.enabled = off');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-d', 'copy', '-f', $dump ], 'a superuser restores');
is($node->safe_psql('copy', 'SELECT count(*) FROM seen'), 0, 'nothing has run by that');
is($node->safe_psql('copy', q{SELECT count(*) FROM workflow.definitions WHERE owner = 'mallory'::regrole AND name ~ 'from the dump'}), 1, 'it is there');
$node->safe_psql('copy', 'ALTER DATABASE copy RESET workflow.enabled; SELECT workflow.undrain()');
$node->poll_query_until('copy', "SELECT status = 'completed' FROM workflow.executions WHERE id = $id") or die 'what was to come does not';
is($node->safe_psql('copy', 'SELECT * FROM seen'), 'step|mallory|mallory', 'and runs as who has started it');
ok(!-e '/tmp/mallory', 'no command of the dump');

# --- what watches over sessions ---

# A189: a step is no way around a library that the administrator has every session load
$node->safe_psql('d', 'SELECT workflow.undrain()');
$node->append_conf('postgresql.conf', "session_preload_libraries = 'passwordcheck'");
$node->restart;
like(as_role('mallory', 'd', q{ALTER ROLE mallory PASSWORD 'abc'}), qr/password is too short/, 'a session is refused');
$id = as_role('mallory', 'd', q{
	SELECT workflow.define('{"name": "short password", "steps": [{"id": "a", "sql": "ALTER ROLE mallory PASSWORD ''abc''"}]}') \gset
	SELECT workflow.start('short password')});
is($node->safe_psql('d', "SELECT status, error ->> 'message' FROM workflow.wait($id, '300 s')"), 'failed|password is too short', 'and a step');
# a role whose library is missing cannot connect, nor has it anything run; others are none the worse
$node->append_conf('postgresql.conf', "session_preload_libraries = ''");
$node->safe_psql('d', q{ALTER ROLE victim SET session_preload_libraries = 'not there'});
$node->restart;
like(as_role('victim', 'd', 'SELECT 1'), qr/could not access file "not there"/, 'nobody connects without a library');
$id = $node->safe_psql('d', q{SET ROLE victim; SELECT workflow.start('who')});
ok($node->poll_query_until('d', "SELECT reason = 'done again' AND detail ~ 'executors of role .victim. end before they begin to work' FROM workflow.why($id) LIMIT 1"), 'nor an executor, and one is told');
my $other = as_role('mallory', 'd', q{SELECT workflow.start('who')});
is($node->safe_psql('d', "SELECT status FROM workflow.wait($other, '300 s')"), 'completed', 'others go on');
$node->safe_psql('d', 'ALTER ROLE victim RESET session_preload_libraries');
is($node->safe_psql('d', "SELECT status, recoveries FROM workflow.wait($id, '300 s')"), 'completed|0', 'and the role, when it is mended');

# --- memberships that give less ---

SKIP:
{
	skip 'a membership gives everything before PostgreSQL 16', 13 if $node->pg_version < 16;
	$node->safe_psql('d', q{
		CREATE ROLE boss LOGIN CREATEROLE;
		CREATE ROLE heir LOGIN;
		CREATE ROLE release;
		GRANT boss TO heir WITH INHERIT TRUE, SET FALSE;
		GRANT release TO mallory WITH INHERIT FALSE, SET FALSE;
		SELECT workflow.grant_usage('boss'), workflow.grant_usage('heir'), workflow.grant_usage('mallory')});
	my $define = q{SELECT workflow.define('{"name": "late", "dead_letter": true, "steps": [{"id": "a", "sql": "%s"}]}')};
	as_role('heir', 'd', sprintf $define, "SELECT 1 / 0");
	my $late_id = as_role('boss', 'd', q{SELECT workflow.start('late', version => 1)});
	is($node->safe_psql('d', "SELECT status FROM workflow.wait($late_id, '300 s')"), 'failed', 'an execution that has failed');
	my $letter = $node->safe_psql('d', "SELECT dead_letter_id FROM workflow.dead_letter_status WHERE execution_id = $late_id");
	as_role('heir', 'd', sprintf $define, "ALTER ROLE heir CREATEROLE");
	like(as_role('heir', 'd', 'SET ROLE boss'), qr/42501/, 'who inherits, and may not be the role');
	# A190: replay() takes another version, and other input, and runs it as the role
	like(as_role('heir', 'd', "SELECT workflow.replay($letter)"), qr/42501.*may be that role/s, 'does not replay as it');
	is(as_role('heir', 'd', "SELECT workflow.replay_all()"), '0', 'nor all');
	# A191: nor does one give data to what runs as the role
	like(as_role('heir', 'd', qq{SELECT workflow.retry($late_id, 'a', '{"ok": 1}')}), qr/42501.*may be that role/s, 'gives it no input');
	my $later_id = as_role('boss', 'd', q{SELECT workflow.start('late', version => 1, start_at => 'infinity')});
	like(as_role('heir', 'd', "SELECT workflow.skip_step($later_id, 'a', '1')"), qr/42501.*may be that role/s, 'nor output');
	is(as_role('heir', 'd', "SELECT workflow.cancel($later_id)"), 'cancelled', 'but steers it');
	as_role('boss', 'd', q{SELECT workflow.define('{"name": "of boss", "steps": [{"id": "a", "sql": "SELECT 1"}]}')});
	like(as_role('heir', 'd', q{SELECT workflow.define('{"name": "of boss", "steps": [{"id": "a", "sql": "SELECT 2"}]}')}), qr/42501/, 'nor another version of its workflow');
	is($node->safe_psql('d', q{SELECT rolcreaterole FROM pg_roles WHERE rolname = 'heir'}), 'f', 'and has got nothing');
	$node->safe_psql('d', 'GRANT boss TO heir WITH SET TRUE');
	like(as_role('heir', 'd', "SELECT workflow.replay($letter)"), qr/^\d+$/, 'who may be the role replays');
	# A192: trusted_owners and memberships that give nothing
	$node->safe_psql('d', q{GRANT boss TO heir WITH SET FALSE; ALTER ROLE boss SET workflow.trusted_owners = 'release'});
	as_role('mallory', 'd', q{SELECT workflow.define('{"name": "of mallory", "steps": [{"id": "a", "sql": "SELECT 1"}]}')});
	like(as_role('boss', 'd', q{SELECT workflow.start('of mallory')}), qr/42501/, 'a member in name only is not trusted');
	like(as_role('boss', 'd', q{SELECT workflow.start('late')}), qr/42501/, 'nor who only inherits');
	$node->safe_psql('d', 'GRANT release TO mallory WITH INHERIT TRUE');
	like(as_role('boss', 'd', q{SELECT workflow.start('of mallory')}), qr/^\d+$/, 'a member is');
}

$node->stop;

# --- the server's queue of notifications ---

# A187: filled up by somebody who listens and does not read
SKIP:
{
	skip 'the queue of notifications has 8 GB before PostgreSQL 17', 6 if $node->pg_version < 17;
	$node = workflow_cluster('notifications', 'workflow.notify = on', 'max_notify_queue_pages = 64');
	install_extension($node, 'postgres');
	$node->safe_psql('postgres', q{
		CREATE ROLE mallory LOGIN;
		SELECT workflow.define('{"name": "loud", "notify": true, "steps": [{"id": "a", "sql": "SELECT 1"}]}')});
	my $listener = $node->background_psql('postgres', extra_params => [ '-U', 'mallory' ]);
	$listener->query_safe($_) foreach 'LISTEN x', 'BEGIN', 'SELECT 1';
	for my $length (7900, 1)
	{
		my $error = '';
		while ($error !~ /too many notifications/)
		{
			$error = as_role('mallory', 'postgres', join(';', map { sprintf(q{NOTIFY x, '%d%s'}, $_, 'y' x $length) } 1 .. 20));
		}
	}
	$id = $node->safe_psql('postgres', q{SELECT workflow.start('loud')});
	is($node->safe_psql('postgres', "SELECT status, recoveries FROM workflow.wait($id, '300 s')"), 'completed|0', 'what is announced goes on');
	is($node->safe_psql('postgres', q{SELECT workflow.execute('loud')}), '{"rows": [{"?column?": 1}], "row_count": 1}', 'in a session, too');
	is($node->safe_psql('postgres', q{SELECT workflow.cancel(workflow.start('loud', start_at => 'infinity'))}), 'cancelled', 'and what is announced in bulk');
	my $pid = $node->safe_psql('postgres', q{SELECT pid FROM workflow.executors});
	$node->safe_psql('postgres', "SELECT workflow.drain_executor($pid)");
	ok($node->poll_query_until('postgres', "SELECT ended_at IS NOT NULL FROM workflow.executor_history WHERE pid = $pid"), 'executors go');
	$id = $node->safe_psql('postgres', q{SELECT workflow.start('loud')});
	is($node->safe_psql('postgres', "SELECT status, recoveries FROM workflow.wait($id, '300 s')"), 'completed|0', 'and come');
	$listener->query_safe('COMMIT');
	like(($node->psql('postgres', q{LISTEN workflow; SELECT workflow.execute('loud')}))[1], qr/Asynchronous notification "workflow"/,
		'where there is room it is announced again');
	$listener->quit;
	$node->stop;
}

done_testing();
