/* Erasing what an execution worked with: docs/erasure.md. */

CREATE FUNCTION workflow.erase(execution_id bigint, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_erase';
COMMENT ON FUNCTION workflow.erase(bigint, text) IS
'take out of an execution that has ended what it worked with and what was said about it, in all '
'rows: inputs, outputs, variables, labels, messages of errors, reasons and its idempotency key; '
'those of its dead letter, which is discarded if it is pending, and of all its replays, too. That it '
'was, what it did, when, and how it ended, stays. Returns the number of rows that have lost '
'something: 0 when nothing was left. It cannot be retried or replayed after that. An entry of the '
'audit log says who did it and why. Errors: 42704 for an unknown execution, 42501 without the rights '
'of the role that started it, 55000 for one that has not ended, 55006 while an executor is still at '
'work for it';
