# Rows go in without a statement, so what is known of a table's indexes is kept: an
# index that another session builds, alters or drops meanwhile gets its entries all the
# same, and who wants to build one need not wait for a step.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('changed_indexes', 'autovacuum = off');

install_extension($node, 'postgres');
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck');

my $start = q{SELECT workflow.start('short', start_at => 'infinity', input => '{"a": [1, 2, 3]}')};
my $session = $node->background_psql('postgres');

sub wait_for_query
{
	my ($event, $query) = @_;

	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = '$event' AND query LIKE '$query%'")
	  or die "no \"$query\" waits for $event";
	return;
}

# --- CREATE INDEX CONCURRENTLY: from the moment it is ready ---

my ($writer, $reader, $catalog, $builder) = map { $node->background_psql('postgres') } 1 .. 4;

$writer->query_safe('BEGIN; LOCK TABLE workflow.executions IN ROW EXCLUSIVE MODE');
$builder->query_until(qr/build/, "\\echo build\nCREATE INDEX CONCURRENTLY new_idx ON workflow.executions (workflow, id);\n");
wait_for_query('virtualxid', 'CREATE INDEX');
$session->query_safe($start);
# it has looked through the table, and is not marked as ready
$catalog->query_safe('BEGIN; LOCK TABLE pg_index IN SHARE MODE');
$writer->query_safe('COMMIT');
wait_for_query('relation', 'CREATE INDEX');
$session->query_safe($start);
# it is ready, and has added what was missing
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM workflow.definitions');
$catalog->query_safe('COMMIT');
wait_for_query('virtualxid', 'CREATE INDEX');
$session->query_safe($start);
$reader->query_safe('COMMIT');
$node->poll_query_until('postgres', q{SELECT indisvalid FROM pg_index WHERE indexrelid = 'workflow.new_idx'::regclass})
  or die 'timed out';
is($node->psql('postgres', q{SELECT bt_index_check('workflow.new_idx', true)}), 0,
	'an index that becomes ready has all entries');
$_->quit foreach $writer, $reader, $catalog, $builder;

# --- an index whose access method keeps something from row to row ---

$node->safe_psql('postgres', 'CREATE INDEX gin_idx ON workflow.executions USING gin (input)');
foreach my $fastupdate ('off', 'on', 'off')
{
	$session->query_safe($start);
	$node->safe_psql('postgres', "ALTER INDEX workflow.gin_idx SET (fastupdate = $fastupdate)");
	$session->query_safe('CREATE TEMPORARY TABLE other (a int, b text, c text); DROP TABLE other');
}
$session->query_safe($start);
is($node->safe_psql('postgres', q{
	SET enable_seqscan = off;
	SELECT count(*) = (SELECT count(*) FROM workflow.executions AS e WHERE e.workflow = 'short')
	FROM workflow.executions WHERE input @> '{"a": [2]}'}), 't', 'an index that is altered has all entries');

# --- a step that takes its time ---

my $id = start_endless($node, 'postgres');

is($node->safe_psql('postgres', q{
	SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity USING (pid)
	WHERE backend_type = 'pg_workflow executor' AND relation IS NOT NULL AND l.mode <> 'AccessShareLock'}),
	'0', 'a step that runs keeps nobody from building an index');
$node->safe_psql('postgres', "SET lock_timeout = '60s'; CREATE INDEX while_idx ON workflow.executions (created_at)");
$node->safe_psql('postgres', "SELECT workflow.cancel($id)");
ok(wait_for_status($node, 'postgres', $id, 'cancelled'), 'and is cancelled as ever');

$session->quit;
$node->stop;
done_testing();
