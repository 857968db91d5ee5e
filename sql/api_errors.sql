--
-- SQLSTATEs of the functions, in one list
--
SET client_min_messages = error;
SELECT workflow.define('{"name": "errors_test", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
CREATE FUNCTION pg_temp.state_of(statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate;
END $$;

SELECT statement, pg_temp.state_of(statement) FROM (VALUES
  ($s$SELECT workflow.define('{}')$s$),
  ($s$SELECT workflow.define('1')$s$),
  ($s$SELECT workflow.define(NULL)$s$),
  ($s$SELECT workflow.define('{"name": "e", "start_step": "a", "steps": {"a": {"type": "nonsense"}}}')$s$),
  ($s$SELECT workflow.validate('{}')$s$),
  ($s$SELECT workflow.set_status('errors_test', 5, 'active')$s$),
  ($s$SELECT workflow.set_status('errors_test', 1, 'x')$s$),
  ($s$SELECT workflow.explain('errors_none')$s$),
  ($s$SELECT workflow.start('errors_none')$s$),
  ($s$SELECT workflow.start(NULL)$s$),
  ($s$SELECT workflow.start('errors_test', version => -3)$s$),
  ($s$SELECT workflow.execute('errors_none')$s$),
  ($s$SELECT workflow.execute('errors_test', NULL)$s$),
  ($s$SELECT workflow.wait(-5)$s$),
  ($s$SELECT workflow.cancel(-5)$s$),
  ($s$CALL workflow.run('errors_test')$s$),
  ($s$SELECT workflow.register_agent('e')$s$),
  ($s$SELECT workflow.register_agent('e', 'pg_catalog.jsonb_typeof(jsonb)')$s$),
  ($s$SELECT workflow.register_agent('e', sql => 'SELECT (')$s$),
  ($s$SELECT workflow.drop_agent('errors_none')$s$),
  ($s$SELECT workflow.extension_ready()$s$),
  ($s$SELECT workflow.grant_usage('errors_no_such_role')$s$),
  ($s$UPDATE workflow.definitions SET name = 'x'$s$)
) AS v (statement);

-- read-only transactions are respected
BEGIN READ ONLY;
SELECT workflow.start('errors_test');
ROLLBACK;
BEGIN READ ONLY;
SELECT workflow.execute('errors_test');
ROLLBACK;
BEGIN READ ONLY;
SELECT s.statement, pg_temp.state_of(s.statement) FROM unnest(ARRAY[
    $s$SELECT workflow.start('errors_test')$s$,
    $s$SELECT workflow.execute('errors_test')$s$,
    $s$SELECT workflow.define('{"name": "e", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}')$s$,
    $s$SELECT workflow.set_status('errors_test', 1, 'deprecated')$s$,
    $s$SELECT workflow.block('errors_test')$s$,
    $s$SELECT workflow.schedule('errors_test', 'errors_test', '@daily')$s$,
    $s$SELECT workflow.register_agent('e', sql => 'SELECT 1')$s$,
    $s$SELECT workflow.prune(interval '1 day')$s$]) AS s(statement);
SELECT count(*) FROM workflow.validate('{"name": "e", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
ROLLBACK;

-- the caller's settings make no difference
SET search_path = '';
SET standard_conforming_strings = off;
SET transform_null_equals = on;
SET row_security = off;
BEGIN;
SELECT workflow.start('errors_test') > 0 AS started;
SELECT workflow.define('{"name": "errors_test", "start_step": "b", "steps": {"b": {"type": "set", "output": 1}}}');
ROLLBACK;
RESET ALL;
-- ranges of start()
SELECT workflow.start('errors_test', priority => 1001);
SELECT workflow.start('errors_test', idempotency_key => '');
SELECT workflow.start('errors_test', tenant => repeat('x', 256));
