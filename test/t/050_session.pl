# What a step leaves in its session, what it cannot do, and what becomes of errors
# at odd places.  Everything runs in one executor, so that a leak would be seen.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use JSON::PP;
use WorkflowTest;

my $node = workflow_cluster('session', 'workflow.max_executors = 1', 'timezone = UTC');

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE t (i int PRIMARY KEY);
	CREATE SEQUENCE s;
});

sub execution
{
	my ($id, $what) = @_;
	return $node->safe_psql('postgres', "SELECT $what FROM workflow.executions WHERE id = $id");
}

# --- leaks: one step leaves something, the next one looks for it (A5) ---

my @leaks = (
	[ 'temporary table', 'CREATE TEMP TABLE leak AS SELECT 1 AS i', q{SELECT to_regclass('leak') IS NULL} ],
	[ 'temporary table in front of ours', 'CREATE TEMP TABLE step_executions (); CREATE TEMP TABLE executions ()',
		q{SELECT to_regclass('pg_temp.executions') IS NULL} ],
	[ 'temporary function', 'CREATE FUNCTION pg_temp.leak() RETURNS int LANGUAGE sql RETURN 1',
		q{SELECT to_regprocedure('pg_temp.leak()') IS NULL} ],
	[ 'SET', q{SET work_mem = '77kB'}, q{SELECT current_setting('work_mem') <> '77kB'} ],
	[ 'set_config', q{SELECT set_config('work_mem', '77kB', false)}, q{SELECT current_setting('work_mem') <> '77kB'} ],
	[ 'setting of its own', q{SET my.leak = 'x'}, q{SELECT coalesce(current_setting('my.leak', true), '') = ''} ],
	[ 'search_path', 'SET search_path = nowhere', q{SELECT current_setting('search_path') <> 'nowhere'} ],
	[ 'lock_timeout', 'SET lock_timeout = 1', q{SELECT current_setting('lock_timeout') = '0'} ],
	[ 'statement_timeout', 'SET statement_timeout = 1', q{SELECT current_setting('statement_timeout') = '0'} ],
	[ 'application_name', q{SET application_name = 'leak'}, q{SELECT current_setting('application_name') = 'pg_workflow executor'} ],
	[ 'read only', 'SET TRANSACTION READ ONLY', 'CREATE TEMP TABLE x (); SELECT true' ],
	[ 'read only for the session', 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', 'CREATE TEMP TABLE x (); SELECT true' ],
	[ 'isolation', 'SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE',
		q{SELECT current_setting('transaction_isolation') = 'read committed'} ],
	[ 'deferred constraints', 'SET CONSTRAINTS ALL DEFERRED', 'SELECT true' ],
	[ 'prepared statement', 'PREPARE leak AS SELECT 1', 'SELECT count(*) = 0 FROM pg_prepared_statements' ],
	[ 'session lock', 'SELECT pg_advisory_lock(77)', q{SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'} ],
	[ 'shared session lock', 'SELECT pg_advisory_lock_shared(78)', q{SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'} ],
	[ 'held cursor', 'DECLARE leak CURSOR WITH HOLD FOR SELECT 1', 'SELECT count(*) = 0 FROM pg_cursors' ],
	[ 'cursor', 'DECLARE leak CURSOR FOR SELECT 1', 'SELECT count(*) = 0 FROM pg_cursors' ],
	[ 'sequence', q{SELECT nextval('s')}, 'SELECT lastval()', qr/s2 failed 55000$/ ],
	[ 'random seed', 'SELECT setseed(0.5)', 'SELECT true' ],
	[ 'role', 'SET ROLE pg_monitor', 'SELECT current_user = session_user' ],
	[ 'replication role', 'SET session_replication_role = replica', q{SELECT current_setting('session_replication_role') = 'origin'} ]);
foreach my $transaction ('step', 'none')
{
	foreach my $leak (@leaks)
	{
		my ($name, $leave, $look, $expected) = @$leak;

		# only one statement can run without a transaction
		next if $transaction eq 'none' && ($leave =~ /;/ || $leave =~ /TRANSACTION READ ONLY|CONSTRAINTS|CURSOR FOR/);
		define_sql($node, 'postgres', 'leak', { sql => $leave, transaction => $transaction, result => 'none' }, $look);
		my $id = run_execution($node, 'postgres', 'leak');
		like(step_rows($node, 'postgres', $id), $expected // qr/s2 completed true$/, "$name does not leak, transaction $transaction")
		  or diag(execution($id, 'error'));
	}
}

# Steps without a transaction do not find what those before left, either.
define_sql($node, 'postgres', 'leak', 'CREATE TEMP TABLE leak AS SELECT 1; SELECT pg_advisory_lock(77)',
	{ sql => q{SELECT to_regclass('leak') IS NULL AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')},
		transaction => 'none' });
my $id = run_execution($node, 'postgres', 'leak');
like(step_rows($node, 'postgres', $id), qr/s2 completed true$/, 'nor into a step without a transaction');

# nor from one execution to the next, whether the step failed or not
foreach my $end ('SELECT 1', 'SELECT 1 / 0')
{
	define_sql($node, 'postgres', 'leave', "CREATE TEMP TABLE IF NOT EXISTS leak (); SET work_mem = '77kB'; SELECT pg_advisory_lock(77); $end");
	run_execution($node, 'postgres', 'leave');
	define_sql($node, 'postgres', 'look', q{SELECT to_regclass('leak') IS NULL AND current_setting('work_mem') <> '77kB'
		AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')});
	$id = run_execution($node, 'postgres', 'look');
	is(step_rows($node, 'postgres', $id), 's1 completed true', "nothing is left for the next execution: $end");
}
is($node->safe_psql('postgres', 'SELECT count(DISTINCT executor_pid) FROM workflow.step_executions'), 1,
	'all that in one executor');

# --- time ---

define_sql($node, 'postgres', 'now', 'SELECT now()', 'SELECT pg_sleep(0.01)', 'SELECT now()');
$id = run_execution($node, 'postgres', 'now');
is($node->safe_psql('postgres', qq{SELECT count(DISTINCT output) FROM workflow.step_executions
	WHERE execution_id = $id AND step_id IN ('s1', 's3')}), 2, 'now() is the time of the step');
define_sql($node, 'postgres', 'slow', { sql => 'SELECT pg_sleep(3600)', settings => { statement_timeout => '10ms' }, on_failure => 'ignore' },
	{ sql => 'SELECT pg_sleep(3600)', transaction => 'none', settings => { statement_timeout => '10ms' }, on_failure => 'ignore' },
	'SELECT pg_sleep(0.05)');
$id = run_execution($node, 'postgres', 'slow');
is(step_rows($node, 'postgres', $id), "s1 failed 57014\ns2 failed 57014\ns3 completed ", 'statement_timeout holds, for its step');
define_sql($node, 'postgres', 'slow', { sql => 'SELECT pg_sleep(3600)', timeout_seconds => 1, on_failure => 'ignore' },
	{ sql => 'SELECT pg_sleep(3600)', transaction => 'none', timeout_seconds => 1, on_failure => 'ignore' }, 'SELECT 3');
$id = run_execution($node, 'postgres', 'slow');
is(step_rows($node, 'postgres', $id), "s1 timed_out Timeout\ns2 timed_out Timeout\ns3 completed 3", 'so does timeout_seconds');

# --- errors at COMMIT ---

$node->safe_psql('postgres', q{
	CREATE TABLE late (i int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE log (what text)});
my $late = q{INSERT INTO log VALUES ('left behind'); INSERT INTO late VALUES (99)};
define_sql($node, 'postgres', 'late', $late, 'SELECT 2');
$id = run_execution($node, 'postgres', 'late');
is(step_rows($node, 'postgres', $id), 's1 failed 23503', 'a deferred constraint fails at COMMIT: so does the step');
is(execution($id, 'status, error_type'), 'failed|23503', 'and the execution');
like(execution($id, "error ->> 'message'"), qr/violates foreign key constraint "late_i_fkey"/, 'with the message');
is($node->safe_psql('postgres', 'SELECT count(*) FROM log'), 0, 'nothing of it is left');
define_sql($node, 'postgres', 'late', { sql => $late, on_failure => { default => 'instead' } },
	{ sql => 'SELECT input.x', input_mapping => { x => '${s1.output}' } }, { sql => $late, on_failure => 'ignore' }, 'SELECT 4');
$id = run_execution($node, 'postgres', 'late');
is(step_rows($node, 'postgres', $id), "s1 failed 23503\ns2 completed instead\ns3 failed 23503\ns4 completed 4",
	'on_failure applies to it');
# the last step: the end of the execution was in the same transaction
define_sql($node, 'postgres', 'late', 'SELECT 1', { sql => $late, on_failure => { default => 'instead' } });
$id = run_execution($node, 'postgres', 'late');
is(execution($id, 'status, output'), 'completed|"instead"', 'also when the execution was to end with it');
# in a loop, sequential and parallel, and before a fork
foreach my $mode ('sequential', 'parallel')
{
	$node->safe_psql('postgres', qq{SELECT workflow.define('{"name": "late_loop", "start_step": "items", "steps": {
		"items": {"type": "loop", "loop_config": {"collection": [1, 2, 3], "execution_mode": "$mode", "on_error": "continue",
			"loop_body": ["item"]}},
		"item": {"type": "sql", "sql": "INSERT INTO late SELECT 99 WHERE input.i::int = 2", "input_mapping": {"i": "\${loop.item}"}}}}')});
	$id = run_execution($node, 'postgres', 'late_loop');
	is(execution($id, "status, output ->> 'completed_count', output ->> 'failed_count', error_type"), 'completed|2|1|',
		"in an iteration of a $mode loop");
}
$node->safe_psql('postgres', q{SELECT workflow.define('{"name": "late_fork", "steps": [
	{"id": "first", "type": "sql", "sql": "INSERT INTO late VALUES (99)", "on_failure": "ignore"},
	{"id": "fork", "type": "parallel", "parallel_steps": [
		{"id": "a", "type": "sql", "sql": "SELECT 1"}, {"id": "b", "type": "sql", "sql": "SELECT 2"}]}]}')});
$id = run_execution($node, 'postgres', 'late_fork');
is(execution($id, 'status'), 'completed', 'before a fork');

# a serialization failure, a lock that is not to be had
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE t');
define_sql($node, 'postgres', 'locked', { sql => 'SELECT count(*) FROM t', settings => { lock_timeout => '10ms' }, on_failure => 'ignore' }, 'SELECT 2');
$id = run_execution($node, 'postgres', 'locked');
is(step_rows($node, 'postgres', $id), "s1 failed 55P03\ns2 completed 2", 'lock_timeout');
$session->query_safe('ROLLBACK');

# --- transactions ---

define_sql($node, 'postgres', 'commits', map { { sql => $_, on_failure => 'ignore' } }
	  'DO $$ BEGIN COMMIT; END $$', 'DO $$ BEGIN ROLLBACK; END $$', q{DO $$ BEGIN EXECUTE 'COMMIT'; END $$},
	q{DO $$ BEGIN EXECUTE 'VACUUM t'; END $$}, q{DO $$ BEGIN EXECUTE 'CREATE INDEX CONCURRENTLY t_i ON t (i)'; END $$},
	q{DO $$ BEGIN EXECUTE 'LISTEN x'; END $$}, 'SELECT 7');
$id = run_execution($node, 'postgres', 'commits');
is(step_rows($node, 'postgres', $id), join("\n", 's1 failed 2D000', 's2 failed 2D000', 's3 failed 0A000', 's4 failed 25001',
		's5 failed 25001', 's6 failed 0A000', 's7 completed 7'), 'what ends a transaction fails, and the next step runs');
foreach my $command ('BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT a', q{PREPARE TRANSACTION 'a'}, 'SELECT 1; COMMIT; SELECT 2')
{
	my ($result, $stdout, $stderr) = $node->psql('postgres', qq{SELECT workflow.define(jsonb_build_object('name', 'no', 'steps',
		jsonb_build_array(jsonb_build_object('id', 'a', 'type', 'sql', 'sql', \$s\$$command\$s\$))))});
	like($stderr, qr/step SQL cannot contain \w+/, "$command is refused by define()");
}
# what could never run is refused by define(), each with its place and its reason
foreach my $case (
	[ 'LISTEN x', {}, qr/step SQL cannot contain LISTEN \(position 1 in the SQL\) \(Use LISTEN in a session/ ],
	[ 'SELECT 1; COMMIT', {}, qr/step SQL cannot contain COMMIT \(position 11 in the SQL\) \(A step is one transaction/ ],
	(map { [ $_, {}, qr/ cannot run inside a transaction block \(Make it a step of its own with "transaction": "none"\.\)/ ] }
		  'VACUUM t', 'VACUUM', q{ALTER SYSTEM SET work_mem = '1MB'}, 'CREATE INDEX CONCURRENTLY ON t (i)', 'DROP INDEX CONCURRENTLY t_i',
		'CREATE DATABASE d', 'DROP DATABASE d', q{CREATE TABLESPACE s LOCATION '/nowhere'}, 'DROP TABLESPACE s', 'DISCARD ALL',
		'SELECT 1; VACUUM t'),
	[ 'VACUUM t; ANALYZE t', { transaction => 'none' }, qr/with "transaction": "none" cannot contain more than one statement \(Use a step for each/ ],
	[ 'SELECT $1', {}, qr/there is no parameter \$1 \(position 8 in the SQL\) \(Give its value in "params"\.\)/ ],
	[ 'SELECT $1 + (SELECT count(*) FROM t WHERE i = $3)', { params => [ 1, 2 ] }, qr/there is no parameter \$3 \(position 47 in the SQL\)/ ],
	[ 'SELECT 1, input.x', {}, qr/there is no value input\.x \(position 11 in the SQL\) \(Give the value in "input_mapping"\.\)/ ],
	[ 'DELETE FROM t WHERE i = (input.a.b)', {}, qr/there is no value input\.a/ ],
	[ 'INSERT INTO t SELECT $2', { params => [1] }, qr/there is no parameter \$2/ ],
	[ 'UPDATE t SET i = $1', {}, qr/there is no parameter \$1/ ],
	[ 'WITH a AS (DELETE FROM t WHERE i = $1 RETURNING *) SELECT FROM a', {}, qr/there is no parameter \$1/ ])
{
	my ($sql, $more, $message) = @$case;
	my ($result, $stdout, $stderr) = $node->psql('postgres', 'SELECT workflow.define($definition$'
		  . encode_json({ name => 'no', steps => [ { id => 'a', sql => $sql, %$more } ] }) . '$definition$)');
	like($stderr, qr/steps\[0\].sql: .*$message/, "refused: $sql");
}
foreach my $sql ('VACUUM t', 'LISTEN x', 'SELECT $1', 'COMMIT')
{
	my ($result, $stdout, $stderr) = $node->psql('postgres', "SELECT workflow.register_agent('no', sql => '$sql')");
	like($stderr, qr/SQL of agent "no" is not acceptable\nDETAIL:  .*\nHINT: /, "refused of an agent: $sql");
}
is($node->safe_psql('postgres', q{SELECT path, message FROM workflow.validate('{"name": "no", "steps": [{"id": "a", "type": "conditional",
	"condition": {"sql": "SELECT $1 > 0"}, "then": {"id": "b", "sql": "SELECT 1"}}]}')}),
	'steps[0].condition.sql|there is no parameter $1 (position 8 in the SQL)', 'refused of a condition');
foreach my $case ([ 'ANALYZE t' ], [ 'VACUUM t', transaction => 'none' ], [ q{ALTER SYSTEM SET work_mem = '1MB'}, transaction => 'none' ],
	[ 'SELECT $2 + $1', params => [ 1, 2 ] ], [ q{SELECT '$1', $$ $2 $$, input.i FROM t AS input (i)} ],
	[ 'SELECT input.x', input_mapping => { x => 1 } ], [ 'SELECT input.x', input_mapping => '${workflow.input}' ], [ 'SELECT input' ],
	[ 'WITH input AS (SELECT 1 AS x) SELECT input.x FROM input' ], [ 'SELECT input.x FROM (SELECT 1 AS x) AS input' ],
	[ 'SELECT (input).x FROM t' ],
	[ 'CREATE TABLE IF NOT EXISTS created AS SELECT 1 AS i' ], [ 'MERGE INTO t USING t AS s ON false WHEN MATCHED THEN DO NOTHING' ],
	[ 'UNLISTEN *' ], [ 'NOTIFY x' ], [ 'DISCARD PLANS' ])
{
	my ($sql, %more) = @$case;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM workflow.validate($definition$'
		  . encode_json({ name => 'no', steps => [ { id => 'a', sql => $sql, %more } ] }) . '$definition$)'), 0, "accepted: $sql");
}

$node->safe_psql('postgres', q{
	CREATE PROCEDURE commits(n int, fail boolean) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..n LOOP
			INSERT INTO log VALUES ('commit ' || i);
			COMMIT;
		END LOOP;
		SET work_mem = '77kB';
		PERFORM set_config('search_path', 'nowhere', false);
		COMMIT;
		IF fail THEN
			RAISE division_by_zero;
		END IF;
	END $$});
define_sql($node, 'postgres', 'outside', { sql => 'VACUUM t', transaction => 'none' },
	{ sql => 'CREATE INDEX CONCURRENTLY t_i ON t (i)', transaction => 'none' },
	{ sql => 'CALL commits(input.n, false)', transaction => 'none', result => 'none', input_mapping => { n => 3 } },
	q{SELECT current_setting('work_mem') <> '77kB' AND current_setting('search_path') <> 'nowhere'},
	{ sql => 'CALL commits(2, true)', transaction => 'none', result => 'none', on_failure => 'ignore' },
	q{SELECT current_setting('work_mem') <> '77kB' AND current_setting('search_path') <> 'nowhere'});
# not wait(): a statement that has begun with a snapshot when CREATE INDEX looks is in its way
$id = $node->safe_psql('postgres', q{SELECT workflow.start('outside')});
$node->poll_query_until('postgres', "SELECT status = 'completed' FROM workflow.executions WHERE id = $id")
  or fail('transaction: none ends');
is(step_rows($node, 'postgres', $id) =~ s/\{[^}]*\}/{}/gr, join("\n", 's1 completed null', 's2 completed null', 's3 completed {}',
		's4 completed true', 's5 failed 22012', 's6 completed true'), 'transaction: none')
  or diag(execution($id, 'error'));
is($node->safe_psql('postgres', q{SELECT count(*) FROM log}), 5, 'what it has committed stays');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_indexes WHERE indexname = 't_i'}), 1, 'the index is there');

# --- results ---

$node->append_conf('postgresql.conf', 'workflow.max_result_size = 64kB');
$node->reload;
$node->poll_query_until('postgres', 'SHOW workflow.max_result_size', '64kB')
  or die 'timed out';
define_sql($node, 'postgres', 'large', { sql => q{INSERT INTO log VALUES ('large'); SELECT repeat('x', 1000000)}, on_failure => 'ignore' },
	{ sql => q{INSERT INTO log SELECT 'none' FROM generate_series(1, 3) RETURNING repeat('x', 100000)}, result => 'none' });
$id = run_execution($node, 'postgres', 'large');
is(step_rows($node, 'postgres', $id) =~ s/\{.*//sr, "s1 failed 54000\ns2 completed ", 'a result that is too large');
is($node->safe_psql('postgres', q{SELECT string_agg(what, ' ') FROM log WHERE what IN ('large', 'none')}), 'none none none',
	'the step that failed has left nothing');

# --- agents that go ---

$node->safe_psql('postgres', q{
	CREATE FUNCTION agent(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN '"old"'; END $$;
	SELECT workflow.register_agent('agent', function => 'agent(jsonb)');
	SELECT workflow.define('{"name": "agent", "start_step": "a", "steps": {
		"a": {"type": "agent", "agent_name": "agent"}}}')});
my @agents = (
	[ 'as registered', 'SELECT 1', 'completed|"old"||' ],
	[ 'replaced', q{CREATE OR REPLACE FUNCTION agent(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN '"new"'; END $$}, 'completed|"new"||' ],
	[ 'dropped and made anew', q{DROP FUNCTION agent(jsonb); CREATE FUNCTION agent(jsonb) RETURNS jsonb LANGUAGE sql RETURN '"newer"'::jsonb}, 'completed|"newer"||' ],
	[ 'inactive', q{SELECT workflow.set_agent_status('agent', 'inactive')}, qr/^failed\|\|\w+\|.*agent.*inactive/ ],
	[ 'active again', q{SELECT workflow.set_agent_status('agent', 'active')}, 'completed|"newer"||' ],
	[ 'dropped', 'DROP FUNCTION agent(jsonb)', qr/^failed\|\|\w+\|.*agent.*does not exist/ ],
	[ 'of another type', q{CREATE FUNCTION agent(jsonb) RETURNS int LANGUAGE sql RETURN 1}, 'completed|1||' ],
	[ 'forgotten', q{SELECT workflow.drop_agent('agent')}, qr/^failed\|\|\w+\|.*agent.*"agent" does not exist/ ]);
foreach my $case (@agents)
{
	my ($name, $sql, $expected) = @$case;

	# in one transaction with the start: the executor must not see the old one
	$id = $node->safe_psql('postgres', qq{
		SET client_min_messages = error;
		BEGIN;
		$sql;
		SELECT 'id ' || workflow.start('agent');
		COMMIT}) =~ s/.*id //sr;
	$node->safe_psql('postgres', "SELECT FROM workflow.wait($id, '180 s')");
	my $got = execution($id, "status, output, error_type, error ->> 'message'");
	ref $expected ? like($got, $expected, "agent: $name") : is($got, $expected, "agent: $name");
}

# --- what would end the process ---

SKIP:
{
	skip 'no transaction_timeout before PostgreSQL 17', 5 if $node->pg_version < 17;
	define_sql($node, 'postgres', 'long', 'SELECT pg_sleep(1)');
	foreach my $how ('ROLE postgres SET', 'DATABASE postgres SET', 'SYSTEM SET')
	{
		$node->safe_psql('postgres', "ALTER $how transaction_timeout = '200ms'");
		$node->safe_psql('postgres', q{SET transaction_timeout = 0; SELECT pg_reload_conf(); SELECT workflow.start('long')}) =~ /(\d+)$/;
		$id = $1;
		$node->safe_psql('postgres', "SET transaction_timeout = 0; SELECT FROM workflow.wait($id, '180 s')");
		is(execution($id, 'status, recoveries'), 'completed|0', "ALTER $how transaction_timeout");
		$node->safe_psql('postgres', "ALTER $how transaction_timeout = 0; SELECT pg_reload_conf()");
	}
	define_sql($node, 'postgres', 'sets', q{SET LOCAL transaction_timeout = '200ms'});
	$id = run_execution($node, 'postgres', 'sets');
	is(execution($id, q{status, error ->> 'sqlstate', recoveries}), 'failed|0A000|0', 'SET transaction_timeout');
	is($node->safe_psql('postgres', q{SELECT workflow.execute('long') IS NOT NULL}), 't', 'execute() is as before');
}

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
