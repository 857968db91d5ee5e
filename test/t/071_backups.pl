# Copies of a server that were taken in the middle of executions: a base backup under load, a
# recovery to a point in time, a standby of a standby, and a synchronous standby that goes and
# comes.  Whichever server goes on, everything ends there, each effect is there once, and what
# only replays runs nothing.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $no_workers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^pg_workflow'};

sub executions
{
	my ($node) = @_;

	return $node->safe_psql('w', 'SELECT count(*) FROM workflow.executions');
}

# Start so many of each workflow; those that are "gated" stay at their second step while a gate
# is closed, which is a lock and so only on this server.
sub start
{
	my ($node, $count) = @_;

	$node->safe_psql('w', qq{SELECT count(workflow.start('mixed')) FROM generate_series(1, $count)});
	return;
}

sub start_gated
{
	my ($node) = @_;

	close_gate($node, 'g2 -');
	$node->safe_psql('w', q{SELECT count(workflow.start('gated')) FROM generate_series(1, 2)});
	wait_at_gate($node, 2);
	return;
}

my $origin = crash_cluster('origin', 'wal_level = replica', 'max_wal_senders = 10', 'hot_standby = on');
gated_effects($origin, 'w');
define_mixed($origin, 'w');
define_workflow($origin, 'w', 'gated', 'g1', { step('g1', 0, next_step => 'g2'), step('g2', 0, next_step => 'g3'), step('g3', 0) });
$origin->enable_archiving;
$origin->restart;

# --- a base backup, under load ---

start_gated($origin);
start($origin, 60);
$origin->backup('base');

# --- a point in time, at which two are in the middle ---

my $at_point = executions($origin);
$origin->safe_psql('w', q{SELECT pg_create_restore_point('middle')});
open_gate();
start($origin, 10);
check_completes($origin, 'origin');
$origin->safe_psql('w', 'SELECT pg_switch_wal()');
$origin->poll_query_until('w', q{SELECT last_archived_wal >= pg_walfile_name(pg_create_restore_point('end'))
	OR (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name ~ 'ready$') = 0 FROM pg_stat_archiver})
  or die 'WAL is not archived';

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($origin, 'base');
$restored->append_conf('postgresql.conf', 'archive_mode = off');
$restored->start;
check_completes($restored, 'base backup');
is(executions($restored), $at_point, 'base backup: all are there');
$restored->stop;

my $middle = PostgreSQL::Test::Cluster->new('middle');
$middle->init_from_backup($origin, 'base', has_restoring => 1, standby => 0);
$middle->append_conf('postgresql.conf', q{
	archive_mode = off
	recovery_target_name = 'middle'
	recovery_target_action = 'pause'});
$middle->start;
ok($middle->poll_query_until('w', q{SELECT pg_get_wal_replay_pause_state() = 'paused'}), 'point in time: it is reached');
is($middle->safe_psql('w', $no_workers), 0, 'point in time: nothing runs while one looks');
is($middle->safe_psql('w', q{SELECT string_agg(DISTINCT s.step_id, ' ') FROM workflow.step_executions AS s
	JOIN workflow.executions AS e ON e.id = s.execution_id WHERE e.workflow = 'gated'}), 'g1', 'point in time: two are in the middle');
$middle->safe_psql('w', 'SELECT pg_wal_replay_resume()');
check_completes($middle, 'point in time');
is(executions($middle), $at_point, 'point in time: what came later is not there');
$middle->stop;

# --- a standby of a standby ---

my $first = PostgreSQL::Test::Cluster->new('first');
$first->init_from_backup($origin, 'base', has_streaming => 1);
$first->append_conf('postgresql.conf', 'archive_mode = off');
$first->start;
$first->backup('of_first');
my $second = PostgreSQL::Test::Cluster->new('second');
$second->init_from_backup($first, 'of_first', has_streaming => 1);
$second->start;

start_gated($origin);
start($origin, 20);
$origin->wait_for_catchup($first);
$first->wait_for_catchup($second, 'replay', $origin->lsn('insert'));
is($second->safe_psql('w', "SELECT ($no_workers) || ' ' || count(*) FROM workflow.executions WHERE workflow = 'gated' AND status = 'running'"),
	'0 2', 'cascade: the second shows what runs on the first of all, and runs nothing');
$origin->stop('immediate');
open_gate();
$first->promote;
check_completes($first, 'cascade, promoted');
my $on_first = executions($first);
$first->wait_for_catchup($second, 'replay', $first->lsn('insert'));
is($second->safe_psql('w', qq{SELECT ($no_workers) || ' ' || count(*) FROM workflow.executions WHERE status = 'completed'}),
	"0 $on_first", 'cascade: the second follows');

# --- synchronous: it goes, and comes ---

$first->append_conf('postgresql.conf', "synchronous_standby_names = 'second'");
$first->reload;
ok($first->poll_query_until('w', q{SELECT sync_state = 'sync' FROM pg_stat_replication}), 'synchronous: it is');
$second->stop('immediate');
$first->safe_psql('w', q{SET synchronous_commit = local;
	SELECT count(workflow.start('mixed')) FROM generate_series(1, 10)});
ok($first->poll_query_until('w', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type ~ '^pg_workflow'}),
	'synchronous: who commits waits while the standby is gone');
is($first->safe_psql('w', q{SELECT count(*) FROM workflow.executions WHERE status = 'failed'}), 0, 'synchronous: nothing fails');
$second->start;
check_completes($first, 'synchronous, and back');

# What a session was told is there after a failover, whatever ran.
start_gated($first);
start($first, 20);
my $told = executions($first);
$first->stop('immediate');
open_gate();
$second->promote;
$second->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$second->reload;
check_completes($second, 'synchronous, promoted');
is(executions($second), $told, 'synchronous, promoted: what was told is there');

foreach my $node ($origin, $restored, $middle, $first, $second)
{
	unlike(slurp_file($node->logfile), qr/PANIC|was terminated by signal|TRAP/, $node->name . ': nothing crashed');
}
$second->stop;

done_testing();
