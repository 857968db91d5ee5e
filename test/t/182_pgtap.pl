# docs/testing.md: its pgTAP suite passes, leaves nothing behind, and fails when the
# workflow is not what it tests.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use PartsTest;
use WorkflowTest;

my ($suite, $prints) = slurp_file('../docs/testing.md') =~ /^```psql\n(.*?)^```\n\n```text\n(.*?)^```$/ms
  or die 'the page has no suite';
my $node = workflow_cluster('pgtap');

if ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pgtap'}) eq '0')
{
	$node->stop;
	plan skip_all => 'pgTAP is not installed: test/prepare.sh parts';
}
$node->safe_psql('postgres', 'CREATE EXTENSION pg_workflow; CREATE EXTENSION pgtap');

# What psql prints of a suite.
sub run_suite
{
	my ($text) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$text, '>', \$out, '2>', \$err);
	return "$out$err";
}

is(run_suite($suite), $prints, 'the suite passes');
is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.definitions}), '0', 'no workflow is left');
is($node->safe_psql('postgres', q{SELECT count(*) FROM workflow.executions}), '0', 'nor an execution');

(my $wrong = $suite) =~ s/\$\{look.output\} > 1000/\${look.output} > 10000/ or die 'the suite has changed';
like(run_suite($wrong), qr/^not ok 9 - it waits for somebody$/m, 'it fails for another workflow');

$node->stop;
done_testing();
