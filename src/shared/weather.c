/*-------------------------------------------------------------------------
 *
 * weather.c
 *	  Errors that nobody's execution is to blame for.
 *
 * NOTES
 *	  Pure.  Anywhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/weather.h"

bool
error_is_weather(int sqlerrcode)
{
	switch (sqlerrcode)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_OBJECT_IN_USE:
		case ERRCODE_READ_ONLY_SQL_TRANSACTION:
			return true;
		default:
			break;
	}
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return false;
	}
}
