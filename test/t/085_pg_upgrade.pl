# pg_upgrade of a cluster with executions in every status: it creates every object by itself, in
# an order of its own; every row is there afterwards, and what was under way goes on, once.  The
# old cluster is one of the oldest PostgreSQL where that can be had (test/older.sh), otherwise one
# of the same version.  Its files are copied first, which leaves it as it is, and then linked.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my @settings = (
	"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'postgres'",
	'cron.use_background_workers = on', 'max_worker_processes = 30', 'workflow.max_executors = 8');
my $older = "$ENV{OUT}/older/server";
my $across = -e "$older/lib/pg_workflow.so";
diag(slurp_file("$ENV{OUT}/older.log")) unless $across;
my $old = PostgreSQL::Test::Cluster->new('old', $across ? (install_path => $older) : ());
$old->init(force_initdb => $across);
workflow_settings($old, @settings);
$old->start;

$old->safe_psql('postgres', q{
	CREATE EXTENSION pg_cron;
	CREATE ROLE early LOGIN;
	DROP ROLE early;
	CREATE ROLE alice LOGIN;
	CREATE ROLE leaver LOGIN;
	CREATE ROLE former LOGIN;
	CREATE DATABASE still;
	CREATE DATABASE busy});

# What the steps of executions have done, each time they did it.
foreach my $database ('still', 'busy')
{
	$old->safe_psql(
		$database, q{
		CREATE EXTENSION pg_workflow;
		SELECT workflow.grant_usage(r::regrole) FROM unnest('{alice,leaver,former}'::text[]) AS r;
		CREATE TABLE effects (execution_id bigint, step text);
		GRANT INSERT ON effects TO PUBLIC;
		CREATE FUNCTION agent(jsonb) RETURNS jsonb LANGUAGE sql RETURN '"from the agent"'::jsonb;
		SELECT workflow.register_agent('agent', function => 'agent(jsonb)', circuit_breaker => '{"failure_threshold": 2}');
		SELECT workflow.define('{"name": "w", "steps": [
			{"id": "a", "sql": "INSERT INTO effects VALUES ($1::bigint, ''a'')", "params": ["${workflow.execution_id}"]},
			{"id": "b", "agent_name": "agent"},
			{"id": "c", "sql": "INSERT INTO effects VALUES ($1::bigint, ''c'')", "params": ["${workflow.execution_id}"]}]}');
		SELECT workflow.define('{"name": "gated", "steps": [
			{"id": "a", "sql": "INSERT INTO effects VALUES ($1::bigint, ''a'')", "params": ["${workflow.execution_id}"]},
			{"id": "gate", "sql": "SELECT pg_advisory_xact_lock_shared(1)"},
			{"id": "c", "sql": "INSERT INTO effects VALUES ($1::bigint, ''c'')", "params": ["${workflow.execution_id}"]}]}');
		SELECT workflow.define('{"name": "fails", "dead_letter": true, "steps": [
			{"id": "a", "sql": "SELECT 1", "compensate": {"sql": "SELECT 2"}}, {"id": "b", "sql": "SELECT 1 / 0"}]}');
		SELECT workflow.define('{"name": "retried", "steps": [{"id": "b", "sql": "SELECT 1 / 0",
			"retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000}}]}');
		SELECT workflow.define('{"name": "slow", "timeout_seconds": 1, "steps": [{"id": "a", "sql": "SELECT pg_sleep(3600)"}]}');
		SELECT workflow.define('{"name": "blocked", "steps": [{"id": "a", "sql": "SELECT 1"}]}')});
}

my %id;

# What is under way in numbers is of several kinds: in a chain (gated), in a block beside what is
# done, in the middle of a loop, and waiting for a retry.
$old->safe_psql('busy', q{
	SELECT workflow.define('{"name": "forked", "steps": [
		{"id": "a", "sql": "INSERT INTO effects VALUES ($1::bigint, ''a'')", "params": ["${workflow.execution_id}"]},
		{"id": "fork", "type": "parallel", "parallel_steps": [
			{"id": "gate", "sql": "SELECT pg_advisory_xact_lock_shared(1)"},
			{"id": "b", "sql": "INSERT INTO effects VALUES ($1::bigint, ''b'')", "params": ["${workflow.execution_id}"]}]},
		{"id": "c", "sql": "INSERT INTO effects VALUES ($1::bigint, ''c'')", "params": ["${workflow.execution_id}"]}]}');
	SELECT workflow.define('{"name": "looped", "start_step": "each", "steps": {
		"each": {"type": "loop", "loop_config": {"collection": [1, 2, 3], "loop_body": ["one", "gate"]}},
		"one": {"type": "sql", "sql": "INSERT INTO effects VALUES ($1::bigint, $2::text)", "params": ["${workflow.execution_id}", "${loop.item}"], "next_step": "gate"},
		"gate": {"type": "sql", "sql": "SELECT pg_advisory_xact_lock_shared(1)"}}}')});
my @crowd = ('gated', 'forked', 'looped', 'retried');

# Start an execution of the workflow and remember it by a name; as a role, with further arguments.
sub start
{
	my ($database, $name, $workflow, $role, $arguments) = @_;

	$id{$name} = $old->safe_psql($database, "SET ROLE $role; SELECT workflow.start('$workflow'" . ($arguments // '') . ')');
	return;
}

my $never = q{, start_at => 'infinity'};

# --- what runs, or waits for the session, when the cluster is stopped ---

my @sessions = map { $old->background_psql($_) } 'still', 'busy';
$_->query_safe('SELECT pg_advisory_lock(1)') foreach @sessions;
start('still', 'running', 'gated', 'alice');
start('still', 'cancelling', 'gated', 'former');
start('busy', 'busy', 'gated', 'alice');
foreach my $waits ([ 'still', 2 ], [ 'busy', 1 ])
{
	$old->poll_query_until($waits->[0], qq{SELECT count(*) = $waits->[1] FROM pg_locks JOIN pg_database AS d ON d.oid = database
		WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted})
	  or die 'the steps do not run';
}

# --- what has ended ---

start('still', 'completed', 'w', 'alice', q{, input => '{"n": 12345678901234567890.123}', idempotency_key => 'key'});
start('still', 'failed', 'fails', 'leaver');
start('still', 'timed_out', 'slow', 'postgres');
start('still', 'retried', 'retried', 'former');
foreach my $status ('completed', 'failed', 'timed_out')
{
	ok(wait_for_status($old, 'still', $id{$status}, $status), $status);
}
ok($old->poll_query_until('still', "SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $id{retried} AND retry_at > now()"),
	'one waits for its retry');

# --- what is to come ---

start('still', 'pending', 'w', 'former', $never);
start('still', 'leavers', 'w', 'leaver', $never);
start('still', 'paused', 'w', 'alice', $never);
start('still', 'cancelled', 'w', 'alice', $never);
$old->safe_psql('still', qq{
	SELECT workflow.pause($id{paused}, 'for the test');
	SELECT workflow.cancel($id{cancelled}, 'for the test');
	SELECT workflow.roll_up_statistics();
	SELECT workflow.schedule('nightly', 'w', '17 3 * * *');
	INSERT INTO workflow.breakers (agent, role, state, opened_at, half_open_at) VALUES ('agent', 'former', 'open', now(), 'infinity');
	SET ROLE leaver;
	SELECT workflow.define('{"name": "of_leaver", "steps": [{"id": "a", "sql": "SELECT 1"}]}')});

# The scheduler sees it when its workflow is blocked already.
$id{blocked} = $old->safe_psql('still', q{
	BEGIN;
	SELECT workflow.start('blocked');
	DO $$BEGIN PERFORM workflow.block('blocked', 'for the test'); END$$;
	COMMIT});
ok(wait_for_status($old, 'still', $id{blocked}, 'blocked'), 'blocked');

# Nothing is to move in the one database while it is looked at; the other goes on.
$old->safe_psql('still', 'ALTER DATABASE still SET workflow.enabled = off');
$old->safe_psql('still', "SELECT workflow.cancel($id{cancelling})");
start('still', 'waiting', 'w', 'alice');
foreach my $database ('still', 'busy')
{
	$old->safe_psql($database, 'DROP OWNED BY leaver');
}
$old->safe_psql('postgres', 'DROP ROLE leaver; ALTER ROLE former RENAME TO latter');

is($old->safe_psql('still', q{SELECT string_agg(DISTINCT status::text, ' ') FROM workflow.executions}),
	'blocked cancelled cancelling completed failed paused pending running timed_out waiting', 'there is every status');

# Every row of every table; and every object with its attributes and the rights of other roles, but
# for types that come with others, which newer versions enter as well.
sub contents
{
	my ($node) = @_;
	my @tables = split /\n/, $node->safe_psql('still', q{SELECT oid::regclass FROM pg_class
		WHERE relnamespace = 'workflow'::regnamespace AND relkind = 'r' ORDER BY relname});

	return join "\n", map { $node->safe_psql('still', "SELECT '$_', t::text FROM $_ AS t ORDER BY t::text") } @tables;
}

sub objects
{
	my ($node) = @_;

	return $node->safe_psql('still', q{
		SELECT pg_describe_object(classid, objid, objsubid), obj_description(objid, classid::regclass::name), c.relkind, c.reloptions,
			c.relrowsecurity, p.provolatile, p.proparallel, p.prosecdef, p.proconfig,
			(SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(COALESCE(c.relacl, p.proacl)) AS a
				WHERE a::text NOT LIKE 'postgres=%')
		FROM pg_depend AS d LEFT JOIN pg_class AS c ON classid = 'pg_class'::regclass AND objid = c.oid
			LEFT JOIN pg_proc AS p ON classid = 'pg_proc'::regclass AND objid = p.oid
		WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_workflow')
			AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND NOT EXISTS (SELECT FROM pg_type AS y WHERE classid = 'pg_type'::regclass AND y.oid = objid AND (y.typrelid <> 0 OR y.typelem <> 0))
		ORDER BY pg_describe_object(classid, objid, objsubid) COLLATE "C"});
}
# Sixty of them, most of which have begun; the others wait for an executor.
$old->safe_psql('busy', 'SET ROLE alice; ' . join '; ', map { "SELECT workflow.start('$_')" } (@crowd) x 15);
$old->poll_query_until('busy', q{SELECT count(*) >= 4 AND count(DISTINCT workflow) = 3
		FROM workflow.executions AS e WHERE status = 'running' AND EXISTS (SELECT FROM workflow.step_executions AS s WHERE s.execution_id = e.id)})
  or die 'the crowd does not run';

my $contents = contents($old);
my $objects = objects($old);
my $newest = $old->safe_psql('still', 'SELECT max(id) FROM workflow.executions');
$old->stop;
eval { $_->quit } foreach @sessions;

# --- pg_upgrade ---

foreach my $mode ('copy', 'link')
{
	# 18 has checksums unless it is told not to
	my $new = PostgreSQL::Test::Cluster->new("new_$mode");
	$new->init($across && $new->pg_version >= 18 ? (extra => ['--no-data-checksums']) : ());
	workflow_settings($new, @settings);
	my $bin = $new->config_data('--bindir');

	chdir(PostgreSQL::Test::Utils::tempdir()) or die "cannot change the folder: $!";
	my $upgraded = do {
		# what programs of the older one need, and this machine has no more
		local %ENV = %ENV;
		$ENV{LD_LIBRARY_PATH} = "$older/lib" if $across;
		run_log([
			'pg_upgrade', '--no-sync', $mode eq 'link' ? '--link' : (), '-b', $old->config_data('--bindir'), '-B', $bin,
			'-d', $old->data_dir, '-D', $new->data_dir, '-s', $new->host, '-p', $old->port, '-P', $new->port ]);
	};
	ok($upgraded, "pg_upgrade, mode $mode");
	if (!$upgraded)
	{
		foreach my $log (glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log'))
		{
			diag($log, ': ', grep { /^pg_restore: error/ } split /^/, slurp_file($log));
		}
		die 'pg_upgrade fails';
	}
	$new->start;
	is($new->safe_psql('postgres', q{SELECT count(*) FROM cron.job WHERE database = 'still'}), 1, 'the job of the schedule is there');

	is(contents($new), $contents, 'every row of every table');
	is(objects($new), $objects, 'every object');
	is($new->safe_psql('still', q{SELECT role FROM workflow.executions WHERE workflow = 'retried'}), 'latter', 'the renamed role has its execution');
	like($new->safe_psql('still', q{SELECT DISTINCT owner, missing FROM workflow.owners WHERE missing}), qr/^leaver \(missing \d+\)\|t$/,
		'what the dropped one had is shown as before');

	# --- what reads it ---

	foreach my $view (split /\n/, $new->safe_psql('still', q{SELECT oid::regclass FROM pg_class
		WHERE relnamespace = 'workflow'::regnamespace AND relkind = 'v' ORDER BY relname}))
	{
		my ($status, $out, $err) = $new->psql('still', "SELECT count(t::text) FROM $view AS t");

		is($err, '', $view);
	}
	is($new->safe_psql('still', "SELECT reason FROM workflow.why($id{running}) LIMIT 1"), 'disabled', 'why() an execution does not go on');
	is($new->safe_psql('still', "SELECT reason FROM workflow.why($id{failed}) LIMIT 1"), 'failed', 'and how one has ended');
	like($new->safe_psql('still', 'SELECT string_agg(condition, E\'\n\') FROM workflow.alerts'), qr/^owner missing$/m, 'alerts');
	is($new->safe_psql('still', q{SELECT sum(total) FROM workflow.statistics('1 day') WHERE kind = 'workflow' AND name = 'fails'}), 1, 'statistics');
	is($new->safe_psql('still', q{SELECT string_agg(f::text, ' ') FROM workflow.statistics_between('-infinity', 'infinity') AS f}) ne '', 1,
		'what they are made of');

	# --- what was under way goes on ---

	ok($new->poll_query_until('busy', q{SELECT count(*) FILTER (WHERE status = 'completed' AND workflow <> 'retried') = 46
			AND count(*) FILTER (WHERE status = 'waiting' AND workflow = 'retried') = 15 FROM workflow.executions}), 'what ran, or was to, goes on by itself')
	  or diag($new->safe_psql('busy', 'SELECT workflow, status, count(*) FROM workflow.executions GROUP BY 1, 2'));
	is($new->safe_psql('busy', q{SELECT workflow, string_agg(step || ' ' || times, ' ' ORDER BY step)
		FROM (SELECT workflow, step, count(*) || '/' || count(DISTINCT e.id) AS times
			FROM effects JOIN workflow.executions AS e ON e.id = execution_id GROUP BY 1, 2) AS s GROUP BY 1 ORDER BY 1}),
		"forked|a 15/15 b 15/15 c 15/15\ngated|a 16/16 c 16/16\nlooped|1 15/15 2 15/15 3 15/15", 'each step had its effect once');

	is($new->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'still' AND backend_type = 'pg_workflow executor'}), 0,
		'a database that was switched off is still');
	$new->safe_psql('postgres', 'ALTER DATABASE still RESET workflow.enabled');
	foreach my $end ([ 'running', 'completed' ], [ 'waiting', 'completed' ], [ 'cancelling', 'cancelled' ])
	{
		ok(wait_for_status($new, 'still', $id{ $end->[0] }, $end->[1]), "what was $end->[0] is $end->[1]");
	}
	$new->safe_psql('still', "SELECT workflow.unblock('blocked'); SELECT workflow.cancel($id{retried})");
	is($new->safe_psql('still', "SELECT string_agg(step, ' ' ORDER BY step) FROM effects WHERE execution_id = $id{$_}"), 'a c', "$_: each step once")
	  foreach 'running', 'waiting', 'completed';
	is($new->safe_psql('still', "SELECT string_agg(step, ' ' ORDER BY step) FROM effects WHERE execution_id = $id{cancelling}"), 'a', 'cancelled: no step more');
	is($new->safe_psql('still', "SELECT string_agg(status::text, ' ' ORDER BY id) FROM workflow.executions WHERE id IN ($id{pending}, $id{leavers}, $id{paused})"),
		'pending pending paused', 'what is for later has stayed');
	ok(wait_for_status($new, 'still', $id{retried}, 'cancelled'), 'what waits for a retry can be cancelled');

	# --- new ones ---

	define_sql($new, 'still', 'new', 'SELECT 1', 'SELECT 2');
	my $next = run_execution($new, 'still', 'new', 'latter');
	cmp_ok($next, '>', $newest, 'new executions get new numbers');
	is(step_rows($new, 'still', $next), "s1 completed 1\ns2 completed 2", 'a new workflow runs');
	is($new->safe_psql('still', q{SET ROLE alice; SELECT workflow.start('w', idempotency_key => 'key')}), $id{completed}, 'idempotency keys hold');
	is($new->safe_psql('still', 'SELECT workflow.roll_up_statistics() > 0'), 't', 'statistics go on');

	# The extension can be dropped and created again.
	$new->safe_psql('still', 'DROP EXTENSION pg_workflow; CREATE EXTENSION pg_workflow');
	unlike(slurp_file($new->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
	$new->stop;
}
done_testing();
