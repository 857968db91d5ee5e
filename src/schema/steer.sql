/* Steering executions: pause, resume, retry, hold, skip. */

CREATE FUNCTION workflow.pause(
    execution_id bigint,
    reason text DEFAULT NULL,
    max_pause interval DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_pause';
COMMENT ON FUNCTION workflow.pause(bigint, text, interval) IS
'pause an execution and return its status after that: steps that run, and iterations of loops that '
'have begun, end, and nothing further begins until resume(); a paused execution holds no executor, '
'and its time limits stand still. When max_pause, or else max_pause_seconds of the definition, has '
'passed it fails with the type PauseTimeout. One that has ended, or is being cancelled, stays as '
'it is. Errors: 42704 for an unknown execution, 42501 for others than the role that started it and '
'the owner of the workflow, 22023 for a max_pause that is not positive';

CREATE FUNCTION workflow.resume(execution_id bigint, reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_resume';
COMMENT ON FUNCTION workflow.resume(bigint, text) IS
'let a paused execution go on, from where it stood, and return its status after that: pending '
'until it finds an executor. One that is not paused stays as it is. Errors: 42704 for an unknown '
'execution, 42501 for others than the role that started it and the owner of the workflow';

CREATE FUNCTION workflow.retry(
    execution_id bigint,
    from_step text DEFAULT NULL,
    input jsonb DEFAULT NULL,
    reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_retry';
COMMENT ON FUNCTION workflow.retry(bigint, text, jsonb, text) IS
'let an execution that failed, timed out or was cancelled go on, and return its status after that: '
'pending until it finds an executor. What completed stays, down to branches and iterations; what '
'did not is tried again. With from_step, a step of the top level that has run, it goes on from '
'there: that step and all after it are done again. input replaces what input_mapping gives to '
'from_step, or else to the one step that failed. Time limits and retry policies begin anew. One '
'that has not ended stays as it is. Errors: 42704 for an unknown execution or step, 42501 for '
'others than the role that started it and the owner of the workflow, who gives no input, 55000 for '
'one that completed or was compensated, whose role does not exist or whose dead letter is being '
'replayed, 22023 for a step that has not run and for an input that is not for one step';

CREATE FUNCTION workflow.retry_possible(execution_id bigint)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000
AS 'MODULE_PATHNAME', 'workflow_retry_possible';
COMMENT ON FUNCTION workflow.retry_possible(bigint) IS
'internal: whether retry() would not refuse an execution; a notice says why of the first that a '
'statement leaves out';

CREATE FUNCTION workflow.retry_help(execution_id bigint)
RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_retry_help';
COMMENT ON FUNCTION workflow.retry_help(bigint) IS
'what why() is made of: the statement that lets an execution that has ended go on, retry() or, '
'where that would be refused, what helps instead; null for one that has not ended or is not the '
'caller''s to see';

CREATE FUNCTION workflow.hold_step(execution_id bigint, step_id text, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_hold_step';
COMMENT ON FUNCTION workflow.hold_step(bigint, text, text) IS
'hold a step of an execution: wherever the execution comes to it, it waits in front of it, without '
'an executor, until release_step() or the end of a time limit; the rest of the execution goes on. '
'No effect on a step that runs this moment. Returns false when it was held already. Errors: 42704 '
'for an unknown execution or step, 42501 for others than the role that started it and the owner of '
'the workflow';

CREATE FUNCTION workflow.release_step(execution_id bigint, step_id text, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_release_step';
COMMENT ON FUNCTION workflow.release_step(bigint, text, text) IS
'take the mark of hold_step() or skip_step() off a step. Returns false when it had none. Errors: '
'42704 for an unknown execution or step, 42501 for others than the role that started it and the '
'owner of the workflow';

CREATE FUNCTION workflow.skip_step(execution_id bigint, step_id text, output jsonb DEFAULT NULL, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_skip_step';
COMMENT ON FUNCTION workflow.skip_step(bigint, text, jsonb, text) IS
'skip a step of an execution: wherever the execution comes to it, or waits in front of it or for '
'its next attempt, the step is recorded as skipped, with the output. No effect on a step that runs '
'this moment. Returns false when it was to be skipped already. Errors: 42704 for an unknown '
'execution or step, 42501 for others than the role that started it and the owner of the workflow, '
'who gives no output';

CREATE FUNCTION workflow.workflow_to_steer(workflow text, status text)
RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_workflow_to_steer';
COMMENT ON FUNCTION workflow.workflow_to_steer(text, text) IS
'internal: the name of the workflow that a filter of cancel_executions() and its like, or of '
'replay_all(), names, null for null. Errors: 42704 for an unknown workflow, 22023 for a status '
'that executions do not have';
