# Pruning beside work: it waits for nobody's lock and nobody waits for it, what it has
# committed stays deleted when it is interrupted or the server dies, and no execution is
# ever left without its steps or steps without their execution.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('prune');

install_extension($node, 'postgres');
define_sql($node, 'postgres', 'chain', ('SELECT 1') x 3);

# --- what others have locked is passed over, and others do not wait ---

my @old = fill(20);
my $locker = $node->background_psql('postgres');
$locker->query_safe("BEGIN; SELECT FROM workflow.executions WHERE id = $old[3] FOR UPDATE");
is(sql("CALL workflow.prune_all(pause => '0')"), 19, 'all but the one that is locked are pruned');
$locker->query_safe('ROLLBACK');
is(sql("CALL workflow.prune_all(pause => '0')"), 1, 'it is pruned the next time');

@old = fill(20);
my $pruner = $node->background_psql('postgres');
$pruner->query_safe('BEGIN; SELECT workflow.prune(max_executions => 10)');
run_execution($node, 'postgres', 'chain') for 1 .. 3;
is(sql("CALL workflow.prune_all(pause => '0')"), 10, 'executions run, and another prunes, while what one has pruned is not committed');
$pruner->query_safe('ROLLBACK');
$pruner->quit;
is(sql("CALL workflow.prune_all(pause => '0')"), 10, 'what it rolled back is pruned');
consistent();

# --- interrupted in a pause, and in a crash ---

foreach my $end ('cancel', 'crash')
{
	fill(30);
	my $many = sql("SELECT count(*) FROM workflow.executions");
	my $pruner = $node->background_psql('postgres', on_error_stop => 0);
	$pruner->{stdin} .= "CALL workflow.prune_all(max_rows => 4, pause => '1 hour');\n";
	$pruner->{run}->pump_nb;
	$node->poll_query_until('postgres', "SELECT count(*) < $many FROM workflow.executions") or die 'nothing is pruned';
	my ($transaction) = sql(q{SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE query LIKE 'CALL workflow.prune_all%' AND pid <> pg_backend_pid()});
	is($transaction, 't', "$end: in a pause it holds no snapshot and no transaction");
	is(run_status(), 'completed', "$end: executions run meanwhile");
	if ($end eq 'cancel')
	{
		sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL workflow.prune_all%' AND pid <> pg_backend_pid()});
		$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'CALL workflow.prune_all%' AND state = 'active' AND pid <> pg_backend_pid()})
		  or die 'it goes on';
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
	eval { $pruner->quit };
	my $left = sql("SELECT count(*) FROM workflow.executions WHERE completed_at < now() - interval '30 days'");
	cmp_ok($left, '<', 30, "$end: what was committed stays deleted");
	cmp_ok($left, '>', 0, "$end: the rest is there");
	consistent();
	is(sql("CALL workflow.prune_all(pause => '0')"), $left, "$end: and is pruned later");
}
consistent();
$node->stop;
done_testing();

sub sql { return $node->safe_psql('postgres', $_[0]) }

# So many executions that ended long ago; their numbers.
sub fill
{
	my ($count) = @_;

	sql("SELECT count(workflow.start('chain')) FROM generate_series(1, $count)");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM workflow.executions WHERE status <> 'completed'") or die 'they do not end';
	sql('SELECT workflow.roll_up_statistics()');
	return split /\n/, sql(q{UPDATE workflow.executions SET completed_at = completed_at - interval '40 days' RETURNING id});
}

sub run_status
{
	my $id = run_execution($node, 'postgres', 'chain');

	return sql("SELECT status FROM workflow.executions WHERE id = $id");
}

sub consistent
{
	is(sql(q{SELECT count(*) FROM workflow.executions AS e WHERE (SELECT count(*) FROM workflow.step_executions AS s WHERE s.execution_id = e.id) <> 3}), 0,
		'each execution has its steps');
	is(sql(q{SELECT count(*) FROM workflow.step_executions AS s WHERE NOT EXISTS (SELECT FROM workflow.executions AS e WHERE e.id = s.execution_id)}), 0,
		'and each step its execution');
}
