/*-------------------------------------------------------------------------
 *
 * marks.c
 *	  Steps that a session holds or has skipped.
 *
 * NOTES
 *	  Same place and transaction as thread.c.  Marks are in the execution's row
 *	  and read when a thread is loaded; who changes them has the scheduler make
 *	  the threads of the execution load anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "interpreter/jsonb_values.h"
#include "interpreter/thread.h"
#include "state/jsonb_text.h"

/* The step's mark if it is of this kind, else NULL. */
static Jsonb *
find_mark(const Thread *thread, const PlanNode *node, const char *kind)
{
	Jsonb	   *mark;
	char	   *found;

	if (thread->execution->step_marks == NULL)
		return NULL;
	mark = jsonb_get_member(thread->execution->step_marks, node->id);
	found = mark ? jsonb_member_string(mark, "mark") : NULL;
	return found != NULL && strcmp(found, kind) == 0 ? mark : NULL;
}

/*
 * A step whose time is over is held no longer: it ends as one that was not
 * started.
 */
bool
step_is_held(const Thread *thread, const Frame *frame)
{
	return frame->at != NULL && find_mark(thread, frame->at, "hold") != NULL &&
		(frame->deadline == DT_NOEND ||
		 frame->deadline > GetCurrentTimestamp());
}

bool
step_is_skipped(const Thread *thread, const PlanNode *node, Jsonb **output)
{
	Jsonb	   *mark = find_mark(thread, node, "skip");

	if (mark == NULL)
		return false;
	*output = jsonb_get_member(mark, "output");
	return true;
}
