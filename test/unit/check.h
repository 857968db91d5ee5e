/*-------------------------------------------------------------------------
 *
 * check.h
 *	  TAP output for the unit tests: CHECK(condition, name, ...) and
 *	  return done_testing(); at the end of main.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_CHECK_H
#define PGWF_CHECK_H

static int	checks_made = 0;
static int	checks_failed = 0;

#define CHECK(condition, ...) \
	do { \
		bool		check_passed = (condition); \
		\
		checks_made++; \
		if (!check_passed) \
			checks_failed++; \
		printf("%s %d - ", check_passed ? "ok" : "not ok", checks_made); \
		printf(__VA_ARGS__); \
		printf("\n"); \
		if (!check_passed) \
			printf("# failed at %s line %d: %s\n", __FILE__, __LINE__, #condition); \
	} while (0)

static inline int
done_testing(void)
{
	printf("1..%d\n", checks_made);
	return checks_failed > 0;
}

#endif							/* PGWF_CHECK_H */
