/*-------------------------------------------------------------------------
 *
 * weather.h
 *	  Errors that nobody's execution is to blame for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_WEATHER_H
#define PGWF_WEATHER_H

#include "postgres.h"

/*
 * Does an error of a statement of our own say something about the state of the
 * server: no room on the disk or in memory, a quota, a disk that has become
 * read-only, a lock that somebody keeps, a deadlock, a process that was told to
 * go?  The transaction is done again then, however often it takes, and nothing
 * is counted against the executions in it.
 */
extern bool error_is_weather(const ErrorData *error);

/*
 * The same of geterrcode(), where there may be no memory to copy the error to.
 */
extern bool sqlstate_is_weather(int sqlerrcode);

#endif							/* PGWF_WEATHER_H */
