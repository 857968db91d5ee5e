/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Named points in the code at which tests have a process stand still.
 *
 * NOTES
 *	  Compiled to nothing unless WORKFLOW_FAULT_POINTS is defined, as it is for
 *	  the library that "make faults" builds beside the ordinary one.
 *
 *	  A test asks for a point with a file of its name in "fault_points" of the
 *	  data directory.  The first process to get there renames it to NAME.PID, so
 *	  that the test knows who it is, and stands still until that is removed: as
 *	  deaf as it is on its way, so that what the test does to it, or to another
 *	  process, meanwhile happens at this very point.  No restart of the server
 *	  makes anybody stand there again.
 *
 *	  Not while a spinlock is held; in a signal handler or a critical section
 *	  neither.
 *
 *	  There is a point in each transition of the state machines in
 *	  docs/architecture/state-machines.md; test/t/KillMatrix.pm knows how to get
 *	  there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_FAULT_H
#define PGWF_FAULT_H

#ifdef WORKFLOW_FAULT_POINTS
extern void fault_point(const char *name);
#else
#define fault_point(name) ((void) 0)
#endif

#endif							/* PGWF_FAULT_H */
