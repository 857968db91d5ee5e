/*-------------------------------------------------------------------------
 *
 * alert_settings.c
 *	  Thresholds of the view workflow.alerts.
 *
 * NOTES
 *	  Only the view reads them (current_setting), so they have no variable of
 *	  their own elsewhere.  Who wants to look at other thresholds sets them in
 *	  the session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "shared/settings.h"

typedef struct AlertSetting
{
	const char *name;
	const char *description;
	int			value;
	int			least;			/* -1 turns an alert off */
	int			most;
	int			unit;			/* GUC_UNIT_.. or 0 */
} AlertSetting;

/*
 * Sorted by name.  How long something takes, and what is gained by running
 * children side by side, is for those to say who know what the workflow does:
 * off.
 */
static AlertSetting settings[] = {
	{"workflow.alert_average_duration", "Average time of a workflow's executions beyond which there is an alert.", -1, -1, INT_MAX, GUC_UNIT_S},
	{"workflow.alert_average_duration_for", "Time the average time of a workflow's executions must have been too long for an alert.", 300, 0, INT_MAX, GUC_UNIT_S},
	{"workflow.alert_block_duration", "Time of a parallel container beyond which there is an alert.", -1, -1, INT_MAX, GUC_UNIT_MS},
	{"workflow.alert_block_failures", "Failed children of a parallel container in an execution beyond which there is an alert.", 1, -1, INT_MAX, 0},
	{"workflow.alert_block_success_rate", "Successful children of a parallel container in an execution, in percent, below which there is an alert.", 90, -1, 100, 0},
	{"workflow.alert_connections", "Sessions of clients, in percent of max_connections, beyond which there is an alert.", 80, -1, 100, 0},
	{"workflow.alert_dead_letters", "Dead letters of a workflow to be decided beyond which there is an alert.", 0, -1, INT_MAX, 0},
	{"workflow.alert_draining", "Time an executor has been draining beyond which there is an alert.", 3600, -1, INT_MAX, GUC_UNIT_S},
	{"workflow.alert_executor_memory", "Memory of an executor beyond which there is an alert.", 2 * 1024 * 1024, -1, MAX_KILOBYTES, GUC_UNIT_KB},
	{"workflow.alert_frozen", "Time a process has given no sign of life beyond which there is an alert.", 60, -1, INT_MAX, GUC_UNIT_S},
	{"workflow.alert_held", "Time a step has been held beyond which there is an alert.", 86400, -1, INT_MAX, GUC_UNIT_S},
	{"workflow.alert_lock_wait", "Time a step has waited for a lock beyond which there is an alert.", 300, -1, INT_MAX, GUC_UNIT_S},
	{"workflow.alert_offline", "Time executions have waited while nothing is begun here beyond which there is an alert.", 300, -1, INT_MAX, GUC_UNIT_S},
	{"workflow.alert_paused", "Time an execution has been paused beyond which there is an alert.", 86400, -1, INT_MAX, GUC_UNIT_S},
	{"workflow.alert_queue_wait", "Time an execution has waited to be run beyond which there is an alert.", 600, -1, INT_MAX, GUC_UNIT_S},
	{"workflow.alert_stuck_rate", "Stuck attempts per hundred executions of a workflow beyond which there is an alert.", 1, -1, INT_MAX, 0},
	{"workflow.alert_success_rate", "Success of an execution, in percent, below which there is an alert when it is so several times in a row.", 80, -1, 100, 0},
	{"workflow.alert_success_rate_consecutive", "Executions of a workflow in a row that must be below workflow.alert_success_rate for an alert.", 3, 1, 100, 0},
	{"workflow.alert_window", "Time back from now in which alerts look at what has ended.", 3600, -1, INT_MAX, GUC_UNIT_S},
};

static double alert_block_speedup = -1;

void
define_alert_settings(void)
{
	DefineCustomRealVariable("workflow.alert_block_speedup",
							 "Gain of running the children of a container side by side below which there is an alert.",
							 "-1 turns the alert off.",
							 &alert_block_speedup, -1, -1, 1000,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	for (int i = 0; i < (int) lengthof(settings); i++)
		DefineCustomIntVariable(settings[i].name, settings[i].description,
								settings[i].least < 0 ?
									"-1 turns the alert off." :
									NULL,
								&settings[i].value, settings[i].value,
								settings[i].least, settings[i].most,
								PGC_USERSET, settings[i].unit, NULL, NULL,
								NULL);
}
