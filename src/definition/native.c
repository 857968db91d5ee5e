/*-------------------------------------------------------------------------
 *
 * native.c
 *	  The front end of the format that docs/definitions describes.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Checked by normalise.c,
 *	  compiled by plan_document.c.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/front_end.h"
#include "definition/normaliser.h"

static bool
recognise_native(const Json *given)
{
	return json_get(given, "steps") != NULL;
}

const FrontEnd front_end_native = {
	.name = "native",
	.recognise = recognise_native,
	.check = normalise_document,
	.compile = build_definition
};
