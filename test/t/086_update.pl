# Updates, up and down, end in what an installation makes: each row of the catalogs is
# compared.  What differs is said: "-" is in the installation, "+" in what was updated.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use UpdateTest;
use WorkflowTest;

my $node = workflow_cluster('update', 'workflow.max_executors = 2');

# Every version there is a script for, oldest first.
my @versions = split /\n/, $node->safe_psql('postgres', q{
	SELECT version FROM pg_available_extension_versions WHERE name = 'pg_workflow'
	ORDER BY string_to_array(version, '.')::int[]});
my $current = $versions[-1];
cmp_ok(scalar @versions, '>=', 2, 'there are older versions than this one');
is($node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'pg_workflow'}), $current,
	'this is what CREATE EXTENSION installs');
is($node->safe_psql('postgres', q{SELECT string_agg(source || ' to ' || target, ', ') FROM pg_extension_update_paths('pg_workflow') WHERE path IS NULL}), '',
	'each can be updated to each');

my %fresh;
foreach my $version (@versions)
{
	(my $database = "fresh_$version") =~ tr/./_/;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION pg_workflow VERSION '$version'");
	$fresh{$version} = [ catalog_rows($node, $database) ];
}

# The comparison sees what it is for.
(my $unchanged = "fresh_$current") =~ tr/./_/;
foreach my $change (
	'COMMENT ON COLUMN workflow.executions.tenant IS NULL',
	'ALTER TABLE workflow.executions ALTER tenant SET NOT NULL',
	'ALTER TABLE workflow.agents ALTER kind SET DEFAULT 1',
	'DROP INDEX workflow.executions_control_idx',
	'GRANT SELECT (id) ON workflow.executions TO pg_monitor',
	'GRANT EXECUTE ON FUNCTION workflow.start TO PUBLIC',
	'ALTER FUNCTION workflow.start STRICT',
	'ALTER FUNCTION workflow.start COST 7',
	q{ALTER VIEW workflow.executors SET (security_barrier = off)},
	'ALTER EXTENSION pg_workflow DROP VIEW workflow.engine_statistics',
	'ALTER POLICY executions_read ON workflow.executions USING (true)',
	'ALTER TABLE workflow.agents DISABLE TRIGGER ALL; ALTER TABLE workflow.definitions DISABLE TRIGGER definitions_immutable',
	q{ALTER DOMAIN workflow.status_of_step ADD CHECK (VALUE <> '')},
	'ALTER SEQUENCE workflow.executions_id_seq CACHE 7',
	'ALTER TABLE workflow.executions RESET (fillfactor)')
{
	isnt(catalog_differences([ catalog_rows($node, $unchanged, $change) ], $fresh{$current}), '', "seen: $change");
}

# From each version to each.
foreach my $from (@versions)
{
	foreach my $to (grep { $_ ne $from } @versions)
	{
		(my $database = "update_${from}_$to") =~ tr/./_/;

		$node->safe_psql('postgres', "CREATE DATABASE $database");
		$node->safe_psql($database, "CREATE EXTENSION pg_workflow VERSION '$from'; ALTER EXTENSION pg_workflow UPDATE TO '$to'");
		is(catalog_differences([ catalog_rows($node, $database) ], $fresh{$to}), '', "$from to $to is what an installation is");

		# and back: what an update has dropped and made again is in its place
		$node->safe_psql($database, "ALTER EXTENSION pg_workflow UPDATE TO '$from'; ALTER EXTENSION pg_workflow UPDATE TO '$to'");
		is(catalog_differences([ catalog_rows($node, $database) ], $fresh{$to}), '', "$from to $to, back and again");
	}
}

# What an update makes has nothing for whom default privileges name.
$node->safe_psql('postgres', 'CREATE DATABASE defaults; CREATE ROLE somebody');
$node->safe_psql('defaults', qq{CREATE EXTENSION pg_workflow VERSION '$versions[0]';
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO somebody, PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO somebody, PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON ROUTINES TO somebody WITH GRANT OPTION});
foreach my $version (@versions[ 1 .. $#versions ], $versions[0])
{
	$node->safe_psql('defaults', "ALTER EXTENSION pg_workflow UPDATE TO '$version'");
	is(catalog_differences([ catalog_rows($node, 'defaults') ], $fresh{$version}), '', "default privileges: $version is what an installation is");
}

# What was closed is not opened by the way back, and what only the newer library can read does not
# stay behind.
if ($versions[0] eq '1.0.0')
{
	my $down = q{ALTER EXTENSION pg_workflow UPDATE TO '1.0.0'};
	my $document = '{"name": "closed", "steps": [{"id": "a", "type": "set", "output": 1}]}';

	$node->safe_psql('postgres', 'CREATE DATABASE newer');
	$node->safe_psql('newer', q{CREATE EXTENSION pg_workflow;
		SELECT workflow.define('{"name": "forward", "start_step": "f", "steps": {
			"f": {"type": "fork_join", "max_visits": 2, "retry": null, "branches": {"x": ["a", "b", "c"], "y": ["d", "e"]}, "next_step": "g"},
			"a": {"type": "sql", "sql": "SELECT ''${workflow.traceparent}''", "retry": {"max_retries": 1}, "catch": [{"next_step": "c"}]},
			"b": {"type": "conditional", "switch": [{"when": "true", "next_step": "c"}], "default": {"next_step": "c"}},
			"e": {"type": "conditional", "condition": "true", "if_true_step": "h", "if_false_step": null}, "h": {"type": "set", "output": 1},
			"c": {"type": "set", "output": {"next_step": "a"}},
			"d": {"type": "set", "output": ["workflow.traceparent", "$${workflow.traceparent}", "${workflow.input.workflow.traceparent}"]},
			"g": {"type": "conditional", "switch": [{"when": "false", "next_step": "f"}]}}}')});
	is(($node->psql('newer', "BEGIN; $down; ROLLBACK"))[0], 0, 'definitions that the version before knows');
	my %newer = (
		ends => '{"id": "p", "type": "parallel", "parallel_steps": [{"id": "e", "type": "succeed", "ends": "scope"}, {"id": "s", "type": "set", "output": 1}]}',
		waits => '{"id": "w", "type": "wait", "seconds": 1}',
		again => '{"id": "p", "type": "conditional", "condition": "true", "retry": {"max_retries": 1}, "if_true_step": {"id": "s", "type": "set", "output": 1}}',
		back => '{"id": "l", "type": "loop", "collection": [1], "loop_body": [{"id": "a", "type": "set", "output": 1, "max_visits": 2},
			{"id": "b", "type": "set", "output": 1}, {"id": "c", "type": "conditional", "switch": [{"when": "false", "next_step": "a"}]}]}',
		caught => '{"id": "k", "type": "conditional", "condition": "true", "if_true_step": [{"id": "a", "sql": "SELECT 1", "max_visits": 2,
			"catch": [{"next_step": "a"}]}, {"id": "b", "type": "set", "output": 1}]}',
		itself => '{"id": "k", "type": "conditional", "condition": "true",
			"if_true_step": {"id": "a", "type": "conditional", "condition": "false", "max_visits": 2, "if_true_step": {"next_step": "a"}}}',
		template => q({"id": "t", "type": "set", "output": ["${''}'' + workflow . traceparent}"]}),
		expression => q({"id": "x", "type": "set", "when": "workflow.traceparent != null", "output": 1}));
	foreach my $name (sort keys %newer)
	{
		$node->safe_psql('newer', qq{SELECT workflow.define('{"name": "$name", "steps": [$newer{$name}]}')});
		like(($node->psql('newer', $down))[2], qr/ERROR:  definitions say what the version before does not know.*DETAIL:  .*: $name[.].*HINT:  Archive/s, "$name: refused");
		$node->safe_psql('newer', qq{SELECT workflow.start('$name', start_at => 'infinity'); SELECT workflow.set_status('$name', 1, 'archived')});
		like(($node->psql('newer', $down))[2], qr/ERROR:  definitions say/, "$name: also when one of its executions has not ended");
		$node->safe_psql('newer', q{SELECT workflow.cancel(id) FROM workflow.executions WHERE status = 'pending'});
		is(($node->psql('newer', "BEGIN; $down; ROLLBACK"))[0], 0, "$name: nor what is over");
	}

	$node->safe_psql('postgres', 'CREATE DATABASE rights');
	$node->safe_psql('rights', qq{CREATE EXTENSION pg_workflow;
		SELECT workflow.define('$document'), workflow.revoke_execute('closed', '-'), workflow.grant_execute('closed', 'pg_monitor')});
	like(($node->psql('rights', $down))[2], qr/ERROR:  workflows that were revoked from all roles.*HINT:  .*grant_execute/s, 'rights: refused');
	$node->safe_psql('rights', q{SELECT workflow.grant_execute(workflow, '-') FROM workflow.grants WHERE NOT granted;
		SELECT workflow.set_role_limits('-', max_running => 7)});
	like(($node->psql('rights', $down))[2], qr/WARNING:  rights granted on workflows are lost.*WARNING:  limits of roles are lost/s, 'and not when they are open');
	$node->safe_psql('rights', 'ALTER EXTENSION pg_workflow UPDATE; SELECT count(*) FROM workflow.grants');

	# nor what nothing but a setting closes, wherever it is said; this session may see another value
	$node->safe_psql('postgres', 'CREATE DATABASE unsaid; CREATE DATABASE another; CREATE ROLE starter');
	$node->safe_psql('unsaid', "CREATE EXTENSION pg_workflow; SELECT workflow.define('$document')");
	foreach my $case (
		[ q{SET workflow.default_execute = 'owner'}, '' ],
		[ q{ALTER DATABASE unsaid SET workflow.default_execute = 'owner'}, 'ALTER DATABASE unsaid RESET ALL' ],
		[ q{ALTER ROLE starter IN DATABASE unsaid SET workflow.default_execute = 'OWNER'}, 'ALTER ROLE starter IN DATABASE unsaid RESET ALL' ],
		[ q{ALTER ROLE starter SET workflow.default_execute = 'owner'}, 'ALTER ROLE starter RESET ALL' ],
		[ q{ALTER SYSTEM SET workflow.default_execute = 'owner'}, 'ALTER SYSTEM RESET workflow.default_execute' ])
	{
		my ($set, $reset) = @$case;
		my $session = $set =~ /^SET/ ? $set : q{SET workflow.default_execute = 'all'};

		$node->safe_psql('postgres', $set) unless $set eq $session;
		like(($node->psql('unsaid', "$session; $down"))[2], qr/ERROR:  workflows that only their owners may start.*DETAIL:  .*default_execute.*HINT:  .*grant_execute/s,
			"closed by a setting: refused after $set");
		$node->safe_psql('postgres', $reset) if $reset;
	}
	$node->safe_psql('postgres', q{ALTER DATABASE another SET workflow.default_execute = 'owner'; ALTER SYSTEM SET log_line_prefix = '%m \\';
		ALTER DATABASE unsaid SET workflow.namespaces = 'yes'});
	my ($status, $out, $err) = $node->psql('unsaid', "BEGIN; $down; ROLLBACK");
	is($status, 0, 'another database may have it');
	like($err, qr/WARNING:  names of workflows.*namespaces/, 'names that a setting kept apart: told');

	# what the hint says
	$node->safe_psql('postgres', q{ALTER DATABASE unsaid SET workflow.default_execute = 'owner'; ALTER DATABASE unsaid RESET workflow.namespaces});
	($status, $out, $err) = $node->psql('unsaid', $down);
	$node->safe_psql('unsaid', $err =~ /HINT:  Open them yourself, (SELECT .*?), and archive/ ? $1 : 'SELECT no_hint');
	($status, $out, $err) = $node->psql('unsaid', $down);
	is($status, 0, 'not when they are open, or archived');
	unlike($err, qr/names of workflows/, 'nor are names told of that nothing kept apart');
	$node->safe_psql('unsaid', q{ALTER EXTENSION pg_workflow UPDATE; SELECT workflow.set_status('closed', 1, 'archived')});
	is(($node->psql('unsaid', $down))[0], 0, 'nor what nobody can start');
}

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
