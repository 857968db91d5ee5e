# Executors that are sent home, one by one or all, and what is told of them.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use StuckTest;
use WorkflowTest;

my $node = workflow_cluster('drain', 'workflow.cancel_grace = 1h', 'workflow.max_executors = 1');

sub query { return $node->safe_psql('postgres', $_[0]); }

sub completes
{
	my ($id, $what) = @_;

	is(query("SELECT status FROM workflow.wait($id, '60 s')"), 'completed', $what);
	return;
}

# A chain whose step s2 goes on when a file exists; its execution and its executor.
sub start_held
{
	my ($file) = @_;
	my $id = query("SELECT workflow.start('held', '{\"file\": \"$file\"}')");

	wait_for_spin($node, $id);
	return ($id, query("SELECT executor_pid FROM workflow.activity WHERE execution_id = $id"));
}

sub set
{
	my (%settings) = @_;

	query("ALTER SYSTEM SET $_ = '$settings{$_}'") for sort keys %settings;
	query('SELECT pg_reload_conf()');
	return;
}

# The last entry of a process, once it has ended.
sub history
{
	my ($pid, $columns) = @_;

	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM workflow.executor_history WHERE pid = $pid AND ended_at IS NOT NULL")
	  or die "no entry of $pid";
	return query("SELECT $columns FROM workflow.executor_history WHERE pid = $pid");
}

install_stubborn($node);
query(q{SELECT workflow.define('{"name": "held", "steps": [
	{"id": "s1", "sql": "SELECT 1"},
	{"id": "s2", "sql": "SELECT spin(input.file)", "input_mapping": {"file": "${workflow.input.file}"}},
	{"id": "s3", "sql": "SELECT 3"}]}')});

# --- drain_executor ---

my ($id, $pid) = start_held('one');
query("BEGIN; SELECT workflow.drain_executor($pid); ROLLBACK");
query("BEGIN; SAVEPOINT s; SELECT workflow.drain_executor($pid); ROLLBACK TO s; COMMIT");
is(query("SELECT state FROM workflow.executors WHERE pid = $pid"), 'busy', 'what is rolled back was not asked');
is(query("BEGIN; SAVEPOINT s; SELECT workflow.drain_executor($pid, 'new library'); RELEASE s; COMMIT"), 't', 'asked to leave');
ok($node->poll_query_until('postgres', "SELECT state = 'draining' FROM workflow.executors WHERE pid = $pid"), 'it is draining');
is(query("SELECT workflow.drain_executor($pid, 'again')"), 't', 'asking twice is no mistake');
let_spin('one');
completes($id, 'the execution goes on');
is( query("SELECT string_agg(step_id || ' ' || (executor_pid = $pid), ', ' ORDER BY step_id) FROM workflow.step_executions WHERE execution_id = $id"),
	's1 true, s2 true, s3 false', 'it has finished its step and no more');
is( history($pid, q{reason, requested_by, request_reason, steps, runs, draining_since < ended_at, started_at < draining_since, peak_memory > 0}),
	'drain|postgres|again|2|1|t|t|t', 'its history');
is( query("SELECT string_agg(action || ' ' || role || ' ' || coalesce(reason, '-') || ' ' || (before ->> 'state') || ' ' || (after ->> 'state'), ', ' ORDER BY id) FROM workflow.audit_log
	WHERE subject_type = 'executor' AND subject = '$pid'"),
	'drain_executor postgres new library busy draining, drain_executor postgres again draining draining', 'its audit');

# --- who may ---

query(q{CREATE ROLE alice LOGIN; SELECT workflow.grant_usage('alice'); GRANT CREATE ON SCHEMA public TO alice; GRANT pg_read_all_stats TO alice});
($id, $pid) = start_held('two');
my ($status, $stdout, $stderr) = $node->psql('postgres', "SET ROLE alice; SELECT workflow.drain_executor($pid)");
like($stderr, qr/permission denied for workflow executor with PID $pid/, 'another role must not');
($status, $stdout, $stderr) = $node->psql('postgres', 'SELECT workflow.drain_executor(pg_backend_pid())');
is($stdout, 'f', 'a session is no executor');
like($stderr, qr/PID \d+ is not a workflow executor/, 'the warning says so');
for my $call ('drain()', 'undrain()')
{
	($status, $stdout, $stderr) = $node->psql('postgres', "SET ROLE alice; SELECT workflow.$call");
	like($stderr, qr/permission denied for function/, "$call is not for everybody");
}

# --- recycle_executor ---

my $short = query("SELECT workflow.start('short')");
is(query("SELECT workflow.recycle_executor($pid, 'leaks')"), 't', 'recycled');
completes($short, 'its successor starts at once, although there may be only one');
is(query("SELECT status FROM workflow.executions WHERE id = $id"), 'running', 'while it finishes its step');
is(query("SELECT state FROM workflow.executors WHERE pid = $pid"), 'draining', 'as it should');
let_spin('two');
completes($id, 'the execution goes on');
is(history($pid, 'reason, request_reason, stuck_at IS NULL'), 'recycle|leaks|t', 'its history');

query(q{SELECT workflow.define('{"name": "limited", "steps": [{"id": "s2", "sql": "SELECT swallow()", "timeout_seconds": 1}]}')});
$id = query("SELECT workflow.start('limited')");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND elapsed > '1.5 s'"),
	'a step swallows its timeout');
$pid = query("SELECT executor_pid FROM workflow.activity WHERE execution_id = $id");
query("SELECT workflow.recycle_executor($pid)");
is(query("SELECT status, error_type FROM workflow.wait($id, '60 s')"), 'failed|ExecutionStuck', 'recycling does not wait for its grace');
is(history($pid, 'reason, stuck_at IS NOT NULL, step_id'), 'stuck|t|s2', 'its history');

# --- why others leave ---

sub executor_of
{
	my $short = run_execution($node, 'postgres', 'short');

	return query("SELECT executor_pid FROM workflow.step_executions WHERE execution_id = $short");
}

$pid = executor_of();
query("SELECT pg_terminate_backend($pid)");
is(history($pid, 'reason, requested_by IS NULL'), 'died|t', 'terminated');
set('workflow.executor_max_runs' => 1);
is(history(executor_of(), 'reason, runs'), 'runs|1', 'after many runs');
set('workflow.executor_max_runs' => 0, 'workflow.executor_max_memory' => '1kB');
is(history(executor_of(), 'reason'), 'memory', 'too large');
set('workflow.executor_max_memory' => 0, 'workflow.executor_max_age' => '1s');
is(history(executor_of(), "reason, ended_at - started_at >= '1 s'"), 'age|t', 'too old, although idle');
set('workflow.executor_max_age' => 0, 'workflow.executor_idle_timeout' => '100ms');
is(history(executor_of(), 'reason'), 'idle', 'without work');
set('workflow.executor_idle_timeout' => 0);

# --- the database: no further execution ---

($id, $pid) = start_held('three');
query("SELECT workflow.drain('upgrade')");
is(query('SELECT mode, drained_by, reason, drained, executors, running FROM workflow.drain_status'),
	'executions|postgres|upgrade|f|1|1', 'an execution is under way');
$short = query("SELECT workflow.start('short', priority => 100)");
let_spin('three');
completes($id, 'it comes to its end');
ok($node->poll_query_until('postgres', 'SELECT workflow.drained()'), 'the database is drained');
is(query("SELECT status FROM workflow.executions WHERE id = $short"), 'pending', 'nothing has begun since');
$node->stop('immediate');
$node->start;
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'"),
	'after a crash');
ok($node->poll_query_until('postgres', 'SELECT workflow.drained()'), 'it still is');
my $other = query("SELECT workflow.start('short')");
query('SELECT workflow.undrain()');
completes($short, 'undrained: what had waited runs');
completes($other, 'and what was started then');
is(query('SELECT workflow.drained(), count(*) FROM workflow.drain_status'), 'f|0', 'nothing is drained');
query('SELECT workflow.undrain()');
is(query("SELECT string_agg(action || ' ' || coalesce(reason, '-'), ', ' ORDER BY id) FROM workflow.audit_log WHERE subject_type = 'database'"),
	'drain upgrade, undrain -', 'the audit log knows; asking twice changes nothing');

# --- the database: no further step ---

($id, $pid) = start_held('four');
query("SELECT workflow.drain(mode => 'steps')");
$short = query("SELECT workflow.start('short')");
is(query('SELECT workflow.drained()'), 'f', 'a step runs');
let_spin('four');
ok($node->poll_query_until('postgres', 'SELECT workflow.drained()'), 'drained behind it');
is( query("SELECT e.status, (SELECT count(*) FROM workflow.step_executions WHERE execution_id = e.id) FROM workflow.executions AS e WHERE id = $id"),
	'running|2', 'the execution has stopped there');
is(history($pid, 'reason, requested_by, request_reason IS NULL'), 'drain|postgres|t', 'its executor has left');
ok($node->poll_query_until('postgres', 'SELECT executors = 0 FROM workflow.drain_status'), 'so have all');
query("SELECT workflow.cancel($short)");
$node->stop('immediate');
$node->start;
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'"),
	'after a crash');
ok($node->poll_query_until('postgres', 'SELECT workflow.drained()'), 'it still is');
is(query("SELECT status FROM workflow.executions WHERE id = $id"), 'running', 'and the execution waits');
query('SELECT workflow.undrain()');
completes($id, 'undrained: it goes on');
is(query("SELECT count(*), max(attempt) FROM workflow.step_executions WHERE execution_id = $id"), '3|1', 'each step ran once');

# --- what a restore brings ---

query(q{COPY workflow.database_state (drain, drained_by) FROM stdin;
executions	postgres
\\.
});
ok($node->poll_query_until('postgres', 'SELECT workflow.drained()'), 'a row that is loaded holds as if drain() had been called');
$short = query("SELECT workflow.start('short')");
is(query("SELECT reason FROM workflow.why($short) LIMIT 1"), 'drained', 'nothing is begun');
query('TRUNCATE workflow.database_state');
completes($short, 'until it is gone');

($status, $stdout, $stderr) = $node->psql('postgres', "SELECT workflow.drain(mode => 'all')");
like($stderr, qr/invalid mode "all"/, 'there are two modes');

$node->stop;
done_testing();
