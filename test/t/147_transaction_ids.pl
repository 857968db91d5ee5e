# The server has no transaction numbers left to give: it refuses every statement that writes, and
# so do we; nothing fails for it, nothing is counted, and everything goes on once there are some.
# Then a vacuum that keeps them from wrapping around works on our tables while executions run.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Watchdog;

my $node = crash_cluster('numbers', 'workflow.max_recoveries = 2', 'wal_level = logical', 'max_wal_senders = 2',
	'autovacuum_naptime = 1', 'autovacuum_freeze_max_age = 100000', 'vacuum_freeze_min_age = 0', 'autovacuum_vacuum_cost_delay = 0');
gated_effects($node, 'w');
define_mixed($node, 'w');
define_workflow($node, 'w', 'gated', 'g1', { step('g1', 0, next_step => 'g2'), step('g2', 0, next_step => 'g3'), step('g3', 0) });

# --- the end of numbers ---

my $refused = qr/not accepting commands (?:to avoid wraparound data loss|that assign new (?:XIDs|transaction IDs))/;
# the scheduler cannot write what it wants to do with what could not go on
my $put_off = qr/pg_workflow scheduler LOG: .*does again what failed: .*$refused/;
my $use_up = q{
	DO $$
	BEGIN
		FOR n IN 1 .. 120000 LOOP
			BEGIN
				INSERT INTO used VALUES (n);
			EXCEPTION WHEN unique_violation THEN
				RAISE;
			END;
		END LOOP;
	END $$};

# Nothing fails, nothing is counted against who ran, and one is told why it stands still.
sub stands_still
{
	my ($name) = @_;

	is($node->safe_psql('w', q{SELECT string_agg(DISTINCT workflow || ' ' || status || ' ' || recoveries, ', ') FROM workflow.executions}),
		'gated running 0, mixed paused 0', "$name: nothing fails, and nothing is counted");
	like($node->safe_psql('w', q{SELECT string_agg(detail, ' ') FROM workflow.why((SELECT min(id) FROM workflow.executions WHERE workflow = 'gated'))}),
		$refused, "$name: why() knows");
	return;
}

# Wait until the log says something behind an offset.
sub wait_for_log
{
	my ($pattern, $from) = @_;
	my $until = time() + $PostgreSQL::Test::Utils::timeout_default;

	while (slurp_file($node->logfile, $from) !~ $pattern)
	{
		die "the log does not say $pattern" if time() > $until;
		usleep(50_000);
	}
	return;
}

# A replication slot that nobody reads keeps everything behind it from being frozen: the server
# asks for it to be dropped.  The next number is one of the last, at the begin of a page of
# pg_xact, which is made then.  What is before the slot is frozen first: numbers that come free
# by that would not be used up.
$node->safe_psql('w', q{CREATE TABLE used (n int)});
$node->safe_psql('w', q{SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')});
$node->stop('fast');
my ($stdout, $stderr) = run_command([ 'pg_controldata', $node->data_dir ]);
my ($oldest) = $stdout =~ /oldestXID: +(\d+)$/m or die "no oldest number: $stderr";
my $last = int(($oldest + 0x7fffffff - 3_000_000) / 32768) * 32768;
command_ok([ 'pg_resetwal', '-x', $last, $node->data_dir ], 'few numbers are left');
$node->start;
ok($node->poll_query_until('w', q{SELECT max(age(d.datfrozenxid)) <= min(age(s.catalog_xmin))
	FROM pg_database AS d, pg_replication_slots AS s}), 'all is frozen that can be');

# Two stand in the middle of a step, with numbers of their own, when the rest is used up.
close_gate($node, 'g2 -');
$node->safe_psql('w', q{SELECT count(workflow.start('gated')) FROM generate_series(1, 2)});
wait_at_gate($node, 2);
$node->safe_psql('w', q{SELECT count(workflow.pause(workflow.start('mixed'))) FROM generate_series(1, 4)});
my $from = -s $node->logfile;
$node->psql('w', $use_up, stderr => \$stderr);
like($stderr, $refused, 'they are used up');
$node->psql('w', q{SELECT workflow.start('mixed')}, stderr => \$stderr);
like($stderr, $refused, 'start() is refused as every other statement that writes');
open_gate();
wait_for_log($put_off, $from);
stands_still('at work');
is($node->safe_psql('w', q{SELECT string_agg(step_id || ' ' || status, ', ' ORDER BY step_id, status) FROM workflow.step_executions}),
	'g1 completed, g1 completed, g2 completed, g2 completed', 'at work: a step that had a number is done, the next is not');

$from = -s $node->logfile;
left_open($node, 'gated');
$node->stop('fast');
command_ok([ 'pg_resetwal', '-x', $last + 32768, $node->data_dir ], 'none is left');
$node->start;
wait_for_log($put_off, $from);
stands_still('after a restart');
$node->safe_psql('w', q{SELECT pg_drop_replication_slot('forgotten')});
$node->poll_query_until('w', "SELECT workflow.start('mixed') > 0") or die 'the server is not vacuumed';
$node->safe_psql('w', q{SELECT workflow.resume(id) FROM workflow.executions WHERE status = 'paused'});
check_completes($node, 'no numbers');
is($node->safe_psql('w', 'SELECT sum(recoveries) FROM workflow.executions'), 0, 'no numbers: nothing was counted');

# --- vacuum that keeps them from wrapping around, while executions run ---

$node->safe_psql('w', q{SELECT count(workflow.start('mixed')) FROM generate_series(1, 40)});
$node->safe_psql('w', $use_up);
ok($node->poll_query_until('w', q{SELECT max(age(relfrozenxid)) < 100000 FROM pg_class
	WHERE relkind = 'r' AND relnamespace = 'workflow'::regnamespace}), 'vacuum: every table of ours is');
check_completes($node, 'vacuum');
$node->stop;

done_testing();
