/*-------------------------------------------------------------------------
 *
 * black_box.c
 *	  Who was at work when the server went down.
 *
 * NOTES
 *	  When a process crashes, the postmaster ends all others and makes shared memory
 *	  anew, so that nobody knows any more whose process it was.  This memory is the
 *	  postmaster's own and outlives that.  Each executor, and each scheduler, has an
 *	  entry that only it writes: what it is at, as long as it is.  A process that the postmaster
 *	  ends (SIGQUIT) takes its entry back first, which a process that crashes, or is
 *	  killed, cannot.  What is left accuses.
 *
 *	  It goes with the postmaster.  After that nobody knows, and everything that ran
 *	  is counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/mman.h>

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/shmem.h"
#include "utils/elog.h"

#include "shared/black_box.h"
#include "shared/weather.h"

typedef struct BoxEntry
{
	volatile sig_atomic_t at_work;
	Oid			database;
	int			nexecutions;	/* 0: a scheduler */
	int64		execution_ids[RUN_MAX_EXECUTIONS];
} BoxEntry;

typedef struct BlackBox
{
	bool		crashed;		/* the entries before were left by a crash .. */
	int			nentries;
	BoxEntry	entries[FLEXIBLE_ARRAY_MEMBER];	/* .. those of now, behind them those of before */
} BlackBox;

static BlackBox *box = NULL;
static BoxEntry *my_entry = NULL;
static emit_log_hook_type next_log_hook = NULL;

static Size
size_of_entries(int nentries)
{
	return mul_size(nentries, sizeof(BoxEntry));
}

void
black_box_open(int nslots, int ndatabases)
{
	int			nentries = nslots + ndatabases;
	Size		size = add_size(offsetof(BlackBox, entries), mul_size(2, size_of_entries(nentries)));

	if (box != NULL)
	{
		/* the settings are those of then: they need a restart */
		box->crashed = true;
		memcpy(&box->entries[box->nentries], box->entries, size_of_entries(box->nentries));
		memset(box->entries, 0, size_of_entries(box->nentries));
		return;
	}
	box = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (box == MAP_FAILED)
	{
		box = NULL;				/* then nobody knows */
		return;
	}
	box->crashed = false;
	box->nentries = nentries;
}

bool
black_box_knows(void)
{
	return box != NULL && box->crashed;
}

bool
black_box_accused(Oid database, int64 **ids, int *count)
{
	*ids = palloc(Max(box->nentries, 1) * RUN_MAX_EXECUTIONS * sizeof(int64));
	*count = 0;
	for (int i = box->nentries; i < 2 * box->nentries; i++)
	{
		const BoxEntry *entry = &box->entries[i];

		if (!entry->at_work || entry->database != database)
			continue;
		if (entry->nexecutions == 0)
			return false;
		for (int j = 0; j < Min(entry->nexecutions, RUN_MAX_EXECUTIONS); j++)
			(*ids)[(*count)++] = entry->execution_ids[j];
	}
	return true;
}

/* The postmaster ends us, since another process has crashed, or at once, because it was told to. */
static void
handle_sigquit(SIGNAL_ARGS)
{
	black_box_end();
	SignalHandlerForCrashExit(postgres_signal_arg);
}

/* A PANIC for want of room on the disk, say, is nobody's fault. */
static void
look_at_message(ErrorData *error)
{
	if (error->elevel >= PANIC && error_is_weather(error))
		black_box_end();
	if (next_log_hook != NULL)
		next_log_hook(error);
}

void
black_box_attach(int slot)
{
	if (box == NULL)
		return;
	my_entry = &box->entries[slot >= 0 ? slot
							 : registry->nslots + (int) (my_database_entry - registry->databases)];
	pqsignal(SIGQUIT, handle_sigquit);
	next_log_hook = emit_log_hook;
	emit_log_hook = look_at_message;
}

void
black_box_begin(Oid database, const Run *run)
{
	if (my_entry == NULL)
		return;
	my_entry->database = database;
	my_entry->nexecutions = run != NULL ? run->nexecutions : 0;
	if (run != NULL)
		memcpy(my_entry->execution_ids, run->execution_ids, run->nexecutions * sizeof(int64));
	my_entry->at_work = true;
}

void
black_box_end(void)
{
	if (my_entry != NULL)
		my_entry->at_work = false;
}
