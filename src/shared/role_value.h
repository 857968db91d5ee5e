/*-------------------------------------------------------------------------
 *
 * role_value.h
 *	  Values of the type workflow.role: a role, and what it was called.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_ROLE_VALUE_H
#define PGWF_ROLE_VALUE_H

#include "postgres.h"

/*
 * The identity of a role that is known by its name alone: its rows were
 * restored where it does not exist.  No role has this OID, since those below
 * FirstNormalObjectId are given by hand, and the lowest role's is 10.
 */
#define NOBODY_ROLE ((Oid) 1)

/*
 * What is written behind the name of a role that does not exist: this, a space
 * and the number that it had where it was dropped, if that is known, and ")".
 */
#define ROLE_MISSING " (missing"

/*
 * The value for a role, with its name of now; for nobody's identity with the
 * number as name.
 */
extern Datum role_value(Oid role);
/*
 * The value for a name that no role has; number: its OID where it was dropped,
 * or InvalidOid.
 */
extern Datum role_value_of_nobody(const char *name, Oid number);

/* The role's OID, of one that has been dropped too; NOBODY_ROLE. */
extern Oid	role_value_oid(Datum value);
/*
 * The name that is kept in it, allocated in the current context: what the role
 * was called then.
 */
extern char *role_value_kept_name(Datum value);
/*
 * The name to show: the present one, or the one that is kept, with ROLE_MISSING
 * behind it.
 */
extern char *role_value_shown_name(Datum value);
extern char *role_shown_name(Oid role);
/* The same as it is written, with quotes where the name needs them. */
extern char *role_value_text(Datum value);
/* The name of the role now; NULL when there is no such role any more. */
extern char *role_value_present_name(Datum value);

/*
 * The order: by identity, among nobodies by number and name; the hash value
 * that goes with it.
 */
extern int	role_value_compare(Datum a, Datum b);
extern uint32 role_value_hash(Datum value);

#endif							/* PGWF_ROLE_VALUE_H */
