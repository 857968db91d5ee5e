/* Steering many executions at once. */

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
AS $$
    SELECT pg_catalog.count(workflow.cancel(e.id, $8))
    FROM (SELECT x.id FROM workflow.executions AS x
          WHERE x.status OPERATOR(pg_catalog.=) ANY (CASE WHEN $3 IS NULL THEN '{pending,running,paused,blocked}'::pg_catalog.text[]
                                                         ELSE ARRAY[$3] END)
            AND x.status OPERATOR(pg_catalog.=) ANY ('{pending,running,paused,blocked}'::pg_catalog.text[])
            AND NOT x.inline
            AND pg_catalog.pg_has_role(x.role::pg_catalog.oid, 'USAGE')
            AND ($1 IS NULL OR x.workflow OPERATOR(pg_catalog.=) $1)
            AND ($2 IS NULL OR x.tenant OPERATOR(pg_catalog.=) $2)
            AND ($4 IS NULL OR x.created_at OPERATOR(pg_catalog.<) $4)
            AND ($5 IS NULL OR x.created_at OPERATOR(pg_catalog.>=) $5)
            AND ($6 IS NULL OR x.error_type OPERATOR(pg_catalog.=) $6)
          ORDER BY x.id LIMIT $7) AS e
$$;
COMMENT ON FUNCTION workflow.cancel_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'cancel() for the caller''s executions that fit: by workflow, tenant, status (default: pending, running, paused, blocked), time of start() and type of error, at most max_executions of them, the oldest numbers first; returns how many. All or none: an error of one undoes all';

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
AS $$
    SELECT pg_catalog.count(workflow.pause(e.id, $8))
    FROM (SELECT x.id FROM workflow.executions AS x
          WHERE x.status OPERATOR(pg_catalog.=) ANY (CASE WHEN $3 IS NULL THEN '{pending,running}'::pg_catalog.text[]
                                                         ELSE ARRAY[$3] END)
            AND x.status OPERATOR(pg_catalog.=) ANY ('{pending,running}'::pg_catalog.text[])
            AND NOT x.inline
            AND pg_catalog.pg_has_role(x.role::pg_catalog.oid, 'USAGE')
            AND ($1 IS NULL OR x.workflow OPERATOR(pg_catalog.=) $1)
            AND ($2 IS NULL OR x.tenant OPERATOR(pg_catalog.=) $2)
            AND ($4 IS NULL OR x.created_at OPERATOR(pg_catalog.<) $4)
            AND ($5 IS NULL OR x.created_at OPERATOR(pg_catalog.>=) $5)
            AND ($6 IS NULL OR x.error_type OPERATOR(pg_catalog.=) $6)
          ORDER BY x.id LIMIT $7) AS e
$$;
COMMENT ON FUNCTION workflow.pause_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'pause() for the caller''s executions that fit: by workflow, tenant, status (default: pending, running), time of start() and type of error, at most max_executions of them, the oldest numbers first; returns how many. All or none: an error of one undoes all';

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
AS $$
    SELECT pg_catalog.count(workflow.resume(e.id, $8))
    FROM (SELECT x.id FROM workflow.executions AS x
          WHERE x.status OPERATOR(pg_catalog.=) ANY (CASE WHEN $3 IS NULL THEN '{paused}'::pg_catalog.text[]
                                                         ELSE ARRAY[$3] END)
            AND x.status OPERATOR(pg_catalog.=) ANY ('{paused}'::pg_catalog.text[])
            AND NOT x.inline
            AND pg_catalog.pg_has_role(x.role::pg_catalog.oid, 'USAGE')
            AND ($1 IS NULL OR x.workflow OPERATOR(pg_catalog.=) $1)
            AND ($2 IS NULL OR x.tenant OPERATOR(pg_catalog.=) $2)
            AND ($4 IS NULL OR x.created_at OPERATOR(pg_catalog.<) $4)
            AND ($5 IS NULL OR x.created_at OPERATOR(pg_catalog.>=) $5)
            AND ($6 IS NULL OR x.error_type OPERATOR(pg_catalog.=) $6)
          ORDER BY x.id LIMIT $7) AS e
$$;
COMMENT ON FUNCTION workflow.resume_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'resume() for the caller''s executions that fit: by workflow, tenant, status (default: paused), time of start() and type of error, at most max_executions of them, the oldest numbers first; returns how many. All or none: an error of one undoes all';

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
AS $$
    SELECT pg_catalog.count(workflow.retry(e.id, NULL, NULL, $8))
    FROM (SELECT x.id FROM workflow.executions AS x
          WHERE x.status OPERATOR(pg_catalog.=) ANY (CASE WHEN $3 IS NULL THEN '{failed,timed_out}'::pg_catalog.text[]
                                                         ELSE ARRAY[$3] END)
            AND x.status OPERATOR(pg_catalog.=) ANY ('{failed,timed_out,cancelled}'::pg_catalog.text[])
            AND NOT x.inline
            AND pg_catalog.pg_has_role(x.role::pg_catalog.oid, 'USAGE')
            AND ($1 IS NULL OR x.workflow OPERATOR(pg_catalog.=) $1)
            AND ($2 IS NULL OR x.tenant OPERATOR(pg_catalog.=) $2)
            AND ($4 IS NULL OR x.created_at OPERATOR(pg_catalog.<) $4)
            AND ($5 IS NULL OR x.created_at OPERATOR(pg_catalog.>=) $5)
            AND ($6 IS NULL OR x.error_type OPERATOR(pg_catalog.=) $6)
          ORDER BY x.id LIMIT $7) AS e
$$;
COMMENT ON FUNCTION workflow.retry_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'retry() for the caller''s executions that fit: by workflow, tenant, status (default: failed, timed_out), time of start() and type of error, at most max_executions of them, the oldest numbers first; returns how many. All or none: an error of one undoes all';
