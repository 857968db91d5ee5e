# A hundred thousand executions of a workflow that is full are in nobody's way: the claim
# of another workflow reads none of them.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use WorkflowTest;

my $node = workflow_cluster('full', 'workflow.max_executors = 2', 'autovacuum = off', 'synchronous_commit = off',
	'workflow.short_wait = 1d');

sub sql { return $node->safe_psql('postgres', $_[0]); }

install_extension($node, 'postgres');
# the one that runs waits for a retry, in memory, so that it counts: a statement that lasted so long
# would keep dead rows
sql(q{SELECT workflow.define('{"name": "full", "max_running": 1, "steps": [{"id": "a", "sql": "SELECT 1/0", "retry":
	{"errors": ["all"], "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000, "max_retries": 1}}]}')});
my $first = sql("SELECT workflow.start('full')");
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.step_executions") or die 'it does not run';
is(sql("SELECT count(workflow.start('full', tenant => 't' || i % 10)) FROM generate_series(1, 100000) AS i"), '100000', '100,000 more are queued');
ok($node->poll_query_until('postgres', "SELECT count(*) = 100000 FROM workflow.executions WHERE limited"), 'and set aside');
# twice: nobody holds back the second one, and the scheduler that starts reads no dead entries
# and so has none to report late
sql('VACUUM ANALYZE workflow.executions');
$node->restart;
sql('VACUUM ANALYZE workflow.executions');

# Entries of indexes and rows of the table that were read so far, by everybody.
sub reads
{
	my ($before) = @_;
	my $reads = q{
		SELECT (SELECT sum(idx_tup_read) FROM pg_stat_all_indexes WHERE relname = 'executions')
		     + (SELECT seq_tup_read FROM pg_stat_all_tables WHERE relid = 'workflow.executions'::regclass)};

	# processes report what they have read with a delay
	$node->poll_query_until('postgres', "SELECT ($reads) > $before") or die 'no statistics';
	return sql($reads);
}

# The first runs make plans and look at dead entries.
run_execution($node, 'postgres', 'short') foreach 1 .. 3;
my $before = reads(0);
run_execution($node, 'postgres', 'short') foreach 1 .. 20;
my $after = reads($before);
cmp_ok($after - $before, '<', 5000, 'twenty executions of another workflow read few rows: ' . ($after - $before));

# room goes to one of them, by the index
sql("SELECT workflow.cancel($first)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 99999 FROM workflow.executions WHERE limited AND status = 'pending'"), 'one of them has the room');
ok($node->poll_query_until('postgres', "SELECT count(*) = 2 FROM workflow.step_executions AS s JOIN workflow.executions AS e ON e.id = s.execution_id WHERE e.workflow = 'full'"), 'and runs');

# a scheduler that starts finds the groups; what has not waited for the disk until now must not be lost
sql('CHECKPOINT');
$node->stop('immediate');
$node->start;
run_execution($node, 'postgres', 'short');
my $next = sql("SELECT id FROM workflow.executions WHERE workflow = 'full' AND status = 'running'");
sql("SELECT workflow.cancel($next)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 99998 FROM workflow.executions WHERE limited AND status = 'pending'"), 'also after a crash');

# a block takes all of them
sql("SELECT workflow.block('full')");
ok($node->poll_query_until('postgres', "SELECT count(*) = 99998 FROM workflow.executions WHERE status = 'blocked'"), 'a block takes all of them');
run_execution($node, 'postgres', 'short');

$node->stop('immediate');
done_testing();
