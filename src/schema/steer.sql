/* Steering executions that are not over: pause, resume. */

CREATE FUNCTION workflow.pause(
    execution_id bigint,
    reason text DEFAULT NULL,
    max_pause interval DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_pause';
COMMENT ON FUNCTION workflow.pause(bigint, text, interval) IS
'pause an execution and return its status after that: steps that run, and iterations of loops that have begun, end, and nothing further begins until resume(); a paused execution holds no executor, and its time limits stand still. When max_pause, or else max_pause_seconds of the definition, has passed it fails with the type PauseTimeout. One that has ended, or is being cancelled, stays as it is. Errors: 42704 for an unknown execution, 42501 for others than the role that started it and the owner of the workflow, 22023 for a max_pause that is not positive';

CREATE FUNCTION workflow.resume(execution_id bigint, reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_resume';
COMMENT ON FUNCTION workflow.resume(bigint, text) IS
'let a paused execution go on, from where it stood, and return its status after that: pending until it finds an executor. One that is not paused stays as it is. Errors: 42704 for an unknown execution, 42501 for others than the role that started it and the owner of the workflow';
