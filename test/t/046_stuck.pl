# Executors whose step does not end when it is asked to: the attempt is recorded as
# stuck, the executor replaced, and what ignores SIGTERM, too, is written off.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use StuckTest;
use WorkflowTest;

my $node = workflow_cluster('stuck', 'workflow.notify = on', 'workflow.cancel_grace = 60s', 'workflow.max_executors = 2');

install_stubborn($node);

sub define
{
	my ($name, $body) = @_;

	$node->safe_psql('postgres', "SELECT workflow.define(\$definition\$$body\$definition\$)");
	return;
}

sub query { return $node->safe_psql('postgres', $_[0]); }

sub ended { return query("SELECT status, error_type FROM workflow.wait($_[0], '60 s')"); }

sub row
{
	return query("SELECT status, error_type FROM workflow.step_executions WHERE execution_id = $_[0] AND step_id = 's2'");
}

sub stuck_count { return query("SELECT count(*) FROM workflow.executor_history WHERE execution_id = $_[0]"); }

sub others_run
{
	my ($what) = @_;

	is( query(q{SELECT count(*) FROM (SELECT workflow.start('short') FROM generate_series(1, 20)) AS s}), 20, 'twenty others');
	ok($node->poll_query_until('postgres',
			q{SELECT bool_and(status = 'completed') FROM workflow.executions WHERE workflow = 'short'}),
		"others run: $what");
	return;
}

my %sql = (
	endless => 'SELECT endless()',
	swallow => 'SELECT swallow()',
	sleep => 'SELECT pg_sleep(3600)',
	spin => q{SELECT spin('spin')});

for my $kind (sort keys %sql)
{
	my $step = qq{"sql": "$sql{$kind}"};

	define("limited_$kind", qq{{"name": "limited_$kind", "steps": [{"id": "s1", "sql": "SELECT 1"},
		{"id": "s2", $step, "timeout_seconds": 1}, {"id": "s3", "sql": "SELECT 3"}]}});
	define("free_$kind", qq{{"name": "free_$kind", "steps": [{"id": "s1", "sql": "SELECT 1"},
		{"id": "s2", $step}, {"id": "s3", "sql": "SELECT 3"}]}});
}

# --- what responds is not stuck, however slow the machine is ---

for my $kind ('endless', 'sleep')
{
	my $id = query("SELECT workflow.start('limited_$kind')");

	is(ended($id), 'timed_out|Timeout', "$kind: timed out");
	is(row($id), 'timed_out|Timeout', "$kind: so says its row");
	$id = query("SELECT workflow.start('free_$kind')");
	wait_for_spin($node, $id);
	query("SELECT workflow.cancel($id, 'enough')");
	is(ended($id), 'cancelled|Cancelled', "$kind: cancelled");
	is(row($id), 'cancelled|Cancelled', "$kind: so says its row");
	is(stuck_count($id), 0, "$kind: not stuck");
}

$node->append_conf('postgresql.conf', 'workflow.cancel_grace = 300ms');
$node->reload;

# --- a block that catches query_canceled in a loop ---

my $id = query("SELECT workflow.start('limited_swallow')");
is(ended($id), 'failed|ExecutionStuck', 'swallow, time limit: the execution fails');
is( query(qq{SELECT s.status, s.error_type, s.scope_outcome, s.executor_pid = h.pid, h.workflow, h.step_id, h.visit, h.attempt,
		h.elapsed >= '1.2 s', h.reason, s.error ->> 'message',
		(s.error ->> 'detail') ~ ('PID ' || h.pid), s.completed_at - s.started_at >= '1.2 s'
	FROM workflow.step_executions AS s JOIN workflow.executor_history AS h USING (execution_id)
	WHERE s.execution_id = $id AND s.step_id = 's2'}),
	'failed|ExecutionStuck|failed|t|limited_swallow|s2|1|1|t|stuck|step "s2" did not respond to cancellation within 300 ms|t|t',
	'the row and the history say what, how long and who');
is(query("SELECT recoveries FROM workflow.executions WHERE id = $id"), 0, 'it is no recovery');
ok($node->poll_query_until('postgres', "SELECT ended_at IS NOT NULL FROM workflow.executor_history WHERE execution_id = $id"),
	'the executor has ended');

$id = query("SELECT workflow.start('free_swallow')");
wait_for_spin($node, $id);
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN workflow');
query("SELECT workflow.cancel($id, 'enough')");
is(ended($id), 'cancelled|Cancelled', 'swallow, cancelled: the execution is');
# the session reads what was sent when it asks for something
my $told = '';
for (my $i = 0; $i < 10_000 && $told !~ /"event": "stuck"/; $i++)
{
	$told .= $listener->query_safe('SELECT 1');
}
like($told, qr/"workflow" with payload "\{"executor": \d+, "role": "\w+", "event": "stuck"\}"/, 'who listens is told of the executor');
$listener->quit;
is(row($id), 'failed|ExecutionStuck', 'and its step was stuck');
is(stuck_count($id), 1, 'the history knows it');
like(slurp_file($node->logfile), qr/terminated workflow executor with PID \d+/, 'the log says so');

# --- the condition of a loop is no step of its iterations ---

query('CREATE TABLE spins ()');
query(q{CREATE FUNCTION asks() RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM spins) THEN
			PERFORM swallow();
		END IF;
		RETURN false;
	END $$});
query('INSERT INTO spins DEFAULT VALUES');
define('loop_condition', q{{"name": "loop_condition", "steps": [{"id": "s2", "type": "loop", "while": {"sql": "SELECT asks()"},
	"max_iterations": 5, "loop_body": [{"id": "s1", "sql": "SELECT 1"}]}]}});
$id = query("SELECT workflow.start('loop_condition')");
wait_for_spin($node, $id);
query("SELECT workflow.cancel($id, 'enough')");
is(ended($id), 'cancelled|Cancelled', 'a condition, cancelled: the execution is');
is(stuck_count($id), 1, 'the history knows it');
is(query("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $id AND scope <> ''"), 0, 'its iteration has no row');
query('DELETE FROM spins');
query("SELECT workflow.retry($id)");
is(ended($id), 'completed|', 'retried, it goes on');

# --- what is stuck is recorded wherever it stands, and held or not ---

my %behind = (
	block => q{{"id": "p", "type": "parallel", "parallel_steps": [{"id": "x", "sql": "SELECT 1"}, {"id": "y", "sql": "SELECT 1"}]}, STEP},
	condition => q{{"id": "l", "type": "loop", "while": {"sql": "SELECT input.i < 1"}, "input_mapping": {"i": "${loop.index}"}, "loop_body": [STEP]}});
for my $place (sort keys %behind)
{
	my $steps = $behind{$place} =~ s/STEP/{"id": "s2", "sql": "SELECT swallow()", "timeout_seconds": 1, "on_failure": "ignore"}/r;

	define("behind_$place", qq{{"name": "behind_$place", "steps": [$steps]}});
	$id = query("SELECT workflow.start('behind_$place')");
	is(ended($id), 'completed|', "behind a $place: it goes on");
	is(row($id), 'failed|ExecutionStuck', 'and is recorded');
	is(stuck_count($id), 1, 'once');
}
define('held', q{{"name": "held", "steps": [{"id": "s2", "sql": "SELECT swallow()", "timeout_seconds": 1, "on_failure": "ignore"}]}});
$id = query("SELECT workflow.start('held')");
wait_for_spin($node, $id);
query("SELECT workflow.hold_step($id, 's2')");
is(ended($id), 'completed|', 'held while it was stuck: recorded all the same');
is(row($id), 'failed|ExecutionStuck', 'as what it is');

# --- what follows: retry, catch, on_failure ---

define('retried', q{{"name": "retried", "steps": [{"id": "s2", "sql": "SELECT swallow()", "timeout_seconds": 1,
	"retry": {"errors": ["ExecutionStuck"], "max_retries": 1, "type": "immediate"}}]}});
define('timeouts', q{{"name": "timeouts", "steps": [{"id": "s2", "sql": "SELECT swallow()", "timeout_seconds": 1,
	"retry": {"errors": ["timeout"], "max_retries": 1, "type": "immediate"}}]}});
define('caught', q{{"name": "caught", "steps": [{"id": "s2", "sql": "SELECT swallow()", "timeout_seconds": 1,
	"catch": [{"errors": ["ExecutionStuck"], "next_step": "rescue"}]}, {"id": "rescue", "sql": "SELECT 1"}]}});
my $retried = query("SELECT workflow.start('retried')");
my $timeouts = query("SELECT workflow.start('timeouts')");
my $caught = query("SELECT workflow.start('caught')");
is(ended($retried), 'failed|ExecutionStuck', 'retried and failed');
is( query("SELECT string_agg(attempt || ' ' || error_type || ' ' || coalesce(on_failure, '-'), ', ' ORDER BY attempt)
	FROM workflow.step_executions WHERE execution_id = $retried"),
	'1 ExecutionStuck retried, 2 ExecutionStuck -', 'a policy that names it covers it');
is(ended($timeouts), 'failed|ExecutionStuck', 'one for timeouts');
is(query("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $timeouts"), 1, 'does not');
is(ended($caught), 'completed|', 'caught');

# --- several executions of one run are cancelled, and the one that runs swallows it ---

query("SELECT count(workflow.start('free_swallow')) FROM generate_series(1, 60)");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM workflow.activity WHERE workflow = 'free_swallow' AND step_id = 's2'
	AND elapsed > '0.1 s'") or die 'none of them swallows';
query("SELECT workflow.cancel_executions('free_swallow')");
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM workflow.executions
		WHERE workflow = 'free_swallow' AND status NOT IN ('cancelled', 'failed')"), 'all that shared a run are cancelled');

# --- while its execution is being paused: the attempt is recorded, and not made again ---

# with time enough for a pause before the limit
define("paused_$_", qq{{"name": "paused_$_", "steps": [{"id": "s2", "sql": "$sql{$_}", "timeout_seconds": 5}]}})
  foreach ('swallow', 'spin');
define('paused_retried', q{{"name": "paused_retried", "steps": [{"id": "s2", "sql": "SELECT swallow()", "timeout_seconds": 5,
	"retry": {"errors": ["ExecutionStuck"], "max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 10}}]}});
define('paused_items', q{{"name": "paused_items", "steps": [{"id": "each", "type": "loop", "loop_config": {
	"collection": [1, 2, 3, 4], "execution_mode": "parallel", "max_parallelism": 2, "on_error": "continue", "loop_body": [
	{"id": "s2", "type": "sql", "timeout_seconds": 5, "input_mapping": {"n": "${loop.item}"},
	 "sql": "SELECT CASE WHEN input.n = 2 THEN swallow() END"}]}}]}});
for my $case ([ 'paused_swallow', 1, 'failed', 'failed|ExecutionStuck', '1 failed -' ],
	[ 'paused_spin', 1, 'failed', 'failed|ExecutionStuck', '1 failed -' ],
	[ 'paused_retried', 2, 'paused', 'failed|ExecutionStuck', '1 failed retried, 2 failed -' ],
	[ 'paused_items', 1, 'paused', 'completed|', '1 completed -, 1 failed -, 1 completed -, 1 completed -' ])
{
	my ($workflow, $count, $status, $end, $rows) = @$case;

	$id = query("SELECT workflow.start('$workflow')");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND step_id = 's2'
		AND elapsed > '0.1 s'") or die "no step of $workflow is stuck";
	query("SELECT workflow.pause($id)");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.step_executions
			WHERE execution_id = $id AND step_id = 's2' AND error_type = 'ExecutionStuck'"), "$workflow: recorded while it is paused");
	is(query("SELECT status FROM workflow.executions WHERE id = $id"), $status, 'which it still is, unless that was its end');
	let_spin('spin');
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM workflow.executors WHERE state = 'quarantined'"), 'its process has ended');
	unlet_spin('spin');
	query("SELECT workflow.resume($id)");
	is(ended($id), $end, 'resumed, it ends as it would have');
	is(query("SELECT string_agg(attempt || ' ' || status || ' ' || coalesce(on_failure, '-'), ', ' ORDER BY scope, attempt)
		FROM workflow.step_executions WHERE execution_id = $id AND step_id = 's2'"), $rows, 'no attempt is made twice');
	is(stuck_count($id), $count, 'or got stuck twice');
}

# --- limits around it ---

define('outer', q{{"name": "outer", "timeout_seconds": 1, "steps": [{"id": "s2", "sql": "SELECT swallow()"}]}});
$id = query("SELECT workflow.start('outer')");
is(ended($id), 'timed_out|ExecutionStuck', 'the time of the execution was over');
is(row($id), 'failed|ExecutionStuck', 'what was stuck is told all the same');

# --- the child of a parallel loop ---

define('items', q{{"name": "items", "steps": [{"id": "each", "type": "loop", "loop_config": {
	"collection": [1, 2, 3, 4, 5, 6, 7, 8], "execution_mode": "parallel", "on_error": "continue", "loop_body": [
	{"id": "s2", "type": "sql", "timeout_seconds": 3, "input_mapping": {"n": "${loop.item}"},
	 "sql": "SELECT CASE WHEN input.n = 3 THEN swallow() END"}]}}]}});
$id = query("SELECT workflow.start('items')");
is(ended($id), 'completed|', 'a parallel loop with a stuck item completes');
is( query("SELECT status, coalesce(error_type, '-'), count(*), string_agg(loop_iteration_index::text, ',') FILTER (WHERE status <> 'completed')
	FROM workflow.step_executions WHERE execution_id = $id AND step_id = 's2' GROUP BY 1, 2 ORDER BY 1"),
	"completed|-|7|\nfailed|ExecutionStuck|1|2", 'the other items are not touched');

# cancelled: the row is the scheduler's
define('items_free', q{{"name": "items_free", "steps": [{"id": "each", "type": "loop", "loop_config": {
	"collection": [1, 2, 3, 4], "execution_mode": "parallel", "on_error": "continue", "label": "item ${loop.item}", "loop_body": [
	{"id": "s2", "type": "sql", "input_mapping": {"n": "${loop.item}"},
	 "sql": "SELECT CASE WHEN input.n = 3 THEN swallow() END"}]}}]}});
$id = query("SELECT workflow.start('items_free')");
wait_for_endless($node, 'postgres');
query("SELECT workflow.cancel($id, 'enough')");
is(ended($id), 'cancelled|Cancelled', 'cancelled with a stuck item');
is( query("SELECT scope, parent_step_id, loop_iteration_index, loop_label, status, error_type FROM workflow.step_executions
	WHERE execution_id = $id AND step_id = 's2' AND loop_iteration_index = 2"),
	'each[2]|each|2|item 3|failed|ExecutionStuck', 'its row is complete');

# the label of its iteration: as other rows of it have it, or, where it is the first, as activity shows it
define('labelled', q{{"name": "labelled", "steps": [{"id": "each", "type": "loop", "collection": ["${workflow.input}"],
	"label": "${loop.item}", "loop_body": [
	{"id": "before", "sql": "SELECT 1"},
	{"id": "both", "type": "parallel", "parallel_steps": [{"id": "s2", "sql": "SELECT swallow()"}, {"id": "s3", "sql": "SELECT 1"}]}]}]}});
define('labelled_first', q{{"name": "labelled_first", "steps": [{"id": "each", "type": "loop", "collection": ["${workflow.input}"],
	"label": "${loop.item}", "loop_body": [{"id": "s2", "sql": "SELECT swallow()"}]}]}});
for my $case ([ 'labelled', 'each[0]/both.s2|80|' ], [ 'labelled_first', 'each[0]|63|' ])
{
	my ($workflow, $expected) = @$case;

	$id = query("SELECT workflow.start('$workflow', to_jsonb('shop ' || repeat('x', 75)))");
	wait_for_endless($node, 'postgres');
	query("SELECT workflow.cancel($id, 'enough')");
	is(ended($id), 'cancelled|Cancelled', "$workflow: cancelled");
	is( query("SELECT scope, length(loop_label), error_type FROM workflow.step_status
		WHERE execution_id = $id AND step_id = 's2' AND loop_label LIKE 'shop x%'"),
		$expected . 'ExecutionStuck', 'and its row has the label');
}

# --- C code without a look at interrupts ---

$id = query("SELECT workflow.start('limited_spin')");
is(ended($id), 'failed|ExecutionStuck', 'spin, time limit: the execution fails although the process lives');
is(query("SELECT state FROM workflow.executors WHERE state IN ('stuck', 'quarantined')"), 'quarantined', 'it is quarantined');
is(query("SELECT state FROM workflow.activity WHERE executor_pid IN (SELECT pid FROM workflow.executors WHERE state = 'quarantined')"), 'stuck',
	'and its step is shown as stuck');
is( query("SELECT quarantined_at > stuck_at, ended_at IS NULL FROM workflow.executor_history WHERE execution_id = $id"),
	't|t', 'so says the history');
like(query("SELECT error ->> 'detail' FROM workflow.step_executions WHERE execution_id = $id AND step_id = 's2'"),
	qr/quarantined/, 'and the row');

my $cancelled = query("SELECT workflow.start('free_spin')");
wait_for_spin($node, $cancelled);
query("SELECT workflow.cancel($cancelled, 'enough')");
is(ended($cancelled), 'cancelled|Cancelled', 'spin, cancelled: the execution is');
is(row($cancelled), 'failed|ExecutionStuck', 'and its step was stuck');
others_run('two processes are quarantined');
ok(query("SELECT count(*) FILTER (WHERE state = 'quarantined') = 2 AND count(*) FILTER (WHERE state <> 'quarantined') BETWEEN 1 AND 2
	FROM workflow.executors"), 'both have their successor');

# a new scheduler does not wait for them, and knows them
my $scheduler = worker_pid($node, 'scheduler', 'postgres');
query("SELECT pg_terminate_backend($scheduler)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity
	WHERE backend_type = 'pg_workflow scheduler' AND pid <> $scheduler"), 'another scheduler');
others_run('under a new scheduler');
is(query("SELECT count(*) FROM workflow.executors WHERE state = 'quarantined'"), 2, 'two are quarantined still');
is(query("SELECT count(*) FROM workflow.executor_history WHERE ended_at IS NULL"), 2, 'and live');
let_spin('spin');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM workflow.executors WHERE state = 'quarantined'"),
	'their slots are free when they have died');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM workflow.executor_history WHERE ended_at IS NULL'),
	'and the history says so');

# --- the fence: it comes back after others have gone on ---

query('CREATE TABLE effects (who integer)');
query('CREATE SEQUENCE attempts');
define('fenced', q{{"name": "fenced", "steps": [{"id": "s2", "result": "none", "timeout_seconds": 3,
	"sql": "INSERT INTO effects SELECT pg_backend_pid() FROM deaf('deaf.' || nextval('attempts'))",
	"retry": {"errors": ["ExecutionStuck"], "max_retries": 1, "type": "immediate"}}]}});
let_spin('deaf.2');
$id = query("SELECT workflow.start('fenced')");
is(ended($id), 'completed|', 'the second attempt succeeds while the first one lives');
my $deaf = query("SELECT pid FROM workflow.executors WHERE state = 'quarantined'");
let_spin('deaf.1');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $deaf"), 'the first one has ended');
is(query("SELECT count(*), bool_and(who <> $deaf) FROM effects"), '1|t', 'it could not commit');
is( query("SELECT string_agg(attempt || ' ' || status, ', ' ORDER BY attempt) FROM workflow.step_executions WHERE execution_id = $id"),
	'1 failed, 2 completed', 'its row is what was recorded');
is(query("SELECT count(*) FROM workflow.executors WHERE state = 'quarantined'"), 0, 'its slot is free');
others_run('after it');

# --- a commit that does not come back: nobody knows the outcome before the process ends ---

# what the step's own SQL defers is part of the step: only rows of the engine have triggers that fire behind it
query(q{CREATE FUNCTION spin_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT workflow FROM workflow.executions WHERE id = NEW.execution_id) = 'settling' THEN PERFORM spin('commit'); END IF;
		RETURN NULL;
	END $$;
	CREATE TABLE slow (who integer);
	CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON workflow.step_executions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		WHEN (NEW.step_id = 's2' AND NEW.status = 'completed') EXECUTE FUNCTION spin_at_commit()});
define('settling', q{{"name": "settling", "steps": [{"id": "s2", "result": "none", "sql": "INSERT INTO slow VALUES (1)"},
	{"id": "s3", "sql": "SELECT 3"}]}});
$id = query("SELECT workflow.start('settling')");
wait_for_spin($node, $id);
query("SELECT workflow.cancel($id)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.executors WHERE state = 'quarantined'"), 'it is quarantined');
others_run('while a commit does not come back');
is(query("SELECT status FROM workflow.executions WHERE id = $id"), 'cancelling', 'its execution waits for it');
let_spin('commit');
is(ended($id), 'cancelled|Cancelled', 'and ends when it has');
is(query("SELECT count(*) = (SELECT count(*) FROM workflow.step_executions WHERE execution_id = $id AND status = 'completed') FROM slow"),
	't', 'effect and row agree');
query('DROP TRIGGER slow ON workflow.step_executions');

# --- steps that share their transaction with one that is stuck: they are done again ---

query(q{CREATE TABLE shared (execution_id bigint, n integer);
	CREATE TABLE shared_ids (id bigint)});
my $shared_step = q{"type": "sql", "result": "none", "timeout_seconds": 3, "input_mapping": {"id": "${workflow.execution_id}", "n": "%s"},
	"sql": "INSERT INTO shared SELECT input.id::bigint, input.n::integer; SELECT CASE WHEN input.n::integer = 5 THEN %s END"};
my $body = sprintf($shared_step, '${loop.item}', 'swallow()');

for my $mode ('sequential', 'parallel')
{
	define("shared_$mode", qq{{"name": "shared_$mode", "commit": {"max_steps": 50, "max_ms": 60000}, "steps": [{"id": "each", "type": "loop",
		"loop_config": {"collection": [1, 2, 3, 4, 5, 6, 7, 8], "execution_mode": "$mode", "max_parallelism": 1, "on_error": "continue",
			"result": "counts", "loop_body": [{"id": "s1", "sql": "SELECT 1"}, {"id": "s2", $body}]}}]}});
	$id = query("SELECT workflow.start('shared_$mode')");
	is(ended($id), 'completed|', "$mode loop in one transaction: it completes");
	is(query("SELECT string_agg(n::text, ' ' ORDER BY n) FROM shared WHERE execution_id = $id"), '1 2 3 4 6 7 8',
		'all effects but those of the step that was stuck, once');
	is(query("SELECT status, error_type, loop_iteration_index FROM workflow.step_executions WHERE execution_id = $id AND status <> 'completed'"),
		'failed|ExecutionStuck|4', 'which is recorded');
	is(stuck_count($id), 1, 'and was not run again');
}
define('shared_one', sprintf(qq{{"name": "shared_one", "commit": {"max_steps": 50, "max_ms": 60000}, "steps": [{"id": "s2", $shared_step}]}},
	'${workflow.input.n}', 'swallow()'));
query(q{INSERT INTO shared_ids SELECT workflow.start('shared_one', jsonb_build_object('n', CASE WHEN n % 100 = 50 THEN 5 ELSE 1 END))
	FROM generate_series(1, 200) AS n});
is( query(q{SELECT w.status, count(*) FROM (SELECT id FROM shared_ids ORDER BY id OFFSET 0) AS i, workflow.wait(i.id, '60 s') AS w GROUP BY 1 ORDER BY 1}),
	"completed|198\nfailed|2", 'executions in one transaction with one that is stuck');
is(query('SELECT count(*), count(DISTINCT execution_id) FROM shared JOIN shared_ids ON id = execution_id'), '198|198', 'have taken effect once');

define('shared_spin', sprintf(qq{{"name": "shared_spin", "commit": {"max_steps": 50, "max_ms": 60000}, "steps": [{"id": "s2", $shared_step}]}},
	'${workflow.input.n}', q{spin('shared')}));
query('TRUNCATE shared_ids');
query(q{INSERT INTO shared_ids SELECT workflow.start('shared_spin', jsonb_build_object('n', CASE WHEN n = 50 THEN 5 ELSE 1 END))
	FROM generate_series(1, 200) AS n});
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.executors WHERE state = 'quarantined'"), 'one is quarantined');
others_run('while those of its transaction wait');
let_spin('shared');
is( query(q{SELECT w.status, count(*) FROM (SELECT id FROM shared_ids ORDER BY id OFFSET 0) AS i, workflow.wait(i.id, '60 s') AS w GROUP BY 1 ORDER BY 1}),
	"completed|199\nfailed|1", 'they go on when it has ended');
is(query('SELECT count(*), count(DISTINCT execution_id) FROM shared JOIN shared_ids ON id = execution_id'), '199|199', 'and have taken effect once');

# --- a crash between the end of the grace and the row ---

query('DELETE FROM effects');
define('crashed', q{{"name": "crashed", "steps": [{"id": "s2", "result": "none", "timeout_seconds": 1,
	"sql": "INSERT INTO effects SELECT pg_backend_pid() FROM spin('crashed')"}]}});
$id = query("SELECT workflow.start('crashed')");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.executor_history WHERE execution_id = $id"), 'stuck');
$node->stop('immediate');
let_spin('crashed');
$node->start;
like(ended($id), qr/^(completed|failed)\|/, 'after a crash the execution ends');
is(query("SELECT count(*) = (SELECT count(*) FROM workflow.step_executions WHERE execution_id = $id AND status = 'completed') FROM effects"),
	't', 'effect and row agree');
is(query("SELECT count(*) FROM workflow.executor_history WHERE ended_at IS NULL"), 0, 'its executor has ended');
others_run('at the end');

cmp_ok(query('SELECT count(*) FROM workflow.executor_history'), '>', 5, 'there is history');
query("SELECT workflow.prune('0 s')");
is(query('SELECT count(*) FROM workflow.executor_history'), 0, 'prune() deletes it');

$node->stop;
done_testing();
