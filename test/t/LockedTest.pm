# What the tests of locks share, of the database "w" of a crash_cluster(): the scheduler goes
# on for everybody else.

package LockedTest;

use strict;
use warnings FATAL => 'all';

use CrashTest;
use Exporter 'import';
use Test::More;
use WorkflowTest;

our @EXPORT = qw(define_short others_go_on restart_scheduler scheduler_pid);

# The workflow that others run.
sub define_short
{
	my ($node) = @_;

	$node->safe_psql('w', 'SELECT workflow.define(\'{"name": "short", "steps": [{"id": "one", "sql": "SELECT 1"}]}\')');
	return;
}

sub scheduler_pid
{
	my ($node) = @_;

	return worker_pid($node, 'scheduler', 'w');
}

# An execution of somebody else begins and ends.
sub others_go_on
{
	my ($node, $when) = @_;
	my $id = $node->safe_psql('w', q{SELECT workflow.start('short')});

	ok($node->poll_query_until('w', "SELECT status = 'completed' FROM workflow.executions WHERE id = $id"),
		"$when: others go on")
	  or diagnose($node, 'w');
	return;
}

sub restart_scheduler
{
	my ($node) = @_;
	my $before = scheduler_pid($node);

	kill 'TERM', $before;
	wait_until($node, qq{SELECT count(*) = 1 FROM pg_stat_activity
		WHERE backend_type = 'pg_workflow scheduler' AND pid <> $before}, 'another scheduler takes over');
	return;
}

1;
