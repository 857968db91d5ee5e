/*-------------------------------------------------------------------------
 *
 * roll_up.h
 *	  Rolling up statistics before what they are made of is deleted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_ROLL_UP_H
#define PGWF_ROLL_UP_H

#include "postgres.h"
#include "datatype/timestamp.h"

/*
 * Roll up what ended before a time, as far as nobody else does so this moment
 * and no transaction may still write such an end.  Returns how far everything
 * is.
 */
extern TimestampTz roll_up_before(TimestampTz before);

#endif							/* PGWF_ROLL_UP_H */
