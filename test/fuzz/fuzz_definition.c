/*-------------------------------------------------------------------------
 *
 * fuzz_definition.c
 *	  Feeds damaged definitions to the definition room.
 *
 *	  usage: fuzz_definition SEED COUNT FILE ..
 *
 *	  Takes one of the files, damages it (pieces of text removed, doubled, moved
 *	  from another file, replaced by words of the format, flipped bytes) and has it
 *	  normalised.  What must hold: no crash (the build uses sanitizers); a
 *	  document is either refused with at least one error or accepted; what was
 *	  accepted is accepted again in its normalised form, unchanged, and has a
 *	  plan that can be explained.  The same SEED damages in the same way.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/plan.h"

#include <signal.h>
#include <unistd.h>

#define MAX_DOCUMENT (1024 * 1024)
#define MAX_NESTING 10

static uint64 state;
static char *current;			/* what is being tried, for the handler */

/* Words that mean something in a definition, or are hostile. */
static const char *const words[] = {
	"\"type\"", "\"loop\"", "\"parallel\"", "\"fork_join\"", "\"conditional\"",
	"\"next_step\"", "\"steps\"", "\"start_step\"", "\"when\"", "\"switch\"",
	"\"collection\"", "\"loop_body\"", "\"branches\"", "\"max_visits\"",
	"null", "true", "-1", "0", "1e400", "9007199254740993", "0.5", "[]", "{}", "\"\"",
	"\"${workflow.input.a}\"", "\"${a.output.b[0]\"", "\"${loop.parent.item}\"",
	"\"${\"", "\"$${\"", "\"${a ?? b ?? 1}\"", "\"${((((1))))}\"", "\"${a[b[c[d]]]}\"",
	"[[[[[[[[[[[[[[[[", "]]]]", "\\u0000", "\\ud800", "\"a\": \"a\",", ",", ":", "\"", "\\"
};

/* A number below limit (xorshift: the same on every machine). */
static size_t
random_below(size_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return limit == 0 ? 0 : (size_t) (state % limit);
}

/*
 * Print the document that is being tried when something goes wrong with it.
 */
static void
report_current(int signal_number)
{
	ssize_t		ignored;

	ignored = write(STDERR_FILENO, current, strlen(current));
	ignored = write(STDERR_FILENO, "\n", 1);
	(void) ignored;
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "%s, with the document:\n", what);
	abort();
}

static char *
read_file(const char *path)
{
	FILE	   *file = fopen(path, "r");
	char	   *text = palloc0(MAX_DOCUMENT);

	if (file == NULL || fread(text, 1, MAX_DOCUMENT - 1, file) == 0)
	{
		fprintf(stderr, "cannot read %s\n", path);
		exit(2);
	}
	fclose(file);
	return text;
}

/*
 * Replace length bytes at the offset by other text.
 */
static char *
splice(char *text, size_t offset, size_t length, const char *other, size_t other_length)
{
	size_t		size = strlen(text);
	char	   *result = palloc(size - length + other_length + 1);

	memcpy(result, text, offset);
	memcpy(result + offset, other, other_length);
	memcpy(result + offset + other_length, text + offset + length,
		   size - offset - length + 1);
	pfree(text);
	return result;
}

/*
 * One damage somewhere in the text.
 */
static char *
damage(char *text, const char *other)
{
	size_t		size = strlen(text);
	size_t		offset = random_below(size);
	size_t		length = random_below(Min(size - offset, 40) + 1);
	size_t		from;

	switch (random_below(5))
	{
		case 0:
			return splice(text, offset, length, "", 0);
		case 1:
			{
				char	   *piece = pnstrdup(text + offset, length);

				text = splice(text, random_below(size), 0, piece, length);
				pfree(piece);
				return text;
			}
		case 2:
			from = random_below(strlen(other));
			return splice(text, offset, length, other + from,
						  random_below(Min(strlen(other) - from, 80) + 1));
		case 3:
			{
				const char *word = words[random_below(lengthof(words))];

				return splice(text, offset, length, word, strlen(word));
			}
		default:
			text[offset] = (char) (1 + random_below(126));
			return text;
	}
}

/*
 * Replace a whole value or key by a word: damage that keeps the text JSON.
 */
static char *
damage_value(char *text)
{
	size_t		size = strlen(text);
	size_t		start = random_below(size);
	size_t		end;
	const char *word = words[random_below(lengthof(words) - 9)];

	while (start < size && text[start] != '"')
		start++;
	end = start + 1;
	while (end < size && text[end] != '"')
		end++;
	if (end >= size)
		return text;
	return splice(text, start, end - start + 1, word, strlen(word));
}

/*
 * Normalise it and check what must hold.  Returns whether it was accepted.
 */
static bool
try_document(const char *document)
{
	ProblemList *problems = problem_list_create();
	char	   *normalised = definition_normalise(document, MAX_NESTING, problems);
	char	   *again;
	WorkflowPlan *plan;

	must((normalised == NULL) == (problems->errors > 0),
		 "neither refused with an error nor accepted");
	if (normalised == NULL)
		return false;

	problems = problem_list_create();
	again = definition_normalise(normalised, MAX_NESTING, problems);
	must(again != NULL, "the normalised form is refused");
	/* the order of members may change once; jsonb does not keep it anyway */
	normalised = definition_normalise(again, MAX_NESTING, problems);
	must(normalised != NULL && strcmp(normalised, again) == 0,
		 "the normalised form does not stay as it is");
	plan = plan_build(normalised, problems);
	must(plan != NULL && problems->errors == 0, "the normalised form has no plan");
	must(plan_explain(plan) != NULL, "the plan cannot be explained");
	return true;
}

int
main(int argc, char **argv)
{
	long		count;
	long		accepted = 0;
	int			nfiles = argc - 3;
	char	  **files;

	if (nfiles < 1)
	{
		fprintf(stderr, "usage: fuzz_definition SEED COUNT FILE ..\n");
		return 2;
	}
	state = strtoull(argv[1], NULL, 10) * UINT64CONST(2685821657736338717) + 1;
	count = strtol(argv[2], NULL, 10);
	files = palloc(sizeof(char *) * nfiles);
	for (int i = 0; i < nfiles; i++)
		files[i] = read_file(argv[3 + i]);
	signal(SIGABRT, report_current);
	signal(SIGSEGV, report_current);

	for (long i = 0; i < count; i++)
	{
		size_t		damages = random_below(4);

		current = pstrdup(files[random_below(nfiles)]);
		if (random_below(2) == 0)
			current = damage_value(current);
		while (damages-- > 0 && current[0] != '\0')
			current = damage(current, files[random_below(nfiles)]);
		if (try_document(current))
			accepted++;
		pfree(current);
	}
	printf("%ld documents, %ld accepted, %ld refused\n", count, accepted, count - accepted);
	return 0;
}
