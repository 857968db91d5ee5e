/*-------------------------------------------------------------------------
 *
 * drain.h
 *	  The table workflow.database_state: are the workflows of this database to
 *	  run?
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_DRAIN_H
#define PGWF_DRAIN_H

#include "shared/registry.h"
#include "state/state.h"

typedef struct DrainState
{
	DrainMode	mode;
	Oid			drained_by;
	TimestampTz drained_at;
	char	   *reason;			/* may be NULL */
} DrainState;

/* In the current memory context; mode DRAIN_NONE: the workflows run. */
extern void drain_read(DrainState *state);
extern void drain_set(DrainMode mode, const char *reason);
/* False: it was not drained. */
extern bool drain_clear(void);
/* False for a name that is no mode. */
extern const char *drain_mode_name(DrainMode mode);
extern bool drain_mode_find(const char *name, DrainMode *mode);
/* Are executions under way? */
extern bool executions_under_way(void);

#endif							/* PGWF_DRAIN_H */
