# Nothing is open while nothing runs: asked of each cluster of each test before it is stopped in
# an orderly way, and at the end of the test of those that run, or that were stopped otherwise,
# which are started again for it.  An execution that is running, or may begin, while no executor
# works, is one that nobody comes for, unless it waits for a time, is held, or the test says that it
# is left so on purpose.  So is one that waits for others, when there are none, and one that waits
# in the table for what has come already, or for nothing.

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

# The executions of a database that nobody comes for.  The version before has no table in which
# they wait.
sub unattended
{
	my ($node, $database) = @_;
	my $names = join ', ', map { "'$_'" } @{ $left_open{ $node->name } // [] }, '';
	my $waits = $node->safe_psql($database, q{SELECT to_regclass('workflow.waits')}) eq '' ? '' : q{
			OR e.status = 'waiting' AND NOT EXISTS (SELECT FROM workflow.waits AS w
				WHERE w.execution_id = e.id AND w.until > clock_timestamp()
				AND (w.kind <> 'hold' OR e.step_marks -> w.step_id ->> 'mark' = 'hold'))
			-- what has ended takes its rows with it
			OR e.completed_at IS NOT NULL AND EXISTS (SELECT FROM workflow.waits AS w WHERE w.execution_id = e.id)};

	return qq{
		FROM workflow.executions AS e
		WHERE NOT e.inline AND e.workflow NOT IN ($names)
		AND current_setting('workflow.enabled')::boolean
		AND NOT EXISTS (SELECT FROM workflow.database_state WHERE drain IS NOT NULL)
		AND NOT EXISTS (SELECT FROM workflow.executors
			WHERE database = current_database() AND state <> 'idle')
		AND (e.status = 'pending' AND NOT e.limited AND coalesce(e.start_at, '-infinity') <= clock_timestamp()
			-- limits count what lives
			OR e.status = 'pending' AND e.limited
				AND e.workflow <> ALL (ARRAY(SELECT o.workflow FROM workflow.executions AS o WHERE o.status IN ('running', 'cancelling')))
				AND coalesce(e.tenant <> ALL (ARRAY(SELECT o.tenant FROM workflow.executions AS o
					WHERE o.status IN ('running', 'cancelling') AND o.tenant IS NOT NULL)), true)
				AND e.role::oid <> ALL (ARRAY(SELECT o.role::oid FROM workflow.executions AS o WHERE o.status IN ('running', 'cancelling')))
			OR e.id IN (SELECT q.execution_id FROM workflow.schedule_queue AS q WHERE q.running < q.max_concurrent_runs)
			OR e.status = 'blocked' AND NOT EXISTS (SELECT FROM workflow.blocked_workflows AS b
				WHERE b.workflow = e.workflow AND b.unblocked_at IS NULL AND (b.role IS NULL OR b.role::oid = e.role::oid))
			OR e.status IN ('running', 'cancelling')
				AND NOT coalesce(e.step_marks, '{}') \@? '\$.* ? (\@.mark == "hold")'
				AND NOT EXISTS (SELECT FROM workflow.step_executions AS s
					WHERE s.execution_id = e.id AND s.retry_at > clock_timestamp())
			$waits)};
}

# Somebody comes for every execution that is open.
sub check_attended
{
	my ($node, $database) = @_;
	my $unattended = unattended($node, $database);

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

# Each cluster is asked before it is stopped, and at the end of the test those that run then, and
# those whose last stop was a crash.
my (@nodes, %crashed);

# What a crash has left behind is gone on with, without standbys that have gone, too.
sub check_crashed
{
	my ($node) = @_;

	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$node->start(fail_ok => 1) or return fail('cluster ' . $node->name . ' starts again');
	check_cluster($node);
	$node->stop('immediate');
	return;
}

{
	my $start = PostgreSQL::Test::Cluster->can('start');
	my $stop = PostgreSQL::Test::Cluster->can('stop');
	my $kill = PostgreSQL::Test::Cluster->can('kill9');
	my $done_testing = Test::More->can('done_testing');

	no strict 'refs';
	no warnings 'redefine';
	*{'PostgreSQL::Test::Cluster::start'} = sub {
		my ($node) = @_;

		@nodes = ((grep { $_ != $node } @nodes), $node);
		delete $crashed{ $node->name };
		return $start->(@_);
	};
	*{'PostgreSQL::Test::Cluster::stop'} = sub {
		my ($node, $mode) = @_;

		check_cluster($node) if ($mode // 'fast') eq 'fast' && defined $node->{_pid};
		$crashed{ $node->name } = 1 if ($mode // 'fast') eq 'immediate' && defined $node->{_pid};
		return $stop->(@_);
	};
	*{'PostgreSQL::Test::Cluster::kill9'} = sub {
		my ($node) = @_;

		$crashed{ $node->name } = 1 if defined $node->{_pid};
		return $kill->(@_);
	};
	*{'Test::More::done_testing'} = *{'main::done_testing'} = sub {
		foreach my $node (@nodes)
		{
			check_cluster($node) if defined $node->{_pid};
			check_crashed($node) if !defined $node->{_pid} && $crashed{ $node->name };
		}
		@nodes = ();
		return $done_testing->(@_);
	};
}

1;
