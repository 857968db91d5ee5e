--
-- Definitions: versions, owners, status; all problems at once
--
SET client_min_messages = notice;
CREATE ROLE regress_def_alice LOGIN;
CREATE ROLE regress_def_bob LOGIN;
CREATE ROLE regress_def_team NOLOGIN;
GRANT regress_def_team TO regress_def_alice;
SELECT workflow.grant_usage('regress_def_alice'), workflow.grant_usage('regress_def_bob'),
       workflow.grant_usage('regress_def_team');

-- versions
SELECT workflow.define('{"name": "def_order", "version": "1.0", "workflow_id": "wf-order", "description": "orders",
  "start_step": "a", "steps": {"a": {"type": "set", "output": {"n": 1}}}}');
-- the same document, its keys in another order
SELECT workflow.define('{"start_step": "a", "steps": {"a": {"output": {"n": 1}, "type": "set"}},
  "workflow_id": "wf-order", "version": "1.0", "description": "orders", "name": "def_order"}');
SELECT workflow.define('{"name": "def_order", "version": "1.0", "workflow_id": "wf-order", "description": "orders",
  "start_step": "a", "steps": {"a": {"type": "set", "output": {"n": 1}}}}');
-- 1 and 1.0 are equal, but not the same
BEGIN;
SELECT workflow.define('{"name": "def_order", "version": "1.0", "workflow_id": "wf-order", "description": "orders",
  "start_step": "a", "steps": {"a": {"type": "set", "output": {"n": 1.0}}}}');
ROLLBACK;
-- another one, a draft
SELECT workflow.define('{"name": "def_order", "version": "1.1", "workflow_id": "wf-order",
  "start_step": "a", "steps": {"a": {"type": "set", "output": {"n": 2}}}}', 'draft');
-- the draft made active by defining it again
SELECT workflow.define('{"name": "def_order", "version": "1.1", "workflow_id": "wf-order",
  "start_step": "a", "steps": {"a": {"type": "set", "output": {"n": 2}}}}');
-- going back is a new version
SELECT workflow.define('{"name": "def_order", "version": "1.0", "workflow_id": "wf-order", "description": "orders",
  "start_step": "a", "steps": {"a": {"type": "set", "output": {"n": 1}}}}');
SELECT name, version, label, workflow_id, status, owner = current_user::regrole AS mine, description,
       document ->> 'version' AS as_given, definition -> 'steps' -> 'a' ->> 'type' AS type
FROM workflow.definitions WHERE name = 'def_order' ORDER BY version;

-- a definition rolled back was never there
BEGIN;
SELECT workflow.define('{"name": "def_gone", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
SELECT workflow.explain('def_gone') IS NOT NULL AS there;
ROLLBACK;
SELECT workflow.explain('def_gone');
BEGIN;
SAVEPOINT s;
SELECT workflow.define('{"name": "def_order", "start_step": "z", "steps": {"z": {"type": "set", "output": 9}}}');
SELECT workflow.explain('def_order') LIKE '%z%' AS newest;
ROLLBACK TO s;
SELECT workflow.explain('def_order') LIKE '%z%' AS newest;
COMMIT;

-- status
SELECT workflow.set_status('def_order', 3, 'archived');
SELECT workflow.set_status('def_order', 2, 'deprecated');
SELECT workflow.set_status('wf-order', 1, 'archived');
SELECT workflow.set_status('def_order', 9, 'active');
SELECT workflow.set_status('def_order', 1, 'gone');
SELECT workflow.set_status('def_nothing', 1, 'active');
SELECT workflow.set_status('def_order', 0, 'active');
SELECT version, status FROM workflow.definitions WHERE name = 'def_order' ORDER BY version;

-- versions are immutable, even for a superuser
UPDATE workflow.definitions SET definition = '{}' WHERE name = 'def_order';
UPDATE workflow.definitions SET name = 'x' WHERE name = 'def_order';

-- owners: another role cannot define a version, a member of the owner can
SET ROLE regress_def_team;
SELECT workflow.define('{"name": "def_team", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
SET ROLE regress_def_bob;
SELECT workflow.define('{"name": "def_team", "start_step": "a", "steps": {"a": {"type": "set", "output": 2}}}');
SELECT workflow.define('{"name": "def_team", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
SELECT workflow.set_status('def_team', 1, 'archived');
SET ROLE regress_def_alice;
SELECT workflow.define('{"name": "def_team", "start_step": "a", "steps": {"a": {"type": "set", "output": 2}}}');
SELECT workflow.set_status('def_team', 1, 'archived');
RESET ROLE;
SELECT version, status, owner FROM workflow.definitions WHERE name = 'def_team' ORDER BY version;

-- nobody can slip in under another's name or workflow_id
SET ROLE regress_def_bob;
SELECT workflow.define('{"name": "wf-order", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
SELECT workflow.define('{"name": "def_bob", "workflow_id": "wf-order", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
SELECT workflow.define('{"name": "def_bob", "workflow_id": "def_team", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
RESET ROLE;

-- everything that is wrong, at once: SQL that does not parse, agents nobody registered
SELECT workflow.register_agent('def_inactive', sql => 'SELECT 1', status => 'inactive');
SELECT workflow.define('{"name": "def_bad", "start_step": "a", "steps": {
  "a": {"type": "sql", "sql": "SELEC 1", "next_step": "b"},
  "b": {"type": "agent", "agent_name": "def_nobody", "next_step": "c"},
  "c": {"type": "agent", "agent_name": "def_inactive", "next_step": "d"},
  "d": {"type": "conditional", "condition": {"sql": "SELECT true FROM"}, "if_true_step": "e", "next_step": "f"},
  "e": {"type": "set", "output": 1},
  "f": {"type": "loop", "loop_config": {"while": {"sql": "SELECT ("}, "max_iterations": 3, "loop_body": ["g"]}},
  "g": {"type": "sql", "sql": "COMMIT AND"}}}');
-- also when there is no plan to go by
SELECT workflow.define('{"name": "def_bad", "start_step": "nowhere", "steps": {
  "a": {"type": "sql", "sql": "SELEC 1", "next_step": "b"},
  "b": {"type": "parallel", "parallel_steps": [{"id": "x", "type": "sql", "sql": "SELECT )"},
    {"id": "y", "type": "agent", "agent_name": "def_nobody", "input_mapping": {"sql": "not SQL"}}]}}}');
SELECT severity, path, step_id, message, hint FROM workflow.validate('{"name": "def_bad", "start_step": "a", "steps": {
  "a": {"type": "sql", "sql": "SELEC 1", "next_step": "b"},
  "b": {"type": "agent", "agent_name": "def_nobody"}}}') ORDER BY path;
SELECT count(*) FROM workflow.definitions WHERE name = 'def_bad';
-- nothing wrong: no rows
SELECT * FROM workflow.validate('{"name": "def_ok", "start_step": "a", "steps": {"a": {"type": "sql", "sql": "SELECT 1"}}}');

-- who did what
SELECT action, role, before, after FROM workflow.audit_log WHERE subject_type = 'workflow' AND subject = 'def_order' ORDER BY id;

-- arguments
SELECT workflow.define(NULL);
SELECT workflow.define('[]');
SELECT workflow.define('{"name": "def_x", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}', 'new');
SELECT workflow.define('{"name": "def_x", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}', NULL);
SELECT * FROM workflow.validate(NULL);
SELECT workflow.explain(NULL);
SELECT workflow.explain('def_order', 77);
SELECT workflow.explain('def_order', -1);

-- A168: size
BEGIN;
SET LOCAL workflow.max_definition_size = '8kB';
SELECT workflow.define(jsonb_build_object('name', 'def_big', 'start_step', 'a', 'description', repeat('x', 20000),
  'steps', '{"a": {"type": "set", "output": 1}}'::jsonb));
ROLLBACK;

-- languages: one so far; a version that lacks one, as an older one would, says so
SELECT DISTINCT language FROM workflow.definitions WHERE name LIKE 'def!_%' ESCAPE '!';
BEGIN;
INSERT INTO workflow.definitions (name, version, owner, document, definition, language)
SELECT 'def_later', 1, owner, document, definition, 'later' FROM workflow.definitions WHERE name = 'def_order' ORDER BY version LIMIT 1;
\set VERBOSITY terse
SELECT workflow.explain('def_later');
\set VERBOSITY default
ROLLBACK;

-- a thousand steps, in milliseconds
SELECT workflow.define(jsonb_build_object('name', 'def_thousand', 'start_step', 's1', 'steps',
  (SELECT jsonb_object_agg('s' || i, jsonb_build_object('type', 'sql', 'sql', 'SELECT ' || i,
     'next_step', CASE WHEN i < 1000 THEN 's' || i + 1 END)) FROM generate_series(1, 1000) AS i)));

SELECT workflow.drop_agent('def_inactive');
SELECT workflow.revoke_usage('regress_def_alice'), workflow.revoke_usage('regress_def_bob'),
       workflow.revoke_usage('regress_def_team');
-- the hint has a number
\set VERBOSITY terse
DROP ROLE regress_def_alice, regress_def_bob, regress_def_team;
\set VERBOSITY default
