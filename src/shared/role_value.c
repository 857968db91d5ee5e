/*-------------------------------------------------------------------------
 *
 * role_value.c
 *	  Values of the type workflow.role: a role, and what it was called.
 *
 * NOTES
 *	  The OID is the identity; it survives ALTER ROLE RENAME, and pg_upgrade, but
 *	  means somebody else, or nobody, in another cluster.  The name is what the role
 *	  was called when the value was made: it is looked at when no role has the OID
 *	  any more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"	/* with varatt.h, where there is one */
#include "fmgr.h"
#include "miscadmin.h"

#include "shared/role_value.h"

/* The name follows, without an end. */
typedef struct RoleValue
{
	int32		vl_len_;
	Oid			role;
	char		name[FLEXIBLE_ARRAY_MEMBER];
} RoleValue;

#define NAME_OFFSET (offsetof(RoleValue, name) - offsetof(RoleValue, role))

static Datum
make_value(Oid role, const char *name)
{
	size_t		length = strlen(name);
	RoleValue  *value = palloc(offsetof(RoleValue, name) + length);

	SET_VARSIZE(value, offsetof(RoleValue, name) + length);
	value->role = role;
	memcpy(value->name, name, length);
	return PointerGetDatum(value);
}

Datum
role_value(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return make_value(role, name != NULL ? name : psprintf("%u", role));
}

Datum
role_value_of_nobody(const char *name)
{
	return make_value(NOBODY_ROLE, name);
}

Oid
role_value_oid(Datum value)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(value);
	Oid			role;

	/* with a short header it is not aligned */
	memcpy(&role, VARDATA_ANY(packed), sizeof(role));
	if ((Pointer) packed != DatumGetPointer(value))
		pfree(packed);
	return role;
}

char *
role_value_kept_name(Datum value)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(value);

	return pnstrdup(VARDATA_ANY(packed) + NAME_OFFSET, VARSIZE_ANY_EXHDR(packed) - NAME_OFFSET);
}

char *
role_value_present_name(Datum value)
{
	Oid			role = role_value_oid(value);

	return role == NOBODY_ROLE ? NULL : GetUserNameFromId(role, true);
}

char *
role_value_shown_name(Datum value)
{
	char	   *name = role_value_present_name(value);

	return name != NULL ? name : psprintf("%s" ROLE_MISSING, role_value_kept_name(value));
}
