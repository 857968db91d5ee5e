# Threads that wait beside others: branches and iterations that are in nobody's memory while the
# execution runs or waits itself; woken one by one, held, released, stopped, across crashes.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use WorkflowTest;

my $node = workflow_cluster('waiting_threads', 'workflow.max_executors = 3', 'workflow.short_wait = 0', 'autovacuum = off');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', $query), $name);
}

sub start
{
	my ($name, $input) = @_;

	return sql(sprintf q{SELECT workflow.start('%s', %s, parallel => true)}, $name, $input // q{'{}'});
}

sub ended { return sql("SELECT status, error_type FROM workflow.wait($_[0], '60 s')"); }

# How many threads of it wait; and the status it has then.
sub threads_wait
{
	my ($id, $number, $status, $name) = @_;

	return wait_until("SELECT (SELECT count(*) FROM workflow.waits WHERE execution_id = $id) = $number AND status = '$status'
		FROM workflow.executions WHERE id = $id", $name);
}

# What has been set: how long it may rest in memory.
sub short_wait
{
	my ($value) = @_;

	sql("ALTER SYSTEM SET workflow.short_wait = '$value'");
	$node->reload;
	return;
}

sub all_is_right
{
	my ($name) = @_;

	is(sql(q{SELECT count(*) FROM (SELECT execution_id, scope FROM workflow.step_executions WHERE step_id = 'b' AND status = 'completed') AS s
		FULL JOIN (SELECT id, place FROM effects) AS e ON e.id = s.execution_id AND e.place = s.scope
		WHERE e.id IS NULL OR s.execution_id IS NULL}), 0, "$name: each effect has a row");
	is(sql('SELECT count(*) FROM (SELECT id, place FROM effects GROUP BY id, place HAVING count(*) > 1) AS e'), 0, "$name: none is there twice");
	is(sql(q{SELECT count(*) FROM workflow.waits AS w JOIN workflow.executions AS e ON e.id = execution_id WHERE e.completed_at IS NOT NULL}), 0,
		"$name: nothing is left of the waits");
	is(sql(q{SELECT string_agg(check_name || ': ' || detail, E'\n') FROM workflow.verify() WHERE check_name IN ('waits', 'open steps', 'statuses', 'steps') AND status = 'error'}),
		'', "$name: verify() finds nothing");
	return;
}

install_extension($node, 'postgres');
sql(q{
	CREATE TABLE broken (place text);
	CREATE TABLE effects (id bigint, place text);
	-- fails as long as its place, or any, is broken
	CREATE FUNCTION may_fail(p text) RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM broken WHERE p LIKE place) THEN
			RAISE EXCEPTION 'broken';
		END IF;
		RETURN 1;
	END $$;
	-- held before anything of it can begin
	CREATE FUNCTION start_held(workflow text, input jsonb, VARIADIC steps text[]) RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE
		id bigint := workflow.start(workflow, input, parallel => true);
	BEGIN
		PERFORM workflow.hold_step(id, s) FROM unnest(steps) AS s;
		RETURN id;
	END $$;
	CREATE FUNCTION body(delay int, place text) RETURNS jsonb LANGUAGE sql RETURN jsonb_build_array(
		jsonb_build_object('id', 'a', 'sql', 'SELECT may_fail(input.place)', 'input_mapping', jsonb_build_object('place', place),
			'retry', jsonb_build_object('errors', '["all"]'::jsonb, 'type', 'fixed_delay', 'jitter', false,
				'max_retries', 1000, 'initial_delay_ms', delay, 'max_delay_ms', delay)),
		jsonb_build_object('id', 'b', 'sql', 'INSERT INTO effects VALUES (input.id, input.place)',
			'input_mapping', jsonb_build_object('id', '${workflow.execution_id}', 'place', place)));
	CREATE FUNCTION many(name text, delay int, more jsonb DEFAULT '{}') RETURNS int LANGUAGE sql AS $$
		SELECT workflow.define(jsonb_build_object('name', name, 'steps', jsonb_build_array(jsonb_build_object(
			'id', 'l', 'type', 'loop', 'execution_mode', 'parallel', 'collection', '${workflow.input}',
			'loop_body', body(delay, 'l[${loop.index}]')) || more)))
	$$;
	SELECT many('soon', 300), many('late', 3600000),
		many('few', 300, '{"max_parallelism": 4}'),
		many('limited', 3600000, '{"timeout_seconds": 1}');
	SELECT workflow.define(jsonb_build_object('name', 'any', 'steps', jsonb_build_array(jsonb_build_object(
		'id', 'p', 'type', 'parallel', 'min_success', 1, 'on_join', 'cancel', 'parallel_steps',
		(SELECT jsonb_agg(body(3600000, n) -> 0 || jsonb_build_object('id', n)) FROM unnest('{k,l,m}'::text[]) AS n)))))});

my $list = sub { return "(SELECT jsonb_agg(i) FROM generate_series(1, $_[0]) AS i)" };

# --- who goes on with a loop that has a limit first goes on with what has begun ---

sql(q{INSERT INTO broken VALUES ('%')});
foreach my $short ('0', '10s')
{
	my $id;
	my $begun = "SELECT string_agg(DISTINCT scope, ' ' ORDER BY scope) FROM workflow.step_executions WHERE step_id = 'a' AND execution_id =";
	my $attempts = 'SELECT min(attempts) FROM (SELECT max(attempt) AS attempts FROM workflow.step_executions WHERE scope = ANY (string_to_array(%s, \' \')) AND execution_id = %s GROUP BY scope) AS a';

	short_wait($short);
	$id = start('few', $list->(20));
	foreach my $executors (3, 8, 2)
	{
		my $before;

		sql("ALTER SYSTEM SET workflow.max_executors = $executors");
		$node->restart;
		wait_until("SELECT count(DISTINCT scope) >= 4 FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'a'", "$short, $executors executors: so many have begun as may");
		$before = sql("$begun $id");
		my $tried = sql(sprintf $attempts, "'$before'", $id);
		wait_until(sprintf("SELECT ($attempts) >= %s", "'$before'", $id, $tried + 2), "$short, $executors executors: each of them goes on");
		is(sql("$begun $id"), $before, "$short, $executors executors: and no other has begun");
	}
	sql("SELECT workflow.cancel($id)");
	is(ended($id), 'cancelled|Cancelled', "$short: it is over");
}
sql('ALTER SYSTEM SET workflow.max_executors = 3');
$node->restart;

foreach my $short ('0', '200ms', '10s')
{
	my ($id, @ids);

	short_wait($short);

	# --- due again and again, all at once, and then they go on ---

	sql(q{TRUNCATE broken; INSERT INTO broken VALUES ('%')});
	@ids = (start('soon', $list->(100)), start('few', $list->(20)), start('soon', $list->(1)));
	my $in = join(', ', @ids);
	wait_until("SELECT count(*) = 105 FROM workflow.step_executions WHERE attempt = 3 AND execution_id IN ($in)", "$short: woken twice");
	is(sql("SELECT count(DISTINCT scope) FROM workflow.step_executions WHERE execution_id = $ids[1] AND step_id = 'a'"), 4,
		"$short: of four at once no fifth has begun");
	sql('TRUNCATE broken');
	is(ended($_), 'completed|', "$short: it goes on") foreach @ids;
	is(sql("SELECT count(*) FROM effects WHERE id IN ($in)"), 121, "$short: all of it");
	all_is_right("$short, again and again");
	is(sql(qq{SELECT count(*) FROM workflow.step_executions AS s JOIN workflow.step_executions AS n USING (execution_id, scope, step_id)
		WHERE n.attempt = s.attempt + 1 AND n.started_at < s.retry_at AND execution_id IN ($in)}), 0, "$short: none before its time");

	# --- one of many fails, and waits; the others go on ---

	sql(q{TRUNCATE broken; INSERT INTO broken VALUES ('l[7]')});
	$id = start('late', $list->(20));
	threads_wait($id, 1, $short eq '10s' ? 'running' : 'waiting', "$short: one waits");
	wait_until("SELECT count(*) = 19 FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'b'", "$short: the others have gone on");
	is(sql("SELECT thread, scope, step_id, attempt, kind FROM workflow.waits WHERE execution_id = $id"), 'l[7]|l[7]|a|2|retry', "$short: as the table says");

	# --- paused and resumed, it waits; cancelled, nothing is left ---

	is(sql("SELECT workflow.pause($id)"), 'paused', "$short: paused");
	wait_until('SELECT executions = 0 FROM workflow.scheduler_state()', "$short: and forgotten");
	is(sql("SELECT workflow.resume($id)"), 'pending', "$short: resumed");
	threads_wait($id, 1, $short eq '10s' ? 'running' : 'waiting', "$short: it waits again");
	is(sql("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $id AND step_id = 'a'"), 20, "$short: nothing was tried before its time");
	is(sql("SELECT workflow.cancel($id)"), 'cancelling', "$short: cancelled");
	is(ended($id), 'cancelled|Cancelled', "$short: it is");
	all_is_right("$short, one of many");

	# --- held and released: only that step's threads are woken ---

	sql(q{TRUNCATE broken; INSERT INTO broken VALUES ('l[0]')});
	$id = sql(sprintf q{SELECT start_held('late', %s, 'b')}, $list->(10));
	threads_wait($id, 10, $short eq '10s' ? 'running' : 'waiting', "$short: ten wait, nine before that step");
	is(sql("SELECT string_agg(n || ' ' || kind, ', ' ORDER BY kind) FROM (SELECT kind, count(*) AS n FROM workflow.waits WHERE execution_id = $id GROUP BY kind) AS k"),
		'9 hold, 1 retry', "$short: as the table says");
	sql("SELECT workflow.release_step($id, 'b')");
	threads_wait($id, 1, $short eq '10s' ? 'running' : 'waiting', "$short: released, nine go on");
	wait_until("SELECT count(*) = 9 FROM effects WHERE id = $id", "$short: they have");
	# a step that waits for another attempt may be skipped
	sql("SELECT workflow.skip_step($id, 'a')");
	is(ended($id), 'completed|', "$short: the last goes on when its step is skipped");
	all_is_right("$short, held");

	# --- who comes first decides; a time limit ends what waits ---

	sql(q{TRUNCATE broken; INSERT INTO broken VALUES ('k'), ('m')});
	$id = sql(q{SELECT start_held('any', '{}', 'l')});
	threads_wait($id, 3, $short eq '10s' ? 'running' : 'waiting', "$short: three wait");
	sql("SELECT workflow.release_step($id, 'l')");
	is(ended($id), 'completed|', "$short: the first of three ends it");
	is(sql("SELECT count(*) FROM workflow.waits WHERE execution_id = $id"), 0, "$short: the others are not waited for");
	sql(q{TRUNCATE broken; INSERT INTO broken VALUES ('l[1]'), ('l[2]')});
	$id = sql(sprintf q{SELECT start_held('limited', %s, 'a')}, $list->(3));
	like(ended($id), qr/^(timed_out\|Timeout|failed\|)/, "$short: its time limit ends a loop whose iterations are held");
	all_is_right("$short, stopped");

	# --- the server crashes again and again ---

	sql(q{TRUNCATE broken; INSERT INTO broken VALUES ('%')});
	@ids = (start('soon', $list->(60)), start('few', $list->(20)), start('late', $list->(30)));
	foreach my $crash (1 .. 3)
	{
		my $attempts = sql('SELECT count(*) FROM workflow.step_executions');

		wait_until("SELECT count(*) > $attempts + 40 FROM workflow.step_executions", "$short: attempts are made ($crash)");
		$node->stop('immediate');
		$node->start;
	}
	sql('TRUNCATE broken');
	threads_wait($ids[2], 30, $short eq '10s' ? 'running' : 'waiting', "$short: what is not due waits as before");
	is(ended($_), 'completed|', "$short: after crashes the others go on") foreach @ids[ 0, 1 ];
	is(sql("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $ids[2]"), 31, "$short: nothing was tried before its time");
	sql("UPDATE workflow.waits SET until = now() WHERE execution_id = $ids[2]");
	sql("SELECT workflow.skip_step($ids[2], 'a')");
	is(ended($ids[2]), 'completed|', "$short: nor does it stay there");
	is(sql('SELECT max(recoveries) < 3 FROM workflow.executions'), 't', "$short: none is to blame");
	all_is_right("$short, crashes");
}

# --- forks in forks, and in loops that are not; a branch that ends the execution while others wait ---

sql(q{SELECT workflow.define(jsonb_build_object('name', 'nested', 'steps', jsonb_build_array(jsonb_build_object('id', 'p', 'type', 'parallel', 'parallel_steps', jsonb_build_array(
		jsonb_build_object('id', 'q', 'type', 'parallel', 'parallel_steps', jsonb_build_array('{"id": "x", "sql": "SELECT 1"}'::jsonb, '{"id": "y", "sql": "SELECT 2"}'::jsonb)),
		jsonb_build_object('id', 's', 'type', 'loop', 'collection', '[1, 2, 3]'::jsonb, 'loop_body', jsonb_build_array(
			jsonb_build_object('id', 't', 'type', 'parallel', 'parallel_steps', jsonb_build_array('{"id": "u", "sql": "SELECT 3"}'::jsonb, '{"id": "v", "sql": "SELECT 4"}'::jsonb)),
			jsonb_build_object('id', 'w', 'sql', 'SELECT 5'))))), '{"id": "z", "sql": "SELECT 6"}'::jsonb)));
	SELECT workflow.define('{"name": "ends", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "k", "sql": "SELECT 1"},
		{"id": "c", "type": "conditional", "condition": {"expression": "true"}, "if_true_step": {"id": "f", "type": "fail", "error": "Enough", "message": "of it"}, "if_false_step": {"id": "n", "sql": "SELECT 1"}}]}]}')});
foreach my $short ('0', '10s')
{
	short_wait($short);
	my $id = sql(q{SELECT start_held('nested', '{}', 'x', 'v', 'w', 'z')});
	threads_wait($id, 2, $short eq '0' ? 'waiting' : 'running', "$short: one waits in a fork in a fork, one in a fork in a loop");
	is(sql("SELECT string_agg(thread || ' ' || scope || ' ' || step_id, ', ' ORDER BY thread) FROM workflow.waits WHERE execution_id = $id"),
		'p.q/q.x p.q/q.x x, p.s/s[0]/t.v p.s/s[0]/t.v v', "$short: as the table says");
	sql("SELECT workflow.release_step($id, 'v')");
	wait_until("SELECT step_id = 'w' FROM workflow.waits WHERE execution_id = $id AND thread = 'p.s'", "$short: the loop goes on behind its fork");
	$node->stop('immediate');
	$node->start;
	run_execution($node, 'postgres', 'short');
	is(sql("SELECT string_agg(thread || ' ' || scope || ' ' || step_id, ', ' ORDER BY thread) FROM workflow.waits WHERE execution_id = $id"),
		'p.q/q.x p.q/q.x x, p.s p.s/s[0] w', "$short: a crash changes nothing of it");
	sql("SELECT workflow.release_step($id, 'w')");
	threads_wait($id, 1, $short eq '0' ? 'waiting' : 'running', "$short: the loop has ended");
	sql("SELECT workflow.release_step($id, 'x')");
	wait_until("SELECT step_id = 'z' AND thread = '' FROM workflow.waits WHERE execution_id = $id", "$short: all have, and the last step is held");
	is(sql("SELECT status FROM workflow.executions WHERE id = $id"), 'waiting', "$short: nothing is beside it");
	sql("SELECT workflow.release_step($id, 'z')");
	is(ended($id), 'completed|', "$short: released");
	is(sql("SELECT string_agg(n || ' ' || step_id, ', ' ORDER BY step_id) FROM (SELECT step_id, count(*) AS n FROM workflow.step_executions
		WHERE execution_id = $id GROUP BY step_id) AS s"), '1 p, 1 q, 1 s, 3 t, 3 u, 3 v, 3 w, 1 x, 1 y, 1 z', "$short: each step has run once");

	$id = sql(q{SELECT start_held('ends', '{}', 'k', 'f')});
	threads_wait($id, 2, $short eq '0' ? 'waiting' : 'running', "$short: two wait");
	sql("SELECT workflow.release_step($id, 'f')");
	is(ended($id), 'failed|Enough', "$short: one ends the execution");
	wait_until("SELECT count(*) = 0 FROM workflow.waits WHERE execution_id = $id", "$short: the other is not waited for");
	wait_until("SELECT count(*) = 0 FROM workflow.step_executions WHERE execution_id = $id AND status = 'running'", "$short: and nothing of it is open");
}

# --- drained, no execution begins, and what runs goes on ---

sql(q{SELECT workflow.define(jsonb_build_object('name', 'drained', 'steps', jsonb_build_array(jsonb_build_object('id', 'p', 'type', 'parallel', 'parallel_steps', jsonb_build_array(
	body(600, 'd') -> 0 || '{"id": "d"}', '{"id": "e", "sql": "SELECT pg_advisory_xact_lock_shared(1)"}'::jsonb)))))});
short_wait('0');
sql(q{TRUNCATE broken; INSERT INTO broken VALUES ('d')});
my $keeper = $node->background_psql('postgres');
$keeper->query_safe('SELECT pg_advisory_lock(1)');
my $drained = start('drained');
threads_wait($drained, 1, 'running', 'one waits beside one that runs');
sql(q{SELECT workflow.drain('the disks are changed')});
wait_until("SELECT max(attempt) >= 2 FROM workflow.step_executions WHERE execution_id = $drained AND step_id = 'd'", 'drained, it is woken');
sql('TRUNCATE broken');
wait_until("SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $drained AND step_id = 'd' AND status = 'completed'", 'and goes on');
$keeper->query_safe('SELECT pg_advisory_unlock(1)');
is(ended($drained), 'completed|', 'both end');
sql('SELECT workflow.undrain()');

# --- a session has the row of an execution, and a thousand others are due behind its threads ---

sql(q{TRUNCATE broken; INSERT INTO broken VALUES ('%')});
my @locked = (start('late', $list->(1200)), start('soon', $list->(20)));
threads_wait($locked[0], 1200, 'waiting', 'twelve hundred wait');
$keeper->query_safe("BEGIN; SELECT FROM workflow.executions WHERE id = $locked[0] FOR UPDATE");
sql("UPDATE workflow.waits SET until = now() - interval '1 h' WHERE execution_id = $locked[0]");
sql('TRUNCATE broken');
is(ended($locked[1]), 'completed|', 'they do not stand in the way of another');
$keeper->query_safe('ROLLBACK');
$keeper->quit;
wait_until("SELECT NOT EXISTS (SELECT FROM workflow.waits WHERE execution_id = $locked[0] AND until < now())", 'let go, they are woken');
sql("SELECT workflow.cancel($locked[0])");
is(ended($locked[0]), 'cancelled|Cancelled', 'and cancelled');

# --- released while it is being written down, many times ---

short_wait('0');
sql(q{SELECT workflow.define('{"name": "released", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "q", "sql": "SELECT 1"}, {"id": "r", "sql": "SELECT 2"}, {"id": "s", "sql": "SELECT 3"}]}]}')});
sql(q{CREATE PROCEDURE hold_and_release(n int) LANGUAGE plpgsql AS $$
	DECLARE
		e bigint;
	BEGIN
		FOR i IN 1 .. n LOOP
			e := workflow.start('released', parallel => true);
			PERFORM workflow.hold_step(e, s) FROM unnest('{q,r,s}'::text[]) AS s;
			COMMIT;
			PERFORM pg_sleep(random() * 0.02);
			PERFORM workflow.release_step(e, 'r');
			COMMIT;
			PERFORM workflow.release_step(e, 'q');
			PERFORM pg_sleep(random() * 0.02);
			COMMIT;
			PERFORM workflow.release_step(e, 's');
			COMMIT;
		END LOOP;
	END $$});
$node->pgbench('--no-vacuum --client=4 --transactions=25', 0, [qr/processed: 100\/100/], [qr/^$/], 'four sessions hold and release', { '125_release' => 'CALL hold_and_release(5)' });
wait_until(q{SELECT count(*) = 500 FROM workflow.executions WHERE workflow = 'released' AND status = 'completed'}, 'none of 500 is forgotten');
is(sql(q{SELECT count(*) FROM workflow.step_executions AS s JOIN workflow.executions AS e ON e.id = execution_id WHERE workflow = 'released'}), 2000, 'each step has run once');

# --- as good as nothing is kept of them ---

sub scheduler_memory
{
	my $pid = sql(q{SELECT pid FROM workflow.scheduler_state()});
	my ($kilobytes) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;

	return $kilobytes;
}
short_wait('0');
sql(q{INSERT INTO broken VALUES ('%')});
my $warm = start('late', $list->(2000));
threads_wait($warm, 2000, 'waiting', 'two thousand wait');
my $before = scheduler_memory();
my $id = start('late', $list->(10000));
threads_wait($id, 10000, 'waiting', 'ten thousand in one execution wait');
my $after = scheduler_memory();
note("scheduler: $before kB, then $after kB");
cmp_ok($after, '<', $before + 4096, 'they take nothing of the scheduler');
is(sql('SELECT executions FROM workflow.scheduler_state()'), 0, 'it knows of none');
sql('TRUNCATE broken');
# one by one, and not all of the others for each
my $steps = sql(q{SELECT sum(steps) FROM workflow.engine_statistics});
sql("UPDATE workflow.waits SET until = now() WHERE execution_id = $id AND thread = 'l[5000]'; UPDATE workflow.step_executions SET retry_at = now() WHERE execution_id = $id AND scope = 'l[5000]'");
sql('SELECT workflow.start(workflow) FROM workflow.executions ORDER BY id LIMIT 1');
wait_until("SELECT count(*) = 1 FROM effects WHERE id = $id", 'one of them goes on');
threads_wait($id, 9999, 'waiting', 'and the others wait');
is(sql("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $id AND scope <> 'l[5000]' AND scope <> ''"), 10000 - 1, 'untouched');
sql("SELECT workflow.cancel(id) FROM workflow.executions WHERE id IN ($warm, $id)");
is(ended($_), 'cancelled|Cancelled', 'cancelled') foreach $warm, $id;
is(sql('SELECT count(*) FROM workflow.waits'), 0, 'nothing is left');
all_is_right('many');

$node->stop;
done_testing();
