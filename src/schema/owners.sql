/*
 * What belongs to whom, and giving it to somebody else: a role may be gone, since it
 * was dropped, or since a dump was restored without it.
 */

/* executions by the conditions of the indexes that have those that are not over */
CREATE VIEW workflow.owners WITH (security_barrier) AS
SELECT o.owner, o.kind, o.place, o.count, workflow.role_missing(o.owner) AS missing
FROM (SELECT d.owner, 'workflow'::text AS kind, 1 AS place, pg_catalog.count(DISTINCT d.name) AS count
      FROM workflow.definitions AS d GROUP BY d.owner
      UNION ALL
      SELECT a.owner, 'agent', 2, pg_catalog.count(*) FROM workflow.agents AS a GROUP BY a.owner
      UNION ALL
      SELECT s.role, 'schedule', 3, pg_catalog.count(*) FROM workflow.schedule_entries AS s GROUP BY s.role
      UNION ALL
      SELECT e.role, 'open execution', 4, pg_catalog.count(*)
      FROM (SELECT x.role FROM workflow.executions AS x
            WHERE x.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND x.start_at IS NULL AND NOT x.limited
            UNION ALL
            SELECT x.role FROM workflow.executions AS x
            WHERE x.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND x.start_at IS NOT NULL AND NOT x.limited
            UNION ALL
            SELECT x.role FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND x.limited
            UNION ALL
            SELECT x.role FROM workflow.executions AS x
            WHERE x.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])
            UNION ALL
            SELECT x.role FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text
            UNION ALL
            SELECT x.role FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'blocked'::pg_catalog.text) AS e
      GROUP BY e.role
      UNION ALL
      SELECT l.role, 'dead letter', 5, pg_catalog.count(*) FROM workflow.dead_letters AS l
      WHERE l.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text GROUP BY l.role) AS o
WHERE pg_catalog.pg_has_role(o.owner::pg_catalog.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.owners IS
'how much belongs to which role, by kind: a role''s own; all for members of pg_monitor. What '
'belongs to a role that does not exist waits to be given to another with reassign_owned()';
COMMENT ON COLUMN workflow.owners.owner IS
'role it belongs to; name (missing): there is no such role';
COMMENT ON COLUMN workflow.owners.kind IS
'workflow, agent, schedule, open execution (one that has not ended) or dead letter (one that is '
'pending)';
COMMENT ON COLUMN workflow.owners.place IS 'place of the kind in this order';
COMMENT ON COLUMN workflow.owners.count IS 'how many';
COMMENT ON COLUMN workflow.owners.missing IS
'whether the role does not exist: it was dropped, or a dump was restored without it';

CREATE FUNCTION workflow.set_owner(workflow text, role regrole)
RETURNS integer
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_set_owner';
COMMENT ON FUNCTION workflow.set_owner(text, regrole) IS
'give a workflow, all versions of it, to another role; returns how many there are. Executions stay '
'those of the roles that started them. For who has the rights of the owner and may SET ROLE to the '
'other role; superusers and the owner of the extension give away what belongs to a role that does '
'not exist. Errors: 42704 for an unknown workflow, 42501 for others, 42939 for a name that is '
'reserved';

CREATE FUNCTION workflow.reassign_owned(old_role workflow.role, new_role regrole)
RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_reassign_owned';
COMMENT ON FUNCTION workflow.reassign_owned(workflow.role, regrole) IS
'give workflows, agents, schedules, executions, those that have ended too, and dead letters of a '
'role to another; returns how many rows. old_role may be one that does not exist, as the view '
'workflow.owners shows it. Executions that run this moment stay its own, and what has a name of the '
'extension''s unless the other role is a superuser; an idempotency key that both have used stays '
'with the other; what is blocked for the one is blocked for both. For who has the rights of the '
'one role and may SET ROLE to the other; superusers and the owner of the extension give away what '
'belongs to a role that does not exist. Errors: 42501 for others, 42704 for a role that does not '
'exist and that nothing belongs to';
