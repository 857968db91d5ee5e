/*-------------------------------------------------------------------------
 *
 * subscription.h
 *	  Is this database a logical replica of another one's executions?
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SUBSCRIPTION_H
#define PGWF_SUBSCRIPTION_H

#include "postgres.h"

/*
 * The subscription of this database that the table workflow.executions belongs
 * to, in the current context; NULL: none.  Needs a transaction.
 */
extern char *executions_subscription(void);

/*
 * Is there one?  The same, for who asks often: the catalogs are read after a
 * change of theirs.
 */
extern bool executions_replicated(void);

#endif							/* PGWF_SUBSCRIPTION_H */
