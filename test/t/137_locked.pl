# The scheduler waits for no session: rows, tables and keys that a session idle in its transaction,
# or a prepared transaction, keeps are come back for, and everybody else's executions go on, also
# through a restart of the scheduler and the end of an executor.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use LockedTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = crash_cluster('locked', 'max_prepared_transactions = 5');
gated_effects($node, 'w');
define_short($node);
define_workflow($node, 'w', 'gated', 'first', { step('first', 0, next_step => 'last'), step('last', 0) });

# --- a row of a running execution ---

my %holders = (
	'FOR UPDATE' => 'SELECT FROM workflow.executions WHERE id = %d FOR UPDATE',
	'pause()' => 'SELECT workflow.pause(%d)',
	'cancel()' => 'SELECT workflow.cancel(%d)',
	'hold_step()' => q{SELECT workflow.hold_step(%d, 'last')});
foreach my $what (sort keys %holders)
{
	close_gate($node, 'first -');
	my $id = $node->safe_psql('w', q{SELECT workflow.start('gated')});
	my ($executor) = wait_at_gate($node, 1);
	my $session = $node->background_psql('w');
	$session->query_safe('BEGIN; ' . sprintf($holders{$what}, $id));

	restart_scheduler($node);
	others_go_on($node, "$what, the scheduler has restarted");
	is($node->safe_psql('w', "SELECT recoveries FROM workflow.executions WHERE id = $id"), 0, "$what: it has not been recovered");
	like($node->safe_psql('w', "SELECT string_agg(reason || ': ' || detail, E'\\n') FROM workflow.why($id)"),
		qr/^row locked: .*process \d+/m, "$what: why() says who holds it");
	$session->query_safe('ROLLBACK');
	$session->quit;
	($executor) = wait_at_gate($node, 1, $executor);
	ok(1, "$what: it goes on when the row is let go");

	$session = $node->background_psql('w');
	$session->query_safe('BEGIN; ' . sprintf($holders{$what}, $id));
	kill 'TERM', $executor;
	wait_until($node, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $executor)", 'the executor is gone');
	others_go_on($node, "$what, its executor has ended");
	$session->query_safe('ROLLBACK');
	$session->quit;
	wait_at_gate($node, 1, $executor);
	open_gate();
	wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $id", "$what: it completes");
}

# --- a prepared transaction ---

close_gate($node, 'first -');
my $id = $node->safe_psql('w', q{SELECT workflow.start('gated')});
my ($executor) = wait_at_gate($node, 1);
$node->safe_psql('w', "BEGIN; SELECT FROM workflow.executions WHERE id = $id FOR UPDATE; PREPARE TRANSACTION 'keeper'");
restart_scheduler($node);
others_go_on($node, 'a prepared transaction, the scheduler has restarted');
like($node->safe_psql('w', "SELECT string_agg(reason || ': ' || detail || ' ' || help, E'\\n') FROM workflow.why($id)"),
	qr/^row locked: .*prepared transaction keeper .*ROLLBACK PREPARED 'keeper'/m, 'why() names it');
$node->safe_psql('w', q{ROLLBACK PREPARED 'keeper'});
wait_at_gate($node, 1, $executor);
open_gate();
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $id", 'it completes');

# --- a row of each table ---

my @tables = split /\n/, $node->safe_psql('w', q{
	SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'r' ORDER BY 1});
cmp_ok(scalar @tables, '>', 10, 'there are tables');
my $keeper = $node->background_psql('w');
$keeper->query_safe('BEGIN; ' . join '; ', map { "SELECT count(*) FROM (SELECT FROM workflow.$_ FOR UPDATE) AS x" } @tables);
restart_scheduler($node);
others_go_on($node, 'all rows of all tables are locked, the scheduler has restarted');
close_gate($node, 'first -');
$id = $node->safe_psql('w', q{SELECT workflow.start('gated')});
($executor) = wait_at_gate($node, 1);
kill 'TERM', $executor;
wait_at_gate($node, 1, $executor);
open_gate();
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $id", 'and an executor has ended: it goes on');
$keeper->query_safe('ROLLBACK');

# --- tables that nobody can do without are waited for, the others are not ---

foreach my $table (qw(executor_history audit_entries dead_letters breakers database_state statistics_days statistics_state schedule_run_entries))
{
	foreach my $command ('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', 'REINDEX TABLE %s', 'ALTER TABLE %s SET (fillfactor = 90)')
	{
		my $text = sprintf($command, "workflow.$table");

		$keeper->query_safe("BEGIN; $text");
		others_go_on($node, $text);
		$keeper->query_safe('ROLLBACK');
	}
}
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

foreach my $command ('LOCK TABLE workflow.executions IN SHARE MODE', 'LOCK TABLE workflow.executions IN ACCESS EXCLUSIVE MODE',
	'REINDEX TABLE workflow.executions', 'ALTER TABLE workflow.executions ADD COLUMN x int',
	'CREATE INDEX ON workflow.executions (version)', 'REINDEX TABLE workflow.step_executions',
	'LOCK TABLE workflow.definitions IN ACCESS EXCLUSIVE MODE')
{
	# something to be claimed, behind the lock
	$node->safe_psql('w', q{SELECT workflow.start('short', start_at => now() + interval '1 ms')});
	$keeper->query_safe("BEGIN; $command");
	scheduler_is_awake($command);
	$keeper->query_safe('ROLLBACK');
	others_go_on($node, "after $command");
}
is(scheduler_pid($node), $scheduler, 'it is the same scheduler');
$keeper->quit;
check_finished($node, 'w', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop;

done_testing();
