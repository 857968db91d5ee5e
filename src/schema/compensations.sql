/* Compensations: what of an execution that did not complete has been undone. */

CREATE VIEW workflow.compensations WITH (security_barrier) AS
SELECT s.execution_id,
       e.workflow,
       s.scope,
       s.step_id,
       s.visit,
       s.completed_at,
       (d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) s.step_id
           OPERATOR(pg_catalog.->>) 'compensate') AS compensation,
       CASE WHEN u.status IS NOT NULL AND u.retry_at IS NULL THEN u.status
            WHEN e.ending IS NOT NULL THEN 'pending'
            ELSE 'not_run' END AS status,
       COALESCE(u.attempt, 0) AS attempts,
       u.started_at AS compensation_started_at,
       u.completed_at AS compensation_completed_at,
       u.error_type,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN u.error END AS error
FROM workflow.step_executions AS s
     JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) s.execution_id
     JOIN workflow.definitions AS d ON d.id OPERATOR(pg_catalog.=) e.definition_id
     LEFT JOIN LATERAL (
         SELECT c.status, c.attempt, c.retry_at, c.started_at, c.completed_at, c.error_type, c.error
         FROM workflow.step_executions AS c
         WHERE c.execution_id OPERATOR(pg_catalog.=) s.execution_id
           AND c.scope OPERATOR(pg_catalog.=) s.scope
           AND c.step_id OPERATOR(pg_catalog.=) (d.definition OPERATOR(pg_catalog.->) 'steps'
               OPERATOR(pg_catalog.->) s.step_id OPERATOR(pg_catalog.->>) 'compensate')
           AND c.visit OPERATOR(pg_catalog.=) s.visit
         ORDER BY c.attempt DESC LIMIT 1) AS u ON true
WHERE s.status OPERATOR(pg_catalog.=) 'completed'
  AND pg_catalog.left(s.scope, 1) OPERATOR(pg_catalog.<>) '~'
  AND (e.ending IS NOT NULL OR e.status OPERATOR(pg_catalog.=) ANY ('{failed,timed_out,cancelled}'::pg_catalog.text[]))
  AND (d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) s.step_id
           OPERATOR(pg_catalog.->>) 'compensate') IS NOT NULL
  AND (pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
       OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
       OR e.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w));
COMMENT ON VIEW workflow.compensations IS
'the completed steps with a compensation of executions that did not complete, or are about not to, '
'and what has become of the compensation; a role''s own; without error those of workflows it may '
'see, and all for members of pg_monitor';
COMMENT ON COLUMN workflow.compensations.execution_id IS 'execution the step belongs to';
COMMENT ON COLUMN workflow.compensations.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.compensations.scope IS 'scope of the step, and of its compensation';
COMMENT ON COLUMN workflow.compensations.step_id IS 'id of the step that completed';
COMMENT ON COLUMN workflow.compensations.visit IS 'visit of the step, and of its compensation';
COMMENT ON COLUMN workflow.compensations.completed_at IS
'when the step completed; the last one is undone first';
COMMENT ON COLUMN workflow.compensations.compensation IS 'id of the step that undoes it';
COMMENT ON COLUMN workflow.compensations.status IS
'completed, failed, timed_out, skipped (its "when" is false) or cancelled; pending: not ended yet; '
'not_run: the execution ended without it';
COMMENT ON COLUMN workflow.compensations.attempts IS 'attempts at the compensation that have ended';
COMMENT ON COLUMN workflow.compensations.compensation_started_at IS 'when its last attempt began';
COMMENT ON COLUMN workflow.compensations.compensation_completed_at IS 'when its last attempt ended';
COMMENT ON COLUMN workflow.compensations.error_type IS 'type of the error of its last attempt';
COMMENT ON COLUMN workflow.compensations.error IS
'error of its last attempt; null for executions of others';
