# What executions and steps come to, in the server's log: workflow.log_events
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('log_events');
install_extension($node, 'postgres');

# The lines about workflows since the offset, without what differs from run to run.
sub logged
{
	my ($offset) = @_;
	my @kept;
	my $ours = 0;
	foreach (split /\n/, slurp_file($node->logfile, $offset))
	{
		next if !/(?:LOG|ERROR|FATAL|DETAIL|HINT|CONTEXT|STATEMENT):  /;
		$ours = /LOG:  workflow "/ if /(?:LOG|ERROR|FATAL):  /;
		next if !$ours;
		s/^.*?(?=(?:LOG|DETAIL|HINT|CONTEXT):)//;
		s/execution \d+/execution N/;
		s/Duration: [\d.]+ ms/Duration: T/;
		push @kept, $_;
	}
	return join("\n", @kept);
}

sub offset
{
	return -s $node->logfile;
}

# Run with the setting in one way or another; what was logged.  The end of an execution is
# logged after its commit, maybe after wait() has returned: a line of ours behind it says when.
sub run_with
{
	my ($level, $mode, $workflow, $wanted) = @_;
	my $offset = offset();
	$node->safe_psql('postgres', "ALTER SYSTEM SET workflow.log_events = '$level'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('workflow.log_events') = '$level'") or die;
	# executors read it between transactions; new ones have it from the beginning
	$node->safe_psql('postgres', 'SELECT workflow.recycle_executor(pid) FROM workflow.executors');
	$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM workflow.executors') or die 'executors stay';
	$offset = offset();
	if ($mode eq 'execute')
	{
		$node->psql('postgres', "SELECT workflow.execute('$workflow')");
	}
	else
	{
		$node->safe_psql('postgres', ($mode eq 'off' ? "SELECT workflow.start('$workflow', parallel => false)" : "SELECT workflow.start('$workflow')")
			  . ' AS id \gset' . "\nSELECT status FROM workflow.wait(:id);");
	}
	$node->wait_for_log($wanted, $offset) if defined $wanted;
	return logged($offset);
}

$node->safe_psql('postgres', q{SELECT workflow.define($${"name": "mixed", "steps": [
	{"id": "first", "sql": "SELECT 1"},
	{"id": "offers", "type": "parallel", "min_success": 1, "max_parallelism": 1, "parallel_steps": [
		{"id": "dhl", "sql": "SELECT 1"},
		{"id": "ups", "sql": "SELECT 1 / 0"},
		{"id": "post", "type": "set", "output": 1, "when": "false"}]},
	{"id": "each", "type": "loop", "collection": [1, 2], "loop_body": [{"id": "one", "sql": "SELECT 1"}]}]}$$)});
$node->safe_psql('postgres', q{SELECT workflow.define($${"name": "bad", "steps": [
	{"id": "insert", "sql": "SELECT 1"}, {"id": "fails", "sql": "DO $x$ BEGIN RAISE EXCEPTION 'no stock' USING DETAIL = 'of screws', HINT = 'buy some', ERRCODE = 'U0001'; END $x$"}]}$$)});

my $failure = qq{LOG:  workflow "mixed", execution N: step "ups" failed: division by zero
DETAIL:  Type sql, scope "offers.ups", attempt 1. Duration: T. Error type 22012.};
my $phases = qq{LOG:  workflow "mixed", execution N: phase "offers" completed: 1 of 2 steps failed (policy: n_of_m, 1 needed): ups; 1 skipped
DETAIL:  Type parallel, attempt 1. Children: 1 of 3 completed, 1 failed, 1 skipped. Duration: T. ups: division by zero
LOG:  workflow "mixed", execution N: phase "each" completed
DETAIL:  Type loop, attempt 1. Children: 2 of 2 completed, 0 failed, 0 skipped. Duration: T.
LOG:  workflow "mixed", execution N completed
DETAIL:  Status completed. Duration: T.};

foreach my $mode ('workers', 'off', 'execute')
{
	is(run_with('off', $mode, 'mixed'), '', "$mode: off");
	my $failures = run_with('failures', $mode, 'mixed', qr/step "ups" failed/);
	is($failures =~ s/\nCONTEXT:.*//gr, $failure, "$mode: failures");
	my $summaries = run_with('summaries', $mode, 'mixed', qr/execution \d+ completed/);
	is($summaries =~ s/\nCONTEXT:.*//gr, "$failure\n$phases", "$mode: summaries");
	my $debug = run_with('debug', $mode, 'mixed', qr/execution \d+ completed/);
	like($debug, qr/step "first" completed/, "$mode: debug has steps that completed");
	like($debug, qr/step "post" skipped/, "$mode: and those that were skipped");
	like($debug, qr/\Q$failure\E/, "$mode: and the others");
}

# a failed execution, with what its error says
my $bad = run_with('failures', 'workers', 'bad', qr/execution \d+ failed/);
like($bad, qr/LOG:  workflow "bad", execution N: step "fails" failed: no stock\nDETAIL:  Type sql, attempt 1\. Duration: T\. Error type U0001\. of screws\nHINT:  buy some\nCONTEXT:  /, 'step');
like($bad, qr/LOG:  workflow "bad", execution N failed: no stock\nDETAIL:  Status failed\. Duration: T\. Error type U0001\. of screws\nHINT:  buy some/, 'execution');
unlike($bad, qr/step "insert"/, 'no step that completed');

# behind compensations and an on_failure chain it ends with the error it had before them
$node->safe_psql('postgres', q{SELECT workflow.define($${"name": "undone", "on_failure": [{"id": "tell", "sql": "SELECT 1"}], "steps": [
	{"id": "insert", "sql": "SELECT 1", "compensate": {"id": "delete", "sql": "SELECT 1"}}, {"id": "fails", "sql": "SELECT 1 / 0"}]}$$)});
foreach my $mode ('workers', 'off')
{
	like(run_with('failures', $mode, 'undone', qr/execution \d+ failed/),
		qr/LOG:  workflow "undone", execution N failed: division by zero\nDETAIL:  Status failed\. Duration: T\. Error type 22012\./, "$mode: behind an epilogue");
}

# what is rolled back is not logged: execute() raises the error
is(run_with('debug', 'execute', 'bad'), '', 'rolled back: not logged');
my $offset = offset();
$node->safe_psql('postgres', q{BEGIN; SAVEPOINT s; SELECT workflow.execute('mixed'); ROLLBACK TO s; COMMIT});
is(logged($offset), '', 'nor is a savepoint');
$offset = offset();
$node->safe_psql('postgres', q{BEGIN; SAVEPOINT s; SELECT workflow.execute('mixed'); RELEASE s; COMMIT});
like(logged($offset), qr/execution N completed/, 'released: logged');

# behind the commit nothing may fail: not for characters that the client has not, nor for the size
$node->safe_psql('postgres', q{SELECT workflow.define($${"name": "日本", "steps": [
	{"id": "long", "sql": "DO $x$ BEGIN RAISE EXCEPTION '%', repeat('日本', 1000000) USING DETAIL = repeat('d', 1000000); END $x$", "on_failure": "ignore"}]}$$)});
$offset = offset();
$node->safe_psql('postgres', q{SET client_encoding = 'LATIN1'; SET client_min_messages = 'log';
	SELECT workflow.execute(name) IS NULL FROM workflow.definitions WHERE name LIKE '%' || chr(26412)});
like(logged($offset), qr/workflow "日本", execution N: step "long" failed: (?:日本){100,170}(?:日)? \.\.\.\nDETAIL:  .* d{500,1000} \.\.\.\n/, 'clipped, and for the server only');

# ends that the scheduler writes
$node->safe_psql('postgres', q{SELECT workflow.define('{"name": "sleeps", "steps": [{"id": "a", "sql": "SELECT pg_sleep(600)"}]}')});
$offset = offset();
my $id = $node->safe_psql('postgres', q{SELECT workflow.start('sleeps')});
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id") or die;
$node->safe_psql('postgres', "SELECT workflow.cancel($id); SELECT status FROM workflow.wait($id)");
ok($node->wait_for_log(qr/workflow "sleeps", execution $id cancelled/, $offset), 'cancelled');

# and one that a session writes: nobody has claimed what it cancels
$id = $node->safe_psql('postgres', q{SELECT workflow.start('sleeps', start_at => now() + interval '1 day')});
$node->safe_psql('postgres', "SELECT workflow.cancel($id)");
like(slurp_file($node->logfile, $offset), qr/workflow "sleeps", execution $id cancelled\n[^\n]*DETAIL:  Status cancelled\. Error type Cancelled\./, 'cancelled by a session');

# containers that are open then: whoever closes them, each has its line, ahead of the execution's
$node->safe_psql('postgres', q{SELECT workflow.define('{"name": "opened", "steps": [
	{"id": "both", "type": "parallel", "parallel_steps": [
		{"id": "each", "type": "loop", "collection": ["x"], "label": "item ${loop.item}", "loop_body": [
			{"id": "inner", "type": "parallel", "parallel_steps": [{"id": "a", "sql": "SELECT pg_sleep(600)"}]}]}]}]}')});
my @closed = ('phase "both"', 'step "each"', 'step "inner"');
foreach my $mode ('workers', 'off')
{
	$offset = offset();
	$id = $node->safe_psql('postgres', "SELECT workflow.start('opened', parallel => " . ($mode eq 'workers' ? 'true' : 'false') . ')');
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND wait_event = 'PgSleep'") or die;
	$node->safe_psql('postgres', "SELECT workflow.cancel($id); SELECT status FROM workflow.wait($id)");
	$node->wait_for_log(qr/workflow "opened", execution $id cancelled/, $offset);
	my $log = slurp_file($node->logfile, $offset);
	foreach my $step (@closed)
	{
		like($log, qr/workflow "opened", execution $id: $step cancelled[^\n]*\n[^\n]*DETAIL:  Type \w+, .*workflow "opened", execution $id cancelled/s, "$mode: $step");
		is(scalar(() = $log =~ /execution $id: $step cancelled/g), 1, "$mode: once");
	}
	like($log, qr/execution $id: step "inner" cancelled[^\n]*\n[^\n]*scope "both\.each\/each\[0\]" \(item x\)/, "$mode: with the iteration's label");
}
# execute() fails as a whole when its session is cancelled, and its steps with it
$offset = offset();
$node->psql('postgres', q{SET statement_timeout = '1s'; SELECT workflow.execute('opened')});
is(logged($offset), '', 'execute: rolled back, not logged');

# closed by an executor: children of another thread, when their block is decided
$node->safe_psql('postgres', q{SELECT workflow.define('{"name": "decided", "steps": [
	{"id": "race", "type": "fork_join", "join_policy": "any", "on_join": "cancel", "branches": {
		"slow": [{"id": "held", "type": "parallel", "parallel_steps": [{"id": "b", "sql": "SELECT pg_sleep(600)"}]}],
		"quick": [{"id": "c", "sql": "SELECT pg_advisory_lock(4711), pg_advisory_unlock(4711)"}]}}]}')});
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(4711)');
$offset = offset();
$id = $node->safe_psql('postgres', q{SELECT workflow.start('decided')});
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND wait_event = 'PgSleep'") or die;
$holder->query_safe('SELECT pg_advisory_unlock(4711)');
$node->wait_for_log(qr/workflow "decided", execution $id completed/, $offset);
like(slurp_file($node->logfile, $offset), qr/execution $id: step "held" cancelled\n/, 'a child that was stopped');
$holder->quit;

$node->stop;
done_testing();
