# Nothing is open while nothing runs: asked of each cluster that a test stops in an orderly
# way.  An execution that is running, or may begin, while no executor works, is one that nobody
# comes for, unless it waits for a time, is held, or the test says that it is left so on purpose.

package Watchdog;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PatientPsql;
use PostgreSQL::Test::Cluster;
use Test::More;

our @EXPORT = qw(left_open check_attended);

my %left_open;

# Executions of these workflows may be open at the end of the test, though nobody works on them.
sub left_open
{
	my ($node, @workflows) = @_;

	push @{ $left_open{ $node->name } }, @workflows;
	return;
}

# The executions of a database that nobody comes for.
sub unattended
{
	my ($node) = @_;
	my $names = join ', ', map { "'$_'" } @{ $left_open{ $node->name } // [] }, '';

	return qq{
		FROM workflow.executions AS e
		WHERE NOT e.inline AND e.workflow NOT IN ($names)
		AND current_setting('workflow.enabled')::boolean
		AND NOT EXISTS (SELECT FROM workflow.database_state WHERE drain IS NOT NULL)
		AND NOT EXISTS (SELECT FROM workflow.executors
			WHERE database = current_database() AND state <> 'idle')
		AND (e.status = 'pending' AND NOT e.limited AND coalesce(e.start_at, '-infinity') <= clock_timestamp()
			OR e.status IN ('running', 'cancelling')
				AND NOT coalesce(e.step_marks, '{}') \@? '\$.* ? (\@.mark == "hold")'
				AND NOT EXISTS (SELECT FROM workflow.step_executions AS s
					WHERE s.execution_id = e.id AND s.retry_at > clock_timestamp()))};
}

# Somebody comes for every execution that is open.
sub check_attended
{
	my ($node, $database) = @_;
	my $unattended = unattended($node);

	$node->poll_query_until($database, "SELECT NOT EXISTS (SELECT $unattended)") and return;
	fail("nothing is open in $database while nothing runs");
	diag($node->safe_psql($database, "SELECT e.id, e.workflow, e.status, e.ending, e.recoveries $unattended LIMIT 20"));
	return;
}

# The same in all databases of a cluster that answers.
sub check_cluster
{
	my ($node) = @_;
	my ($status, $databases);

	$status = eval {
		$node->psql('postgres', q{SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate
			AND current_setting('shared_preload_libraries') ~ 'pg_workflow' AND NOT pg_is_in_recovery()},
			stdout => \$databases, stderr => \my $ignored);
	} // 1;
	return if $status != 0;
	foreach my $database (split /\n/, $databases)
	{
		my ($present, $read) = ('');

		$read = $node->psql($database, q{SELECT to_regclass('workflow.executions')}, stdout => \$present, stderr => \my $ignored);
		next if $read != 0 || $present eq '';
		# of another version than the library it is not served
		check_attended($node, $database)
		  if $node->safe_psql($database, q{SELECT extversion = workflow.version() FROM pg_extension WHERE extname = 'pg_workflow'}) eq 't';
	}
	return;
}

# Each cluster is asked before it is stopped, and those that run at the end of the test then.
my @nodes;

{
	my $start = PostgreSQL::Test::Cluster->can('start');
	my $stop = PostgreSQL::Test::Cluster->can('stop');
	my $done_testing = Test::More->can('done_testing');

	no strict 'refs';
	no warnings 'redefine';
	*{'PostgreSQL::Test::Cluster::start'} = sub {
		push @nodes, $_[0];
		return $start->(@_);
	};
	*{'PostgreSQL::Test::Cluster::stop'} = sub {
		my ($node, $mode) = @_;

		check_cluster($node) if ($mode // 'fast') eq 'fast' && defined $node->{_pid};
		@nodes = grep { $_ != $node } @nodes;
		return $stop->(@_);
	};
	*{'Test::More::done_testing'} = *{'main::done_testing'} = sub {
		check_cluster($_) foreach grep { defined $_->{_pid} } @nodes;
		@nodes = ();
		return $done_testing->(@_);
	};
}

1;
