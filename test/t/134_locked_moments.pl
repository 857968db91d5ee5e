# The scheduler waits for no session, also not at the moments that come seldom: when a pause ends,
# when a container is found open, when it looks whether the extension is here, and for keys that
# somebody else inserts.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use LockedTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = crash_cluster('moments');
gated_effects($node, 'w');
define_short($node);
my $keeper = $node->background_psql('w');

my $scheduler = scheduler_pid($node);

# It sleeps between its attempts, and takes notice of a reload: it does not wait.
sub scheduler_is_awake
{
	my ($what) = @_;

	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	ok($node->poll_query_until('postgres', qq{SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $scheduler}),
		"$what: the scheduler does not wait for it");
	return;
}

others_go_on($node, 'at first');

# --- keys that somebody else inserts ---

$keeper->query_safe(q{BEGIN; INSERT INTO workflow.executor_history (id, started_at, pid, role, reason)
	OVERRIDING SYSTEM VALUE SELECT coalesce(last_value, 0) + n, now(), 1, current_user::regrole, 'stuck' FROM pg_sequences, generate_series(1, 3) AS n
	WHERE schemaname = 'workflow' AND sequencename = 'executor_history_id_seq'});
$node->safe_psql('w', 'SELECT workflow.recycle_executor(min(pid)) FROM workflow.executors');
scheduler_is_awake('keys of the history of executors are being inserted');
others_go_on($node, 'keys of the history of executors are being inserted');
$keeper->query_safe('ROLLBACK');
wait_until($node, q{SELECT count(*) = 1 FROM workflow.executor_history WHERE reason = 'recycle'}, 'it is written in the end');

# --- each pause ends by itself ---

$node->safe_psql('w', 'CREATE TABLE hits (execution bigint, item int)');
$node->safe_psql('w', q{SELECT workflow.define('{"name": "items", "steps": [
	{"id": "each", "type": "loop", "collection": [1, 2, 3, 4, 5, 6], "execution_mode": "parallel", "max_parallelism": 2, "loop_body": [
		{"id": "hit", "sql": "INSERT INTO hits SELECT $1::bigint, $2::int FROM (SELECT pg_advisory_xact_lock_shared(1)) AS gate",
		 "params": ["${workflow.execution_id}", "${loop.item}"]}]}]}')});

# An execution that is paused in its loop, and what it does is over.
sub paused_in_loop
{
	my $id;

	close_gate($node, 'none -');
	$id = $node->safe_psql('w', q{SELECT workflow.start('items')});
	wait_at_gate($node, 2);
	$node->safe_psql('w', "SELECT workflow.pause($id)");
	wait_until($node, "SELECT NOT control FROM workflow.executions WHERE id = $id", 'its executors have been told');
	open_gate();
	wait_until($node, "SELECT status = 'paused' AND NOT EXISTS (SELECT FROM workflow.activity WHERE execution_id = $id)
		FROM workflow.executions WHERE id = $id", 'it is paused');
	return $id;
}

my ($first, $second) = (paused_in_loop(), paused_in_loop());
$keeper->query_safe("BEGIN; SELECT FROM workflow.step_executions WHERE execution_id = $first AND step_id = 'each' FOR UPDATE");
$node->safe_psql('w', "UPDATE workflow.executions SET paused_until = clock_timestamp() - CASE id WHEN $first THEN interval '2 h' ELSE '1 h' END WHERE id IN ($first, $second)");
$node->safe_psql('w', "SELECT workflow.hold_step($second, 'hit')");	# have it looked at
wait_until($node, "SELECT status = 'failed' AND error_type = 'PauseTimeout' FROM workflow.executions WHERE id = $second",
	'a pause ends beside one whose rows are locked');
is($node->safe_psql('w', "SELECT status FROM workflow.executions WHERE id = $first"), 'paused', 'which does not end');
$keeper->query_safe('ROLLBACK');
wait_until($node, "SELECT status = 'failed' FROM workflow.executions WHERE id = $first", 'but then');

# --- a container that is found open, whose rows cannot be read at that moment ---

my $id = paused_in_loop();
$keeper->query_safe('BEGIN; LOCK TABLE workflow.step_executions IN ACCESS EXCLUSIVE MODE');
$node->safe_psql('w', "SELECT workflow.resume($id)");
wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor' AND wait_event_type = 'Lock'},
	'an executor waits to read where it stands');
ok($node->poll_query_until('postgres', qq{SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $scheduler}), 'the scheduler sleeps');
kill 'STOP', $scheduler;
$keeper->query_safe('ROLLBACK');
wait_until($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor' AND wait_event_type = 'Lock'},
	'it has told that its loop is open');
wait_until($node, qq{SELECT bool_and(wait_event_type = 'Extension') FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor'},
	'and sleeps');
$keeper->query_safe('BEGIN; LOCK TABLE workflow.step_executions IN ACCESS EXCLUSIVE MODE');
kill 'CONT', $scheduler;
wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_workflow executor' AND wait_event_type = 'Lock'},
	'its children cannot be counted: an executor looks again');
$keeper->query_safe('ROLLBACK');
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $id", 'it goes on');
is($node->safe_psql('w', "SELECT string_agg(item::text, ' ' ORDER BY item) FROM hits WHERE execution = $id"), '1 2 3 4 5 6', 'each item once');
is(scheduler_pid($node), $scheduler, 'it is the same scheduler as ever');

# --- the catalog that tells whether the extension is here ---

$keeper->query_safe('BEGIN; LOCK TABLE pg_catalog.pg_extension IN ACCESS EXCLUSIVE MODE');
restart_scheduler($node);
$scheduler = scheduler_pid($node);
scheduler_is_awake('pg_extension is locked');
$keeper->query_safe('ROLLBACK');
others_go_on($node, 'after pg_extension was locked');
is(scheduler_pid($node), $scheduler, 'the scheduler that waited is the one that runs it');

$keeper->quit;
check_finished($node, 'w', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop;

done_testing();
