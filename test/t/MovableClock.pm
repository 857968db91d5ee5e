# Clusters whose clock a test moves: what happens by days and hours, with time zones and clocks that
# jump, is seen without waiting.
#
# The server's clock, in C and in SQL, ours and that of everything in it, is that of the machine and
# so many seconds, by a library that is loaded before all others. How long something takes, by the
# monotonic clock, is what it is; but pg_sleep() sleeps by the server's.

package MovableClock;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use WorkflowTest ();

my $folder;

sub build_clock
{
	append_to_file("$folder/clock.c", <<'EOC');
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int *ahead;

/* Seconds that the clock is ahead: the first word of a file that all processes share. */
__attribute__((constructor)) static void
open_clock(void)
{
	int			file = open(getenv("CLOCK_AHEAD"), O_RDONLY);

	ahead = mmap(NULL, sizeof(int), PROT_READ, MAP_SHARED, file, 0);
	if (ahead == MAP_FAILED)
		abort();
	close(file);
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			result = syscall(SYS_clock_gettime, clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += *ahead;
	return result;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;
	int			result = clock_gettime(CLOCK_REALTIME, &precise);

	(void) zone;
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return result;
}

time_t
time(time_t *result)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (result)
		*result = now.tv_sec;
	return now.tv_sec;
}
EOC
	system_or_bail(split(' ', $ENV{CC} || 'cc'), '-O1', '-fPIC', '-shared', '-o', "$folder/clock.so", "$folder/clock.c");
	append_to_file("$folder/ahead", pack('i', 0));
	return;
}

# As WorkflowTest's, at first with the clock of the machine. All clusters of a test have one clock.
sub movable_cluster
{
	my @arguments = @_;

	if (!defined $folder)
	{
		$folder = PostgreSQL::Test::Utils::tempdir();
		build_clock();
	}
	local %ENV = (%ENV, LD_PRELOAD => "$folder/clock.so", CLOCK_AHEAD => "$folder/ahead");
	return WorkflowTest::workflow_cluster(@arguments);
}

# The clock is so many seconds ahead of the machine's from now on, in all processes.
sub set_ahead
{
	my ($seconds) = @_;

	open my $file, '+<', "$folder/ahead" or die "$folder/ahead: $!";
	syswrite($file, pack('i', $seconds)) == length(pack('i', 0)) or die "$folder/ahead: $!";
	close $file;
	return;
}

1;
