--
-- What an administrator adds to the table of steps counts, although rows go in
-- without a statement as long as nothing was added
--
SET client_min_messages = warning;

SELECT workflow.define($${"name": "changed", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1 AS one", "result": "value"},
  {"id": "b", "type": "set", "output": "${a.output}"}]}$$) \gset

-- an index more, with an expression
CREATE INDEX changed_idx ON workflow.step_executions ((upper(step_id))) WHERE step_type = 'set';
CALL test.go('changed');
SET enable_seqscan = off;
SELECT step_id FROM workflow.step_executions WHERE upper(step_id) = 'B' AND step_type = 'set' AND execution_id = test.id();
RESET enable_seqscan;
DROP INDEX workflow.changed_idx;

-- a column more, without a default and with one
ALTER TABLE workflow.step_executions ADD COLUMN note text;
CALL test.go('changed');
SELECT step_id, note FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY 1;
ALTER TABLE workflow.step_executions ALTER COLUMN note SET DEFAULT 'seen';
CALL test.go('changed');
SELECT step_id, note FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY 1;
ALTER TABLE workflow.step_executions DROP COLUMN note;
CALL test.go('changed');
SELECT step_id, status, output FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY 1;

-- a trigger
CREATE TABLE test.seen (step_id text);
CREATE FUNCTION test.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO test.seen VALUES (NEW.step_id);
    RETURN NEW;
END $$;
CREATE TRIGGER see AFTER INSERT ON workflow.step_executions FOR EACH ROW EXECUTE FUNCTION test.see();
CALL test.go('changed');
TABLE test.seen ORDER BY 1;
DROP TRIGGER see ON workflow.step_executions;
CALL test.go('changed');
SELECT count(*) FROM test.seen;

-- a constraint: the step whose row it refuses fails
ALTER TABLE workflow.step_executions ADD CONSTRAINT no_b CHECK (step_id <> 'b' OR status <> 'completed') NOT VALID;
CALL test.go('changed');
SELECT status, error_type FROM workflow.executions WHERE id = test.id();
ALTER TABLE workflow.step_executions DROP CONSTRAINT no_b;
CALL test.go('changed');
SELECT status FROM workflow.executions WHERE id = test.id();

-- published without an identity: rows may be inserted
SET client_min_messages = error;
CREATE PUBLICATION changed FOR TABLE workflow.step_executions;
SET client_min_messages = warning;
ALTER TABLE workflow.step_executions REPLICA IDENTITY NOTHING;
CALL test.go('changed');
SELECT step_id, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY 1;
ALTER TABLE workflow.step_executions REPLICA IDENTITY DEFAULT;
DROP PUBLICATION changed;

--
-- The same of the table of executions, which are queued, loaded and ended without a statement
--
CREATE INDEX changed_idx ON workflow.executions ((upper(workflow)), (error_type IS NULL)) WHERE completed_at IS NOT NULL;
CALL test.go('changed');
SET enable_seqscan = off;
SELECT status FROM workflow.executions
WHERE upper(workflow) = 'CHANGED' AND (error_type IS NULL) AND completed_at IS NOT NULL AND id = test.id();
RESET enable_seqscan;
DROP INDEX workflow.changed_idx;

ALTER TABLE workflow.executions ADD COLUMN note text DEFAULT 'queued';
CALL test.go('changed');
SELECT status, note FROM workflow.executions WHERE id = test.id();
ALTER TABLE workflow.executions DROP COLUMN note;
CALL test.go('changed');
SELECT status, error, version FROM workflow.executions WHERE id = test.id();

-- triggers: before an insertion, after an update
CREATE FUNCTION test.see_execution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO test.seen VALUES (TG_OP || ' ' || NEW.status);
    RETURN NEW;
END $$;
CREATE TRIGGER see_inserted BEFORE INSERT ON workflow.executions FOR EACH ROW EXECUTE FUNCTION test.see_execution();
CREATE TRIGGER see_updated AFTER UPDATE ON workflow.executions FOR EACH ROW EXECUTE FUNCTION test.see_execution();
TRUNCATE test.seen;
CALL test.go('changed');
SELECT step_id FROM test.seen ORDER BY 1;
DROP TRIGGER see_inserted ON workflow.executions;
DROP TRIGGER see_updated ON workflow.executions;
CALL test.go('changed');
SELECT count(*) FROM test.seen;

-- a trigger that lets nothing in: no number of an execution that is not there
CREATE FUNCTION test.suppress() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER suppress BEFORE INSERT ON workflow.executions FOR EACH ROW EXECUTE FUNCTION test.suppress();
SELECT workflow.start('changed');
DROP TRIGGER suppress ON workflow.executions;
DROP FUNCTION test.suppress();

-- a constraint: what it refuses is refused
ALTER TABLE workflow.executions ADD CONSTRAINT no_tenant CHECK (tenant IS NULL);
\set VERBOSITY terse
SELECT workflow.start('changed', tenant => 'nobody');
\set VERBOSITY default
ALTER TABLE workflow.executions DROP CONSTRAINT no_tenant;
CALL test.go('changed');
SELECT status FROM workflow.executions WHERE id = test.id();

DROP TABLE test.seen;
DROP FUNCTION test.see(), test.see_execution();

TABLE test.wrong;
