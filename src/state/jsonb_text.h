/*-------------------------------------------------------------------------
 *
 * jsonb_text.h
 *	  Members of objects that are strings: read, and added to one being built.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_JSONB_TEXT_H
#define PGWF_STATE_JSONB_TEXT_H

#include "postgres.h"
#include "utils/jsonb.h"

/* A member that is a string, as a copy; NULL: none, or the object is NULL. */
extern char *jsonb_member_string(const Jsonb *object, const char *key);

extern void jsonb_push_key(JsonbParseState **state, const char *key);
/* A key, and a string as its value. */
extern void jsonb_push_text(JsonbParseState **state, const char *key,
							const char *text);

#endif							/* PGWF_STATE_JSONB_TEXT_H */
