/*-------------------------------------------------------------------------
 *
 * trust.h
 *	  Whose workflows and agents a role runs as they are now.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_TRUST_H
#define PGWF_TRUST_H

#include "postgres.h"

extern void define_trust_setting(void);

/*
 * May what the owner defines next run as the role?  Whoever can become the role
 * anyway is trusted, and members of the roles in the setting.  Needs a
 * transaction.
 */
extern bool owner_is_trusted(Oid owner, Oid role);

#endif							/* PGWF_TRUST_H */
