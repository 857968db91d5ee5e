# A parallel loop that stops at the first failure, also when it was interrupted before: what has
# begun goes on, nothing else begins.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use LockedTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = crash_cluster('stop_recovered');
gated_effects($node, 'w');
define_workflow($node, 'w', 'items', 'each', {
	each => { type => 'loop', loop_config => { collection => [ 0 .. 19 ], execution_mode => 'parallel', max_parallelism => 2,
		on_error => 'stop', loop_body => [ 'hit', 'stand' ] } },
	step('hit', 1, next_step => 'stand'),
	step('stand', 1, sql => q{SELECT 1 / CASE WHEN input.p = 'i0' THEN length(left(effect(input.e, 'stand', input.p), 0))
		ELSE length(effect(input.e, 'stand', input.p)) END}) });

# the ranges of the two that begin
close_gate($node, 'stand i0', 'stand i5');
my $id = $node->safe_psql('w', q{SELECT workflow.start('items')});
my @pids = wait_at_gate($node, 2);

# one executor for what is to be done again, so that something waits
$node->safe_psql('w', $_) foreach 'ALTER SYSTEM SET workflow.max_executors_per_database = 1', 'SELECT pg_reload_conf()';
wait_until($node, q{SELECT current_setting('workflow.max_executors_per_database') = '1'}, 'the setting is known');
restart_scheduler($node);
wait_at_gate($node, 1, @pids);
open_gate();
ok($node->poll_query_until('w', "SELECT status = 'failed' FROM workflow.executions WHERE id = $id"), 'it fails')
  or diagnose($node, 'w');
is( $node->safe_psql('w', qq{SELECT string_agg(concat_ws(' ', loop_iteration_index, step_id, status), ', ' ORDER BY loop_iteration_index, step_id)
	FROM workflow.step_executions WHERE execution_id = $id AND step_id IN ('hit', 'stand') AND status NOT IN ('skipped')}),
	'0 hit completed, 0 stand failed, 5 hit completed, 5 stand completed', 'what had begun went on, nothing else began');

check_finished($node, 'w', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop;

done_testing();
