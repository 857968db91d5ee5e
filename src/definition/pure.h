/*-------------------------------------------------------------------------
 *
 * pure.h
 *	  What the definition room may use of PostgreSQL: memory, StringInfo and
 *	  C types, nothing that needs a running server.
 *
 * NOTES
 *	  The room compiles twice: into the module, and with -DFRONTEND against
 *	  libpgcommon for the unit tests and the fuzzer in test/.  So no ereport,
 *	  no Datum, no List here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_PURE_H
#define PGWF_PURE_H

#ifdef FRONTEND
#include "postgres_fe.h"
#include "common/fe_memutils.h"
#else
#include "postgres.h"
#endif
#include "lib/stringinfo.h"

#endif							/* PGWF_PURE_H */
