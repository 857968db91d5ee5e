/*
 * What belongs to whom, and giving it to somebody else: a role may be gone, since it
 * was dropped, or since a dump was restored without it.
 */

/*
 * Executions by the conditions of the indexes that have those that are not over.
 *
 * Roles are the same that have the same OID, and of nobody's, 1, those that are shown the same: so
 * it is grouped by these, not by the type.  Functions depend on this view, so pg_upgrade creates it
 * before the operator classes of the type, without which GROUP BY does not take it.
 */
CREATE VIEW workflow.owners WITH (security_barrier) AS
SELECT o.owner, ('{workflow,agent,schedule,open execution,dead letter}'::pg_catalog.text[])[o.place] AS kind, o.place, o.count,
       workflow.role_missing(o.owner) AS missing
FROM (SELECT (pg_catalog.max(ARRAY[b.owner]))[1] AS owner, b.place, pg_catalog.count(*) AS count
      FROM (SELECT d.owner, 1 AS place FROM workflow.definitions AS d
            WHERE NOT EXISTS (SELECT FROM workflow.definitions AS n
                              WHERE n.name OPERATOR(pg_catalog.=) d.name AND n.version OPERATOR(pg_catalog.>) d.version)
            UNION ALL
            SELECT a.owner, 2 FROM workflow.agents AS a
            UNION ALL
            SELECT s.role, 3 FROM workflow.schedule_entries AS s
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x
            WHERE x.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND x.start_at IS NULL AND NOT x.limited
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x
            WHERE x.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND x.start_at IS NOT NULL AND NOT x.limited
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND x.limited
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x
            WHERE x.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'blocked'::pg_catalog.text
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'waiting'::pg_catalog.text
            UNION ALL
            SELECT l.role, 5 FROM workflow.dead_letters AS l
            WHERE l.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text) AS b
      GROUP BY b.place, b.owner::pg_catalog.oid,
               CASE WHEN b.owner::pg_catalog.oid OPERATOR(pg_catalog.=) 1::pg_catalog.oid THEN b.owner::pg_catalog.text END) AS o
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
