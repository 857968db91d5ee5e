/*-------------------------------------------------------------------------
 *
 * horizon.h
 *	  Since when transactions have been running.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_HORIZON_H
#define PGWF_HORIZON_H

#include "postgres.h"
#include "datatype/timestamp.h"

/*
 * No transaction of another session in this database that began before this
 * time is still running; DT_NOEND: none runs, DT_NOBEGIN: that cannot be told.
 * Prepared transactions are not looked at.
 */
extern TimestampTz oldest_transaction_start(void);

#endif							/* PGWF_HORIZON_H */
