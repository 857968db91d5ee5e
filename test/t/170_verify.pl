# workflow.verify() and what concerns the server: its settings, our processes, pg_cron, a
# standby, locks.  Each fault is planted by itself and found by the check that is meant; what the
# help says, where it is a statement, mends it.  Those of rows and catalogs are in sql/verify.sql.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('verify', 'fsync = on', 'workflow.max_executors = 4', 'max_worker_processes = 20',
	"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'postgres'", 'cron.use_background_workers = on');

$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron; CREATE ROLE other');
install_extension($node, 'postgres');

# The checks that have found something.
my $found = q{SELECT coalesce(string_agg(DISTINCT check_name, ', '), '') FROM workflow.verify() WHERE status <> 'ok'};

sub found
{
	my ($where) = @_;
	return ($where // $node)->safe_psql('postgres', $found);
}

# Wait until a check, and no other, has found something ('': none).
sub until_found
{
	my ($checks, $name) = @_;
	ok($node->poll_query_until('postgres', $found, $checks), $name)
	  or diag($node->safe_psql('postgres', q{SELECT * FROM workflow.verify() WHERE status <> 'ok'}));
	return;
}

# Do what the help of a check says, all of it when there are several.
sub mend
{
	my ($check) = @_;
	my @help = split /\n/, $node->safe_psql('postgres', qq{SELECT help FROM workflow.verify() WHERE check_name = '$check'});

	ok(@help > 0 && !grep { /^--/ } @help) or diag("$check: @help");
	$node->safe_psql('postgres', "$_;\n") foreach @help;
	return;
}

sub configure
{
	my ($setting) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM $setting");
	$node->reload;
	return;
}

run_execution($node, 'postgres', 'short');
until_found('', 'all is well');
is($node->safe_psql('postgres', q{SELECT detail ~ '^execution 1 of short' FROM workflow.verify() WHERE check_name = 'last success'}), 't',
	'and when it went well last is told');

# --- settings ---

for my $setting ('fsync', 'full_page_writes', 'synchronous_commit')
{
	configure("SET $setting = off");
	until_found('durability of commits', "$setting is off");
	mend('durability of commits');
	$node->reload;
	until_found('', 'and on again');
}
configure('SET autovacuum = off');
until_found('autovacuum', 'autovacuum is off');
mend('autovacuum');
$node->reload;
until_found('', 'and on again');

my $configuration = slurp_file($node->data_dir . '/postgresql.conf');
$node->append_conf('postgresql.conf', 'workflow.cancel_grace = often');
until_found('configuration files', 'a value that is none in a configuration file');
open my $file, '>', $node->data_dir . '/postgresql.conf' or die;
print $file $configuration;
close $file;
until_found('', 'and away again');

configure('SET workflow.max_executors = 5');
until_found('restart', 'a setting that waits for a restart');
$node->restart;
until_found('', 'which it gets');
configure('SET workflow.max_executors_per_database = 6');
until_found('limits', 'more executors in a database than in the server');
configure('RESET workflow.max_executors_per_database');
configure('SET max_worker_processes = 6');
until_found('restart', 'another one');
$node->restart;
until_found('worker processes', 'fewer processes than executors');
mend('worker processes');
$node->reload;
until_found('restart, worker processes', 'more are set, and are there after a restart');
$node->restart;
until_found('', 'then they are');

# --- processes ---

$node->safe_psql('postgres', 'ALTER DATABASE postgres SET workflow.enabled = off');
until_found('scheduler', 'workflow.enabled is off for the scheduler');
mend('scheduler');
until_found('', 'and on');

# --- pg_cron ---

$node->safe_psql('postgres', q{SELECT workflow.schedule('s', 'short', '0 0 1 1 *')});
until_found('', 'a schedule');
for my $fault ('DELETE FROM cron.job', 'UPDATE cron.job SET active = false', q{UPDATE cron.job SET username = 'other'},
	q{UPDATE cron.job SET schedule = '1 1 1 1 *'})
{
	$node->safe_psql('postgres', $fault);
	is(found(), 'jobs', $fault);
	mend('jobs');
	is(found(), '', 'and as it was');
}
$node->safe_psql('postgres', q{UPDATE workflow.schedule_entries SET next_run_at = now() - interval '1 hour'});
is(found(), 'beat', 'nobody has called');
$node->safe_psql('postgres', q{SELECT workflow.schedule_tick('s')});
is(found(), 'last runs', 'and what was due was missed');
mend('last runs');
until_found('', 'it is made up for');

$node->safe_psql('postgres', q{UPDATE workflow.executions SET completed_at = now() - interval '1 year' WHERE id = 1});
is(found(), 'housekeeping', 'what ended long ago is kept');
mend('housekeeping');
is(found(), '', 'and will not be for ever');
$node->safe_psql('postgres', q{SELECT workflow.unschedule('housekeeping'); UPDATE workflow.executions SET completed_at = now() WHERE id = 1});

configure(q{SET shared_preload_libraries = 'pg_workflow'});
$node->restart;
until_found('pg_cron', 'without pg_cron');
configure('RESET shared_preload_libraries');
$node->restart;
until_found('', 'and with it');

# --- nobody is waited for ---

my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE workflow.dead_letters');
is($node->safe_psql('postgres', q{SELECT DISTINCT status || ': ' || detail FROM workflow.verify() WHERE check_name = 'dead letters'}),
	'unknown: cannot be checked: canceling statement due to lock timeout', 'a table that somebody has locked');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT status, ', ') FROM workflow.verify() WHERE status <> 'ok'}), 'unknown', 'is all there is');
$session->query_safe('ROLLBACK');
$session->quit;
is(found(), '', 'it is let go');

# --- no process of ours at all: found by all that it is ---

configure('SET max_worker_processes = 0');
$node->restart;
is(found(), 'launcher, scheduler, worker processes', 'without background workers');
mend('worker processes');
$node->restart;
until_found('', 'and with some');
configure(q{SET shared_preload_libraries = 'auto_explain'});
$node->restart;
$node->safe_psql('postgres', q{DELETE FROM workflow.schedule_entries});
is(found(), 'preload', 'the library is not preloaded');
configure('RESET shared_preload_libraries');
$node->restart;
until_found('', 'and it is');

$node->stop;
done_testing();
