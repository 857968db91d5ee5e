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
 * Files that cannot be written, for which the server has no SQLSTATE of their
 * own: EDQUOT and EFBIG are internal errors to it, EROFS a lack of privilege.
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

/*
 * There are no transaction or multixact numbers left before a vacuum: to the
 * server a limit as any other (54000), so that only the function that refuses
 * tells (varsup.c, multixact.c).
 */
static bool
numbers_have_run_out(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED &&
		error->funcname &&
		(strcmp(error->funcname, "GetNewTransactionId") == 0 ||
		 strcmp(error->funcname, "GetNewMultiXactId") == 0);
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
	return sqlstate_is_weather(error->sqlerrcode) ||
		file_cannot_be_written(error) || numbers_have_run_out(error);
}
