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

/* What printf() would print, behind what is in the string. */
static inline void pg_attribute_printf(2, 0)
append_formatted(StringInfo out, const char *format, va_list args)
{
	int			needed;

	do
	{
		va_list		again;

		va_copy(again, args);
		needed = appendStringInfoVA(out, format, again);
		va_end(again);
		if (needed > 0)
			enlargeStringInfo(out, needed);
	} while (needed > 0);
}

#endif							/* PGWF_PURE_H */
