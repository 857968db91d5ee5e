/*-------------------------------------------------------------------------
 *
 * role_value.c
 *	  Values of the type workflow.role: a role, and what it was called.
 *
 * NOTES
 *	  The OID is the identity; it survives ALTER ROLE RENAME, and pg_upgrade,
 *	  but means somebody else, or nobody, in another cluster.  The name is what
 *	  the role was called when the value was made: it is looked at when no role
 *	  has the OID any more.
 *
 *	  Of a role that is known by its name alone there may be a number too, the
 *	  OID it had where it was dropped: several of one name may have been.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"	/* with varatt.h, where there is one */
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "shared/role_value.h"

/* Who it is; the name follows, without an end. */
typedef struct RoleIdentity
{
	Oid			role;
	Oid			number;			/* of NOBODY_ROLE; InvalidOid: not known */
} RoleIdentity;

typedef struct RoleValue
{
	int32		vl_len_;
	RoleIdentity identity;
	char		name[FLEXIBLE_ARRAY_MEMBER];
} RoleValue;

/* A value, taken apart where it is. */
typedef struct RoleParts
{
	struct varlena *packed;
	RoleIdentity identity;
	const char *name;
	size_t		length;			/* of the name */
} RoleParts;

static RoleParts
take_apart(Datum value)
{
	RoleParts	parts;

	parts.packed = PG_DETOAST_DATUM_PACKED(value);
	/* with a short header it is not aligned */
	memcpy(&parts.identity, VARDATA_ANY(parts.packed), sizeof(RoleIdentity));
	parts.name = VARDATA_ANY(parts.packed) + sizeof(RoleIdentity);
	parts.length = VARSIZE_ANY_EXHDR(parts.packed) - sizeof(RoleIdentity);
	return parts;
}

static void
free_parts(const RoleParts *parts, Datum value)
{
	if ((Pointer) parts->packed != DatumGetPointer(value))
		pfree(parts->packed);
}

static Datum
make_value(Oid role, Oid number, const char *name)
{
	size_t		length = strlen(name);
	RoleValue  *value = palloc(offsetof(RoleValue, name) + length);

	SET_VARSIZE(value, offsetof(RoleValue, name) + length);
	value->identity.role = role;
	value->identity.number = number;
	memcpy(value->name, name, length);
	return PointerGetDatum(value);
}

Datum
role_value(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return make_value(role, InvalidOid,
					  name != NULL ? name : psprintf("%u", role));
}

Datum
role_value_of_nobody(const char *name, Oid number)
{
	return make_value(NOBODY_ROLE, number, name);
}

Oid
role_value_oid(Datum value)
{
	RoleParts	parts = take_apart(value);

	free_parts(&parts, value);
	return parts.identity.role;
}

char *
role_value_kept_name(Datum value)
{
	RoleParts	parts = take_apart(value);
	char	   *name = pnstrdup(parts.name, parts.length);

	free_parts(&parts, value);
	return name;
}

char *
role_value_present_name(Datum value)
{
	Oid			role = role_value_oid(value);

	return role == NOBODY_ROLE ? NULL : GetUserNameFromId(role, true);
}

/* "alice", "alice (missing)", "alice (missing 16384)" */
static char *
show(Datum value, bool quoted)
{
	char	   *present = role_value_present_name(value);
	char	   *name = present != NULL ? present : role_value_kept_name(value);
	RoleParts	parts = take_apart(value);
	Oid			number = parts.identity.role == NOBODY_ROLE ? parts.identity.number : parts.identity.role;

	free_parts(&parts, value);
	if (quoted)
		name = pstrdup(quote_identifier(name));
	if (present != NULL)
		return name;
	return OidIsValid(number) ?
		psprintf("%s" ROLE_MISSING " %u)", name, number) :
		psprintf("%s" ROLE_MISSING ")", name);
}

char *
role_value_shown_name(Datum value)
{
	return show(value, false);
}

char *
role_shown_name(Oid role)
{
	return role_value_shown_name(role_value(role));
}

char *
role_value_text(Datum value)
{
	return show(value, true);
}

int
role_value_compare(Datum a, Datum b)
{
	RoleParts	first = take_apart(a);
	RoleParts	second = take_apart(b);
	int			order;

	if (first.identity.role != second.identity.role)
		order = first.identity.role < second.identity.role ? -1 : 1;
	else if (first.identity.role != NOBODY_ROLE)
		order = 0;
	else if (first.identity.number != second.identity.number)
		order = first.identity.number < second.identity.number ? -1 : 1;
	else
	{
		order = memcmp(first.name, second.name,
					   Min(first.length, second.length));
		if (order == 0)
			order = first.length < second.length ? -1 :
												   first.length > second.length;
	}
	free_parts(&first, a);
	free_parts(&second, b);
	return order;
}

uint32
role_value_hash(Datum value)
{
	RoleParts	parts = take_apart(value);
	uint32		hash = hash_bytes_uint32(parts.identity.role);

	if (parts.identity.role == NOBODY_ROLE)
		hash = hash_bytes_uint32(parts.identity.number) ^
			hash_bytes((const unsigned char *) parts.name, (int) parts.length);
	free_parts(&parts, value);
	return hash;
}
