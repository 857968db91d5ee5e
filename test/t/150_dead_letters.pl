# Dead letters survive what happens between a failure and its replay: the server
# stops at once, a scheduler writes the end, a replay is killed in the middle.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = crash_cluster('dead_letters', 'workflow.max_executors = 3');
$node->safe_psql(
	'w', q{
	CREATE TABLE trouble (kind text);
	-- fails, waits or takes its process away, as long as the table says so
	CREATE FUNCTION troubled() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM trouble WHERE kind = 'fail') THEN
			RAISE EXCEPTION 'trouble';
		ELSIF EXISTS (SELECT FROM trouble WHERE kind = 'die') THEN
			PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(60);
		ELSIF EXISTS (SELECT FROM trouble WHERE kind = 'wait') THEN
			PERFORM pg_sleep(3600);
		END IF;
		RETURN 'fine';
	END $$;
});
define_workflow($node, 'w', 'letter', 'one', { step('one', 0, next_step => 'two'),
	two => { type => 'sql', sql => 'SELECT troubled()', result => 'value', next_step => 'three',
		retry => { errors => ['all'], max_retries => 1, type => 'immediate' } },
	step('three', 0) }, dead_letter => JSON::PP::true);

my $letter = q{SELECT status, execution_status, step_id, error_type, failure_count, jsonb_array_length(retry_history),
	replay_execution_id IS NOT NULL, settled_at IS NOT NULL FROM workflow.dead_letters WHERE execution_id =};

# --- the server stops between failure and replay ---

$node->safe_psql('w', q{INSERT INTO trouble VALUES ('fail')});
my $id = run_execution($node, 'w', 'letter');
is($node->safe_psql('w', "$letter $id"), 'pending|failed|two|P0001|1|2|f|f', 'a failure is a dead letter when wait() returns');
$node->stop('immediate');
$node->start;
is($node->safe_psql('w', "$letter $id"), 'pending|failed|two|P0001|1|2|f|f', 'it is there after an immediate stop');

# --- the server stops while the replay runs; the replay goes on, and settles ---

$node->safe_psql('w', q{UPDATE trouble SET kind = 'wait'});
my $replay = $node->safe_psql('w', "SELECT workflow.replay(id) FROM workflow.dead_letters WHERE execution_id = $id");
wait_for_endless($node, 'w');
is($node->safe_psql('w', "$letter $id"), 'replaying|failed|two|P0001|1|2|t|f', 'it is being replayed');
$node->stop('immediate');
$node->start;
is($node->safe_psql('w', "$letter $id"), 'replaying|failed|two|P0001|1|2|t|f', 'it still is after an immediate stop');
is($node->safe_psql('w', "SELECT workflow.replay(id) FROM workflow.dead_letters WHERE execution_id = $id"),
	$replay, 'a second replay is the first one');
wait_for_endless($node, 'w');
$node->safe_psql('w', 'DELETE FROM trouble');
kill 'TERM', $node->safe_psql('w', q{SELECT executor_pid FROM workflow.activity WHERE step_id = 'two'});
ok(wait_for_status($node, 'w', $replay, 'completed'), 'the replay completes');
is($node->safe_psql('w', "$letter $id"), 'replayed|failed|two|P0001|1|2|t|t', 'and settles the dead letter');

# --- the scheduler writes the end ---

$node->safe_psql('w', q{INSERT INTO trouble VALUES ('die')});
$id = run_execution($node, 'w', 'letter');
is($node->safe_psql('w', "SELECT status, error_type FROM workflow.executions WHERE id = $id"),
	'failed|CrashLoop', 'an execution that kills its process fails');
is($node->safe_psql('w', "$letter $id"), 'pending|failed|two|CrashLoop|1|0|f|f', 'and is a dead letter');
$node->stop('immediate');
$node->start;
$replay = $node->safe_psql('w', "SELECT workflow.replay(id) FROM workflow.dead_letters WHERE execution_id = $id");
ok(wait_for_status($node, 'w', $replay, 'failed'), 'its replay fails the same way');
is($node->safe_psql('w', "$letter $id"), 'pending|failed|two|CrashLoop|2|0|t|f', 'which is counted');
$node->safe_psql('w', 'DELETE FROM trouble');
$replay = $node->safe_psql('w', 'SELECT workflow.replay_all()');
is($replay, 1, 'replayed with all the others');
ok($node->poll_query_until('w', "SELECT status = 'replayed' FROM workflow.dead_letters WHERE execution_id = $id"),
	'and settled');
is($node->safe_psql('w', 'SELECT count(*) FROM workflow.dead_letters'), 2, 'no other dead letters came of it');

# --- a cancelled replay, whose end the scheduler writes ---

$node->safe_psql('w', q{INSERT INTO trouble VALUES ('fail')});
$id = run_execution($node, 'w', 'letter');
$node->safe_psql('w', q{UPDATE trouble SET kind = 'wait'});
$replay = $node->safe_psql('w', "SELECT workflow.replay(id) FROM workflow.dead_letters WHERE execution_id = $id");
wait_for_endless($node, 'w');
$node->safe_psql('w', "SELECT workflow.cancel($replay)");
ok(wait_for_status($node, 'w', $replay, 'cancelled'), 'a replay is cancelled');
is($node->safe_psql('w', "$letter $id"), 'pending|failed|two|P0001|1|2|t|f', 'the dead letter is pending again');

check_effects($node, 'w', 'true', 'at the end');
check_finished($node, 'w', 'at the end');
$node->stop('fast');

done_testing();
