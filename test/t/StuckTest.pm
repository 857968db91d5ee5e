# What the tests of stuck executors share: functions that do not stop when they are
# asked to, among them one in C that looks at no interrupts.

package StuckTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;
use WorkflowTest qw(deaf_sql);

our @EXPORT = qw(build_spin install_stubborn let_spin unlet_spin wait_for_spin);

my $directory;

# Compile the function and return the path of its library.
sub build_spin
{
	my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
	my $include = `$pg_config --includedir-server`;

	chomp $include;
	$directory = PostgreSQL::Test::Utils::tempdir();
	append_to_file("$directory/spin.c", <<'EOC');
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "fmgr.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(spin);

/* Until a file exists, or the server has died.  deaf: signals sent meanwhile are lost. */
Datum
spin(PG_FUNCTION_ARGS)
{
	char	   *file = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const int	signals[] = {SIGINT, SIGTERM};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction before[2];

	for (int i = 0; i < 2 && PG_GETARG_BOOL(1); i++)
		sigaction(signals[i], &ignore, &before[i]);
	while (access(file, F_OK) != 0 && getppid() != 1)
		usleep(5000);
	for (int i = 0; i < 2 && PG_GETARG_BOOL(1); i++)
		sigaction(signals[i], &before[i], NULL);
	PG_RETURN_TEXT_P(cstring_to_text(file));
}
EOC
	system_or_bail(
		split(' ', $ENV{CC} || 'cc'), '-O1', '-fPIC', '-shared',
		"-I$include", '-o', "$directory/spin.so", "$directory/spin.c");
	return "$directory/spin.so";
}

# The extension, and functions spin(file) and deaf(file), endless(), swallow().
sub install_stubborn
{
	my ($node) = @_;
	my $library = build_spin();

	$node->safe_psql(
		'postgres', deaf_sql('swallow') . qq{
		CREATE EXTENSION pg_workflow;
		CREATE FUNCTION spin_until(file text, deaf boolean) RETURNS text LANGUAGE c AS '$library', 'spin';
		CREATE FUNCTION spin(name text) RETURNS text LANGUAGE sql
			AS \$\$ SELECT spin_until('$directory/' || name, false) \$\$;
		CREATE FUNCTION deaf(name text) RETURNS text LANGUAGE sql
			AS \$\$ SELECT spin_until('$directory/' || name, true) \$\$;
		CREATE FUNCTION endless() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN LOOP END LOOP; END \$\$;
		SELECT workflow.define('{"name": "short", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
	});
	return;
}

# What spins until this file exists goes on.
sub let_spin
{
	my ($name) = @_;

	append_to_file("$directory/$name", '');
	return;
}

# What spins until this file exists spins again.
sub unlet_spin
{
	my ($name) = @_;

	unlink "$directory/$name";
	return;
}

# Wait until a step of an execution runs.
sub wait_for_spin
{
	my ($node, $id) = @_;

	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = $id AND step_id = 's2'")
	  or die "step s2 of execution $id does not run";
	return;
}

1;
