/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Named points in the code at which tests make a process fail.
 *
 * NOTES
 *	  Empty unless WORKFLOW_FAULT_POINTS is defined; see fault.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/fault.h"

#ifdef WORKFLOW_FAULT_POINTS

#include <signal.h>

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

/* The action set for this point, NULL when the setting is about another one. */
static const char *
fault_action(const char *name)
{
	size_t		length = strlen(name);

	if (setting_fault_point == NULL ||
		strncmp(setting_fault_point, name, length) != 0 ||
		setting_fault_point[length] != '=')
		return NULL;
	return setting_fault_point + length + 1;
}

/* Fail here if the setting says so.  Must be a place that may raise an error. */
void
fault_point(const char *name)
{
	const char *action = fault_action(name);

	if (action == NULL)
		return;

	ereport(LOG,
			(errmsg_internal("fault point \"%s\" reached: %s", name, action)));

	if (strcmp(action, "error") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg_internal("fault point \"%s\"", name)));
	else if (strcmp(action, "fatal") == 0)
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg_internal("fault point \"%s\"", name)));
	else if (strcmp(action, "kill") == 0)
		kill(MyProcPid, SIGKILL);
	else if (strcmp(action, "wait") == 0)
		while (fault_action(name) != NULL)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1,
							 PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
			if (ConfigReloadPending)
			{
				ConfigReloadPending = false;
				ProcessConfigFile(PGC_SIGHUP);
			}
		}
}

#endif							/* WORKFLOW_FAULT_POINTS */
