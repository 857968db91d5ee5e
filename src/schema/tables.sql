/* Tables.  execution_id leads every key of execution state. */

/*
 * Domains, not check constraints: rows that are written without a statement (src/state/direct.c),
 * whose values come from an enumeration, pay nothing for them, and anybody's statement is checked.
 */
CREATE DOMAIN workflow.status_of_execution AS text
    CHECK (VALUE IN ('pending', 'running', 'paused', 'cancelling', 'completed', 'failed', 'cancelled', 'timed_out', 'blocked', 'waiting'));
COMMENT ON DOMAIN workflow.status_of_execution IS 'statuses that executions have';

CREATE DOMAIN workflow.status_of_step AS text
    CHECK (VALUE IN ('running', 'waiting', 'completed', 'failed', 'timed_out', 'cancelled',
                     'skipped'));
COMMENT ON DOMAIN workflow.status_of_step IS 'statuses that steps have, and outcomes of scopes';

CREATE TABLE workflow.definitions (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL,
    version         integer NOT NULL CHECK (version > 0),
    label           text,
    workflow_id     text,
    status          text NOT NULL DEFAULT 'active'
                    CHECK (status IN ('draft', 'active', 'deprecated', 'archived')),
    owner           workflow.role NOT NULL,
    description     text,
    document        jsonb NOT NULL,   -- as given to define()
    definition      jsonb NOT NULL,   -- normalised
    created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    language        text NOT NULL DEFAULT 'native',
    UNIQUE (name, version)
);
CREATE INDEX definitions_alerts_idx ON workflow.definitions (name)
    WHERE pg_catalog.jsonb_typeof(definition OPERATOR(pg_catalog.->) 'alerts') OPERATOR(pg_catalog.=) 'object';
CREATE INDEX definitions_workflow_id_idx ON workflow.definitions (workflow_id) WHERE workflow_id IS NOT NULL;

CREATE TABLE workflow.agents (
    name            text PRIMARY KEY,
    kind            text NOT NULL CHECK (kind IN ('function', 'sql', 'queue')),
    function        text,             -- qualified, with argument types; a regprocedure column would block pg_upgrade
    sql             text,
    queue           text,
    result          text NOT NULL DEFAULT 'row' CHECK (result IN ('rows', 'row', 'value', 'none')),
    timeout_seconds integer CHECK (timeout_seconds > 0),
    status          text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
    owner           workflow.role NOT NULL,
    description     text,
    retry           jsonb,
    circuit_breaker jsonb,
    created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CHECK (pg_catalog.num_nonnulls(function, sql, queue) = 1)
);

/* Without check constraints: see step_executions. */
CREATE TABLE workflow.executions (
    id              bigint GENERATED ALWAYS AS IDENTITY (CACHE 32) PRIMARY KEY,
    definition_id   integer NOT NULL,
    workflow        text NOT NULL,
    version         integer NOT NULL,
    status          workflow.status_of_execution NOT NULL DEFAULT 'pending',
    role            workflow.role NOT NULL,
    priority        integer NOT NULL DEFAULT 0,
    parallel        boolean NOT NULL DEFAULT true,
    inline          boolean NOT NULL DEFAULT false,  -- run by execute()
    tenant          text,
    idempotency_key text,
    schedule_id     integer,
    start_at        timestamptz,      -- infinity: another one of its schedule has to end first
    created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    started_at      timestamptz,
    completed_at    timestamptz,
    recoveries      integer NOT NULL DEFAULT 0,
    recovered_at    timestamptz,      -- newest completed_at of its rows at the last recovery
    probation       boolean NOT NULL DEFAULT false,
    error_type      text,
    cancelled_by    workflow.role,
    cancelled_at    timestamptz,
    cancel_reason   text,
    compensate      boolean NOT NULL DEFAULT false,  -- cancel(compensate => true)
    ending          workflow.status_of_execution,  -- status it ends with, while its epilogue is run
    dead_letter_id  bigint,           -- it has failed, or replays what has
    control         boolean NOT NULL DEFAULT false,  -- the scheduler has to look at it
    limited         boolean NOT NULL DEFAULT false,  -- pending: waits for room under a limit
    counted         boolean NOT NULL DEFAULT false,  -- its workflow refuses what is too many
    paused_by       workflow.role,
    paused_at       timestamptz,
    paused_until    timestamptz,      -- it fails then
    pause_reason    text,
    pauses          tstzmultirange,   -- those that are over
    retries         integer NOT NULL DEFAULT 0,      -- by retry()
    retried_at      timestamptz,
    reopen          boolean NOT NULL DEFAULT false,  -- retried, its rows are as they were
    reopen_from     timestamptz,      -- rows that began then or later are set aside
    step_inputs     jsonb,            -- given to retry(), by scope and step
    step_marks      jsonb,            -- steps held or skipped: by whom, since when and why
    interruptions   jsonb,            -- recoveries, and ends after which it went on
    input           jsonb NOT NULL,
    output          jsonb,
    error           jsonb,
    traceparent     text,             -- of the session that began it
    erased_at       timestamptz       -- its payloads were taken out
) WITH (fillfactor = 80,
    /*
     * Each execution leaves two dead rows, and an index entry for each in whatever index
     * it has passed through.  With the default, a fifth of all rows, that is the more the more is
     * kept; a fiftieth keeps it small where 10,000,000 are.
     */
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);
/* Each role has a queue of its own, and claims take turns: none is in another's way. */
CREATE INDEX executions_pending_idx ON workflow.executions ((role::oid), priority DESC, id)
    WHERE status = 'pending' AND start_at IS NULL AND NOT limited;
CREATE INDEX executions_start_at_idx ON workflow.executions ((role::oid), start_at)
    WHERE status = 'pending' AND start_at IS NOT NULL AND NOT limited;
CREATE INDEX executions_limited_idx ON workflow.executions (workflow, (COALESCE(tenant, '')), (role::oid), priority DESC, id)
    WHERE status = 'pending' AND limited;
CREATE INDEX executions_counted_idx ON workflow.executions (workflow)
    WHERE counted AND status IN ('pending', 'running', 'cancelling');
CREATE INDEX executions_blocked_idx ON workflow.executions (workflow) WHERE status = 'blocked';
CREATE INDEX executions_waiting_idx ON workflow.executions (id) WHERE status = 'waiting';
CREATE INDEX executions_running_idx ON workflow.executions (id)
    WHERE status IN ('running', 'cancelling');
CREATE INDEX executions_control_idx ON workflow.executions (id) WHERE control;
CREATE INDEX executions_paused_until_idx ON workflow.executions (paused_until)
    WHERE status = 'paused';
CREATE UNIQUE INDEX executions_idempotency_key_idx ON workflow.executions (idempotency_key, workflow, role)
    WHERE idempotency_key IS NOT NULL;

CREATE INDEX executions_schedule_idx ON workflow.executions (schedule_id, id)
    WHERE schedule_id IS NOT NULL AND status IN ('pending', 'running', 'paused', 'cancelling', 'blocked', 'waiting');

/*
 * The table every step inserts a row into.  It has no check constraints: their
 * expressions would be set up anew for each row, a tenth of an executor's time
 * (measured with perf), and only src/state/steps.c writes here.
 */
CREATE TABLE workflow.step_executions (
    execution_id    bigint NOT NULL,
    started_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    retry_at        timestamptz,
    visit           integer NOT NULL DEFAULT 1,
    attempt         integer NOT NULL DEFAULT 1,
    executor_pid    integer,
    loop_iteration_index integer,
    loop_collection_size integer,
    condition_result boolean,
    scope           text COLLATE "C" NOT NULL,
    step_id         text COLLATE "C" NOT NULL,
    step_type       text NOT NULL,
    status          workflow.status_of_step NOT NULL,
    scope_outcome   workflow.status_of_step,
    on_failure      text,
    agent_name      text,
    parent_step_id  text,
    branch_name     text,
    join_policy     text,
    loop_execution_mode text,
    loop_label      text,
    condition_expression text,
    branch_taken    text,
    error_type      text,
    input           jsonb,
    output          jsonb,
    error           jsonb,
    variables       jsonb,
    PRIMARY KEY (execution_id, scope, step_id, visit, attempt)
) WITH (
    /*
     * Rows are inserted and, by prune(), deleted.  Each vacuum for what was deleted reads the
     * whole primary key, so not as often as above; one for what was inserted reads new pages only.
     */
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 50000,
    autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 100000);
CREATE INDEX step_executions_open_idx ON workflow.step_executions (execution_id)
    WHERE completed_at IS NULL;
CREATE INDEX step_executions_variables_idx ON workflow.step_executions (execution_id, completed_at)
    WHERE variables IS NOT NULL;

/*
 * What threads of executions wait for that nobody has in memory: src/state/waits.c.
 */
CREATE TABLE workflow.waits (
    execution_id    bigint NOT NULL,
    thread          text COLLATE "C" NOT NULL,  -- scope that ends with it
    scope           text COLLATE "C" NOT NULL,
    step_id         text COLLATE "C" NOT NULL,
    visit           integer,          -- null: not known before it begins
    attempt         integer NOT NULL,
    kind            text NOT NULL,
    until           timestamptz NOT NULL,  -- infinity: until somebody wakes it
    since           timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (execution_id, thread)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);
CREATE INDEX waits_until_idx ON workflow.waits (until);
