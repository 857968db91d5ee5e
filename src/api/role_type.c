/*-------------------------------------------------------------------------
 *
 * role_type.c
 *	  The type workflow.role: input and output, casts, order.
 *
 * NOTES
 *	  A regrole in a dumped table would lose the table's rows where a role is
 *	  missing, and give a dropped role's to whoever has its number in the next
 *	  cluster.  This type is read and written by name.  A name that no role has
 *	  is kept, with an identity that is nobody's; what belongs to a role that
 *	  has been dropped says so, and stays nobody's when it is read back, even
 *	  where another role has the name by then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "shared/role_value.h"

extern PGDLLEXPORT Datum workflow_role_in(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_out(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_recv(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_send(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_from_oid(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_oid(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_name(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_missing(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_eq(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_ne(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_lt(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_le(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_gt(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_ge(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_cmp(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_role_hash(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_role_in);
PG_FUNCTION_INFO_V1(workflow_role_out);
PG_FUNCTION_INFO_V1(workflow_role_recv);
PG_FUNCTION_INFO_V1(workflow_role_send);
PG_FUNCTION_INFO_V1(workflow_role_from_oid);
PG_FUNCTION_INFO_V1(workflow_role_oid);
PG_FUNCTION_INFO_V1(workflow_role_name);
PG_FUNCTION_INFO_V1(workflow_role_missing);
PG_FUNCTION_INFO_V1(workflow_role_eq);
PG_FUNCTION_INFO_V1(workflow_role_ne);
PG_FUNCTION_INFO_V1(workflow_role_lt);
PG_FUNCTION_INFO_V1(workflow_role_le);
PG_FUNCTION_INFO_V1(workflow_role_gt);
PG_FUNCTION_INFO_V1(workflow_role_ge);
PG_FUNCTION_INFO_V1(workflow_role_cmp);
PG_FUNCTION_INFO_V1(workflow_role_hash);

/* --- text --- */

/* Is a number, or nothing, and ")" what is left of the text? */
static bool
read_number(const char *rest, Oid *number)
{
	char	   *end;
	unsigned long value;

	*number = InvalidOid;
	if (strcmp(rest, ")") == 0)
		return true;
	if (rest[0] != ' ' || rest[1] < '1' || rest[1] > '9')
		return false;
	errno = 0;
	value = strtoul(rest + 1, &end, 10);
	*number = (Oid) value;
	return errno == 0 && value <= PG_UINT32_MAX && strcmp(end, ")") == 0;
}

/* "alice", "\"Alice\"", "alice (missing)", "alice (missing 16384)". */
static Datum
parse(const char *text)
{
	char	   *rest = pstrdup(text);
	char	   *mark = NULL;
	Oid			number = InvalidOid;
	List	   *names;
	char	   *name;
	Oid			role;

	/* the last one: there may be another between the quotes */
	for (char *next = strstr(rest, ROLE_MISSING); next != NULL;
		 next = strstr(next + 1, ROLE_MISSING))
		mark = next;
	if (mark != NULL && read_number(mark + strlen(ROLE_MISSING), &number))
		*mark = '\0';
	else
		mark = NULL;
	if (!SplitIdentifierString(rest, '.', &names) || list_length(names) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a role: \"%s\"", text),
				 errhint("Put it in double quotes when it has other characters than lower-case letters, digits and underscores.")));
	name = linitial(names);
	role = mark != NULL ? InvalidOid : get_role_oid(name, true);
	return OidIsValid(role) ? role_value(role) :
							  role_value_of_nobody(name, number);
}

Datum
workflow_role_in(PG_FUNCTION_ARGS)
{
	return parse(PG_GETARG_CSTRING(0));
}

Datum
workflow_role_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(role_value_text(PG_GETARG_DATUM(0)));
}

/* Text in the binary format too: an OID says nothing to another cluster. */
Datum
workflow_role_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			length;

	return parse(
		pq_getmsgtext(message, message->len - message->cursor, &length));
}

Datum
workflow_role_send(PG_FUNCTION_ARGS)
{
	StringInfoData message;
	char	   *text = role_value_text(PG_GETARG_DATUM(0));

	pq_begintypsend(&message);
	pq_sendtext(&message, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* --- casts --- */

/*
 * workflow.role_of(oid) and (regrole) returns workflow.role
 */
Datum
workflow_role_from_oid(PG_FUNCTION_ARGS)
{
	return role_value(PG_GETARG_OID(0));
}

/*
 * workflow.role_oid(workflow.role) returns oid
 */
Datum
workflow_role_oid(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(role_value_oid(PG_GETARG_DATUM(0)));
}

/*
 * workflow.role_name(workflow.role) returns text
 */
Datum
workflow_role_name(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(
		cstring_to_text(role_value_shown_name(PG_GETARG_DATUM(0))));
}

/*
 * workflow.role_missing(workflow.role) returns boolean
 */
Datum
workflow_role_missing(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(role_value_present_name(PG_GETARG_DATUM(0)) == NULL);
}

/* --- order: see role_value_compare() --- */

static int
compare(FunctionCallInfo fcinfo)
{
	return role_value_compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
}

Datum
workflow_role_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) == 0);
}

Datum
workflow_role_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) != 0);
}

Datum
workflow_role_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
workflow_role_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

Datum
workflow_role_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

Datum
workflow_role_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

Datum
workflow_role_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

Datum
workflow_role_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32((int32) role_value_hash(PG_GETARG_DATUM(0)));
}
