/* The extension itself: who may use it; its version is in header.sql. */

CREATE FUNCTION workflow.grant_usage(role regrole)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_grant_usage';
COMMENT ON FUNCTION workflow.grant_usage(regrole) IS
'let a role define, start and watch workflows; it sees its own executions only. Again after an '
'update of the extension, for what the update added. Error: 42501 for others than the owner of the '
'extension';

CREATE FUNCTION workflow.revoke_usage(role regrole)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_revoke_usage';
COMMENT ON FUNCTION workflow.revoke_usage(regrole) IS
'take back what grant_usage() gave; executions under way go on. Error: 42501 for others than the '
'owner of the extension';

CREATE FUNCTION workflow.extension_ready()
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_extension_ready';
COMMENT ON FUNCTION workflow.extension_ready() IS
'internal: last call of the scripts, has processes look at the extension anew. Error: 55000 '
'elsewhere';
