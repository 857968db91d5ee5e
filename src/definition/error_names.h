/*-------------------------------------------------------------------------
 *
 * error_names.h
 *	  Names of errors as retry policies write them: SQLSTATEs ("40001"), classes
 *	  ("08*"), condition names ("serialization_failure"), error types of our own
 *	  or of an agent, and the reserved "timeout", "task_failed" and "all".
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_ERROR_NAMES_H
#define PGWF_ERROR_NAMES_H

#include "definition/pure.h"

/*
 * The known name that this one, which is not known, was probably meant to be,
 * or NULL.
 */
extern const char *error_name_meant(const char *name);
extern bool error_name_covers(const char *name, const char *type,
							  const char *sqlstate, bool timed_out);

#endif							/* PGWF_ERROR_NAMES_H */
