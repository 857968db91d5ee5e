/*-------------------------------------------------------------------------
 *
 * black_box.c
 *	  Who was at work when the server went down.
 *
 * NOTES
 *	  When a process crashes, the postmaster ends all others and makes shared
 *	  memory anew, so that nobody knows any more whose process it was.  This
 *	  memory is POSIX shared memory of our own and outlives that, and the
 *	  postmaster.  Each executor, and each scheduler, has an entry that only it
 *	  writes: what it is at, as long as it is.  A process that the postmaster
 *	  ends (SIGQUIT), or that sees it gone, takes its entry back first, which a
 *	  process that crashes, or is killed, cannot.  What is left accuses.
 *
 *	  Parallel workers of a step's query count themselves in their executor's
 *	  entry, and out again in the same ways: one that crashes accuses what its
 *	  executor was at.  Those that build an index come past no hook; there the
 *	  executor leaves its entry.
 *
 *	  It goes with the machine.  After that nobody knows, and everything that
 *	  ran is counted.
 *
 *	  Not a file in the data directory: a page of a mapped file that cannot be
 *	  written when the disk is full ends the process that touches it (SIGBUS).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/parallel.h"
#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "common/file_perm.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/elog.h"
#include "utils/memutils.h"

#include "shared/black_box.h"
#include "shared/weather.h"

typedef enum EntryState
{
	ENTRY_NONE,
	ENTRY_AT_WORK,
	ENTRY_ENDED					/* was at work, and was ended for what
								 * another has done */
} EntryState;

typedef struct BoxEntry
{
	volatile sig_atomic_t state;	/* an EntryState */
	pg_atomic_uint32 workers;	/* parallel workers that are at it */
	Oid			database;
	int			nexecutions;	/* 0: a scheduler; the first number is what
								 * that handles, 0: none */
	int64		execution_ids[RUN_MAX_EXECUTIONS];
} BoxEntry;

/*
 * Changes with the structures: a library of another version does not read what
 * is left.
 */
#define BOX_MAGIC 0x50475702

typedef struct BlackBox
{
	uint32		magic;			/* written last */
	int			nentries;
	BoxEntry	entries[FLEXIBLE_ARRAY_MEMBER];
} BlackBox;

static BlackBox *box = NULL;
static BoxEntry *my_entry = NULL;
static BoxEntry *my_leaders_entry = NULL;	/* in a parallel worker */
static ExecutorStart_hook_type next_executor_start = NULL;
static ExecutorEnd_hook_type next_executor_end = NULL;
static volatile sig_atomic_t in_parallel_query = false;
static emit_log_hook_type next_log_hook = NULL;

/*
 * What those who were here before have left, as the postmaster found it;
 * inherited from it.
 */
static BoxEntry *left = NULL;
static int	nleft = 0;

static void look_at_messages(void);

static Size
size_of_box(int nentries)
{
	return add_size(offsetof(BlackBox, entries),
					mul_size(nentries, sizeof(BoxEntry)));
}

/* The name of this data directory's box, at most 30 characters (macOS). */
static const char *
box_name(void)
{
	static char name[32];
	struct stat status;
	uint64		hash;
	struct
	{
		uint64		system;
		uint64		device;
		uint64		inode;
	}			directory = {0};

	if (stat(DataDir, &status) != 0)
		return NULL;
	directory.system = GetSystemIdentifier();
	directory.device = status.st_dev;
	directory.inode = status.st_ino;
	hash = hash_bytes_extended((unsigned char *) &directory, sizeof(directory),
							   0);
	snprintf(name, sizeof(name), "/pg_workflow.%08x%08x", (uint32) (hash >> 32),
			 (uint32) hash);
	return name;
}

/* What was left by an earlier crash says nothing of the next one. */
static void
forget_entries(void)
{
	if (left != NULL)
		pfree(left);
	left = NULL;
	nleft = 0;
}

/* Keep what is in a box for those who ask later. */
static void
keep_entries(const BlackBox *found)
{
	Size		size = found->nentries * sizeof(BoxEntry);

	forget_entries();
	left = MemoryContextAlloc(TopMemoryContext, Max(size, 1));
	memcpy(left, found->entries, size);
	nleft = found->nentries;
}

/*
 * Read the box that another postmaster has left, if there is one that we can
 * trust.
 */
static void
read_box(const char *name)
{
	int			fd = shm_open(name, O_RDONLY, 0);
	struct stat status;
	BlackBox   *found;

	if (fd < 0)
		return;
	if (fstat(fd, &status) == 0 && status.st_uid == geteuid() &&
		status.st_size >= (off_t) offsetof(BlackBox, entries))
	{
		found = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (found != MAP_FAILED)
		{
			if (found->magic == BOX_MAGIC && found->nentries >= 0 &&
				status.st_size >= (off_t) size_of_box(found->nentries))
				keep_entries(found);
			munmap(found, status.st_size);
		}
	}
	close(fd);
}

/*
 * What is not there yet when it is written, and cannot be had then, would be a
 * SIGBUS.
 */
static bool
have_room(int fd, Size size)
{
#ifdef HAVE_POSIX_FALLOCATE
	do
		errno = posix_fallocate(fd, 0, size);
	while (errno == EINTR);
	return errno == 0;
#else
	return true;
#endif
}

/* Make an empty one in its place; NULL: none can be had, for errno. */
static BlackBox *
make_box(const char *name, int nentries)
{
	Size		size = size_of_box(nentries);
	BlackBox   *made = MAP_FAILED;
	int			fd;
	int			error;

	/* who still has the old one mapped keeps it */
	shm_unlink(name);
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, pg_file_create_mode);
	if (fd < 0)
		return NULL;
	if (ftruncate(fd, size) == 0 && have_room(fd, size))
		made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	error = errno;
	close(fd);
	if (made == MAP_FAILED)
	{
		shm_unlink(name);
		errno = error;
		return NULL;
	}
	made->nentries = nentries;
	made->magic = BOX_MAGIC;
	return made;
}

/*
 * Was nothing of ours interrupted when the server that wrote this data
 * directory went?  It was shut down, or ended in its recovery, for want of room
 * say, where none of us had begun.  Asked while the control file still says so:
 * not yet started, restarting after a crash, or when the postmaster itself
 * ends.
 */
bool
server_was_shut_down(void)
{
	bool		is_valid;
	ControlFileData *control = get_controlfile(DataDir, &is_valid);
	bool		result = is_valid &&
		(control->state == DB_SHUTDOWNED ||
		 control->state == DB_SHUTDOWNED_IN_RECOVERY ||
		 control->state == DB_SHUTDOWNING ||
		 control->state == DB_IN_CRASH_RECOVERY);

	pfree(control);
	return result;
}

/*
 * The postmaster ends, or makes shared memory anew.  After a shutdown nobody
 * has a question; else the box stays for the next postmaster.
 */
static void
leave_box(int code pg_attribute_unused(), Datum argument pg_attribute_unused())
{
	const char *name = box_name();

	if (name != NULL && server_was_shut_down())
		shm_unlink(name);
}

void
black_box_open(int nslots, int ndatabases)
{
	const char *name;

	if (!IsPostmasterEnvironment)
		return;					/* a server in single-user mode leaves it
								 * alone */
	forget_entries();
	if (box != NULL)
	{
		/* the settings are those of then: they need a restart */
		keep_entries(box);
		memset(box->entries, 0, box->nentries * sizeof(BoxEntry));
	}
	else
	{
		name = box_name();
		if (name == NULL)
			return;
		read_box(name);
		box = make_box(name, nslots + ndatabases);
		if (box == NULL)
			ereport(LOG,
					(errmsg("could not make shared memory \"%s\": %m", name),
					 errdetail("After a crash of the server all workflow executions that ran "
							   "will be counted as recovered.")));
	}
	on_shmem_exit(leave_box, (Datum) 0);
}

bool
black_box_knows(void)
{
	return left != NULL;
}

/* Has the process crashed, or a parallel worker of it? */
static bool
accuses(BoxEntry *entry)
{
	return entry->state == ENTRY_AT_WORK ||
		(entry->state == ENTRY_ENDED &&
		 pg_atomic_read_u32(&entry->workers) > 0);
}

static bool
is_accused(Oid database, int64 id)
{
	for (int i = 0; i < nleft; i++)
		if (accuses(&left[i]) && left[i].database == database)
			for (int j = 0;
				 j < Max(Min(left[i].nexecutions, RUN_MAX_EXECUTIONS), 1); j++)
				if (left[i].execution_ids[j] == id)
					return true;
	return false;
}

void
black_box_accused(Oid database, bool *all_but, int64 **ids, int *count)
{
	*all_but = false;
	for (int i = 0; i < nleft; i++)
		if (accuses(&left[i]) && left[i].database == database &&
			left[i].nexecutions == 0)
			*all_but = true;

	*ids = palloc(Max(nleft, 1) * RUN_MAX_EXECUTIONS * sizeof(int64));
	*count = 0;
	for (int i = 0; i < nleft; i++)
	{
		BoxEntry   *entry = &left[i];

		if (entry->state == ENTRY_NONE || entry->database != database)
			continue;
		for (int j = 0; j < Min(entry->nexecutions, RUN_MAX_EXECUTIONS); j++)
			if (is_accused(database, entry->execution_ids[j]) != *all_but)
				(*ids)[(*count)++] = entry->execution_ids[j];
	}
}

/*
 * Do we build an index by parallel workers, that is anything but a query?
 * Whether one of them has crashed, nobody knows.  In a signal handler.
 */
static bool
builds_in_parallel(void)
{
	return ParallelContextActive() && !in_parallel_query;
}

/*
 * The postmaster ends us, since another process has crashed, or at once,
 * because it was told to.
 */
static void
handle_sigquit(SIGNAL_ARGS)
{
	if (my_entry != NULL && my_entry->state == ENTRY_AT_WORK &&
		!builds_in_parallel())
		my_entry->state = ENTRY_ENDED;
	SignalHandlerForCrashExit(postgres_signal_arg);
}

/* --- parallel workers --- */

/*
 * A process that is ended in the middle of counting itself would be counted for
 * ever.
 */
static void
hold_sigquit(bool held)
{
	sigset_t	signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGQUIT);
	sigprocmask(held ? SIG_BLOCK : SIG_UNBLOCK, &signals, NULL);
}

/*
 * It works for an executor no more; that may have another run by now, and none
 * of its workers.  SIGQUIT is held.
 */
static void
count_me_out(void)
{
	BoxEntry   *entry = my_leaders_entry;
	uint32		workers;

	my_leaders_entry = NULL;
	if (entry == NULL)
		return;
	workers = pg_atomic_read_u32(&entry->workers);
	while (
		workers > 0 &&
		!pg_atomic_compare_exchange_u32(&entry->workers, &workers, workers - 1))
		;
}

static void
count_me_out_at_exit(int code pg_attribute_unused(),
					 Datum argument pg_attribute_unused())
{
	hold_sigquit(true);
	count_me_out();
	hold_sigquit(false);
}

static void
handle_workers_sigquit(SIGNAL_ARGS)
{
	count_me_out();
	SignalHandlerForCrashExit(postgres_signal_arg);
}

/* A parallel worker begins with its part of a query: perhaps of a step. */
static void
count_me_in(void)
{
	PGPROC	   *leader = MyProc->lockGroupLeader;

	if (box == NULL || registry == NULL || leader == NULL)
		return;
	for (int i = 0; i < registry->nslots && my_leaders_entry == NULL; i++)
		if (*(volatile pid_t *) &registry->slots[i].pid == leader->pid)
			my_leaders_entry = &box->entries[i];
	if (my_leaders_entry == NULL)
		return;
	hold_sigquit(true);
	pg_atomic_fetch_add_u32(&my_leaders_entry->workers, 1);
	pqsignal(SIGQUIT, handle_workers_sigquit);
	hold_sigquit(false);
	on_shmem_exit(count_me_out_at_exit, (Datum) 0);
	look_at_messages();
}

static void
look_at_executor_start(QueryDesc *query, int eflags)
{
	static bool counted = false;

	if (IsParallelWorker() && !counted)
	{
		counted = true;			/* it has one leader */
		count_me_in();
	}
	if (my_entry != NULL && query->plannedstmt->parallelModeNeeded)
		in_parallel_query = true;
	if (next_executor_start != NULL)
		next_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

static void
look_at_executor_end(QueryDesc *query)
{
	if (query->plannedstmt->parallelModeNeeded)
		in_parallel_query = false;
	if (next_executor_end != NULL)
		next_executor_end(query);
	else
		standard_ExecutorEnd(query);
}

void
install_black_box(void)
{
	next_executor_end = ExecutorEnd_hook;
	ExecutorEnd_hook = look_at_executor_end;
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = look_at_executor_start;
}

/* --- executors and schedulers --- */

/* A PANIC for want of room on the disk, say, is nobody's fault. */
static void
look_at_message(ErrorData *error)
{
	if (error->elevel >= PANIC && error_is_weather(error))
	{
		black_box_end();
		count_me_out();
	}
	if (next_log_hook != NULL)
		next_log_hook(error);
}

static void
look_at_messages(void)
{
	next_log_hook = emit_log_hook;
	emit_log_hook = look_at_message;
}

void
black_box_attach(int slot)
{
	if (box == NULL)
		return;
	my_entry =
		&box->entries[slot >= 0 ? slot :
								  registry->nslots +
							  (int) (my_database_entry - registry->databases)];
	pg_atomic_init_u32(&my_entry->workers, 0);
	pqsignal(SIGQUIT, handle_sigquit);
	look_at_messages();
}

void
black_box_begin(Oid database, const Run *run)
{
	if (my_entry == NULL)
		return;
	my_entry->database = database;
	my_entry->nexecutions = run != NULL ? run->nexecutions : 0;
	my_entry->execution_ids[0] = 0;
	in_parallel_query = false;
	if (run != NULL)
		memcpy(my_entry->execution_ids, run->execution_ids,
			   run->nexecutions * sizeof(int64));
	my_entry->state = ENTRY_AT_WORK;
}

void
black_box_handles(int64 execution_id)
{
	if (my_entry != NULL)
		my_entry->execution_ids[0] = execution_id;
}

void
black_box_end(void)
{
	if (my_entry != NULL)
		my_entry->state = ENTRY_NONE;
}
