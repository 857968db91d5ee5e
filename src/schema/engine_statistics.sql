/* Cumulative statistics of the engine, from shared memory. */

CREATE FUNCTION workflow.engine_counters(
    OUT database oid,
    OUT steps bigint,
    OUT steps_failed bigint,
    OUT retries bigint,
    OUT runs bigint,
    OUT commits bigint,
    OUT durable_commits bigint,
    OUT batched_commits bigint,
    OUT batched_steps bigint,
    OUT rollbacks bigint,
    OUT wal_bytes bigint,
    OUT executions_claimed bigint,
    OUT executions_completed bigint,
    OUT executions_failed bigint,
    OUT executions_timed_out bigint,
    OUT executions_cancelled bigint,
    OUT executions_recovered bigint,
    OUT executors_started bigint,
    OUT sql_time double precision,
    OUT bookkeeping_time double precision,
    OUT commit_time double precision,
    OUT idle_time double precision,
    OUT startup_time double precision,
    OUT queue_time double precision,
    OUT wait_time double precision,
    OUT scheduler_time double precision,
    OUT stats_reset timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 4
AS 'MODULE_PATHNAME', 'workflow_engine_counters';
COMMENT ON FUNCTION workflow.engine_counters() IS
'what the view engine_statistics is made of: the counters of all databases, from shared memory';

CREATE VIEW workflow.engine_statistics WITH (security_barrier) AS
SELECT d.datname AS database,
       c.steps,
       c.steps_failed,
       c.retries,
       c.runs,
       c.commits,
       c.durable_commits,
       c.batched_commits,
       c.batched_steps,
       c.rollbacks,
       c.wal_bytes,
       c.executions_claimed,
       c.executions_completed,
       c.executions_failed,
       c.executions_timed_out,
       c.executions_cancelled,
       c.executions_recovered,
       c.executors_started,
       c.sql_time,
       c.bookkeeping_time,
       c.commit_time,
       c.idle_time,
       c.startup_time,
       c.queue_time,
       c.wait_time,
       c.scheduler_time,
       c.stats_reset
FROM workflow.engine_counters() AS c
     JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) c.database;
COMMENT ON VIEW workflow.engine_statistics IS
'what the engine has done and where its time went, a row for each database with the extension, '
'since the server was started or since reset_engine_statistics(). The five times of executors, '
'from sql_time to startup_time, make up their lives. What execute() does in a session is not in it';
COMMENT ON COLUMN workflow.engine_statistics.database IS 'name of the database';
COMMENT ON COLUMN workflow.engine_statistics.steps IS
'attempts at steps that have ended and are committed';
COMMENT ON COLUMN workflow.engine_statistics.steps_failed IS
'how many of them did not complete: failed, timed out, cancelled, or refused by a circuit breaker';
COMMENT ON COLUMN workflow.engine_statistics.retries IS
'how many of those were followed by another attempt';
COMMENT ON COLUMN workflow.engine_statistics.runs IS
'number of times an executor has begun with something that was ready: an execution, a thread that '
'goes on, a range of children of a container';
COMMENT ON COLUMN workflow.engine_statistics.commits IS
'transactions of executors that have committed';
COMMENT ON COLUMN workflow.engine_statistics.durable_commits IS
'how many of them were to wait for the disk; the others were relaxed, or synchronous_commit was '
'off';
COMMENT ON COLUMN workflow.engine_statistics.batched_commits IS
'how many of them held more than one step';
COMMENT ON COLUMN workflow.engine_statistics.batched_steps IS 'steps in those';
COMMENT ON COLUMN workflow.engine_statistics.rollbacks IS
'transactions of executors that were rolled back; a step that fails alone in a batch is none';
COMMENT ON COLUMN workflow.engine_statistics.wal_bytes IS
'write-ahead log that executors and the scheduler have written, in bytes';
COMMENT ON COLUMN workflow.engine_statistics.executions_claimed IS
'executions taken from the queue, again after a pause or a retry';
COMMENT ON COLUMN workflow.engine_statistics.executions_completed IS
'executions that have completed';
COMMENT ON COLUMN workflow.engine_statistics.executions_failed IS 'executions that have failed';
COMMENT ON COLUMN workflow.engine_statistics.executions_timed_out IS
'executions that have timed out';
COMMENT ON COLUMN workflow.engine_statistics.executions_cancelled IS
'executions that were cancelled when they had begun';
COMMENT ON COLUMN workflow.engine_statistics.executions_recovered IS
'number of times an execution went on from its rows because its process, or the server, had ended';
COMMENT ON COLUMN workflow.engine_statistics.executors_started IS 'executors that have connected';
COMMENT ON COLUMN workflow.engine_statistics.sql_time IS
'time in the steps'' own statements, in milliseconds, with binding their values and converting '
'their results';
COMMENT ON COLUMN workflow.engine_statistics.bookkeeping_time IS
'time in the engine''s own work between them, in milliseconds: reading and writing rows, deciding '
'what comes next, rolling back';
COMMENT ON COLUMN workflow.engine_statistics.commit_time IS
'time in commits, in milliseconds: waiting for the disk and for synchronous standbys, and deferred '
'triggers and constraints of the steps';
COMMENT ON COLUMN workflow.engine_statistics.idle_time IS
'time in which executors had nothing to do, in milliseconds';
COMMENT ON COLUMN workflow.engine_statistics.startup_time IS
'time in which executors were starting and connecting, in milliseconds';
COMMENT ON COLUMN workflow.engine_statistics.queue_time IS
'sum of the times between start(), or start_at, and the claim of executions, in milliseconds; '
'waiting for room under a limit is part of it';
COMMENT ON COLUMN workflow.engine_statistics.wait_time IS
'sum of the times in which runs were ready and no executor had begun with them, in milliseconds; '
'of executions since their claim';
COMMENT ON COLUMN workflow.engine_statistics.scheduler_time IS
'time in which the scheduler was awake, in milliseconds';
COMMENT ON COLUMN workflow.engine_statistics.stats_reset IS
'since when it is counted: start of the server, or reset';

CREATE FUNCTION workflow.reset_engine_statistics()
RETURNS void
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_reset_engine_statistics';
COMMENT ON FUNCTION workflow.reset_engine_statistics() IS
'have the view engine_statistics count from zero, in this database, at once; a rollback does not '
'take it back. For superusers and whom they grant it to. Does nothing where the library is not in '
'shared_preload_libraries';
