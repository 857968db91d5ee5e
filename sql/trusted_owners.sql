--
-- workflow.trusted_owners: whose workflows are started without a version, whose agents are called
--
SET client_min_messages = warning;
CREATE ROLE regress_trust_owner LOGIN;
CREATE ROLE regress_trust_group;
CREATE ROLE regress_trust_app LOGIN;
SELECT workflow.grant_usage('regress_trust_owner'), workflow.grant_usage('regress_trust_app');
SELECT workflow.define('{"name": "trust_super", "steps": [{"id": "a", "type": "set", "output": 1}]}');
SET ROLE regress_trust_owner;
SELECT workflow.define('{"name": "trust", "dead_letter": true, "steps": [{"id": "a", "type": "sql", "sql": "SELECT current_user, 1 / $1::integer", "params": ["${workflow.input.by}"]}]}');
SELECT workflow.register_agent('trust_agent', sql => 'SELECT current_user', result => 'value');
SET ROLE regress_trust_app;
SELECT workflow.define('{"name": "trust_own", "steps": [{"id": "a", "type": "agent", "agent_name": "trust_agent"}]}');

-- by default everybody is trusted
SHOW workflow.trusted_owners;
SELECT workflow.execute('trust', '{"by": 1}'), workflow.execute('trust_own');

-- A60: nobody: a version has to be given, and was looked at
SET workflow.trusted_owners = '';
SELECT workflow.start('trust', '{"by": 1}');
SELECT workflow.execute('trust', '{"by": 1}');
CALL workflow.run('trust', '{"by": 1}');
SELECT workflow.schedule('trust', 'trust', '0 0 * * *', enabled => false);
SELECT workflow.start('trust', '{"by": 1}', version => 1, start_at => 'infinity') > 0 AS started;
SELECT workflow.execute('trust', '{"by": 1}', version => 1);
CALL workflow.run('trust', '{"by": 1}', version => 1);
SELECT workflow.schedule('trust', 'trust', '0 0 * * *', enabled => false, version => 1);
SELECT workflow.run_schedule_now('trust') > 0 AS started;
SELECT workflow.unschedule('trust');
-- what fails is replayed with a version, and retried: that is its own
SELECT workflow.start('trust', '{"by": 0}', version => 1) AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT dead_letter_id FROM workflow.dead_letter_status WHERE execution_id = :id \gset
SELECT workflow.replay(:dead_letter_id);
SELECT workflow.replay(:dead_letter_id, '{"by": 1}', 1) > 0 AS replayed;
-- own workflows, and those of who can become the role anyway, but not foreign agents
SELECT workflow.execute('trust_super');
SELECT workflow.execute('trust_own');
-- A61: a version does not pin what its agents are
SELECT workflow.execute('trust_own', version => 1);

-- some, by a role they are members of
SET workflow.trusted_owners = 'nobody_yet, "regress_trust_group"';
SELECT workflow.execute('trust', '{"by": 1}');
RESET ROLE;
GRANT regress_trust_group TO regress_trust_owner;
SET ROLE regress_trust_app;
SELECT workflow.execute('trust', '{"by": 1}'), workflow.execute('trust_own');
SET workflow.trusted_owners = 'regress_trust_owner';
SELECT workflow.execute('trust', '{"by": 1}'), workflow.execute('trust_own');
SET workflow.trusted_owners = 'nobody_yet, *';
SELECT workflow.execute('trust', '{"by": 1}');
SET workflow.trusted_owners = 'a,,b';
RESET workflow.trusted_owners;
RESET ROLE;

-- a superuser is nobody whom others could become
SET workflow.trusted_owners = '';
SELECT workflow.execute('trust', '{"by": 1}');
RESET workflow.trusted_owners;

-- of the role, in executors, too
ALTER ROLE regress_trust_app SET workflow.trusted_owners = '';
SELECT count(workflow.recycle_executor(pid)) >= 0 AS recycled FROM workflow.executors WHERE role = 'regress_trust_app';
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM workflow.executors WHERE role = 'regress_trust_app') LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SET ROLE regress_trust_app;
SELECT workflow.start('trust_own') AS id \gset
SELECT status, error_type, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message FROM workflow.wait(:id, '60 s');
RESET ROLE;

SELECT workflow.cancel_executions('trust') >= 0 AS cancelled;
DELETE FROM workflow.dead_letters WHERE role = 'regress_trust_app'::regrole;
DELETE FROM workflow.step_executions WHERE execution_id IN (SELECT id FROM workflow.executions WHERE role = 'regress_trust_app'::regrole);
DELETE FROM workflow.executions WHERE role = 'regress_trust_app'::regrole;
DELETE FROM workflow.agents WHERE name = 'trust_agent';
DELETE FROM workflow.audit_entries WHERE role = 'regress_trust_app'::regrole;
SELECT workflow.revoke_usage('regress_trust_owner'), workflow.revoke_usage('regress_trust_app');
-- the hint has a number
\set VERBOSITY terse
DROP ROLE regress_trust_owner, regress_trust_group, regress_trust_app;
\set VERBOSITY default
