/*-------------------------------------------------------------------------
 *
 * test_join.c
 *	  Unit tests of the rule for joins.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/pure.h"

#include "check.h"
#include "definition/join_rule.h"

static const struct
{
	const char *name;
	JoinRule	rule;
}			rules[] = {
	{"all", {JOIN_ALL}},
	{"any", {JOIN_ANY}},
	{"majority", {JOIN_MAJORITY}},
	{"2 of m", {JOIN_N_OF_M, 2}},
	{"0.5", {JOIN_RATIO, 0, "0.5"}},
	{"0.34", {JOIN_RATIO, 0, "0.34"}},
	{"0", {JOIN_RATIO, 0, "0"}},
	{"1", {JOIN_RATIO, 0, "1"}},
	{"none", {JOIN_N_OF_M, 0}},
};

/* The rule again, in other words: of three children, each c, f, s or o (open). */
static JoinVerdict
in_words(int rule, int completed, int failed, int skipped, int open)
{
	int			counted = completed + failed + open;
	bool		met;
	bool		possible;

	(void) skipped;
	switch (rule)
	{
		case 0:					/* all, and the ratio 1 */
		case 7:
			met = (failed == 0 && open == 0);
			possible = (failed == 0);
			break;
		case 1:
			met = (completed > 0);
			possible = (completed + open > 0);
			break;
		case 2:
			met = (counted == 0 || 2 * completed > counted);
			possible = (counted == 0 || 2 * (completed + open) > counted);
			break;
		case 3:
			met = (completed >= 2);
			possible = (completed + open >= 2);
			break;
		case 4:
			met = (2 * completed >= counted);
			possible = (2 * (completed + open) >= counted);
			break;
		case 5:
			met = (100 * completed >= 34 * counted);
			possible = (100 * (completed + open) >= 34 * counted);
			break;
		default:
			return JOIN_MET;
	}
	return met ? JOIN_MET : possible ? JOIN_UNDECIDED : JOIN_FAILED;
}

/* Every policy with every combination of up to six children. */
static void
test_matrix(void)
{
	for (int r = 0; r < (int) lengthof(rules); r++)
	{
		int			wrong = 0;
		int			fickle = 0;
		int			unlike = 0;
		int			combinations = 0;

		for (int n = 0; n < 7 * 7 * 7 * 7; n++)
		{
			int			completed = n % 7;
			int			failed = n / 7 % 7;
			int			skipped = n / 49 % 7;
			int			open = n / 343;
			JoinCounts	counts = {completed + failed + skipped + open, completed, failed, skipped};
			JoinCounts	next = counts;
			JoinVerdict verdict = join_verdict(&rules[r].rule, &counts);
			JoinVerdict final = join_final_verdict(&rules[r].rule, &counts);

			combinations++;
			if (verdict != in_words(r, completed, failed, skipped, open))
				wrong++;
			/* with nothing open both say the same, and never "undecided" */
			if (final == JOIN_UNDECIDED || (open == 0 && final != verdict) ||
				final != in_words(r, completed, failed + open, skipped, 0))
				unlike++;
			/* what is decided stays decided, however an open child ends */
			if (open == 0 || verdict == JOIN_UNDECIDED)
				continue;
			next.completed++;
			if (join_verdict(&rules[r].rule, &next) != verdict)
				fickle++;
			next = counts;
			next.failed++;
			if (join_verdict(&rules[r].rule, &next) != verdict)
				fickle++;
			next = counts;
			next.skipped++;
			if (join_verdict(&rules[r].rule, &next) != verdict)
				fickle++;
		}
		CHECK(wrong == 0, "%s: %d combinations", rules[r].name, combinations);
		CHECK(fickle == 0, "%s: what is decided stays decided", rules[r].name);
		CHECK(unlike == 0, "%s: in the end what is open has not succeeded", rules[r].name);
	}
}

static void
test_examples(void)
{
	JoinRule	two = {JOIN_N_OF_M, 2};
	JoinRule	any = {JOIN_ANY};
	JoinRule	all = {JOIN_ALL};

	CHECK(join_verdict(&two, &(JoinCounts) {3, 1, 0, 2}) == JOIN_FAILED, "2 of 3, two of them skipped");
	CHECK(join_verdict(&two, &(JoinCounts) {3, 0, 0, 3}) == JOIN_FAILED, "2 of 3, all of them skipped");
	CHECK(join_verdict(&any, &(JoinCounts) {3, 0, 0, 3}) == JOIN_FAILED, "any of none is not one");
	CHECK(join_verdict(&all, &(JoinCounts) {3, 0, 0, 3}) == JOIN_MET, "all of none");
	CHECK(join_final_verdict(&all, &(JoinCounts) {3, 2, 0, 0}) == JOIN_FAILED, "one that never began is missing");
	CHECK(join_final_verdict(&any, &(JoinCounts) {3, 1, 0, 0}) == JOIN_MET, "one is enough");
}

static void
test_ratio(void)
{
	JoinRule	rule = {JOIN_RATIO};

	strcpy(rule.ratio, "0.333333333333333333333333333333333333333333");
	CHECK(join_required(&rule, 3) == 1 && join_required(&rule, 300) == 100, "a third, nearly");
	strcpy(rule.ratio, "0.333333333333333333333333333333333333333334");
	CHECK(join_required(&rule, 3) == 2, "a third and a little more");
	strcpy(rule.ratio, "0.1");
	CHECK(join_required(&rule, 10) == 1 && join_required(&rule, 11) == 2 && join_required(&rule, 0) == 0, "a tenth");
	strcpy(rule.ratio, "1.000");
	CHECK(join_required(&rule, 20000) == 20000, "all of many");
}

static void
test_beginning(void)
{
	JoinRule	stop = {JOIN_ALL,.stop_on_failure = true};
	JoinRule	cancel = {JOIN_ANY,.cancel_when_decided = true};
	JoinRule	wait = {JOIN_ANY};

	CHECK(join_begins_more(&stop, &(JoinCounts) {3, 1, 0, 1}), "stop: no failure yet");
	CHECK(!join_begins_more(&stop, &(JoinCounts) {3, 0, 1, 0}), "stop: nothing after a failure");
	CHECK(!join_begins_more(&cancel, &(JoinCounts) {3, 1, 0, 0}), "cancel: nothing after success is certain");
	CHECK(join_begins_more(&cancel, &(JoinCounts) {3, 0, 1, 1}), "cancel: one may still succeed");
	CHECK(join_begins_more(&wait, &(JoinCounts) {3, 1, 1, 0}), "wait: all of them");
}

/* What becomes of those that run. */
static void
test_course(void)
{
	JoinRule	stop = {JOIN_ALL,.stop_on_failure = true};
	JoinRule	cancel = {JOIN_ANY,.cancel_when_decided = true};
	JoinRule	both = {JOIN_ALL,.stop_on_failure = true,.cancel_when_decided = true};
	JoinRule	wait = {JOIN_ALL};

	CHECK(join_course(&stop, &(JoinCounts) {3, 1, 0, 0}) == JOIN_GOES_ON, "stop: no failure yet");
	CHECK(join_course(&stop, &(JoinCounts) {3, 1, 1, 0}) == JOIN_BEGINS_NO_MORE, "stop: what has begun ends");
	CHECK(join_course(&cancel, &(JoinCounts) {3, 0, 1, 0}) == JOIN_GOES_ON, "cancel: one may still succeed");
	CHECK(join_course(&cancel, &(JoinCounts) {3, 1, 0, 0}) == JOIN_CANCELS, "cancel: success is certain");
	CHECK(join_course(&cancel, &(JoinCounts) {3, 0, 3, 0}) == JOIN_CANCELS, "cancel: failure is certain");
	CHECK(join_course(&both, &(JoinCounts) {3, 0, 1, 0}) == JOIN_CANCELS, "both: nobody waits for the rest");
	CHECK(join_course(&wait, &(JoinCounts) {3, 0, 1, 0}) == JOIN_GOES_ON, "neither: all of them begin and end");
	CHECK(join_may_stop_children(&stop) && join_may_stop_children(&cancel) && !join_may_stop_children(&wait),
		  "whose children may be left open");
}

int
main(void)
{
	test_matrix();
	test_examples();
	test_ratio();
	test_beginning();
	test_course();
	return done_testing();
}
