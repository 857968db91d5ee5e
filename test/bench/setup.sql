/*
 * setup.sql
 *	  The benchmark's tables, the bare loop and the workflow.
 */
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE EXTENSION pg_workflow;

/* What a step and one turn of the bare loop write: one row. */
CREATE TABLE effects (
	id			bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	step		integer NOT NULL,
	written_at	timestamptz NOT NULL DEFAULT clock_timestamp()
);

/*
 * The floor: one-row transactions, committed inside the server, without a
 * client between them.
 */
CREATE PROCEDURE bare_loop(transactions integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..transactions LOOP
		INSERT INTO effects (step) VALUES (i);
		COMMIT;
	END LOOP;
END $$;

/* A chain of ten steps, each inserting one row. */
SELECT workflow.define(jsonb_build_object(
	'name', 'chain',
	'start_step', 's1',
	'steps', jsonb_object_agg('s' || i, jsonb_strip_nulls(jsonb_build_object(
		'type', 'sql',
		'sql', format('INSERT INTO effects (step) VALUES (%s)', i),
		'result', 'none',
		'next_step', CASE WHEN i < 10 THEN 's' || i + 1 END)))))
FROM generate_series(1, 10) AS i \g /dev/null
