--
-- Who may start the executions of a workflow, and steer those of others
--
SET client_min_messages = notice;
CREATE ROLE regress_grants_owner LOGIN;
CREATE ROLE regress_grants_clerk LOGIN;
CREATE ROLE regress_grants_group;
CREATE ROLE "Regress grants member" LOGIN IN ROLE regress_grants_group;
CREATE ROLE regress_grants_noinherit LOGIN NOINHERIT;
GRANT regress_grants_group TO regress_grants_noinherit;
SELECT count(workflow.grant_usage(oid::regrole)) FROM pg_roles WHERE rolname ~* '^regress.grants' AND rolcanlogin;
-- each of those of the test: which may start it
CREATE FUNCTION grants_starters(workflow text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(right(rolname, -15), ', ' ORDER BY rolname COLLATE "C") FROM pg_roles
    WHERE rolname ~* '^regress.grants' AND rolcanlogin
      AND test.outcome(rolname, format('SELECT workflow.start(%L, start_at => ''infinity'')', workflow)) = 'done'
$$;
SET ROLE regress_grants_owner;
SELECT workflow.define('{"name": "grants_work", "workflow_id": "grants", "dead_letter": true, "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1 / $1::integer", "params": ["${workflow.input.by ?? 1}"]}]}');
RESET ROLE;

-- by default all may start it, and nobody else is the owner
SHOW workflow.default_execute;
SELECT grants_starters('grants_work');
SET ROLE regress_grants_clerk;
SELECT workflow.grant_execute('grants_work', 'regress_grants_clerk');
SELECT workflow.revoke_execute('grants_work', '-');
SET workflow.default_execute = 'owner';
RESET ROLE;

-- a grant alone closes nothing
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants', 'regress_grants_group');
SELECT workflow.grant_execute('grants_work', 'regress_grants_group');
RESET ROLE;
SELECT grants_starters('grants_work');
-- revoked from all, it is those it is granted to, and who has their rights
SET ROLE regress_grants_owner;
SELECT workflow.revoke_execute('grants_work', '-');
SELECT workflow.revoke_execute('grants_work', '-');
SELECT workflow, role, privilege, granted, granted_by FROM workflow.grants ORDER BY role::text NULLS FIRST;
RESET ROLE;
SELECT grants_starters('grants_work'), grants_starters('grants');

-- each way to start it
SELECT test.outcome('regress_grants_clerk', call) FROM unnest(ARRAY['SELECT workflow.start(''grants_work'')', 'SELECT workflow.start(''grants'')',
    'SELECT workflow.execute(''grants_work'')', 'SELECT workflow.execute(''grants_work'', version => 1)',
    'SELECT workflow.schedule(''s'', ''grants_work'', ''0 0 * * *'', enabled => false)']) AS call;
SET ROLE regress_grants_clerk;
CALL workflow.run('grants_work');
RESET ROLE;
-- a role that may, in a function of its own, for who may not
CREATE FUNCTION grants_start() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_temp RETURN workflow.start('grants_work', start_at => 'infinity');
ALTER FUNCTION grants_start OWNER TO "Regress grants member";
SELECT test.outcome('regress_grants_clerk', 'SELECT grants_start()');
SELECT role FROM workflow.executions WHERE workflow = 'grants_work' ORDER BY created_at DESC LIMIT 1;
-- a superuser, always
SELECT workflow.execute('grants_work') IS NULL AS executed;

-- a schedule whose role may not any more: recorded as any other failure
SET ROLE "Regress grants member";
SELECT workflow.schedule('grants_schedule', 'grants_work', '0 0 * * *', enabled => false) IS NULL AS scheduled;
RESET ROLE;
REVOKE regress_grants_group FROM "Regress grants member";
SELECT test.outcome('Regress grants member', 'SELECT workflow.run_schedule_now(''grants_schedule'')');
UPDATE workflow.schedule_entries SET enabled = true, job_schedule = '0 0 * * *', next_run_at = now() - interval '1 second' WHERE name = 'grants_schedule';
SET ROLE "Regress grants member";
SELECT workflow.schedule_tick('grants_schedule') AS tick;
SELECT outcome, reason FROM workflow.schedule_runs WHERE schedule = 'grants_schedule' ORDER BY due_at DESC LIMIT 1;
SELECT workflow.unschedule('grants_schedule');
RESET ROLE;
GRANT regress_grants_group TO "Regress grants member";

-- what failed goes on, or is done anew, as a role that may start it
SET ROLE "Regress grants member";
SELECT workflow.start('grants_work', '{"by": 0}') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT dead_letter_id FROM workflow.dead_letter_status WHERE execution_id = :id \gset
RESET ROLE;
REVOKE regress_grants_group FROM "Regress grants member";
SET ROLE "Regress grants member";
SELECT workflow.retry(:id);
SELECT workflow.replay(:dead_letter_id);
SELECT reason, replace(help, :'dead_letter_id', 'N') AS help FROM workflow.why(:id);
SET ROLE regress_grants_owner;
SELECT workflow.retry(:id);
SELECT workflow.grant_execute('grants_work', '"Regress grants member"');
SET ROLE "Regress grants member";
SELECT workflow.replay(:dead_letter_id, '{"by": 1}') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SET ROLE regress_grants_owner;
SELECT workflow.revoke_execute('grants_work', '"Regress grants member"');
-- it may still, by another way
RESET ROLE;
GRANT regress_grants_group TO "Regress grants member";
SET ROLE regress_grants_owner;
SELECT workflow.revoke_execute('grants_work', '"Regress grants member"');
SELECT workflow.revoke_execute('grants_work', 'regress_grants_group');
RESET ROLE;
SELECT grants_starters('grants_work');

-- what is queued goes on
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants_work', 'regress_grants_clerk');
SET ROLE regress_grants_clerk;
SELECT workflow.start('grants_work', start_at => 'infinity') AS id \gset
SELECT workflow.pause(:id);
SET ROLE regress_grants_owner;
SELECT workflow.revoke_execute('grants_work', 'regress_grants_clerk');
SET ROLE regress_grants_clerk;
SELECT workflow.resume(:id);

-- steering: what the owner can do to the executions of others, and no more
RESET ROLE;
SELECT test.outcome('Regress grants member', format('SELECT workflow.cancel(%s)', :id));
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants_work', 'regress_grants_group', 'steer');
SELECT workflow.grant_execute('grants_work', 'regress_grants_group', privilege => 'stear');
SET ROLE "Regress grants member";
SELECT workflow.pause(:id), workflow.resume(:id), workflow.hold_step(:id, 'a'), workflow.skip_step(:id, 'a');
SELECT count(*) FROM workflow.execution_status WHERE execution_id = :id;
RESET ROLE;
SELECT test.outcome('Regress grants member', format('SELECT workflow.skip_step(%s, ''a'', ''1'')', :id));
SELECT test.outcome('Regress grants member', format('SELECT workflow.wait(%s, ''0 s'')', :id));
SET ROLE "Regress grants member";
SELECT workflow.cancel(:id);
SELECT workflow.start('grants_work');
SELECT workflow.grant_execute('grants_work', 'regress_grants_clerk');
RESET ROLE;
SELECT test.outcome('regress_grants_noinherit', format('SELECT workflow.cancel(%s)', :id));
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants_work', '-', 'steer');
SET ROLE regress_grants_noinherit;
SELECT workflow.cancel(:id);
SET ROLE regress_grants_owner;
SELECT workflow.revoke_execute('grants_work', 'regress_grants_group', 'steer');
SELECT workflow.revoke_execute('grants_work', '-', 'steer');
SELECT workflow.revoke_execute('grants_work', '-', 'steer');
RESET ROLE;
SELECT test.outcome('Regress grants member', format('SELECT workflow.cancel(%s)', :id));

-- a dead letter is steered as its execution is
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants_work', 'regress_grants_clerk');
SET ROLE regress_grants_clerk;
SELECT workflow.start('grants_work', '{"by": 0}') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT dead_letter_id FROM workflow.dead_letter_status WHERE execution_id = :id \gset
RESET ROLE;
SELECT regexp_replace(test.outcome('Regress grants member', format('SELECT workflow.discard(%s)', :dead_letter_id)), '[0-9]+ does', 'N does');
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants_work', 'regress_grants_group', 'steer');
RESET ROLE;
SELECT regexp_replace(test.outcome('Regress grants member', format('SELECT workflow.replay(%s)', :dead_letter_id)), 'letter [0-9]+', 'letter N');
SELECT test.outcome('Regress grants member', format('SELECT workflow.discard(%s)', :dead_letter_id));
SET ROLE regress_grants_owner;
SELECT workflow.revoke_execute('grants_work', 'regress_grants_clerk');

-- a snapshot of the whole transaction shows no rights of before
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants_work', 'regress_grants_clerk');
RESET ROLE;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT workflow.revoke_execute('grants_work', 'regress_grants_clerk');
SELECT test.outcome('regress_grants_clerk', 'SELECT workflow.start(''grants_work'', start_at => ''infinity'')');
ROLLBACK;
SELECT test.outcome('regress_grants_clerk', 'SELECT workflow.start(''grants_work'', start_at => ''infinity'')');

-- closed by the setting: nobody but owners, until they grant it
SET workflow.default_execute = 'owner';
SET ROLE regress_grants_owner;
SELECT workflow.define('{"name": "grants_closed", "steps": [{"id": "a", "type": "set", "output": 1}]}');
RESET ROLE;
SELECT grants_starters('grants_closed');
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants_closed', 'regress_grants_clerk');
RESET ROLE;
SELECT grants_starters('grants_closed');
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants_closed', '-');
RESET ROLE;
SELECT grants_starters('grants_closed');
SET workflow.default_execute = 'all';

-- another version is the same workflow, another owner grants on, and a workflow of the same name is another one
SET ROLE regress_grants_owner;
SELECT workflow.revoke_execute('grants_closed', '-');
SELECT workflow.define('{"name": "grants_closed", "steps": [{"id": "a", "type": "set", "output": 2}]}');
RESET ROLE;
SELECT grants_starters('grants_closed');
SELECT workflow.set_owner('grants_closed', 'regress_grants_noinherit');
SELECT grants_starters('grants_closed');
SET ROLE regress_grants_owner;
SELECT workflow.grant_execute('grants_closed', '-');
RESET ROLE;
DELETE FROM workflow.definitions WHERE name = 'grants_closed';
SET ROLE regress_grants_clerk;
SELECT workflow.define('{"name": "grants_closed", "steps": [{"id": "a", "type": "set", "output": 3}]}');
RESET ROLE;
SELECT count(*) FROM workflow.grants WHERE workflow = 'grants_closed';
SELECT grants_starters('grants_closed');

-- a role with another name is the same one; one that is gone, or is called as one that is gone, has nothing
SELECT workflow.revoke_execute('grants_closed', '-');
SELECT workflow.grant_execute('grants_closed', 'regress_grants_group'), workflow.grant_execute('grants_closed', 'regress_grants_noinherit');
ALTER ROLE regress_grants_group RENAME TO regress_grants_team;
SELECT role FROM workflow.grants WHERE workflow = 'grants_closed' AND granted ORDER BY role::text;
SELECT grants_starters('grants_closed');
DROP OWNED BY regress_grants_team;
DROP ROLE regress_grants_team;
CREATE ROLE regress_grants_group;
GRANT regress_grants_group TO "Regress grants member";
SELECT grants_starters('grants_closed');
SELECT regexp_replace(role::text, '[0-9]+', 'N') AS role FROM workflow.grants WHERE workflow = 'grants_closed' AND granted ORDER BY role::text;
SELECT workflow.grant_execute('grants_closed', 'regress_grants_clerk');
SELECT role FROM workflow.grants WHERE workflow = 'grants_closed' AND granted ORDER BY role::text;

-- what is wrong
SELECT workflow.grant_execute('no such', '-');
SELECT workflow.grant_execute('grants_closed', 'no_such_role');
SELECT workflow.grant_execute('grants_closed', 999999999);
SELECT workflow.grant_execute('grants_closed', '-', 'starts');
SELECT workflow.revoke_execute('grants_closed', '-', '');
SELECT workflow.grant_execute('grants_closed', NULL);
\set VERBOSITY terse
INSERT INTO workflow.grants (workflow, role, privilege, granted, granted_by) VALUES ('grants_closed', 'regress_grants_group', 'start', false, 'regress_grants_group');
\set VERBOSITY default

-- who did it
SELECT role, action, subject, after FROM workflow.audit_log WHERE subject = 'grants_work' AND action ~ '_execute$' ORDER BY id;

DELETE FROM workflow.dead_letters WHERE workflow = 'grants_work';
DELETE FROM workflow.step_executions WHERE execution_id IN (SELECT id FROM workflow.executions WHERE workflow ~ '^grants_');
DELETE FROM workflow.executions WHERE workflow ~ '^grants_';
DELETE FROM workflow.schedule_run_entries WHERE schedule = 'grants_schedule';
DELETE FROM workflow.definitions WHERE name ~ '^grants_';
DELETE FROM workflow.grants WHERE workflow ~ '^grants_';
DELETE FROM workflow.audit_entries WHERE subject ~ '^grants_' OR role::text ~* 'regress.grants';
DROP FUNCTION grants_starters, grants_start;
SELECT count(workflow.revoke_usage(oid::regrole)) FROM pg_roles WHERE rolname ~* '^regress.grants' AND rolcanlogin;
DROP ROLE regress_grants_owner, regress_grants_clerk, regress_grants_group, "Regress grants member", regress_grants_noinherit;
