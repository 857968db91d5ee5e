# The kill matrix: in each transition of the state machines (docs/architecture/state-machines.md) somebody is
# killed, or stopped, while a process stands in the middle of it.  Then everything ends, within
# the time that the server is given for anything, and each effect is there once.
#
# Here each point has its turn once, with another victim and another signal each.  PGWF_KILLS is
# the number of kills, PGWF_KILL_MINUTES after how many minutes to do no more
# ("make kill-matrix KILLS=1000 MINUTES=60"); PGWF_KILL_ROUND chooses others for the same points.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use KillMatrix;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my @points = kill_points();
my @blows = kill_blows();
my $kills = $ENV{PGWF_KILLS} // @points;
my $round = $ENV{PGWF_KILL_ROUND} // 0;
my $until = time() + 60 * ($ENV{PGWF_KILL_MINUTES} // 1_000_000);
my $made = 0;
my $node = kill_cluster('kill_matrix');

for my $number (0 .. $kills - 1)
{
	last if time() > $until;
	my $point = $number % @points;
	my ($whom, $signal) = @{ $blows[ ($point + $round + int($number / @points)) % @blows ] };

	kill_once($node, $points[$point], $whom, $signal);
	$made++;
}

check_finished($node, 'w', 'after the kills');
check_effects($node, 'w', 'true', 'after the kills');
check_pool($node, 'w', 'after the kills');
my ($counted, $slowest, $slowest_case) = kill_report();
diag("$made kills: $counted");
diag(sprintf 'the longest time until all had ended: %.1f s (%s)', $slowest, $slowest_case);
$node->stop('fast');

done_testing();
