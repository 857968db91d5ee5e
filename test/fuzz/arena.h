/*-------------------------------------------------------------------------
 *
 * arena.h
 *	  palloc() and its family for the fuzzers.
 *
 * NOTES
 *	  The pure rooms leave what they allocate to the memory context they are
 *	  called in.  Here every allocation is a malloc of its own, so that the
 *	  sanitizers see its bounds, and all are freed after each input.  Takes the
 *	  place of libpgcommon's fe_memutils, of which nothing may be left out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_ARENA_H
#define PGWF_ARENA_H

#include "definition/pure.h"

typedef struct Chunk
{
	struct Chunk *next;
	struct Chunk *previous;
	size_t		size;
	size_t		padding;		/* keeps what follows aligned */
} Chunk;

static Chunk arena = {&arena, &arena, 0, 0};

static void
arena_link(Chunk *chunk)
{
	chunk->next = arena.next;
	chunk->previous = &arena;
	chunk->next->previous = chunk;
	arena.next = chunk;
}

static void
arena_unlink(Chunk *chunk)
{
	chunk->next->previous = chunk->previous;
	chunk->previous->next = chunk->next;
}

static void
arena_reset(void)
{
	while (arena.next != &arena)
	{
		Chunk	   *chunk = arena.next;

		arena_unlink(chunk);
		free(chunk);
	}
}

void *
palloc(Size size)
{
	Chunk	   *chunk = malloc(sizeof(Chunk) + size);

	if (chunk == NULL)
		abort();
	chunk->size = size;
	arena_link(chunk);
	return chunk + 1;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
palloc_extended(Size size, int flags)
{
	return (flags & MCXT_ALLOC_ZERO) != 0 ? palloc0(size) : palloc(size);
}

void
pfree(void *pointer)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;

	arena_unlink(chunk);
	free(chunk);
}

void *
repalloc(void *pointer, Size size)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;
	void	   *moved = palloc(size);

	memcpy(moved, pointer, Min(size, chunk->size));
	pfree(pointer);
	return moved;
}

char *
pstrdup(const char *string)
{
	return strcpy(palloc(strlen(string) + 1), string);
}

char *
pnstrdup(const char *string, Size length)
{
	char	   *copy;

	length = strnlen(string, length);
	copy = memcpy(palloc(length + 1), string, length);
	copy[length] = '\0';
	return copy;
}

void *
pg_malloc(size_t size)
{
	return palloc(size);
}

void *
pg_malloc0(size_t size)
{
	return palloc0(size);
}

void *
pg_malloc_extended(size_t size, int flags)
{
	return palloc_extended(size, flags);
}

void *
pg_realloc(void *pointer, size_t size)
{
	return pointer == NULL ? palloc(size) : repalloc(pointer, size);
}

char *
pg_strdup(const char *string)
{
	return pstrdup(string);
}

void
pg_free(void *pointer)
{
	if (pointer != NULL)
		pfree(pointer);
}

#endif							/* PGWF_ARENA_H */
