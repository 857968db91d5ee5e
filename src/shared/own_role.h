/*-------------------------------------------------------------------------
 *
 * own_role.h
 *	  Whether an executor's session is still what a new one of its role would
 *	  be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_OWN_ROLE_H
#define PGWF_OWN_ROLE_H

#include "postgres.h"

/* In a process that is going to connect as a role, and in one that has. */
extern void own_role_before_connecting(void);
extern void own_role_connected(void);

/*
 * Look again, if there has been a hint that the role has changed.  In a
 * transaction; costs a comparison without one.  FATAL when the role is gone.
 */
extern void own_role_check(void);

/* What the last check has found: once true, it stays so.  Anywhere. */
extern bool own_role_changed(void);

/*
 * Have roles or databases been given other settings since this process
 * connected?  Anywhere; true from the commit on.
 */
extern bool own_settings_changed(void);

/* The current transaction gives roles or databases other settings. */
extern void settings_change_at_commit(void);

#endif							/* PGWF_OWN_ROLE_H */
