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
DROP TABLE test.seen;
DROP FUNCTION test.see();

TABLE test.wrong;
