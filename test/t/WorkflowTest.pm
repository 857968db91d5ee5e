# What the tests of processes share: clusters with the extension preloaded, steps
# that do not end, and questions to pg_stat_activity.

package WorkflowTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use JSON::PP;
use PatientPsql;
use PostgreSQL::Test::Cluster;
use Watchdog;

our @EXPORT = qw(
  workflow_cluster workflow_settings install_extension start_endless wait_for_schedulers
  wait_for_endless wait_for_status worker_pid schedulers
  define_sql run_execution run_one_by_one step_rows deaf_sql
);

# A running cluster with the library preloaded; settings are lines of
# postgresql.conf.  Endless steps make no progress, however often they are
# interrupted; that alone must not fail them.
sub workflow_cluster
{
	my ($name, @settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	workflow_settings($node, @settings);
	$node->start;
	return $node;
}

# The same for a cluster that has been initialised in another way.
sub workflow_settings
{
	my ($node, @settings) = @_;

	$node->append_conf('postgresql.conf',
		join("\n",
			"shared_preload_libraries = 'pg_workflow'",
			"max_worker_processes = 20",
			"workflow.max_recoveries = 1000",
			"log_line_prefix = '%m [%p] %b '", @settings, ''));
	return;
}

# The extension, and in it the workflow "endless" of one step that does not end,
# and "short" of one that does.
sub install_extension
{
	my ($node, $database) = @_;

	$node->safe_psql(
		$database, q{
		CREATE EXTENSION pg_workflow;
		SELECT workflow.define('{"name": "endless", "start_step": "sleep", "steps":
			{"sleep": {"type": "sql", "sql": "SELECT pg_sleep(3600)"}}}');
		SELECT workflow.define('{"name": "short", "start_step": "one", "steps":
			{"one": {"type": "sql", "sql": "SELECT 1"}}}');
	});
	return;
}

# Start an execution that does not end, and wait until its step runs.
sub start_endless
{
	my ($node, $database) = @_;
	my $id = $node->safe_psql($database, "SELECT workflow.start('endless')");

	wait_for_endless($node, $database);
	return $id;
}

# Wait until an endless step runs in the database, in a process other than the
# given one.
sub wait_for_endless
{
	my ($node, $database, $other_than) = @_;

	$other_than //= 0;
	$node->poll_query_until(
		'postgres', qq{
		SELECT count(*) >= 1 FROM pg_stat_activity
		WHERE backend_type = 'pg_workflow executor' AND datname = '$database'
			AND wait_event = 'PgSleep' AND pid <> $other_than})
	  or die "no endless step runs in $database";
	return;
}

# SQL: the databases that have a scheduler, comma-separated in order.
sub schedulers
{
	return q{
		SELECT coalesce(string_agg(datname::text, ',' ORDER BY datname::text), '')
		FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler'};
}

# Wait until exactly these databases have a scheduler.
sub wait_for_schedulers
{
	my ($node, $databases) = @_;

	return $node->poll_query_until('postgres', schedulers(), $databases);
}

# Wait for the status of an execution.
sub wait_for_status
{
	my ($node, $database, $id, $status) = @_;

	return $node->poll_query_until($database,
		"SELECT status = '$status' FROM workflow.executions WHERE id = $id");
}

# Define a workflow of SQL steps that run one after the other: s1, s2 ..  A step is
# its SQL, or a hash of its fields.
sub define_sql
{
	my ($node, $database, $name, @steps) = @_;
	my $number = 0;
	my @drafts = map {
		{ id => 's' . ++$number, type => 'sql', result => 'value',
			(ref $_ ? %$_ : (sql => $_)) }
	} @steps;
	my $definition = encode_json({ name => $name, steps => \@drafts });

	$node->safe_psql($database, "SELECT workflow.define(\$definition\$$definition\$definition\$)");
	return;
}

# Start an execution, as a role when one is given, wait for its end and give its id.
sub run_execution
{
	my ($node, $database, $workflow, $role) = @_;
	my $as = defined $role ? "SET ROLE $role;" : '';
	my $id = $node->safe_psql($database, "$as SELECT workflow.start('$workflow')");

	$node->safe_psql($database, "SELECT FROM workflow.wait($id, '60 s')");
	return $id;
}

# Start so many executions by a call of workflow.start(), each when the one before has ended,
# in one session: what is done by the clock meanwhile is little beside what each does.
sub run_one_by_one
{
	my ($node, $database, $count, $start) = @_;

	$node->safe_psql($database, "SELECT $start AS id \\gset\nSELECT FROM workflow.wait(:id, '60 s');\n" x $count);
	return;
}

# SQL: a function without arguments that does not end, however often it is cancelled.
sub deaf_sql
{
	my ($name) = @_;

	return qq{
		CREATE FUNCTION $name() RETURNS void LANGUAGE plpgsql AS \$deaf\$
		BEGIN
			LOOP
				BEGIN
					PERFORM pg_sleep(3600);
				EXCEPTION WHEN query_canceled THEN
					NULL;
				END;
			END LOOP;
		END \$deaf\$;
	};
}

# The steps of an execution in order, each as "step status output-or-error-type".
sub step_rows
{
	my ($node, $database, $id) = @_;

	return $node->safe_psql($database, qq{
		SELECT step_id || ' ' || status || ' ' || coalesce(error_type, output #>> '{}', 'null')
		FROM workflow.step_executions WHERE execution_id = $id ORDER BY started_at, completed_at});
}

# Process id of the launcher, or of a scheduler or an executor of a database.
sub worker_pid
{
	my ($node, $kind, $database) = @_;
	my $where = defined $database ? "datname = '$database'" : 'datname IS NULL';

	return $node->safe_psql('postgres', qq{
		SELECT min(pid) FROM pg_stat_activity
		WHERE backend_type = 'pg_workflow $kind' AND $where});
}

1;
