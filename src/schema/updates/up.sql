/*
 * By hand, from the version before: tables, domains and types that are not the same, and their
 * rows.  Columns are added behind the others, as in the CREATE TABLE they are added to.  What is
 * new or can be replaced is not written here: see src/schema/update.awk.
 */
ALTER TABLE workflow.executions ADD COLUMN traceparent text;

/* What was erased, and what replays dead letters: erase() takes payloads out of all of them. */
ALTER TABLE workflow.executions ADD COLUMN erased_at timestamptz;
ALTER TABLE workflow.dead_letters ADD COLUMN replays bigint[] NOT NULL DEFAULT '{}', ADD COLUMN erased_at timestamptz;
UPDATE workflow.dead_letters AS l SET replays = r.replays
FROM (SELECT e.dead_letter_id, array_agg(e.id ORDER BY e.id) AS replays
      FROM workflow.executions AS e JOIN workflow.dead_letters AS d ON d.id = e.dead_letter_id
      WHERE e.id <> d.execution_id
      GROUP BY e.dead_letter_id) AS r
WHERE l.id = r.dead_letter_id;

/* What was deleted so far is not known: statistics by day of until now cannot be made again. */
ALTER TABLE workflow.statistics_state ADD COLUMN pruned_until timestamptz;
UPDATE workflow.statistics_state SET pruned_until = pg_catalog.clock_timestamp();

/* What waits has a status. */
ALTER DOMAIN workflow.status_of_execution DROP CONSTRAINT status_of_execution_check;
ALTER DOMAIN workflow.status_of_execution ADD CONSTRAINT status_of_execution_check
    CHECK (VALUE IN ('pending', 'running', 'paused', 'cancelling', 'completed', 'failed', 'cancelled', 'timed_out', 'blocked', 'waiting'));

/* Definitions have a language: so far there was one. */
ALTER TABLE workflow.definitions ADD COLUMN language text NOT NULL DEFAULT 'native';

/* Steps wait, too: what is open has not completed. */
ALTER DOMAIN workflow.status_of_step DROP CONSTRAINT status_of_step_check;
ALTER DOMAIN workflow.status_of_step ADD CONSTRAINT status_of_step_check
    CHECK (VALUE IN ('running', 'waiting', 'completed', 'failed', 'timed_out', 'cancelled',
                     'skipped'));
