/*
 * agents.sql
 *	  The demonstration's agents.  Each takes the shared context and returns
 *	  {title, findings [{title, priority, impact}], data}.
 *
 * Run as the role that owns the workflow.
 */
\set ON_ERROR_STOP on
SET client_min_messages = warning;

/* An agent may be a function (jsonb) -> jsonb ... */
CREATE FUNCTION inventory.validate(input jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	total	bigint;
	broken	bigint;
BEGIN
	SELECT count(*), count(*) FILTER (WHERE version IS NULL OR installed_size < 0)
		INTO total, broken FROM inventory.packages;
	IF total = 0 OR total < (input->>'minimum_packages')::bigint THEN
		RAISE EXCEPTION 'the package table has % rows, not at least %',
			total, input->>'minimum_packages'
			USING ERRCODE = 'data_exception';
	END IF;
	RETURN jsonb_build_object(
		'packages', total,
		'broken_rows', broken,
		'kilobytes', (SELECT sum(installed_size) FROM inventory.packages),
		'sections', (SELECT jsonb_agg(DISTINCT section ORDER BY section) FROM inventory.packages));
END $$;

SELECT workflow.register_agent('validate_inventory',
	function => 'inventory.validate(jsonb)'::regprocedure,
	timeout_seconds => 60) \g /dev/null

/* ... or an SQL statement, in which input.x is the value x of its input. */
SELECT workflow.register_agent('sizes_by_section', timeout_seconds => 60, sql => $$
	SELECT 'Space by section' AS title,
		jsonb_agg(jsonb_build_object(
			'title', format('section %s takes %s %% of the space (%s MB in %s packages)',
							section, share, kilobytes / 1024, packages),
			'priority', CASE WHEN share > 20 THEN 'high' ELSE 'medium' END,
			'impact', share / 100) ORDER BY share DESC) FILTER (WHERE place <= 3) AS findings,
		jsonb_object_agg(section, kilobytes) AS data
	FROM (SELECT section, count(*) AS packages, sum(installed_size)::bigint AS kilobytes,
				 round(100 * sum(installed_size) / (input.kilobytes)::numeric, 1) AS share,
				 row_number() OVER (ORDER BY sum(installed_size) DESC) AS place
		  FROM inventory.packages GROUP BY section) AS s
$$) \g /dev/null

SELECT workflow.register_agent('largest_packages', timeout_seconds => 60, sql => $$
	SELECT 'Largest packages' AS title,
		jsonb_agg(jsonb_build_object(
			'title', format('%s alone takes %s MB', name, installed_size / 1024),
			'priority', CASE WHEN installed_size > 100 * 1024 THEN 'high' ELSE 'low' END,
			'impact', round(installed_size / (input.kilobytes)::numeric, 3)) ORDER BY place)
			FILTER (WHERE place <= 3) AS findings,
		jsonb_agg(jsonb_build_object('package', name, 'kilobytes', installed_size) ORDER BY place) AS data
	FROM (SELECT name, installed_size, row_number() OVER (ORDER BY installed_size DESC, name) AS place
		  FROM inventory.packages) AS p
	WHERE place <= 10
$$) \g /dev/null

SELECT workflow.register_agent('most_depended_on', timeout_seconds => 60, sql => $$
	SELECT 'Most depended on' AS title,
		jsonb_agg(jsonb_build_object(
			'title', format('%s of %s packages need %s directly', dependents, input.packages, depends_on),
			'priority', CASE WHEN place = 1 THEN 'high' ELSE 'low' END,
			'impact', round(dependents / (input.packages)::numeric, 3)) ORDER BY place)
			FILTER (WHERE place <= 2) AS findings,
		jsonb_object_agg(depends_on, dependents) AS data
	FROM (SELECT depends_on, count(DISTINCT package) AS dependents,
				 row_number() OVER (ORDER BY count(DISTINCT package) DESC, depends_on) AS place
		  FROM inventory.dependencies GROUP BY depends_on) AS d
	WHERE place <= 10
$$) \g /dev/null

SELECT workflow.register_agent('orphans', timeout_seconds => 60, sql => $$
	WITH orphans AS (
		SELECT p.name, p.installed_size
		FROM inventory.packages p
		WHERE p.section IN ('libs', 'oldlibs') AND NOT p.essential
			AND NOT EXISTS (SELECT FROM inventory.dependencies d
							JOIN inventory.provisions v ON v.provided = d.depends_on
							WHERE v.package = p.name AND d.package <> p.name))
	SELECT 'Libraries that nothing needs' AS title,
		jsonb_build_array(jsonb_build_object(
			'title', format('%s libraries are needed by nothing (%s kB)', count(*), coalesce(sum(installed_size), 0)),
			'priority', CASE WHEN count(*) > 10 THEN 'high' ELSE 'medium' END,
			'impact', 0.4)) AS findings,
		coalesce(jsonb_agg(name ORDER BY installed_size DESC), '[]') AS data
	FROM orphans
$$) \g /dev/null

SELECT workflow.register_agent('missing_dependencies', timeout_seconds => 60, sql => $$
	WITH unmet AS (
		SELECT package, requirement, string_agg(depends_on, ' | ' ORDER BY depends_on) AS alternatives
		FROM inventory.dependencies d
		GROUP BY package, requirement
		HAVING bool_and(NOT EXISTS (SELECT FROM inventory.provisions v WHERE v.provided = d.depends_on))),
	virtual AS (
		SELECT DISTINCT d.depends_on
		FROM inventory.dependencies d
		JOIN inventory.provisions v ON v.provided = d.depends_on
		WHERE NOT EXISTS (SELECT FROM inventory.packages p WHERE p.name = d.depends_on))
	SELECT 'Unmet and virtual dependencies' AS title,
		jsonb_build_array(jsonb_build_object(
			'title', format('%s requirements are not met, %s names are met by a virtual package only',
							(SELECT count(*) FROM unmet), (SELECT count(*) FROM virtual)),
			'priority', CASE WHEN EXISTS (SELECT FROM unmet) THEN 'high' ELSE 'low' END,
			'impact', CASE WHEN EXISTS (SELECT FROM unmet) THEN 0.9 ELSE 0.1 END)) AS findings,
		(SELECT jsonb_agg(u) FROM (SELECT * FROM unmet ORDER BY package LIMIT 20) AS u) AS data
$$) \g /dev/null

SELECT workflow.register_agent('version_patterns', timeout_seconds => 60, sql => $$
	WITH kinds AS (
		SELECT CASE WHEN version ~ '\+deb\d+u\d+' THEN 'stable update'
					WHEN version ~ '\+b\d+$' THEN 'binary rebuild'
					WHEN version ~ '^\d+:' THEN 'with epoch'
					WHEN version !~ '-' THEN 'native'
					ELSE 'plain' END AS kind
		FROM inventory.packages),
	counts AS (SELECT kind, count(*) AS n FROM kinds GROUP BY kind)
	SELECT 'Versions' AS title,
		jsonb_build_array(jsonb_build_object(
			'title', format('%s of %s packages carry a stable update',
							coalesce((SELECT n FROM counts WHERE kind = 'stable update'), 0), input.packages),
			'priority', 'medium', 'impact', 0.3)) AS findings,
		(SELECT jsonb_object_agg(kind, n) FROM counts) AS data
$$) \g /dev/null

SELECT workflow.register_agent('dependency_cycles', timeout_seconds => 60, sql => $$
	WITH cycles AS (
		SELECT DISTINCT a.package AS one, b.package AS other
		FROM inventory.dependencies a
		JOIN inventory.dependencies b ON b.package = a.depends_on AND b.depends_on = a.package
		WHERE a.package < b.package)
	SELECT 'Cycles' AS title,
		jsonb_build_array(jsonb_build_object(
			'title', format('%s pairs of packages depend on each other', count(*)),
			'priority', 'medium', 'impact', 0.2)) AS findings,
		coalesce(jsonb_agg(jsonb_build_array(one, other)), '[]') AS data
	FROM cycles
$$) \g /dev/null

SELECT workflow.register_agent('library_share', timeout_seconds => 60, sql => $$
	WITH kinds AS (
		SELECT CASE WHEN section IN ('libs', 'oldlibs', 'libdevel') THEN 'libraries'
					WHEN section IN ('doc', 'localization') THEN 'documentation'
					WHEN section IN ('perl', 'python', 'ruby', 'javascript', 'interpreters', 'java') THEN 'languages'
					ELSE 'programs' END AS kind,
			   count(*) AS packages, sum(installed_size) AS kilobytes
		FROM inventory.packages GROUP BY 1)
	SELECT 'Libraries and programs' AS title,
		jsonb_agg(jsonb_build_object(
			'title', format('%s: %s packages, %s MB', kind, packages, (kilobytes / 1024)::bigint),
			'priority', 'low', 'impact', 0.1) ORDER BY kilobytes DESC) AS findings,
		jsonb_object_agg(kind, packages) AS data
	FROM kinds
$$) \g /dev/null

SELECT workflow.register_agent('maintainers', timeout_seconds => 60, sql => $$
	SELECT 'Maintainers' AS title,
		jsonb_build_array(jsonb_build_object(
			'title', format('the five largest maintainers keep %s %% of the packages',
							round(100 * sum(packages) FILTER (WHERE place <= 5) / sum(packages), 1)),
			'priority', 'medium', 'impact', 0.25)) AS findings,
		jsonb_agg(jsonb_build_object('maintainer', maintainer, 'packages', packages) ORDER BY place)
			FILTER (WHERE place <= 5) AS data
	FROM (SELECT regexp_replace(maintainer, ' *<.*', '') AS maintainer, count(*) AS packages,
				 row_number() OVER (ORDER BY count(*) DESC) AS place
		  FROM inventory.packages GROUP BY 1) AS m
$$) \g /dev/null

/* Fails on purpose: nothing was ever recorded before, so it divides by zero. */
SELECT workflow.register_agent('growth_rate', timeout_seconds => 60, sql => $$
	SELECT 'Growth' AS title, '[]'::jsonb AS findings,
		sum(installed_size) / count(*) FILTER (WHERE section = 'recorded last year') AS data
	FROM inventory.packages
$$) \g /dev/null

/* Takes half a minute and may take one second. */
SELECT workflow.register_agent('deep_audit', timeout_seconds => 1, sql => $$
	SELECT 'Deep audit' AS title, '[]'::jsonb AS findings, pg_sleep(30)::text AS data
$$) \g /dev/null

/* What each package of a section needs, directly or not. */
SELECT workflow.register_agent('close_section', timeout_seconds => 120, sql => $$
	WITH RECURSIVE needs (package, needed) AS (
		SELECT p.name, v.package
		FROM inventory.packages p
		JOIN inventory.dependencies d ON d.package = p.name
		JOIN inventory.provisions v ON v.provided = d.depends_on
		WHERE p.section = input.section
		UNION
		SELECT n.package, v.package
		FROM needs n
		JOIN inventory.dependencies d ON d.package = n.needed
		JOIN inventory.provisions v ON v.provided = d.depends_on),
	written AS (
		INSERT INTO inventory.closures (package, section, packages, kilobytes)
		SELECT p.name, p.section, count(q.name), p.installed_size + coalesce(sum(q.installed_size), 0)
		FROM inventory.packages p
		LEFT JOIN needs n ON n.package = p.name AND n.needed <> p.name
		LEFT JOIN inventory.packages q ON q.name = n.needed
		WHERE p.section = input.section
		GROUP BY p.name
		RETURNING packages)
	SELECT count(*) AS closures, sum(packages) AS pairs FROM written
$$) \g /dev/null

/* Which direct dependencies of a package bring the most along. */
SELECT workflow.register_agent('explain_closure', timeout_seconds => 60, sql => $$
	SELECT coalesce(jsonb_agg(b ORDER BY packages DESC, package), '[]') AS brought_by
	FROM (SELECT DISTINCT c.package, c.packages
		  FROM inventory.dependencies d
		  JOIN inventory.provisions v ON v.provided = d.depends_on
		  JOIN inventory.closures c ON c.package = v.package
		  WHERE d.package = input.package AND c.package <> d.package
		  ORDER BY c.packages DESC, c.package LIMIT 3) AS b
$$) \g /dev/null

/* From the successful agents only: no title twice, the important first. */
SELECT workflow.register_agent('synthesise', timeout_seconds => 120, sql => $$
	WITH findings AS (
		SELECT DISTINCT ON (lower(f.title)) f.title, f.priority, coalesce(f.impact, 0.5) AS impact, r.key AS agent
		FROM jsonb_each(input.results) AS r,
			LATERAL jsonb_to_recordset(CASE WHEN jsonb_typeof(r.value->'findings') = 'array'
											THEN r.value->'findings' ELSE '[]' END)
				AS f (title text, priority text, impact numeric)
		ORDER BY lower(f.title), impact DESC),
	written AS (
		INSERT INTO inventory.recommendations (place, title, priority, impact, agent)
		SELECT row_number() OVER (ORDER BY array_position(ARRAY['high', 'medium', 'low'], priority),
								  impact DESC, title),
			title, priority, impact, agent
		FROM findings
		RETURNING agent)
	SELECT count(*) AS recommendations, count(DISTINCT agent) AS agents FROM written
$$) \g /dev/null

SELECT workflow.register_agent('write_report', timeout_seconds => 300, sql => $$
	WITH lines (place, text) AS (
		SELECT 1, format('%s packages examined; findings of %s agents:', input.packages::text, input.agents::text)
		UNION ALL
		SELECT 10 + place, format('%s. [%s] %s  (%s)', lpad(place::text, 4), priority, title, agent)
		FROM inventory.recommendations
		UNION ALL
		SELECT 101, format('Largest dependency closure: %s needs %s packages, %s MB in all%s',
						   biggest->>'package', biggest->>'packages', (biggest->>'kilobytes')::bigint / 1024,
						   CASE WHEN input.above_limit THEN ', above the limit; most of it comes with:' END)
		FROM (SELECT (input.biggest)::jsonb) AS b (biggest)
		UNION ALL
		SELECT 102, format('      %s (%s packages)', package, packages)
		FROM jsonb_to_recordset(input.brought_by) AS b (package text, packages integer)
		UNION ALL
		SELECT 201, 'Sections with the largest closures:'
		UNION ALL
		SELECT 202, format('      %s: %s (%s packages)', section, largest_package, largest_closure)
		FROM (SELECT s->>'section' AS section, s->>'largest_package' AS largest_package,
				  (s->>'largest_closure')::integer AS largest_closure
			  FROM jsonb_array_elements(input.sections) AS s
			  WHERE jsonb_typeof(s) = 'object'		-- a failed iteration is null
			  ORDER BY largest_closure DESC LIMIT 5) AS s
		UNION ALL
		SELECT 301, format('%s packages are not free software; copying everything at 100 MB/s takes %s s',
						   input.non_free::text, round(input.seconds, 1))),
	written AS (
		INSERT INTO inventory.report (text) SELECT text FROM lines ORDER BY place RETURNING 1)
	SELECT count(*) AS lines FROM written
$$) \g /dev/null
