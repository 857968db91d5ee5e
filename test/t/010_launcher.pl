# The launcher and its schedulers: where they run, how they come back, what happens
# when there is no room for them, and that they do nothing when nothing is to do.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('launcher', 'restart_after_crash = on');
my $log = $node->logfile;

# --- where schedulers run ---

$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(a b c);
is($node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_workflow launcher'"),
	1, 'there is one launcher');

install_extension($node, 'a');
install_extension($node, 'b');
ok(wait_for_schedulers($node, 'a,b'), 'databases with the extension have a scheduler, others none');

my $id = $node->safe_psql('a', "SELECT workflow.start('short')");
ok(wait_for_status($node, 'a', $id, 'completed'), 'an execution runs');

$node->safe_psql('c', 'BEGIN; CREATE EXTENSION pg_workflow; ROLLBACK');
install_extension($node, 'c');
ok(wait_for_schedulers($node, 'a,b,c'), 'CREATE EXTENSION is noticed, also after one that was rolled back');

$node->psql('postgres', q{
	ALTER DATABASE a ALLOW_CONNECTIONS false;
	ALTER DATABASE b IS_TEMPLATE true;});
ok(wait_for_schedulers($node, 'c'), 'no scheduler in a template or without connections');
$node->psql('postgres', q{
	ALTER DATABASE a ALLOW_CONNECTIONS true;
	ALTER DATABASE b IS_TEMPLATE false;});
ok(wait_for_schedulers($node, 'a,b,c'), 'schedulers come back to them');

# --- SIGTERM and kill -9 of each ---

start_endless($node, 'a');
foreach my $signal ('TERM', 'KILL')
{
	foreach my $kind ('launcher', 'scheduler', 'executor')
	{
		my $pid = worker_pid($node, $kind, $kind eq 'launcher' ? undef : 'a');

		kill $signal, $pid;
		ok( $node->poll_query_until(
				'postgres', qq{
				SELECT count(*) = 1 FROM pg_stat_activity
				WHERE backend_type = 'pg_workflow $kind' AND pid <> $pid
					AND datname IS NOT DISTINCT FROM
						CASE '$kind' WHEN 'launcher' THEN NULL ELSE 'a' END::name}),
			"$kind is back after SIG$signal");
		wait_for_endless($node, 'a',
			$kind eq 'launcher' && $signal eq 'TERM' ? 0 : $pid);
	}
}
ok(wait_for_schedulers($node, 'a,b,c'), 'nobody is missing after that');

# SIGINT ends neither launcher nor scheduler.
my @before = map { worker_pid($node, @$_) } ['launcher'], [ 'scheduler', 'a' ];
kill 'INT', @before;
$id = $node->safe_psql('a', "SELECT workflow.start('short')");
ok(wait_for_status($node, 'a', $id, 'completed'), 'an execution runs after SIGINT');
is_deeply([ map { worker_pid($node, @$_) } ['launcher'], [ 'scheduler', 'a' ] ],
	\@before, 'launcher and scheduler ignore SIGINT');

# --- shutdown and restart with a step under way ---

foreach my $mode ('fast', 'immediate', 'smart')
{
	$node->stop($mode);
	$node->start;
	wait_for_endless($node, 'a');
	ok(wait_for_schedulers($node, 'a,b,c'), "everything is back after shutdown, mode $mode");
}
$node->safe_psql('a', q{SELECT workflow.cancel(id, 'test') FROM workflow.executions
	WHERE workflow = 'endless'});
ok( $node->poll_query_until('a', q{SELECT bool_and(status = 'cancelled')
	FROM workflow.executions WHERE workflow = 'endless'}),
	'the endless execution is cancelled');

# --- idle ---

SKIP:
{
	my @pids = grep { -r "/proc/$_/status" } map { worker_pid($node, @$_) }
	  ['launcher'], [ 'scheduler', 'a' ], [ 'scheduler', 'b' ];
	skip 'needs /proc', 1 if @pids != 3;

	my $switches = sub {
		return join ' ', map { slurp_file("/proc/$_/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m; $1 } @pids;
	};

	# Measured on the server's clock, between two readings without anything else
	# going on: when they are alike, nobody has woken up in five seconds.
	my ($first, $second) = ('', '-');
	for (my $try = 0; $try < 4 && $first ne $second; $try++)
	{
		$first = $switches->();
		$node->safe_psql('postgres', 'SELECT pg_sleep(5)');
		$second = $switches->();
	}
	is($second, $first, 'idle processes do not wake up');
}

# --- limits ---

my $offset = -s $log;
$node->append_conf('postgresql.conf', 'max_worker_processes = 3');
$node->restart;
# launcher, logical replication launcher, one scheduler
$node->wait_for_log(qr/WARNING: .*out of background worker slots for workflow schedulers/, $offset);
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'"),
	'as many schedulers as there are workers');
my $served = $node->safe_psql('postgres', schedulers());
my ($first_other, $other) = grep { $_ ne $served } qw(a b c);
$node->safe_psql('postgres', "DROP DATABASE $served");
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'"),
	'another database takes the free worker');
$served = $node->safe_psql('postgres', schedulers());
$node->safe_psql('postgres', "DROP DATABASE $served");
$node->wait_for_log(qr/LOG: .*slots for workflow schedulers are available again/, $offset);
my $count = () = slurp_file($log, $offset) =~ /out of background worker slots for workflow/g;
is($count, 1, 'the warning is given once');

$offset = -s $log;
$node->append_conf('postgresql.conf', "max_worker_processes = 20\nworkflow.max_databases = 1");
$node->safe_psql('postgres', 'CREATE DATABASE d');
install_extension($node, 'd');
$node->restart;
$node->wait_for_log(qr/WARNING: .*too many databases for workflow schedulers/, $offset);
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'"),
	'one database is served when there is room for one');
my $has = $node->safe_psql('postgres', schedulers());
my $crowded = $has ne 'd' ? 'd' : $node->safe_psql('postgres', "SELECT datname FROM pg_database WHERE datname IN ('a', 'b', 'c') LIMIT 1");
is($node->safe_psql($crowded, 'SELECT reason, detail, help FROM workflow.no_workers(10)'),
	'no scheduler|workflow.max_databases is 1, and so many others have one|ALTER SYSTEM SET workflow.max_databases = 2 -- and restart the server',
	'the others can be told why not');

# --- a scheduler that fails ---

$node->append_conf('postgresql.conf', 'workflow.max_databases = 64');
$node->restart;
($served) = split /,/, $node->safe_psql('postgres', "SELECT datname FROM pg_database WHERE datname IN ('a', 'b', 'c') LIMIT 1");
ok(wait_for_schedulers($node, "$served,d"), 'both are served');
# that is refused as a statement
my $scheduler = worker_pid($node, 'scheduler', 'd');
$offset = -s $log;
$node->safe_psql('d', q{UPDATE pg_class SET relname = 'hidden' WHERE oid = 'workflow.executions'::regclass});
kill 'TERM', $scheduler;
$node->wait_for_log(qr/pg_workflow scheduler ERROR: .*pg_workflow scheduler ERROR: /s, $offset);
$id = $node->safe_psql($served, "SELECT workflow.start('short')");
ok(wait_for_status($node, $served, $id, 'completed'), 'a scheduler that fails disturbs no other database');
$node->safe_psql('d', q{UPDATE pg_class SET relname = 'executions' WHERE oid = 'workflow.hidden'::regclass});
ok(wait_for_schedulers($node, "$served,d"), 'it is tried again');

# --- not preloaded ---

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
my ($result, $stdout, $stderr) = $node->psql('postgres',
	"LOAD 'pg_workflow'; SHOW workflow.max_executors; SET workflow.nonsense = 1");
is($stdout, '8', 'settings can be shown when the library is not preloaded');
like($stderr, qr/invalid configuration parameter name "workflow.nonsense"/, 'the prefix is reserved');

$node->stop;
done_testing();
