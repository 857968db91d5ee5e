# The scheduler sleeps only when nobody has called it meanwhile, though the server takes the latch
# by which it is called while its own transactions wait: for a standby, or for a lock.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use LockedTest;
use PostgreSQL::Test::Cluster;
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

check_finished($node, 'w', 'at the end');
$node->stop;

done_testing();
