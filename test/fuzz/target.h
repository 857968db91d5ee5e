/*-------------------------------------------------------------------------
 *
 * target.h
 *	  What the targets of the fuzzer share: memory, the input as a string, and
 *	  what must hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_TARGET_H
#define PGWF_TARGET_H

#include "arena.h"

/* Any bytes are an input; a zero byte ends them. */
extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline char *
input_string(const uint8_t *data, size_t size)
{
	char	   *text = palloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* Stop where the fuzzer notices it. */
static inline void
require(bool holds, const char *what, const char *input)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n%s\n", what, input);
	abort();
}

#endif							/* PGWF_TARGET_H */
