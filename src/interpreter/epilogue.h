/*-------------------------------------------------------------------------
 *
 * epilogue.h
 *	  Where an epilogue stands.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_INTERPRETER_EPILOGUE_H
#define PGWF_INTERPRETER_EPILOGUE_H

#include "postgres.h"

#include "interpreter/thread.h"
#include "state/epilogue.h"

struct Epilogue
{
	MemoryContext context;		/* of the batch */
	CompletedStep *batch;		/* to be undone, newest first */
	int			count;
	int			next;			/* to be taken out of it */
	bool		begun;			/* the first one has been taken */
	const CompletedStep *undone;	/* the one whose compensation the thread
									 * stands at */
	void		(*advance) (Thread *thread);	/* go to the next one */
};

/* Nothing is left to be done: the execution ends as it was decided. */
extern void epilogue_finish(Thread *thread);

#endif							/* PGWF_INTERPRETER_EPILOGUE_H */
