# Processes that stand still at a fault point (src/shared/fault.h), while a test does something.

package FaultPoints;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(fault_installation allow_fault_points ask_for_point wait_at_point leave_point);

# What a node is made with to have the library with fault points.
sub fault_installation
{
	return (install_path => $ENV{PGWF_FAULTS} // die 'PGWF_FAULTS is not set: "make check" does that');
}

sub allow_fault_points
{
	my ($node) = @_;

	mkdir $node->data_dir . '/fault_points' or die "fault_points: $!";
	return;
}

# The next one that gets to the point stands still there.
sub ask_for_point
{
	my ($node, $point) = @_;

	append_to_file($node->data_dir . "/fault_points/$point", '');
	return;
}

# Who stands at the point.
sub wait_at_point
{
	my ($node, $point) = @_;
	my $until = time() + $PostgreSQL::Test::Utils::timeout_default;

	while (time() < $until)
	{
		my ($taken) = glob($node->data_dir . "/fault_points/$point.*");

		return $taken =~ s/.*\.//r if defined $taken;
		usleep(2_000);
	}
	die "nobody comes to $point";
}

# Who stands there goes on.
sub leave_point
{
	my ($node, $point) = @_;

	unlink glob($node->data_dir . "/fault_points/$point.*");
	return;
}

1;
