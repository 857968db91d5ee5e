/* Executions: start, wait, cancel. */

CREATE FUNCTION workflow.start(
    workflow text,
    input jsonb DEFAULT '{}',
    version integer DEFAULT NULL,
    priority integer DEFAULT NULL,
    start_at timestamptz DEFAULT NULL,
    idempotency_key text DEFAULT NULL,
    tenant text DEFAULT NULL,
    parallel boolean DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_start';
COMMENT ON FUNCTION workflow.start(text, jsonb, integer, integer, timestamptz, text, text, boolean) IS
'queue an execution in the caller''s transaction and return its id; workers run it, as the calling '
'role, once the transaction has committed. Without a version the newest active one is taken. '
'Higher priorities run first; null: the definition''s; at most workflow.max_priority. parallel: '
'whether containers may run children at the same time; null: workflow.parallel. With an '
'idempotency key that the role has used for the workflow before, the id of that execution is '
'returned. Errors: 42704 for an unknown workflow, 55000 for one that is draft or archived, 42501 '
'for one that the role may not start (see grant_execute()) and for a priority above '
'workflow.max_priority, 28000 for a role no worker can run as';

CREATE FUNCTION workflow.wait(execution_id bigint, timeout interval DEFAULT NULL)
RETURNS workflow.executions
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_wait';
COMMENT ON FUNCTION workflow.wait(bigint, interval) IS
'wait, without polling, until an execution has ended, or for the timeout, and return its row; the '
'status tells which. Errors: 42704 for an unknown execution, 42501 for another role''s, 55000 in '
'the transaction that started it, under REPEATABLE READ, in a step, and where no workers run; '
'40P01 when the execution waits for this session; 55006 when another session drops or changes the '
'extension meanwhile';

CREATE PROCEDURE workflow.run(
    workflow text,
    input jsonb DEFAULT '{}',
    INOUT output jsonb DEFAULT NULL,
    timeout interval DEFAULT NULL,
    parallel boolean DEFAULT NULL,
    version integer DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'workflow_run';
COMMENT ON PROCEDURE workflow.run(text, jsonb, jsonb, interval, boolean, integer) IS
'start an execution, commit, wait for its end outside any transaction and return its output. '
'parallel and version as in start(). Errors: the failed step''s SQLSTATE, or 38000, when the '
'execution fails; 57014 when it was cancelled, timed out or has not ended within the timeout (it '
'goes on then); 25001 inside a transaction block; 55000 in a step and where no workers run';

CREATE FUNCTION workflow.execute(workflow text, input jsonb DEFAULT '{}', version integer DEFAULT NULL)
RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_execute';
COMMENT ON FUNCTION workflow.execute(text, jsonb, integer) IS
'run a whole workflow in the caller''s transaction, one step after the other, and return its '
'output; needs no workers. All or nothing: an execution that fails raises the error';

CREATE FUNCTION workflow.cancel(execution_id bigint, reason text DEFAULT NULL, compensate boolean DEFAULT false)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_cancel';
COMMENT ON FUNCTION workflow.cancel(bigint, text, boolean) IS
'cancel an execution and return its status after that: cancelled, or cancelling while its '
'executors are being stopped and, with compensate, its compensations are run; one that has ended '
'stays as it is. Without compensate it also stops compensations and an on_failure chain that are '
'being run: the execution ends as it would have after them. Errors: 42704 for an unknown '
'execution, 42501 for others than the role that started it and the owner of the workflow';

CREATE FUNCTION workflow.prune(
    older_than interval DEFAULT '30 days',
    statuses text[] DEFAULT '{completed,failed,cancelled,timed_out}',
    max_executions integer DEFAULT 10000,
    audit_older_than interval DEFAULT '1 year',
    statistics_older_than interval DEFAULT '10 years')
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_prune';
COMMENT ON FUNCTION workflow.prune(interval, text[], integer, interval, interval) IS
'delete executions that ended longer ago than older_than, and their steps, oldest first and at '
'most max_executions of them, when they have been added to the statistics by day (see '
'roll_up_statistics(), which it does first); in the same portions dead letters that are settled, '
'what became of executors and schedules, entries of the audit log older than audit_older_than and '
'statistics of days before statistics_older_than; null: those are kept. Returns how many '
'executions, dead letters, entries and statistics it deleted. Call it until it returns 0, or from '
'time to time. Waits for no lock and holds back no running execution; executions that ended while '
'a transaction runs that might still write earlier ends are left for the next time. For the owner '
'of the extension, or whom that grants it to. Errors: 22004 for a null where that means nothing, '
'22023 for a negative age or a status that is not final, 55000 under REPEATABLE READ or '
'SERIALIZABLE';

CREATE PROCEDURE workflow.prune_all(
    older_than interval DEFAULT '30 days',
    statuses text[] DEFAULT '{completed,failed,cancelled,timed_out}',
    INOUT pruned bigint DEFAULT NULL,
    max_executions bigint DEFAULT NULL,
    time_budget interval DEFAULT NULL,
    pause interval DEFAULT '100 milliseconds',
    max_rows integer DEFAULT 5000,
    audit_older_than interval DEFAULT '1 year',
    statistics_older_than interval DEFAULT '10 years')
LANGUAGE c
AS 'MODULE_PATHNAME', 'workflow_prune_all';
COMMENT ON PROCEDURE workflow.prune_all(interval, text[], bigint, bigint, interval, interval, integer, interval, interval) IS
'do what prune() does in many short transactions of about max_rows rows, each followed by a pause '
'in which others have the disk for themselves, until nothing is left that ended longer ago than '
'older_than, or max_executions are deleted, or time_budget is over (null: no limit); pruned is how '
'many were deleted. What is committed stays deleted when it is interrupted. For the owner of the '
'extension, or whom that grants it to. Errors: 25001 inside a transaction block; 22023 for a '
'negative interval, a limit below one or a status that is not final';
