# Who is to blame for an interruption: a disk that is full, a setting of the server, somebody who
# terminates processes, or another process that crashes, is nobody's guilt; what has to be written
# is written when it can be.  A step that ends its own process is guilty (110_crash_loop.pl).

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest 'worker_pid';

my $node = crash_cluster('weather', 'workflow.max_recoveries = 2');
gated_effects($node, 'w');
define_workflow($node, 'w', 'short', 'one', { step('one', 0, next_step => 'two'), step('two', 0) });
define_workflow($node, 'w', 'gated', 'first', { step('first', 0, next_step => 'last'), step('last', 0) });
define_workflow($node, 'w', 'wrong', 'one', { one => { type => 'sql', sql => 'SELECT 1 / 0' } });

# --- the disk is full ---

# as the server would say it, for whatever table it wants to extend
$node->safe_psql('w', q{
	CREATE TABLE full_disk (what text);
	CREATE FUNCTION extend() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM public.full_disk AS f WHERE f.what = TG_ARGV[0]) THEN
			RAISE disk_full USING MESSAGE = format('could not extend file "%s": No space left on device', TG_ARGV[0]);
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER extend BEFORE INSERT OR UPDATE ON workflow.step_executions FOR EACH ROW EXECUTE FUNCTION extend('step_executions');
	CREATE TRIGGER extend BEFORE UPDATE ON workflow.executions FOR EACH ROW EXECUTE FUNCTION extend('executions');
	CREATE CONSTRAINT TRIGGER extend_at_commit AFTER INSERT OR UPDATE ON workflow.step_executions
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION extend('commit');
});
foreach my $table ('step_executions', 'executions', 'commit')
{
	$node->safe_psql('w', "INSERT INTO full_disk VALUES ('$table')");
	my $from = -s $node->logfile;
	$node->safe_psql('w', q{SELECT count(workflow.start('short')) FROM generate_series(1, 40)});
	# executors have tried more often than would be forgiven to a step; the scheduler says it once
	my $wanted = $table eq 'executions' ? 1 : 120;
	my $tries = 0;
	while ($tries < $wanted)
	{
		$node->safe_psql('w', 'SELECT true');
		$tries = () = slurp_file($node->logfile, $from) =~ /could not extend file "$table"/g;
	}
	is($node->safe_psql('w', q{SELECT count(*) FROM workflow.executions WHERE status NOT IN ('pending', 'running', 'waiting') AND error_type IS NOT NULL}),
		0, "$table: nothing fails while there is no room");
	$node->safe_psql('w', 'TRUNCATE full_disk');
	ok($node->poll_query_until('w', q{SELECT NOT EXISTS (SELECT FROM workflow.executions WHERE status IN ('pending', 'running', 'waiting'))}),
		"$table: everything ends when there is room again")
	  or diagnose($node, 'w');
	is($node->safe_psql('w', q{SELECT string_agg(DISTINCT status, ',') || ' ' || max(recoveries) FROM workflow.executions}),
		'completed 0', "$table: well, and nothing was counted");
	check_effects($node, 'w', 'true', $table);
	like(slurp_file($node->logfile, $from), qr/is done again: could not extend|does again what failed: could not extend/,
		"$table: the log says so");
}

# a commit that does not wait for the disk fails: those that do wait for it, do so still
define_workflow($node, 'w', 'long', 'one', { one => { type => 'sql', sql => 'SELECT pg_sleep(3600)' } });
$node->safe_psql('w', q{
	CREATE TABLE waited (synchronous_commit text);
	CREATE SEQUENCE marks_taken;
	CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF nextval('public.marks_taken') = 1 THEN
			RAISE disk_full USING MESSAGE = 'no room for the first mark';
		END IF;
		RETURN NULL;
	END $$;
	CREATE FUNCTION note_wait() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.waited VALUES (current_setting('synchronous_commit'));
		RETURN NEW;
	END $$;
	CREATE CONSTRAINT TRIGGER fail_first AFTER UPDATE ON workflow.executions DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW WHEN (OLD.control AND NOT NEW.control) EXECUTE FUNCTION fail_first();
	CREATE TRIGGER note_wait BEFORE UPDATE ON workflow.executions
		FOR EACH ROW WHEN (NEW.status = 'cancelled') EXECUTE FUNCTION note_wait();
});
my $long = $node->safe_psql('w', q{SELECT workflow.start('long')});
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'one'}, 'it runs');
$node->safe_psql('w', "SELECT workflow.cancel($long)");
wait_until($node, "SELECT status = 'cancelled' FROM workflow.executions WHERE id = $long", 'its mark is taken the second time, and it is cancelled');
is($node->safe_psql('w', 'SELECT last_value > 1 FROM marks_taken'), 't', 'the first commit had failed');
is($node->safe_psql('w', 'SELECT synchronous_commit FROM waited'), 'on', 'the end waits for the disk');
$node->safe_psql('w', 'DROP TRIGGER fail_first ON workflow.executions; DROP TRIGGER note_wait ON workflow.executions');

# --- settings of the server ---

$node->append_conf('postgresql.conf', 'exit_on_error = on');
$node->reload;
# errors of the server, of ours, of what is deferred to the end, of agents, of conditions (which are
# false then), outside of transactions, of a time limit
$node->safe_psql('w', q{
	CREATE TABLE parents (id integer PRIMARY KEY);
	CREATE TABLE children (id integer REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
	CREATE FUNCTION fails(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'as an agent'; END$$;
	SELECT workflow.register_agent('fails', 'public.fails(jsonb)'), workflow.register_agent('fails_in_sql', sql => 'SELECT 1 / 0')});
my %wrong = (
	wrong => [ '22012' ],
	ours => [ '55000', type => 'sql', sql => 'SELECT workflow.wait(1)' ],
	parameter => [ '22P02', type => 'sql', sql => 'SELECT $1::int', params => [ 'x' ] ],
	told => [ 'Told', type => 'fail', error => 'Told', message => 'to fail' ],
	deferred => [ '23503', type => 'sql', sql => 'INSERT INTO children VALUES (1)' ],
	agent => [ 'P0001', agent_name => 'fails' ],
	agent_in_sql => [ '22012', agent_name => 'fails_in_sql' ],
	outside => [ '42P01', type => 'sql', sql => 'VACUUM nowhere', transaction => 'none' ],
	condition => [ '', type => 'conditional', condition => { sql => 'SELECT 1 / 0 = 1' }, if_true_step => { id => 'yes', type => 'set', output => 1 } ],
	late => [ 'Timeout', type => 'sql', sql => 'SELECT pg_sleep(3600)', timeout_seconds => 1 ]);
my ($type, @step);
foreach my $name (sort keys %wrong)
{
	($type, @step) = @{ $wrong{$name} };
	define_workflow($node, 'w', $name, 'one', { one => {@step} }) if @step;
}
my $from = -s $node->logfile;
my $id;
my $scheduler = worker_pid($node, 'scheduler', 'w');
foreach my $name (sort keys %wrong)
{
	$id = $node->safe_psql('w', "SELECT workflow.start('$name')");
	$node->safe_psql('w', "SELECT FROM workflow.wait($id, '60 s')");
	like($node->safe_psql('w', "SELECT status, error_type, recoveries FROM workflow.executions WHERE id = $id"),
		qr/^(failed|timed_out|completed(?=\|\|))\|$wrong{$name}[0]\|0$/, "exit_on_error: $name: that is a step's, and its process goes on");
}
is(worker_pid($node, 'scheduler', 'w'), $scheduler, 'exit_on_error: nor does the scheduler');
unlike(slurp_file($node->logfile, $from), qr/pg_workflow (?:executor|scheduler) FATAL|FATAL: .*pg_workflow/, 'exit_on_error: no process has ended');
$node->append_conf('postgresql.conf', 'exit_on_error = off');
$node->reload;

# --- somebody terminates, or another process crashes ---

close_gate($node, 'first -');
$id = $node->safe_psql('w', q{SELECT workflow.start('gated')});
my ($executor) = wait_at_gate($node, 1);
foreach my $try (1 .. 4)
{
	$node->safe_psql('w', "SELECT pg_terminate_backend($executor)");
	($executor) = wait_at_gate($node, 1, $executor);
}
is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $id"),
	'running|0', 'executors that are terminated count for nothing');
open_gate();
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $id", 'it completes');

# a gate that outlives crashes
$node->safe_psql('w', q{
	CREATE TABLE gate (closed boolean);
	INSERT INTO gate VALUES (true);
	CREATE FUNCTION pass_gate() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		WHILE EXISTS (SELECT FROM gate) LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
		RETURN 'passed';
	END $$});
define_workflow($node, 'w', 'bystander', 'one', { one => { type => 'sql', sql => 'SELECT pass_gate()' } });
my $bystander = $node->safe_psql('w', q{SELECT workflow.start('bystander')});
foreach my $try (1 .. 4)
{
	wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'one' AND started_at > pg_postmaster_start_time()},
		'the bystander runs');
	my $victim = $node->background_psql('w', on_error_stop => 0);
	my $pid = $victim->query('SELECT pg_backend_pid()');
	kill 'KILL', $pid;
	eval { $victim->quit };
	wait_until($node, qq{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)}, 'the server restarts');
	wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'}, 'and the scheduler');
}
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'one'}, 'the bystander runs again');
is($node->safe_psql('w', "SELECT status, recoveries FROM workflow.executions WHERE id = $bystander"),
	'running|0', 'a crash of another process is not the fault of who was at work');
# its own process is
wait_until($node, q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 'one'}, 'it runs');
$executor = $node->safe_psql('w', q{SELECT executor_pid FROM workflow.activity WHERE step_id = 'one'});
kill 'KILL', $executor;
wait_until($node, "SELECT recoveries = 1 FROM workflow.executions WHERE id = $bystander", 'a crash of its own process is counted');
$node->safe_psql('w', 'DELETE FROM gate');
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $bystander", 'it completes');
check_finished($node, 'w', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop;

done_testing();
