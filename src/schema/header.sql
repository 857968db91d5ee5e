/*
 * Schema workflow: everything of the extension is in it.
 *
 * The script runs with search_path = pg_catalog, pg_temp.  It uses plain CREATE
 * throughout, never OR REPLACE or IF NOT EXISTS, so that it cannot take over an
 * object somebody put there before.
 */

CREATE SCHEMA workflow;

COMMENT ON SCHEMA workflow IS
'pg_workflow: workflows inside the database; workflow.grant_usage() lets a role use it';

CREATE FUNCTION workflow.version()
RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_version';
COMMENT ON FUNCTION workflow.version() IS
'version of the loaded library; that of the installed SQL is in pg_extension';

/* First of all, and in updates too: a library that is older lacks what the script is about. */
DO LANGUAGE plpgsql $$
DECLARE
    wanted text := (SELECT extversion FROM pg_extension WHERE extname = 'pg_workflow');
BEGIN
    IF string_to_array(workflow.version(), '.')::integer[] < string_to_array(wanted, '.')::integer[] THEN
        RAISE EXCEPTION 'cannot install version % of extension "pg_workflow": its library has version %',
            wanted, workflow.version()
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Restart the server, which loads the library that belongs to it, and repeat the command.';
    END IF;
END
$$;
