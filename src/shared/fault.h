/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Named points in the code at which tests make a process fail.
 *
 * NOTES
 *	  Compiled to nothing unless WORKFLOW_FAULT_POINTS is defined.  The setting
 *	  workflow.fault_point is "name=action" with one of the actions
 *
 *		error	raise an error
 *		fatal	end the process, as a SIGTERM does
 *		kill	end it as kill -9 does, which restarts the server
 *		wait	wait, interruptibly, until the setting names another point
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_FAULT_H
#define PGWF_FAULT_H

#ifdef WORKFLOW_FAULT_POINTS
extern char *setting_fault_point;
extern void fault_point(const char *name);
#else
#define fault_point(name) ((void) 0)
#endif

#endif							/* PGWF_FAULT_H */
