# Somebody comes for every execution, whatever is decided about it while others of the same
# transaction, block or loop go on: mixed workloads by the hundreds, which sessions steer, and no
# fault in it.  What is left open at the end is one that nobody comes for.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = crash_cluster('unattended', 'workflow.cancel_grace = 60s');

# --- ends that are decided in a transaction that others share ---

sub undone
{
	my ($id, %more) = @_;

	return $id => { type => 'sql', sql => 'SELECT 1', compensate => { id => "undo_$id", sql => 'SELECT 2' }, %more };
}

# Divides by zero for one number in so many.
sub divides
{
	my ($id, $n, $number, %more) = @_;

	return $id => { type => 'sql', sql => "SELECT 1 / (input.n % $n)", input_mapping => { n => $number }, %more };
}

my $number = '${workflow.input.n}';
my %decided = (
	undone => [ undone('a', next_step => 'b'), divides('b', 2, $number) ],
	told => [ divides('a', 2, $number), t => { type => 'sql', sql => 'SELECT 9' } ],
	both => [ undone('a', next_step => 'b'), divides('b', 2, $number), t => { type => 'sql', sql => 'SELECT 9' } ]);
foreach my $name (sort keys %decided)
{
	define_workflow($node, 'w', $name, 'a', { @{ $decided{$name} } }, commit => { max_steps => 10, max_ms => 1000 },
		$name eq 'undone' ? () : (on_failure => 't'));
}
$node->safe_psql('w', q{SELECT count(workflow.start(name, jsonb_build_object('n', n)))
	FROM workflow.definitions, generate_series(1, 200) AS n});
ok($node->poll_query_until('w', q{SELECT NOT EXISTS (SELECT FROM workflow.executions WHERE status IN ('pending', 'running', 'waiting'))}),
	'each of those whose end is decided in one transaction with others ends')
  or diagnose($node, 'w');
is($node->safe_psql('w', q{SELECT workflow, status, ending, count(*) FROM workflow.executions GROUP BY 1, 2, 3 ORDER BY 1, 2}),
	join("\n", map { ("$_|completed||100", "$_|failed||100") } 'both', 'told', 'undone'), 'as it was decided');
is($node->safe_psql('w', q{SELECT e.workflow, s.step_id, count(*) FROM workflow.executions AS e
		JOIN workflow.step_executions AS s ON s.execution_id = e.id AND s.step_id IN ('t', 'undo_a') GROUP BY 1, 2 ORDER BY 1, 2}),
	"both|t|100\nboth|undo_a|100\ntold|t|100\nundone|undo_a|100", 'and its epilogue is run once');
check_finished($node, 'w', 'decided together');

# --- everything at once ---

my @items = map { $_ } 1 .. 8;
sub loop
{
	my ($body, %more) = @_;
	return { type => 'loop', loop_config => { collection => \@items, loop_body => $body, %more }, next_step => 'e' };
}

my $item = '${loop.item + workflow.input.n % 4}';
my %sleep = (type => 'sql', sql => 'SELECT pg_sleep(0.002)');
my %end = (e => { type => 'sql', sql => 'SELECT 3' });
my %workflows = (
	plain => [ { a => { type => 'sql', sql => 'SELECT 1', next_step => 'e' }, %end } ],
	shared => [ { a => { type => 'sql', sql => 'SELECT 1', next_step => 'e' }, %end }, commit => { max_steps => 10 } ],
	undoes => [ { undone('a', next_step => 'b'), divides('b', 2, $number, next_step => 'e'), %end }, commit => { max_steps => 10 } ],
	chain => [ { divides('a', 3, $number, next_step => 'e'), %end, t => {%sleep} }, commit => { max_steps => 7 }, on_failure => 't' ],
	alone => [ { undone('a', next_step => 'b'), divides('b', 2, $number, next_step => 'e'), %end, t => {%sleep} }, on_failure => 't' ],
	parallel => [ { a => { type => 'parallel', parallel_steps => [ 'x', 'y', 'z' ], next_step => 'e' },
			undone('x'), divides('y', 2, $number), z => {%sleep}, %end }, commit => { max_steps => 5 } ],
	batches => [ { a => loop([ 'x', 'y' ], batch_size => 3, execution_mode => 'parallel'),
			divides('x', 9, $item, compensate => { sql => 'SELECT 2' }), y => { type => 'sql', sql => 'SELECT 1' }, %end },
		commit => { max_steps => 5 } ],
	sequence => [ { a => loop(['x'], batch_size => 3), divides('x', 9, $item, compensate => { sql => 'SELECT 2' }), %end } ],
	stops => [ { a => loop(['x'], execution_mode => 'parallel', on_error => 'stop'),
			divides('x', 7, '${loop.item}', compensate => { sql => 'SELECT 2' }), %end } ],
	nested => [ { a => loop([ 'x', 'y' ], execution_mode => 'parallel', batch_size => 2), undone('x'),
			y => { type => 'parallel', parallel_steps => [ 'p', 'q' ] }, divides('p', 11, $item), q => {%sleep}, %end } ],
	any => [ { a => { type => 'fork_join', next_step => 'e', fork_join_config => { join_policy => 'any', on_join => 'cancel',
				branches => { a => { steps => ['x'] }, b => { steps => ['y'] }, c => { steps => ['z'] } } } },
			x => {%sleep}, divides('y', 2, $number), z => { type => 'parallel', parallel_steps => [ 'p', 'q' ] },
			p => {%sleep}, undone('q'), %end }, commit => { max_steps => 4 } ],
	ends => [ { a => loop([ 'x', 'c' ], execution_mode => 'parallel'), undone('x'),
			c => { type => 'conditional', condition => '${loop.item == 4}', if_true_step => 'q' },
			q => { type => 'fail', error => 'Told', message => 'told to' }, %end }, commit => { max_steps => 4 } ],
	again => [ { divides('a', 3, '${workflow.input.n}', retry => { max_retries => 2, initial_delay_ms => 10, type => 'fixed_delay', errors => ['22012'] },
			next_step => 'e'), undone('e') } ],
	limited => [ { undone('a', next_step => 'b'), b => { type => 'sql', sql => 'SELECT pg_sleep(0.3)', timeout_seconds => 1, next_step => 'e' }, %end },
		timeout_seconds => 1 ]);
foreach my $name (sort keys %workflows)
{
	my ($steps, @more) = @{ $workflows{$name} };
	define_workflow($node, 'w', "mix_$name", 'a', $steps, @more);
}

# A session that starts executions and does this and that to those there are.  What comes too late
# is refused.
$node->safe_psql('w', q{
	CREATE PROCEDURE steer(rounds int) LANGUAGE plpgsql AS $$
	DECLARE
		e record;
		what float;
	BEGIN
		FOR i IN 1 .. rounds LOOP
			PERFORM workflow.start(name, jsonb_build_object('n', (random() * 100)::int), priority => (random() * 3)::int)
			FROM workflow.definitions WHERE name ~ '^mix_' AND random() < 0.3;
			COMMIT;
			FOR e IN SELECT id, status FROM workflow.executions
				WHERE status IN ('pending', 'running', 'waiting', 'paused') AND random() < 0.15
				OR status IN ('failed', 'cancelled', 'timed_out') AND workflow ~ '^mix_' AND retries < 3 AND random() < 0.05
			LOOP
				what := random();
				BEGIN
					IF e.status = 'paused' THEN
						PERFORM workflow.resume(e.id);
					ELSIF e.status NOT IN ('pending', 'running', 'waiting') THEN
						PERFORM workflow.retry(e.id);
					ELSIF what < 0.2 THEN
						PERFORM workflow.cancel(e.id, compensate => what < 0.1);
					ELSIF what < 0.6 THEN
						PERFORM workflow.pause(e.id);
					ELSE
						PERFORM workflow.hold_step(e.id, 'e');
						PERFORM workflow.release_step(e.id, 'e');
					END IF;
				EXCEPTION WHEN object_not_in_prerequisite_state THEN
					NULL;
				END;
				COMMIT;
			END LOOP;
		END LOOP;
	END $$});
my @sessions = map { $node->background_psql('w') } 1 .. 3;
my $rounds = $ENV{PGWF_ROUNDS} // 15;
$_->query("SET client_min_messages = 'warning'") foreach @sessions;
$_->{stdin} .= "CALL steer($rounds);\n" foreach @sessions;
$_->{run}->pump_nb foreach @sessions;
$_->query_safe('SELECT 1') foreach @sessions;
$_->quit foreach @sessions;
$node->safe_psql('w', 'SELECT workflow.resume_executions(max_executions => 100000)');
ok($node->poll_query_until('w', q{SELECT NOT EXISTS (SELECT FROM workflow.executions
		WHERE status IN ('pending', 'running', 'waiting', 'cancelling', 'paused'))}), 'everything ends')
  or diagnose($node, 'w');
check_finished($node, 'w', 'mixed');
cmp_ok($node->safe_psql('w', q{SELECT count(*) FROM workflow.executions WHERE workflow ~ '^mix_'}), '>=', 3 * $rounds, 'there were many');
check_pool($node, 'w', 'mixed');

# --- what is looked for in every test is seen when it is there ---

my $one = $node->safe_psql('w', q{SELECT max(id) FROM workflow.executions});
$node->safe_psql('w', q{INSERT INTO workflow.schedule_entries (name, workflow, cron, timezone, input, max_concurrent_runs, overlap, max_lateness, enabled, role)
	VALUES ('one', 'mix', '@daily', 'UTC', '{}', 1, 'queue', '1 h', false, 'postgres')});
my %open = (
	pending => q{status = 'pending'},
	running => q{status = 'running'},
	cancelling => q{status = 'cancelling'},
	'limited, and nothing runs' => q{status = 'pending', limited = true},
	'waiting, for nothing' => q{status = 'waiting'},
	'blocked, and its workflow is not' => q{status = 'blocked'},
	'behind others of its schedule, and there are none' => q{status = 'pending', start_at = 'infinity', schedule_id = (SELECT id FROM workflow.schedule_entries)});
foreach my $what (sort keys %open)
{
	is($node->safe_psql('w', "BEGIN; UPDATE workflow.executions SET completed_at = NULL, $open{$what} WHERE id = $one; SELECT e.id " . Watchdog::unattended($node, 'w') . '; ROLLBACK'),
		$one, "seen: $what");
}
# kind of what it waits for, until when, the execution's columns, and whether it is seen
foreach my $case (
	[ 'retry', q{now() - interval '1 s'}, q{completed_at = NULL, status = 'waiting'}, 1 ],
	[ 'retry', q{'infinity'}, q{completed_at = NULL, status = 'waiting'}, 0 ],
	[ 'hold', q{'infinity'}, q{completed_at = NULL, status = 'waiting'}, 1 ],
	[ 'hold', q{'infinity'}, q{completed_at = NULL, status = 'waiting', step_marks = '{"x": {"mark": "hold"}}'}, 0 ],
	[ 'retry', q{'infinity'}, q{status = status}, 1 ])
{
	my ($kind, $until, $columns, $seen) = @$case;

	is($node->safe_psql('w', qq{BEGIN; UPDATE workflow.executions SET $columns WHERE id = $one;
		INSERT INTO workflow.waits (execution_id, thread, scope, step_id, attempt, kind, until) VALUES ($one, '', '', 'x', 1, '$kind', $until);
		SELECT e.id } . Watchdog::unattended($node, 'w') . '; ROLLBACK'), $seen ? $one : '', ($seen ? '' : 'not ') . "seen: $kind until $until, $columns");
}
is($node->safe_psql('w', 'SELECT count(*) ' . Watchdog::unattended($node, 'w')), 0, 'and nothing else is');
$node->stop;

done_testing();
