/*
 * setup.sql
 *	  The benchmark's tables, its floors and its workflows.
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

/* What waits for its next attempt as long as there is a row in "broken", and when it is due. */
CREATE TABLE broken ();
CREATE TABLE due (execution_id bigint, thread text, at timestamptz);
CREATE FUNCTION may_fail() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM broken) THEN
		RAISE EXCEPTION 'broken';
	END IF;
	RETURN 1;
END $$;
CREATE FUNCTION parked_step() RETURNS jsonb LANGUAGE sql AS $$
	SELECT '{"id": "a", "sql": "SELECT may_fail()", "retry": {"errors": ["all"], "type": "fixed_delay", "jitter": false,
		"max_retries": 1000, "initial_delay_ms": 3600000, "max_delay_ms": 3600000}}'::jsonb
$$;
SELECT workflow.define(jsonb_build_object('name', 'parked', 'steps', jsonb_build_array(parked_step()))) AS version \gset
SELECT workflow.define(jsonb_build_object('name', 'parked_loop', 'steps', jsonb_build_array(jsonb_build_object('id', 'l', 'type', 'loop',
	'execution_mode', 'parallel', 'collection', '${workflow.input.items}', 'loop_body', jsonb_build_array(parked_step()))))) AS version \gset

/* Times that sessions measure, in milliseconds. */
CREATE TABLE measured (ms double precision NOT NULL);

/*
 * The floor: one-row transactions, committed inside the server, without a
 * client between them.
 */
CREATE PROCEDURE bare_loop(transactions integer, synchronous text DEFAULT 'on') LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('synchronous_commit', synchronous, false);
	FOR i IN 1..transactions LOOP
		INSERT INTO effects (step) VALUES (i);
		COMMIT;
	END LOOP;
END $$;

/* The same, rows transactions at a time in one. */
CREATE PROCEDURE bare_batches(transactions integer, rows integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..transactions LOOP
		FOR j IN 1..rows LOOP
			INSERT INTO effects (step) VALUES (j);
		END LOOP;
		COMMIT;
	END LOOP;
END $$;

/* How long ten of them take, again and again. */
CREATE PROCEDURE bare_latency(times integer) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
BEGIN
	FOR i IN 1..times LOOP
		COMMIT;
		began := clock_timestamp();
		FOR j IN 1..10 LOOP
			INSERT INTO effects (step) VALUES (j);
			COMMIT;
		END LOOP;
		INSERT INTO measured VALUES (extract(epoch FROM clock_timestamp() - began) * 1000);
	END LOOP;
END $$;

/* From the moment before start()'s commit to the end of the execution. */
CREATE PROCEDURE latency(workflow text, times integer) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
	execution bigint;
BEGIN
	FOR i IN 1..times LOOP
		execution := workflow.start(workflow);
		began := clock_timestamp();
		COMMIT;
		INSERT INTO measured SELECT extract(epoch FROM w.completed_at - began) * 1000 FROM workflow.wait(execution) AS w;
		COMMIT;
	END LOOP;
END $$;

/* The same for execute(), its commit included. */
CREATE PROCEDURE inline_latency(workflow text, times integer) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
BEGIN
	FOR i IN 1..times LOOP
		COMMIT;
		began := clock_timestamp();
		PERFORM workflow.execute(workflow);
		COMMIT;
		INSERT INTO measured VALUES (extract(epoch FROM clock_timestamp() - began) * 1000);
	END LOOP;
END $$;

CREATE FUNCTION agent(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effects (step) VALUES (1);
	RETURN '{}';
END $$;
SELECT workflow.register_agent('insert', function => 'agent(jsonb)') \g /dev/null

/* Chains: name, number of steps, the step without its next_step. */
CREATE FUNCTION define_chain(name text, length integer, step jsonb, more jsonb DEFAULT '{}') RETURNS integer
LANGUAGE sql AS $$
	SELECT workflow.define(jsonb_build_object('name', name, 'start_step', 's1',
		'steps', jsonb_object_agg('s' || i, step || jsonb_strip_nulls(jsonb_build_object(
			'next_step', CASE WHEN i < length THEN 's' || i + 1 END)))) || more)
	FROM generate_series(1, length) AS i
$$;
\set insert '{"type": "sql", "sql": "INSERT INTO effects (step) VALUES (1)", "result": "none"}'
SELECT define_chain('chain', 10, :'insert') \g /dev/null
SELECT define_chain('chain_relaxed', 10, :'insert', '{"durability": "relaxed"}') \g /dev/null
SELECT define_chain('chain_noop', 10, '{"type": "sql", "sql": "SELECT 1", "result": "none"}') \g /dev/null
SELECT define_chain('chain_agent', 10, '{"type": "agent", "agent_name": "insert"}') \g /dev/null
SELECT define_chain('one', 1, :'insert') \g /dev/null
SELECT define_chain('one_batched', 1, :'insert', '{"commit": {"max_steps": 50}}') \g /dev/null
SELECT define_chain('one_noop', 1, '{"type": "sql", "sql": "SELECT 1", "result": "none"}', '{"commit": {"max_steps": 50}}') \g /dev/null
SELECT define_chain('chain_batched', 10, :'insert', '{"commit": {"max_steps": 50}}') \g /dev/null
SELECT define_chain('three', 3, :'insert') \g /dev/null
SELECT define_chain('hundred', 100, :'insert') \g /dev/null
SELECT define_chain('ten_thousand', 10000, :'insert') \g /dev/null

/* Fan-outs: a parallel block, and parallel loops over a given number of items. */
SELECT workflow.define(jsonb_build_object('name', 'fan_out_10', 'start_step', 'fan', 'steps',
	jsonb_object_agg('c' || i, :'insert'::jsonb) ||
	jsonb_build_object('fan', jsonb_build_object('type', 'parallel', 'parallel_steps', jsonb_agg('c' || i)))))
FROM generate_series(1, 10) AS i \g /dev/null
SELECT workflow.define(jsonb_build_object('name', 'loop_' || mode, 'start_step', 'items', 'steps', jsonb_build_object(
	'items', jsonb_build_object('type', 'loop', 'loop_config', jsonb_build_object(
		'collection', '${workflow.input.items}', 'loop_body', jsonb_build_array('body'),
		'execution_mode', mode, 'result', 'counts')),
	'body', :'insert'::jsonb)))
FROM unnest('{parallel,sequential}'::text[]) AS mode \g /dev/null
SELECT workflow.define('{"name": "nested", "start_step": "outer", "steps": {
	"outer": {"type": "loop", "loop_config": {"collection": "${workflow.input.items}", "loop_body": ["inner"],
		"execution_mode": "parallel", "result": "counts"}},
	"inner": {"type": "loop", "loop_config": {"collection": "${workflow.input.items}", "loop_body": ["body"],
		"execution_mode": "parallel", "result": "counts"}},
	"body": {"type": "sql", "sql": "INSERT INTO effects (step) VALUES (1)", "result": "none"}}}') \g /dev/null
