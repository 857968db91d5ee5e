# The extension is updated, back and forth, while executions run: each step's effects are
# there once, steps that run come to their ends, roles keep what they were granted.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('update_running', 'workflow.max_executors = 4');

install_extension($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN;
	SELECT workflow.grant_usage('alice');
	CREATE TABLE effects (execution_id bigint, step text);
	GRANT INSERT ON effects TO alice});
my @steps = map { qq({"id": "s$_", "sql": "INSERT INTO effects VALUES (\$1::bigint, 's$_')", "params": ["\${workflow.execution_id}"]}) } 1 .. 20;
my $steps = join ', ', @steps;
$node->safe_psql('postgres', qq{SET ROLE alice;
	SELECT workflow.define(\$d\${"name": "chain", "steps": [$steps]}\$d\$);
	SELECT workflow.define(\$d\${"name": "gated", "steps": [{"id": "gate", "sql": "SELECT pg_advisory_xact_lock_shared(1)"}, $steps]}\$d\$)});
my $library = $node->safe_psql('postgres', 'SELECT workflow.version()');
my $released = $node->safe_psql('postgres', q{SELECT version FROM pg_available_extension_versions WHERE name = 'pg_workflow'
	ORDER BY string_to_array(version, '.')::int[] LIMIT 1});
my $rights = q{SELECT string_agg(x, ' ' ORDER BY x) FROM (
	SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE pronamespace = 'workflow'::regnamespace AND has_function_privilege('alice', p.oid, 'EXECUTE')
	UNION ALL SELECT c.oid::regclass::text FROM pg_class AS c WHERE relnamespace = 'workflow'::regnamespace AND relkind IN ('r', 'v')
		AND has_table_privilege('alice', c.oid, 'SELECT')) AS r (x)};

# One execution whose step waits for the session, and many that run.
sub start_some
{
	my $gate = $node->background_psql('postgres');

	$gate->query_safe('SELECT pg_advisory_lock(1)');
	$node->safe_psql('postgres', q{SET ROLE alice; SELECT workflow.start('gated'); SELECT workflow.start('chain') FROM generate_series(1, 50)});
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
	  or die 'the step does not run';
	return $gate;
}

# What a role has of the version before it keeps, up and down.
$node->safe_psql('postgres', "ALTER EXTENSION pg_workflow UPDATE TO '$released'");
my %before = map { $_ => 1 } split / /, $node->safe_psql('postgres', $rights);
$node->safe_psql('postgres', 'ALTER EXTENSION pg_workflow UPDATE');

# Go to the version before; meanwhile a step that runs is let through when the database is closed.
my $gate = start_some();
my $update = $node->background_psql('postgres');
$update->query_until(qr/go/, "\\echo go\nALTER EXTENSION pg_workflow UPDATE TO '$released';\n");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^ALTER EXTENSION' AND wait_event_type = 'Extension'})
  or die 'it does not wait';
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
	WHERE a.query ~ '^ALTER EXTENSION' AND l.locktype = 'relation' AND l.mode ~ 'Exclusive'}), 0, 'it locks nothing while it waits');
$gate->quit;
is($update->query_safe('SELECT 1'), '1', 'the step that ran has ended, and the update goes on');
$update->quit;
is($node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'pg_workflow'}), $released, "it is $released");
is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.step_executions WHERE step_id = 'gate' AND status = 'completed' AND attempt = 1}), 1,
	'the step was not interrupted');
my $done = $node->safe_psql('postgres', 'SELECT count(*) FROM effects');
$node->safe_psql('postgres', 'ALTER EXTENSION pg_workflow UPDATE');
ok($node->poll_query_until('postgres', q{SELECT bool_and(status = 'completed') FROM workflow.executions}), 'all go on to their ends');
cmp_ok($done, '<', 51 * 20, 'they had not ended');

# A step that does not end in time is interrupted, and runs again.
$node->append_conf('postgresql.conf', "workflow.cancel_grace = 100ms\n");
$node->reload;
$gate = start_some();
$node->safe_psql('postgres', "ALTER EXTENSION pg_workflow UPDATE TO '$released'; ALTER EXTENSION pg_workflow UPDATE");
$gate->quit;
ok($node->poll_query_until('postgres', q{SELECT bool_and(status = 'completed') FROM workflow.executions}), 'all go on to their ends');

# One that fails changes nothing, and all goes on.
$gate = start_some();
isnt(($node->psql('postgres', q{ALTER EXTENSION pg_workflow UPDATE TO '0.0.1'}))[0], 0, 'an update that there is not');
$gate->quit;
ok($node->poll_query_until('postgres', q{SELECT bool_and(status = 'completed') FROM workflow.executions}), 'all go on');

is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (execution_id, step)) FROM effects'), join('|', (3 * 51 * 20) x 2),
	'each step has done what it does, once');
is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.executions WHERE status <> 'completed'}), 0, 'and none has failed');
my %after = map { $_ => 1 } split / /, $node->safe_psql('postgres', $rights);
cmp_ok(scalar keys %before, '>', 80, 'rights of a role');
is(join(' ', grep { !$after{$_} } sort keys %before), '', 'and it has them still');
unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
