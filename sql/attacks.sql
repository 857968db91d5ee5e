--
-- Attacks: what somebody tries who may use workflows, and no more; docs/security.md has the list
--
SET client_min_messages = warning;
SELECT current_user AS super \gset
CREATE ROLE regress_atk_mallory LOGIN;	-- who attacks
CREATE ROLE regress_atk_victim LOGIN;	-- whose rights are wanted
CREATE ROLE regress_atk_lesser;			-- whom mallory may become
CREATE ROLE regress_atk_reader LOGIN IN ROLE pg_read_all_data;
CREATE ROLE regress_atk_writer LOGIN IN ROLE pg_write_all_data;
GRANT regress_atk_lesser TO regress_atk_mallory;
SELECT count(workflow.grant_usage(r)) FROM unnest('{regress_atk_mallory,regress_atk_victim,regress_atk_writer}'::regrole[]) AS r;
CREATE SCHEMA atk AUTHORIZATION regress_atk_mallory;
GRANT USAGE, CREATE ON SCHEMA atk TO PUBLIC;
GRANT USAGE ON SCHEMA test TO regress_atk_mallory, regress_atk_victim;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA test TO regress_atk_mallory, regress_atk_victim;
CREATE TABLE atk.log (id int GENERATED ALWAYS AS IDENTITY, what text, who name DEFAULT current_user, session name DEFAULT session_user);
GRANT ALL ON atk.log TO PUBLIC;
CREATE FUNCTION atk.note(what text) RETURNS text LANGUAGE plpgsql AS $$BEGIN INSERT INTO atk.log (what) VALUES ($1); RETURN $1; END$$;
-- who was seen at what; and forgotten
CREATE VIEW atk.seen AS SELECT what, who, session FROM atk.log ORDER BY id;
GRANT SELECT ON atk.seen TO PUBLIC;
-- what a statement is refused with, and done nothing
CREATE FUNCTION atk.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'SUCCEEDED';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '\m\d{4,}\M', 'N', 'g');
END $$;
-- settings, role and all, as in a session of one's own
\c - regress_atk_mallory
SET client_min_messages = warning;

--
-- Code of somebody's around our own statements: whoever starts an execution is who it runs as
--
-- A12: a deferred trigger that queues another one
CREATE TABLE atk.chained (i int);
CREATE FUNCTION atk.chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM atk.note('deferred ' || NEW.i);
    IF NEW.i < 3 THEN
        INSERT INTO atk.chained VALUES (NEW.i + 1);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chain AFTER INSERT ON atk.chained DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION atk.chain();
-- A13: a policy's function
CREATE TABLE atk.guarded (i int);
INSERT INTO atk.guarded VALUES (1);
ALTER TABLE atk.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY guard ON atk.guarded USING (atk.note('policy') IS NOT NULL);
GRANT SELECT ON atk.guarded TO PUBLIC;
-- A14: an operator
CREATE FUNCTION atk.compare(int, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN atk.note('operator') IS NOT NULL; END$$;
CREATE OPERATOR atk.=== (LEFTARG = int, RIGHTARG = text, FUNCTION = atk.compare);
-- A15: the cast to json of a type in the result, and in a row and an array of it; the server asks for none of a row itself
CREATE TYPE atk.mood AS ENUM ('good', 'bad');
CREATE FUNCTION atk.mood_json(atk.mood) RETURNS json LANGUAGE plpgsql AS $$BEGIN PERFORM atk.note('cast of ' || $1); RETURN '"mood"'; END$$;
CREATE CAST (atk.mood AS json) WITH FUNCTION atk.mood_json(atk.mood);
CREATE TYPE atk.pair AS (a int, m atk.mood);
CREATE FUNCTION atk.pair_json(atk.pair) RETURNS json LANGUAGE plpgsql AS $$BEGIN PERFORM atk.note('cast of a row'); RETURN '"pair"'; END$$;
CREATE CAST (atk.pair AS json) WITH FUNCTION atk.pair_json(atk.pair);
-- A16: the domain of a value that is bound
CREATE FUNCTION atk.check_value(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN atk.note('domain') IS NOT NULL; END$$;
CREATE DOMAIN atk.checked AS text CHECK (atk.check_value(VALUE));
-- A17: the expression of an index on a table that is emptied at COMMIT
CREATE FUNCTION atk.indexed(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM atk.note('index'); RETURN $1; END$$;
GRANT USAGE ON SCHEMA atk TO PUBLIC;
SELECT workflow.define($${"name": "atk_around", "steps": [
  {"id": "deferred", "sql": "INSERT INTO atk.chained VALUES (1)"},
  {"id": "policy", "sql": "SELECT count(*) FROM atk.guarded"},
  {"id": "operator", "sql": "SELECT 1 OPERATOR(atk.===) 'x'"},
  {"id": "cast", "sql": "SELECT 'good'::atk.mood AS m"},
  {"id": "casts", "sql": "SELECT ROW(1, 'bad')::atk.pair AS p, ARRAY['good', 'bad']::atk.mood[] AS l, ARRAY[ROW(2, 'good')]::atk.pair[] AS r"},
  {"id": "domain", "sql": "SELECT $1::atk.checked", "params": ["x"]},
  {"id": "index", "sql": "CREATE TEMP TABLE t (i int) ON COMMIT DELETE ROWS; CREATE INDEX ON t (atk.indexed(i)); INSERT INTO t VALUES (1)"},
  {"id": "after", "sql": "SELECT atk.note('the step behind it')"}]}$$) AS version;
GRANT ALL ON atk.chained TO PUBLIC;
\c - regress_atk_victim
SET client_min_messages = warning;
CALL test.go('atk_around');
SELECT * FROM atk.seen;
\c - :super
SET client_min_messages = warning;
TRUNCATE atk.log;
-- A18: the same as a lesser role, where the starter is a superuser, in one transaction
GRANT ALL ON atk.chained, atk.log, atk.guarded TO regress_atk_lesser;
SELECT workflow.define(definition || '{"name": "atk_around_lesser", "settings": {"role": "regress_atk_lesser"}, "commit": {"max_steps": 10, "max_ms": 60000}}') AS version
FROM workflow.definitions WHERE name = 'atk_around';
CALL test.go('atk_around_lesser');
SELECT * FROM atk.seen;
TRUNCATE atk.log;
-- A20: what undoes a step, and what comes behind a failure, is the starter's
SET ROLE regress_atk_mallory;
SELECT workflow.define($${"name": "atk_epilogue", "on_failure": ["told"], "steps": [
  {"id": "a", "sql": "SELECT atk.note('step')", "compensate": "undo"},
  {"id": "b", "type": "fail", "message": "it is not to be"},
  {"id": "undo", "sql": "SELECT atk.note('compensation')"}, {"id": "told", "sql": "SELECT atk.note('on_failure')"}]}$$) AS version;
SET ROLE regress_atk_victim;
SELECT workflow.start('atk_epilogue') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
RESET ROLE;
SELECT DISTINCT who, session FROM atk.seen;
TRUNCATE atk.log;

--
-- Who somebody is
--
SET ROLE regress_atk_mallory;
-- A37: settings that name another role, A38: another session, A39: what only a superuser may set
SET client_min_messages = error;
SELECT atk.try(format('SELECT workflow.define(''{"name": "atk_setting_%s", "steps": [{"id": "a", "sql": "SELECT current_user", "settings": {%s}}]}'')', n, s)) AS defined
FROM unnest(ARRAY['"role": "regress_atk_victim"', '"session_authorization": "regress_atk_victim"', '"session_replication_role": "replica"', '"workflow.max_priority": "1000"',
  '"workflow.enabled": "off"', '"log_statement": "all"', '"zero_damaged_pages": "on"', '"is_superuser": "on"']) WITH ORDINALITY AS s (s, n);
SET client_min_messages = warning;
SELECT format('CALL test.go(''atk_setting_%s'')', n) FROM generate_series(1, 7) AS n \gexec
-- A41: a function that sets the role itself, A42: set_config, RESET and ALL in every form; the starter is a superuser who stepped down
RESET ROLE;
SET ROLE regress_atk_lesser;
CREATE FUNCTION atk.rise() RETURNS name LANGUAGE plpgsql SET role = 'none' AS $$BEGIN RETURN current_user; END$$;
RESET ROLE;
SELECT workflow.define(jsonb_build_object('name', 'atk_rise', 'settings', '{"role": "regress_atk_lesser"}'::jsonb, 'steps',
    (SELECT jsonb_agg(jsonb_build_object('id', 's' || n, 'sql', sql, 'on_failure', 'ignore')) FROM unnest(ARRAY['SELECT atk.rise() AS current_user', 'SELECT set_config(''role'', ''none'', true)',
    'SELECT set_config(''role'', ''none'', false)', 'SET LOCAL ROLE NONE', 'SET SESSION ROLE NONE', 'RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT', 'SET LOCAL SESSION AUTHORIZATION DEFAULT',
    'DO $d$BEGIN EXECUTE ''RESET ROLE''; END$d$', 'DO $d$BEGIN BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END; EXECUTE ''RESET ROLE''; END$d$',
    'RESET ALL; SELECT current_user', 'DISCARD PLANS; SELECT current_user', 'SELECT current_user'])
    WITH ORDINALITY AS s (sql, n)))) AS version;
CALL test.go('atk_rise') \g /dev/null
SELECT step_id, status, COALESCE(error ->> 'message', output #>> '{rows,0,current_user}') AS what FROM workflow.step_executions
WHERE execution_id = test.id() ORDER BY length(step_id), step_id;
-- A53: a function with SECURITY DEFINER calls what its owner trusts, whatever its caller has set
CREATE FUNCTION atk.nightly() RETURNS jsonb LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$SELECT workflow.execute('atk_nightly')$$;
CREATE FUNCTION atk.nightly_start() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$SELECT workflow.start('atk_nightly')$$;
CREATE FUNCTION atk.nightly_agent() RETURNS jsonb LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$SELECT workflow.execute('atk_agent')$$;
ALTER FUNCTION atk.nightly() OWNER TO regress_atk_victim;
ALTER FUNCTION atk.nightly_start() OWNER TO regress_atk_victim;
ALTER FUNCTION atk.nightly_agent() OWNER TO regress_atk_victim;
SET ROLE regress_atk_mallory;
SELECT workflow.define('{"name": "atk_nightly", "steps": [{"id": "a", "sql": "SELECT current_user", "result": "value"}]}') AS version;
SELECT workflow.register_agent('atk_agent', sql => 'SELECT current_user', result => 'value');
SET ROLE regress_atk_victim;
SELECT workflow.define('{"name": "atk_agent", "steps": [{"id": "a", "agent_name": "atk_agent"}]}') AS version;
SET ROLE regress_atk_mallory;
SELECT atk.nightly(), atk.nightly_agent();
RESET ROLE;
ALTER ROLE regress_atk_victim SET workflow.trusted_owners = 'regress_atk_victim';
SET ROLE regress_atk_mallory;
SET workflow.trusted_owners = '*';
SELECT atk.try('SELECT atk.nightly()') AS execute, atk.try('SELECT atk.nightly_start()') AS start, atk.try('SELECT atk.nightly_agent()') AS agent;
RESET ROLE;
-- in one database, too, which goes before
ALTER ROLE regress_atk_victim IN DATABASE :"DBNAME" SET workflow.trusted_owners = regress_atk_mallory;
SET ROLE regress_atk_mallory;
SELECT atk.nightly(), atk.nightly_agent();
-- and not what the caller does not trust
SET workflow.trusted_owners = '';
SELECT atk.try('SELECT atk.nightly()') AS execute;
RESET workflow.trusted_owners;
RESET ROLE;
ALTER ROLE regress_atk_victim IN DATABASE :"DBNAME" RESET ALL;
ALTER ROLE regress_atk_victim RESET ALL;
-- A54: execute() in such a function runs steps as its owner, and leaves nothing of it behind
SET ROLE regress_atk_mallory;
SELECT atk.nightly(), current_user AS afterwards;
-- A55: start() from the expression of an index is the table's owner's, whoever makes the index anew
CREATE TABLE atk.bait (i int);
INSERT INTO atk.bait VALUES (1);
CREATE FUNCTION atk.bite(int) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN workflow.start('atk_nightly', start_at => 'infinity'); END$$;
CREATE INDEX ON atk.bait (atk.bite(i));
RESET ROLE;
REINDEX TABLE atk.bait;
ANALYZE atk.bait;
SELECT DISTINCT role FROM workflow.executions WHERE workflow = 'atk_nightly' AND start_at = 'infinity';
DROP TABLE atk.bait;
-- A56: what a lesser step starts is the lesser role's
GRANT USAGE ON SCHEMA workflow TO regress_atk_lesser;
GRANT EXECUTE ON FUNCTION workflow.start(text, jsonb, integer, integer, timestamptz, text, text, boolean) TO regress_atk_lesser;
SELECT workflow.define('{"name": "atk_nested", "settings": {"role": "regress_atk_lesser"}, "steps": [{"id": "a", "sql": "SELECT workflow.start(''atk_nightly'', tenant => ''nested'', start_at => ''infinity'')", "result": "none"}]}') AS version;
ALTER ROLE regress_atk_lesser LOGIN;
CALL test.go('atk_nested');
SELECT role FROM workflow.executions WHERE tenant = 'nested';
REVOKE EXECUTE ON FUNCTION workflow.start(text, jsonb, integer, integer, timestamptz, text, text, boolean) FROM regress_atk_lesser;
REVOKE USAGE ON SCHEMA workflow FROM regress_atk_lesser;
-- A57: casts between mallory's types and that of roles, which statements of ours could find; A58: our functions, declared anew
SET ROLE regress_atk_mallory;
CREATE FUNCTION atk.to_role(atk.mood) RETURNS workflow.role LANGUAGE sql AS $$SELECT 'regress_atk_victim'::workflow.role$$;
CREATE FUNCTION atk.from_role(workflow.role) RETURNS atk.mood LANGUAGE plpgsql AS $$BEGIN PERFORM atk.note('cast of a role'); RETURN 'good'; END$$;
CREATE CAST (atk.mood AS workflow.role) WITH FUNCTION atk.to_role(atk.mood) AS IMPLICIT;
CREATE CAST (workflow.role AS atk.mood) WITH FUNCTION atk.from_role(workflow.role) AS IMPLICIT;
SELECT atk.try('CREATE CAST (workflow.role AS text) WITH INOUT AS IMPLICIT') AS "cast",
       atk.try('CREATE FUNCTION atk.eq(workflow.role, oid) RETURNS boolean LANGUAGE c AS ''$libdir/pg_workflow'', ''workflow_role_eq''') AS c,
       atk.try('CREATE FUNCTION atk.prune() RETURNS bigint LANGUAGE c AS ''$libdir/pg_workflow'', ''workflow_prune''') AS c_prune;
CALL test.go('atk_nightly');
SELECT count(*) > 0 AS some FROM workflow.execution_status WHERE role = 'regress_atk_mallory'::regrole;
SELECT * FROM atk.seen WHERE what = 'cast of a role';
DROP CAST (workflow.role AS atk.mood);
DROP CAST (atk.mood AS workflow.role);

--
-- What others have made: workflows, agents
--
-- A62: another's agent, A63: workflow, A64: workflow_id
RESET ROLE;
SET ROLE regress_atk_victim;
SELECT workflow.define('{"name": "atk_victims", "workflow_id": "atk-id", "steps": [{"id": "a", "sql": "SELECT 1"}]}') AS version;
SELECT workflow.register_agent('atk_victims', sql => 'SELECT 1');
SET ROLE regress_atk_mallory;
SELECT atk.try(s) FROM unnest(ARRAY[$s$SELECT workflow.register_agent('atk_victims', sql => 'SELECT 2')$s$, $s$SELECT workflow.drop_agent('atk_victims')$s$, $s$SELECT workflow.set_agent_status('atk_victims', 'inactive')$s$,
  $s$SELECT workflow.define('{"name": "atk_victims", "steps": [{"id": "a", "sql": "SELECT 2"}]}')$s$, $s$SELECT workflow.define('{"name": "atk-id", "steps": [{"id": "a", "sql": "SELECT 2"}]}')$s$,
  $s$SELECT workflow.define('{"name": "atk_other", "workflow_id": "atk-id", "steps": [{"id": "a", "sql": "SELECT 2"}]}')$s$,
  $s$SELECT workflow.define('{"name": "atk_other", "workflow_id": "atk_victims", "steps": [{"id": "a", "sql": "SELECT 2"}]}')$s$,
  $s$SELECT workflow.set_status('atk_victims', 1, 'archived')$s$, $s$SELECT workflow.block('atk_victims')$s$]) AS s;
-- A66: to give away what would run as another, A67: to take what is another's
SELECT atk.try(s) FROM unnest(ARRAY[$s$SELECT workflow.set_owner('atk_nightly', 'regress_atk_victim')$s$, $s$SELECT workflow.set_owner('atk_victims', 'regress_atk_mallory')$s$,
  $s$SELECT workflow.reassign_owned('regress_atk_mallory', 'regress_atk_victim')$s$, $s$SELECT workflow.reassign_owned('regress_atk_victim', 'regress_atk_mallory')$s$]) AS s;
-- A70: the function of an agent has its own rights
RESET ROLE;
CREATE FUNCTION atk.private(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN RETURN '"private"'; END$$;
CREATE FUNCTION atk.private_sql(jsonb) RETURNS jsonb LANGUAGE sql AS $$SELECT '"private"'::jsonb$$;
REVOKE EXECUTE ON FUNCTION atk.private(jsonb), atk.private_sql(jsonb) FROM PUBLIC;
SELECT workflow.register_agent('atk_private', 'atk.private(jsonb)'), workflow.register_agent('atk_private_sql', 'atk.private_sql(jsonb)');
SET ROLE regress_atk_mallory;
SELECT workflow.define('{"name": "atk_private", "steps": [{"id": "a", "agent_name": "atk_private", "on_failure": "ignore"}, {"id": "b", "agent_name": "atk_private_sql"}], "output": ["${a.output}", "${b.output}"]}') AS version;
CALL test.go('atk_private');
SELECT step_id, status, error ->> 'message' AS message FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY step_id;
-- A71: another function of the same name, for another type, is not called instead
RESET ROLE;
GRANT EXECUTE ON FUNCTION atk.private(jsonb), atk.private_sql(jsonb) TO PUBLIC;
SET ROLE regress_atk_mallory;
CREATE FUNCTION atk.private(json) RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN RETURN '"stolen"'; END$$;
CREATE FUNCTION atk.private_sql(anyelement) RETURNS jsonb LANGUAGE sql AS $$SELECT '"stolen"'::jsonb$$;
CREATE FUNCTION atk.private_sql(text) RETURNS jsonb LANGUAGE sql AS $$SELECT '"stolen"'::jsonb$$;
CALL test.go('atk_private');
RESET ROLE;
SELECT workflow.drop_agent('atk_private'), workflow.drop_agent('atk_private_sql');

--
-- Names as injection
--
-- A80: of roles
CREATE ROLE "regress_atk_'; DROP TABLE atk.log; --" LOGIN;
CREATE ROLE "regress_atk_"", PUBLIC; --" LOGIN;
-- A81: that say that they are missing, or somebody else's number
CREATE ROLE "regress_atk_x (missing)" LOGIN;
CREATE ROLE "regress_atk_x (missing 10)" LOGIN;
SELECT count(workflow.grant_usage(oid)) FROM pg_roles WHERE rolname ~ '^regress_atk_.*[^a-z_]';
SELECT rolname, has_schema_privilege(oid, 'workflow', 'USAGE') AS usage, oid = (workflow.role_of(oid)::text::workflow.role)::oid AS "read as written", workflow.role_missing(workflow.role_of(oid)::text::workflow.role) AS missing
FROM pg_roles WHERE rolname ~ '^regress_atk_.*[^a-z_]' ORDER BY rolname;
SELECT count(*) AS "of everybody" FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE n.nspname = 'workflow' AND a.grantee = 0;
SET ROLE "regress_atk_'; DROP TABLE atk.log; --";
SELECT workflow.start('atk_nightly') AS id \gset
SELECT status, output FROM workflow.wait(:id, '60 s');
-- A84: of schedules
SELECT workflow.schedule('atk '' "; -- ', 'atk_nightly', '0 0 1 1 *', enabled => false) IS NULL AS scheduled;
SELECT workflow.unschedule('atk '' "; -- ');
RESET ROLE;
SELECT count(workflow.revoke_usage(oid)) FROM pg_roles WHERE rolname ~ '^regress_atk_.*[^a-z_]';
SELECT workflow.reassign_owned('"regress_atk_''; DROP TABLE atk.log; --"', 'regress_atk_victim') > 0 AS given;
-- A82: a role that does not exist with the number of one that does
SELECT 'regress_atk_y (missing 10)'::workflow.role::oid, format('regress_atk_y (missing %s)', 'regress_atk_victim'::regrole::oid)::workflow.role::oid = 'regress_atk_victim'::regrole AS is_victim;
SET ROLE regress_atk_mallory;
SELECT atk.try($s$SELECT workflow.reassign_owned('regress_atk_y (missing 10)', 'regress_atk_mallory')$s$);
-- A83: of workflows, steps, agents, their functions, A87: in notifications
CREATE FUNCTION atk."f'(); DROP TABLE atk.log; --"(jsonb) RETURNS jsonb LANGUAGE sql AS $$SELECT '"called"'::jsonb$$;
SELECT workflow.register_agent($n$atk'; DROP TABLE atk.log; --$n$, $f$atk."f'(); DROP TABLE atk.log; --"(jsonb)$f$);
SELECT workflow.define($${"name": "atk'; DROP TABLE atk.log; -- \" \n\\", "notify": true, "steps": [{"id": "s", "agent_name": "atk'; DROP TABLE atk.log; --"}]}$$) AS version;
LISTEN workflow;
\o | grep -v '"executor"' | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/'
CALL test.go(E'atk''; DROP TABLE atk.log; -- " \n\\');
SELECT 'all have come' AS end;
\o
UNLISTEN *;
SELECT count(*) FROM workflow.why(test.id());
-- A88: nobody believes a notification
SELECT workflow.start('atk_nightly', start_at => 'infinity') AS id \gset
NOTIFY workflow, '{"execution_id": 1, "status": "completed"}';
SELECT status FROM workflow.execution_status WHERE execution_id = :id;
-- A91: what would be a path
SELECT atk.try(format('SELECT workflow.define(%L)', jsonb_build_object('name', 'atk_path', 'steps', jsonb_build_array(jsonb_build_object('id', id, 'sql', 'SELECT 1')))))
FROM unnest('{a/b,a[0],a.b,~1/a,a#2,""}'::text[]) AS id;

--
-- Objects of the extension, and in its schema
--
-- A107: what makes an owner's statement run somebody's code, A108: or finds somebody's object, A110: or makes it the extension's
SELECT s AS statement, left(atk.try(s), 5) AS refused FROM unnest(ARRAY['CREATE TRIGGER t BEFORE INSERT ON workflow.executions FOR EACH ROW EXECUTE FUNCTION atk.chain()', 'CREATE RULE r AS ON INSERT TO workflow.executions DO ALSO NOTHING',
  'CREATE POLICY p ON workflow.executions USING (true)', 'CREATE TABLE atk.child () INHERITS (workflow.executions)',
  'CREATE TABLE atk.referring (id bigint REFERENCES workflow.executions)', 'CREATE INDEX ON workflow.executions (atk.indexed(priority))', 'CREATE STATISTICS atk.st ON workflow, role FROM workflow.executions',
  'ALTER TABLE workflow.executions ALTER COLUMN priority SET DEFAULT 1', 'ALTER TABLE workflow.executions DISABLE ROW LEVEL SECURITY', 'COMMENT ON TABLE workflow.executions IS ''mine''',
  'CREATE OR REPLACE FUNCTION workflow.version() RETURNS text LANGUAGE sql AS ''SELECT NULL''', 'ALTER FUNCTION workflow.prune OWNER TO regress_atk_mallory', 'ALTER FUNCTION workflow.version SECURITY DEFINER',
  'CREATE TABLE workflow.mine ()', 'CREATE FUNCTION workflow.role_name(regrole) RETURNS text LANGUAGE sql AS ''SELECT NULL''', 'CREATE TYPE workflow.text AS ENUM ()', 'ALTER FUNCTION atk.chain() SET SCHEMA workflow',
  'CREATE OPERATOR workflow.= (LEFTARG = workflow.role, RIGHTARG = oid, FUNCTION = oideq)', 'CREATE PUBLICATION atk_pub FOR TABLE workflow.executions', 'TRUNCATE workflow.executions',
  'ALTER EXTENSION pg_workflow ADD FUNCTION atk.chain()', 'ALTER EXTENSION pg_workflow DROP TABLE workflow.executions', 'DROP EXTENSION pg_workflow CASCADE', 'DROP SCHEMA workflow CASCADE', 'ALTER EXTENSION pg_workflow UPDATE',
  'SELECT workflow.extension_ready()', 'SELECT FROM workflow.executions FOR UPDATE', 'SELECT FROM workflow.executions FOR KEY SHARE', 'ALTER DEFAULT PRIVILEGES FOR ROLE regress_atk_victim GRANT ALL ON TABLES TO PUBLIC'])
  WITH ORDINALITY AS s (s, n) ORDER BY n;
RESET ROLE;

--
-- Tables, views and grants
--
-- A122: no view writes into its tables, which would be as the owner
SELECT c.relname AS "can be written" FROM pg_class AS c WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'v' AND pg_relation_is_updatable(c.oid, true) <> 0;
SET ROLE regress_atk_writer;
SELECT workflow.start('atk_nightly', start_at => 'infinity', version => 1) AS id \gset
SELECT atk.try(format('UPDATE workflow.execution_status SET role = %L, start_at = NULL WHERE execution_id = %s', :'super', :id));
-- A123: nor does a right to write give the rows of a table
SELECT atk.try($s$INSERT INTO workflow.executions (definition_id, workflow, version, role, input) VALUES (1, 'atk_nightly', 1, 'regress_atk_victim', '{}')$s$),
       atk.try($s$INSERT INTO workflow.agents (name, kind, sql, owner) VALUES ('atk_new', 'sql', 'SELECT 1', 'regress_atk_victim')$s$);
DO $$
DECLARE
    t name;
    n bigint;
BEGIN
    FOR t IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'r' LOOP
        EXECUTE format('DELETE FROM workflow.%I', t);
        GET DIAGNOSTICS n = ROW_COUNT;
        IF n > 0 THEN
            RAISE WARNING '% rows of % deleted', n, t;
        END IF;
    END LOOP;
END $$;
UPDATE workflow.executions SET role = 'regress_atk_victim';
SELECT role FROM workflow.executions WHERE id = :id;
RESET ROLE;
SELECT c.relname AS "not guarded" FROM pg_class AS c WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relrowsecurity;
SELECT p.polrelid::regclass AS "written by others", p.polname FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid WHERE c.relnamespace = 'workflow'::regnamespace AND p.polcmd <> 'r';
-- A124: what was passed on is taken back, too
GRANT USAGE ON SCHEMA workflow TO regress_atk_mallory WITH GRANT OPTION;
GRANT SELECT ON workflow.execution_status TO regress_atk_mallory WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION workflow.validate(jsonb) TO regress_atk_mallory WITH GRANT OPTION;
SET ROLE regress_atk_mallory;
GRANT USAGE ON SCHEMA workflow TO regress_atk_lesser;
GRANT SELECT ON workflow.execution_status TO regress_atk_lesser;
GRANT EXECUTE ON FUNCTION workflow.validate(jsonb) TO regress_atk_lesser;
RESET ROLE;
SELECT workflow.revoke_usage('regress_atk_mallory');
SELECT r AS role, has_schema_privilege(r, 'workflow', 'USAGE') AS usage, has_table_privilege(r, 'workflow.execution_status', 'SELECT') AS view, has_function_privilege(r, 'workflow.validate(jsonb)', 'EXECUTE') AS function
FROM unnest('{regress_atk_mallory,regress_atk_lesser}'::regrole[]) AS r;
SELECT workflow.grant_usage('regress_atk_mallory');
-- A128: who may read all data reads of others what is no payload
SET ROLE regress_atk_victim;
SELECT workflow.start('atk_nightly', '{"secret": "ATK_PAYLOAD"}', version => 1, tenant => 'ATK_PAYLOAD', idempotency_key => 'ATK_PAYLOAD', start_at => 'infinity') AS id \gset
RESET ROLE;
CREATE FUNCTION atk.payload_seen() RETURNS TABLE (relation name) LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    FOR relation IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1 LOOP
        BEGIN
            EXECUTE format('SELECT count(*) FROM workflow.%I AS t WHERE t::text ~ ''ATK_PAYLOAD''', relation) INTO n;
            IF n > 0 THEN
                RETURN NEXT;
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT count(*) > 0 AS "is there" FROM atk.payload_seen();
SET ROLE regress_atk_reader;
SELECT * FROM atk.payload_seen();
-- A129: without the policies, A130: copied
SET row_security = off;
SELECT atk.try('SELECT FROM workflow.executions') AS row_security_off;
RESET row_security;
SELECT atk.try('COPY (SELECT * FROM workflow.executions) TO PROGRAM ''cat''') ~ '^42501' AS copy,
       atk.try(format('SELECT FROM %s', (SELECT c.reltoastrelid::regclass FROM pg_class AS c WHERE c.oid = 'workflow.executions'::regclass))) AS toast;
RESET ROLE;
ANALYZE workflow.executions, workflow.step_executions;
-- A132: statistics of the planner, A144: where the table keeps what is large
SET ROLE regress_atk_mallory;
SELECT left(atk.try(format('SELECT FROM %s', (SELECT c.reltoastrelid::regclass FROM pg_class AS c WHERE c.oid = 'workflow.executions'::regclass))), 5) AS toast;
SELECT count(*) AS statistics FROM pg_stats WHERE schemaname = 'workflow' AND tablename IN ('executions', 'step_executions', 'dead_letters');
SELECT atk.try('SELECT FROM pg_statistic') AS pg_statistic;
-- A138: the idempotency key of another
SELECT workflow.start('atk_nightly', version => 1, idempotency_key => 'ATK_PAYLOAD', start_at => 'infinity') <> :id AS own;
DO $$BEGIN PERFORM workflow.cancel(execution_id) FROM workflow.execution_status WHERE workflow = 'atk_nightly' AND status = 'pending'; END$$;
-- A143: the sequence that numbers them
SELECT atk.try('SELECT last_value FROM workflow.executions_id_seq') AS read, atk.try('SELECT setval(''workflow.executions_id_seq'', 1)') AS set;

--
-- Exhaustion
--
-- A166: what is nested without end
SELECT atk.try(format('SELECT workflow.evaluate(%L)', e)) AS expression FROM unnest(ARRAY[repeat('(', 200000) || '1', repeat('-', 1000000) || '1', repeat('not ', 500000) || 'true', repeat('[', 500000), repeat('1 + ', 500000) || '1']) AS e;
SELECT atk.try(format('SELECT workflow.validate(%L)', d)) AS definition FROM unnest(ARRAY[repeat('[', 5000) || repeat(']', 5000), '{"name":"x","steps":' || repeat('[', 900) || repeat(']', 900) || '}',
  '{"name":"x","steps":[{"id":"a","type":"set","output":' || repeat('{"a":', 900) || '1' || repeat('}', 900) || '}]}']) AS d;
SELECT workflow.define('{"name": "atk_deep", "steps": [{"id": "a", "type": "set", "output": {"x": "${workflow.input}"}}, {"id": "b", "sql": "SELECT $1", "params": ["${a.output}"], "result": "value"}]}') AS version;
SELECT workflow.start('atk_deep', (repeat('{"a":', 3000) || '1' || repeat('}', 3000))::jsonb) AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT length(workflow.report(:id)) > 0 AND length(workflow.timeline(:id)) > 0 AND length(workflow.diagram(:id)) > 0 AS shown;
-- A169: names and keys without end
SELECT regexp_replace(atk.try(format('SELECT workflow.start(%L, tenant => %L, idempotency_key => %L, version => 1)', w, t, k)), 'x{100,}', 'x..') AS start
FROM (VALUES (repeat('x', 100000), 't', 'k'), ('atk_nightly', repeat('x', 100000), 'k'), ('atk_nightly', 't', repeat('x', 100000)), ('atk_nightly', '', 'k')) AS v (w, t, k);
SELECT atk.try(format('SELECT workflow.register_agent(%L, sql => ''SELECT 1'')', repeat('x', 100000))) AS agent, atk.try(format('SELECT workflow.schedule(%L, ''atk_nightly'', ''@daily'', enabled => false)', repeat('x', 100000))) AS schedule,
       regexp_replace(atk.try(format('SELECT workflow.define(%L)', jsonb_build_object('name', repeat('x', 100000), 'steps', '[{"id": "a", "sql": "SELECT 1"}]'::jsonb))), 'x{100,}', 'x..') AS definition;
-- A171: every function, with nothing and with the most there is
SET client_min_messages = error;
DO $$
DECLARE
    f record;
    v text;
BEGIN
    FOR f IN SELECT p.oid, p.proname, p.prokind, ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n) AS types
             FROM pg_proc AS p WHERE p.pronamespace = 'workflow'::regnamespace AND p.prorettype <> 'internal'::regtype AND NOT 'internal'::regtype = ANY (p.proargtypes)
               AND p.proname <> ALL ('{run,wait,statistics,statistics_between}') AND has_function_privilege(p.oid, 'EXECUTE') LOOP
        FOREACH v IN ARRAY '{nothing,least,most,odd}'::text[] LOOP
            BEGIN
                EXECUTE format(CASE f.prokind WHEN 'p' THEN 'CALL workflow.%I(%s)' ELSE 'SELECT FROM workflow.%I(%s)' END, f.proname,
                    (SELECT string_agg(CASE v WHEN 'nothing' THEN 'NULL' ELSE quote_literal(((CASE t WHEN 'bigint' THEN '{-9223372036854775808,9223372036854775807,0}'
                         WHEN 'integer' THEN '{-2147483648,2147483647,0}' WHEN 'numeric' THEN '{-1e1000,1e1000,NaN}' WHEN 'boolean' THEN '{f,t,f}' WHEN 'oid' THEN '{0,4294967295,1}'
                         WHEN 'interval' THEN '{-178000000 years,178000000 years,1 mon -40 days}' WHEN 'timestamp with time zone' THEN '{-infinity,infinity,4713-01-01 BC}'
                         WHEN 'jsonb' THEN '{"null","[[[[]]]]","{\"99999999999\": -1}"}' WHEN 'text[]' THEN '{"{}","{NULL}","{{a,b},{c,d}}"}' WHEN 'regrole' THEN '{-,4294967295,-}'
                         WHEN 'workflow.role' THEN '{"x (missing 1)","x (missing 4294967295)","x (missing)"}' WHEN 'tstzmultirange' THEN '{"{}","{(,)}","{[today,infinity)}"}'
                         WHEN 'regprocedure' THEN '{-,version(),-}' WHEN 'cstring' THEN '{x,x,x}' ELSE '{"",%s%n$1,;}' END)::text[])[array_position('{least,most,odd}'::text[], v)]) || '::' || t END, ', ' ORDER BY n)
                     FROM unnest(f.types) WITH ORDINALITY AS a (t, n)));
            EXCEPTION WHEN OTHERS THEN
                IF SQLSTATE ~ '^(XX|42883|42725)' THEN
                    RAISE INFO '% (%): % %', f.proname, v, SQLSTATE, SQLERRM;
                END IF;
            END;
        END LOOP;
    END LOOP;
END $$;
RESET ROLE;
SET client_min_messages = warning;
-- the table that so many names wanted to be rid of
SELECT count(*) >= 0 AS there FROM atk.log;

DELETE FROM workflow.step_executions WHERE execution_id IN (SELECT id FROM workflow.executions WHERE role::text ~ 'regress_atk');
DELETE FROM workflow.executions WHERE role::text ~ 'regress_atk';
DELETE FROM workflow.audit_entries WHERE role::text ~ 'regress_atk';
DELETE FROM workflow.agents WHERE owner::text ~ 'regress_atk';
DELETE FROM workflow.definitions WHERE owner::text ~ 'regress_atk' OR name ~ '^atk';
SELECT count(workflow.revoke_usage(r)) FROM unnest('{regress_atk_mallory,regress_atk_victim,regress_atk_writer}'::regrole[]) AS r;
DROP SCHEMA atk CASCADE;
REVOKE ALL ON SCHEMA test FROM regress_atk_mallory, regress_atk_victim;
REVOKE ALL ON ALL ROUTINES IN SCHEMA test FROM regress_atk_mallory, regress_atk_victim;
\set VERBOSITY terse
DROP ROLE regress_atk_mallory, regress_atk_victim, regress_atk_lesser, regress_atk_reader, regress_atk_writer, "regress_atk_'; DROP TABLE atk.log; --", "regress_atk_"", PUBLIC; --", "regress_atk_x (missing)", "regress_atk_x (missing 10)";
\set VERBOSITY default
