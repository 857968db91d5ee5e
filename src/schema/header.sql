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
