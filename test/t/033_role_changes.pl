# An executor is a session for life, but its role is not the same for life: superuser
# no more, a member of other roles, not allowed to connect, with other settings.  The
# steps that come after such a change are for a session that knows of it.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('role_changes', 'workflow.max_executors = 2');

install_extension($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN SUPERUSER;
	CREATE ROLE bob LOGIN;
	CREATE ROLE team;
	GRANT team TO alice;
	SELECT workflow.grant_usage('alice');
});
# SET SESSION AUTHORIZATION asks whether the user was a superuser when it connected
define_sql($node, 'postgres', 'who', q{SELECT pg_backend_pid() || ' ' || current_setting('work_mem')});
define_sql($node, 'postgres', 'other', 'SET SESSION AUTHORIZATION postgres; SELECT current_user');
define_sql($node, 'postgres', 'waits', 'SELECT pg_backend_pid() FROM pg_advisory_xact_lock(1)',
	'SELECT pg_backend_pid()', 'SET SESSION AUTHORIZATION postgres; SELECT current_user');
define_sql($node, 'postgres', 'shared', 'SELECT pg_backend_pid() FROM pg_advisory_xact_lock(1)', 'SELECT pg_backend_pid()');
$node->safe_psql('postgres', q{SELECT workflow.define(definition || '{"commit": {"max_steps": 10}}')
	FROM workflow.definitions WHERE name = 'shared'});

# What an execution of alice's says: its process, and a setting.
sub who
{
	my $id = run_execution($node, 'postgres', 'who', 'alice');
	return split / /, $node->safe_psql('postgres', "SELECT output #>> '{}' FROM workflow.executions WHERE id = $id");
}

# Is the next run in another process after this?
sub changes
{
	my ($sql) = @_;
	my ($before) = who();
	$node->safe_psql('postgres', $sql);
	my ($after, $setting) = who();
	return $before == $after ? 'same' : $setting;
}

# --- nothing to do with it ---

my ($first, $usual) = who();
is(changes($_), 'same', $_) foreach
	'ALTER ROLE bob CREATEDB', 'GRANT team TO bob', q{ALTER ROLE alice PASSWORD 'secret'}, 'CREATE ROLE carol IN ROLE pg_monitor',
	q{BEGIN; ALTER ROLE alice SET work_mem = '10MB'; ALTER ROLE alice NOSUPERUSER; ROLLBACK},
	q{BEGIN; SAVEPOINT a; ALTER ROLE alice NOSUPERUSER; ROLLBACK TO a; COMMIT};

# --- settings, from the next run on ---

is(changes(q{ALTER ROLE alice SET work_mem = '11MB'}), '11MB', 'settings of the role');
is(changes(q{ALTER ROLE alice IN DATABASE postgres SET work_mem = '12MB'}), '12MB', 'in the database');
is(changes(q{ALTER ROLE alice IN DATABASE postgres RESET ALL}), '11MB', 'none there');
is(changes(q{ALTER ROLE alice RESET work_mem}), $usual, 'none at all');
is(changes(q{ALTER DATABASE postgres SET work_mem = '13MB'}), '13MB', 'settings of the database');
is(changes(q{ALTER ROLE ALL SET work_mem = '14MB'}), '13MB', 'of all roles');
is(changes(q{ALTER DATABASE postgres RESET ALL}), '14MB', 'which count then');
$node->safe_psql('postgres', 'ALTER ROLE ALL RESET ALL');

# --- in the middle of an execution (A45) ---

my $session = $node->background_psql('postgres');

# Start an execution that waits in its first step, do something, let it go on; the
# processes of its steps.
sub meanwhile
{
	my ($workflow, $sql, $then) = @_;

	$session->query_safe('SELECT pg_advisory_lock(1)');
	my $id = $node->safe_psql('postgres', "SET ROLE alice; SELECT workflow.start('$workflow')");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
		WHERE backend_type = 'pg_workflow executor' AND wait_event_type = 'Lock' AND wait_event = 'advisory'}) or die 'no step waits';
	$node->safe_psql('postgres', $sql);
	$session->query_safe('SELECT pg_advisory_unlock(1)');
	$then->($id) if defined $then;
	$node->safe_psql('postgres', "SELECT FROM workflow.wait($id, '300 s')");
	return ($id, split /\n/, $node->safe_psql('postgres', qq{SELECT coalesce(output #>> '{}', error_type || ' ' || (error ->> 'message'))
		FROM workflow.step_executions WHERE execution_id = $id ORDER BY step_id}));
}

my ($id, @steps) = meanwhile('waits', 'ALTER ROLE bob NOCREATEDB');
is($steps[0], $steps[1], 'one process for all steps');
is($steps[2], 'postgres', 'a superuser can be anybody');

($id, @steps) = meanwhile('waits', 'ALTER ROLE alice NOSUPERUSER');
like($steps[0], qr/^\d+$/, 'the step that ran ends');
isnt($steps[1], $steps[0], 'the next one runs in another process');
like($steps[2], qr/permission denied/, 'which is no superuser\'s');
is($node->safe_psql('postgres', "SELECT status || ' ' || recoveries FROM workflow.executions WHERE id = $id"), 'failed 0',
	'and nothing counts as a crash');
is($node->safe_psql('postgres', qq{SELECT reason FROM workflow.executor_history WHERE pid = $steps[0]}), 'role', 'why it left is recorded');

($id, @steps) = meanwhile('shared', 'ALTER ROLE alice CREATEDB');
is($node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $id"), 'completed', 'steps that share a transaction');

# between executions: who was a superuser is none
$node->safe_psql('postgres', 'ALTER ROLE alice SUPERUSER');
$id = run_execution($node, 'postgres', 'other', 'alice');
is(step_rows($node, 'postgres', $id), 's1 completed postgres', 'a superuser again');
$node->safe_psql('postgres', 'ALTER ROLE alice NOSUPERUSER');
$id = run_execution($node, 'postgres', 'other', 'alice');
like(step_rows($node, 'postgres', $id), qr/^s1 failed/, 'and not any more, in an executor that waits for work');

# --- memberships, its own and those of its roles (A46) ---

isnt(changes($_), 'same', $_) foreach
	'GRANT pg_read_all_data TO alice', 'GRANT pg_monitor TO team', 'GRANT pg_signal_backend TO pg_monitor', 'REVOKE pg_monitor FROM team',
	'REVOKE pg_read_all_data FROM alice', 'ALTER ROLE alice NOINHERIT', 'ALTER ROLE alice CONNECTION LIMIT 50', q{ALTER ROLE alice VALID UNTIL '2200-01-01'};

# --- other roles come and go while an executor comes: it stays ---

$node->safe_psql('postgres', q{ALTER SYSTEM SET workflow.executor_max_runs = 1; SELECT pg_reload_conf();
	CREATE TABLE churn ();
	CREATE PROCEDURE churn() LANGUAGE plpgsql AS $$
	BEGIN
		WHILE EXISTS (SELECT FROM pg_class WHERE relname = 'churn') LOOP
			CREATE ROLE comes_and_goes;
			COMMIT;
			DROP ROLE comes_and_goes;
			COMMIT;
		END LOOP;
	END $$});
my $churn = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CALL churn()' ], '>', \my $said, '2>&1');
my $newest = $node->safe_psql('postgres', 'SELECT max(id) FROM workflow.executor_history');
run_execution($node, 'postgres', 'who', 'alice') foreach 1 .. 40;
is($node->safe_psql('postgres', "SELECT count(*) >= 30, count(*) FILTER (WHERE reason = 'role') FROM workflow.executor_history WHERE id > $newest"),
	't|0', 'forty executors come while other roles are made and dropped, and none leaves for that');
$node->safe_psql('postgres', 'DROP TABLE churn; ALTER SYSTEM RESET workflow.executor_max_runs; SELECT pg_reload_conf()');
$churn->finish;
is($said, '', 'they were, without an error');

# --- its right to connect (A47) ---

($id, @steps) = meanwhile('waits', 'GRANT CONNECT ON DATABASE postgres TO bob; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
is($node->safe_psql('postgres', qq{SELECT status, error_type, (SELECT string_agg(step_id, ',') FROM workflow.step_executions WHERE execution_id = id)
	FROM workflow.executions WHERE id = $id}), 'failed|RoleCannotRun|s1', 'who may not connect runs no other step');

$session->quit;
$node->stop;
done_testing();
