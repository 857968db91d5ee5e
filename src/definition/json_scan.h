/*-------------------------------------------------------------------------
 *
 * json_scan.h
 *	  Between json_scan.c and json.c: how numbers travel through cJSON.
 *
 *	  Every number becomes a string that begins with JSON_NUMBER_MARK.  A string
 *	  of the document that begins with one of the marks gets JSON_STRING_MARK in
 *	  front, so that nothing can be mistaken for a number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_JSON_SCAN_H
#define PGWF_JSON_SCAN_H

#include "definition/pure.h"

#define JSON_NUMBER_MARK '\001'
#define JSON_STRING_MARK '\002'

extern char *json_scan(const char *text, StringInfo out);

/* What is said of documents that are. */
extern char *json_too_many_values(void);
extern char *json_too_deep(void);

#endif							/* PGWF_JSON_SCAN_H */
