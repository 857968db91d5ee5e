/*-------------------------------------------------------------------------
 *
 * traceparent.c
 *	  The trace that executions of a session belong to: workflow.traceparent.
 *
 * NOTES
 *	  A header of W3C Trace Context, which whoever calls start() has from its
 *	  own caller.  It is a setting, not an argument: the functions that begin
 *	  executions stay as they are called, in whatever uses them, and each takes
 *	  it.
 *
 *	  Sessions and executors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "shared/traceparent.h"

/* version "-" trace-id "-" parent-id "-" trace-flags */
#define VERSION_LENGTH		2
#define TRACE_ID_LENGTH		32
#define PARENT_ID_LENGTH	16
#define FLAGS_LENGTH		2
#define HEADER_LENGTH		(VERSION_LENGTH + 1 + TRACE_ID_LENGTH + 1 + PARENT_ID_LENGTH + 1 + FLAGS_LENGTH)
/* what versions to come may add */
#define MAX_LENGTH			255

static char *setting_traceparent = NULL;

/* So many lowercase hexadecimal digits, then the character. */
static bool
is_field(const char *text, int length, char after)
{
	return (int) strspn(text, "0123456789abcdef") == length &&
		text[length] == after;
}

static bool
is_zero(const char *text, int length)
{
	return (int) strspn(text, "0") >= length;
}

/* What is wrong with it; NULL: nothing. */
static const char *
problem_of(const char *text)
{
	const char *trace_id = text + VERSION_LENGTH + 1;
	const char *parent_id = trace_id + TRACE_ID_LENGTH + 1;
	const char *flags = parent_id + PARENT_ID_LENGTH + 1;
	bool		known;

	if (!is_field(text, VERSION_LENGTH, '-') ||
		strncmp(text, "ff", VERSION_LENGTH) == 0)
		return "It does not begin with a version of two lowercase hexadecimal digits, which is not ff.";
	if (!is_field(trace_id, TRACE_ID_LENGTH, '-') ||
		is_zero(trace_id, TRACE_ID_LENGTH))
		return "The trace-id is not of 32 lowercase hexadecimal digits, some of them not zero.";
	if (!is_field(parent_id, PARENT_ID_LENGTH, '-') ||
		is_zero(parent_id, PARENT_ID_LENGTH))
		return "The parent-id is not of 16 lowercase hexadecimal digits, some of them not zero.";
	/* later versions may have more behind it */
	known = strncmp(text, "00", VERSION_LENGTH) == 0;
	if (!is_field(flags, FLAGS_LENGTH, '\0') &&
		(known || !is_field(flags, FLAGS_LENGTH, '-')))
		return "The trace-flags are not of two lowercase hexadecimal digits, or something follows them.";
	if (strlen(text) > MAX_LENGTH)
		return "It has more than 255 bytes.";
	return NULL;
}

static bool
check_traceparent(char **newval, void **extra pg_attribute_unused(),
				  GucSource source pg_attribute_unused())
{
	const char *problem = **newval == '\0' ? NULL : problem_of(*newval);

	if (problem == NULL)
		return true;
	GUC_check_errdetail("%s", problem);
	GUC_check_errhint("A header \"traceparent\" of W3C Trace Context looks like \"%s\".",
					  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	return false;
}

void
define_traceparent_setting(void)
{
	StaticAssertStmt(HEADER_LENGTH == 55,
					 "length of a traceparent of version 00");
	DefineCustomStringVariable("workflow.traceparent",
							   "Trace that executions belong to which the session begins.",
							   "A header \"traceparent\" of W3C Trace Context; empty: none.",
							   &setting_traceparent, "",
							   PGC_USERSET, 0, check_traceparent, NULL, NULL);
}

const char *
session_traceparent(void)
{
	return *setting_traceparent == '\0' ? NULL : setting_traceparent;
}
