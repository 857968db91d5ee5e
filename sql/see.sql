--
-- Who sees what executions of others do: granted by the owner of their workflow
--
SET client_min_messages = notice;
SET jit = off;
ALTER SEQUENCE workflow.executions_id_seq RESTART 9200001;
CREATE ROLE regress_see_owner LOGIN;
CREATE ROLE regress_see_starter LOGIN;
CREATE ROLE regress_see_group;
CREATE ROLE regress_see_member LOGIN IN ROLE regress_see_group;
CREATE ROLE regress_see_noinherit LOGIN NOINHERIT IN ROLE regress_see_group;
CREATE ROLE regress_see_clerk LOGIN;
SELECT count(workflow.grant_usage(oid::regrole)) FROM pg_roles WHERE rolname ~ '^regress_see' AND rolcanlogin;
CREATE SCHEMA regress_see;
GRANT USAGE, CREATE ON SCHEMA regress_see TO PUBLIC;
SET ROLE regress_see_owner;
SELECT workflow.define('{"name": "see_work", "workflow_id": "see", "dead_letter": true, "steps": [{"id": "a", "type": "sql", "sql": "SELECT $1::integer", "params": ["${workflow.input.n}"], "result": "value"}]}');
SELECT workflow.define('{"name": "see_not", "steps": [{"id": "a", "type": "set", "output": "${workflow.input.n}"}]}');
SELECT workflow.define(jsonb_build_object('name', 'see_' || repeat('long', 40), 'steps', '[{"id": "a", "sql": "SELECT pg_sleep(600)"}]'::jsonb));
SET ROLE regress_see_starter;
SELECT workflow.start('see', '{"n": "SEE_NOT"}', tenant => 'acme') AS failed \gset
SELECT status FROM workflow.wait(:failed, '60 s');
SELECT workflow.start('see_not', '{"n": "SEE_NOT"}') AS other \gset
SELECT status FROM workflow.wait(:other, '60 s');
SELECT workflow.start('see', '{"n": "SEE_NOT"}', start_at => 'infinity') AS waits \gset
SELECT workflow.hold_step(:waits, 'a', 'SEE_NOT'), workflow.pause(:waits, 'SEE_NOT');
RESET ROLE;
SELECT id AS letter FROM workflow.dead_letters WHERE execution_id = :failed \gset

-- what a role sees: executions, and how many of what belongs to them; and rows of tables, which have payloads
CREATE FUNCTION regress_see.by(role text, OUT executions text, OUT steps bigint, OUT letters bigint, OUT marks bigint, OUT entries bigint, OUT events boolean, OUT rows bigint) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', 'regress_see_' || role);
    SELECT (SELECT string_agg(e.workflow || ' ' || e.status, ', ' ORDER BY e.execution_id) FROM workflow.execution_status AS e WHERE e.status <> 'running'),
           (SELECT count(*) FROM workflow.step_status AS s WHERE s.status <> 'running'), (SELECT count(*) FROM workflow.dead_letter_status),
           (SELECT count(*) FROM workflow.marked_steps), (SELECT count(*) FROM workflow.audit_log AS a WHERE a.execution_id > 9200000),
           (SELECT count(*) > 0 FROM workflow.history AS h WHERE h.execution_id > 9200000),
           (SELECT count(*) FROM workflow.executions) + (SELECT count(*) FROM workflow.step_executions) + (SELECT count(*) FROM workflow.dead_letters) + (SELECT count(*) FROM workflow.audit_entries AS a WHERE a.execution_id > 9200000)
    INTO executions, steps, letters, marks, entries, events, rows;
    RESET ROLE;
END $$;
CREATE FUNCTION regress_see.try(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    BEGIN
        EXECUTE format('SET LOCAL ROLE %I', 'regress_see_' || role);
        EXECUTE statement INTO result;
    EXCEPTION WHEN OTHERS THEN
        result := regexp_replace(concat_ws(' | ', SQLSTATE, SQLERRM), '(execution|letter) [0-9]+', '\1 N');
    END;
    RESET ROLE;
    RETURN result;
END $$;

-- A180: nobody but the starter; not the owner either
SELECT r.role, b.* FROM unnest('{starter,owner,member,clerk}'::text[]) AS r (role), regress_see.by(role) AS b;
SELECT regress_see.try('clerk', 'SELECT workflow.grant_execute(''see'', ''regress_see_clerk'', ''see'')');
-- granted to a group: its members, one that inherits, see that workflow, and no row of a table
SET ROLE regress_see_owner;
SELECT workflow.grant_execute('see', 'regress_see_group', 'see'), workflow.grant_execute('see_work', 'regress_see_group', privilege => 'see');
RESET ROLE;
SELECT r.role, b.* FROM unnest('{owner,member,noinherit,clerk}'::text[]) AS r (role), regress_see.by(role) AS b;
SELECT regress_see.try('member', 'SELECT string_agg(workflow, '', '') FROM workflow.seen_workflows');
-- A181: what was done, and not with what
SET ROLE regress_see_member;
SELECT workflow, status, role, tenant, error_type, pause_reason, cancel_reason, input, output, error FROM workflow.execution_status ORDER BY execution_id;
SELECT step_id, status, error_type, input, output, error FROM workflow.step_status;
SELECT workflow, error_type, message FROM workflow.dead_letter_status;
SELECT step_id, mark, reason FROM workflow.marked_steps;
SELECT event, step_id, detail FROM workflow.history WHERE execution_id = :failed ORDER BY at;
SELECT action, role, reason, before, after, session_role, pid, application_name, client_address FROM workflow.audit_log WHERE execution_id = :waits ORDER BY id;
SELECT reason, step_id, detail, replace(replace(help, :'failed', 'N'), :'letter', 'L') AS help FROM workflow.why(:failed);
SELECT workflow.progress(:failed) ->> 'status' AS progress, workflow.metrics(:failed) ->> 'status' AS metrics;
SELECT strpos(p, 'SEE_NOT') AS payload, strpos(p, 'see_not') AS "of another workflow"
FROM (SELECT workflow.timeline(:failed) || workflow.timeline_svg(:waits) || workflow.diagram(:failed) || workflow.report(:failed) || workflow.report(:waits) || workflow.report() AS p) AS p;
-- A182: and not more than to look on
RESET ROLE;
SELECT regress_see.try('member', call) FROM unnest(ARRAY[format('SELECT status FROM workflow.wait(%s, ''0 s'')', :failed), format('SELECT workflow.cancel(%s)', :waits),
    format('SELECT workflow.retry(%s)', :failed), format('SELECT workflow.replay(%s)', :letter), format('SELECT workflow.discard(%s)', :letter), format('SELECT workflow.erase(%s)', :failed),
    format('SELECT workflow.timeline(%s)', :other), format('SELECT workflow.cancel(%s)', :other)]) AS call;

-- A183: functions in conditions of a reader are shown what it may see, and nothing before that is decided
CREATE FUNCTION regress_see.look(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0000001 AS $$
BEGIN
    PERFORM set_config('see.looked', concat(current_setting('see.looked', true), ' ', $1), false);
    RETURN true;
END $$;
SET ROLE regress_see_member;
SELECT count(*) FROM workflow.execution_status WHERE regress_see.look(workflow) AND regress_see.look(input::text) AND regress_see.look(error::text);
SELECT count(*) FROM workflow.step_status WHERE regress_see.look(workflow) AND regress_see.look(input::text) AND regress_see.look(error::text);
SELECT count(*) FROM workflow.dead_letter_status WHERE regress_see.look(workflow) AND regress_see.look(message);
SELECT count(*) > 0 FROM workflow.history WHERE regress_see.look(detail) AND execution_id = :failed;
SELECT count(*) FROM workflow.audit_log WHERE execution_id > 9200000 AND regress_see.look(execution_id::text || reason);
SELECT count(*) FROM workflow.executions WHERE regress_see.look(workflow);
SELECT DISTINCT l FROM regexp_split_to_table(current_setting('see.looked'), ' ') AS l WHERE l ~* 'see' ORDER BY l;
-- asked once in a query, and not for each row; and of who has the rights of the role, not at all
CREATE FUNCTION regress_see.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END $$;
SELECT p ~ 'hashed SubPlan' AS hashed, p ~ 'on grants g \([^\n]*loops=1\)' AS once FROM regress_see.plan('SELECT count(*) FROM workflow.execution_status') AS p;
SET ROLE regress_see_starter;
SELECT p ~ 'on grants g \(never executed\)' AS "not asked" FROM regress_see.plan(format('SELECT count(*) FROM workflow.execution_status WHERE execution_id = %s', :failed)) AS p;
RESET ROLE;

-- an owner that wants to see says so, for all to read
SET ROLE regress_see_owner;
SELECT workflow.grant_execute('see', 'regress_see_owner', 'see');
SELECT count(*) FROM workflow.execution_status;
SELECT workflow.revoke_execute('see', 'regress_see_owner', 'see');
SELECT count(*) FROM workflow.execution_status;
-- all roles that use workflows
SELECT workflow.grant_execute('see', '-', 'see');
RESET ROLE;
SELECT r.role, b.executions FROM unnest('{owner,noinherit,clerk}'::text[]) AS r (role), regress_see.by(role) AS b;
SELECT workflow, role, privilege, granted, granted_by FROM workflow.grants WHERE workflow = 'see_work' ORDER BY role::text NULLS FIRST;
SET ROLE regress_see_owner;
SELECT workflow.revoke_execute('see', 'regress_see_member', 'see');
SELECT workflow.revoke_execute('see', 'regress_see_group', 'see');
SELECT workflow.revoke_execute('see', '-', 'see'), workflow.revoke_execute('see', '-', 'see');
RESET ROLE;
SELECT r.role, b.* FROM unnest('{member,clerk}'::text[]) AS r (role), regress_see.by(role) AS b;
-- A184: who was let see, was a member, or is called as one that was
SET ROLE regress_see_owner;
SELECT workflow.grant_execute('see', 'regress_see_group', 'see');
RESET ROLE;
REVOKE regress_see_group FROM regress_see_member;
SELECT executions FROM regress_see.by('member');
GRANT regress_see_group TO regress_see_member;
SELECT executions FROM regress_see.by('member');
DROP OWNED BY regress_see_group;
DROP ROLE regress_see_group;
CREATE ROLE regress_see_group ROLE regress_see_member;
SELECT executions FROM regress_see.by('member');
-- to start, or to steer, is not to see
SET ROLE regress_see_owner;
SELECT workflow.grant_execute('see', 'regress_see_clerk'), workflow.grant_execute('see', 'regress_see_clerk', 'steer');
RESET ROLE;
SELECT executions, rows FROM regress_see.by('clerk');

-- names of namespaces are names; and long ones are not those that begin as they do
SET workflow.namespaces = on;
SET ROLE regress_see_owner;
SELECT workflow.define('{"name": "regress_see.work", "steps": [{"id": "a", "type": "set", "output": 1}]}');
SELECT workflow.grant_execute('regress_see.work', 'regress_see_clerk', 'see');
SET ROLE regress_see_starter;
SELECT workflow.start('regress_see.work', start_at => 'infinity') AS named \gset
SELECT workflow.start('see_' || repeat('long', 40)) AS long \gset
RESET ROLE;
RESET workflow.namespaces;
SELECT executions FROM regress_see.by('clerk');
DO $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM workflow.activity WHERE step_id = 'a' AND workflow ~ '^see_long') LOOP
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
    END LOOP;
END $$;
SELECT regress_see.try('clerk', 'SELECT count(*) FROM workflow.activity');
SET ROLE regress_see_owner;
SELECT workflow.grant_execute('see_' || repeat('long', 40), 'regress_see_clerk', 'see');
RESET ROLE;
SELECT regress_see.try('clerk', 'SELECT concat_ws('' '', step_id, query, loop_label) FROM workflow.activity');
SELECT regress_see.try('clerk', 'SELECT count(*) FROM workflow.step_status WHERE status = ''running''');
SELECT workflow.cancel(:long), workflow.cancel(:named), workflow.cancel(:waits);
SELECT w.status FROM unnest(ARRAY[:long, :waits]) AS id, workflow.wait(id, '60 s') AS w;

SET client_min_messages = warning;
DELETE FROM workflow.dead_letters WHERE workflow ~ '^(regress_)?see';
DELETE FROM workflow.step_executions WHERE execution_id IN (SELECT id FROM workflow.executions WHERE workflow ~ '^(regress_)?see');
DELETE FROM workflow.executions WHERE workflow ~ '^(regress_)?see';
DELETE FROM workflow.definitions WHERE name ~ '^(regress_)?see';
DELETE FROM workflow.grants WHERE workflow ~ '^(regress_)?see';
DELETE FROM workflow.audit_entries WHERE role::text ~ 'regress_see' OR execution_id > 9200000;
DROP SCHEMA regress_see CASCADE;
SELECT count(workflow.revoke_usage(oid::regrole)) FROM pg_roles WHERE rolname ~ '^regress_see' AND rolcanlogin;
DROP ROLE regress_see_owner, regress_see_starter, regress_see_group, regress_see_member, regress_see_noinherit, regress_see_clerk;
