# The extension finds its objects by their names, and its library goes with one version
# of them: neither is changed behind its back.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use WorkflowTest;

my $node = workflow_cluster('names_and_versions');

# What a statement says when it fails.
sub refusal
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $status == 0 ? '' : $err;
}

# --- somebody was here before (A100) ---

$node->safe_psql('postgres', 'CREATE SCHEMA workflow');
like(refusal('CREATE EXTENSION pg_workflow'), qr/42P06.*schema "workflow" already exists/, 'nobody\'s schema is taken over');
like(refusal('CREATE EXTENSION pg_workflow SCHEMA workflow'), qr/ERROR/, 'nor on request');
$node->safe_psql('postgres', 'DROP SCHEMA workflow');
install_extension($node, 'postgres');

# --- names (A101) ---

like(refusal($_), qr/2BP01.*because extension pg_workflow requires it/, $_) foreach
	'ALTER SCHEMA workflow RENAME TO other',
	'ALTER TABLE workflow.executions RENAME TO other',
	'ALTER TABLE workflow.executions RENAME COLUMN status TO other',
	'ALTER VIEW workflow.execution_status RENAME TO other',
	'ALTER SEQUENCE workflow.executions_id_seq RENAME TO other',
	'ALTER FUNCTION workflow.cancel(bigint, text, boolean) RENAME TO other',
	'ALTER PROCEDURE workflow.run RENAME TO other',
	'ALTER TABLE workflow.executions SET SCHEMA public',
	'ALTER FUNCTION workflow.version() SET SCHEMA public',
	'DO $$BEGIN ALTER SCHEMA workflow RENAME TO other; END$$';
is(refusal($_), '', $_) foreach
	'CREATE SCHEMA mine; ALTER SCHEMA mine RENAME TO my_own',
	'CREATE TABLE my_own.t (a int); ALTER TABLE my_own.t RENAME a TO b; ALTER TABLE my_own.t RENAME TO executions; ALTER TABLE my_own.executions SET SCHEMA public',
	'ALTER INDEX workflow.executions_schedule_idx RENAME TO other_idx; ALTER INDEX workflow.other_idx RENAME TO executions_schedule_idx',
	'ALTER TABLE IF EXISTS no_such_table RENAME TO other';
is(refusal(q{SELECT workflow.execute('short')}), '', 'and all is where it was');

# --- versions ---

sub set_version
{
	my ($version) = @_;
	$node->safe_psql('postgres', qq{SET allow_system_table_mods = on;
		UPDATE pg_extension SET extversion = '$version' WHERE extname = 'pg_workflow'});
	return;
}

my $version = $node->safe_psql('postgres', 'SELECT workflow.version()');
set_version('0.9.0');
like(refusal(q{SELECT workflow.start('short')}),
	qr/55000.*has version 0\.9\.0 in this database, but its library has version \Q$version\E.*ALTER EXTENSION pg_workflow UPDATE/s,
	'a library that is newer than the extension');
set_version('99.0.0');
like(refusal(q{SELECT workflow.execute('short')}),
	qr/55000.*has version 99\.0\.0.*Install the library of version 99\.0\.0, and restart the server/s, 'and one that is older');
is($node->safe_psql('postgres', 'SELECT workflow.version()'), $version, 'which version that is can be asked');
set_version($version);
my $id = $node->safe_psql('postgres', q{SELECT workflow.start('short')});
ok(wait_for_status($node, 'postgres', $id, 'completed'), 'the right one');

$node->stop;
done_testing();
