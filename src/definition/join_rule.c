/*-------------------------------------------------------------------------
 *
 * join_rule.c
 *	  When the children of a container make it succeed.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/join_rule.h"

/*
 * The policy's name in definitions.
 */
const char *
join_policy_name(JoinPolicy policy)
{
	static const char *const names[] = {
		[JOIN_ALL] = "all",
		[JOIN_ANY] = "any",
		[JOIN_MAJORITY] = "majority",
		[JOIN_N_OF_M] = "n_of_m",
		[JOIN_RATIO] = "ratio"
	};

	return names[policy];
}

/*
 * Smallest count that is at least total * ratio, exactly: the ratio is decimal
 * text between 0 and 1, multiplied by hand from its last digit on.
 */
static int
required_by_ratio(const char *ratio, int total)
{
	const char *point = strchr(ratio, '.');
	int64		carry = 0;
	bool		fraction = false;

	for (const char *p = ratio + strlen(ratio) - 1; point != NULL && p > point;
		 p--)
	{
		int64		product = (int64) total * (*p - '0') + carry;

		carry = product / 10;
		fraction |= (product % 10 != 0);
	}
	return (int) ((int64) total * (ratio[0] - '0') + carry +
				  (fraction ? 1 : 0));
}

int
join_required(const JoinRule *rule, int counted)
{
	switch (rule->policy)
	{
		case JOIN_ALL:
			return counted;
		case JOIN_ANY:
			return 1;
		case JOIN_MAJORITY:
			return counted == 0 ? 0 : counted / 2 + 1;
		case JOIN_N_OF_M:
			return rule->n_required;
		case JOIN_RATIO:
			return required_by_ratio(rule->ratio, counted);
	}
	return counted;				/* not reached */
}

/*
 * What is met stays so, and so does what has failed: a child that ends adds at
 * most as much to what is required as to what has succeeded.
 */
JoinVerdict
join_verdict(const JoinRule *rule, const JoinCounts *counts)
{
	int			counted = counts->total - counts->skipped;
	int			required = join_required(rule, counted);

	if (counts->completed >= required)
		return JOIN_MET;
	return counted - counts->failed < required ? JOIN_FAILED : JOIN_UNDECIDED;
}

JoinVerdict
join_final_verdict(const JoinRule *rule, const JoinCounts *counts)
{
	JoinCounts	final = *counts;

	final.failed = final.total - final.completed - final.skipped;
	return join_verdict(rule, &final);
}

JoinCourse
join_course(const JoinRule *rule, const JoinCounts *counts)
{
	if (rule->cancel_when_decided &&
		join_verdict(rule, counts) != JOIN_UNDECIDED)
		return JOIN_CANCELS;
	return rule->stop_on_failure && counts->failed > 0 ? JOIN_BEGINS_NO_MORE :
														 JOIN_GOES_ON;
}

bool
join_begins_more(const JoinRule *rule, const JoinCounts *counts)
{
	return join_course(rule, counts) == JOIN_GOES_ON;
}

bool
join_may_stop_children(const JoinRule *rule)
{
	return rule->cancel_when_decided || rule->stop_on_failure;
}
