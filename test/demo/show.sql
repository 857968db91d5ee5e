/*
 * show.sql
 *	  What an execution did, out of workflow.step_executions.
 *
 * Variable execution_id.  Prints the tree, the failures and the report.
 */
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
\pset footer off

/*
 * A scope is named by its path: "sections[3]", "services.cost", a level per
 * container.  Iterations of a loop fall together into one line.
 */
CREATE TEMPORARY VIEW tree AS
WITH RECURSIVE steps AS (
	SELECT regexp_replace(scope, '\[\d+\]', '[]', 'g') AS place, step_id, step_type, status,
		branch_name, started_at, completed_at, loop_collection_size, branch_taken,
		extract(epoch FROM completed_at - started_at) * 1000 AS milliseconds
	FROM workflow.step_executions
	WHERE execution_id = :execution_id),
lines AS (
	SELECT place, step_id, min(step_type) AS step_type, max(branch_name) AS branch_name,
		string_agg(DISTINCT status, ', ') AS statuses, count(*) AS attempts,
		count(*) FILTER (WHERE status = 'completed') AS completed,
		count(*) FILTER (WHERE status NOT IN ('completed', 'skipped')) AS failed,
		min(started_at) AS first_start, max(loop_collection_size) AS iterations,
		max(branch_taken) AS branch_taken,
		min(milliseconds) AS fastest, max(milliseconds) AS slowest
	FROM steps GROUP BY place, step_id),
placed AS (
	SELECT lines.*,
		regexp_replace(place, '/?[^/]*$', '') AS parent_place,
		nullif(regexp_replace(regexp_replace(place, '^.*/', ''), '[.\[#].*$', ''), '') AS parent_step
	FROM lines),
walk AS (
	SELECT placed.*, 0 AS depth, ARRAY[row(first_start, step_id)::text] AS path
	FROM placed WHERE place = ''
	UNION ALL
	SELECT child.*, walk.depth + 1, walk.path || row(child.first_start, child.step_id)::text
	FROM walk JOIN placed child ON child.parent_place = walk.place AND child.parent_step = walk.step_id)
SELECT * FROM walk;

SELECT format('   %s %s %s %s',
	rpad(repeat('   ', depth) || CASE WHEN branch_name IS NOT NULL AND step_type IS NOT NULL
										   AND branch_name <> step_id
									  THEN branch_name || ': ' ELSE '' END || step_id, 36),
	rpad(step_type, 12),
	rpad(CASE WHEN attempts > 1 AND failed = 0 THEN completed || ' completed'
			  WHEN attempts > 1 THEN format('%s completed, %s not', completed, failed)
			  ELSE statuses END, 14),
	CASE WHEN attempts > 1 THEN format('%s .. %s ms', round(fastest, 1), round(slowest, 1))
		 ELSE lpad(round(slowest, 1)::text, 8) || ' ms' END
	|| CASE WHEN step_type = 'loop' THEN format('   (%s iterations)', iterations)
			WHEN branch_taken IS NOT NULL THEN format('   (%s)', branch_taken)
			ELSE '' END)
FROM tree ORDER BY path;

\qecho
\qecho What went wrong, and did not stop it:
SELECT format('   %s: %s after %s ms: %s (%s)', step_id, status,
			  round(extract(epoch FROM completed_at - started_at) * 1000),
			  error->>'message', error_type)
FROM workflow.step_executions
WHERE execution_id = :execution_id AND status IN ('failed', 'timed_out')
ORDER BY completed_at;

\qecho
\qecho Report:
SELECT '   ' || text FROM inventory.report ORDER BY line;

\qecho
SELECT format('%s: %s steps in %s ms; one after the other they would have taken %s ms (%s times as long)',
	e.status, s.steps, wall, s.total, round(s.total / nullif(wall, 0), 1))
FROM workflow.executions e,
	LATERAL (SELECT round(extract(epoch FROM e.completed_at - e.started_at) * 1000)) AS w (wall),
	LATERAL (SELECT count(*) AS steps,
				round(sum(extract(epoch FROM completed_at - started_at) * 1000)
					  FILTER (WHERE step_type IN ('agent', 'sql'))) AS total
			 FROM workflow.step_executions WHERE execution_id = e.id) AS s
WHERE e.id = :execution_id;
