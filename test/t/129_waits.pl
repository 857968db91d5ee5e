# Executions that wait: in nobody's memory, across crashes, restarts and locks; due all at once;
# woken while they are written down, and by nobody before their time.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use WorkflowTest;

my $node = workflow_cluster('waits', 'workflow.max_executors = 3', 'workflow.short_wait = 0', 'autovacuum = off');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', $query), $name);
}

sub ended { return sql("SELECT status, error_type FROM workflow.wait($_[0], '60 s')"); }

# Each attempt at a step that has run and not failed has left one effect.
sub effects_are_right
{
	my ($name) = @_;

	is(sql(q{SELECT count(*) FROM (SELECT execution_id FROM workflow.step_executions WHERE step_id = 'b' AND status = 'completed') AS s
		FULL JOIN (SELECT id FROM effects) AS e ON e.id = s.execution_id WHERE e.id IS NULL OR s.execution_id IS NULL}), 0, "$name: each effect has a row");
	is(sql('SELECT count(*) FROM (SELECT id FROM effects GROUP BY id HAVING count(*) > 1) AS e'), 0, "$name: none is there twice");
	is(sql(q{SELECT count(*) FROM workflow.verify() WHERE check_name IN ('waits', 'open steps', 'statuses') AND status = 'error'}), 0, "$name: verify() finds nothing");
	return;
}

install_extension($node, 'postgres');
sql(q{
	CREATE TABLE broken ();
	CREATE TABLE effects (id bigint);
	CREATE FUNCTION may_fail() RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM broken) THEN
			RAISE EXCEPTION 'broken';
		END IF;
		RETURN 1;
	END $$;
	INSERT INTO broken DEFAULT VALUES});

sub define
{
	my ($name, $delay, $more) = @_;

	sql(qq{SELECT workflow.define('{"name": "$name", $more "steps": [{"id": "a", "sql": "SELECT may_fail()",
		"retry": {"errors": ["all"], "type": "fixed_delay", "jitter": false, "max_retries": 100, "initial_delay_ms": $delay, "max_delay_ms": $delay}},
		{"id": "b", "sql": "INSERT INTO effects VALUES (input.id)", "input_mapping": {"id": "\${workflow.execution_id}"}}]}')});
	return;
}
define('soon', 300, '');
define('late', 3600_000, '');
define('one', 300, '"max_running": 1,');

# --- many, due again and again, and then they go on ---

sql(q{SELECT count(workflow.start('soon')) FROM generate_series(1, 300)});
wait_until(q{SELECT count(DISTINCT execution_id) = 300 FROM workflow.step_executions WHERE attempt > 2}, 'all have been woken twice');
sql('DELETE FROM broken');
wait_until(q{SELECT count(*) = 300 FROM workflow.executions WHERE status = 'completed'}, 'all go on');
effects_are_right('many');
is(sql(q{SELECT count(*) FROM workflow.step_executions AS s JOIN workflow.step_executions AS n USING (execution_id, step_id)
	WHERE n.attempt = s.attempt + 1 AND n.started_at < s.retry_at}), 0, 'none before its time');
is(sql('SELECT count(*) FROM workflow.waits'), 0, 'nothing is left of the waits');

# --- in nobody's memory: a restart does not touch them ---

sql(q{INSERT INTO broken DEFAULT VALUES; SELECT count(workflow.start('late')) FROM generate_series(1, 50)});
wait_until(q{SELECT count(*) = 50 FROM workflow.executions WHERE status = 'waiting'}, 'fifty wait');
wait_until('SELECT executions = 0 FROM workflow.scheduler_state()', 'the scheduler knows of none');
is(sql(q{SELECT count(*) FROM workflow.left_executions}), 0, 'nor should it');
my $before = sql(q{SELECT md5(string_agg(e::text, ' ' ORDER BY id)) FROM workflow.executions AS e WHERE status = 'waiting'});
$node->stop('immediate');
$node->start;
my $other = run_execution($node, 'postgres', 'short');
is(sql("SELECT status FROM workflow.executions WHERE id = $other"), 'completed', 'after a crash others run');
is(sql(q{SELECT md5(string_agg(e::text, ' ' ORDER BY id)) FROM workflow.executions AS e WHERE status = 'waiting'}), $before, 'and those that wait are as they were');

# --- what is due while nobody is there is gone on with ---

my $soon = sql(q{SELECT workflow.start('soon')});
wait_until("SELECT status = 'waiting' FROM workflow.executions WHERE id = $soon", 'one waits for a moment');
$node->stop('fast');
$node->append_conf('postgresql.conf', 'workflow.enabled = off');
$node->start;
wait_until("SELECT clock_timestamp() > until FROM workflow.waits WHERE execution_id = $soon", 'its time has come, and nothing is to be run');
sql('DELETE FROM broken');
is(sql("SELECT status FROM workflow.executions WHERE id = $soon"), 'waiting', 'it waits');
$node->append_conf('postgresql.conf', 'workflow.enabled = on');
$node->reload;
is(ended($soon), 'completed|', 'it is gone on with when it may');

# --- a wait that nobody has told the scheduler of is told ---

$before = sql(q{SELECT min(id) FROM workflow.executions WHERE status = 'waiting'});
sql("UPDATE workflow.waits SET until = now() - interval '1 min' WHERE execution_id = $before");
is(sql("SELECT reason FROM workflow.why($before) LIMIT 1"), 'not taken up', 'why() tells');
is(sql(q{SELECT value FROM workflow.alerts WHERE condition = 'not taken up'}), '1', 'so does an alert');
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE workflow.waits IN SHARE MODE');
is(sql(q{SELECT string_agg(condition, ', ') FROM workflow.alerts WHERE condition = 'not taken up'}), '', 'while somebody keeps the table that is not said of it');
$locker->query_safe('ROLLBACK');
$locker->quit;
sql(sql("SELECT help FROM workflow.why($before) LIMIT 1"));
wait_until("SELECT count(*) = 0 FROM workflow.wait_status WHERE overdue > '0 s'", 'what is said to help does');

# --- somebody has the row locked when its time comes ---

sql('INSERT INTO broken DEFAULT VALUES');
$soon = sql(q{SELECT workflow.start('soon')});
wait_until("SELECT status = 'waiting' FROM workflow.executions WHERE id = $soon", 'another waits');
my $keeper = $node->background_psql('postgres');
$keeper->query_safe("BEGIN; SELECT FROM workflow.executions WHERE id = $soon FOR UPDATE");
my $held = sql("SELECT status FROM workflow.executions WHERE id = $soon");
SKIP:
{
	# it was about to be woken
	skip 'it is not waiting this moment', 2 if $held ne 'waiting';
	wait_until("SELECT clock_timestamp() > until + interval '0.3 s' FROM workflow.waits WHERE execution_id = $soon", 'its time has come, its row is locked');
	my $beside = sql(q{SELECT workflow.start('soon')});
	wait_until("SELECT count(*) > 2 FROM workflow.step_executions WHERE execution_id = $beside", 'others are woken meanwhile');
}
sql('DELETE FROM broken');
$keeper->query_safe('COMMIT');
$keeper->quit;
is(ended($soon), 'completed|', 'let go, it is gone on with');

# --- a limit counts those that run ---

sql('INSERT INTO broken DEFAULT VALUES');
sql(q{SELECT count(workflow.start('one')) FROM generate_series(1, 20)});
wait_until(q{SELECT count(DISTINCT execution_id) = 20 FROM workflow.step_executions AS s JOIN workflow.executions AS e ON e.id = s.execution_id WHERE e.workflow = 'one'},
	'one at a time, all have begun though none has ended');
sql('DELETE FROM broken');
wait_until(q{SELECT count(*) = 20 FROM workflow.executions WHERE workflow = 'one' AND status = 'completed'}, 'all end');
effects_are_right('limited');

# --- crashes in between ---

sql('INSERT INTO broken DEFAULT VALUES');
sql(q{SELECT count(workflow.start('soon')) FROM generate_series(1, 100)});
foreach my $crash (1 .. 4)
{
	my $attempts = sql(q{SELECT count(*) FROM workflow.step_executions});

	wait_until("SELECT count(*) > $attempts + 150 FROM workflow.step_executions", "they are woken ($crash)");
	$node->stop('immediate');
	$node->start;
}
sql('DELETE FROM broken');
wait_until(q{SELECT count(*) = 0 FROM workflow.executions WHERE workflow = 'soon' AND status <> 'completed'}, 'all end');
is(sql(q{SELECT max(recoveries) < 3 FROM workflow.executions}), 't', 'none is to blame');
effects_are_right('crashes');

# --- woken while the executor writes it down, from a transaction that commits and one that does not ---

sql(q{SELECT workflow.define('{"name": "held", "steps": [{"id": "a", "sql": "SELECT pg_advisory_xact_lock_shared(1)"}, {"id": "b", "sql": "INSERT INTO effects VALUES (input.id)",
	"input_mapping": {"id": "${workflow.execution_id}"}}]}')});
$keeper = $node->background_psql('postgres');
foreach my $end ('COMMIT', 'ROLLBACK')
{
	$keeper->query_safe('SELECT pg_advisory_lock(1)');
	my $id = sql(q{SELECT workflow.start('held')});
	wait_until(q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, 'its first step runs');
	sql("SELECT workflow.hold_step($id, 'b')");
	my $releaser = $node->background_psql('postgres');
	$releaser->query_safe("BEGIN; SELECT workflow.release_step($id, 'b')");
	$keeper->query_safe('SELECT pg_advisory_unlock(1)');
	$releaser->query_safe($end);
	if ($end eq 'ROLLBACK')
	{
		wait_until("SELECT status = 'waiting' FROM workflow.executions WHERE id = $id", 'not released, it waits');
		sql("SELECT workflow.release_step($id, 'b')");
	}
	is(ended($id), 'completed|', "released by a transaction that ends with $end");
	$releaser->quit;
}
effects_are_right('released');

# --- since when it runs again is known: while that is a moment ago nothing says that the scheduler does not know of it ---

my $queued = sql(q{BEGIN; SELECT workflow.start('held') AS id; SELECT workflow.hold_step(max(id), 'a') FROM workflow.executions; COMMIT}) =~ s/\n.*//sr;
wait_until("SELECT status = 'waiting' FROM workflow.executions WHERE id = $queued", 'it is held');
$keeper->query_safe('SELECT pg_advisory_lock(1)');
sql(q{SELECT workflow.drain('it is to stay in the queue')});
sql("SELECT workflow.release_step($queued, 'a')");
is(sql(q{SELECT substring(workflow.report() FROM '<h2>Queue</h2>.*?</table>') ~ 'held'}), 't', 'released, it is in the queue of the report');
my $before_claim = sql(q{SELECT clock_timestamp()});
sql(q{SELECT workflow.undrain()});
wait_until(q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, 'it runs');
is(sql("SELECT start_at > '$before_claim' FROM workflow.executions WHERE id = $queued"), 't', 'since then');
$keeper->quit;
is(ended($queued), 'completed|', 'to its end');

# --- very many that are due at one moment, after a stop of the server say: none is walked over by all looks before its own ---

my $many = 50_000;
my $scheduler = q{SELECT pid FROM workflow.scheduler_state() WHERE pid IS NOT NULL};

sub next_scheduler
{
	my $pid = sql($scheduler);

	sql("SELECT pg_terminate_backend($pid)");
	wait_until("SELECT count(*) = 1 FROM ($scheduler) AS s WHERE pid <> $pid", 'another scheduler');
	return;
}

# what is woken is not claimed
sql(q{SELECT workflow.drain('it is enough that they are woken')});
sql(qq{SELECT count(workflow.start('held', start_at => 'infinity')) FROM generate_series(1, $many);
	UPDATE workflow.executions SET status = 'waiting', started_at = now(), start_at = NULL WHERE status = 'pending';
	INSERT INTO workflow.waits (execution_id, thread, scope, step_id, attempt, kind, until)
	SELECT id, '', '', 'a', 1, 'hold', now() + id * interval '1 us' FROM workflow.executions WHERE workflow = 'held' AND status = 'waiting'});
my $entries = q{SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'waits_until_idx'};
my $read = sql($entries);
next_scheduler();
wait_until(q{SELECT NOT EXISTS (SELECT FROM workflow.waits WHERE until < now())}, 'all are woken');
is(sql(q{SELECT count(*) FROM workflow.executions WHERE status = 'pending'}), $many, 'and queued');
# it reports what it has read when it ends, if not before
next_scheduler();
cmp_ok(sql($entries) - $read, '<', 10 * $many, 'each was read a few times');

$node->stop;
done_testing();
