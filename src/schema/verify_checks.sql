/*
 * The checks of verify(): each a query that returns a row for each thing that is wrong, and
 * perhaps one, with the status ok, that says how it is.
 *
 * They are texts, and not parts of a function, so that one whose table is missing is an error of
 * this one alone.  $1: look at everything; $2: the alerts, as JSON.  Names are found in pg_catalog,
 * ours are written with their schema.  No check says in its own words what alerts, no_workers() or
 * scheduler_state() know.
 *
 * A new check is a row here, one in docs/verification.md, and a fault in sql/verify.sql or
 * test/t/170_verify.pl that it and no other finds.
 */
CREATE FUNCTION workflow.verify_checks(
    OUT area text,
    OUT check_name text,
    OUT needs text,
    OUT query text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 50
BEGIN ATOMIC
    /* what they have in common; what a check does not name is not looked at */
    SELECT c.area, c.check_name, c.needs, $$
        WITH object AS (
            /* what the script has created as members of the extension; no id: it is gone */
            SELECT o.kind, o.name, o.owner_only,
                   CASE WHEN o.kind IN ('table', 'view') THEN 'pg_class'::regclass
                        WHEN o.kind IN ('type', 'domain') THEN 'pg_type'::regclass
                        ELSE 'pg_proc'::regclass END AS catalog,
                   CASE WHEN o.kind IN ('table', 'view') THEN to_regclass(o.name)::oid
                        WHEN o.kind IN ('type', 'domain') THEN to_regtype(o.name)::oid
                        ELSE to_regprocedure(o.name)::oid END AS id
            FROM workflow.script_objects() AS o
            WHERE o.kind IN ('table', 'view', 'type', 'domain',
                             'function', 'procedure', 'aggregate')
        ), part AS (
            /* what is a part of a table that is there */
            SELECT o.kind, o.name, o.relation, o.statement,
                   to_regclass('workflow.' || o.relation) AS id
            FROM workflow.script_objects() AS o
            WHERE to_regclass('workflow.' || o.relation) IS NOT NULL
        ), member AS (
            SELECT d.classid AS catalog, d.objid AS id, x.extowner
            FROM pg_extension AS x
                 JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass
                                    AND d.refobjid = x.oid AND d.deptype = 'e'
            WHERE x.extname = 'pg_workflow'
        ), relation AS (
            SELECT c.*, c.oid AS id, c.oid::regclass AS name
            FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('workflow')
        ), routine AS (
            SELECT p.*, p.oid AS id, p.oid::regprocedure AS name,
                   CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE'
                                  ELSE 'FUNCTION' END AS kind
            FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace('workflow')
        ), hindrance AS (
            SELECT n.*
            FROM pg_roles AS r, workflow.no_workers(r.oid) AS n
            WHERE r.rolname = current_user AND n.reason IS NOT NULL
        ), alert AS (
            SELECT a.*
            FROM jsonb_to_recordset($2)
                 AS a (condition text, subject text, value numeric, since timestamptz)
        )
        SELECT q.status, q.detail, q.help FROM ($$ || c.query || $$) AS q (status, detail, help)
    $$
    FROM (VALUES

    /* --- installation: the catalogs against what the script creates --- */

    ('installation', 'version', NULL, $$
        SELECT CASE WHEN x.extversion = l.version THEN 'ok' ELSE 'error' END,
               CASE WHEN x.extversion = l.version THEN 'version ' || l.version
                    ELSE format('the SQL of the extension has version %s, the library %s',
                                x.extversion, l.version) END,
               CASE WHEN x.extversion = l.version THEN NULL
                    WHEN string_to_array(x.extversion, '.')::integer[]
                         < string_to_array(l.version, '.')::integer[]
                    THEN 'ALTER EXTENSION pg_workflow UPDATE'
                    ELSE format('-- install the library of version %s and restart the server',
                                x.extversion) END
        FROM pg_extension AS x, (SELECT workflow.version() AS version) AS l
        WHERE x.extname = 'pg_workflow'
    $$),
    ('installation', 'objects', 'script', $$
        SELECT 'error', format('%s %s does not exist', o.kind, o.name),
               format('-- make it as pg_workflow--%s.sql does; ALTER EXTENSION pg_workflow ADD it',
                      workflow.version())
        FROM object AS o WHERE o.id IS NULL
    $$),
    ('installation', 'members', 'script', $$
        SELECT 'error', format('%s %s does not belong to the extension: dumps contain it, and '
                               'fail to restore it', o.kind, o.name),
               format('ALTER EXTENSION pg_workflow ADD %s %s', upper(o.kind), o.name)
        FROM object AS o
        WHERE o.id IS NOT NULL
          AND NOT EXISTS (SELECT FROM member AS m WHERE m.catalog = o.catalog AND m.id = o.id)
    $$),
    ('installation', 'foreign objects', 'script', $$
        SELECT 'warning',
               format('%s %s in schema workflow is not of the extension', lower(f.kind), f.name),
               format('ALTER %s %s SET SCHEMA public', f.kind, f.name)
        FROM (SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                                    WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE'
                                    ELSE 'TABLE' END AS kind,
                     c.name::text, 'pg_class'::regclass AS catalog, c.id
              FROM relation AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
              UNION ALL
              SELECT p.kind, p.name::text, 'pg_proc'::regclass, p.id FROM routine AS p) AS f
        WHERE NOT EXISTS (SELECT FROM member AS m WHERE m.catalog = f.catalog AND m.id = f.id)
          AND NOT EXISTS (SELECT FROM object AS o WHERE o.catalog = f.catalog AND o.id = f.id)
          AND EXISTS (SELECT FROM object)
        UNION ALL
        SELECT 'warning', format('table %s is a child of %s: its rows count as rows of that',
                                 i.inhrelid::regclass, c.name),
               format('ALTER TABLE %s NO INHERIT %s', i.inhrelid::regclass, c.name)
        FROM pg_inherits AS i JOIN relation AS c ON c.id = i.inhparent
        WHERE EXISTS (SELECT FROM object AS o WHERE o.id = c.id)
    $$),
    ('installation', 'indexes', 'script', $$
        SELECT 'error', format('index %s of table %s does not exist', o.name, o.relation),
               o.statement
        FROM part AS o
        WHERE o.kind = 'index' AND to_regclass('workflow.' || o.name) IS NULL
        UNION ALL
        SELECT 'error', format('table %s has lost its key (%s)', o.relation, o.name), o.statement
        FROM part AS o
        WHERE o.kind = 'key'
          AND NOT EXISTS (SELECT FROM pg_index AS i
              WHERE i.indrelid = o.id AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
                AND o.name = (SELECT string_agg(a.attname, ', ' ORDER BY k.place)
                              FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
                                   JOIN pg_attribute AS a
                                        ON a.attrelid = i.indrelid AND a.attnum = k.number))
        UNION ALL
        /* one that is being built is not ready either */
        SELECT 'error', format('index %s is invalid: building it has failed', c.name),
               CASE WHEN i.indisunique
                         OR EXISTS (SELECT FROM part AS o
                                    WHERE o.kind = 'index' AND o.name = c.relname)
                    THEN format('REINDEX INDEX %s', c.name) ELSE format('DROP INDEX %s', c.name) END
        FROM pg_index AS i JOIN relation AS c ON c.id = i.indexrelid
        WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
          AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = c.id)
    $$),
    ('installation', 'row security', 'script', $$
        SELECT 'error',
               format('row-level security of table %s is off: roles see what is not theirs',
                      o.relation), o.statement
        FROM part AS o JOIN pg_class AS c ON c.oid = o.id
        WHERE o.kind = 'row security' AND NOT c.relrowsecurity
        UNION ALL
        SELECT 'error',
               format('row-level security of table %s is forced: the engine sees nothing of it',
                      c.relname),
               format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', c.name)
        FROM relation AS c WHERE c.relforcerowsecurity
        UNION ALL
        SELECT 'error', format('policy %s of table %s does not exist', o.name, o.relation),
               o.statement
        FROM part AS o
        WHERE o.kind = 'policy'
          AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = o.id AND p.polname = o.name)
        UNION ALL
        SELECT 'warning',
               format('policy %I of table %s is not of the extension', p.polname, c.relname),
               format('DROP POLICY %I ON %s', p.polname, c.name)
        FROM pg_policy AS p JOIN relation AS c ON c.id = p.polrelid
        WHERE NOT EXISTS (SELECT FROM part AS o
                          WHERE o.kind = 'policy' AND o.id = c.id AND o.name = p.polname)
          AND EXISTS (SELECT FROM object AS o WHERE o.id = c.id)
        UNION ALL
        SELECT 'error',
               format('view %s is no security barrier: functions of who reads it are shown rows'
                      ' of others', c.relname),
               format('ALTER VIEW %s SET (security_barrier)', c.name)
        FROM object AS o JOIN relation AS c ON c.id = o.id
        WHERE o.kind = 'view'
          AND NOT EXISTS (SELECT FROM pg_options_to_table(c.reloptions) AS b
                          WHERE b.option_name = 'security_barrier' AND b.option_value::boolean)
    $$),
    ('installation', 'triggers', 'script', $$
        SELECT 'error', format('trigger %s of table %s %s', o.name, o.relation, s.state),
               CASE WHEN s.state = 'is disabled'
                    THEN format('ALTER TABLE %s ENABLE TRIGGER %I', o.id, o.name)
                    ELSE o.statement END
        FROM part AS o
             LEFT JOIN pg_trigger AS t ON t.tgrelid = o.id AND t.tgname = o.name,
             LATERAL (SELECT CASE WHEN t.oid IS NULL THEN 'does not exist'
                                  WHEN t.tgenabled NOT IN ('O', 'A') THEN 'is disabled' END)
                 AS s (state)
        WHERE o.kind = 'trigger' AND s.state IS NOT NULL
        UNION ALL
        /* the engine writes as the owner */
        SELECT 'warning',
               format('%s %I of %s is not of the extension, and is run with the rights of its'
                      ' owner', lower(f.kind), f.name, c.relname),
               format('DROP %s %I ON %s', f.kind, f.name, c.name)
        FROM (SELECT 'TRIGGER' AS kind, t.tgname AS name, t.tgrelid AS id
              FROM pg_trigger AS t
              WHERE NOT t.tgisinternal
                AND NOT EXISTS (SELECT FROM part AS o
                                WHERE o.kind = 'trigger' AND o.id = t.tgrelid AND o.name = t.tgname)
              UNION ALL
              SELECT 'RULE', r.rulename, r.ev_class
              FROM pg_rewrite AS r WHERE r.rulename <> '_RETURN') AS f
             JOIN relation AS c ON c.id = f.id
        WHERE EXISTS (SELECT FROM object AS o WHERE o.id = c.id)
    $$),
    ('installation', 'owner', NULL, $$
        SELECT 'error', format('%s %s belongs to %s, the extension to %s', lower(o.kind), o.name,
                               o.owner::regrole, m.extowner::regrole),
               format('ALTER %s %s OWNER TO %s', o.kind, o.name, m.extowner::regrole)
        FROM member AS m
             JOIN (SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind,
                          c.name::text, c.relowner AS owner, 'pg_class'::regclass AS catalog, c.id
                   FROM relation AS c WHERE c.relkind IN ('r', 'v')
                   UNION ALL
                   SELECT p.kind, p.name::text, p.proowner, 'pg_proc'::regclass, p.id
                   FROM routine AS p
                   UNION ALL
                   /* those of tables and arrays go with what they are of */
                   SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END,
                          t.oid::regtype::text, t.typowner, 'pg_type'::regclass, t.oid
                   FROM pg_type AS t WHERE t.typtype IN ('b', 'd') AND t.typcategory <> 'A'
                   UNION ALL
                   SELECT 'SCHEMA', n.nspname, n.nspowner, 'pg_namespace'::regclass, n.oid
                   FROM pg_namespace AS n) AS o ON o.catalog = m.catalog AND o.id = m.id
        WHERE o.owner <> m.extowner
    $$),
    ('installation', 'rights', NULL, $$
        /* nobody writes but through functions, and PUBLIC has nothing */
        SELECT 'error', format('%s has %s on %s %s', r.role, g.privilege, lower(g.kind), g.name),
               format('REVOKE %s ON %s %s FROM %s', g.privilege, g.kind, g.name, r.role)
        FROM (SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.name::text,
                     a.grantee, a.privilege_type AS privilege
              FROM member AS m
                   JOIN relation AS c ON m.catalog = 'pg_class'::regclass AND c.id = m.id,
                   aclexplode(c.relacl) AS a
              WHERE a.grantee <> c.relowner AND (a.grantee = 0 OR a.privilege_type <> 'SELECT')
              UNION ALL
              SELECT 'TABLE', c.name::text, a.grantee,
                     format('%s (%I)', a.privilege_type, k.attname)
              FROM member AS m
                   JOIN relation AS c ON m.catalog = 'pg_class'::regclass AND c.id = m.id
                   JOIN pg_attribute AS k ON k.attrelid = c.id AND NOT k.attisdropped,
                   aclexplode(k.attacl) AS a
              WHERE a.grantee <> c.relowner AND (a.grantee = 0 OR a.privilege_type <> 'SELECT')
              UNION ALL
              SELECT 'ROUTINE', p.name::text, a.grantee, a.privilege_type
              FROM member AS m
                   JOIN routine AS p ON m.catalog = 'pg_proc'::regclass AND p.id = m.id,
                   aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
              WHERE a.grantee = 0 AND p.proname !~ '^(version|role_[a-z]+)$'
              UNION ALL
              SELECT 'SCHEMA', n.nspname, a.grantee, a.privilege_type
              FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
              WHERE n.nspname = 'workflow' AND a.grantee <> n.nspowner
                AND (a.grantee = 0 OR a.privilege_type = 'CREATE')) AS g,
             LATERAL (SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC'
                                            ELSE g.grantee::regrole::text END) AS r (role)
    $$),
    ('installation', 'usage', 'script', $$
        /* who has less than half of it was given just that */
        SELECT 'warning',
               format('%s may use workflows, but %s of %s objects not: %s', g.role, r.lacks,
                      r.total, array_to_string(r.missing[1:5], ', ')),
               format('-- if it is to have all: SELECT workflow.grant_usage(%L)', g.role::text)
        FROM (SELECT a.grantee::regrole AS role
              FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
              WHERE n.nspname = 'workflow' AND a.privilege_type = 'USAGE'
                AND a.grantee NOT IN (0, n.nspowner, 'pg_monitor'::regrole)) AS g
             CROSS JOIN LATERAL (
                 SELECT count(*) AS total, count(*) FILTER (WHERE NOT p.has) AS lacks,
                        array_agg(p.name ORDER BY p.name) FILTER (WHERE NOT p.has) AS missing
                 FROM (SELECT o.name,
                              CASE WHEN o.catalog = 'pg_class'::regclass
                                   THEN has_table_privilege(g.role, o.id, 'SELECT')
                                   ELSE has_function_privilege(g.role, o.id, 'EXECUTE') END AS has
                       FROM object AS o
                       WHERE o.catalog <> 'pg_type'::regclass AND NOT o.owner_only) AS p) AS r
        WHERE r.lacks > 0 AND r.lacks * 2 < r.total
    $$),
    ('installation', 'durability of tables', NULL, $$
        SELECT 'error',
               format('table %s is not logged: empty after a crash, and on standbys', c.relname),
               format('ALTER TABLE %s SET LOGGED', c.name)
        FROM relation AS c WHERE c.relkind = 'r' AND c.relpersistence <> 'p'
    $$),
    ('installation', 'autovacuum', NULL, $$
        SELECT 'warning', format('%s is off: nobody removes dead rows', s.name),
               format('ALTER SYSTEM RESET %s -- and pg_reload_conf()', s.name)
        FROM pg_settings AS s
        WHERE s.name IN ('autovacuum', 'track_counts') AND s.setting = 'off'
        UNION ALL
        SELECT 'warning',
               format('autovacuum is off for table %s: nobody removes dead rows', c.relname),
               format('ALTER TABLE %s RESET (autovacuum_enabled)', c.name)
        FROM relation AS c, pg_options_to_table(c.reloptions) AS o
        WHERE c.relkind = 'r' AND o.option_name = 'autovacuum_enabled'
          AND NOT o.option_value::boolean
    $$),
    ('installation', 'dumps', 'script', $$
        SELECT 'error', format('dumps do not contain the rows of %s', o.relation),
               format('UPDATE pg_extension SET extconfig = extconfig || %s::oid,'
                      ' extcondition = extcondition || %L::text WHERE extname = %L',
                      o.id::oid, '', x.extname)
        FROM part AS o
             JOIN pg_extension AS x ON x.extname = 'pg_workflow' AND o.id::oid <> ALL (x.extconfig)
        WHERE o.kind = 'dump'
    $$),

    /* --- settings --- */

    ('settings', 'preload', NULL, $$
        SELECT 'error', h.detail, h.help FROM hindrance AS h WHERE h.reason = 'not preloaded'
    $$),
    ('settings', 'worker processes', 'monitor', $$
        SELECT 'warning',
               format('max_worker_processes is %s; %s executors, %s schedulers and the launcher'
                      ' need one each: there will be fewer executors',
                      s.most, s.executors, s.schedulers),
               format('ALTER SYSTEM SET max_worker_processes = %s -- and restart the server',
                      s.executors + s.schedulers + 1 + 8)
        FROM (SELECT current_setting('max_worker_processes')::integer AS most,
                     current_setting('workflow.max_executors')::integer AS executors,
                     GREATEST(1, count(*)) AS schedulers
              FROM pg_stat_activity AS a WHERE a.backend_type = 'pg_workflow scheduler') AS s
        WHERE s.most < s.executors + s.schedulers + 1
          AND NOT EXISTS (SELECT FROM hindrance AS h WHERE h.reason = 'not preloaded')
    $$),
    ('settings', 'limits', NULL, $$
        SELECT 'warning',
               format('%s, %s, is never reached: %s is %s', s.name, s.value, s.first, s.most),
               '-- change one of them'
        FROM (SELECT n.name, n.first, current_setting(n.name)::bigint AS value,
                     current_setting(n.first)::bigint AS most
              FROM (VALUES ('workflow.max_executors_per_database', 'workflow.max_executors'),
                           ('workflow.max_running_per_tenant', 'workflow.max_running'))
                   AS n (name, first)) AS s
        WHERE s.most > 0 AND s.value > s.most
    $$),
    ('settings', 'trusted owners', NULL, $$
        SELECT 'warning', format('workflow.trusted_owners names %s: there is no such role', n.name),
               format('-- CREATE ROLE %s, or take the name away', n.name)
        FROM regexp_split_to_table(current_setting('workflow.trusted_owners'), ' *, *') AS n (name)
        WHERE n.name NOT IN ('*', '')
          AND NOT EXISTS (SELECT FROM pg_roles AS r
                          WHERE quote_ident(r.rolname) IN (n.name, lower(n.name)))
    $$),
    ('settings', 'restart', NULL, $$
        SELECT 'warning', format('%s was changed, which takes a restart', s.name),
               '-- restart the server'
        FROM pg_settings AS s
        WHERE s.pending_restart
          AND (s.name LIKE 'workflow.%'
               OR s.name IN ('max_worker_processes', 'shared_preload_libraries'))
    $$),
    ('settings', 'configuration files', NULL, $$
        SELECT 'warning',
               format('%s, line %s: %s: %s', f.sourcefile, f.sourceline, f.name, f.error),
               '-- mend it, and SELECT pg_reload_conf()'
        FROM pg_file_settings AS f LEFT JOIN pg_settings AS s ON s.name = f.name
        WHERE f.error IS NOT NULL AND f.name LIKE 'workflow.%' AND s.pending_restart IS NOT TRUE
    $$),
    ('settings', 'durability of commits', NULL, $$
        SELECT 'warning', format('%s is off: %s', s.name, e.effect),
               format('ALTER SYSTEM RESET %s -- and pg_reload_conf()', s.name)
        FROM (VALUES ('synchronous_commit', 'the last steps before a crash run twice'),
                     ('fsync', 'a crash of the machine can take the database'),
                     ('full_page_writes', 'a crash of the machine can take the database'))
             AS e (name, effect)
             JOIN pg_settings AS s ON s.name = e.name
        WHERE s.reset_val = 'off'
    $$),

    /* --- processes --- */

    ('processes', 'launcher', 'monitor', $$
        SELECT 'error', 'there is no launcher: it got no background worker, or ends with an error',
               format('ALTER SYSTEM SET max_worker_processes = %s -- and restart the server',
                      current_setting('max_worker_processes')::integer + 8)
        WHERE NOT pg_is_in_recovery() AND pg_has_role('pg_monitor', 'USAGE')
          AND NOT EXISTS (SELECT FROM hindrance AS h WHERE h.reason = 'not preloaded')
          AND NOT EXISTS (SELECT FROM pg_stat_activity AS a
                          WHERE a.backend_type = 'pg_workflow launcher')
    $$),
    ('processes', 'scheduler', NULL, $$
        SELECT CASE WHEN h.reason IN ('standby', 'replica') THEN 'ok'
                    WHEN h.reason = 'disabled' THEN 'warning' ELSE 'error' END,
               h.reason || ': ' || h.detail,
               CASE WHEN h.reason NOT IN ('standby', 'replica') THEN h.help END
        FROM hindrance AS h WHERE h.reason NOT IN ('not preloaded', 'role')
        UNION ALL
        SELECT 'error', format('%s since %s', a.condition, a.since), '-- see the server log'
        FROM alert AS a WHERE a.condition IN ('scheduler frozen', 'done again')
        UNION ALL
        SELECT 'ok', format('process %s, %s executions under way', s.pid, s.executions), NULL
        FROM workflow.scheduler_state() AS s WHERE s.pid IS NOT NULL
    $$),
    ('processes', 'executors', 'monitor', $$
        SELECT 'warning', format('%s: process %s, since %s', a.condition, a.subject, a.since),
               format('SELECT workflow.recycle_executor(%s)', a.subject)
        FROM alert AS a WHERE a.condition LIKE 'executor %'
        UNION ALL
        SELECT 'ok', format('%s of at most %s, %s of them busy', count(*),
                            current_setting('workflow.max_executors'),
                            count(*) FILTER (WHERE x.state <> 'idle')), NULL
        FROM workflow.executors AS x
    $$),
    ('processes', 'roles', 'monitor', $$
        SELECT 'error', format('%s: it has %s %ss', n.detail, o.count, o.kind),
               /* somebody may have wanted that: no statement gives a role rights */
               CASE WHEN has_database_privilege(o.owner::oid, current_database(), 'CONNECT')
                    THEN format('-- if it is to work: ALTER ROLE %I LOGIN',
                                workflow.role_name(o.owner))
                    ELSE format('-- if it is to work: GRANT CONNECT ON DATABASE %I TO %I',
                                current_database(), workflow.role_name(o.owner)) END
        FROM workflow.owners AS o, workflow.no_workers(o.owner::oid) AS n
        WHERE o.kind IN ('open execution', 'schedule') AND NOT o.missing AND n.reason = 'role'
    $$),

    /* --- schedules and pg_cron --- */

    ('schedules', 'pg_cron', NULL, $$
        SELECT 'error', format('%s schedules are not started: pg_cron is not loaded', count(*)),
               '-- add pg_cron to shared_preload_libraries and restart the server'
        FROM workflow.schedules AS s
        WHERE s.enabled
          AND NOT EXISTS (SELECT FROM pg_settings AS c WHERE c.name = 'cron.database_name')
        HAVING count(*) > 0
    $$),
    ('schedules', 'jobs', 'monitor', $$
        SELECT 'error', a.condition || ': ' || a.subject,
               CASE WHEN a.condition = 'job of no role'
                    THEN format('SELECT cron.unschedule(%L)', a.subject)
                    ELSE 'SELECT workflow.sync_schedules()' END
        FROM alert AS a WHERE a.condition LIKE 'job %'
    $$),
    ('schedules', 'beat', 'monitor', $$
        SELECT 'error', format('%s: %s, since %s', a.condition, a.subject, a.since),
               '-- does pg_cron run? See cron.job_run_details and the server log'
        FROM alert AS a WHERE a.condition = 'schedule overdue'
    $$),
    ('schedules', 'workflows', 'rows', $$
        SELECT 'error', format('schedule %s starts workflow %s, which has no version to start',
                               s.name, s.workflow),
               format('SELECT workflow.pause_schedule(%L, %L)', s.name, 'no such workflow')
        FROM workflow.schedules AS s
        WHERE s.enabled
          AND NOT EXISTS (SELECT FROM workflow.definitions AS d
                          WHERE s.workflow IN (d.name, d.workflow_id)
                            AND d.version = COALESCE(s.version, d.version)
                            AND d.status IN ('active', 'deprecated'))
    $$),
    ('schedules', 'last runs', 'rows', $$
        SELECT 'warning', format('schedule %s, due at %s: %s', s.name, r.due_at,
                                 concat_ws(', ', r.outcome, r.reason)),
               format('SELECT workflow.run_schedule_now(%L)', s.name)
        FROM workflow.schedule_entries AS s
             CROSS JOIN LATERAL (SELECT x.* FROM workflow.schedule_run_entries AS x
                                 WHERE x.schedule_id = s.id ORDER BY x.id DESC LIMIT 1) AS r
        WHERE s.enabled AND r.outcome IN ('failed', 'missed')
    $$),
    ('schedules', 'housekeeping', 'rows', $$
        /* what prune() would have deleted long ago, among the oldest */
        SELECT 'warning', format('what ended before %s is kept, and housekeeping is not scheduled',
                                 max(e.completed_at)::date),
               CASE WHEN EXISTS (SELECT FROM pg_settings AS c WHERE c.name = 'cron.database_name')
                    THEN 'SELECT workflow.schedule_housekeeping()'
                    ELSE 'CALL workflow.prune_all()' END
        FROM (SELECT o.completed_at FROM workflow.executions AS o ORDER BY o.id LIMIT 100) AS e
        WHERE e.completed_at < now() - interval '60 days'
          AND NOT EXISTS (SELECT FROM workflow.schedules AS s
                          WHERE s.enabled AND s.workflow = 'pg_workflow.housekeeping')
        HAVING count(*) > 0
    $$),

    /* --- data --- */

    ('data', 'sequences', 'rows', $$
        SELECT 'error', format('sequence %s is at %s, and table %s at %s: the next row fails',
                               t.name || '_id_seq', t.last, t.name, t.most),
               format('SELECT setval(%L, %s)', 'workflow.' || t.name || '_id_seq', t.most)
        FROM (VALUES
            ('definitions',
             (SELECT q.last_value - (NOT q.is_called)::int FROM workflow.definitions_id_seq AS q),
             (SELECT max(x.id) FROM workflow.definitions AS x)),
            ('executions',
             (SELECT q.last_value - (NOT q.is_called)::int FROM workflow.executions_id_seq AS q),
             (SELECT max(x.id) FROM workflow.executions AS x)),
            ('dead_letters',
             (SELECT q.last_value - (NOT q.is_called)::int
              FROM workflow.dead_letters_id_seq AS q),
             (SELECT max(x.id) FROM workflow.dead_letters AS x)),
            ('audit_entries',
             (SELECT q.last_value - (NOT q.is_called)::int
              FROM workflow.audit_entries_id_seq AS q),
             (SELECT max(x.id) FROM workflow.audit_entries AS x)),
            ('executor_history',
             (SELECT q.last_value - (NOT q.is_called)::int
              FROM workflow.executor_history_id_seq AS q),
             (SELECT max(x.id) FROM workflow.executor_history AS x)),
            ('blocked_workflows',
             (SELECT q.last_value - (NOT q.is_called)::int
              FROM workflow.blocked_workflows_id_seq AS q),
             (SELECT max(x.id) FROM workflow.blocked_workflows AS x)),
            ('grants',
             (SELECT q.last_value - (NOT q.is_called)::int FROM workflow.grants_id_seq AS q),
             (SELECT max(x.id) FROM workflow.grants AS x)),
            ('role_limits',
             (SELECT q.last_value - (NOT q.is_called)::int FROM workflow.role_limits_id_seq AS q),
             (SELECT max(x.id) FROM workflow.role_limits AS x)),
            ('schedule_entries',
             (SELECT q.last_value - (NOT q.is_called)::int
              FROM workflow.schedule_entries_id_seq AS q),
             (SELECT max(x.id) FROM workflow.schedule_entries AS x)),
            ('schedule_run_entries',
             (SELECT q.last_value - (NOT q.is_called)::int
              FROM workflow.schedule_run_entries_id_seq AS q),
             (SELECT max(x.id) FROM workflow.schedule_run_entries AS x))) AS t (name, last, most)
        WHERE t.most > t.last
    $$),
    ('data', 'owners', 'monitor', $$
        SELECT 'warning', format('%s: %s, of %s objects', a.condition, a.subject, a.value),
               format('-- SELECT workflow.reassign_owned(%L, ..)', a.subject)
        FROM alert AS a WHERE a.condition = 'owner missing'
    $$),
    ('data', 'definitions', 'rows', $$
        /* of those that have not ended, by the indexes that have them */
        SELECT 'error', format('execution %s is of version %s of workflow %s, which does not exist',
                               e.id, e.version, e.workflow),
               format('SELECT workflow.cancel(%s)', e.id)
        FROM ((SELECT x.* FROM workflow.executions AS x
               WHERE x.status = 'pending' AND x.start_at IS NULL AND NOT x.limited
               LIMIT CASE WHEN NOT $1 THEN 10000 END)
              UNION ALL
              (SELECT x.* FROM workflow.executions AS x
               WHERE x.status = 'pending' AND x.start_at IS NOT NULL AND NOT x.limited
               LIMIT CASE WHEN NOT $1 THEN 10000 END)
              UNION ALL
              (SELECT x.* FROM workflow.executions AS x WHERE x.status = 'pending' AND x.limited
               LIMIT CASE WHEN NOT $1 THEN 10000 END)
              UNION ALL
              (SELECT x.* FROM workflow.executions AS x WHERE x.status IN ('running', 'cancelling')
               LIMIT CASE WHEN NOT $1 THEN 10000 END)
              UNION ALL
              (SELECT x.* FROM workflow.executions AS x WHERE x.status = 'paused'
               LIMIT CASE WHEN NOT $1 THEN 10000 END)
              UNION ALL
              (SELECT x.* FROM workflow.executions AS x WHERE x.status = 'blocked'
               LIMIT CASE WHEN NOT $1 THEN 10000 END)
              UNION ALL
              (SELECT x.* FROM workflow.executions AS x WHERE x.status = 'waiting'
               LIMIT CASE WHEN NOT $1 THEN 10000 END)) AS e
        WHERE NOT EXISTS (SELECT FROM workflow.definitions AS d
                          WHERE d.id = e.definition_id AND d.name = e.workflow
                            AND d.version = e.version)
    $$),
    ('data', 'statuses', 'rows', $$
        SELECT 'error', format('execution %s is %s %s', e.id, e.status, w.what),
               CASE WHEN w.what = 'and has no time of its end'
                    THEN format('UPDATE workflow.executions SET completed_at = now() WHERE id = %s',
                                e.id)
                    ELSE format('-- see SELECT * FROM workflow.history WHERE execution_id = %s',
                                e.id) END
        FROM (SELECT x.*, x.status IN ('completed', 'failed', 'timed_out', 'cancelled') AS over
              FROM workflow.executions AS x
              ORDER BY x.id DESC LIMIT CASE WHEN NOT $1 THEN 1000 END) AS e,
             LATERAL (SELECT CASE
                 WHEN e.over AND e.completed_at IS NULL THEN 'and has no time of its end'
                 WHEN NOT e.over AND e.completed_at IS NOT NULL THEN 'and has a time of its end'
                 WHEN e.status IN ('failed', 'timed_out') AND e.error_type IS NULL
                 THEN 'and has no error'
                 WHEN e.status = 'paused' AND e.paused_at IS NULL THEN 'and nobody has paused it'
                 WHEN e.status = 'cancelling' AND e.cancelled_at IS NULL
                 THEN 'and nobody has cancelled it'
                 WHEN e.retries > 0 AND e.retried_at IS NULL THEN 'and was retried at no time'
                 END) AS w (what)
        WHERE w.what IS NOT NULL
    $$),
    ('data', 'open steps', 'rows', $$
        /* what an execution stops by ending is recorded a moment later */
        SELECT 'error', format('step %s of execution %s is open, and the execution has ended',
                               s.step_id, s.execution_id),
               format('UPDATE workflow.step_executions SET status = %L, completed_at = now()'
                      ' WHERE execution_id = %s AND completed_at IS NULL',
                      'cancelled', s.execution_id)
        FROM (SELECT r.step_id, r.execution_id,
                     (SELECT e.completed_at FROM workflow.executions AS e
                      WHERE e.id = r.execution_id) AS ended_at
              FROM workflow.step_executions AS r
              WHERE r.completed_at IS NULL LIMIT CASE WHEN NOT $1 THEN 10000 END) AS s
        WHERE s.ended_at < now() - interval '1 minute'
    $$),
    ('data', 'steps', 'rows', $$
        /* their executions one by one, from the newest, by the key */
        WITH RECURSIVE newest AS (
            SELECT max(s.execution_id) AS id, 1 AS place FROM workflow.step_executions AS s
            UNION ALL
            SELECT (SELECT max(s.execution_id) FROM workflow.step_executions AS s
                    WHERE s.execution_id < n.id), n.place + 1
            FROM newest AS n WHERE n.id IS NOT NULL AND ($1 OR n.place < 1000))
        SELECT 'error', format('there are steps of execution %s, which does not exist', n.id),
               format('DELETE FROM workflow.step_executions WHERE execution_id = %s', n.id)
        FROM newest AS n
        WHERE n.id IS NOT NULL
          AND (SELECT e.id FROM workflow.executions AS e WHERE e.id = n.id) IS NULL
        UNION ALL
        SELECT 'error', format('execution %s has completed, and has no steps', e.id),
               '-- restore workflow.step_executions from a backup'
        FROM (SELECT x.id, x.status FROM workflow.executions AS x
              ORDER BY x.id DESC LIMIT CASE WHEN NOT $1 THEN 1000 END) AS e
        WHERE e.status = 'completed'
          AND (SELECT s.execution_id FROM workflow.step_executions AS s
               WHERE s.execution_id = e.id LIMIT 1) IS NULL
    $$),
    ('data', 'scopes', 'rows', $$
        SELECT 'error', format('step %s of execution %s is in scope %s, which nothing has opened',
                               s.step_id, e.id, s.scope),
               format('-- see SELECT * FROM workflow.step_status WHERE execution_id = %s', e.id)
        FROM (SELECT x.id FROM workflow.executions AS x
              ORDER BY x.id DESC LIMIT CASE WHEN NOT $1 THEN 100 END) AS e
             CROSS JOIN LATERAL (
                 SELECT r.step_id, r.scope FROM workflow.step_executions AS r
                 WHERE r.execution_id = e.id
                   AND ((workflow.scope_level(r.scope, 1) IS NULL) <> (r.parent_step_id IS NULL)
                        OR r.parent_step_id IS NOT NULL
                           AND NOT EXISTS (SELECT FROM workflow.step_executions AS c
                                           WHERE c.execution_id = e.id
                                             AND c.step_id = r.parent_step_id))
                 LIMIT 1) AS s
    $$),
    ('data', 'counts', 'rows', $$
        SELECT 'error', format('statistics of %s %s on %s: %s have ended, and by how they ended %s',
                               s.kind, s.name, s.day, s.total, p.parts),
               format('UPDATE workflow.statistics_days SET total = completed + failed + timed_out'
                      ' + cancelled WHERE day = %L AND kind = %L AND name = %L',
                      s.day, s.kind, s.name)
        FROM workflow.statistics_days AS s,
             LATERAL (SELECT s.completed + s.failed + s.timed_out + s.cancelled) AS p (parts)
        WHERE s.total <> p.parts AND ($1 OR s.day > current_date - 31)
    $$),
    ('data', 'dead letters', 'rows', $$
        SELECT 'error', format('dead letter %s is being replayed, by nothing', l.id),
               format('UPDATE workflow.dead_letters SET status = %L WHERE id = %s', 'pending', l.id)
        FROM (SELECT x.* FROM workflow.dead_letters AS x
              ORDER BY x.id DESC LIMIT CASE WHEN NOT $1 THEN 10000 END) AS l
        WHERE l.status = 'replaying'
          AND NOT EXISTS (SELECT FROM workflow.executions AS e
                          WHERE e.id IN (l.execution_id, l.replay_execution_id)
                            AND e.completed_at IS NULL)
    $$),
    ('data', 'waiting', 'rows', $$
        SELECT 'error',
               format('execution %s waits for others of a schedule that does not exist', e.id),
               format('SELECT workflow.cancel(%s)', e.id)
        FROM workflow.executions AS e
        WHERE e.schedule_id IS NOT NULL
          AND e.status IN ('pending', 'running', 'paused', 'cancelling', 'blocked', 'waiting')
          AND e.status = 'pending' AND e.start_at = 'infinity'
          AND NOT EXISTS (SELECT FROM workflow.schedule_entries AS s WHERE s.id = e.schedule_id)
    $$),
    ('data', 'waits', 'rows', $$
        SELECT 'error', format('execution %s waits, and nothing says for what', e.id),
               format('SELECT workflow.pause(%1$s), workflow.resume(%1$s)', e.id)
        FROM (SELECT x.id FROM workflow.executions AS x WHERE x.status = 'waiting'
              LIMIT CASE WHEN NOT $1 THEN 10000 END) AS e
        WHERE NOT EXISTS (SELECT FROM workflow.waits AS w WHERE w.execution_id = e.id)
           OR EXISTS (SELECT FROM workflow.step_executions AS s
                      WHERE s.execution_id = e.id AND s.completed_at IS NULL AND s.status = 'waiting'
                        AND NOT EXISTS (SELECT FROM workflow.waits AS w WHERE w.execution_id = e.id
                                        AND w.scope = s.scope AND w.step_id = s.step_id))
        UNION ALL
        /* what an execution stops by ending goes a moment later */
        SELECT 'error', format('there is what execution %s waits for, which has ended', w.execution_id),
               format('DELETE FROM workflow.waits WHERE execution_id = %s', w.execution_id)
        FROM (SELECT DISTINCT x.execution_id FROM workflow.waits AS x
              LIMIT CASE WHEN NOT $1 THEN 10000 END) AS w
        WHERE NOT EXISTS (SELECT FROM workflow.executions AS e WHERE e.id = w.execution_id
                          AND (e.completed_at IS NULL OR e.completed_at > now() - interval '1 minute'))
        UNION ALL
        /* what was released a moment ago the scheduler is told of */
        SELECT 'error', format('execution %s waits for the release of step %s, which is not held',
                               w.execution_id, w.step_id),
               format('SELECT workflow.hold_step(%1$s, %2$L), workflow.release_step(%1$s, %2$L)',
                      w.execution_id, w.step_id)
        FROM (SELECT x.* FROM workflow.waits AS x WHERE x.kind = 'hold'
              LIMIT CASE WHEN NOT $1 THEN 10000 END) AS w
             JOIN workflow.executions AS e ON e.id = w.execution_id
        WHERE w.until > now() AND e.completed_at IS NULL AND NOT e.control
          AND (e.step_marks -> w.step_id ->> 'mark') IS DISTINCT FROM 'hold'
    $$),
    ('data', 'blocks', 'rows', $$
        SELECT 'warning', format('%s executions of %s are blocked, and their workflow is not',
                                 count(*), e.workflow),
               format('SELECT workflow.block(%1$L), workflow.unblock(%1$L)', e.workflow)
        FROM workflow.executions AS e
        WHERE e.status = 'blocked'
          AND NOT EXISTS (SELECT FROM workflow.blocked_workflows AS b
                          WHERE b.workflow = e.workflow AND b.unblocked_at IS NULL
                            AND (b.role IS NULL OR b.role::oid = e.role::oid))
        GROUP BY e.workflow
    $$),
    ('data', 'agents', 'rows', $$
        SELECT 'error', format('agent %s calls %s, which does not exist', a.name, a.function),
               format('-- CREATE FUNCTION %s .., or SELECT workflow.drop_agent(%L)',
                      a.function, a.name)
        FROM workflow.agents AS a
        WHERE a.status = 'active' AND to_regprocedure(a.function) IS NULL AND a.function IS NOT NULL
        UNION ALL
        SELECT 'error', format('workflow %s calls agent %s, which %s', u.workflow, u.agent,
                               COALESCE('is ' || a.status, 'does not exist')),
               CASE WHEN a.name IS NULL
                    THEN format('-- SELECT workflow.register_agent(%L, ..)', u.agent)
                    ELSE format('SELECT workflow.set_agent_status(%L, %L)', a.name, 'active') END
        FROM (SELECT DISTINCT d.name AS workflow, s.step ->> 'agent_name' AS agent
              FROM (SELECT x.* FROM workflow.definitions AS x
                    ORDER BY x.id DESC LIMIT CASE WHEN NOT $1 THEN 1000 END) AS d,
                   jsonb_path_query(d.definition, '$.steps.*') AS s (step)
              WHERE d.status = 'active'
                AND NOT EXISTS (SELECT FROM workflow.definitions AS n
                                WHERE n.name = d.name AND n.version > d.version
                                  AND n.status = 'active')) AS u
             LEFT JOIN workflow.agents AS a ON a.name = u.agent
        WHERE u.agent IS NOT NULL AND strpos(u.agent, '${') = 0
          AND a.status IS DISTINCT FROM 'active'
    $$),

    /* --- the deployment's own questions --- */

    ('deployment', 'queue', 'monitor', $$
        SELECT 'warning', concat_ws(' since ', a.condition || ': ' || a.subject, a.since),
               '-- see SELECT * FROM workflow.queue LIMIT 10'
        FROM alert AS a
        WHERE a.condition IN (
            'not preloaded', 'standby', 'no scheduler', 'disabled', 'replica', 'drained',
            'scheduler fails', 'no executor', 'not taken up', 'queue wait', 'row locked',
            'lock wait')
        UNION ALL
        SELECT 'ok', format('%s wait, %s are deferred', COALESCE(sum(d.waiting), 0),
                            COALESCE(sum(d.deferred), 0)), NULL
        FROM workflow.queue_depth AS d
    $$),
    ('deployment', 'stopped', 'monitor', $$
        SELECT 'warning', format('%s: %s, since %s', a.condition, a.subject, a.since),
               CASE a.condition
                   WHEN 'workflow blocked'
                   THEN format('SELECT workflow.unblock(%L)', COALESCE(b.workflow, a.subject))
                   WHEN 'execution paused'
                   THEN format('SELECT workflow.resume_executions(%L)', a.subject)
                   ELSE '-- see SELECT * FROM workflow.marked_steps' END
        FROM alert AS a
             /* the subject may name a role as well */
             LEFT JOIN workflow.blocked_workflows AS b
                    ON a.condition = 'workflow blocked' AND b.unblocked_at IS NULL
                       AND a.subject = b.workflow || COALESCE(' for ' || b.role::text, '')
        WHERE a.condition IN ('workflow blocked', 'execution paused', 'step held')
        UNION ALL
        SELECT 'warning', format('drained: mode %s, by %s, since %s', d.mode, d.drained_by,
                                 d.drained_at), 'SELECT workflow.undrain()'
        FROM workflow.drain_status AS d
    $$),
    ('deployment', 'outcomes', 'monitor', $$
        /* and whatever else there is an alert about */
        SELECT 'warning', concat_ws(', ', a.condition || ': ' || a.subject, a.value,
                                    'since ' || a.since),
               '-- see SELECT * FROM workflow.'
               || CASE WHEN a.condition = 'dead letters' THEN 'dead_letter_status'
                       WHEN a.condition LIKE 'circuit breaker %' THEN 'breaker_status'
                       ELSE 'statistics(''1 hour'', 1000)' END
        FROM alert AS a
        WHERE a.condition NOT LIKE 'executor %' AND a.condition NOT LIKE 'job %'
          AND a.condition NOT IN (
              'scheduler frozen', 'done again', 'schedule overdue', 'owner missing',
              'not preloaded', 'standby', 'no scheduler', 'disabled', 'replica', 'drained',
              'scheduler fails', 'no executor', 'not taken up', 'queue wait', 'row locked',
              'lock wait', 'workflow blocked', 'execution paused', 'step held')
    $$),
    ('deployment', 'last success', 'monitor', $$
        SELECT 'ok', COALESCE(max(format('execution %s of %s, at %s', e.execution_id, e.workflow,
                                         e.completed_at)), 'none of the newest has completed'), NULL
        FROM (SELECT x.execution_id, x.workflow, x.completed_at
              FROM workflow.newest_execution AS last,
                   generate_series(last.id, last.id - 999, -1) AS n (id)
                   CROSS JOIN LATERAL (SELECT s.* FROM workflow.execution_status AS s
                                       WHERE s.execution_id = n.id OFFSET 0) AS x
              WHERE x.status = 'completed' ORDER BY x.completed_at DESC LIMIT 1) AS e
    $$)

    ) AS c (area, check_name, needs, query);
END;
COMMENT ON FUNCTION workflow.verify_checks() IS
'what verify() is made of: its checks in their order. needs: monitor (a member of pg_monitor is '
'shown all that it looks at), rows (the owner of the extension, or a superuser is), script (it '
'asks script_objects()) or null; query: returns status, detail and help for each thing that is '
'wrong; $1: whether to look at everything; $2: the alerts, as an array in JSON';

/* Monitoring: as far as it is shown what they look at. */
GRANT EXECUTE ON FUNCTION workflow.verify(boolean), workflow.verify_checks(),
    workflow.script_objects() TO pg_monitor;
