# What waits costs nothing: with many executions deferred and many ended, the scheduler
# finds those that are due through indexes and reads no others.  Nor does who asks about
# those that have not ended read those that have.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $many = 20000;
my $runs = 200;
my $node = workflow_cluster('waiting', 'autovacuum = off');

install_extension($node, 'postgres');
foreach my $statistics ('', 'ANALYZE workflow.executions')
{
	my $before = read_rows();

	# plans are made now, and kept
	run_execution($node, 'postgres', 'short');
	$node->safe_psql('postgres', qq{
		INSERT INTO workflow.executions (definition_id, workflow, version, status, role, start_at, completed_at, input)
		SELECT d.id, d.name, d.version, CASE WHEN n % 2 = 0 THEN 'pending' ELSE 'completed' END, current_user::regrole,
			now() + interval '1 year', CASE WHEN n % 2 = 1 THEN now() END, '{}'
		FROM workflow.definitions AS d, generate_series(1, $many) AS n WHERE d.name = 'short';
		$statistics});
	run_one_by_one($node, 'postgres', $runs, "workflow.start('short')");
	cmp_ok(read_rows() - $before, '<', $runs * $many / 100,
		"executions read few rows of those that wait or have ended, statistics: $statistics");
}

$node->safe_psql('postgres', q{DELETE FROM workflow.executions WHERE status = 'pending'});
$node->safe_psql('postgres', 'VACUUM ANALYZE workflow.executions');
foreach my $question (map({ "SELECT workflow.${_}_executions('short')" } qw(pause resume cancel)), 'SELECT count(*) FROM workflow.locked_executions')
{
	my $before = read_rows();

	is($node->safe_psql('postgres', $question), 0, $question);
	cmp_ok(read_rows() - $before, '<', $many / 100, '... reads none of those that have ended');
}
$node->stop;
done_testing();

# Rows of executions that were read so far, by a scan of the table or of an index.
sub read_rows
{
	# a process reports what it has read when it ends, if not before
	my $workers = q{SELECT pid FROM pg_stat_activity WHERE backend_type IN ('pg_workflow scheduler', 'pg_workflow executor')};
	my $pids = join ',', 0, split /\n/, $node->safe_psql('postgres', $workers);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN ($pids)");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid IN ($pids)") or die;
	return $node->safe_psql('postgres', q{SELECT seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relid = t.relid)
		FROM pg_stat_user_tables AS t WHERE relid = 'workflow.executions'::regclass});
}
