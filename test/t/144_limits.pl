# What the operating system does not give: files that may not grow, processes; and a server that
# does not get through its recovery.  As with a full disk (138_weather.pl) nobody is to
# blame: it is done again until there is room, and why(), alerts and the log say so.
#
# Limits of processes that run are changed with prlimit(1), which needs no rights.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('limits');

# segments of WAL are smaller than what tables are allowed below
$node->init(extra => ['--wal-segsize=1']);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_workflow'
max_worker_processes = 20
workflow.max_executors = 4
workflow.max_recoveries = 2
workflow.alert_offline = '1s'
autovacuum = off
fsync = off
log_line_prefix = '%m [%p] %b '
});
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE w');
$node->safe_psql('w', 'CREATE EXTENSION pg_workflow');
effects_table($node, 'w');

my @quiet = map { "q$_" } 1 .. 4;
my %quiet = map { $quiet[$_] => { type => 'sql', sql => 'SELECT 1', $_ < $#quiet ? (next_step => $quiet[ $_ + 1 ]) : () } } 0 .. $#quiet;
define_workflow($node, 'w', 'quiet', 'q1', \%quiet);
define_workflow($node, 'w', 'batched', 'q1', \%quiet, commit => { max_steps => 20, max_ms => 1000 });
define_workflow($node, 'w', 'blocks', 'all', { %quiet,
	all => { type => 'parallel', parallel_steps => [ 'left', 'right' ], next_step => 'q1' },
	left => { type => 'sql', sql => 'SELECT 1' },
	right => { type => 'loop', loop_config => { collection => '${workflow.input.three}', loop_body => ['body'], execution_mode => 'parallel' } },
	body => { type => 'sql', sql => 'SELECT 1', compensate => { id => 'undo', type => 'sql', sql => 'SELECT 1' } } });
define_workflow($node, 'w', 'fill', 'rows', {
	rows => { type => 'loop', loop_config => { collection => '${workflow.input.rows}', loop_body => ['row'], max_iterations => 10000 } },
	row => { type => 'set', output => 'x' x 400 } });

my $start = q{SELECT count(workflow.start(d.name, '{"three": [1, 2, 3]}')) FROM workflow.definitions AS d, generate_series(1, 13)
	WHERE d.name IN ('quiet', 'batched', 'blocks')};
my $all_ended = q{SELECT NOT EXISTS (SELECT FROM workflow.executions WHERE status IN ('pending', 'running', 'cancelling'))};

sub pids
{
	my ($kind) = @_;

	return split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type ~ '$kind'");
}

# The soft limit of a resource for processes; some may have gone.
sub limit
{
	my ($resource, $value, @pids) = @_;

	system_log('prlimit', '--pid', $_, "--$resource=$value:") foreach @pids;
	return;
}

# As far as that may be.
sub lift_limit
{
	my ($resource, @pids) = @_;

	foreach my $pid (@pids)
	{
		my $hard = qx(prlimit --pid $pid --$resource --output=HARD --noheadings --raw);

		limit($resource, $hard =~ /(\w+)/, $pid) if $? == 0;
	}
	return;
}

# Wait until the log has so many lines like this behind a place in it.
sub wait_for_lines
{
	my ($from, $count, $like, $pace) = @_;
	my $found = 0;

	$pace //= sub { $node->safe_psql('postgres', 'SELECT true') };
	for (my $tries = 0; $found < $count && $tries < 20000; $tries++)
	{
		$pace->();
		$found = () = slurp_file($node->logfile, $from) =~ /$like/g;
	}
	cmp_ok($found, '>=', $count, "the log has $count times $like");
	return;
}

# Nothing has failed; then it is lifted, and everything ends as it should.
sub nothing_fails
{
	my ($name, $lift) = @_;

	is($node->safe_psql('w', q{SELECT count(*) FROM workflow.executions WHERE status NOT IN ('pending', 'running', 'completed')}),
		0, "$name: nothing fails");
	ok($node->poll_query_until('w', q{SELECT EXISTS (SELECT FROM workflow.executions AS e, workflow.why(e.id) AS y
			WHERE e.status IN ('pending', 'running') AND y.reason = 'done again')}), "$name: why() says so");
	ok($node->poll_query_until('w', q{SELECT EXISTS (SELECT FROM workflow.alerts WHERE condition = 'done again')}),
		"$name: an alert says so");
	$lift->();
	everything_ends($name);
	return;
}

sub everything_ends
{
	my ($name) = @_;

	ok($node->poll_query_until('w', $all_ended), "$name: everything ends") or diagnose($node, 'w');
	is($node->safe_psql('w', q{SELECT string_agg(DISTINCT status, ',') || ' ' || max(recoveries) FROM workflow.executions}),
		'completed 0', "$name: well, and nothing was counted");
	is($node->safe_psql('w', q{SELECT e.id, e.workflow, count(*) FROM workflow.executions AS e JOIN workflow.step_executions AS s ON s.execution_id = e.id
			WHERE e.workflow IN ('quiet', 'batched', 'blocks') GROUP BY e.id, e.workflow
			HAVING count(*) <> CASE e.workflow WHEN 'blocks' THEN 10 ELSE 4 END}),
		'', "$name: each step once");
	return;
}

SKIP:
{
	skip 'there is no prlimit to change limits of processes with', 14
	  if system('prlimit --version >/dev/null 2>&1') != 0;

	# --- files may not grow: to the server neither a full disk nor anything else that it knows ---

	my $rows = 6000;
	$node->safe_psql('w', "SELECT workflow.start('fill', jsonb_build_object('rows', (SELECT jsonb_agg(i) FROM generate_series(1, $rows) AS i)))");
	ok($node->poll_query_until('w', $all_ended), 'the table grows');
	my $size = $node->safe_psql('w', q{SELECT pg_relation_size('workflow.step_executions')});
	my $from = -s $node->logfile;
	limit('fsize', $size, postmaster_pid($node), pids('pg_workflow'));
	$node->safe_psql('w', $start);
	wait_for_lines($from, 30, qr/executor ERROR:  could not extend file .*: File too large/);
	like(slurp_file($node->logfile, $from), qr/is done again: could not extend file/, 'files: the log says what is done about it');
	nothing_fails('files', sub { lift_limit('fsize', postmaster_pid($node), pids('.')) });

	# --- no processes: executors cannot be started ---

	$node->restart;
	my $session = $node->background_psql('w');
	wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler' AND datname = 'w'},
		'the scheduler is there');
	$from = -s $node->logfile;
	limit('nproc', 1, postmaster_pid($node));
	$session->query_safe($start);
	my $no_process = sub { $session->query_safe('SELECT true') };
	wait_for_lines($from, 6, qr/could not fork (?:worker|background worker) process/, $no_process);
	wait_for_lines($from, 1, qr/executors of role ".*" have ended \d+ times in a row before they began to work/, $no_process);
	lift_limit('nproc', postmaster_pid($node));
	is($session->query_safe(q{SELECT count(*) FROM workflow.executions WHERE error_type IS NOT NULL}), 0, 'processes: nothing fails');
	$session->quit;
	everything_ends('processes');
}

# --- a server that does not get through its recovery ---

$node->safe_psql('w', q{CREATE TABLE gate (closed boolean); INSERT INTO gate VALUES (true)});
define_workflow($node, 'w', 'gated', 'wait', { wait => { type => 'sql', sql =>
		'DO $$ BEGIN WHILE EXISTS (SELECT FROM public.gate) LOOP PERFORM pg_sleep(0.02); END LOOP; END $$', result => 'none' } });
my $id = $node->safe_psql('w', q{SELECT workflow.start('gated')});
my $file = $node->data_dir . '/' . $node->safe_psql('w', q{SELECT pg_relation_filepath('effects')});
foreach my $try (1 .. 3)
{
	wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'it runs');
	# recovery has to write this
	$node->safe_psql('w', q{CHECKPOINT; INSERT INTO effects VALUES (0, 'nobody', '-')});
	$node->stop('immediate');
	chmod 0, $file or die "cannot chmod $file: $!";
	is($node->start(fail_ok => 1), 0, "the server does not get through its recovery ($try)");
	chmod 0600, $file or die "cannot chmod $file: $!";
	$node->start;
}
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'it runs');
is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $id"),
	'running|0', 'a server that does not get through its recovery accuses nobody');
$node->safe_psql('w', 'DELETE FROM gate');
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $id", 'it completes');
check_finished($node, 'w', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop;

done_testing();
