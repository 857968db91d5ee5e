/*-------------------------------------------------------------------------
 *
 * problem.c
 *	  What is wrong with a definition: all of it, not the first.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Texts from a hostile
 *	  definition end up in messages, so everything is clipped.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/problem.h"

#define CLIP_LENGTH 1000

/*
 * An empty list in the current memory context.
 */
ProblemList *
problem_list_create(void)
{
	return palloc0(sizeof(ProblemList));
}

/*
 * A copy of the text, shortened when it is very long.  A cut is made behind an
 * ASCII byte only: no server encoding has those inside a longer character.
 */
static char *
clip(const char *text)
{
	size_t		length = strnlen(text, CLIP_LENGTH + 1);
	char	   *copy;

	if (length <= CLIP_LENGTH)
		return pstrdup(text);

	length = CLIP_LENGTH;
	while (length > 0 && IS_HIGHBIT_SET(text[length - 1]))
		length--;
	copy = palloc(length + 4);
	memcpy(copy, text, length);
	strcpy(copy + length, "...");
	return copy;
}

/*
 * Make room for one more; false when the list is full and the new problem is
 * not worth another's place.  An error takes the place of the last warning,
 * so that a refused definition always says why.
 */
static bool
make_room(ProblemList *list, ProblemSeverity severity)
{
	if (list->count < MAX_PROBLEMS)
	{
		if (list->count == list->allocated)
		{
			list->allocated = Max(8, list->allocated * 2);
			list->items = list->items == NULL ?
				palloc(sizeof(Problem) * list->allocated) :
				repalloc(list->items, sizeof(Problem) * list->allocated);
		}
		return true;
	}
	if (severity == PROBLEM_WARNING)
		return false;
	for (int i = list->count - 1; i >= 0; i--)
	{
		if (list->items[i].severity == PROBLEM_WARNING)
		{
			memmove(&list->items[i], &list->items[i + 1],
					sizeof(Problem) * (list->count - i - 1));
			list->count--;
			return true;
		}
	}
	return false;
}

/*
 * Add a problem; all texts are copied.
 */
void
problem_add(ProblemList *list, ProblemSeverity severity, const char *path,
			const char *step_id, const char *hint, const char *format,...)
{
	StringInfoData message;
	Problem    *problem;
	va_list		args;

	if (severity == PROBLEM_ERROR)
		list->errors++;
	if (!make_room(list, severity))
		return;

	initStringInfo(&message);
	va_start(args, format);
	append_formatted(&message, format, args);
	va_end(args);

	problem = &list->items[list->count++];
	problem->severity = severity;
	problem->path = clip(path);
	problem->step_id = step_id != NULL ? clip(step_id) : NULL;
	problem->message = clip(message.data);
	problem->hint = hint != NULL ? clip(hint) : NULL;
	pfree(message.data);
}
