# The kill matrix: which fault point (src/shared/fault.h) is reached by which scene, what is
# done to whom while a process stands there, and what has to be true afterwards.
#
# A scene is what a session does, in SQL.  A point that is only reached after something has
# happened to somebody at another one has that in front: [POINT, SIGNAL, ..].

package KillMatrix;

use strict;
use warnings FATAL => 'all';

use CrashTest;
use Exporter 'import';
use JSON::PP ();
use PatientPsql;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(time usleep);
use WorkflowTest qw(deaf_sql);

# s after which what has not ended is stuck, however long a test may take otherwise.
my $stuck_after = 180;

our @EXPORT = qw(kill_cluster kill_points kill_blows kill_once kill_report);

# --- rows ---

# What is done, while somebody stands at the point, to whom: "self" is who stands there.
# Somebody who is not there just then is replaced by who is at the point, and counted as that.
# Ordered so that neighbours differ, and what is cheap comes first.
my @blows = (
	[ self => 'TERM' ], [ executor => 'TERM' ], [ self => 'KILL' ], [ scheduler => 'TERM' ],
	[ self => 'INT' ], [ walwriter => 'KILL' ], [ executor => 'STOP' ], [ session => 'TERM' ],
	[ self => 'STOP' ], [ scheduler => 'KILL' ], [ executor => 'INT' ], [ self => 'QUIT' ],
	[ launcher => 'TERM' ], [ executor => 'KILL' ], [ postmaster => 'INT' ], [ scheduler => 'STOP' ],
	[ checkpointer => 'KILL' ], [ session => 'KILL' ], [ postmaster => 'QUIT' ], [ scheduler => 'INT' ],
	[ launcher => 'KILL' ], [ walwriter => 'STOP' ], [ postmaster => 'KILL' ], [ session => 'INT' ],
	[ scheduler => 'QUIT' ], [ launcher => 'STOP' ], [ postmaster => 'TERM' ], [ executor => 'QUIT' ],
	[ walwriter => 'TERM' ]);

# Executors start anew.
my $fresh = 'SELECT count(workflow.recycle_executor(pid)) FROM workflow.executors;';
# Wait until a step stands at the gate.
my $at_gate = 'CALL wait_for_gate();';
my $gated = "INSERT INTO gate VALUES ('one'); SELECT start_one('gated') AS id \\gset\n$at_gate";
my $fails_thrice = "SELECT workflow.reset_breaker('moody'); " . "CALL workflow.run('breaks', inputs()); " x 3;

my %scenes = (
	single => q{SELECT start_one('mixed');},
	mixed => q{SELECT start_one('mixed'); SELECT start_one('mixed');},
	chain => q{SELECT start_one('chain');},
	session => q{CALL workflow.run('mixed', inputs());},
	inline => q{SELECT workflow.execute('mixed', inputs());},
	fresh => qq{$fresh SELECT start_one('mixed');},
	retries => q{SELECT start_one('retries');},
	batch => q{SELECT start_one('batch');},
	undo => q{SELECT start_one('undo');},
	cancel => qq{$gated SELECT workflow.cancel(:id);},
	compensate => qq{$gated SELECT workflow.cancel(:id, compensate => true);},
	pause => qq{$gated SELECT workflow.pause(:id); DELETE FROM gate;
		CALL wait_for_pause(:id); SELECT workflow.resume(:id);},
	pause_ends => qq{SELECT start_one('chain', 'infinity') AS id \\gset\nSELECT workflow.pause(:id, max_pause => '0.1 s');},
	pause_undoes => qq{$gated SELECT workflow.pause(:id, max_pause => '0.1 s'); DELETE FROM gate;},
	waits => qq{ALTER SYSTEM SET workflow.short_wait = 0; SELECT pg_reload_conf(); $fresh SELECT start_one('retries');},
	# the other branch keeps it from resting
	waits_beside => qq{ALTER SYSTEM SET workflow.short_wait = 0; SELECT pg_reload_conf(); $fresh INSERT INTO gate VALUES ('one');
		SELECT start_one('waits_beside') AS id \\gset
		CALL wait_for('EXISTS (SELECT FROM workflow.step_executions WHERE execution_id = ' || :id || ' AND step_id = ''w1'' AND status = ''completed'')');
		DELETE FROM gate;},
	rests => qq{ALTER SYSTEM SET workflow.short_wait = 0; SELECT pg_reload_conf(); $fresh SELECT start_one('rests');},
	timer => q{SELECT start_one('timer');},
	marks => qq{$gated SELECT workflow.skip_step(:id, 'g3');},
	retry => qq{SELECT set_mood('fail'); SELECT start_one('letter') AS id \\gset\nSELECT workflow.wait(:id, '60 s');
		SELECT set_mood('well'); SELECT workflow.retry(:id);},
	replay => qq{SELECT set_mood('fail'); SELECT start_one('letter') AS id \\gset\nSELECT workflow.wait(:id, '60 s');
		SELECT set_mood('well'); SELECT workflow.replay(newest_letter());},
	replay_fails => qq{SELECT set_mood('fail'); SELECT start_one('letter') AS id \\gset\nSELECT workflow.wait(:id, '60 s');
		SELECT workflow.replay(newest_letter());},
	replay_cancelled => qq{SELECT set_mood('fail'); SELECT start_one('letter') AS id \\gset\nSELECT workflow.wait(:id, '60 s');
		BEGIN; SELECT workflow.replay(newest_letter()) AS id \\gset\nSELECT workflow.cancel(:id); COMMIT;},
	discard => qq{SELECT set_mood('fail'); SELECT start_one('letter') AS id \\gset\nSELECT workflow.wait(:id, '60 s');
		SELECT workflow.discard(newest_letter());},
	block => qq{BEGIN; SELECT start_one('chain'); SELECT workflow.block('chain', 'for a while'); COMMIT;
		CALL wait_for_block(); SELECT workflow.unblock('chain');},
	limited => q{INSERT INTO gate VALUES ('one'); SELECT start_one('limited') FROM generate_series(1, 3);},
	full => q{INSERT INTO gate VALUES ('one'); SELECT start_one('full', '-infinity') FROM generate_series(1, 3);},
	waits_too_long => q{ALTER SYSTEM SET workflow.pending_timeout = '1 s'; SELECT pg_reload_conf();
		INSERT INTO gate VALUES ('one'); SELECT start_one('limited') FROM generate_series(1, 3);},
	overdue => qq{ALTER SYSTEM SET workflow.max_executors_per_database = 1; SELECT pg_reload_conf(); $fresh
		SELECT start_one('hurried') AS id \\gset
		CALL wait_for('EXISTS (SELECT FROM workflow.step_executions WHERE execution_id = ' || :id || ')'); $gated},
	# from 17 on executors need no LOGIN
	no_role => q{BEGIN; SELECT start_as_tenant(); REVOKE CONNECT ON DATABASE w FROM PUBLIC; COMMIT;},
	breaker => qq{SELECT set_mood('fail'); $fails_thrice
		SELECT set_mood('well'); CALL wait_for_breaker(); CALL workflow.run('breaks', inputs());},
	breaker_inline => qq{SELECT set_mood('fail'); $fails_thrice
		SELECT set_mood('well'); CALL wait_for_breaker(); SELECT workflow.execute('breaks', inputs());},
	breaker_reset => qq{SELECT set_mood('fail'); $fails_thrice
		SELECT set_mood('well'); SELECT workflow.reset_breaker('moody');},
	stuck => qq{SELECT start_one('deaf') AS id \\gset\nCALL wait_for_step('deaf'); SELECT workflow.cancel(:id);},
	stuck_in_time => q{SELECT start_one('deaf_in_time');},
	stopped => qq{SELECT start_one('stopped') AS id \\gset\nCALL wait_for_step('stopped'); SELECT workflow.cancel(:id);},
	drain => q{SELECT start_one('mixed'); SELECT workflow.drain('for a while', mode => 'steps'); SELECT start_one('mixed');},
	schedule => q{INSERT INTO gate VALUES ('one');
		SELECT workflow.schedule('kills', 'limited', '0 0 1 1 *', inputs(), overlap => 'queue', enabled => false);
		SELECT workflow.run_schedule_now('kills'); SELECT workflow.run_schedule_now('kills');
		CALL wait_for_gate(); DELETE FROM gate;},
	statistics => q{CALL workflow.run('chain', inputs()); SELECT workflow.roll_up_statistics();},
	new_database => q{CREATE DATABASE another;},
	# the launcher has seen that it is not there
	new_extension => qq{CREATE DATABASE another;\n\\c another\nDO \$\$ BEGIN
		WHILE (pg_stat_file('fault_points/database.installed', true)).size IS NULL LOOP PERFORM pg_sleep(0.01); END LOOP; END \$\$;
		CREATE EXTENSION pg_workflow;},
	database_goes => qq{CREATE DATABASE another;\n\\c another\nCREATE EXTENSION pg_workflow;\n\\c w\nDROP DATABASE another WITH (FORCE);},
	# all workers are at a query until the launcher has missed one
	no_worker => qq{\\! PSQL -c 'CREATE DATABASE another' &
		SET max_parallel_workers_per_gather = 100; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
		SET min_parallel_table_scan_size = 0; SELECT count(occupy(n)) FROM occupied;});

# POINT => [SCENE], or [SCENE, [POINT, SIGNAL of who is there], ..] with what has to happen before.
my %rows = (
	# executions
	'execution.queued' => ['mixed'],
	'execution.inline' => ['inline'],
	'execution.claimed' => ['mixed'],
	'claim.committed' => ['mixed'],
	'execution.blocked' => ['block'],
	'execution.unblocked' => ['block'],
	'execution.refused' => ['full'],
	'execution.set_aside' => ['limited'],
	'execution.released' => ['schedule'],
	'execution.cancelled' => ['cancel'],
	'execution.cancel_complete' => ['cancel'],
	'settle.committed' => ['cancel'],
	'execution.compensates' => ['compensate'],
	'execution.paused' => ['pause'],
	'execution.pause_complete' => ['pause'],
	'execution.resumed' => ['pause'],
	'execution.waiting' => ['waits'],
	'execution.woken' => ['waits'],
	'thread.waiting' => ['waits_beside'],
	'thread.woken' => ['waits_beside'],
	'execution.rests' => ['rests'],
	'execution.pause_timeout' => ['pause_ends'],
	'execution.pause_to_epilogue' => ['pause_undoes'],
	'execution.retried' => ['retry'],
	'execution.reopened' => ['retry'],
	'execution.ended' => ['mixed'],
	'execution.decided' => ['undo'],
	'execution.epilogue_begins' => ['undo'],
	'execution.epilogue_over' => ['undo'],
	'execution.given_up' => ['no_role'],
	'execution.overdue' => ['overdue'],
	'execution.pending_timeout' => ['waits_too_long'],
	# alone, so that each kill counts against the same one
	'execution.probation' => [ 'single', map { [ 'step.recorded', 'KILL' ] } 1 .. 3 ],
	'recovery.all' => [ 'mixed', [ 'step.recorded', 'KILL' ] ],
	'recovery.committed' => [ 'mixed', [ 'step.recorded', 'KILL' ] ],
	# whoever has recorded the first step has the second one before it
	'recovery.run' => [ 'chain', [ 'step.recorded', 'TERM' ] ],
	# steps
	'step.recorded' => ['mixed'],
	'step.failed' => ['retries'],
	'step.retried' => ['retries'],
	'step.skipped' => ['mixed'],
	'step.marked' => ['marks'],
	'step.stuck' => ['stuck_in_time'],
	'step.closed' => ['cancel'],
	'step.waiting' => ['timer'],
	'step.woken' => ['timer'],
	'container.opened' => ['mixed'],
	'container.closed' => ['mixed'],
	'join.created' => ['mixed'],
	'join.complete' => ['mixed'],
	# dead letters
	'dead_letter.entered' => ['retry'],
	'dead_letter.replaying' => ['replay'],
	'dead_letter.replayed' => ['replay'],
	'dead_letter.failed_again' => ['replay_fails'],
	'dead_letter.given_up' => ['replay_cancelled'],
	'dead_letter.discarded' => ['discard'],
	# slots
	'slot.starting' => ['fresh'],
	'slot.start_failed' => [ 'fresh', [ 'slot.attached', 'TERM' ] ],
	'slot.attached' => ['fresh'],
	'slot.idle' => ['fresh'],
	'slot.assigned' => ['mixed'],
	'slot.running' => ['mixed'],
	'slot.reported' => ['mixed'],
	'slot.report_taken' => ['mixed'],
	'slot.stuck' => ['stuck'],
	'slot.quarantined' => ['stopped'],
	'slot.freed' => ['fresh'],
	'executor.committed' => ['mixed'],
	'executor.batch' => ['batch'],
	# breakers
	'breaker.opened' => ['breaker'],
	'breaker.half_open' => ['breaker'],
	'breaker.closed' => ['breaker'],
	'breaker.saved' => ['breaker_inline'],
	'breaker.reset' => ['breaker_reset'],
	# sessions
	'session.committed' => ['session'],
	'session.waits' => ['session'],
	'statistics.added' => ['statistics'],
	# databases
	'database.known' => ['new_database'],
	'database.starting' => ['new_database'],
	'database.active' => ['new_database'],
	'database.absent' => ['new_database'],
	'database.installed' => [ 'new_extension', [ 'database.absent', 'CONT' ] ],
	'database.left' => ['new_database'],
	'database.forgotten' => ['database_goes'],
	'database.start_failed' => ['no_worker'],
	'database.drained' => ['drain']);

sub kill_points { return sort keys %rows; }
sub kill_blows { return @blows; }

# --- the cluster ---

# Server and workflows; with fault points in the library.
sub kill_cluster
{
	my ($name) = @_;
	my $node = crash_cluster($name, { install_path => $ENV{PGWF_FAULTS} // die 'PGWF_FAULTS is not set: "make check" does that' },
		"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'w'", 'cron.use_background_workers = on',
		# processes are interrupted again and again, at the same places
		'workflow.max_recoveries = 1000000', 'workflow.cancel_grace = 300ms', 'max_worker_processes = 20',
		'max_parallel_workers = 20');

	mkdir $node->data_dir . '/fault_points' or die "fault_points: $!";
	$node->safe_psql(
		'w', deaf_sql('deaf') . q{
		CREATE EXTENSION pg_cron;
		CREATE ROLE tenant LOGIN;
		SELECT workflow.grant_usage('tenant');
		GRANT INSERT ON effects TO tenant;
		CREATE TABLE gate (who text);
		CREATE TABLE mood (mood text);
		GRANT SELECT ON gate, mood TO tenant;
		CREATE TABLE occupied WITH (parallel_workers = 100) AS SELECT n FROM generate_series(1, 500000) AS n;
		CREATE FUNCTION occupy(n int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS $$
		BEGIN
			IF (pg_stat_file('fault_points/database.start_failed', true)).size IS NOT NULL THEN
				PERFORM pg_sleep(0.001);
			END IF;
			RETURN n;
		END $$;
		INSERT INTO mood VALUES ('well');
		CREATE FUNCTION set_mood(text) RETURNS void LANGUAGE sql AS 'UPDATE mood SET mood = $1';
		CREATE FUNCTION inputs() RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"three": [1, 2, 3], "no": false}'::jsonb $$;
		CREATE FUNCTION start_one(workflow text, start_at timestamptz DEFAULT NULL) RETURNS bigint LANGUAGE sql
			AS 'SELECT workflow.start($1, inputs(), start_at => $2)';
		CREATE FUNCTION start_as_tenant() RETURNS bigint LANGUAGE plpgsql SET role TO 'tenant'
			AS $$ BEGIN RETURN start_one('chain'); END $$;
		CREATE FUNCTION newest_letter() RETURNS bigint LANGUAGE sql
			AS $$ SELECT max(id) FROM workflow.dead_letters WHERE status = 'pending' $$;
		-- a step that stands here until the gate is open
		CREATE FUNCTION pass_gate(e bigint, s text) RETURNS text LANGUAGE plpgsql AS $$
		BEGIN
			WHILE EXISTS (SELECT FROM gate) LOOP
				PERFORM pg_sleep(0.005);
			END LOOP;
			RETURN effect(e, s, '-');
		END $$;
		-- fails once
		CREATE FUNCTION second_time(e bigint, s text) RETURNS text LANGUAGE plpgsql AS $$
		DECLARE
			result text := effect(e, s, '-');
		BEGIN
			IF NOT EXISTS (SELECT FROM workflow.step_executions WHERE execution_id = e AND step_id = s) THEN
				RAISE serialization_failure;
			END IF;
			RETURN result;
		END $$;
		CREATE FUNCTION in_the_mood(e bigint, s text) RETURNS text LANGUAGE plpgsql AS $$
		BEGIN
			IF (SELECT mood = 'fail' FROM mood) THEN
				RAISE 'in a bad mood';
			END IF;
			RETURN effect(e, s, '-');
		END $$;
		CREATE FUNCTION moody(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
		BEGIN
			RETURN to_jsonb(in_the_mood((input ->> 'e')::bigint, input ->> 's'));
		END $$;
		SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker =>
			'{"failure_threshold": 2, "timeout_seconds": 1, "half_open_max_calls": 1}');
		-- does not even end
		CREATE FUNCTION stop_myself() RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			COPY (SELECT 1) TO PROGRAM 'kill -STOP $PPID';
			PERFORM pg_sleep(3600);
		END $$;
		-- Waiting for what the scene needs; not for ever, since somebody may have been killed.
		CREATE PROCEDURE wait_for(condition text) LANGUAGE plpgsql AS $$
		DECLARE
			met boolean;
			until timestamptz := clock_timestamp() + PATIENCE;
		BEGIN
			WHILE clock_timestamp() < until LOOP
				EXECUTE 'SELECT ' || condition INTO met;
				EXIT WHEN met;
				COMMIT;
				PERFORM pg_sleep(0.005);
			END LOOP;
		END $$;
		CREATE PROCEDURE wait_for_gate() LANGUAGE plpgsql AS
			$$ BEGIN CALL wait_for('EXISTS (SELECT FROM workflow.activity WHERE step_id = ''gate'')'); END $$;
		CREATE PROCEDURE wait_for_step(step text) LANGUAGE plpgsql AS
			$$ BEGIN CALL wait_for('EXISTS (SELECT FROM workflow.activity WHERE step_id = ' || quote_literal(step) || ')'); END $$;
		CREATE PROCEDURE wait_for_pause(id bigint) LANGUAGE plpgsql AS
			$$ BEGIN CALL wait_for('NOT EXISTS (SELECT FROM workflow.activity WHERE execution_id = ' || id || ')'); END $$;
		CREATE PROCEDURE wait_for_block() LANGUAGE plpgsql AS
			$$ BEGIN CALL wait_for('EXISTS (SELECT FROM workflow.executions WHERE status = ''blocked'')'); END $$;
		CREATE PROCEDURE wait_for_breaker() LANGUAGE plpgsql AS
			$$ BEGIN CALL wait_for('NOT EXISTS (SELECT FROM workflow.breaker_status WHERE state = ''open'')'); END $$;
	} =~ s/PATIENCE/interval '$stuck_after s' \/ 3/r);
	define_workflows($node);
	return $node;
}

# A step that leaves a trace if the function lets it get so far.
sub traced
{
	my ($id, $function, %more) = @_;

	return step($id, 0, sql => "SELECT $function(input.e, '$id')", %more);
}

sub define_workflows
{
	my ($node) = @_;
	my $true = JSON::PP::true;
	my @define = ($node, 'w');
	my %gated = (step('g1', 0, next_step => 'block'),
		block => { type => 'parallel', parallel_steps => [ 'gate', 'beside' ], next_step => 'g3' },
		traced('gate', 'pass_gate'), step('beside', 0), step('g3', 0), step('failed', 0));

	$gated{g1}{compensate} = { id => 'undo_g1', type => 'sql', sql => 'SELECT 1' };
	define_workflow(@define, 'chain', 'c1', { step('c1', 0, next_step => 'c2'), step('c2', 0) });
	define_mixed(@define);
	define_workflow(@define, 'retries', 'r1', {
		traced('r1', 'second_time', retry => { errors => ['40001'], max_retries => 2, type => 'fixed_delay', initial_delay_ms => 10 },
			next_step => 'r2'), step('r2', 0) });
	define_workflow(@define, 'waits_beside', 'block', {
		block => { type => 'parallel', parallel_steps => [ 'w1', 'gate' ], next_step => 'w3' },
		traced('w1', 'second_time', retry => { errors => ['40001'], max_retries => 2, type => 'fixed_delay', initial_delay_ms => 100 }),
		traced('gate', 'pass_gate'), step('w3', 0) });
	define_workflow(@define, 'rests', 'block', {
		block => { type => 'parallel', parallel_steps => [ 'w1', 'w2', 'beside' ], next_step => 'w3' },
		(map { traced($_, 'second_time', retry => { errors => ['40001'], max_retries => 2, type => 'fixed_delay', initial_delay_ms => 400 }) } 'w1', 'w2'),
		step('beside', 0), step('w3', 0) });
	define_workflow(@define, 'timer', 'before', {
		step('before', 0, next_step => 'timer'), timer => { type => 'wait', seconds => 0.3, next_step => 'behind' }, step('behind', 0) });
	define_workflow(@define, 'batch', 'b1', {
		map { step("b$_", 0, $_ < 6 ? (next_step => 'b' . ($_ + 1)) : ()) } 1 .. 6 }, commit => { max_steps => 10, max_ms => 1000 });
	my ($undo, $compensation) = step('undo_u1', 0);
	define_workflow(@define, 'undo', 'u1', {
		step('u1', 0, next_step => 'u2', compensate => { id => $undo, %$compensation }),
		u2 => { type => 'sql', sql => 'SELECT 1 / 0' }, step('uf', 0) }, on_failure => 'uf');
	define_workflow(@define, 'gated', 'g1', \%gated, on_failure => 'failed');
	define_workflow(@define, 'letter', 'l1', { step('l1', 0, next_step => 'l2'), traced('l2', 'in_the_mood') }, dead_letter => $true);
	define_workflow(@define, 'limited', 'gate', { traced('gate', 'pass_gate') }, max_running => 1);
	define_workflow(@define, 'full', 'gate', { traced('gate', 'pass_gate') }, max_running => 1, when_full => 'refuse');
	define_workflow(@define, 'hurried', 'h1', {
		traced('h1', 'second_time', retry => { errors => ['40001'], max_retries => 2, type => 'fixed_delay', initial_delay_ms => 700 }) },
		timeout_seconds => 1);
	define_workflow(@define, 'breaks', 'a1', { a1 => { type => 'agent', agent_name => 'moody',
		input_mapping => { e => '${workflow.execution_id}', s => 'a1' } } });
	define_workflow(@define, 'deaf', 'deaf', { deaf => { type => 'sql', sql => 'SELECT deaf()' } });
	define_workflow(@define, 'deaf_in_time', 'deaf', { deaf => { type => 'sql', sql => 'SELECT deaf()', timeout_seconds => 1 } });
	define_workflow(@define, 'stopped', 'stopped', { stopped => { type => 'sql', sql => 'SELECT stop_myself()' } });
	return;
}

# --- one case ---

my %counted;
my %absent;
my $slowest = 0;
my $slowest_case = '';

sub patience { return time() + $stuck_after; }

# The file by which a point is asked for.
sub asked_for
{
	my ($node, $point) = @_;

	return $node->data_dir . "/fault_points/$point";
}

# Who stands at the point; 0 when nobody came.
sub wait_at_point
{
	my ($node, $point) = @_;
	my $until = patience();

	while (time() < $until)
	{
		my ($taken) = glob(asked_for($node, $point) . '.*');

		return $taken =~ s/.*\.//r if defined $taken;
		usleep(2_000);
	}
	return 0;
}

# The process that is to be hit, and who that is: "self" in place of who is not there.
sub process
{
	my ($node, $whom, $self) = @_;
	my $pid;
	my %where = (
		launcher => q{backend_type = 'pg_workflow launcher'},
		scheduler => q{backend_type = 'pg_workflow scheduler' AND datname = 'w'},
		executor => q{backend_type = 'pg_workflow executor'},
		session => q{application_name = 'scene'},
		walwriter => q{backend_type = 'walwriter'},
		checkpointer => q{backend_type = 'checkpointer'});

	return ($self, 'self') if $whom eq 'self';
	return (postmaster_pid($node), 'postmaster') if $whom eq 'postmaster';
	$pid = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE $where{$whom} ORDER BY pid = $self, state = 'idle', pid LIMIT 1");
	return $pid ? ($pid, $whom) : ($self, 'self');
}

# all processes whose parent it is
sub children
{
	my ($parent) = @_;
	my @children;

	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open my $handle, '<', $file or next;
		my $line = <$handle> // '';
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S $parent /;
	}
	return @children;
}

sub wait_until_gone
{
	my ($until, @pids) = @_;

	foreach my $pid (@pids)
	{
		usleep(5_000) while kill(0, $pid) && time() < $until;
	}
	return;
}

# The postmaster was told to go, or is dead: have another one.
sub start_again
{
	my ($node, $signal, $scene, $postmaster, @children) = @_;
	my $until = patience();

	if ($signal eq 'TERM')
	{
		# it lets the session go on; then it is in a hurry, as services are
		usleep(5_000) while scene_plays($scene) && time() < $until - $stuck_after / 2;
		kill 'INT', $postmaster;
	}
	# it waits for one that is stopped, whoever has stopped it
	kill 'CONT', @children if $signal =~ /^(?:TERM|INT)$/;
	wait_until_gone($until, $postmaster, @children);
	$node->{_pid} = undef;
	unlink $node->data_dir . '/postmaster.pid' if $signal eq 'KILL';
	$node->start;
	return;
}

# Do it, and let who stands at the point go on.
sub strike
{
	my ($node, $point, $self, $wanted, $signal, $scene) = @_;
	my ($pid, $whom) = process($node, $wanted, $self);
	my $taken = asked_for($node, $point) . ".$self";
	my @children = $whom eq 'postmaster' ? children($pid) : ();

	kill $signal, $pid;
	unlink $taken;
	if ($signal eq 'STOP')
	{
		# the others get on meanwhile, and find that it does not
		$node->psql('postgres', 'SELECT pg_sleep(0.02)', stderr => \my $ignored, timed_out => \my $late, timeout => 2);
		kill 'KILL', $pid;
	}
	start_again($node, $signal, $scene, $pid, @children) if $whom eq 'postmaster';
	$counted{"$whom SIG$signal"}++;
	$absent{$wanted}++ if $whom ne $wanted;
	return;
}

# What a scene has left, so that everything may end.
my $repair = q{
	DELETE FROM gate;
	UPDATE mood SET mood = 'well';
	GRANT CONNECT ON DATABASE w TO PUBLIC;
	ALTER SYSTEM RESET workflow.max_executors_per_database;
	ALTER SYSTEM RESET workflow.pending_timeout;
	SELECT pg_reload_conf();
	DROP DATABASE IF EXISTS another WITH (FORCE);
	SELECT workflow.undrain();
	SELECT workflow.unblock(workflow) FROM workflow.blocked_workflows;
	SELECT workflow.resume_executions(max_executions => 100000);
	SELECT workflow.cancel(id) FROM workflow.executions WHERE status = 'pending' AND start_at = 'infinity';
	SELECT workflow.unschedule(name) FROM workflow.schedules;};
my $all_ended = q{NOT EXISTS (SELECT FROM workflow.executions
	WHERE status NOT IN ('completed', 'failed', 'cancelled', 'timed_out'))};
my $wait = "CALL wait_for(\$\$$all_ended\$\$); SELECT 'over: ' || ($all_ended);";

# Nothing that is asked for is left, nobody is stopped.
sub clean_up
{
	my ($node) = @_;

	unlink glob(asked_for($node, '*'));
	kill 'CONT', children(postmaster_pid($node));
	return;
}

# Have a session play a scene; gives its process.
sub play
{
	my ($node, $sql) = @_;
	my $file = $node->basedir . '/scene.sql';
	my $pid;

	my $psql = $node->installed_command('psql') . q{ -X -d '} . $node->connstr('w') =~ s/'//gr . q{'};

	unlink $file;
	append_to_file($file, $sql =~ s/PSQL/$psql/r);
	$pid = fork() // die "fork: $!";
	return $pid if $pid != 0;
	open STDIN, '<', '/dev/null';
	open STDOUT, '>', $node->basedir . '/scene.out';
	open STDERR, '>&', \*STDOUT;
	exec $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('w') . ' application_name=scene', '-f', $file
	  or POSIX::_exit(1);
}

sub scene_plays
{
	my ($pid) = @_;

	return $pid != 0 && waitpid($pid, POSIX::WNOHANG()) == 0;
}

# One kill: the scene is played, somebody is hit while the point is reached, and then all of it
# has to end.
sub kill_once
{
	my ($node, $point, $whom, $signal) = @_;
	my ($scene_name, @before) = @{ $rows{$point} };
	my $name = "$point, $whom SIG$signal";
	my $reached;

	append_to_file(asked_for($node, (@before, [$point])[0][0]), '');
	my $scene = play($node, $scenes{$scene_name});
	foreach my $i (0 .. $#before)
	{
		my ($stop, $blow) = @{ $before[$i] };

		$reached = wait_at_point($node, $stop) or last;
		append_to_file(asked_for($node, $i < $#before ? $before[ $i + 1 ][0] : $point), '');
		kill $blow, $reached;
		unlink asked_for($node, $stop) . ".$reached";
	}
	$reached = wait_at_point($node, $point);
	strike($node, $point, $reached, $whom, $signal, $scene) if $reached;
	my $began = time();
	my $ended = finish($node, $scene);
	if (!ok($reached && $ended, $name))
	{
		diag(($reached ? 'not over' : 'not reached') . ": $scene_name: " . slurp_file($node->basedir . '/scene.out'));
		diagnose($node, 'w');
	}
	($slowest, $slowest_case) = (time() - $began, $name) if time() - $began > $slowest;
	return $reached && $ended;
}

# Everything is to end.
sub finish
{
	my ($node, $scene) = @_;
	my $until = patience();
	my $answer;

	while (time() < $until)
	{
		my $over = !scene_plays($scene);

		clean_up($node);
		$answer = try_sql($node, 'w', $over ? $repair . $wait : $repair);
		return $answer =~ /over: true/ if $over && defined $answer;
		usleep(5_000);
	}
	kill 'KILL', $scene;
	return 0;
}

# What was done, who was not there for it, and how long the longest took to end afterwards.
sub kill_report
{
	my ($done, $missed) = map { my $times = $_; join(', ', map { "$_: $times->{$_}" } sort keys %$times) } \%counted, \%absent;

	return ($done . ($missed ne '' ? "; not there, so that self was hit: $missed" : ''), $slowest, $slowest_case);
}

1;
