/* Last: who may call what, what a dump contains, and off we go. */

/*
 * Nothing for whom ALTER DEFAULT PRIVILEGES names, ...  TRIGGER on a table that the owner
 * writes to would be the owner's rights.  pg_monitor keeps what it has: grants from above are
 * among it.  An update, which finds tables marked to be dumped, takes nothing from anybody but on
 * what it has made: update.awk.
 */
DO LANGUAGE plpgsql $$
DECLARE
    grantee name;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_workflow' AND extconfig IS NOT NULL) THEN
        RETURN;
    END IF;
    FOR grantee IN
        SELECT DISTINCT pg_get_userbyid(a.grantee)
        FROM (SELECT n.oid AS schema, n.nspacl AS acl FROM pg_namespace AS n
              UNION ALL SELECT c.relnamespace, c.relacl FROM pg_class AS c
              UNION ALL SELECT p.pronamespace, p.proacl FROM pg_proc AS p) AS o, aclexplode(o.acl) AS a
        WHERE o.schema = 'workflow'::regnamespace AND a.grantee <> a.grantor
          AND a.grantee <> 0 AND a.grantee <> 'pg_monitor'::regrole
    LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA workflow FROM %I CASCADE', grantee);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA workflow FROM %I CASCADE', grantee);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA workflow FROM %I CASCADE', grantee);
        EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA workflow FROM %I CASCADE', grantee);
    END LOOP;
END
$$;

/* ... nothing for PUBLIC, whatever a file before forgot, ... */
REVOKE ALL ON SCHEMA workflow FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA workflow FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA workflow FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA workflow FROM PUBLIC;

/* ... except what tells nothing and changes nothing. */
GRANT EXECUTE ON FUNCTION workflow.version() TO PUBLIC;
GRANT EXECUTE ON FUNCTION workflow.role_oid(workflow.role), workflow.role_regrole(workflow.role),
    workflow.role_of(oid), workflow.role_of(regrole), workflow.role_name(workflow.role), workflow.role_missing(workflow.role),
    workflow.role_eq(workflow.role, workflow.role), workflow.role_ne(workflow.role, workflow.role),
    workflow.role_lt(workflow.role, workflow.role), workflow.role_le(workflow.role, workflow.role),
    workflow.role_gt(workflow.role, workflow.role), workflow.role_ge(workflow.role, workflow.role),
    workflow.role_cmp(workflow.role, workflow.role), workflow.role_hash(workflow.role) TO PUBLIC;

/* Monitoring: the views, which show it no payloads. */
GRANT USAGE ON SCHEMA workflow TO pg_monitor;
/* whose workflow is blocked, for the policy of blocked_workflows; not what it consists of */
GRANT SELECT (name, owner) ON workflow.definitions TO pg_monitor;
GRANT SELECT ON workflow.audit_log, workflow.blocked_workflows, workflow.executor_history, workflow.executors, workflow.activity, workflow.execution_status,
    workflow.step_status TO pg_monitor;
GRANT SELECT ON workflow.audit_log, workflow.executor_history, workflow.executors, workflow.activity, workflow.execution_status,
    workflow.step_status, workflow.schedules, workflow.schedule_runs, workflow.schedule_queue TO pg_monitor;
GRANT SELECT ON workflow.compensations, workflow.locked_executions, workflow.locked_tables, workflow.marked_steps,
    workflow.wait_status, workflow.interruptions TO pg_monitor;
GRANT SELECT ON workflow.breaker_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION workflow.breaker_memory(text) TO pg_monitor;
GRANT SELECT ON workflow.audit_log, workflow.executors, workflow.activity, workflow.execution_status,
    workflow.step_status, workflow.dead_letter_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION workflow.executors_of(bigint), workflow.lock_holder(integer, text) TO pg_monitor;
GRANT SELECT ON workflow.alerts, workflow.alert_thresholds, workflow.metrics, workflow.queue, workflow.queue_depth, workflow.history, workflow.statistics, workflow.newest_execution,
    workflow.blocks TO pg_monitor;
GRANT EXECUTE ON FUNCTION workflow.executor_slots(), workflow.statistics(interval, integer), workflow.current_alerts(), workflow.metrics(bigint),
    workflow.plan_steps(integer), workflow.progress(bigint),
    workflow.schedule_jobs(), workflow.paused_time(tstzmultirange, timestamptz, timestamptz, timestamptz, timestamptz),
    workflow.scope_level(text, integer), workflow.scope_children(text, text, integer, boolean) TO pg_monitor;
GRANT SELECT ON workflow.database_state, workflow.drain_status, workflow.left_executions TO pg_monitor;
GRANT SELECT ON workflow.engine_statistics TO pg_monitor;
GRANT SELECT ON workflow.owners, workflow.grants, workflow.role_limits TO pg_monitor;
GRANT EXECUTE ON FUNCTION workflow.engine_counters() TO pg_monitor;
GRANT EXECUTE ON FUNCTION workflow.drained() TO pg_monitor;
GRANT SELECT ON workflow.statistics_days, workflow.statistics_state, workflow.statistics_history TO pg_monitor;
GRANT EXECUTE ON FUNCTION workflow.add_histograms(jsonb, jsonb), workflow.merge_histograms(jsonb),
    workflow.histogram_percentile(jsonb, numeric) TO pg_monitor;

SELECT pg_catalog.pg_extension_config_dump('workflow.definitions', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.definitions_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.agents', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.executions', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.executions_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.step_executions', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.waits', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.audit_entries', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.audit_entries_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.database_state', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.executor_history', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.executor_history_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.blocked_workflows', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.blocked_workflows_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.schedule_entries', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.schedule_entries_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.schedule_run_entries', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.schedule_run_entries_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.dead_letters', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.dead_letters_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.grants', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.grants_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.role_limits', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.role_limits_id_seq', '');

SELECT pg_catalog.pg_extension_config_dump('workflow.statistics_days', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.statistics_state', '');

SELECT workflow.extension_ready();
