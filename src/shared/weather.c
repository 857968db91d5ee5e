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

/*
 * Files that cannot be written, for which the server has no SQLSTATE of their own: EDQUOT and EFBIG
 * are internal errors to it, EROFS a lack of privilege.
 */
static bool
file_cannot_be_written(const ErrorData *error)
{
	if (error->sqlerrcode != ERRCODE_INTERNAL_ERROR &&
		error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
		return false;
	return error->saved_errno == EDQUOT || error->saved_errno == EFBIG ||
		error->saved_errno == EROFS;
}

bool
sqlstate_is_weather(int sqlerrcode)
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

bool
error_is_weather(const ErrorData *error)
{
	return sqlstate_is_weather(error->sqlerrcode) || file_cannot_be_written(error);
}
