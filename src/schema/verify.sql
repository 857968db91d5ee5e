/*
 * Verification: whether the installation, its settings, its processes, what it has in
 * pg_cron and its rows are as they should be, and whether it works.
 *
 * What alerts, why() and no_workers() say is asked of them.
 */

CREATE FUNCTION workflow.script_objects(
    OUT kind text,
    OUT name text,
    OUT relation text,
    OUT statement text,
    OUT owner_only boolean)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 250
AS 'MODULE_PATHNAME', 'workflow_script_objects';
COMMENT ON FUNCTION workflow.script_objects() IS
'what verify() is made of: what the install script of the library''s version creates, none where '
'the extension has another one. kind: table, view, function, procedure, aggregate, type, domain, '
'index, key (name: its columns), policy, trigger, row security or dump (it is in dumps); relation: '
'table it belongs to, or name of a routine without its arguments; statement: what makes it again; '
'owner_only: grant_usage() leaves it out';

CREATE FUNCTION workflow.verify(
    full boolean DEFAULT false,
    OUT area text,
    OUT check_name text,
    OUT status text,
    OUT detail text,
    OUT help text)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 50
AS 'MODULE_PATHNAME', 'workflow_verify';
COMMENT ON FUNCTION workflow.verify(boolean) IS
'whether all is well with pg_workflow in this database: a row for each check, or for each thing '
'that it finds, at most 20. area: installation, settings, processes, schedules, data or '
'deployment; status: ok, warning, error, or unknown (the caller is not shown all that it looks at, '
'somebody has locked it, or the library has another version); help: the statement that mends it, '
'or, behind --, what does. Of large tables it looks at what has not ended and at the newest, with '
'full => true at everything. Works on a standby, too, and where no process of pg_workflow runs. '
'Error: 22004 for a null';
