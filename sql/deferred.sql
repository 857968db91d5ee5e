--
-- When an execution starts: start_at, in the transaction of start(), keys
--
SET client_min_messages = warning;
SELECT workflow.define($${"name": "deferred", "steps": [{"id": "a", "type": "sql", "sql": "SELECT clock_timestamp() >= $1::timestamptz", "params": ["${workflow.input.at}"], "result": "value"}]}$$) \gset

-- the past is now
SELECT workflow.start('deferred', '{"at": "-infinity"}', start_at => now() - interval '1 hour') AS id \gset
SELECT status, output, started_at < created_at + interval '30 seconds' AS soon FROM workflow.wait(:id, '60 seconds');
-- the near future: not before
SELECT clock_timestamp() + interval '0.3 seconds' AS at \gset
SELECT workflow.start('deferred', jsonb_build_object('at', :'at'), start_at => :'at') AS id \gset
SELECT status, output, started_at >= start_at AS not_before FROM workflow.wait(:id, '60 seconds');
-- several, in the order of their times
SELECT clock_timestamp() + interval '0.2 seconds' AS at \gset
CREATE TABLE test.deferred_ids (n int, id bigint);
INSERT INTO test.deferred_ids SELECT n, workflow.start('deferred', jsonb_build_object('at', :'at'), start_at => :'at'::timestamptz + (6 - n) * interval '0.1 seconds') FROM generate_series(1, 5) AS n;
SELECT count(*) FROM (SELECT workflow.wait(id, '60 seconds') FROM test.deferred_ids) AS w;
SELECT array_agg(n ORDER BY started_at, start_at) AS started, bool_and(started_at >= start_at) AS not_before, bool_and(output = 'true') AS ok
FROM test.deferred_ids JOIN workflow.executions USING (id);

-- not before the caller has committed, never when it rolls back
CREATE TABLE test.deferred_rows (what text);
SELECT workflow.define($${"name": "deferred_sees", "steps": [{"id": "a", "type": "sql", "sql": "SELECT count(*) FROM test.deferred_rows", "result": "value"}]}$$) \gset
BEGIN;
SELECT workflow.start('deferred_sees') AS id \gset
INSERT INTO test.deferred_rows VALUES ('by the caller');
COMMIT;
SELECT status, output FROM workflow.wait(:id, '60 seconds');
BEGIN;
SELECT workflow.start('deferred_sees') AS rolled_back \gset
ROLLBACK;
SELECT count(*) FROM workflow.executions WHERE id = :rolled_back;

-- one execution per key, whatever has become of it
SELECT workflow.start('deferred_sees', idempotency_key => 'deferred key') AS id \gset
SELECT status FROM workflow.wait(:id, '60 seconds');
SELECT workflow.start('deferred_sees', idempotency_key => 'deferred key') = :id AS same;
SELECT count(*) FROM workflow.executions WHERE idempotency_key = 'deferred key';

-- wait with a timeout returns the row as it is
SELECT workflow.start('deferred_sees', start_at => 'infinity') AS id \gset
SELECT status, output FROM workflow.wait(:id, '0.01 seconds');
SELECT workflow.cancel(:id);

-- run(): the output, or the error
CALL workflow.run('deferred_sees', '{}');
SELECT workflow.define($${"name": "deferred_fails", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1 / 0"}]}$$) \gset
\set VERBOSITY sqlstate
CALL workflow.run('deferred_fails', '{}');
TABLE test.wrong;
