/* Steering many executions at once. */

CREATE FUNCTION workflow.executions_to_steer(
    possible text[],
    usual text[],
    workflow text,
    tenant text,
    status text,
    created_before timestamptz,
    created_after timestamptz,
    error_type text,
    max_executions integer)
RETURNS SETOF bigint
LANGUAGE sql STABLE PARALLEL UNSAFE
SET jit = off  -- the half of it that is not run looks expensive
BEGIN ATOMIC
    -- also when there is nothing to be filtered
    SELECT workflow.workflow_to_steer(executions_to_steer.workflow, executions_to_steer.status);
    WITH fitting AS NOT MATERIALIZED (
        SELECT x.id, x.status, x.start_at, x.limited FROM workflow.executions AS x
        WHERE x.status = ANY (CASE WHEN executions_to_steer.status IS NULL THEN usual
                                   ELSE ARRAY[executions_to_steer.status] END)
          AND x.status = ANY (possible)
          AND NOT x.inline
          AND pg_has_role(x.role::oid, 'USAGE')
          -- of what has ended retry() refuses some
          AND (x.status = ANY ('{pending,running,cancelling,paused,blocked,waiting}')
               OR workflow.retry_possible(x.id))
          AND (executions_to_steer.workflow IS NULL
               OR x.workflow = (SELECT workflow.workflow_to_steer(executions_to_steer.workflow,
                                                                  NULL)))
          AND (executions_to_steer.tenant IS NULL OR x.tenant = executions_to_steer.tenant)
          AND (created_before IS NULL OR x.created_at < created_before)
          AND (created_after IS NULL OR x.created_at >= created_after)
          AND (executions_to_steer.error_type IS NULL
               OR x.error_type = executions_to_steer.error_type))
    SELECT e.id FROM (
        -- by the conditions of the indexes of those that are not over: the others are not read
        (SELECT f.id FROM fitting AS f
         WHERE possible && '{pending,running,cancelling,paused,blocked,waiting}'
           AND (f.status = 'pending' AND f.start_at IS NULL AND NOT f.limited
                OR f.status = 'pending' AND f.start_at IS NOT NULL AND NOT f.limited
                OR f.status = 'pending' AND f.limited
                OR f.status = ANY ('{running,cancelling}')
                OR f.status = 'paused'
                OR f.status = 'blocked'
                OR f.status = 'waiting')
         ORDER BY f.id LIMIT max_executions)
        UNION ALL
        (SELECT f.id FROM fitting AS f
         WHERE possible && '{completed,failed,cancelled,timed_out}'
           AND f.status = ANY ('{completed,failed,cancelled,timed_out}')
         ORDER BY f.id LIMIT max_executions)) AS e
    ORDER BY e.id LIMIT max_executions;
END;
COMMENT ON FUNCTION workflow.executions_to_steer(text[], text[], text, text, text, timestamptz, timestamptz, text, integer) IS
'internal: the caller''s executions that cancel_executions() and its like are for, the oldest '
'numbers first: of the usual statuses, or of the one that is given if it is possible';

CREATE FUNCTION workflow.cancel_executions(
    workflow text DEFAULT NULL,
    tenant text DEFAULT NULL,
    status text DEFAULT NULL,
    created_before timestamptz DEFAULT NULL,
    created_after timestamptz DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_executions integer DEFAULT 1000,
    reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT count(workflow.cancel(e.id, cancel_executions.reason))
    FROM workflow.executions_to_steer('{pending,running,paused,blocked,waiting}',
             '{pending,running,paused,blocked,waiting}', workflow, tenant, status, created_before,
             created_after, error_type, max_executions) AS e (id);
END;
COMMENT ON FUNCTION workflow.cancel_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'cancel() for the caller''s executions that fit: by workflow, tenant, status (default: pending, '
'running, waiting, paused, blocked), time of start() and type of error, at most max_executions of '
'them, the oldest numbers first; returns how many. All or none: an error of one undoes all. '
'Errors: 42704 for an unknown workflow, 22023 for a status that executions do not have, and those '
'of the function itself';

CREATE FUNCTION workflow.pause_executions(
    workflow text DEFAULT NULL,
    tenant text DEFAULT NULL,
    status text DEFAULT NULL,
    created_before timestamptz DEFAULT NULL,
    created_after timestamptz DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_executions integer DEFAULT 1000,
    reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT count(workflow.pause(e.id, pause_executions.reason))
    FROM workflow.executions_to_steer('{pending,running,waiting}', '{pending,running,waiting}', workflow, tenant, status,
             created_before, created_after, error_type, max_executions) AS e (id);
END;
COMMENT ON FUNCTION workflow.pause_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'pause() for the caller''s executions that fit: by workflow, tenant, status (default: pending, '
'running, waiting), time of start() and type of error, at most max_executions of them, the oldest numbers '
'first; returns how many. All or none: an error of one undoes all. Errors: 42704 for an unknown '
'workflow, 22023 for a status that executions do not have, and those of the function itself';

CREATE FUNCTION workflow.resume_executions(
    workflow text DEFAULT NULL,
    tenant text DEFAULT NULL,
    status text DEFAULT NULL,
    created_before timestamptz DEFAULT NULL,
    created_after timestamptz DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_executions integer DEFAULT 1000,
    reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT count(workflow.resume(e.id, resume_executions.reason))
    FROM workflow.executions_to_steer('{paused}', '{paused}', workflow, tenant, status,
             created_before, created_after, error_type, max_executions) AS e (id);
END;
COMMENT ON FUNCTION workflow.resume_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'resume() for the caller''s executions that fit: by workflow, tenant, status (default: paused), '
'time of start() and type of error, at most max_executions of them, the oldest numbers first; '
'returns how many. All or none: an error of one undoes all. Errors: 42704 for an unknown workflow, '
'22023 for a status that executions do not have, and those of the function itself';

CREATE FUNCTION workflow.retry_executions(
    workflow text DEFAULT NULL,
    tenant text DEFAULT NULL,
    status text DEFAULT NULL,
    created_before timestamptz DEFAULT NULL,
    created_after timestamptz DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_executions integer DEFAULT 1000,
    reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT count(workflow.retry(e.id, NULL, NULL, retry_executions.reason))
    FROM workflow.executions_to_steer('{failed,timed_out,cancelled}', '{failed,timed_out}', workflow, tenant, status,
             created_before, created_after, error_type, max_executions) AS e (id);
END;
COMMENT ON FUNCTION workflow.retry_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'retry() for the caller''s executions that fit: by workflow, tenant, status (default: failed, '
'timed_out), time of start() and type of error, at most max_executions of them, the oldest numbers '
'first; returns how many. Those that retry() refuses for good are left out: they have been '
'compensated, or they or their workflow belong to a role that does not exist, or their dead letter '
'is being replayed. All or none of the others: an error of one undoes all. Errors: 42704 for an '
'unknown workflow, 22023 for a status that executions do not have, and those of the function '
'itself';
