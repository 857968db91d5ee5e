/*
 * By hand, back to the version before: what up.sql has done is undone.  Rows that it has no place
 * for are not lost silently: the script refuses, and says what to do, or tells what is lost.
 */

/*
 * What definitions say.  Rights per workflow: what was closed would be open.  Limits of roles.
 * Erasures.  Traces.
 *
 * Of settings that the version before does not know counts whatever is said anywhere, for other
 * sessions than this one.  The older library, once it is loaded, has forgotten what the
 * configuration says: so the files are read.
 */
DO $$
DECLARE
    said text[] := ARRAY(
        SELECT name || '=' || current_setting(name, true)
        FROM unnest('{workflow.default_execute,workflow.namespaces}'::text[]) AS name
        UNION
        SELECT unnest(setconfig) FROM pg_db_role_setting
        WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        UNION
        (SELECT DISTINCT ON (lower(name)) lower(name) || '=' || setting FROM pg_file_settings
         ORDER BY lower(name), seqno DESC));
    /*
     * Its library can make nothing of these: of an end, a wait or a retry, of a way back in a line,
     * which a single step that leads to itself is, too, or of the trace in a template or an
     * expression.
     */
    newer text := (
        SELECT string_agg(DISTINCT d.name, ', ' ORDER BY d.name) FROM workflow.definitions AS d
        WHERE (d.status <> 'archived'
               OR EXISTS (SELECT FROM workflow.executions AS e
                          WHERE e.definition_id = d.id
                            AND e.status NOT IN ('completed', 'failed', 'cancelled', 'timed_out')))
          AND (d.definition @? '$.steps.*.ends'
               OR d.definition @? '$.steps.* ? (@.type == "wait")'
               OR d.definition @? '$.steps.* ? (@.retry.type() != "null" '
                                               '&& @.type != "agent" && @.type != "sql")'
               OR EXISTS (
                   /* looked up and not joined: a line may have thousands of steps */
                   SELECT FROM (
                       SELECT
                           jsonb_object_agg(child #>> '{}', jsonb_build_array(p.n, l.n)) AS lines,
                           jsonb_object_agg(child #>> '{}', place) AS places
                       FROM unnest('{$.steps.*.parallel_steps[*], $.steps.*.loop_config.loop_body,
                                     $.steps.*.fork_join_config.branches.*.steps,
                                     $.steps.*.if_true_step, $.steps.*.if_false_step,
                                     $.steps.*.switch[*].step, $.steps.*.default}'::jsonpath[])
                               WITH ORDINALITY AS p (path, n),
                           jsonb_path_query(d.definition, path) WITH ORDINALITY AS l (line, n),
                           jsonb_path_query(line, '$[*] ? (@.type() == "string")')
                               WITH ORDINALITY AS c (child, place)) AS children,
                       jsonb_each(d.definition -> 'steps') AS s (id, step),
                       unnest('{$.catch.next_step, $.switch.next_step, $.default.next_step,
                                $.if_true_step.next_step,
                                $.if_false_step.next_step}'::jsonpath[]) AS way,
                       jsonb_path_query(step, way) AS target
                   WHERE lines -> id = lines -> (target #>> '{}')
                     AND places -> (target #>> '{}') <= places -> id)
               OR EXISTS (
                   SELECT FROM jsonb_path_query(d.definition,
                                                'strict $.** ? (@.type() == "string")') AS text
                   WHERE text #>> '{}' ~ '(?<![-._[:alnum:]])workflow[[:space:]]*[.]'
                                         '[[:space:]]*traceparent'
                     AND text NOT IN (SELECT jsonb_path_query(d.definition, '$.steps.*.sql'))
                     AND (text #>> '{}' ~ '(?<![$])[$][{]'
                          OR text IN (
                              SELECT jsonb_path_query(d.definition, expression)
                              FROM unnest('{$.steps.**.condition, $.steps.**.retry_if,
                                            $.steps.**.until, $.steps.**.when,
                                            $.steps.**.while}'::jsonpath[]) AS expression)))));
BEGIN
    IF newer IS NOT NULL THEN
        RAISE EXCEPTION 'definitions say what the version before does not know'
            USING ERRCODE = '55000',
            DETAIL = format('They have "ends", steps that wait, a "retry" of a container, a way back '
                            'inside of one, or "workflow.traceparent": %s.', newer),
            HINT = 'Archive them with workflow.set_status(), when their executions have ended.';
    END IF;
    IF EXISTS (SELECT FROM workflow.grants WHERE NOT granted) THEN
        RAISE EXCEPTION 'workflows that were revoked from all roles would be open to all again'
            USING ERRCODE = '55000', DETAIL = 'The version before has no rights per workflow.',
            HINT = 'Open them yourself, SELECT workflow.grant_execute(workflow, ''-'') FROM '
                   'workflow.grants WHERE NOT granted, and archive those that nobody is to start.';
    END IF;
    IF 'workflow.default_execute=owner' = ANY (SELECT lower(s) FROM unnest(said) AS s) AND EXISTS (
            SELECT FROM workflow.definitions AS d
            WHERE d.status IN ('active', 'deprecated')
              AND NOT EXISTS (SELECT FROM workflow.grants AS g
                              WHERE g.workflow = d.name AND g.privilege = 'start'
                                AND g.role IS NULL)) THEN
        RAISE EXCEPTION 'workflows that only their owners may start would be open to all'
            USING ERRCODE = '55000',
            DETAIL = 'The setting workflow.default_execute is "owner", and the version before has '
                     'no rights per workflow.',
            HINT = 'Open them yourself, SELECT workflow.grant_execute(name, ''-'') FROM (SELECT '
                   'DISTINCT name FROM workflow.definitions WHERE status IN (''active'', '
                   '''deprecated'')) AS d, and archive those that nobody is to start.';
    END IF;
    IF EXISTS (SELECT FROM unnest(said) AS s
               WHERE CASE WHEN s ~ '^workflow[.]namespaces='
                          THEN split_part(s, '=', 2)::boolean END) THEN
        RAISE WARNING 'names of workflows, agents and schedules are kept apart no more: the '
                      'version before has no workflow.namespaces';
    END IF;
    IF EXISTS (SELECT FROM workflow.grants) THEN
        RAISE WARNING 'rights granted on workflows are lost: the version before has none';
    END IF;
    IF EXISTS (SELECT FROM workflow.role_limits) THEN
        RAISE WARNING 'limits of roles are lost: the version before has none';
    END IF;
    IF EXISTS (SELECT FROM workflow.executions
               WHERE erased_at IS NOT NULL AND status <> 'completed') THEN
        RAISE WARNING 'that executions were erased is forgotten: the version before lets them be '
                      'retried, without their data';
    END IF;
    IF EXISTS (SELECT FROM workflow.executions WHERE traceparent IS NOT NULL) THEN
        RAISE WARNING 'the traces that executions belong to are lost: the version before has none';
    END IF;
    IF EXISTS (SELECT FROM workflow.executions WHERE status = 'waiting') THEN
        RAISE WARNING 'executions that wait are queued, and count for max_running: the version '
                      'before keeps them in memory';
    END IF;
END $$;

ALTER TABLE workflow.executions DROP COLUMN traceparent, DROP COLUMN erased_at;
ALTER TABLE workflow.definitions DROP COLUMN language;
ALTER TABLE workflow.dead_letters DROP COLUMN replays, DROP COLUMN erased_at;
ALTER TABLE workflow.statistics_state DROP COLUMN pruned_until;

/* What waits is queued: it waits in the scheduler's memory. */
UPDATE workflow.executions SET status = 'pending' WHERE status = 'waiting';
ALTER DOMAIN workflow.status_of_execution DROP CONSTRAINT status_of_execution_check;
ALTER DOMAIN workflow.status_of_execution ADD CONSTRAINT status_of_execution_check
    CHECK (VALUE IN ('pending', 'running', 'paused', 'cancelling', 'completed', 'failed',
                     'cancelled', 'timed_out', 'blocked'));

/* None waits: its definition is archived, and its execution has ended. */
ALTER DOMAIN workflow.status_of_step DROP CONSTRAINT status_of_step_check;
ALTER DOMAIN workflow.status_of_step ADD CONSTRAINT status_of_step_check
    CHECK (VALUE IN ('running', 'completed', 'failed', 'timed_out', 'cancelled', 'skipped'));
