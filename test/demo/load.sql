/*
 * load.sql
 *	  The demonstration's input: the package database of this machine.
 *
 * Run as superuser: the server itself reads the file :dpkg_status.
 */
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE SCHEMA inventory;

CREATE TABLE inventory.packages (
	name			text PRIMARY KEY,
	section			text NOT NULL,
	priority		text NOT NULL,
	essential		boolean NOT NULL,
	installed_size	bigint NOT NULL,	-- kB
	version			text NOT NULL,
	maintainer		text NOT NULL,
	source			text NOT NULL,
	description		text,
	depends			text,
	provides		text
);

/*
 * One row per name in Depends and Pre-Depends.  "a | b" is one requirement
 * with two alternatives.
 */
CREATE TABLE inventory.dependencies (
	package			text NOT NULL,
	requirement		integer NOT NULL,
	depends_on		text NOT NULL,
	PRIMARY KEY (package, requirement, depends_on)
);
CREATE INDEX ON inventory.dependencies (depends_on);

CREATE TABLE inventory.provisions (
	provided		text NOT NULL,
	package			text NOT NULL,
	PRIMARY KEY (provided, package)
);

/* What the workflow produces. */
CREATE TABLE inventory.closures (
	package			text PRIMARY KEY,
	section			text NOT NULL,
	packages		integer NOT NULL,	-- that it needs, directly or not
	kilobytes		bigint NOT NULL
);
CREATE TABLE inventory.recommendations (
	place			integer PRIMARY KEY,
	title			text NOT NULL,
	priority		text NOT NULL,
	impact			numeric NOT NULL,
	agent			text NOT NULL
);
CREATE TABLE inventory.report (
	line			integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	text			text NOT NULL
);

INSERT INTO inventory.packages
SELECT DISTINCT ON (name)
	name,
	coalesce((regexp_match(paragraph, '^Section: (.*)$', 'n'))[1], 'unknown'),
	coalesce((regexp_match(paragraph, '^Priority: (.*)$', 'n'))[1], 'unknown'),
	paragraph ~ '(?n)^Essential: yes$',
	coalesce((regexp_match(paragraph, '^Installed-Size: (\d+)$', 'n'))[1]::bigint, 0),
	(regexp_match(paragraph, '^Version: (.*)$', 'n'))[1],
	coalesce((regexp_match(paragraph, '^Maintainer: (.*)$', 'n'))[1], 'unknown'),
	coalesce((regexp_match(paragraph, '^Source: ([^ \n]*)', 'n'))[1], name),
	(regexp_match(paragraph, '^Description: (.*)$', 'n'))[1],
	concat_ws(', ',
			  (regexp_match(paragraph, '^Pre-Depends: (.*)$', 'n'))[1],
			  (regexp_match(paragraph, '^Depends: (.*)$', 'n'))[1]),
	(regexp_match(paragraph, '^Provides: (.*)$', 'n'))[1]
FROM regexp_split_to_table(pg_read_file(:'dpkg_status'), E'\n\n+') AS paragraph,
	LATERAL (SELECT (regexp_match(paragraph, '^Package: (.*)$', 'n'))[1]) AS p (name)
WHERE name IS NOT NULL
	AND paragraph ~ '(?n)^Status: .* installed$'
ORDER BY name;

INSERT INTO inventory.dependencies
SELECT DISTINCT p.name, r.number, substring(a.alternative FROM '^\s*([a-z0-9][a-z0-9+.-]*)')
FROM inventory.packages p,
	LATERAL string_to_table(p.depends, ',') WITH ORDINALITY AS r (requirement, number),
	LATERAL string_to_table(r.requirement, '|') AS a (alternative)
WHERE a.alternative ~ '^\s*[a-z0-9]';

INSERT INTO inventory.provisions
SELECT DISTINCT substring(v.provided FROM '^\s*([a-z0-9][a-z0-9+.-]*)'), p.name
FROM inventory.packages p,
	LATERAL string_to_table(p.provides, ',') AS v (provided)
WHERE v.provided ~ '^\s*[a-z0-9]'
UNION
SELECT name, name FROM inventory.packages;

ANALYZE inventory.packages, inventory.dependencies, inventory.provisions;

/* The workflow runs as an ordinary role. */
CREATE ROLE analyst LOGIN;
GRANT USAGE, CREATE ON SCHEMA inventory TO analyst;
GRANT SELECT ON inventory.packages, inventory.dependencies, inventory.provisions TO analyst;
GRANT SELECT, INSERT, UPDATE, DELETE
	ON inventory.closures, inventory.recommendations, inventory.report TO analyst;

CREATE EXTENSION pg_workflow;
SELECT workflow.grant_usage('analyst') \g /dev/null

SELECT format('   %s packages in %s sections, %s dependencies, %s provided names',
			  (SELECT count(*) FROM inventory.packages),
			  (SELECT count(DISTINCT section) FROM inventory.packages),
			  (SELECT count(*) FROM inventory.dependencies),
			  (SELECT count(*) FROM inventory.provisions));
