# The server has no transaction numbers left to give: it refuses every statement that writes, and
# so do we; nothing fails for it, nothing is counted, and everything goes on once there are some.
# Then a vacuum that keeps them from wrapping around works on our tables while executions run.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = crash_cluster('numbers', 'workflow.max_recoveries = 2', 'wal_level = logical', 'max_wal_senders = 2',
	'autovacuum_naptime = 1', 'autovacuum_freeze_max_age = 100000', 'vacuum_freeze_min_age = 0', 'autovacuum_vacuum_cost_delay = 0');
gated_effects($node, 'w');
define_workflow($node, 'w', 'mixed', 'm1', {
	step('m1', 0, next_step => 'm2'),
	m2 => { type => 'parallel', parallel_steps => [ 'ma', 'mb', 'ml' ], next_step => 'm3' },
	step('ma', 0), agent_step('mb', 0),
	ml => { type => 'loop', loop_config => { collection => [ 1, 2, 3 ], loop_body => [ 'mc', 'md' ], execution_mode => 'parallel' } },
	step('mc', 1), step('md', 1), step('m3', 0) });
define_workflow($node, 'w', 'gated', 'g1', { step('g1', 0, next_step => 'g2'), step('g2', 0, next_step => 'g3'), step('g3', 0) });

# --- the end of numbers ---

# Two stand in the middle.  A replication slot that nobody reads keeps everything from
# being frozen: the server asks for it to be dropped.
$node->safe_psql('w', q{SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')});
close_gate($node, 'g2 -');
$node->safe_psql('w', q{SELECT count(workflow.start('gated')) FROM generate_series(1, 2)});
wait_at_gate($node, 2);
$node->safe_psql('w', q{SELECT count(workflow.pause(workflow.start('mixed'))) FROM generate_series(1, 4)});
$node->stop('fast');
open_gate();

# The next number is one that the server does not give any more, at the begin of a page of
# pg_xact, which is made then.
my ($stdout, $stderr) = run_command([ 'pg_controldata', $node->data_dir ]);
my ($oldest) = $stdout =~ /oldestXID: +(\d+)$/m or die "no oldest number: $stderr";
my $last = (int(($oldest + 0x7fffffff - 3_000_000) / 32768) + 1) * 32768;
command_ok([ 'pg_resetwal', '-x', $last, $node->data_dir ], 'numbers are used up');
my $from = -s $node->logfile;
$node->start;

my $refused = qr/not accepting commands (?:to avoid wraparound data loss|that assign new (?:XIDs|transaction IDs))/;
my $status = $node->psql('w', q{SELECT workflow.start('mixed')}, stderr => \$stderr);
like($stderr, $refused, 'start() is refused as every other statement that writes');
my $tried = 0;
until ($tried)
{
	$node->safe_psql('w', 'SELECT true');
	$tried = slurp_file($node->logfile, $from) =~ /pg_workflow scheduler LOG: .*does again what failed: .*$refused/;
}
is($node->safe_psql('w', q{SELECT string_agg(DISTINCT workflow || ' ' || status || ' ' || recoveries, ', ') FROM workflow.executions}),
	'gated running 0, mixed paused 0', 'nothing fails, and nothing is counted');
like($node->safe_psql('w', q{SELECT string_agg(detail, ' ') FROM workflow.why((SELECT min(id) FROM workflow.executions))}), $refused, 'why() knows');
$node->safe_psql('w', q{SELECT pg_drop_replication_slot('forgotten')});
$node->poll_query_until('w', "SELECT workflow.start('mixed') > 0") or die 'the server is not vacuumed';
$node->safe_psql('w', q{SELECT workflow.resume(id) FROM workflow.executions WHERE status = 'paused'});
check_completes($node, 'no numbers');
is($node->safe_psql('w', 'SELECT sum(recoveries) FROM workflow.executions'), 0, 'no numbers: nothing was counted');

# --- vacuum that keeps them from wrapping around, while executions run ---

$node->safe_psql('w', q{CREATE TABLE used (n int)});
$node->safe_psql('w', q{
	SELECT count(workflow.start('mixed')) FROM generate_series(1, 40);
	DO $$
	BEGIN
		FOR n IN 1 .. 120000 LOOP
			BEGIN
				INSERT INTO used VALUES (n);
			EXCEPTION WHEN unique_violation THEN
				RAISE;
			END;
		END LOOP;
	END $$});
ok($node->poll_query_until('w', q{SELECT max(age(relfrozenxid)) < 100000 FROM pg_class
	WHERE relkind = 'r' AND relnamespace = 'workflow'::regnamespace}), 'vacuum: every table of ours is');
check_completes($node, 'vacuum');
$node->stop;

done_testing();
