/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  Gives a target of the fuzzer each line of its corpus.
 *
 * NOTES
 *	  usage: replay FILE
 *	  For compilers without libFuzzer.  A line that is not survived is shown by the sanitizer
 *	  or by require().
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
main(int argc, char **argv)
{
	FILE	   *corpus = argc == 2 ? fopen(argv[1], "r") : NULL;
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;
	int			lines = 0;

	if (corpus == NULL)
	{
		fprintf(stderr, "usage: replay FILE\n");
		return 2;
	}
	while ((length = getline(&line, &size, corpus)) > 0)
	{
		if (line[length - 1] == '\n')
			length--;
		LLVMFuzzerTestOneInput((const uint8_t *) line, (size_t) length);
		lines++;
	}
	free(line);
	fclose(corpus);
	printf("# %d inputs\n", lines);
	return lines == 0;
}
