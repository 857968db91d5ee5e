/*-------------------------------------------------------------------------
 *
 * names.h
 *	  Names of workflows, agents and schedules that are like another one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_NAMES_H
#define PGWF_STATE_NAMES_H

#include "postgres.h"

typedef enum NamedThing
{
	NAMED_WORKFLOW,
	NAMED_AGENT,
	NAMED_SCHEDULE
} NamedThing;

/*
 * The name most like the word among those the role may see, NULL when none is.
 * For errors: reads every name of about this length.
 */
extern char *name_nearest(NamedThing thing, const char *word, Oid role);

#endif							/* PGWF_STATE_NAMES_H */
