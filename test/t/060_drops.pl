# The extension, its database or its owner go while workflows run: nobody hangs, and
# what comes back works.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('drops', 'workflow.max_executors = 14', 'workflow.cancel_grace = 500ms', 'deadlock_timeout = 100ms');

# A workflow of every kind of thing that can be under way: a running step in a
# parallel container, and something that waits behind it.
sub install
{
	my ($database, $role) = @_;
	my $as = defined $role ? "SET ROLE $role;" : '';

	$node->safe_psql($database, "$as CREATE EXTENSION pg_workflow");
	$node->safe_psql($database, q{
		SELECT workflow.define('{"name": "busy", "steps": [
			{"id": "fork", "type": "parallel", "parallel_steps": [
				{"id": "sleep_1", "type": "sql", "sql": "SELECT pg_sleep(3600)"},
				{"id": "sleep_2", "type": "sql", "sql": "SELECT pg_sleep(3600)"},
				{"id": "quick", "type": "sql", "sql": "SELECT 1"}]},
			{"id": "last", "type": "sql", "sql": "SELECT 2"}]}');
		SELECT workflow.define('{"name": "quick", "steps": [
			{"id": "fork", "type": "parallel", "parallel_steps": [
				{"id": "a", "type": "sql", "sql": "SELECT 1"}, {"id": "b", "type": "sql", "sql": "SELECT 2"}]}]}')});
	return;
}

# Everything works in the database.
sub works
{
	my ($database, $name) = @_;
	my $id = run_execution($node, $database, 'quick');

	is($node->safe_psql($database, "SELECT status FROM workflow.executions WHERE id = $id"), 'completed', $name);
	return;
}

# One that was about to come when the extension went goes again.
sub no_worker_stays
{
	my ($name) = @_;

	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'a'
			AND backend_type ~ '^pg_workflow'}), "$name: no worker stays");
	return;
}

# --- a session waits while the extension goes ---

$node->safe_psql('postgres', 'CREATE DATABASE a');
install('a');
foreach my $drop ('DROP EXTENSION pg_workflow', 'DROP EXTENSION pg_workflow CASCADE')
{
	$node->safe_psql('a', q{SELECT workflow.start('busy') FROM generate_series(1, 3)});
	wait_for_endless($node, 'a');
	$node->safe_psql('a', $drop, timeout => 60);
	no_worker_stays($drop);
	install('a');
	ok(wait_for_schedulers($node, 'a'), 'the scheduler is back');
	works('a', "it works after $drop and CREATE EXTENSION");
}

# --- sessions start, wait, steer and look all the time ---

# What each does over and over, whether the extension is there or not, until it is told to stop.
my $any = q{FROM (SELECT id FROM workflow.executions WHERE status IN ('pending', 'running', 'paused', 'waiting') ORDER BY random() LIMIT 1) AS e};
my %habits = (
	waits => q{SELECT workflow.start('quick') AS id \gset
		SELECT status FROM workflow.wait(:id, '20 s');},
	starts => q{BEGIN; SELECT workflow.start('busy'); SELECT workflow.start('quick'); COMMIT;},
	executes => q{SELECT workflow.execute('quick') IS NOT NULL; CALL workflow.run('quick');},
	holds => "SELECT workflow.pause(id) $any; SELECT workflow.resume(id) $any;",
	ends => "SELECT workflow.cancel(id) $any; SELECT workflow.cancel(id) $any;",
	looks => "SELECT count(t::text) FROM workflow.execution_status AS t; SELECT workflow.why(id) $any; SELECT count(*) FROM workflow.alerts;",
	defines => q{SELECT workflow.define(d.document::jsonb || format('{"description": "%s"}', random())::jsonb)
		FROM workflow.definitions AS d WHERE name = 'quick' ORDER BY version DESC LIMIT 1;});
my $folder = PostgreSQL::Test::Utils::tempdir();
my (@crowd, %said);
foreach my $habit (sort keys %habits)
{
	append_to_file("$folder/$habit.sql", "\\set id 0\n" . "$habits{$habit}\nSELECT pg_sleep(0.01);\n\\if `test -e $folder/stop && echo 1 || echo 0`\n\\quit\n\\endif\n" x 50000);
	foreach my $n (1 .. 2)
	{
		push @crowd, { habit => $habit, errors => "$folder/$habit.$n", process => IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('a'), '-f', "$folder/$habit.sql" ],
			'<', '/dev/null', '>', '/dev/null', '2>', "$folder/$habit.$n") };
	}
}
foreach my $round (1 .. 6)
{
	# there is much going on
	$node->poll_query_until('a', q{SELECT count(*) FILTER (WHERE workflow = 'quick' AND status = 'completed') > 10
			AND count(*) FILTER (WHERE workflow = 'busy' AND status IN ('running', 'cancelled')) > 2 FROM workflow.executions})
	  or die 'the sessions do nothing';

	# who drops takes locks in an order of its own, and may be the one that a deadlock is broken by
	my ($status, $out, $err);
	do
	{
		($status, $out, $err) = $node->psql('a', 'DROP EXTENSION pg_workflow CASCADE', extra_params => [ '-v', 'VERBOSITY=verbose' ], timeout => 120);
	} while ($status != 0 && $err =~ /ERROR:  40P01/);
	is($status, 0, "round $round: DROP EXTENSION CASCADE under load") or diag($err);
	no_worker_stays("round $round");
	install('a');
}
append_to_file("$folder/stop", '');
foreach my $session (@crowd)
{
	ok($session->{process}->finish, "a session that $session->{habit} comes to its end");

	my $errors = slurp_file($session->{errors});
	$said{$1}++ while $errors =~ /((?:ERROR|FATAL|PANIC):  (?:XX\w{3}.*|\w{5}))/g;
}
note(join ', ', map { "$_ $said{$_}" } sort keys %said);
$node->safe_psql('a', q{SELECT workflow.resume(id) FROM workflow.executions WHERE status = 'paused';
	SELECT workflow.cancel(id) FROM workflow.executions WHERE status IN ('pending', 'running', 'paused', 'waiting')});
ok($node->poll_query_until('a', q{SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running', 'paused', 'waiting', 'cancelling')}),
	'all are cancelled');
works('a', 'it works after all that');

# Somebody waits for an execution in a transaction that holds the extension's tables:
# who drops them takes the executors away that the other waits for, so the wait ends
# with an error.
my $id = $node->safe_psql('a', "SELECT workflow.start('busy')");
wait_for_endless($node, 'a');
my $waiter = $node->background_psql('a', on_error_stop => 0);
$waiter->query_safe('BEGIN; LOCK TABLE workflow.executions IN ACCESS SHARE MODE');
$waiter->query_until(qr/go/, "\\echo go\nSELECT workflow.wait($id);\n");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
	WHERE query ~ 'workflow.wait' AND state = 'active' AND wait_event_type = 'Extension'})
  or die 'timed out';
my ($result, $stdout, $stderr) = $node->psql('a', q{SET lock_timeout = '30s'; BEGIN; DROP EXTENSION pg_workflow; ROLLBACK}, timeout => 60);
is($stderr, '', 'DROP EXTENSION does not wait for who waits');
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE query ~ 'SELECT workflow.wait' AND state = 'active' AND pid <> pg_backend_pid()})
  or die 'timed out';
eval { $waiter->quit };
like(slurp_file($node->logfile), qr/ERROR:  cannot wait for execution $id any longer/, 'the wait ends with an error');
$node->safe_psql('a', q{SELECT workflow.cancel(id) FROM workflow.executions WHERE status IN ('pending', 'running')});
ok($node->poll_query_until('a', q{SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running', 'cancelling')}),
	'all are cancelled');
works('a', 'it works after that');

# --- a step that does not want to end does not keep the extension ---

$node->safe_psql('a', q{
	SELECT workflow.define('{"name": "stubborn", "steps": [{"id": "a", "type": "sql", "sql":
		"DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"}]}');
	SELECT workflow.start('stubborn')});
wait_for_endless($node, 'a');
$node->safe_psql('a', 'DROP EXTENSION pg_workflow', timeout => 60);
pass('DROP EXTENSION ends a stubborn step');
install('a');

# --- in a transaction with other things ---

$node->safe_psql('a', q{BEGIN; DROP EXTENSION pg_workflow; CREATE EXTENSION pg_workflow; COMMIT});
ok(wait_for_schedulers($node, 'a'), 'DROP and CREATE EXTENSION in one transaction');
$node->safe_psql('a', 'DROP EXTENSION pg_workflow');
install('a');
works('a', 'and it works');
$node->safe_psql('a', q{BEGIN; SELECT workflow.start('quick'); DROP EXTENSION pg_workflow; COMMIT});
pass('DROP EXTENSION in a transaction that has started something');
install('a');

# A session that used the extension before it was dropped and made anew.
my $session = $node->background_psql('a');
$session->query_safe(q{SELECT workflow.start('quick'); SELECT workflow.execute('quick')});
$node->safe_psql('a', 'DROP EXTENSION pg_workflow');
install('a');
$id = $session->query_safe(q{SELECT workflow.start('quick')});
ok(wait_for_status($node, 'a', $id, 'completed'), 'a session survives the extension it knew');
is($session->query_safe(q{SELECT workflow.execute('quick') IS NOT NULL}), 't', 'execute() there, too');
$session->quit;

# --- an owner that is no superuser's friend ---

$node->safe_psql('postgres', q{CREATE ROLE owner SUPERUSER; CREATE ROLE user_1 LOGIN; CREATE DATABASE owned});
install('owned', 'owner');
$node->safe_psql('owned', q{SELECT workflow.grant_usage('user_1')});
works('owned', 'an extension of another role works');
$id = run_execution($node, 'owned', 'quick', 'user_1');
is($node->safe_psql('owned', "SELECT status, role FROM workflow.executions WHERE id = $id"), 'completed|user_1', 'for others, too');
# It may lose superuser, and be renamed.
$node->safe_psql('postgres', q{ALTER ROLE owner NOSUPERUSER; ALTER ROLE owner RENAME TO owner_2});
works('owned', 'the owner is no superuser any more');
$id = run_execution($node, 'owned', 'quick', 'user_1');
is($node->safe_psql('owned', "SELECT status FROM workflow.executions WHERE id = $id"), 'completed', 'and for others');
$node->safe_psql('owned', q{REASSIGN OWNED BY owner_2 TO user_1});
works('owned', 'REASSIGN OWNED: as far as it goes');
$node->safe_psql('owned', q{SELECT workflow.start('busy')});
wait_for_endless($node, 'owned');
$node->safe_psql('owned', 'DROP OWNED BY owner_2, user_1 CASCADE', timeout => 60);
is($node->safe_psql('owned', "SELECT count(*) FROM pg_extension WHERE extname = 'pg_workflow'"), 0, 'DROP OWNED takes it along');
ok(wait_for_schedulers($node, 'a'), 'and its scheduler');

# --- databases, with the owner of the database doing it ---

$node->safe_psql('postgres', 'CREATE ROLE dba LOGIN CREATEDB');
$node->safe_psql('postgres', 'ALTER DATABASE a OWNER TO dba');
$node->safe_psql('a', q{SELECT workflow.start('busy') FROM generate_series(1, 3)});
wait_for_endless($node, 'a');
my @as_dba = (extra_params => [ '-U', 'dba' ], timeout => 60);
$node->safe_psql('postgres', 'CREATE DATABASE b TEMPLATE a', @as_dba);
wait_for_endless($node, 'a');
# the copy has executions that run: it goes on with them, its own way
wait_for_endless($node, 'b');
$node->safe_psql('postgres', 'ALTER DATABASE b RENAME TO c', @as_dba);
wait_for_endless($node, 'c');
$node->safe_psql('c', q{SELECT workflow.cancel(id) FROM workflow.executions WHERE status IN ('pending', 'running')});
ok($node->poll_query_until('c', q{SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running', 'cancelling')}),
	'cancelled in the copy');
works('c', 'a renamed copy works');
ok($node->safe_psql('a', q{SELECT count(*) > 0 FROM workflow.executions WHERE status = 'running'}), 'the template goes on');
$node->safe_psql('postgres', 'DROP DATABASE a', @as_dba);
$node->safe_psql('postgres', 'DROP DATABASE c WITH (FORCE)');
$node->safe_psql('postgres', 'DROP DATABASE owned');
ok(wait_for_schedulers($node, ''), 'DROP DATABASE ends all');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor'}), 0, 'executors, too');

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
