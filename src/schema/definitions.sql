/* Definitions. */

CREATE FUNCTION workflow.define(definition jsonb, status text DEFAULT 'active')
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_define';
COMMENT ON FUNCTION workflow.define(jsonb, text) IS
'check a definition and store it as the next version of its name; returns the version. When the '
'newest version has the same document, that version is returned and given the status. Errors: '
'22023 with everything that is wrong, 42501 when the name belongs to another role, 42939 for a '
'name that is reserved (pg_workflow. ..), 42710 when another workflow uses the name or '
'workflow_id, 54000 when it is larger than workflow.max_definition_size';

CREATE FUNCTION workflow.validate(definition jsonb)
RETURNS TABLE (severity text, path text, step_id text, message text, hint text)
LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 10
AS 'MODULE_PATHNAME', 'workflow_validate';
COMMENT ON FUNCTION workflow.validate(jsonb) IS
'what is wrong with a definition, one row per problem: severity error (define() refuses it) or '
'warning, JSON path, step, message, hint; no rows: nothing is wrong';

CREATE FUNCTION workflow.set_status(workflow text, version integer, status text)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_set_status';
COMMENT ON FUNCTION workflow.set_status(text, integer, text) IS
'make a version draft, active, deprecated or archived; running executions are not touched. Errors: '
'42704 when there is no such version, 42501 for others than the owner, 22023 for another status';

CREATE FUNCTION workflow.explain(workflow text, version integer DEFAULT NULL, averages boolean DEFAULT true)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_explain';
COMMENT ON FUNCTION workflow.explain(text, integer, boolean) IS
'the plan of a version as an indented tree; without a version that which start() would take. '
'averages: add how long each step took in up to 100 of the newest executions that the caller may '
'see. Errors: 42704 when there is no such workflow or version';

CREATE FUNCTION workflow.refuse_change()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_refuse_change';
COMMENT ON FUNCTION workflow.refuse_change() IS
'internal: keeps versions of definitions from being changed. Error: 55000';

CREATE TRIGGER definitions_immutable
    BEFORE UPDATE OF id, name, version, label, workflow_id, document, definition, created_at
    ON workflow.definitions
    FOR EACH ROW EXECUTE FUNCTION workflow.refuse_change();
COMMENT ON TRIGGER definitions_immutable ON workflow.definitions IS
'versions are immutable: executions, and plans kept by processes, rest on them';
