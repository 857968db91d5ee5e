# A server with the extension loaded and nothing to do does nothing: no transaction,
# no CPU time, no wake-up of launcher, schedulers and idle executors.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

plan skip_all => 'needs /proc' unless -r "/proc/$$/stat";

# Executors stay, and the server's own processes keep still.
my $node = workflow_cluster('idle', 'workflow.executor_idle_timeout = 0', 'workflow.max_executors = 3',
	'autovacuum = off', 'bgwriter_lru_maxpages = 0');

$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN');
foreach my $database (qw(a b))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	install_extension($node, $database);
}
$node->safe_psql('a', q{
	SELECT workflow.grant_usage('alice');
	SELECT workflow.define('{"name": "fan", "steps": [{"id": "fan", "type": "parallel", "parallel_steps": [
		{"id": "a", "type": "sql", "sql": "SELECT 1"}, {"id": "b", "type": "sql", "sql": "SELECT 2"},
		{"id": "c", "type": "sql", "sql": "SELECT 3"}]}]}')});

# Something has run, something has failed, something is to run in a year.
run_execution($node, 'a', 'fan', 'alice');
run_execution($node, 'a', 'short');
run_execution($node, 'b', 'short');
define_sql($node, 'a', 'fails', 'SELECT 1 / 0');
run_execution($node, 'a', 'fails');
$node->safe_psql('a', q{SELECT workflow.start('short', start_at => now() + '1 year');
	SELECT workflow.start('short', start_at => 'infinity')});
$node->safe_psql('a', q{SELECT workflow.cancel(workflow.start('short', start_at => now() + '1 year'))});

my %pids = reverse map { split /\|/ } split /\n/, $node->safe_psql('postgres', q{
	SELECT pid, backend_type || ' ' || coalesce(datname, '') || ' ' || pid FROM pg_stat_activity
	WHERE backend_type ~ '^pg_workflow'});
ok(scalar(grep(/executor/, keys %pids)) >= 2, 'there are idle executors');
is(scalar(grep(/scheduler/, keys %pids)), 2, 'and two schedulers');

# CPU ticks (user and system) and voluntary context switches of each process.
sub processes
{
	return join "\n", map {
		my $stat = slurp_file("/proc/$pids{$_}/stat") =~ s/^.*\) //sr;
		my ($switches) = slurp_file("/proc/$pids{$_}/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m;
		my @fields = split / /, $stat;

		"$_: $fields[11]+$fields[12] ticks, $switches wake-ups"
	} sort keys %pids;
}

# Transactions of the databases that nobody is connected to but our processes.
sub transactions
{
	return $node->safe_psql('postgres', q{
		SELECT string_agg(datname || ' ' || xact_commit || ' ' || xact_rollback, ', ' ORDER BY datname)
		FROM pg_stat_database WHERE datname IN ('a', 'b')});
}

# That nothing happens cannot be waited for: it takes time to pass.  The time is the
# server's, by a pg_sleep() in a database without workers, and what is compared are
# counters, not durations, so that a slow machine changes nothing.  Processes may
# still be putting things away when the first reading is taken (statistics are
# reported late): the test is passed by the first quiet interval of some.
my ($first, $second) = ('', '-');
for (my $try = 0; $try < 5 && $first ne $second; $try++)
{
	$first = processes() . "\n" . transactions();
	$node->safe_psql('postgres', 'SELECT pg_sleep(4)');
	$second = processes() . "\n" . transactions();
}
is($second, $first, 'no transaction, no CPU time, no wake-up in four seconds');

# They are not dead: each of them wakes up when there is something.
my $id = run_execution($node, 'a', 'fan', 'alice');
is($node->safe_psql('a', "SELECT status FROM workflow.executions WHERE id = $id"), 'completed', 'and they still work');

$node->stop;
done_testing();
