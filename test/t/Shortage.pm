# A machine that runs short: no room for what makes a file longer, no memory for one process or for
# all of a kind.  A library that is loaded before all others answers as the operating system
# would; it looks at a file that all processes share, so that a test decides from when until when.
#
# What is written in place has its room, as on most file systems.

package Shortage;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(prepare_shortage no_room no_memory refusals);

my $folder = PostgreSQL::Test::Utils::tempdir();
my $file = "$folder/shortage";
my ($room, @memory);

# To be called before servers are started.
sub prepare_shortage
{
	append_to_file("$folder/shortage.c", <<'EOC');
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile struct
{
	char		full[64];		/* part of the path of files that have no room; empty: none */
	int			least;			/* bytes that are too many to ask for; 0: none are */
	int			pid;			/* whom that is for; 0: .. */
	char		type[96];		/* .. all background workers of this type */
	int			refused;		/* how often something was refused */
}		   *shortage;

/* The server's: who this process is. */
extern struct
{
	char		name[96];
	char		type[96];
}		   *MyBgworkerEntry __attribute__((weak));

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

__attribute__((constructor)) static void
open_shortage(void)
{
	int			shared = open(getenv("SHORTAGE"), O_RDWR);
	void	   *address = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);

	if (address == MAP_FAILED)
		abort();
	close(shared);
	shortage = address;
}

static int
refuse(int error)
{
	__atomic_fetch_add(&shortage->refused, 1, __ATOMIC_RELAXED);
	errno = error;
	return -1;
}

/* Would the file become longer, and is there no room for that? */
static int
is_full(int target, off_t end)
{
	char		link[32];
	char		path[4096];
	struct stat status;
	ssize_t		length;

	if (shortage == NULL || shortage->full[0] == '\0')
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", target);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return 0;
	path[length] = '\0';
	return strstr(path, (const char *) shortage->full) != NULL && fstat(target, &status) == 0 &&
		end > status.st_size;
}

ssize_t
pwrite(int target, const void *data, size_t size, off_t offset)
{
	if (is_full(target, offset + size))
		return refuse(ENOSPC);
	return syscall(SYS_pwrite64, target, data, size, offset);
}

ssize_t
pwritev(int target, const struct iovec *parts, int count, off_t offset)
{
	off_t		end = offset;

	for (int i = 0; i < count; i++)
		end += parts[i].iov_len;
	if (is_full(target, end))
		return refuse(ENOSPC);
	return syscall(SYS_pwritev, target, parts, count, offset, 0);
}

ssize_t
write(int target, const void *data, size_t size)
{
	off_t		offset = -1;

	if (shortage != NULL && shortage->full[0] != '\0')
		offset = lseek(target, 0, SEEK_CUR);
	if (offset >= 0 && is_full(target, offset + size))
		return refuse(ENOSPC);
	return syscall(SYS_write, target, data, size);
}

int
posix_fallocate(int target, off_t offset, off_t size)
{
	if (is_full(target, offset + size))
	{
		(void) refuse(ENOSPC);
		return ENOSPC;
	}
	return syscall(SYS_fallocate, target, 0, offset, size) == 0 ? 0 : errno;
}

/* what is built for large files calls it by these names */
ssize_t		pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
ssize_t		pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));
int			posix_fallocate64(int, off_t, off_t) __attribute__((alias("posix_fallocate")));

static int
has_no_memory(size_t size)
{
	if (shortage == NULL || shortage->least == 0 || size < (size_t) shortage->least)
		return 0;
	if (shortage->pid != 0)
		return shortage->pid == getpid();
	return &MyBgworkerEntry != NULL && MyBgworkerEntry != NULL &&
		strcmp(MyBgworkerEntry->type, (const char *) shortage->type) == 0;
}

void *
malloc(size_t size)
{
	if (has_no_memory(size))
		return refuse(ENOMEM), NULL;
	return __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	if (has_no_memory(count * size))
		return refuse(ENOMEM), NULL;
	return __libc_calloc(count, size);
}

void *
realloc(void *memory, size_t size)
{
	if (has_no_memory(size))
		return refuse(ENOMEM), NULL;
	return __libc_realloc(memory, size);
}
EOC
	system_or_bail(split(' ', $ENV{CC} || 'cc'), '-O1', '-fPIC', '-fno-builtin', '-shared', '-o', "$folder/shortage.so",
		"$folder/shortage.c");
	append_to_file($file, "\0" x 4096);
	$ENV{SHORTAGE} = $file;
	$ENV{LD_PRELOAD} = "$folder/shortage.so";
	($room, @memory) = ('', 0, 0, '');
	return;
}

sub put_shortage
{
	open my $handle, '+<', $file or die "$file: $!";
	syswrite($handle, pack('Z64 i i Z96', $room, @memory)) == 168 or die "$file: $!";
	close $handle;
	return;
}

# Files whose path has this in it cannot become longer from now on; '': all can.
sub no_room
{
	($room) = @_;
	put_shortage();
	return;
}

# From now on a process, or all background workers of a type, cannot get so many bytes at once, or
# more; without arguments all can.
sub no_memory
{
	my ($who, $least) = @_;

	@memory = !defined $who ? (0, 0, '') : $who =~ /^\d+$/ ? ($least, $who, '') : ($least, 0, $who);
	put_shortage();
	return;
}

# How often something was refused until now.
sub refusals
{
	open my $handle, '<', $file or die "$file: $!";
	sysseek($handle, 168, 0);
	sysread($handle, my $bytes, 4) == 4 or die "$file: $!";
	close $handle;
	return unpack('i', $bytes);
}

1;
