# What waits too long is ended: queues that are full, executions that are not begun, and
# those past their deadline that no executor is to be had for.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use WorkflowTest;

my $node = workflow_cluster('janitor', 'workflow.max_executors = 1', 'workflow.cancel_grace = 300ms',
	'workflow.max_pending = 10', 'workflow.enabled = off');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub wait_until
{
	my ($query, $name) = @_;

	return ok($node->poll_query_until('postgres', $query), $name);
}

sub set
{
	my ($setting) = @_;

	$node->append_conf('postgresql.conf', $setting);
	$node->reload;
	return;
}

sub error_of
{
	my ($rc, $out, $err) = $node->psql('postgres', $_[0]);

	return $err;
}

sub ended { return sql("SELECT status, error_type FROM workflow.wait($_[0], '60 s')"); }

install_extension($node, 'postgres');
sql(q{
	SELECT workflow.define('{"name": "retries", "timeout_seconds": 8, "priority": -1, "steps": [{"id": "a", "sql": "SELECT 1/0",
		"retry": {"errors": ["all"], "type": "fixed_delay", "initial_delay_ms": 200, "max_delay_ms": 200, "max_retries": 1000}}]}');
	CREATE TABLE broken ();
	INSERT INTO broken DEFAULT VALUES;
	SELECT workflow.define('{"name": "retries_in_loop", "timeout_seconds": 8, "priority": -1, "steps": [
		{"id": "l", "type": "loop", "collection": [1], "loop_body": [{"id": "a", "sql": "SELECT 1 / (SELECT (count(*) = 0)::int FROM broken)",
		"retry": {"errors": ["all"], "type": "fixed_delay", "initial_delay_ms": 200, "max_delay_ms": 200, "max_retries": 1000}}]}]}');
	SELECT workflow.define('{"name": "one", "max_running": 1, "steps": [{"id": "a", "sql": "SELECT 1"}]}');
	-- tries to start some, one transaction each; returns how many it could
	CREATE PROCEDURE start_some(n int, INOUT started int) LANGUAGE plpgsql AS $$
	BEGIN
		started := 0;
		FOR i IN 1 .. n LOOP
			BEGIN
				PERFORM workflow.start('short');
				started := started + 1;
			EXCEPTION WHEN configuration_limit_exceeded THEN
				NULL;
			END;
			COMMIT;
		END LOOP;
	END $$;
	CREATE FUNCTION start_one() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM workflow.start('short');
		RETURN 'started';
	EXCEPTION WHEN configuration_limit_exceeded THEN
		RETURN 'refused';
	END $$;
});

# --- workflow.max_pending ---

is(sql("SELECT count(workflow.start('short')) FROM generate_series(1, 10)"), '10', 'ten are queued');
like(error_of("SELECT workflow.start('short')"), qr/too many workflow executions are queued\nDETAIL:  The limit is 10/, 'the eleventh is refused');
like(sql("SELECT workflow.start('short', start_at => now() + '1 hour')"), qr/^\d+$/, 'a deferred one does not count');
sql("SELECT workflow.cancel(id) FROM workflow.executions WHERE start_at IS NULL LIMIT 4");
wait_until("SELECT workflow.start('short') IS NOT NULL", 'there is room when some are cancelled');
is(sql("CALL start_some(10, NULL)"), '3', 'for as many');

# a count stops at the limit, however many are queued behind
like(sql(q{
	SET workflow.max_pending = 0;
	BEGIN;
	SELECT count(workflow.start('short')) > 0 FROM generate_series(1, 3000);
	ANALYZE workflow.executions;
	CREATE TEMP VIEW rows_read AS SELECT seq_tup_read + idx_tup_fetch AS n FROM pg_stat_xact_user_tables WHERE relid = 'workflow.executions'::regclass;
	CREATE TEMP TABLE before AS SELECT n FROM rows_read;
	SET workflow.max_pending = 100;
	SELECT start_one();
	SELECT r.n - b.n FROM rows_read AS r, before AS b;
	ROLLBACK}), qr/refused.*^1\d\d$/ms, 'a count reads as many as the limit says');

# many starters
sql("SELECT workflow.cancel(id) FROM workflow.executions WHERE status = 'pending' AND start_at IS NULL");
set('workflow.max_pending = 50');
wait_until("SELECT current_setting('workflow.max_pending') = '50'", 'a higher limit');
my @starters = map { $node->background_psql('postgres') } 1 .. 4;
$starters[$_]->{stdin} .= "CALL start_some(40, NULL);\n\\echo done\n" foreach 0 .. 3;
foreach my $starter (@starters)
{
	$starter->{run}->pump until $starter->{stdout} =~ /done/;
	$starter->quit;
}
my $queued = sql("SELECT count(*) FROM workflow.executions WHERE status = 'pending' AND start_at IS NULL");
ok($queued >= 50 && $queued <= 53, "four starters of 160 queue 50, or one more each: $queued");

# a role that has filled the queue does not keep others out: a tenth of it is theirs, each
sql("CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN; SELECT workflow.grant_usage('bob'), workflow.grant_usage('carol')");
foreach my $role ('bob', 'carol')
{
	is(sql("SET ROLE $role; CALL start_some(40, NULL)"), '5', "$role starts a tenth");
	like(error_of("SET ROLE $role; SELECT workflow.start('short')"), qr/too many workflow executions are queued\nDETAIL:  The limit is 50, or 5 of one role when others have queued more/, "$role: and no more");
}
like(error_of("SELECT workflow.start('short')"), qr/too many workflow executions are queued/, 'who has more than that gets none');
sql("SELECT workflow.cancel(id) FROM workflow.executions WHERE status = 'pending' AND role = 'bob'::regrole");
sql("SET ROLE bob; SELECT workflow.start('short', start_at => now()), workflow.start('short', start_at => now() + '1 hour')");
is(sql("SET ROLE bob; CALL start_some(40, NULL)"), '4', 'one that is due counts, a later one does not');
sql("UPDATE workflow.executions SET limited = true WHERE status = 'pending' AND start_at IS NULL AND role = 'bob'::regrole");
is(sql("SET ROLE bob; CALL start_some(40, NULL)"), '0', 'those that wait for a limit count');
sql("SELECT workflow.cancel(id) FROM workflow.executions WHERE status = 'pending' AND role <> current_user::regrole");

# what is claimed makes room
$node->append_conf('postgresql.conf', 'workflow.enabled = on');
$node->restart;
wait_until("SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running') AND start_at IS NULL", 'they are run');
is(sql("CALL start_some(30, NULL)"), '30', 'and there is room again');
wait_until("SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running') AND start_at IS NULL", 'they are run, too');
set('workflow.max_pending = 0');

# --- workflow.pending_timeout ---

set('workflow.max_running = 1');
my $endless = start_endless($node, 'postgres');
set('workflow.pending_timeout = 1');
my $late = sql("SELECT workflow.start('short')");
is(ended($late), 'timed_out|PendingTimeout', 'what is not begun in time times out');
set('workflow.pending_timeout = 5');
my ($paused, $waited) = map { sql("SELECT workflow.start('short')") } 1 .. 2;
sql("SELECT workflow.pause(id) FROM unnest(ARRAY[$paused, $waited]) AS id");
sql("UPDATE workflow.executions SET created_at = created_at - interval '1 day', paused_at = paused_at - interval '1 day' WHERE id IN ($paused, $waited);
	SELECT workflow.resume(id) FROM unnest(ARRAY[$paused, $waited]) AS id;
	UPDATE workflow.executions SET pauses = NULL WHERE id = $waited");
is(ended($waited), 'timed_out|PendingTimeout', 'what has waited for a day times out');
is(sql("SELECT status = 'pending' OR completed_at >= upper(pauses) + interval '5 s' FROM workflow.executions WHERE id = $paused"), 't',
	'what has been paused for a day has not waited');
sql("SELECT workflow.cancel($paused)");
set('workflow.pending_timeout = 1');
is(sql("SELECT count(*) FROM workflow.step_executions WHERE execution_id = $late"), '0', 'and has not begun');
is(sql("SELECT status FROM workflow.executions WHERE id = $endless"), 'running', 'what runs is not concerned');
is(sql("SELECT count(*) FROM workflow.executions WHERE status = 'pending' AND start_at > now()"), '1', 'nor what is deferred');
$late = sql("SELECT workflow.start('short', start_at => now() + '1.5 s')");
is(ended($late), 'timed_out|PendingTimeout', 'a deferred one times out');
is(sql("SELECT completed_at >= start_at + interval '1 s' FROM workflow.executions WHERE id = $late"), 't', 'counted from when it was due');
$late = sql("SELECT workflow.start('short')");
$node->stop('immediate');
$node->start;
is(ended($late), 'timed_out|PendingTimeout', 'one that waited before a crash');
set('workflow.max_running = 0');
sql("SELECT workflow.cancel($endless)");
is(ended($endless), 'cancelled|Cancelled', 'room again');

# those that wait for room under a limit
sql(q{SELECT workflow.define('{"name": "one", "max_running": 1, "steps": [{"id": "a", "sql": "SELECT pg_sleep(3600)"}]}')});
set('workflow.pending_timeout = 0');
my $one = sql("SELECT workflow.start('one')");
wait_for_endless($node, 'postgres');
set('workflow.pending_timeout = 1');
$late = sql("SELECT workflow.start('one')");
is(ended($late), 'timed_out|PendingTimeout', 'what waits for room under a limit times out, too');
sql("SELECT workflow.cancel($one)");
is(ended($one), 'cancelled|Cancelled', 'room again');
set('workflow.pending_timeout = 0');

# --- deadlines nobody drives ---

# parked for a retry, its only executor taken by another
my $retries = sql("SELECT workflow.start('retries')");
wait_until("SELECT count(*) >= 1 FROM workflow.step_executions WHERE execution_id = $retries", 'it has begun');
$endless = start_endless($node, 'postgres');
is(ended($retries), 'timed_out|Timeout', 'no executor is to be had: it ends all the same');
is(sql("SELECT error ->> 'message' FROM workflow.executions WHERE id = $retries"), 'the execution did not end in time', 'and says so');
is(sql("SELECT status FROM workflow.executions WHERE id = $endless"), 'running', 'the other goes on');

# the same across a crash
sql("SELECT workflow.cancel($endless)");
is(ended($endless), 'cancelled|Cancelled', 'room again');
$retries = sql("SELECT workflow.start('retries')");
wait_until("SELECT count(*) >= 1 FROM workflow.step_executions WHERE execution_id = $retries", 'it has begun');
$endless = start_endless($node, 'postgres');
$node->stop('immediate');
$node->start;
is(ended($retries), 'timed_out|Timeout', 'after a crash, too');
sql("SELECT workflow.cancel($endless)");
is(ended($endless), 'cancelled|Cancelled', 'the other went on');

# what it was in is open for a retry
my $loops = sql("SELECT workflow.start('retries_in_loop')");
wait_until("SELECT count(*) >= 2 FROM workflow.step_executions WHERE execution_id = $loops", 'a loop has begun');
$endless = start_endless($node, 'postgres');
is(ended($loops), 'timed_out|Timeout', 'it ends like the others');
sql("SELECT workflow.cancel($endless); DELETE FROM broken");
is(ended($endless), 'cancelled|Cancelled', 'room again');
sql("SELECT workflow.retry($loops)");
is(ended($loops), 'completed|', 'retried, it goes on');

# a time limit counts from when it has begun, in all of its runs, and not from the claim
sql(q{SELECT workflow.define('{"name": "late", "timeout_seconds": 3, "steps": [{"id": "p", "type": "parallel", "parallel_steps": [
	{"id": "x", "sql": "SELECT 1"}, {"id": "y", "sql": "SELECT 1"}]}]}')});
$endless = start_endless($node, 'postgres');
my $begins_late = sql("SELECT workflow.start('late')");
wait_until("SELECT status = 'running' AND clock_timestamp() - started_at > '4 s' FROM workflow.executions WHERE id = $begins_late", 'claimed, it waits for an executor');
sql("SELECT workflow.cancel($endless)");
is(ended($begins_late), 'completed|', 'its time has not run meanwhile');

# with an executor to be had it is the executor's business: no further retry fits, or
# the last one that did comes too late on a slow machine
$retries = sql("SELECT workflow.start('retries')");
like(ended($retries), qr/^(failed\|22012|timed_out\|Timeout)$/, 'it fails before its deadline, or at it');
isnt(sql("SELECT error ->> 'message' FROM workflow.executions WHERE id = $retries"), 'the execution did not end in time',
	'and no janitor has done it');

# the time of one that is retried begins anew, while it is parked, too
sql(q{CREATE TABLE mode (name text); INSERT INTO mode VALUES ('sleep');
	CREATE FUNCTION moody() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT name = 'sleep' FROM mode) THEN
			PERFORM pg_sleep(3600);
		ELSIF (SELECT name = 'fail' FROM mode) THEN
			RAISE 'told to fail';
		END IF;
		RETURN 'fine';
	END $$;
	SELECT workflow.define('{"name": "again", "timeout_seconds": 6, "steps": [{"id": "a", "sql": "SELECT moody()",
		"retry": {"errors": ["P0001"], "type": "fixed_delay", "initial_delay_ms": 3600, "max_delay_ms": 3600, "max_retries": 1}}]}')});
my $again = sql("SELECT workflow.start('again')");
is(ended($again), 'timed_out|Timeout', 'its time is over');
sql("UPDATE mode SET name = 'fail'");
sql("SELECT workflow.retry($again)");
wait_until("SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $again AND error_type = 'P0001'", 'retried, it waits for its next attempt');
sql("UPDATE mode SET name = 'succeed'");
is(ended($again), 'completed|', 'and the janitor leaves it alone');

# retried, and no executor to be had before its time is over again: its epilogue is run once more
sql(q{SELECT workflow.define('{"name": "tells", "timeout_seconds": 5, "priority": -1, "steps": [{"id": "a", "sql": "SELECT 1 / 0"}],
	"on_failure": [{"id": "tell", "sql": "SELECT 1"}]}')});
my $tells = sql("SELECT workflow.start('tells')");
is(ended($tells), 'failed|22012', 'it fails');
$endless = start_endless($node, 'postgres');
sql("SELECT workflow.retry($tells)");
wait_until("SELECT ending = 'timed_out' FROM workflow.executions WHERE id = $tells", 'how it ends is decided');
sql("SELECT workflow.cancel($endless)");
is(ended($tells), 'timed_out|Timeout', 'retried and not begun in time');
is(sql("SELECT string_agg(scope || step_id || ' ' || status, ', ' ORDER BY started_at) FROM workflow.step_executions WHERE execution_id = $tells"),
	'a failed, ~1/tell completed, tell completed', 'with its on_failure chain');

$node->stop('immediate');
done_testing();
