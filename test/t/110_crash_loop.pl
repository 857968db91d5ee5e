# Steps that take their process, or the server, down each time they run: the
# execution fails as CrashLoop, and nobody else pays for it.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = crash_cluster('crash_loop', 'workflow.max_executors = 4');
is($node->safe_psql('w', 'SHOW workflow.max_recoveries'), 3, 'three times by default');

# A crash of the server ends the test's sessions too, so what a step waits for is
# a row.
$node->safe_psql(
	'w', q{
	CREATE TABLE gate (closed boolean);
	CREATE FUNCTION pass_gate() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RAISE LOG 'trying bystander';
		WHILE EXISTS (SELECT FROM gate) LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
		RETURN 'passed';
	END $$;
	CREATE FUNCTION die(how text, name text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		RAISE LOG 'trying %', name;
		IF how = 'fatal' THEN
			PERFORM pg_terminate_backend(pg_backend_pid());
		ELSE
			COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID';
		END IF;
		PERFORM pg_sleep(60);
	END $$;
});
define_workflow($node, 'w', 'bystander', 'one', { step('one', 0, next_step => 'wait'),
	wait => { type => 'sql', sql => 'SELECT pass_gate()', result => 'value', next_step => 'last' },
	step('last', 0) });
define_workflow($node, 'w', 'short', 'one', { step('one', 0, next_step => 'two'), step('two', 0) });
foreach my $how ('fatal', 'kill')
{
	define_workflow($node, 'w', "poison_$how", 'before', { step('before', 0, next_step => 'poison'),
		poison => { type => 'sql', sql => "SELECT die('$how', 'poison_$how')", next_step => 'behind' },
		step('behind', 0) });
	define_workflow($node, 'w', "poison_${how}_inside", 'block', {
		block => { type => 'parallel', parallel_steps => [ 'good', 'inner' ] },
		step('good', 0),
		inner => { type => 'loop', loop_config => { collection => '${workflow.input.items}', loop_body => ['poison'] } },
		poison => { type => 'sql', sql => "SELECT die('$how', 'poison_${how}_inside')" } });
}

foreach my $name ('poison_later', 'poison_last')
{
	define_workflow($node, 'w', $name, 'before', { step('before', 0, next_step => 'poison'),
		poison => { type => 'sql', sql => "SELECT die('kill', '$name')" } });
}
# what takes the server down before anything of it is safe
define_workflow($node, 'w', 'poison_first', 'poison',
	{ poison => { type => 'sql', sql => "SELECT die('kill', 'poison_first')" } });

sub tries
{
	my ($name) = @_;
	my @found = slurp_file($node->logfile) =~ /trying $name$/mg;

	return scalar @found;
}

# The session may go down with the server before it has the answer: asked again, it is the
# execution of the same key.
my $started = 0;

sub start
{
	my ($workflow, $priority) = @_;
	my $key = ++$started;
	my $id;

	for my $attempt (1 .. 100)
	{
		$id = try_sql($node, 'w', qq{SELECT workflow.start('$workflow', '{"items": [1, 2]}', priority => $priority, idempotency_key => '$key')});
		return $id if defined $id && $id ne '';
		$node->poll_query_until('postgres', 'SELECT true')
		  or die 'timed out';
	}
	die "$workflow could not be started";
}

sub check_poison
{
	my ($id, $name) = @_;

	wait_until($node, "SELECT status = 'failed' FROM workflow.executions WHERE id = $id", "$name fails");
	is( $node->safe_psql('w', qq{
			SELECT error_type, error ->> 'type', error ->> 'message', recoveries, completed_at IS NOT NULL
			FROM workflow.executions WHERE id = $id}),
		'CrashLoop|CrashLoop|the execution was recovered too often without progress|3|t',
		"$name fails as CrashLoop, and says why");
	is($node->safe_psql('w', "SELECT error ->> 'step_id' FROM workflow.executions WHERE id = $id"),
		$name =~ /inside/ ? 'block' : 'poison', "$name: the error names the step of the top level");
	like($node->safe_psql('w', "SELECT error ->> 'detail' FROM workflow.executions WHERE id = $id"),
		qr/max_recoveries|the executor ended/, "$name: the detail helps");
	# a sibling that completes in between is progress, and the count starts anew
	my $most = $name =~ /inside/ ? 6 : 3;
	cmp_ok(tries($name), '>=', 3, "$name was tried as often as allowed");
	cmp_ok(tries($name), '<=', $most, "$name was not tried more often");
	return;
}

# --- one process dies ---

$node->safe_psql('w', 'INSERT INTO gate VALUES (true)');
my $bystander = start('bystander', 0);
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'a bystander runs');
foreach my $name ('poison_fatal', 'poison_fatal_inside')
{
	my $id = start($name, 0);
	my $short = start('short', 0);

	check_poison($id, $name);
	wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $short", 'others go on');
}
is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $bystander"),
	'running|0', 'the bystander noticed nothing');
is(tries('bystander'), 1, 'nor was it run again');

# In a batch it is not known which step it was until they are run one by one.
$node->safe_psql('w', q{
	CREATE TABLE before_poison (step text);
	SELECT workflow.define('{"name": "poison_batch", "commit": {"max_steps": 10, "max_ms": 60000}, "steps": [
		{"id": "ahead", "sql": "INSERT INTO before_poison VALUES (''ahead'')"},
		{"id": "too", "sql": "INSERT INTO before_poison VALUES (''too'')"},
		{"id": "poison", "sql": "SELECT die(''fatal'', ''poison_batch'')"},
		{"id": "behind", "sql": "SELECT 1"}]}')});
foreach my $parallel ('true', 'false')
{
	my $batch = $node->safe_psql('w', "TRUNCATE before_poison; SELECT workflow.start('poison_batch', parallel => $parallel)");

	wait_until($node, "SELECT status = 'failed' FROM workflow.executions WHERE id = $batch", 'poison in a batch fails');
	is($node->safe_psql('w', "SELECT error_type, error ->> 'step_id' FROM workflow.executions WHERE id = $batch"),
		'CrashLoop|poison', 'and is named');
	is($node->safe_psql('w', q{SELECT string_agg(step, ' ' ORDER BY step) FROM before_poison}), 'ahead too', 'what was before it has run, once');
}

# Where a catch has led is known from the rows as well.
$node->safe_psql('w', q{SELECT workflow.define('{"name": "poison_caught", "steps": [
		{"id": "fails", "sql": "SELECT 1 / 0", "catch": [{"next_step": "poison"}]},
		{"id": "other", "sql": "SELECT 1", "next_step": null},
		{"id": "poison", "sql": "SELECT die(''fatal'', ''poison_caught'')"}]}')});
check_poison(start('poison_caught', 0), 'poison_caught');

# --- the server dies, and the poison is tried first (A164) ---

my $poison = start('poison_kill', 10);
check_poison($poison, 'poison_kill');
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'the bystander runs again');
is($node->safe_psql('w', "SELECT status, recoveries <= 2 FROM workflow.executions WHERE id = $bystander"),
	'running|t', 'it is not counted out');
my $short = start('short', 0);
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $short", 'others go on');

# --- a parallel worker of the step dies: its executor is ended with all others ---

$node->safe_psql('w', q{
	CREATE TABLE many AS SELECT generate_series(1, 10000) AS i;
	CREATE FUNCTION die_beside(name text, i int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS $$
	BEGIN
		IF (SELECT backend_type = 'parallel worker' FROM pg_stat_activity WHERE pid = pg_backend_pid()) THEN
			RAISE LOG 'trying %', name;
			COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID';
			PERFORM pg_sleep(60);
		END IF;
		PERFORM pg_sleep(0.01);
		RETURN i;
	END $$;
	SELECT workflow.define('{"name": "poison_worker", "steps": [{"id": "poison",
		"settings": {"parallel_setup_cost": "0", "parallel_tuple_cost": "0", "min_parallel_table_scan_size": "0", "max_parallel_workers_per_gather": "1"},
		"sql": "SELECT count(*) FROM many WHERE die_beside(''poison_worker'', i) > 0"}]}')});
check_poison(start('poison_worker', 10), 'poison_worker');
# one that builds an index
$node->safe_psql('w', q{
	CREATE FUNCTION die_in_index(i int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN die_beside('poison_index', i);
	SELECT workflow.define('{"name": "poison_index", "steps": [{"id": "poison",
		"settings": {"min_parallel_table_scan_size": "0", "max_parallel_maintenance_workers": "1", "maintenance_work_mem": "128MB"},
		"sql": "CREATE INDEX ON many (die_in_index(i))"}]}')});
check_poison(start('poison_index', 10), 'poison_index');
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'the bystander runs again');

# --- the scheduler dies while it works: no step is to blame that others ran ---

my $innocent = start('bystander', 0);
foreach my $time (1 .. 6)
{
	wait_until($node, q{SELECT count(*) = 2 FROM workflow.activity WHERE step_id = 'wait'}, 'the bystanders run');
	my $scheduler = $node->safe_psql('w', q{SELECT pid FROM workflow.scheduler_state()});

	$node->safe_psql('w', q{SELECT count(workflow.start('short')) FROM generate_series(1, 300)});
	kill 'KILL', $scheduler;
	wait_until($node, "SELECT pid <> $scheduler FROM workflow.scheduler_state()", 'another scheduler comes');
}
is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $innocent"), 'running|0', 'the end of a scheduler is not its fault');

$node->safe_psql('w', 'DELETE FROM gate');
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $_", 'the bystander completes') foreach $bystander, $innocent;

# --- the server dies before the claim is on disk ---

$poison = start('poison_first', 0);
wait_until($node, "SELECT status = 'failed' AND error_type = 'CrashLoop' FROM workflow.executions WHERE id = $poison",
	'poison in the first step fails as CrashLoop');
is($node->safe_psql('w', "SELECT error ->> 'step_id' FROM workflow.executions WHERE id = $poison"), 'poison', 'and names it');
cmp_ok(tries('poison_first'), '<=', 4, 'and was not tried for ever');

# --- the server goes with its postmaster, and everybody who worked has outlived it ---

# The postmaster's file of the black box (src/shared/black_box.c), if it is there.
sub black_box
{
	my $pid = postmaster_pid($node);

	return slurp_file("/proc/$pid/maps") =~ m{(/dev/shm/pg_workflow\.\w+)$}m ? $1 : die 'no black box';
}

# Without a postmaster no other can start until all of its processes are gone.
sub lose_postmaster
{
	$node->kill9;
	for my $attempt (1 .. 600)
	{
		$node->{_pid} = undef;
		return if $node->start(fail_ok => 1);
		usleep(100_000);
	}
	die 'the server did not start again';
}

$node->safe_psql('w', 'INSERT INTO gate VALUES (true)');
$bystander = start('bystander', 0);
foreach my $how ('immediate', 'killed', 'immediate', 'killed')
{
	wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'a bystander runs');
	if ($how eq 'killed')
	{
		lose_postmaster();
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
}
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'it runs again');
is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $bystander"),
	'running|0', 'nothing of that is counted');
$node->safe_psql('w', 'DELETE FROM gate');
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $bystander", 'and completes');

# --- the server goes with the step's process, and its postmaster too ---

$node->append_conf('postgresql.conf', 'restart_after_crash = off');
$node->reload;
$node->safe_psql('w', 'INSERT INTO gate VALUES (true)');
$bystander = start('bystander', 0);
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'a bystander runs');
$poison = $node->safe_psql('w', q{SELECT workflow.start('poison_last', start_at => clock_timestamp() + interval '1 s')});
foreach my $try (1 .. 3)
{
	my $pid_file = $node->data_dir . '/postmaster.pid';

	for my $look (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if !-e $pid_file;
		usleep(100_000);
	}
	ok(!-e $pid_file, 'the server is gone');
	$node->{_pid} = undef;
	# it may be gone again before pg_ctl has seen it
	$node->start(fail_ok => 1);
}
wait_until($node, "SELECT status = 'failed' AND error_type = 'CrashLoop' FROM workflow.executions WHERE id = $poison",
	'poison fails as CrashLoop');
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'the bystander runs again');
is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $bystander"),
	'running|0', 'and is not counted');
$node->safe_psql('w', 'DELETE FROM gate');
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $bystander", 'and completes');
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;

# --- the machine goes, and nobody knows of whom ---

$node->safe_psql('w', 'INSERT INTO gate VALUES (true)');
my @suspects = (start('bystander', 0), start('bystander', 0));
my $suspects = join ',', @suspects;
foreach my $try (1, 2)
{
	my $box;

	wait_until($node, q{SELECT count(*) = 2 FROM workflow.activity WHERE step_id = 'wait'}, 'two bystanders run');
	$box = black_box();
	$node->stop('immediate');
	unlink $box or die "$box: $!";
	$node->start;
}
wait_until($node, "SELECT count(*) = 2 FROM workflow.executions WHERE id IN ($suspects) AND recoveries = 2",
	'both are suspects');
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'one is tried alone');
$short = start('short', 0);
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $short", 'others go on');
is($node->safe_psql('w', "SELECT count(*) FROM workflow.executions WHERE id IN ($suspects) AND status = 'running' AND recoveries = 2 AND probation"),
	1, 'the other suspect waits');
$node->safe_psql('w', 'DELETE FROM gate');
wait_until($node, "SELECT count(*) = 2 FROM workflow.executions WHERE id IN ($suspects) AND status = 'completed'",
	'both complete');

# --- the server dies of another one, which is known ---

$node->safe_psql('w', 'INSERT INTO gate VALUES (true)');
$bystander = start('bystander', 0);
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'another bystander runs');
# a moment later: the session that starts it would go down with the server
$poison = $node->safe_psql('w', q{SELECT workflow.start('poison_later', start_at => clock_timestamp() + interval '1 s')});
check_poison($poison, 'poison_later');
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'wait'}, 'the bystander runs again');
is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $bystander"),
	'running|0', 'it is not counted');
$node->safe_psql('w', 'DELETE FROM gate');
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $bystander", 'the bystander completes');

# --- the server dies of a step inside containers ---

check_poison(start('poison_kill_inside', 0), 'poison_kill_inside');

check_finished($node, 'w', 'at the end');
check_effects($node, 'w', 'true', 'at the end');
check_pool($node, 'w', 'at the end');
my $box = black_box();
ok(-e $box, 'there is a black box');
$node->stop('fast');
ok(!-e $box, 'it goes with the server that is shut down');

done_testing();
