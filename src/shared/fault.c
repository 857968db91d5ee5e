/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Named points in the code at which tests have a process stand still.
 *
 * NOTES
 *	  Empty unless WORKFLOW_FAULT_POINTS is defined; see fault.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/fault.h"

#ifdef WORKFLOW_FAULT_POINTS

#include <unistd.h>

#include "miscadmin.h"
#include "port.h"

/* How often to look whether one may go on, microseconds. */
#define LOOK_AGAIN_US 1000

void
fault_point(const char *name)
{
	char		asked[MAXPGPATH];
	char		taken[MAXPGPATH];
	int			saved_errno = errno;

	snprintf(asked, sizeof(asked), "fault_points/%s", name);
	snprintf(taken, sizeof(taken), "fault_points/%s.%d", name, MyProcPid);
	if (access(asked, F_OK) == 0 && rename(asked, taken) == 0)
		while (access(taken, F_OK) == 0)
			pg_usleep(LOOK_AGAIN_US);
	errno = saved_errno;
}

#endif							/* WORKFLOW_FAULT_POINTS */
