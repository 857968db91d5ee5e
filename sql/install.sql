--
-- Installation: what the extension creates, and how it is protected
--
SET client_min_messages = warning;

-- the schema is the extension's own: somebody else's is not taken over
CREATE SCHEMA workflow;
\set SHOW_CONTEXT never
CREATE EXTENSION pg_workflow;
\set SHOW_CONTEXT errors
DROP SCHEMA workflow;
CREATE EXTENSION pg_workflow;
SELECT extversion = workflow.version() AS same_version, extrelocatable
FROM pg_extension WHERE extname = 'pg_workflow';

-- without what comes with another one: types of rows and of arrays are members from 17 on
CREATE VIEW members AS
SELECT d.classid, d.objid, d.classid::regclass::text AS catalog,
       pg_describe_object(d.classid, d.objid, 0) AS object
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'pg_workflow' AND d.deptype = 'e'
  AND NOT EXISTS (SELECT FROM pg_depend i
                  WHERE (i.classid, i.objid) = (d.classid, d.objid) AND d.classid = 'pg_type'::regclass AND i.deptype = 'i');

-- nothing outside the schema
SELECT object FROM members
WHERE object NOT LIKE '%workflow.%' AND object <> 'schema workflow';

-- nothing without a comment: objects, columns, policies, triggers
SELECT object FROM members m
WHERE obj_description(objid, catalog) IS NULL AND object NOT LIKE 'sequence %';
SELECT a.attrelid::regclass, a.attname
FROM members m JOIN pg_attribute a ON a.attrelid = m.objid JOIN pg_class c ON c.oid = a.attrelid
WHERE m.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'v') AND a.attnum > 0
  AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) IS NULL;
SELECT p.polname FROM pg_policy p JOIN members m ON m.objid = p.polrelid
WHERE obj_description(p.oid, 'pg_policy') IS NULL;
SELECT t.tgname FROM pg_trigger t JOIN members m ON m.objid = t.tgrelid
WHERE obj_description(t.oid, 'pg_trigger') IS NULL;

-- every table has row-level security and is dumped, with its sequence; but for breakers, which tell of here and now
SELECT c.oid::regclass FROM members m JOIN pg_class c ON c.oid = m.objid
WHERE c.relkind = 'r' AND NOT c.relrowsecurity;
SELECT c.oid::regclass FROM members m JOIN pg_class c ON c.oid = m.objid
WHERE c.relkind IN ('r', 'S')
  AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_workflow' AND c.oid = ANY (e.extconfig));

-- no type in a table that keeps pg_upgrade from upgrading a cluster
SELECT c.oid::regclass, a.attname, a.atttypid::regtype
FROM members m JOIN pg_class c ON c.oid = m.objid JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND a.attnum > 0 AND a.atttypid::regtype::text LIKE 'reg%'
  AND a.atttypid NOT IN ('regrole'::regtype, 'regclass'::regtype, 'regtype'::regtype);

-- execution_id, or the execution's id, leads every key and index of execution state
SELECT i.indexrelid::regclass, a.attname AS leading_column
FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = 'workflow.step_executions'::regclass ORDER BY 1;

-- views of other roles' rows are barriers
SELECT c.oid::regclass FROM members m JOIN pg_class c ON c.oid = m.objid
WHERE c.relkind = 'v' AND NOT coalesce('security_barrier=true' = ANY (c.reloptions), false);

-- what everybody may do: the version, and what the type role is made of, nothing else
SELECT object FROM members m JOIN pg_proc p ON p.oid = m.objid
WHERE has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY object COLLATE "C";
SELECT c.oid::regclass FROM members m JOIN pg_class c ON c.oid = m.objid
WHERE c.relkind IN ('r', 'v') AND has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
SELECT has_schema_privilege('public', 'workflow', 'USAGE') AS public_usage,
       has_schema_privilege('public', 'workflow', 'CREATE') AS public_create;

-- tables without a replica identity: none, or a publication of all tables would refuse what we change
SELECT c.oid::regclass AS no_identity FROM members m JOIN pg_class c ON c.oid = m.objid
WHERE c.relkind IN ('r', 'p') AND c.relreplident <> 'f' AND NOT EXISTS (
    SELECT FROM pg_index i WHERE i.indrelid = c.oid
    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END);

-- monitoring reads views, not tables
SELECT c.oid::regclass AS monitored FROM members m JOIN pg_class c ON c.oid = m.objid
WHERE c.relkind IN ('r', 'v') AND has_table_privilege('pg_monitor', c.oid, 'SELECT') ORDER BY c.oid::regclass::text COLLATE "C";

-- functions: how they are marked; none runs with its owner's rights
SELECT p.oid::regprocedure AS function, p.provolatile AS volatile, p.proisstrict AS strict,
       p.proparallel AS parallel
FROM members m JOIN pg_proc p ON p.oid = m.objid ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT p.oid::regprocedure FROM members m JOIN pg_proc p ON p.oid = m.objid
WHERE p.prosecdef;

-- internal functions do not let themselves be called
SELECT workflow.extension_ready();

-- dropped and created anew, in one session: nothing of the first is remembered
SELECT workflow.define('{"name": "first", "steps": {"a": {"type": "set", "output": 1}}, "start_step": "a"}');
SELECT workflow.explain('first') IS NOT NULL AS known;
DROP VIEW members;
DROP EXTENSION pg_workflow;
SELECT count(*) FROM pg_namespace WHERE nspname = 'workflow';
CREATE EXTENSION pg_workflow;
SELECT workflow.explain('first');
SELECT workflow.define('{"name": "second", "steps": {"b": {"type": "set", "output": 1}}, "start_step": "b"}');
SELECT id, name, version FROM workflow.definitions;
SELECT workflow.explain('second') LIKE '%b%' AND workflow.explain('second') NOT LIKE '%first%' AS fresh;
TRUNCATE workflow.definitions;
