/*-------------------------------------------------------------------------
 *
 * names.h
 *	  Names in definitions: a map from name to number, the nearest known
 *	  word, and what an id may look like.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_NAMES_H
#define PGWF_NAMES_H

#include "definition/pure.h"

typedef struct NameMap NameMap;

extern NameMap *name_map_create(int expected);
extern void name_map_free(NameMap *map);

/*
 * The name is not copied.  Returns false, changing nothing, when it is there.
 */
extern bool name_map_add(NameMap *map, const char *name, int value);

/* -1: no such name. */
extern int	name_map_get(const NameMap *map, const char *name);

/* The known name that looks most like the word, or NULL when none does. */
extern const char *name_map_nearest(const NameMap *map, const char *word);

/* "Did you mean ..?", or NULL when there is nothing to suggest. */
extern char *did_you_mean(const char *nearest);

/* The better of two candidates for "did you mean": see name_distance(). */
extern int	name_distance(const char *word, const char *candidate);

/* Larger distances than this are no likeness. */
#define NAME_MAX_DISTANCE 3

/* NULL when the id is acceptable, else what is wrong with it. */
extern const char *name_id_complaint(const char *id);

#endif							/* PGWF_NAMES_H */
