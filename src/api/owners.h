/*-------------------------------------------------------------------------
 *
 * owners.h
 *	  What is said when a role is dropped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_API_OWNERS_H
#define PGWF_API_OWNERS_H

#include "nodes/pg_list.h"

/*
 * Before DROP ROLE: add the role of that name, if there is one, to those that
 * may go.
 */
extern void owners_note_dropped(List **dropped, const char *name);
/* After it: a warning for each that something belonged to here. */
extern void owners_warn_dropped(const List *dropped);

#endif							/* PGWF_API_OWNERS_H */
