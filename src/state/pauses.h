/*-------------------------------------------------------------------------
 *
 * pauses.h
 *	  Times in which executions were paused, and the clock of their time limits
 *	  stood still.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_PAUSES_H
#define PGWF_PAUSES_H

#include "datatype/timestamp.h"

typedef struct Pause
{
	TimestampTz from;
	TimestampTz to;
} Pause;

/* Those of an execution that are over, in order; returns their number. */
extern int	execution_load_pauses(int64 id, Pause **pauses);
/*
 * When so many seconds that began at a time are over, the pauses counted off.
 */
extern TimestampTz deadline_with_pauses(TimestampTz from, int seconds,
										const Pause *pauses, int npauses);

#endif							/* PGWF_PAUSES_H */
