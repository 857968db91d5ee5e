# The scheduler sleeps only when nobody has called it meanwhile, though the server takes the latch
# by which it is called while its own transactions wait: for a standby, or for a lock.  And it does
# sleep when something has to wait for room.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use LockedTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = crash_cluster('wakes', 'wal_level = replica', 'max_wal_senders = 2');
gated_effects($node, 'w');
define_short($node);
define_workflow($node, 'w', 'fan', 'first', {
	step('first', 0, next_step => 'both'),
	both => { type => 'parallel', parallel_steps => [ 'left', 'right' ] },
	step('left', 0), step('right', 0) });
# whose commits do not wait for the standby
$node->safe_psql('w', q{CREATE ROLE local LOGIN SUPERUSER; ALTER ROLE local SET synchronous_commit = local;
	SELECT workflow.grant_usage('local')});

sub as_local
{
	return $node->safe_psql('w', "SET SESSION AUTHORIZATION local; SET synchronous_commit = local; $_[0]");
}

# A process waits for the standby.
sub wait_for_sync
{
	my ($who) = @_;

	wait_until($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND $who", "$who waits for the standby");
	return;
}

others_go_on($node, 'at first');
close_gate($node, 'first -');
# the executor of the first one is looked at first
my $id = as_local(q{SELECT workflow.start('fan')});
wait_at_gate($node, 1);
my $cancelled = as_local(q{SELECT workflow.define('{"name": "ends", "steps": [{"id": "gate", "sql": "SELECT pg_advisory_xact_lock_shared(1)"}]}');
	SELECT workflow.start('ends')}) =~ s/.*\n//sr;
wait_at_gate($node, 2);
# what is running goes on, and no timer of the queue wakes the scheduler
$node->safe_psql('w', q{SELECT workflow.drain('for a while')});
wait_until($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler' AND wait_event_type IS DISTINCT FROM 'Extension'},
	'the scheduler sleeps');

$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf()});
my $probe = $node->background_psql('w');
$probe->query_until(qr/begun/, "\\echo begun\nCREATE TABLE probe ();\n");
wait_for_sync(q{backend_type = 'client backend'});

# the end of an execution is written, and waits; meanwhile an executor reports
as_local("SELECT workflow.cancel($cancelled)");
wait_for_sync(q{backend_type = 'pg_workflow scheduler'});
open_gate();
wait_until($node, q{SELECT bool_and(wait_event_type = 'Extension') FROM pg_stat_activity
	WHERE backend_type = 'pg_workflow executor'}, 'the executors have reported');

$node->safe_psql('postgres', q{ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()});
$probe->quit;
ok($node->poll_query_until('w', "SELECT status = 'completed' FROM workflow.executions WHERE id = $id"),
	'a report that came meanwhile is taken')
  or diagnose($node, 'w');
is($node->safe_psql('w', "SELECT status FROM workflow.executions WHERE id = $cancelled"), 'cancelled', 'and the end was written');
$node->safe_psql('w', 'SELECT workflow.undrain()');
others_go_on($node, 'at the end');

# --- rows of a group are locked, and then there is no room to try it ---

sub setting
{
	$node->safe_psql('postgres', $_) foreach "ALTER SYSTEM SET workflow.max_running = $_[0]", 'SELECT pg_reload_conf()';
	wait_until($node, "SELECT current_setting('workflow.max_running') = '$_[0]'", 'the setting is known');
	return;
}

sub start { return $node->safe_psql('w', "SELECT workflow.start('$_[0]')"); }

sub is_status
{
	my ($execution, $status) = @_;

	wait_until($node, "SELECT status = '$status' FROM workflow.executions WHERE id = $execution", "$execution is $status");
	return;
}

define_workflow($node, 'w', 'limited', 'one', { step('one', 0) }, max_running => 1);
define_workflow($node, 'w', 'endless', 'sleep', { sleep => { type => 'sql', sql => 'SELECT pg_sleep(3600)' } });
close_gate($node, 'one -');
start('limited');
wait_at_gate($node, 1);
my $waits = start('limited');
wait_until($node, "SELECT limited FROM workflow.executions WHERE id = $waits", 'the second one waits for room');
setting(1);
my $endless = start('endless');
my $keeper = $node->background_psql('w');
$keeper->query_safe("BEGIN; SELECT FROM workflow.executions WHERE id = $waits FOR UPDATE");
open_gate();
is_status($endless, 'running');

SKIP:
{
	my $scheduler = scheduler_pid($node);

	skip 'needs /proc', 1 unless -r "/proc/$scheduler/status";
	my $now = sub {
		my ($wakes) = slurp_file("/proc/$scheduler/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m;
		return ($wakes, $node->safe_psql('postgres', 'SELECT extract(epoch FROM clock_timestamp())'));
	};
	my ($wakes, $began) = $now->();
	$node->safe_psql('postgres', 'SELECT 1') for 1 .. 80;
	my ($more, $ended) = $now->();
	cmp_ok($more - $wakes, '<=', 20 * ($ended - $began) + 20, 'the scheduler sleeps while there is no room for what was locked');
}

$keeper->query_safe('ROLLBACK');
$node->safe_psql('w', "SELECT workflow.cancel($endless)");
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $waits", 'it is run when there is room');
$keeper->quit;

check_finished($node, 'w', 'at the end');
$node->stop;

done_testing();
