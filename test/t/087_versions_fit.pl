# Library and scripts of different versions refuse each other, and say which command helps:
# every function, every process; what has to work all the same does.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use UpdateTest;
use WorkflowTest;

my ($scripts) = private_installation();
my $node = workflow_cluster('versions_fit', 'workflow.max_executors = 2',
	"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'postgres'", 'cron.use_background_workers = on');

$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron; CREATE ROLE alice LOGIN; CREATE DATABASE a; CREATE DATABASE b');
install_extension($node, 'a');
my $library = $node->safe_psql('a', 'SELECT workflow.version()');
my $released = $node->safe_psql('a', q{SELECT version FROM pg_available_extension_versions WHERE name = 'pg_workflow'
	ORDER BY string_to_array(version, '.')::int[] LIMIT 1});
my $older = qr/extension "pg_workflow" has version \Q$released\E in this database, but its library has version \Q$library\E/;
isnt($released, $library, 'there is a released version');

# Runs SQL; what it says when it fails, with its hint.
sub refusal
{
	my ($database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $status == 0 ? '' : $err;
}

# How often the log has said since a place in it that a database is not served.
sub complaints
{
	my ($since) = @_;
	return scalar(() = slurp_file($node->logfile, $since) =~ /LOG:  extension "pg_workflow" has version/g);
}

# --- a session, a scheduler, and who goes back and forth ---

my $session = $node->background_psql('a', on_error_stop => 0);
is($session->query(q{SELECT workflow.execute('short') IS NOT NULL}), 't', 'it fits');
my $log = -s $node->logfile;
$node->safe_psql('a', "ALTER EXTENSION pg_workflow UPDATE TO '$released'");
$session->query(q{SELECT workflow.execute('short')});
like($session->{stderr}, $older, 'a session that knew the version before is told');
like($session->{stderr}, qr/HINT:  Run ALTER EXTENSION pg_workflow UPDATE in this database/, 'what helps');
$session->{stderr} = '';
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'a' AND backend_type ~ '^pg_workflow'}),
	'there is no scheduler');
$node->wait_for_log(qr/pg_workflow scheduler LOG:  $older.*\n.*HINT:  Run ALTER EXTENSION/, $log);

# Nobody starts one again and again: the launcher serves another database in the meantime.
install_extension($node, 'b');
ok(wait_for_schedulers($node, 'b'), 'another database has one');
is(complaints($log), 1, 'the log says so once');

# --- what is refused: every function in C ---

my %argument = (
	'text' => q{'short'}, 'bigint' => 1, 'integer' => 1, 'jsonb' => q{'{}'::jsonb}, 'regrole' => q{'postgres'::regrole},
	'boolean' => 'true', 'oid' => '1::oid', 'workflow.role' => q{'alice'::workflow.role},
	'cstring' => q{'alice'::cstring}, 'text[]' => q{'{}'::text[]}, 'interval' => q{'1 s'::interval});
my %special = (
	'set_status.status' => q{'archived'}, 'set_agent_status.status' => q{'active'}, 'schedule.cron' => q{'* * * * *'},
	'next_runs.cron' => q{'* * * * *'}, 'evaluate.expression' => q{'1 + 1'}, 'evaluate_condition.expression' => q{'1 + 1 == 2'},
	'workflow_to_steer.status' => q{'failed'}, 'define.definition' => q{'{"name": "w", "steps": [{"id": "a", "sql": "SELECT 1"}]}'::jsonb});

# What has to work: dumps, indexes and policies need the type, and it is asked what is wrong.
my $works = qr{^workflow\.(version|role_\w+|verify|script_objects)\(};
my @functions = split /\n/, $node->safe_psql('b', q{
	SELECT p.prokind::text || '|' || p.proname || '|' || p.oid::regprocedure::text || '|' || coalesce(
		(SELECT string_agg(coalesce(p.proargnames[a.n], '') || ':' || format_type(a.type, NULL), ';' ORDER BY a.n)
		 FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n) WHERE a.n <= p.pronargs - p.pronargdefaults), '')
	FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
	WHERE p.pronamespace = 'workflow'::regnamespace AND l.lanname = 'c' AND p.prorettype <> 'trigger'::regtype ORDER BY 1});
cmp_ok(scalar @functions, '>', 60, scalar(@functions) . ' functions');

# the call of each, as functions and statements of this version
my %call;
foreach my $function (@functions)
{
	my ($kind, $name, $signature, $arguments) = split /\|/, $function, 4;
	my @values;

	foreach my $pair (split /;/, $arguments // '')
	{
		my ($argument, $type) = $pair =~ /^(\w*):(.*)$/ or die $pair;
		push @values, $special{"$name.$argument"} // $argument{$type} // "NULL::$type";
	}
	@values = (q{'short'}, q{sql => 'SELECT 1'}) if $name eq 'register_agent';
	$call{$signature} = ($kind eq 'p' ? 'CALL ' : 'SELECT ') . "workflow.$name(" . join(', ', @values) . ')';
}

# Make the catalog say that it is another version, without its scripts.
sub set_version
{
	my ($version) = @_;
	$node->safe_psql('b', qq{SET allow_system_table_mods = on;
		UPDATE pg_extension SET extversion = '$version' WHERE extname = 'pg_workflow'});
	return;
}

foreach my $version ('0.0.1', '99.0.0')
{
	set_version($version);
	my $out = '';
	my $err = '';
	$node->psql('b', join("\n", map { "\\warn === $_\n$call{$_};" } sort keys %call), stdout => \$out, stderr => \$err, on_error_stop => 0);
	my @said = split /^=== /m, $err;
	shift @said;
	is(scalar @said, scalar @functions, "version $version: each was called");
	my @others = grep { $_ !~ $works && $_ !~ /ERROR:  extension "pg_workflow" has version \Q$version\E/ } @said;
	# which is for scripts alone
	@others = grep { $_ !~ /^workflow\.extension_ready\(\)/ } @others;
	is(join('', @others), '', 'and is refused');
	is(join('', grep { $_ =~ $works && /ERROR/ && !/internal/ } @said), '', 'but for those of the type, and version()');
}
set_version('99.0.0');
like(refusal('b', q{SELECT workflow.start('short')}), qr/HINT:  Install the library of version 99\.0\.0, and restart the server; or go back with ALTER EXTENSION pg_workflow UPDATE TO '\Q$library\E'/,
	'an older library says what helps');
set_version($library);

# --- what works all the same ---

$node->safe_psql('a', q{SELECT count(*) FROM workflow.executions WHERE workflow.role_name(role) = 'postgres'});
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', PostgreSQL::Test::Utils::tempdir() . '/dump', 'a' ], 'pg_dump');
is(refusal('a', 'CREATE ROLE bob; DROP ROLE bob'), '', 'DROP ROLE');
$node->safe_psql('a', 'ALTER EXTENSION pg_workflow UPDATE');
is($session->query(q{SELECT workflow.execute('short') IS NOT NULL}), 't', 'after the update the session goes on');
ok(wait_for_schedulers($node, 'a,b'), 'and so does the scheduler');
is($node->safe_psql('a', 'SELECT status FROM workflow.executions WHERE id = ' . run_execution($node, 'a', 'short')), 'completed', 'and executors');
$session->quit;

# The extension of another version can be dropped; who has jobs in pg_cron is told that they stay.
$node->safe_psql('a', "ALTER EXTENSION pg_workflow UPDATE TO '$released'");
my ($status, $out, $err) = $node->psql('a', 'DROP EXTENSION pg_workflow');
is($status, 0, 'DROP EXTENSION');
like($err, qr/WARNING:  jobs of pg_cron stay.*HINT:  In database "postgres", run DELETE FROM cron\.job/s, 'says what stays');

# --- new scripts, and a server that has an older library loaded ---

# Scripts of a version to come, for a library that does not know it.
foreach my $next ("pg_workflow--99.0.0.sql", "pg_workflow--$library--99.0.0.sql")
{
	my $script = slurp_file("$scripts/pg_workflow--$library.sql");

	# one that updates does what it asks first, and no more: what it would add is there
	($script) = $script =~ /^(DO .*?^END.*?;\n)/ms if $next =~ /--.*--/;

	append_to_file("$scripts/$next", $script . "CREATE FUNCTION workflow.next() RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'workflow_next';\n");
}
my $restart = qr/55000: cannot install version 99\.0\.0 of extension "pg_workflow": its library has version \Q$library\E.*HINT:  Restart the server/s;
like(refusal('a', q{CREATE EXTENSION pg_workflow VERSION '99.0.0'}), $restart, 'CREATE EXTENSION');
like(refusal('b', q{ALTER EXTENSION pg_workflow UPDATE TO '99.0.0'}), $restart, 'ALTER EXTENSION');
is($node->safe_psql('b', 'SELECT status FROM workflow.executions WHERE id = ' . run_execution($node, 'b', 'short')), 'completed', 'all goes on');

unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
