# pg_dump and restore: definitions, agents, history and sequences come back, new
# executions work, and what was under way goes on when it is let.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('dump', 'workflow.max_executors = 4', 'workflow.short_wait = 0');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';

$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN;
	CREATE ROLE gone LOGIN;
	CREATE DATABASE source;
	CREATE DATABASE target;
	CREATE DATABASE paused});
$node->safe_psql('source', q{
	CREATE EXTENSION pg_workflow;
	SELECT workflow.grant_usage('alice'), workflow.grant_usage('gone');
	CREATE TABLE effects (step text);
	GRANT INSERT ON effects TO alice, gone;
	CREATE FUNCTION agent(jsonb) RETURNS jsonb LANGUAGE sql RETURN '"from the agent"'::jsonb;
	SELECT workflow.register_agent('agent', function => 'agent(jsonb)');
	SELECT workflow.register_agent('adder', sql => 'SELECT 1 + input.x::int AS y')});
$node->safe_psql('source', q{SET ROLE alice; SELECT workflow.define('{"name": "w", "version": "1", "steps": [
	{"id": "a", "type": "sql", "sql": "INSERT INTO effects VALUES (''a'')"},
	{"id": "b", "type": "agent", "agent_name": "agent"},
	{"id": "lock", "type": "sql", "sql": "SELECT pg_advisory_xact_lock_shared(1)"},
	{"id": "c", "type": "sql", "sql": "INSERT INTO effects VALUES (''c'')"}]}')});
$node->safe_psql('source', q{SET ROLE alice; SELECT workflow.define('{"name": "w", "version": "2", "steps": [
	{"id": "a", "type": "agent", "agent_name": "adder", "input_mapping": {"x": "${workflow.input.x}"}}]}')});

$node->safe_psql('source', q{SET ROLE alice; SELECT workflow.define('{"name": "waits", "steps": [{"id": "h", "sql": "SELECT 1 / $1::int",
	"params": ["${workflow.input.n}"], "retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000}}]}')});

# History, a role that is gone, something under way, something to come.
my $done = $node->safe_psql('source', q{SET ROLE alice; SELECT workflow.start('w', '{"x": 1, "n": 12345678901234567890.123}')});
my $orphan = $node->safe_psql('source', q{SET ROLE gone; SELECT workflow.start('w', '{"x": 1}', idempotency_key => 'k')});
$node->safe_psql('source', "SELECT workflow.wait($done, '60 s'), workflow.wait($orphan, '60 s')");
$node->safe_psql('source', 'DROP OWNED BY gone');
$node->safe_psql('postgres', 'DROP ROLE gone');
my $session;

# An execution that waits for the session in its third step.
sub start_busy
{
	$session = $node->background_psql('source');
	$session->query_safe('SELECT pg_advisory_lock(1)');
	my $busy = $node->safe_psql('source', q{SET ROLE alice; SELECT workflow.start('w', version => 1)});
	$node->poll_query_until('source', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
	  or die 'the step does not run';
	return $busy;
}
my $running = start_busy();
my $later = $node->safe_psql('source', q{SET ROLE alice; SELECT workflow.start('w', '{"x": 5}', start_at => 'infinity', idempotency_key => 'later')});

# What waits does so in a table: until somebody lets it, and for its retry.
my $held = $node->safe_psql('source', q{SET ROLE alice; BEGIN;
	SELECT workflow.start('waits', '{"n": 1}');
	DO $$ BEGIN PERFORM workflow.hold_step(max(id), 'h') FROM workflow.executions; END $$;
	COMMIT});
my $retried = $node->safe_psql('source', q{SET ROLE alice; SELECT workflow.start('waits', '{"n": 0}')});
$node->poll_query_until('source', qq{SELECT count(*) = 2 FROM workflow.executions WHERE id IN ($held, $retried) AND status = 'waiting'})
  or die 'they do not wait';

# What must be the same afterwards.
sub contents
{
	my ($database) = @_;

	return join "\n", map { $node->safe_psql($database, $_) }
	  'SELECT name, version, label, status, owner, definition FROM workflow.definitions ORDER BY id',
	  'SELECT name, kind, function, sql, owner FROM workflow.agents ORDER BY name',
	  "SELECT id, workflow, version, status, role, input, output, idempotency_key, start_at FROM workflow.executions
		WHERE id <> $running ORDER BY id",
	  "SELECT * FROM workflow.step_executions WHERE execution_id <> $running ORDER BY execution_id, started_at",
	  'SELECT * FROM workflow.waits ORDER BY execution_id';
}
my $before = contents('source');

# How a service behaves here and now says nothing about another database.
$node->safe_psql('source', q{INSERT INTO workflow.breakers (agent, role, state, opened_at, half_open_at)
	VALUES ('agent', 'alice', 'open', now(), 'infinity')});

foreach my $format ('plain', 'custom')
{
	my $target = $format eq 'plain' ? 'target' : 'paused';

	# Nothing is to move while rows are loaded.
	$node->safe_psql('postgres', "ALTER DATABASE $target SET workflow.enabled = off");
	command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-F', $format, '-f', "$dump.$format", 'source' ], "pg_dump, $format");
	if ($format eq 'plain')
	{
		command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-d', $target, '-f', "$dump.$format" ],
			'psql');
	}
	else
	{
		command_ok([ 'pg_restore', '-e', '-j', '2', '-h', $node->host, '-p', $node->port, '-d', $target, "$dump.$format" ], 'pg_restore');
	}
	is(contents($target), $before, "$format: the same definitions, agents, executions and steps");
	is($node->safe_psql($target, 'SELECT count(*) FROM workflow.breakers'), 0, 'but no circuit breakers');
}
$session->quit;

# --- what was under way ---

is($node->safe_psql('paused', "SELECT status FROM workflow.executions WHERE id = $running"), 'running',
	'workflow.enabled = off: nothing moves');
is($node->safe_psql('paused', 'SELECT count(*) FROM effects'), 1, 'no step was run');
ok(wait_for_status($node, 'source', $running, 'completed'), 'it completes in the source');
# the time of one has come before anybody looks
$node->safe_psql('target', "UPDATE workflow.waits SET until = now() - interval '1 hour' WHERE execution_id = $retried;
	UPDATE workflow.step_executions SET retry_at = now() - interval '1 hour' WHERE execution_id = $retried");
$node->safe_psql('postgres', 'ALTER DATABASE target RESET workflow.enabled');
my $new = run_execution($node, 'target', 'w', 'alice');
cmp_ok($new, '>', $later, 'new executions get new numbers');
is($node->safe_psql('target', "SELECT status FROM workflow.executions WHERE id = $new"), 'failed', 'they run: this one lacks its input');
$new = $node->safe_psql('target', q{SET ROLE alice; SELECT workflow.start('w', '{"x": 41}')});
$node->safe_psql('target', "SELECT FROM workflow.wait($new, '60 s')");
is($node->safe_psql('target', "SELECT status, output FROM workflow.executions WHERE id = $new"), 'completed|{"y": 42}', 'a new execution completes');
ok(wait_for_status($node, 'target', $running, 'completed'), 'what was under way goes on in the copy');
is($node->safe_psql('target', q{SELECT string_agg(step, ' ' ORDER BY step) FROM effects}), 'a c', 'from where it was');
is($node->safe_psql('target', q{SET ROLE alice; SELECT workflow.start('w', '{}', idempotency_key => 'later')}), $later, 'idempotency keys hold');
is($node->safe_psql('target', q{SET ROLE alice; SELECT workflow.define('{"name": "w", "version": "3", "steps": [{"id": "a", "type": "set", "output": 3}]}')}),
	3, 'the next version is the next version');
is($node->safe_psql('target', "SELECT count(*) FROM workflow.execution_status WHERE execution_id = $orphan"), 1, 'an execution of a dropped role is there');

ok(wait_for_status($node, 'target', $retried, 'failed'), 'what waited for its retry is tried again');
is($node->safe_psql('target', "SELECT count(*) FROM workflow.step_executions WHERE execution_id = $retried"), 2, 'once');
is($node->safe_psql('target', "SELECT status FROM workflow.executions WHERE id = $held"), 'waiting', 'what is held waits');
$node->safe_psql('target', "SELECT workflow.release_step($held, 'h')");
ok(wait_for_status($node, 'target', $held, 'completed'), 'until it is released');
is($node->safe_psql('target', 'SELECT count(*) FROM workflow.waits'), 0, 'and nothing waits any more');

# --- let go ---

$node->safe_psql('postgres', 'ALTER DATABASE paused RESET ALL');
ok(wait_for_status($node, 'paused', $running, 'completed'), 'the paused one goes on when it may');

# --- the switch in a database that works ---

my $id = start_busy();
$node->safe_psql('postgres', 'ALTER DATABASE source SET workflow.enabled = off');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'source' AND backend_type = 'pg_workflow executor'}), 0,
	'switched off: no executor is left');
$node->safe_psql('source', 'ALTER DATABASE source SET workflow.enabled = on');
ok($node->poll_query_until('source', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}),
	'switched on, from within: it goes on');
$session->quit;
ok(wait_for_status($node, 'source', $id, 'completed'), 'to its end');

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
