# An old snapshot costs claims nothing: what has left the queue stays in its indexes as
# long as somebody might see it, and claims begin behind it.  Still nothing is passed over,
# whatever the order in which executions are queued and committed.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $many = 3000;
my $runs = 100;
my $node = workflow_cluster('old_snapshot', 'autovacuum = off');

install_extension($node, 'postgres');

# --- an old snapshot, and much that leaves the queue under it ---

my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM workflow.executions');
run_all("SELECT count(workflow.start('short')) FROM generate_series(1, $many)");
run_all("SELECT count(workflow.start('short', start_at => now() - interval '1 day')) FROM generate_series(1, $many)");

foreach my $case (
	[ 'executions that are queued', 'executions_pending', "workflow.start('short')" ],
	[ 'deferred executions', 'executions_start_at', "workflow.start('short', start_at => now() - interval '1 hour')" ],
	[ 'executions of a priority of their own', 'executions_pending', "workflow.start('short', priority => 7)" ])
{
	my ($what, $index, $start) = @$case;

	my $first = entries_read($index, $start);
	resume_one();
	my $second = entries_read($index, $start);
	cmp_ok($second - $first, '>=', $many, "$what: a look at the whole queue reads what has left it");
	# but for a look at everything now and then
	run_one_by_one($node, 'postgres', $runs, $start);
	cmp_ok(entries_read($index, $start) - $second, '<', $runs * $many / 3, "$what: claims do not");
}

# --- what has waited and goes on stays in its index, too ---

$node->safe_psql('postgres', q{ALTER SYSTEM SET workflow.short_wait = 0; SELECT pg_reload_conf()});
$node->safe_psql('postgres', q{
	CREATE FUNCTION tries(id bigint, times int) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT count(*) FROM workflow.step_executions WHERE execution_id = id) < times THEN
			RAISE 'not yet';
		END IF;
		RETURN 'now';
	END $$;
	SELECT workflow.define('{"name": "waits", "steps": [{"id": "a", "sql": "SELECT tries(input.id, input.times)",
		"input_mapping": {"id": "${workflow.execution_id}", "times": "${workflow.input.times}"},
		"retry": {"errors": ["all"], "type": "fixed_delay", "jitter": false, "max_retries": 1000, "initial_delay_ms": 20, "max_delay_ms": 20}}]}')});
run_all(sprintf q{SELECT count(workflow.start('waits', '{"times": 100}')) FROM generate_series(1, %d)}, $many / 100);
my $wait = q{workflow.start('waits', '{"times": 1}')};
my $walked = entries_read('waits_until', $wait);
run_all(sprintf q{SELECT workflow.start('waits', '{"times": %d}')}, $runs);
cmp_ok(entries_read('waits_until', $wait) - $walked, '<', $runs * $many / 3, 'who wakes the next does not walk over those');

# --- nothing is passed over ---

my @late = map { $node->background_psql('postgres') } 1 .. 3;
my @ids;
foreach my $i (0 .. $#late)
{
	push @ids, $late[$i]->query_safe(sprintf(q{BEGIN; SELECT workflow.start('short', priority => %d)}, $i - 1));
}
run_all("SELECT count(workflow.start('short', priority => n % 5 - 2)) FROM generate_series(1, 100) AS n");
$_->query_safe('COMMIT') foreach @late;
ok(wait_for_status($node, 'postgres', $_, 'completed'), "queued before the others, committed after them: $_") foreach @ids;
$_->quit foreach @late;

run_all("SELECT count(workflow.start('short', priority => (n * 37) % 100 - 50)) FROM generate_series(1, 200) AS n");
pass('more priorities than are told apart');

# --- a deferred execution that is due while somebody has its row locked is asked for now and then ---

my $holder = $node->background_psql('postgres');
my $held = $node->safe_psql('postgres', q{SELECT workflow.start('short', start_at => now() + interval '1 second')});
my $looks = q{SELECT idx_scan FROM pg_stat_all_indexes WHERE indexrelname = 'executions_start_at_idx'};
my $clock = 'SELECT extract(epoch FROM clock_timestamp())';

$holder->query_safe("BEGIN; SELECT id FROM workflow.executions WHERE id = $held FOR UPDATE");
$node->poll_query_until('postgres', "SELECT start_at < now() FROM workflow.executions WHERE id = $held")
  or die 'timed out';
my ($looks_before, $asked_at) = ($node->safe_psql('postgres', $looks), $node->safe_psql('postgres', $clock));
$node->poll_query_until('postgres', "SELECT ($looks) > $looks_before + 10") or die 'nobody looks';
my $rate = ($node->safe_psql('postgres', $looks) - $looks_before) / ($node->safe_psql('postgres', $clock) - $asked_at);
cmp_ok($rate, '<', 100, 'a locked execution that is due is not asked for all the time');
$holder->query_safe('COMMIT');
ok(wait_for_status($node, 'postgres', $held, 'completed'), 'and runs when it is free');
$holder->quit;

my $subtransactions = $node->safe_psql('postgres', q{
	BEGIN;
	SAVEPOINT one;
	SELECT workflow.start('short', priority => 3);
	ROLLBACK TO one;
	SELECT workflow.start('short', priority => 2);
	COMMIT});
run_all('SELECT 1');
is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.executions WHERE status <> 'completed'}), 0, 'a part that is rolled back');

# --- what is locked when its turn comes, and what waits again ---

$node->safe_psql('postgres', 'ALTER SYSTEM SET workflow.enabled = off; SELECT pg_reload_conf()');
my $locked = $node->safe_psql('postgres', "SELECT workflow.start('short')");
my $locker = $node->background_psql('postgres');
$locker->query_safe("BEGIN; SELECT FROM workflow.executions WHERE id = $locked FOR UPDATE");
$node->safe_psql('postgres', 'ALTER SYSTEM RESET workflow.enabled; SELECT pg_reload_conf()');
run_execution($node, 'postgres', 'short') for 1 .. 3;
is($node->safe_psql('postgres', "SELECT status FROM workflow.executions WHERE id = $locked"), 'pending', 'what is locked waits');
$locker->query_safe('ROLLBACK');
$locker->quit;
ok(wait_for_status($node, 'postgres', $locked, 'completed'), '.. until it is not');

resume_one();
pass('one that is pending again is found');

# --- a crash with a full queue ---

$node->safe_psql('postgres', 'ALTER SYSTEM SET workflow.enabled = off; SELECT pg_reload_conf()');
$node->safe_psql('postgres', "SELECT count(workflow.start('short', priority => n % 3)) FROM generate_series(1, 100) AS n");
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', 'ALTER SYSTEM RESET workflow.enabled; SELECT pg_reload_conf()');
run_all('SELECT 1');
is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.executions WHERE status <> 'completed'}), 0, 'after a crash the queue is found');

$node->stop;
done_testing();

# Run a statement that queues executions, and wait until all have ended.
sub run_all
{
	$node->safe_psql('postgres', $_[0]);
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM workflow.executions WHERE status IN ('pending', 'running', 'waiting')})
	  or die 'executions do not end';
}

# Pause an execution, run others, and resume it: an old one is pending again.
sub resume_one
{
	my $id = $node->safe_psql('postgres', q{
		BEGIN;
		SELECT workflow.start('short') AS id \gset
		SELECT workflow.pause(:id) \g /dev/null
		COMMIT;
		SELECT :id});

	run_execution($node, 'postgres', 'short');
	$node->safe_psql('postgres', "SELECT workflow.resume($id)");
	wait_for_status($node, 'postgres', $id, 'completed') or die 'what is resumed does not end';
	return;
}

# Entries of an index of the queue that were read so far.  The scheduler reports what it has
# read with a commit, but not with each: run another until it has reported twice.
sub entries_read
{
	my ($index, $start) = @_;
	my $statement = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = '${index}_idx'";
	my $read = $node->safe_psql('postgres', $statement);
	my $reports = 0;

	while ($reports < 2)
	{
		run_all("SELECT $start");
		my $again = $node->safe_psql('postgres', $statement);
		$reports++ if $again > $read;
		$read = $again;
	}
	return $read;
}
