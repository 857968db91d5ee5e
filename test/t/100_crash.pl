# Exactly once, whatever dies: a mixed workload runs while launcher, scheduler,
# executors and the whole server are killed at random moments, and sessions steer it:
# executions are cancelled, paused, resumed and retried, steps are held and skipped,
# the database is drained.  Then it is left to finish, and every effect of a step has
# to be there once, with the step's row; of retries, compensations and on_failure chains, too.
#
# Some of the workflows are there with relaxed durability and with batched commits, too.
# Those with relaxed durability are run once more for themselves, so that nobody else's
# commit brings them to disk: a crash takes the last moments back, effects and rows together.
#
# PGWF_CRASH_SEED repeats a sequence of kills and of what sessions do (not the moments'
# exact place); PGWF_CRASH_KILLS is the number of kills.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seed = $ENV{PGWF_CRASH_SEED} // (time() * 1000) % 1000000;
my $wanted_kills = $ENV{PGWF_CRASH_KILLS} // 42;
my $wanted_crashes = int($wanted_kills / 4);	# with relaxed durability only
my $attempts = 0;				# to kill somebody, who may not be there
my $patience = 20 * $wanted_kills;		# so many of them
srand($seed);
diag("seed $seed");

# Kills come faster than some executions get a step done, which is what
# workflow.max_recoveries is there to notice: here it must not.
my $node = crash_cluster('crash', 'workflow.max_recoveries = 1000000');

# An effect of the third attempt: the first two fail behind it.
$node->safe_psql(
	'w', q{
	CREATE FUNCTION third_time(execution_id bigint, step_id text, place text, iteration int) RETURNS text
	LANGUAGE plpgsql AS $$
	DECLARE
		result text := effect($1, $2, $3);
	BEGIN
		IF (SELECT count(*) FROM workflow.step_executions AS s WHERE s.execution_id = $1 AND s.step_id = $2
			AND s.loop_iteration_index IS NOT DISTINCT FROM $4) < 2 THEN
			RAISE serialization_failure;
		END IF;
		RETURN result;
	END $$;
	-- A random moment: until there are so many more effects, or rows of steps.  Not for long:
	-- there may be nothing left to do, or nobody to do it.
	CREATE PROCEDURE let_happen(number bigint, of_what text) LANGUAGE plpgsql AS $$
	DECLARE
		many bigint;
		wanted bigint;
	BEGIN
		FOR i IN 1 .. 500 LOOP
			IF of_what = 'rows' THEN
				SELECT count(*) INTO many FROM workflow.step_executions;
			ELSE
				SELECT count(*) INTO many FROM effects;
			END IF;
			wanted := coalesce(wanted, many + number);
			EXIT WHEN many >= wanted
				OR i % 10 = 0 AND NOT EXISTS (SELECT FROM workflow.executions WHERE status IN ('pending', 'running', 'waiting', 'cancelling'));
			COMMIT;
			PERFORM pg_sleep(0.002);
		END LOOP;
	END $$;
	-- A session of somebody who steers: some executions each, by chance.  What is too late is refused, or does nothing.
	CREATE PROCEDURE steer(what text) LANGUAGE plpgsql AS $$
	DECLARE
		e record;
	BEGIN
		FOR e IN SELECT x.id, x.workflow, x.status, (SELECT key FROM workflow.definitions AS d, jsonb_object_keys(d.definition -> 'steps') AS key
					WHERE d.id = x.definition_id AND key <> 'c1' ORDER BY random(), x.id LIMIT 1) AS step
				FROM workflow.executions AS x
				WHERE x.id > (SELECT max(id) FROM reference) AND CASE what
					WHEN 'cancel' THEN x.workflow LIKE 'cancelled%' AND x.status IN ('running', 'waiting') AND random() < 0.3
					WHEN 'pause' THEN x.status IN ('pending', 'running', 'waiting') AND random() < 0.2
					WHEN 'resume' THEN x.status = 'paused' AND random() < 0.9
					WHEN 'retry' THEN x.status IN ('failed', 'cancelled') AND x.retries < 3 AND random() < 0.2
					WHEN 'hold_step' THEN x.status IN ('running', 'waiting') AND random() < 0.2
					WHEN 'skip_step' THEN x.workflow ~ '^chain' AND x.status IN ('pending', 'running', 'waiting') AND random() < 0.3
					END
		LOOP
			BEGIN
				IF what = 'cancel' THEN
					PERFORM workflow.cancel(e.id, 'by chance', random() < 0.6);
				ELSIF what = 'pause' THEN
					PERFORM workflow.pause(e.id, 'by chance');
				ELSIF what = 'resume' THEN
					PERFORM workflow.resume(e.id, 'by chance');
				ELSIF what = 'retry' THEN
					PERFORM workflow.retry(e.id, reason => 'by chance');
				ELSIF what = 'hold_step' THEN
					PERFORM workflow.hold_step(e.id, e.step, 'by chance');
				ELSIF what = 'skip_step' THEN
					PERFORM workflow.skip_step(e.id, e.step, reason => 'by chance');
				END IF;
			EXCEPTION WHEN object_not_in_prerequisite_state THEN
				NULL;	-- it is compensated, say
			END;
			COMMIT;
		END LOOP;
	END $$;
	-- what is held goes on
	CREATE FUNCTION release(portion float) RETURNS bigint LANGUAGE sql
	RETURN (SELECT count(workflow.release_step(id, step)) FROM workflow.executions, jsonb_each(step_marks) AS m (step, mark)
		WHERE mark ->> 'mark' = 'hold' AND status IN ('pending', 'running', 'waiting', 'cancelling', 'paused') AND random() < portion);
});

# --- the workload ---

# Steps one after the other; the last one says that the execution got there.
sub chain
{
	my ($ids, %more) = @_;
	my %steps;

	foreach my $i (0 .. $#$ids)
	{
		my ($id, $step) = ref $ids->[$i] ? @{ $ids->[$i] } : step($ids->[$i], 0);

		$step->{next_step} = ref $ids->[ $i + 1 ] ? $ids->[ $i + 1 ][0] : $ids->[ $i + 1 ]
		  if $i < $#$ids;
		$steps{$id} = $step;
	}
	return { %steps, %more };
}

sub loop
{
	my ($collection, $body, %more) = @_;
	return { type => 'loop', loop_config => { collection => $collection, loop_body => $body, %more } };
}

sub fork_join
{
	my ($branches, %more) = @_;
	return {
		type => 'fork_join',
		fork_join_config => { branches => { map { $_ => { steps => $branches->{$_} } } keys %$branches }, %more }
	};
}

# A step that is retried twice, inside so many loops.
sub retried
{
	my ($id, $loops) = @_;
	my $iteration = $loops ? '${loop.index}' : undef;
	my ($name, $step) = step($id, $loops,
		sql => "SELECT third_time(input.e, '$id', input.p, input.i)",
		retry => { errors => ['40001'], max_retries => 2, type => 'fixed_delay', initial_delay_ms => 30 });

	$step->{input_mapping}{i} = $iteration;
	return $name => $step;
}

# A step with a compensation, which leaves a trace, too.
sub undone
{
	my ($id, $loops) = @_;
	my ($undo, $compensation) = step("undo_$id", $loops);

	return step($id, $loops, compensate => { id => $undo, %$compensation });
}

my %workflows = (
	retries => [
		't1',
		chain([ 't1', [ t2 => { type => 'parallel', parallel_steps => [ 'ta', 'tb', 'tl' ] } ], [ retried('t3', 0) ], 't4' ],
			retried('ta', 0), step('tb', 0),
			tl => loop('${workflow.input.three}', [ 'tc', 'td' ], execution_mode => 'parallel'),
			retried('tc', 1), step('td', 1))
	],
	catches => [
		'k1',
		chain([ 'k1', [ k2 => loop('${workflow.input.three}', ['ka']) ],
				[ k3 => { type => 'sql', sql => 'SELECT 1 / 0', catch => [ { errors => ['22012'], next_step => 'k5', as => 'why' } ] } ],
				'k4', 'k5', [ k6 => { type => 'set', output => '${vars.why.sqlstate}' } ] ],
			step('ka', 1))
	],
	# designed to fail, and to undo what it did; the chain is run once
	undoes => [
		'u1',
		chain([ [ undone('u1', 0) ], [ u2 => loop('${workflow.input.four}', [ 'ua', 'ub' ], execution_mode => 'parallel') ],
				[ undone('u3', 0) ], [ u4 => { type => 'sql', sql => 'SELECT 1 / 0' } ] ],
			undone('ua', 1), step('ub', 1), step('u5', 0, next_step => 'u6'), step('u6', 0))
	],
	# some of these are cancelled
	cancelled => [
		'x1',
		chain([ [ undone('x1', 0) ], [ x2 => loop('${workflow.input.forty}', ['xa']) ], [ undone('x3', 0) ] ],
			undone('xa', 1))
	],
	chain => [ 'c1', chain([ map { "c$_" } 1 .. 8 ]) ],
	parallel => [
		'p1',
		chain([ 'p1', [ p2 => { type => 'parallel', parallel_steps => [ 'pa', 'pb', 'pc', 'pd' ] } ], 'p3' ],
			step('pa', 0), agent_step('pb', 0),
			pc => { type => 'parallel', parallel_steps => [ 'pe', 'pf' ] },
			pd => loop('${workflow.input.three}', ['pg']),
			step('pe', 0), agent_step('pf', 0), step('pg', 1))
	],
	ranges => [
		'r1',
		chain([ [ r1 => loop('${workflow.input.forty}', [ 'ra', 'rb' ],
					execution_mode => 'parallel', result => 'outputs') ], 'r2' ],
			step('ra', 1), agent_step('rb', 1))
	],
	nested => [
		'n1',
		chain([ 'n1', [ n2 => fork_join({ left => [ 'la', 'll', 'lz' ], right => [ 'rl', 'rz' ] }) ], 'n3' ],
			step('la', 0),
			ll => loop('${workflow.input.three}', [ 'lb', 'lp', 'lc' ]),
			step('lb', 1),
			lp => { type => 'parallel', parallel_steps => [ 'lpa', 'lpb' ] },
			step('lpa', 1), step('lpb', 1), step('lc', 1), step('lz', 0),
			rl => loop('${workflow.input.four}', [ 'ri', 'rk' ], execution_mode => 'parallel'),
			step('ri', 1),
			rk => loop('${workflow.input.three}', ['rj'], execution_mode => 'parallel', max_parallelism => 2),
			step('rj', 2), step('rz', 0))
	],
	variables => [
		'v1',
		chain([ [ v1 => { type => 'set', assign => { sum => 0, n => 0 } } ],
				[ v2 => loop('${workflow.input.four}', [ 'va', 'vs' ]) ],
				[ v3 => { type => 'loop', loop_config => { while => '${vars.n} < 4', loop_body => [ 'vb', 'vn' ] } } ],
				[ v4 => { type => 'set', output => { sum => '${vars.sum}', n => '${vars.n}' } } ] ],
			step('va', 1), vs => { type => 'set', assign => { sum => '${vars.sum + loop.item}' } },
			step('vb', 1), vn => { type => 'set', assign => { n => '${vars.n + 1}' } })
	],
	# which two of the three win is open: it is not in the output
	majority => [
		'm1',
		chain([ 'm1', [ m2 => fork_join({ a => [ 'ma', 'mb' ], b => ['mp'], c => [ 'mc', 'ml' ] },
						join_policy => 'majority', on_join => 'cancel') ], 'm3' ],
			step('ma', 0), step('mb', 0),
			mp => { type => 'parallel', parallel_steps => [ 'mx', 'my' ] }, step('mx', 0), step('my', 0),
			step('mc', 0), ml => loop('${workflow.input.four}', ['md'], execution_mode => 'parallel'),
			step('md', 1))
	],
	choices => [
		'd1',
		chain([ 'd1', [ d2 => loop('${workflow.input.four}', ['d3'], execution_mode => 'parallel') ],
				[ d4 => { type => 'sql', sql => 'SELECT 1 / 0', on_failure => 'ignore' } ],
				[ d5 => { type => 'sql', sql => 'SELECT 1 / 0', on_failure => { default => 'instead' } } ],
				[ d6 => { type => 'conditional', condition => { sql => 'SELECT false' },
						if_true_step => 'd7', if_false_step => 'd8' } ],
				'd9' ],
			d3 => { type => 'conditional', condition => '${loop.index} > 1', if_true_step => 'da', if_false_step => 'db' },
			agent_step('da', 1), step('db', 1), step('d7', 0), step('d8', 0))
	],
	circle => [
		'o1',
		{
			o1 => { type => 'set', assign => { turn => '${(vars.turn ?? 0) + 1}' }, max_visits => 10, next_step => 'o2' },
			o2 => { type => 'parallel', parallel_steps => [ 'oa', 'ob' ], next_step => 'o3' },
			oa => { type => 'sql', sql => 'SELECT pg_sleep(0.003)', result => 'none' },
			ob => { type => 'sql', sql => 'SELECT pg_sleep(0.003)', result => 'none' },
			o3 => { type => 'conditional', switch => [ { when => '${vars.turn} < 3', next_step => 'o1' } ],
				default => 'o4' },
			step('o4', 0)
		}
	],
	# one in each iteration
	circles => [
		'q1',
		chain([ [ q1 => loop('${workflow.input.four}', [ 'qa', 'qb', 'qc', 'qd' ], execution_mode => 'parallel') ], 'q2' ],
			qa => { type => 'set', assign => { turn => '${(vars.turn ?? 0) + 1}' }, max_visits => 10 },
			qb => { type => 'parallel', parallel_steps => [ 'qx', 'qy' ] },
			qx => { type => 'sql', sql => 'SELECT pg_sleep(0.003)', result => 'none' },
			qy => { type => 'sql', sql => 'SELECT pg_sleep(0.003)', result => 'none' },
			qc => { type => 'conditional', switch => [ { when => '${vars.turn} < 3', next_step => 'qa' } ] },
			step('qd', 1))
	],
	# a container that fails the first time
	again => [
		'z1',
		chain([ [ z1 => { type => 'parallel', parallel_steps => [ 'za', 'zb' ],
					retry => { errors => ['JoinFailed'], max_retries => 1, type => 'fixed_delay', initial_delay_ms => 5 } } ], 'z2' ],
			za => { type => 'sql', sql => q{SELECT 1 / (SELECT count(*) FROM workflow.step_executions
				WHERE execution_id = input.e::bigint AND step_id = 'z1' AND status = 'failed')}, result => 'value', input_mapping => { e => '${workflow.execution_id}' } },
			zb => { type => 'sql', sql => 'SELECT pg_sleep(0.003)', result => 'none' }, step('z2', 0))
	],
	# designed to fail: who was under way then is left to chance
	stops => [
		's1',
		chain([ 's1', [ s2 => loop('${workflow.input.forty}', [ 'sa', 'sl', 'sb' ],
						execution_mode => 'parallel', on_error => 'stop') ], 's3' ],
			step('sa', 1), sl => loop('${workflow.input.three}', ['sp']),
			sp => { type => 'parallel', parallel_steps => [ 'sx', 'sy' ] }, step('sx', 2), step('sy', 2),
			sb => { type => 'sql', sql => 'SELECT 1 / (input.n - 9)', input_mapping => { n => '${loop.item}' } })
	],
	# designed to fail, once everything in front has been done
	fails => [
		'f1',
		chain([ 'f1', [ f2 => loop('${workflow.input.four}', [ 'fa', 'fb' ],
						execution_mode => 'parallel', on_error => 'collect') ], 'f3' ],
			step('fa', 1),
			fb => { type => 'sql', sql => 'SELECT 1 / (input.n - 2)', input_mapping => { n => '${loop.item}' } })
	]);
my $relaxed = qr/^(chain|nested|ranges|majority|retries|undoes|cancelled)$/;
my $batched = qr/^(chain|nested|ranges|retries|undoes)$/;

# The same steps, iterations of loops in batches.
sub in_batches
{
	my ($steps) = @_;
	my %copy = %$steps;

	foreach my $id (keys %copy)
	{
		next if $copy{$id}{type} ne 'loop';
		$copy{$id} = { %{ $copy{$id} }, loop_config => { %{ $copy{$id}{loop_config} }, batch_size => 7 } };
	}
	return \%copy;
}

foreach my $name (sort keys %workflows)
{
	my ($start, $steps) = @{ $workflows{$name} };
	my @more = $name eq 'undoes' ? (on_failure => 'u5') : ();
	my @commit = (commit => { max_steps => 20, max_ms => 100 });

	define_workflow($node, 'w', $name, $start, $steps, @more);
	define_workflow($node, 'w', "${name}_relaxed", $start, $steps, @more, durability => 'relaxed') if $name =~ $relaxed;
	next if $name !~ $batched;
	define_workflow($node, 'w', "${name}_batched", $start, $steps, @more, @commit);
	define_workflow($node, 'w', "${name}_both", $start, in_batches($steps), @more, durability => 'relaxed');
}

# One execution of each.
my $start_all = q{
	SELECT count(workflow.start(name, jsonb_build_object('three', '[1, 2, 3]'::jsonb, 'four', '[1, 2, 3, 4]'::jsonb,
		'forty', (SELECT jsonb_agg(i) FROM generate_series(1, 40) AS i))))
	FROM workflow.definitions};
my $all_ended = q{SELECT NOT EXISTS (SELECT FROM workflow.executions
	WHERE status IN ('pending', 'running', 'waiting', 'cancelling', 'paused'))};

# --- what it is without interruption ---

$node->safe_psql('w', $start_all);
$node->poll_query_until('w', $all_ended) or diagnose($node, 'w');
$node->safe_psql('w', q{CREATE TABLE reference AS SELECT * FROM workflow.executions;
	-- was a step of it to be skipped?
	CREATE FUNCTION skips(e workflow.executions) RETURNS boolean LANGUAGE sql
	RETURN e.step_marks::text ~ '"skip"' IS TRUE});
is($node->safe_psql('w', q{SELECT workflow, status, error FROM reference
		WHERE status <> CASE WHEN workflow ~ '^(fails|stops|undoes)' THEN 'failed' ELSE 'completed' END}),
	'', 'the workload does what it should when nothing happens');
check_finished($node, 'w', 'uninterrupted');
check_effects($node, 'w', 'true', 'uninterrupted');

# --- kills ---

sub pids
{
	my ($kind) = @_;
	my $pids = try_sql($node, 'postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_workflow $kind' ORDER BY random()");

	return split /\n/, $pids // '';
}

# Ask until the server answers and there is somebody to kill; not for ever, there
# may be nothing left to do.
sub somebody
{
	my ($kind) = @_;
	my @pids;

	for my $question (1 .. 20)
	{
		last if @pids = pids($kind);
	}
	return @pids;
}

sub signal_one
{
	my ($signal, $kind) = @_;
	my ($pid) = somebody($kind);

	return defined $pid && kill $signal, $pid;
}

# Stopping fails when the server is in the middle of a crash restart: then that
# has to be over first.
sub stop_and_start
{
	my ($mode) = @_;

	$node->poll_query_until('postgres', 'SELECT true')
	  or die 'timed out';
	$node->stop($mode);
	$node->start;
	return 1;
}

my %kinds = (
	'kill -9 executor' => [ 10, sub { signal_one('KILL', 'executor') } ],
	'kill -9 scheduler' => [ 5, sub { signal_one('KILL', 'scheduler') } ],
	'kill -9 launcher' => [ 3, sub { signal_one('KILL', 'launcher') } ],
	'SIGTERM executor' => [ 10, sub { signal_one('TERM', 'executor') } ],
	'SIGTERM scheduler' => [ 4, sub { signal_one('TERM', 'scheduler') } ],
	'SIGTERM launcher' => [ 2, sub { signal_one('TERM', 'launcher') } ],
	'pg_terminate_backend' => [
		6,
		sub {
			my ($pid) = somebody('executor');
			defined $pid && defined try_sql($node, 'postgres', "SELECT pg_terminate_backend($pid)");
		}
	],
	'immediate stop' => [ 4, sub { stop_and_start('immediate') } ],
	'fast restart' => [ 4, sub { stop_and_start('fast') } ],
	'burst of SIGTERM' => [ 4, sub { my @pids = somebody('executor'); kill 'TERM', @pids } ],
	'SIGTERM of all' => [
		2,
		sub { kill 'TERM', somebody('scheduler'), pids('executor') }
	],
	'kill -9 as soon as back' => [
		2,
		sub { signal_one('KILL', 'executor') && signal_one('KILL', 'scheduler') }
	]);
my @plan = map { my $kind = $_; ($kind) x $kinds{$kind}[0] } sort keys %kinds;
for (my $i = $#plan; $i > 0; $i--)
{
	my $j = int(rand($i + 1));
	@plan[ $i, $j ] = @plan[ $j, $i ];
}

# Yields at nearly every step for a third of the time, one executor for another.
my %phases = (
	int($wanted_kills / 3) => "ALTER SYSTEM SET workflow.run_quantum = '10ms'",
	# what waits does so in the table from then on
	int($wanted_kills / 2) => 'ALTER SYSTEM SET workflow.short_wait = 0',
	int($wanted_kills * 2 / 3) => 'ALTER SYSTEM SET workflow.max_executors_per_database = 1');

# What sessions do.
my @steering = (qw(cancel cancel pause resume resume retry hold_step skip_step), 'drain', 'drain steps');
my %steer = (
	'drain' => q{SELECT workflow.drain('by chance')},
	'drain steps' => q{SELECT workflow.drain('by chance', 'steps')});
my %steered;

sub let_happen
{
	my $what = rand() < 0.5 ? 'rows' : 'effects';
	my $number = int(rand(60));

	try_sql($node, 'w', "CALL let_happen($number, '$what')");
	return;
}

my %killed;
my $kills = 0;
while ($kills < $wanted_kills && $attempts++ < $patience)
{
	my $kind = $plan[ $kills % @plan ];

	if ($phases{$kills})
	{
		$node->poll_query_until('postgres', 'SELECT true')
		  or die 'timed out';
		try_sql($node, 'postgres', $phases{$kills});
		try_sql($node, 'postgres', 'SELECT pg_reload_conf()');
	}
	# enough to do, and an end in sight
	$node->poll_query_until('postgres', 'SELECT true')
	  or die 'timed out';
	try_sql($node, 'w', "$start_all WHERE (SELECT count(*) < 40 FROM workflow.executions
		WHERE status IN ('pending', 'running', 'waiting', 'paused'))");
	# the first of them may be what the session is at when the server goes
	foreach my $what (@steering[ map { int(rand(@steering)) } 1 .. 2 ])
	{
		$steered{$what}++ if defined try_sql($node, 'w', $steer{$what} // "CALL steer('$what')");
	}
	let_happen();
	try_sql($node, 'w', 'SELECT workflow.undrain()');
	try_sql($node, 'w', 'SELECT release(0.5)');
	if ($kinds{$kind}[1]->())
	{
		$killed{$kind}++;
		$kills++;
	}
}
diag(join(', ', map { "$_: $killed{$_}" } sort keys %killed));
diag(join(', ', map { "$_: $steered{$_}" } sort keys %steered));
is($kills, $wanted_kills, "killed $kills times in $attempts attempts");

# --- the end ---

$node->poll_query_until('postgres', 'SELECT true')
  or die 'timed out';
$node->safe_psql('w', 'SELECT workflow.undrain()');
$node->safe_psql('w', 'SELECT release(1)');
$node->safe_psql('w', 'SELECT workflow.resume_executions(max_executions => 100000)');
try_sql($node, 'postgres', 'ALTER SYSTEM RESET workflow.max_executors_per_database');
try_sql($node, 'postgres', 'SELECT pg_reload_conf()');
ok($node->poll_query_until('w', $all_ended), 'everything ends') or diagnose($node, 'w');

# --- relaxed durability, for itself ---

# What was done, and by which process, of those that do not wait for the disk.
sub relaxed_effects
{
	my $effects = try_sql($node, 'w', q{SELECT f.execution_id, f.step_id, f.place, f.pid FROM effects f
		JOIN workflow.executions AS e ON e.id = f.execution_id
		WHERE e.workflow ~ '_(relaxed|both)$' AND e.status IN ('pending', 'running', 'waiting', 'cancelling', 'paused')});

	return split /\n/, $effects // '';
}

my $lost = 0;
my $crashes = 0;
while ($crashes < $wanted_crashes && $attempts++ < 2 * $patience)
{
	my (@before, %after);

	$node->poll_query_until('postgres', 'SELECT true')
	  or die 'timed out';
	try_sql($node, 'w', "$start_all WHERE name ~ '_(relaxed|both)\$' AND (SELECT count(*) < 10 FROM workflow.executions
		WHERE status IN ('pending', 'running', 'waiting', 'paused'))");
	try_sql($node, 'w', "CALL steer('$_')") foreach ('cancel', 'pause', 'resume');
	# what commits without waiting stays in memory, and goes with it
	my $walwriter = try_sql($node, 'postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'});
	defined $walwriter && $walwriter ne '' && kill 'STOP', $walwriter or next;
	let_happen();
	@before = relaxed_effects();
	kill 'KILL', $walwriter or next;
	$crashes++;
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'walwriter' AND pid <> $walwriter")
	  or die 'timed out';
	$after{$_} = 1 foreach split /\n/, try_sql($node, 'w', 'SELECT execution_id, step_id, place, pid FROM effects') // '';
	$lost += grep { !$after{$_} } @before if %after;
}
is($crashes, $wanted_crashes, "$crashes crashes with relaxed durability");
$node->poll_query_until('postgres', 'SELECT true')
  or die 'timed out';
$node->safe_psql('w', 'SELECT workflow.resume_executions(max_executions => 100000)');
ok($node->poll_query_until('w', $all_ended), 'everything ends') or diagnose($node, 'w');
check_finished($node, 'w', 'after the kills');
is($node->safe_psql('w', q{
		SELECT e.id, e.workflow, e.status, r.status, e.error_type, e.error FROM workflow.executions e
		JOIN reference r USING (workflow)
		WHERE (e.status, e.error_type) IS DISTINCT FROM (r.status, r.error_type)
			AND NOT (e.status = 'cancelled' AND e.workflow LIKE 'cancelled%') LIMIT 10}),
	'', 'they end as without interruption');
is($node->safe_psql('w', q{
		SELECT e.id, e.workflow, e.output, r.output FROM workflow.executions e
		JOIN reference r USING (workflow) WHERE regexp_replace(e.output::text, '"e": \d+', '', 'g')
			IS DISTINCT FROM regexp_replace(r.output::text, '"e": \d+', '', 'g')
			AND workflow <> 'stops' AND e.status <> 'cancelled' AND NOT skips(e) LIMIT 10}),
	'', 'with the same outputs');
check_effects($node, 'w', 'true', 'after the kills');

# The same steps in the same scopes with the same outcome, where that is not left
# to chance.  Iterations show their input, and the execution's number in it.
my $rows = q{SELECT scope, step_id, visit, attempt, status, scope_outcome, on_failure, branch_taken,
	regexp_replace(output::text, '"e": \d+', '', 'g') AS output,
	parent_step_id, branch_name, loop_iteration_index, error_type
	FROM workflow.step_executions s WHERE s.execution_id =};
is($node->safe_psql('w', qq{
		SELECT e.id, e.workflow, d.* FROM workflow.executions e JOIN reference r USING (workflow),
			LATERAL (($rows e.id EXCEPT ALL $rows r.id) UNION ALL ($rows r.id EXCEPT ALL $rows e.id)) AS d
		WHERE workflow NOT LIKE 'majority%' AND workflow <> 'stops' AND e.status <> 'cancelled'
			AND e.retries = 0 AND NOT skips(e) LIMIT 20}),
	'', 'the same rows of steps');

# A step that was skipped has its row and no effect, and all others of its chain have both.
is($node->safe_psql('w', q{
		SELECT e.id, e.workflow, c.step, s.status, e.step_marks FROM workflow.executions e
		CROSS JOIN LATERAL (SELECT 'c' || i AS step FROM generate_series(1, 8) AS i) AS c
		LEFT JOIN workflow.step_executions s ON s.execution_id = e.id AND s.step_id = c.step
		WHERE e.workflow ~ '^chain' AND (s.status IS NULL OR s.status NOT IN ('completed', 'skipped')
			OR s.status = 'skipped' AND (e.step_marks -> c.step ->> 'mark' = 'skip') IS NOT TRUE) LIMIT 10}),
	'', 'steps are skipped where they were told to be, and nowhere else');

# What was done is undone once where that was wanted, and only there; check_effects()
# has seen that nothing is there twice.
is($node->safe_psql('w', q{
		SELECT e.id, e.workflow, e.status, e.compensate, f.step_id, f.place FROM workflow.executions e
		JOIN effects f ON f.execution_id = e.id AND f.step_id IN ('u1', 'ua', 'u3', 'x1', 'xa', 'x3')
		LEFT JOIN effects u ON u.execution_id = e.id AND u.step_id = 'undo_' || f.step_id AND u.place = f.place
		WHERE (u.step_id IS NOT NULL) <> (e.status = 'failed' OR e.status = 'cancelled' AND e.compensate) LIMIT 10}),
	'', 'compensations are run where they have to be, and nowhere else');
is($node->safe_psql('w', q{
		SELECT u.* FROM effects u WHERE u.step_id LIKE 'undo_%' AND NOT EXISTS (SELECT FROM effects f
			WHERE f.execution_id = u.execution_id AND 'undo_' || f.step_id = u.step_id AND f.place = u.place) LIMIT 10}),
	'', 'nothing is undone that was not done');
is($node->safe_psql('w', q{SELECT e.id FROM workflow.executions e WHERE e.workflow = 'undoes'
		AND (SELECT count(*) FROM effects f WHERE f.execution_id = e.id AND f.step_id IN ('u5', 'u6')) <> 2 LIMIT 10}),
	'', 'the on_failure chain is run, once');
diag("effects that crashes took back with their rows: $lost");
diag('paused: ' . $node->safe_psql('w', q{SELECT count(*) FILTER (WHERE pauses IS NOT NULL) || ', retried: ' || count(*) FILTER (WHERE retries > 0)
	|| ', steps skipped: ' || (SELECT count(*) FROM workflow.step_executions WHERE status = 'skipped') FROM workflow.executions}));
diag('cancelled: ' . $node->safe_psql('w', q{SELECT count(*) || ', with compensations: ' || count(*) FILTER (WHERE compensate)
	FROM workflow.executions WHERE status = 'cancelled'}));
check_pool($node, 'w', 'after the kills');
diag('executions: ' . $node->safe_psql('w',
		q{SELECT count(*) || ', recovered: ' || count(*) FILTER (WHERE recoveries > 0) FROM workflow.executions})
	. ', effects: ' . $node->safe_psql('w', 'SELECT count(*) FROM effects'));

# It goes on as before.
$node->safe_psql('w', $start_all);
ok($node->poll_query_until('w', $all_ended), 'new executions run') or diagnose($node, 'w');
check_finished($node, 'w', 'new ones');
check_effects($node, 'w', 'e.id > (SELECT max(id) FROM reference)', 'all of them');
$node->stop('fast');

done_testing();
