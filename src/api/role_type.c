/*-------------------------------------------------------------------------
 *
 * role_type.c
 *	  The type workflow.role: input and output, casts, order.
 *
 * NOTES
 *	  A regrole in a dumped table would lose the table's rows where a role is
 *	  missing, and give a dropped role's to whoever has its number in the next
 *	  cluster.  This type is read and written by name.  A name that no role has is
 *	  kept, with an identity that is nobody's; what belongs to a role that has been
 *	  dropped says so, and stays nobody's when it is read back, even where another
 *	  role has the name by then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
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

/* "alice", "\"Alice\"", "alice (missing)". */
static Datum
parse(const char *text)
{
	char	   *rest = pstrdup(text);
	size_t		length = strlen(rest);
	bool		missing = false;
	List	   *names;
	char	   *name;
	Oid			role;

	if (length > strlen(ROLE_MISSING) && strcmp(rest + length - strlen(ROLE_MISSING), ROLE_MISSING) == 0)
	{
		rest[length - strlen(ROLE_MISSING)] = '\0';
		missing = true;
	}
	if (!SplitIdentifierString(rest, '.', &names) || list_length(names) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a role: \"%s\"", text),
				 errhint("Put it in double quotes when it has other characters than lower-case letters, digits and underscores.")));
	name = linitial(names);
	role = missing ? InvalidOid : get_role_oid(name, true);
	return OidIsValid(role) ? role_value(role) : role_value_of_nobody(name);
}

static char *
print(Datum value)
{
	char	   *name = role_value_present_name(value);

	if (name != NULL)
		return pstrdup(quote_identifier(name));
	return psprintf("%s" ROLE_MISSING, quote_identifier(role_value_kept_name(value)));
}

Datum
workflow_role_in(PG_FUNCTION_ARGS)
{
	return parse(PG_GETARG_CSTRING(0));
}

Datum
workflow_role_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(print(PG_GETARG_DATUM(0)));
}

/* Text in the binary format too: an OID says nothing to another cluster. */
Datum
workflow_role_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			length;

	return parse(pq_getmsgtext(message, message->len - message->cursor, &length));
}

Datum
workflow_role_send(PG_FUNCTION_ARGS)
{
	StringInfoData message;
	char	   *text = print(PG_GETARG_DATUM(0));

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
	PG_RETURN_TEXT_P(cstring_to_text(role_value_shown_name(PG_GETARG_DATUM(0))));
}

/*
 * workflow.role_missing(workflow.role) returns boolean
 */
Datum
workflow_role_missing(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(role_value_present_name(PG_GETARG_DATUM(0)) == NULL);
}

/* --- order: by identity, among nobodies by name --- */

static int
compare(FunctionCallInfo fcinfo)
{
	Datum		a = PG_GETARG_DATUM(0);
	Datum		b = PG_GETARG_DATUM(1);
	Oid			role_a = role_value_oid(a);
	Oid			role_b = role_value_oid(b);

	if (role_a != role_b)
		return role_a < role_b ? -1 : 1;
	return role_a == NOBODY_ROLE ? strcmp(role_value_kept_name(a), role_value_kept_name(b)) : 0;
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
	Oid			role = role_value_oid(PG_GETARG_DATUM(0));
	char	   *name;

	if (role != NOBODY_ROLE)
		PG_RETURN_INT32((int32) hash_bytes_uint32(role));
	name = role_value_kept_name(PG_GETARG_DATUM(0));
	PG_RETURN_INT32((int32) hash_bytes((const unsigned char *) name, (int) strlen(name)));
}
