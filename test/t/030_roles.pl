# Steps run as the role that called start(), whatever their SQL does to the session,
# and its settings do not get in the way; roles that can run nothing any more disturb
# nobody else; nobody sees what is another's.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('roles', 'workflow.max_executors = 3', 'timezone = UTC');
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE ROLE alice LOGIN;
	CREATE ROLE bob LOGIN;
	CREATE ROLE watcher LOGIN;
	GRANT bob TO alice;
	GRANT pg_monitor TO watcher;
	SELECT workflow.grant_usage(r::regrole) FROM unnest('{alice,bob,watcher}'::text[]) AS r;
	CREATE SCHEMA work;
	GRANT ALL ON SCHEMA work TO PUBLIC;
});

sub status
{
	my ($id) = @_;
	return $node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $id");
}

# --- who runs the steps (A30) ---

my $who = q{SELECT concat_ws(' ', current_user, session_user, current_setting('role'),
	current_setting('is_superuser'))};
my $ignore = sub { return { sql => shift, on_failure => 'ignore' } };

define_sql($node, 'postgres', 'who', $who,
	"SET ROLE bob; $who", $who,
	$ignore->("SET ROLE \"$superuser\"; $who"),
	$ignore->("SET SESSION AUTHORIZATION \"$superuser\"; $who"),
	"RESET ROLE; RESET SESSION AUTHORIZATION; RESET ALL; $who",
	$ignore->(q{DO $$BEGIN EXECUTE 'DISCARD ALL'; END$$}),
	"SELECT set_config('role', 'bob', false); $who", $who,
	{ sql => 'SET ROLE bob', transaction => 'none' }, $who,
	{ sql => 'SET SESSION AUTHORIZATION bob', transaction => 'none', on_failure => 'ignore' }, $who);
my $id = run_execution($node, 'postgres', 'who', 'alice');
my $is_alice = 'alice alice none off';
is(step_rows($node, 'postgres', $id), join("\n",
		"s1 completed $is_alice",
		"s2 completed bob alice bob off",
		"s3 completed $is_alice",
		"s4 failed 42501",
		"s5 failed 42501",
		"s6 completed $is_alice",
		"s7 failed 25001",
		"s8 completed bob alice bob off",
		"s9 completed $is_alice",
		"s10 completed null",
		"s11 completed $is_alice",
		"s12 failed 42501",
		"s13 completed $is_alice"),
	'a step is the role that started, whatever the one before did');
is($node->safe_psql('postgres', qq{SELECT count(DISTINCT executor_pid)
	FROM workflow.step_executions WHERE execution_id = $id}), 1, 'all of them in one process');

# A31: A superuser may become somebody, for a step.
define_sql($node, 'postgres', 'lower',
	"SET SESSION AUTHORIZATION alice; $who", $who, "SET ROLE bob; $who", $who,
	{ sql => 'SET SESSION AUTHORIZATION alice', transaction => 'none' }, $who);
$id = run_execution($node, 'postgres', 'lower');
my $is_super = "$superuser $superuser none on";
is(step_rows($node, 'postgres', $id), join("\n",
		's1 completed alice alice none off', "s2 completed $is_super",
		"s3 completed bob $superuser bob off", "s4 completed $is_super",
		's5 completed null', "s6 completed $is_super"),
	'a superuser is itself again in the next step');

# A32: start() in a function of another role, and under SET ROLE
$node->safe_psql('postgres', q{
	SET ROLE bob;
	CREATE FUNCTION work.start(text) RETURNS bigint LANGUAGE sql SECURITY DEFINER
		SET search_path = pg_catalog AS 'SELECT workflow.start($1)'});
define_sql($node, 'postgres', 'me', 'SELECT current_user');
foreach my $start ("SELECT work.start('me')", "SET ROLE bob; SELECT workflow.start('me')")
{
	$id = $node->safe_psql('postgres', $start, extra_params => [ '-U', 'alice' ]);
	$node->safe_psql('postgres', "SELECT FROM workflow.wait($id)");
	is(step_rows($node, 'postgres', $id), 's1 completed bob', "as bob: $start");
}

# A9: Deferred triggers run at COMMIT, behind our own writes.
$node->safe_psql('postgres', q{
	CREATE TABLE work.log (what text, who name, session name);
	GRANT ALL ON work.log TO PUBLIC;
	CREATE TABLE work.watched (i int);
	GRANT ALL ON work.watched TO PUBLIC;
	CREATE FUNCTION work.note() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO work.log VALUES (TG_NAME, current_user, session_user);
		RETURN NULL;
	END $$;
	CREATE CONSTRAINT TRIGGER late AFTER INSERT ON work.watched
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION work.note();
});
define_sql($node, 'postgres', 'late', 'INSERT INTO work.watched VALUES (1)');
run_execution($node, 'postgres', 'late', 'alice');
is($node->safe_psql('postgres', 'SELECT * FROM work.log'), 'late|alice|alice',
	'a deferred trigger runs as the role');

# --- settings of the role (A4) ---

$node->safe_psql('postgres', q{
	TRUNCATE work.log;
	CREATE SCHEMA trap AUTHORIZATION alice;
	SET ROLE alice;
	CREATE FUNCTION trap.spring(text) RETURNS void LANGUAGE sql
		AS 'INSERT INTO work.log VALUES ($1, current_user, session_user)';
	CREATE FUNCTION trap.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS
		$$ BEGIN PERFORM trap.spring('='); RETURN $1 IS NOT DISTINCT FROM $2; END $$;
	CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equal);
	CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS
		$$ BEGIN PERFORM trap.spring('clock_timestamp'); RETURN '-infinity'; END $$;
	CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS
		$$ BEGIN PERFORM trap.spring('now'); RETURN '-infinity'; END $$;
	CREATE TABLE trap.executions (id bigint);
	CREATE TABLE trap.step_executions (id bigint);
	CREATE DOMAIN trap.text AS int;
	CREATE DOMAIN trap.jsonb AS int;
});
my %settings = (
	'search_path' => 'trap, pg_catalog, pg_temp',
	'default_transaction_isolation' => 'serializable',
	'default_transaction_deferrable' => 'on',
	'statement_timeout' => '1ms',
	'lock_timeout' => '1ms',
	'idle_in_transaction_session_timeout' => '1ms',
	'row_security' => 'off',
	'DateStyle' => 'German',
	'IntervalStyle' => 'sql_standard',
	'standard_conforming_strings' => 'off',
	'transform_null_equals' => 'on',
	'array_nulls' => 'off',
	'bytea_output' => 'escape',
	'client_encoding' => 'LATIN1',
	'timezone' => 'Asia/Kathmandu',
	'work_mem' => '64kB',
	'synchronous_commit' => 'off');
$node->safe_psql('postgres', join ';', map { "ALTER ROLE alice SET $_ = " . ($_ eq 'search_path' ? $settings{$_} : "'$settings{$_}'") }
	sort keys %settings);
# executors that are connected have the old settings
sub recycle
{
	$node->append_conf('postgresql.conf', 'workflow.executor_idle_timeout = 1ms');
	$node->reload;
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity
		WHERE backend_type = 'pg_workflow executor'}) or die 'executors stay';
	$node->append_conf('postgresql.conf', 'workflow.executor_idle_timeout = 1min');
	$node->reload;
}
recycle();

# The role's milliseconds hold for its SQL, which has other limits here: what must not feel
# them, however slow the machine is, are our own statements in between.
$node->safe_psql('postgres', q{
	SELECT workflow.define(replace('{"name": "many", "steps": [
		{"id": "path", "type": "sql", "result": "value", "sql": "SHOW search_path"},
		{"id": "zone", "type": "sql", "result": "value", "sql": "SELECT ''2020-01-02 12:00+00''::timestamptz::varchar"},
		{"id": "json", "type": "sql", "result": "value", "sql": "SELECT ''2020-01-02 12:00+00''::timestamptz"},
		{"id": "escaped", "type": "sql", "result": "value", "sql": "SELECT ''a\\\\101''::varchar"},
		{"id": "non_ascii", "type": "sql", "result": "value", "sql": "SELECT ''\u00e4\u20ac''::varchar"},
		{"id": "both", "type": "loop", "loop_config": {"collection": [1, 2], "execution_mode": "parallel",
			"loop_body": [{"id": "insert", "type": "sql", "sql": "INSERT INTO work.watched VALUES (input.i)",
			"input_mapping": {"i": "${loop.item}"}}]}}]}',
		'"sql": ', '"settings": {"statement_timeout": "0", "lock_timeout": "0"}, "sql": ')::jsonb);});
$id = run_execution($node, 'postgres', 'many', 'alice');
is(step_rows($node, 'postgres', $id) =~ s/ \{.*//gr, join("\n",
		'path completed trap, pg_catalog, pg_temp',
		'zone completed 02.01.2020 17:45:00 +0545',
		'json completed 2020-01-02T17:45:00+05:45',
		'escaped completed aA',
		"non_ascii completed \xc3\xa4\xe2\x82\xac",
		'both completed', 'insert completed', 'insert completed'),
	'the settings of the role are those of its SQL')
  or diag($node->safe_psql('postgres', "SELECT error FROM workflow.executions WHERE id = $id"));
is($node->safe_psql('postgres', q{SELECT DISTINCT who FROM work.log}), 'alice',
	'nothing of its search_path runs as somebody else');
is($node->safe_psql('postgres', q{SELECT what, count(*) FROM work.log GROUP BY 1 ORDER BY 1}),
	'late|2', 'nor because of our own statements');
is($node->safe_psql('postgres', 'SELECT count(*) FROM trap.executions, trap.step_executions'), 0,
	'nothing went into tables of the same name');

# timestamps that we make come out as ISO
$node->safe_psql('postgres', q{SELECT workflow.define('{"name": "iso", "start_step": "a",
	"steps": {"a": {"type": "set", "output": "${workflow.started_at}"}}}')});
$id = run_execution($node, 'postgres', 'iso', 'alice');
like($node->safe_psql('postgres', "SELECT output FROM workflow.executions WHERE id = $id"),
	qr/^"\d{4}-\d\d-\d\dT[\d:.]+([+-]\d\d:\d\d|Z)"$/, 'started_at is ISO 8601 whatever DateStyle is');

# read only: of the role's SQL, not of ours
$node->safe_psql('postgres', q{
	ALTER ROLE alice RESET ALL;
	ALTER ROLE alice SET default_transaction_read_only = on;
	ALTER ROLE alice SET default_transaction_isolation = 'repeatable read'});
recycle();
define_sql($node, 'postgres', 'read_only', 'SELECT count(*) FROM work.log WHERE false',
	$ignore->('INSERT INTO work.watched VALUES (1)'),
	{ sql => 'INSERT INTO work.watched VALUES (1)', transaction => { read_only => JSON::PP::false }, on_failure => 'ignore' },
	{ sql => 'INSERT INTO work.watched VALUES (1)', transaction => 'none', on_failure => 'ignore' },
	'SHOW transaction_isolation');
$id = run_execution($node, 'postgres', 'read_only', 'alice');
like(step_rows($node, 'postgres', $id), qr/^s1 completed 0\ns2 failed 25006\n.*\ns4 failed 25006\ns5 completed /s,
	'default_transaction_read_only makes a step read only, and is recorded');
is(status($id), 'completed', 'the execution is recorded under it');
$node->safe_psql('postgres', 'ALTER ROLE alice RESET ALL');

# --- roles that cannot run any more (A48) ---

$node->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
	GRANT CONNECT ON DATABASE postgres TO alice, bob, watcher');
foreach my $case (
	# since 17 workers connect as such a role, too
	[ 'NOLOGIN', 'ALTER ROLE %s NOLOGIN', $node->pg_version < 17 ? qr/is not permitted to log in/ : undef ],
	[ 'CONNECT', 'REVOKE CONNECT ON DATABASE postgres FROM %s', qr/is not permitted to connect to database "postgres"/ ],
	[ 'dropped', 'DROP OWNED BY %s; DROP ROLE %1$s', qr/does not exist/ ])
{
	my ($name, $format, $message) = @$case;

	foreach my $connected (0, 1)
	{
		my $role = lc($name) . $connected;
		my $command = sprintf($format, $role);

		$node->safe_psql('postgres', qq{
			CREATE ROLE $role LOGIN;
			GRANT CONNECT ON DATABASE postgres TO $role;
			SELECT workflow.grant_usage('$role')});
		# with an executor that is connected already, and without
		run_execution($node, 'postgres', 'me', $role) if $connected;
		($id, my $other) = split /\n/, $node->safe_psql('postgres', qq{
			BEGIN;
			SET LOCAL ROLE $role;
			SELECT workflow.start('me');
			RESET ROLE;
			$command;
			SET LOCAL ROLE alice;
			SELECT workflow.start('me');
			COMMIT});
		$node->safe_psql('postgres', "SELECT workflow.wait($other, '60 s'), workflow.wait($id, '60 s')");
		is(status($other), 'completed', "$name, connected $connected: others go on");
		if (!defined $message)
		{
			is(status($id), 'completed', "$name, connected $connected: its own do, too");
			next;
		}
		is($node->safe_psql('postgres', "SELECT status, error_type FROM workflow.executions WHERE id = $id"),
			'failed|RoleCannotRun', "$name, connected $connected: the execution fails");
		like($node->safe_psql('postgres', "SELECT error ->> 'message' FROM workflow.executions WHERE id = $id"),
			$message, "$name, connected $connected: and says why");
	}
}

# A role that goes while its execution runs.
$node->safe_psql('postgres', q{CREATE ROLE gone LOGIN; GRANT CONNECT ON DATABASE postgres TO gone;
	SELECT workflow.grant_usage('gone')});
define_sql($node, 'postgres', 'long', 'SELECT pg_advisory_xact_lock(1)', 'SELECT current_user', 'SELECT 3');
my $session = $node->background_psql('postgres');
$session->query_safe('SELECT pg_advisory_lock(1)');
$id = $node->safe_psql('postgres', "SELECT workflow.start('long')", extra_params => [ '-U', 'gone' ]);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
  or die 'timed out';
$node->safe_psql('postgres', 'DROP OWNED BY gone; DROP ROLE gone');
$session->query_safe('SELECT pg_advisory_unlock(1)');
$node->safe_psql('postgres', "SELECT FROM workflow.wait($id, '60 s')");
is($node->safe_psql('postgres', "SELECT status, error_type FROM workflow.executions WHERE id = $id"),
	'failed|RoleCannotRun', 'a role is dropped while its execution runs');
like($node->safe_psql('postgres', "SELECT error ->> 'message' FROM workflow.executions WHERE id = $id"),
	qr/^role "gone \(missing \d+\)" does not exist$/, 'and says whose it is');
is(step_rows($node, 'postgres', $id), 's1 completed ', 'no further step runs as it');
ok($node->safe_psql('postgres', 'SELECT count(*) FROM workflow.execution_status, workflow.step_status') > 0,
	'views show executions of dropped roles');

# --- what others see (A139) ---

define_sql($node, 'postgres', 'secret', q{SELECT pg_advisory_xact_lock(1), 'in the query'});
$session->query_safe('SELECT pg_advisory_lock(1)');
$id = $node->safe_psql('postgres', q{SELECT workflow.start('secret', '{"password": "in the input"}')},
	extra_params => [ '-U', 'alice' ]);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
  or die 'timed out';
my @views = qw(executions step_executions execution_status step_status activity);
my $see = sub {
	my ($role) = @_;
	return join ' ', map { $node->safe_psql('postgres',
			"SELECT count(*) FROM workflow.$_ WHERE execution_id = $id" =~
			  s/(workflow.executions WHERE )execution_id/$1id/r, extra_params => [ '-U', $role ]) } @views;
};
is($see->('alice'), '1 0 1 1 1', 'alice sees her execution');
is($see->('bob'), '0 0 0 0 0', 'bob does not');
is($see->('watcher'), '0 0 1 1 1', 'pg_monitor sees it in the views');
foreach my $role ('bob', 'watcher')
{
	my $all = join "\n", map { $node->safe_psql('postgres', "SELECT v::text FROM workflow.$_ AS v",
			extra_params => [ '-U', $role ]) } @views, 'executors';
	unlike($all, qr/in the/, "$role sees no payload");
}
is($node->safe_psql('postgres', q{SELECT query FROM workflow.activity}, extra_params => [ '-U', 'watcher' ]), '',
	'the query is payload');
foreach my $call ("wait($id)", "cancel($id)")
{
	my ($result, $stdout, $stderr) = $node->psql('postgres', "SELECT workflow.$call", extra_params => [ '-U', 'bob' ]);
	like($stderr, qr/ERROR:  execution $id does not exist/, "$call is refused to bob, who is not told that there is one");
	unlike($stderr, qr/in the/, "and the error tells nothing");
}
$node->safe_psql('postgres', "SELECT workflow.cancel($id)", extra_params => [ '-U', 'alice' ]);
ok(wait_for_status($node, 'postgres', $id, 'cancelled'), 'alice cancels it');
$session->quit;

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
