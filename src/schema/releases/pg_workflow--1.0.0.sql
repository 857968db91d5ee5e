\echo Use "CREATE EXTENSION pg_workflow" to load this file. \quit
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
/*
 * The type of columns that name a role: its identity, and its name beside it.
 *
 * Such a column is dumped and restored by name.  Where the role does not exist the row
 * is kept, and belongs to nobody; see src/api/role_type.c.
 */

CREATE TYPE workflow.role;

CREATE FUNCTION workflow.role_in(cstring) RETURNS workflow.role
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_in';
COMMENT ON FUNCTION workflow.role_in(cstring) IS
'of the type workflow.role, input: by name, quoted where it has to be; with (missing) behind it, a '
'role that does not exist; (missing 16384): that was dropped, and had this number';

CREATE FUNCTION workflow.role_out(workflow.role) RETURNS cstring
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_out';
COMMENT ON FUNCTION workflow.role_out(workflow.role) IS
'of the type workflow.role, output: the name of now; of one that does not exist that of then, with '
'(missing), and the number that it had';

CREATE FUNCTION workflow.role_recv(internal) RETURNS workflow.role
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_recv';
COMMENT ON FUNCTION workflow.role_recv(internal) IS 'of the type workflow.role, binary input: text';

CREATE FUNCTION workflow.role_send(workflow.role) RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_send';
COMMENT ON FUNCTION workflow.role_send(workflow.role) IS
'of the type workflow.role, binary output: text';

CREATE TYPE workflow.role (
    INPUT = workflow.role_in, OUTPUT = workflow.role_out,
    RECEIVE = workflow.role_recv, SEND = workflow.role_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = main);
COMMENT ON TYPE workflow.role IS
'a role, read and written by name; one that does not exist, since it was dropped or since the rows '
'were restored without it, is written as name (missing) and has no rights. Converts to oid by '
'itself';

/* --- casts --- */

CREATE FUNCTION workflow.role_oid(workflow.role) RETURNS oid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_oid';
COMMENT ON FUNCTION workflow.role_oid(workflow.role) IS
'cast: OID of a role, also of one that has been dropped; 1, which no role has, when only the name '
'is known';

CREATE FUNCTION workflow.role_regrole(workflow.role) RETURNS regrole
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_oid';
COMMENT ON FUNCTION workflow.role_regrole(workflow.role) IS 'cast: as role_oid()';

CREATE FUNCTION workflow.role_of(oid) RETURNS workflow.role
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_from_oid';
COMMENT ON FUNCTION workflow.role_of(oid) IS 'cast: the role with this OID, and its name of now';

CREATE FUNCTION workflow.role_of(regrole) RETURNS workflow.role
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_from_oid';
COMMENT ON FUNCTION workflow.role_of(regrole) IS 'cast: the role, and its name of now';

CREATE CAST (workflow.role AS oid) WITH FUNCTION workflow.role_oid(workflow.role) AS IMPLICIT;
CREATE CAST (workflow.role AS regrole) WITH FUNCTION workflow.role_regrole(workflow.role) AS ASSIGNMENT;
CREATE CAST (oid AS workflow.role) WITH FUNCTION workflow.role_of(oid) AS ASSIGNMENT;
CREATE CAST (regrole AS workflow.role) WITH FUNCTION workflow.role_of(regrole) AS IMPLICIT;
COMMENT ON CAST (workflow.role AS oid) IS 'the identity of the role';
COMMENT ON CAST (workflow.role AS regrole) IS 'the identity of the role';
COMMENT ON CAST (oid AS workflow.role) IS 'the role and its name of now';
COMMENT ON CAST (regrole AS workflow.role) IS 'the role and its name of now';

CREATE FUNCTION workflow.role_name(workflow.role) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_name';
COMMENT ON FUNCTION workflow.role_name(workflow.role) IS
'name of a role, without quotes; of one that does not exist with (missing) behind it, or (missing '
'16384), the number it had where it was dropped';

CREATE FUNCTION workflow.role_missing(workflow.role) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_role_missing';
COMMENT ON FUNCTION workflow.role_missing(workflow.role) IS
'whether a role does not exist: it was dropped, or rows of it were restored without it';

/* --- order --- */

CREATE FUNCTION workflow.role_eq(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_eq';
CREATE FUNCTION workflow.role_ne(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_ne';
CREATE FUNCTION workflow.role_lt(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_lt';
CREATE FUNCTION workflow.role_le(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_le';
CREATE FUNCTION workflow.role_gt(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_gt';
CREATE FUNCTION workflow.role_ge(workflow.role, workflow.role) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_ge';
CREATE FUNCTION workflow.role_cmp(workflow.role, workflow.role) RETURNS integer
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_cmp';
CREATE FUNCTION workflow.role_hash(workflow.role) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'workflow_role_hash';
COMMENT ON FUNCTION workflow.role_eq(workflow.role, workflow.role) IS
'operator: the same role; of roles that do not exist, by name and number where only that is known';
COMMENT ON FUNCTION workflow.role_ne(workflow.role, workflow.role) IS 'operator: not the same role';
COMMENT ON FUNCTION workflow.role_lt(workflow.role, workflow.role) IS
'operator: before, in the order of indexes';
COMMENT ON FUNCTION workflow.role_le(workflow.role, workflow.role) IS
'operator: before or the same';
COMMENT ON FUNCTION workflow.role_gt(workflow.role, workflow.role) IS
'operator: behind, in the order of indexes';
COMMENT ON FUNCTION workflow.role_ge(workflow.role, workflow.role) IS
'operator: behind or the same';
COMMENT ON FUNCTION workflow.role_cmp(workflow.role, workflow.role) IS
'operator class: less, equal or greater than 0';
COMMENT ON FUNCTION workflow.role_hash(workflow.role) IS 'operator class: hash value';

CREATE OPERATOR workflow.= (FUNCTION = workflow.role_eq,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.=), NEGATOR = OPERATOR(workflow.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR workflow.<> (FUNCTION = workflow.role_ne,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.<>), NEGATOR = OPERATOR(workflow.=),
    RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR workflow.< (FUNCTION = workflow.role_lt,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.>), NEGATOR = OPERATOR(workflow.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR workflow.<= (FUNCTION = workflow.role_le,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.>=), NEGATOR = OPERATOR(workflow.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR workflow.> (FUNCTION = workflow.role_gt,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.<), NEGATOR = OPERATOR(workflow.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR workflow.>= (FUNCTION = workflow.role_ge,
    LEFTARG = workflow.role, RIGHTARG = workflow.role,
    COMMUTATOR = OPERATOR(workflow.<=), NEGATOR = OPERATOR(workflow.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel);

CREATE OPERATOR CLASS workflow.role_ops DEFAULT FOR TYPE workflow.role USING btree AS
    OPERATOR 1 workflow.<, OPERATOR 2 workflow.<=, OPERATOR 3 workflow.=,
    OPERATOR 4 workflow.>=, OPERATOR 5 workflow.>,
    FUNCTION 1 workflow.role_cmp(workflow.role, workflow.role);
CREATE OPERATOR CLASS workflow.role_ops DEFAULT FOR TYPE workflow.role USING hash AS
    OPERATOR 1 workflow.=,
    FUNCTION 1 workflow.role_hash(workflow.role);
COMMENT ON OPERATOR workflow.= (workflow.role, workflow.role) IS 'the same role';
COMMENT ON OPERATOR workflow.<> (workflow.role, workflow.role) IS 'not the same role';
COMMENT ON OPERATOR workflow.< (workflow.role, workflow.role) IS 'before, in the order of indexes';
COMMENT ON OPERATOR workflow.<= (workflow.role, workflow.role) IS 'before or the same';
COMMENT ON OPERATOR workflow.> (workflow.role, workflow.role) IS 'behind, in the order of indexes';
COMMENT ON OPERATOR workflow.>= (workflow.role, workflow.role) IS 'behind or the same';
COMMENT ON OPERATOR CLASS workflow.role_ops USING btree IS
'roles by identity, those that do not exist here by number and name';
COMMENT ON OPERATOR FAMILY workflow.role_ops USING btree IS
'roles by identity, those that do not exist here by number and name';
COMMENT ON OPERATOR CLASS workflow.role_ops USING hash IS
'roles by identity, those that do not exist here by number and name';
COMMENT ON OPERATOR FAMILY workflow.role_ops USING hash IS
'roles by identity, those that do not exist here by number and name';
/* Tables.  execution_id leads every key of execution state. */

/*
 * Domains, not check constraints: rows that are written without a statement (src/state/direct.c),
 * whose values come from an enumeration, pay nothing for them, and anybody's statement is checked.
 */
CREATE DOMAIN workflow.status_of_execution AS text
    CHECK (VALUE IN ('pending', 'running', 'paused', 'cancelling', 'completed', 'failed', 'cancelled', 'timed_out', 'blocked'));
COMMENT ON DOMAIN workflow.status_of_execution IS 'statuses that executions have';

CREATE DOMAIN workflow.status_of_step AS text
    CHECK (VALUE IN ('running', 'completed', 'failed', 'timed_out', 'cancelled', 'skipped'));
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
    error           jsonb
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
CREATE INDEX executions_running_idx ON workflow.executions (id)
    WHERE status IN ('running', 'cancelling');
CREATE INDEX executions_control_idx ON workflow.executions (id) WHERE control;
CREATE INDEX executions_paused_until_idx ON workflow.executions (paused_until)
    WHERE status = 'paused';
CREATE UNIQUE INDEX executions_idempotency_key_idx ON workflow.executions (idempotency_key, workflow, role)
    WHERE idempotency_key IS NOT NULL;

CREATE INDEX executions_schedule_idx ON workflow.executions (schedule_id, id)
    WHERE schedule_id IS NOT NULL AND status IN ('pending', 'running', 'paused', 'cancelling', 'blocked');

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
CREATE INDEX step_executions_running_idx ON workflow.step_executions (execution_id)
    WHERE status = 'running';
CREATE INDEX step_executions_variables_idx ON workflow.step_executions (execution_id, completed_at)
    WHERE variables IS NOT NULL;
/* What tables and columns mean. */

COMMENT ON TABLE workflow.definitions IS
'workflow definitions, one row per version; written by workflow.define(), immutable except for the '
'status';
COMMENT ON COLUMN workflow.definitions.id IS
'number of the version in this database; executions refer to it';
COMMENT ON COLUMN workflow.definitions.name IS 'name of the workflow';
COMMENT ON COLUMN workflow.definitions.version IS 'version, counted from 1 by workflow.define()';
COMMENT ON COLUMN workflow.definitions.label IS 'the document''s own "version", for people';
COMMENT ON COLUMN workflow.definitions.workflow_id IS
'the document''s "workflow_id", accepted wherever a workflow is named';
COMMENT ON COLUMN workflow.definitions.status IS
'draft and archived versions cannot be started, deprecated ones with a warning, active ones freely';
COMMENT ON COLUMN workflow.definitions.owner IS
'role that may define further versions and set the status; so may its members';
COMMENT ON COLUMN workflow.definitions.description IS 'the document''s "description"';
COMMENT ON COLUMN workflow.definitions.document IS 'document as it was given to workflow.define()';
COMMENT ON COLUMN workflow.definitions.definition IS
'document in its normalised form, which executions follow';
COMMENT ON COLUMN workflow.definitions.created_at IS 'when this version was defined';

COMMENT ON TABLE workflow.agents IS
'functions and SQL statements that steps of type agent name; written by workflow.register_agent()';
COMMENT ON COLUMN workflow.agents.name IS 'name, as in "agent_name" of a step';
COMMENT ON COLUMN workflow.agents.kind IS 'function, sql or queue';
COMMENT ON COLUMN workflow.agents.function IS
'function (jsonb) returning jsonb, by its qualified name and argument types; found again by this '
'name when it is dropped and created anew';
COMMENT ON COLUMN workflow.agents.sql IS
'SQL to run; input.x stands for the value x of the step''s input';
COMMENT ON COLUMN workflow.agents.queue IS 'queue of external workers';
COMMENT ON COLUMN workflow.agents.result IS
'what the rows of the SQL become: rows, row, value or none';
COMMENT ON COLUMN workflow.agents.timeout_seconds IS
'limit for one call in seconds, where the step gives none; null: no limit';
COMMENT ON COLUMN workflow.agents.status IS
'active, or inactive: steps that name it fail, definitions that name it are refused';
COMMENT ON COLUMN workflow.agents.owner IS 'role that may replace or drop it; so may its members';
COMMENT ON COLUMN workflow.agents.description IS 'what it does, for people';
COMMENT ON COLUMN workflow.agents.retry IS
'retry policies for steps whose own do not name the error, as given; null: none';
COMMENT ON COLUMN workflow.agents.circuit_breaker IS
'configuration of its circuit breaker, as given; null: none';
COMMENT ON COLUMN workflow.agents.created_at IS 'when the agent was first registered';
COMMENT ON COLUMN workflow.agents.updated_at IS 'when it was last changed';

COMMENT ON TABLE workflow.executions IS
'executions of workflows; a role sees its own. After a dump is restored, pending and running '
'executions go on in the restored database as soon as a scheduler finds them: restore with ALTER '
'DATABASE .. SET workflow.enabled = off to prevent that';
COMMENT ON COLUMN workflow.executions.id IS 'number of the execution';
COMMENT ON COLUMN workflow.executions.definition_id IS
'version of the workflow it follows to its end';
COMMENT ON COLUMN workflow.executions.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.executions.version IS 'version of the workflow';
COMMENT ON COLUMN workflow.executions.status IS
'pending, running, paused, cancelling, completed, failed, cancelled, timed_out or blocked; '
'completed, failed, cancelled and timed_out are final';
COMMENT ON COLUMN workflow.executions.role IS 'role that started it; its steps run as this role';
COMMENT ON COLUMN workflow.executions.priority IS
'higher ones are run first; 0 where neither start() nor the definition says';
COMMENT ON COLUMN workflow.executions.parallel IS
'whether containers may run children at the same time: as given to start(), else workflow.parallel '
'when it was started';
COMMENT ON COLUMN workflow.executions.inline IS
'run by workflow.execute() in the caller''s transaction';
COMMENT ON COLUMN workflow.executions.tenant IS
'label given to start(), or the definition''s; executions of a tenant count for '
'workflow.max_running_per_tenant';
COMMENT ON COLUMN workflow.executions.idempotency_key IS
'key given to start(); one execution per key, workflow and role';
COMMENT ON COLUMN workflow.executions.schedule_id IS
'schedule that started it, in workflow.schedule_entries';
COMMENT ON COLUMN workflow.executions.start_at IS
'not to be run before; infinity, with a schedule: others of it have to end first; null: at once';
COMMENT ON COLUMN workflow.executions.created_at IS 'when start() was called';
COMMENT ON COLUMN workflow.executions.started_at IS 'when an executor was first to run it';
COMMENT ON COLUMN workflow.executions.completed_at IS 'when it reached a final status';
COMMENT ON COLUMN workflow.executions.recoveries IS
'how often it was recovered after a crash without progress since; at workflow.max_recoveries it '
'fails as CrashLoop';
COMMENT ON COLUMN workflow.executions.recovered_at IS
'newest completed_at among its steps at the last recovery, to tell progress by';
COMMENT ON COLUMN workflow.executions.probation IS
'recovered and running alone until it has made progress';
COMMENT ON COLUMN workflow.executions.error_type IS 'type of the error it failed with';
COMMENT ON COLUMN workflow.executions.cancelled_by IS 'role that called cancel()';
COMMENT ON COLUMN workflow.executions.cancelled_at IS 'when cancel() was called';
COMMENT ON COLUMN workflow.executions.cancel_reason IS 'reason given to cancel()';
COMMENT ON COLUMN workflow.executions.compensate IS
'it was cancelled with compensate => true, and that was not taken back';
COMMENT ON COLUMN workflow.executions.ending IS
'while compensations and the on_failure chain of its definition are run: status it will end with, '
'failed, timed_out or cancelled; null: that is not decided, or it has ended';
COMMENT ON COLUMN workflow.executions.dead_letter_id IS
'dead letter it became when it failed, or that it is a replay of';
COMMENT ON COLUMN workflow.executions.control IS
'a session wants something of it that the scheduler has not seen yet';
COMMENT ON COLUMN workflow.executions.limited IS
'pending: found to be over a limit when its turn came (max_running of the definition, '
'workflow.max_running_per_tenant), and waiting for room';
COMMENT ON COLUMN workflow.executions.counted IS 'its definition has "when_full": "refuse"';
COMMENT ON COLUMN workflow.executions.paused_by IS 'role that called pause() last';
COMMENT ON COLUMN workflow.executions.paused_at IS 'when pause() was called last';
COMMENT ON COLUMN workflow.executions.paused_until IS
'while it is paused: when it fails with the type PauseTimeout unless it is resumed; null: never';
COMMENT ON COLUMN workflow.executions.pause_reason IS 'reason given to pause()';
COMMENT ON COLUMN workflow.executions.pauses IS
'the times it was paused, or had ended until it was retried; time limits do not count them';
COMMENT ON COLUMN workflow.executions.retries IS
'how often retry() has let it go on after it had ended';
COMMENT ON COLUMN workflow.executions.retried_at IS
'when retry() was called last; time limits and retry policies count from then on';
COMMENT ON COLUMN workflow.executions.reopen IS 'retried, and no executor has taken it up yet';
COMMENT ON COLUMN workflow.executions.reopen_from IS
'until then: steps that began at this time or later are done again; null: those that failed';
COMMENT ON COLUMN workflow.executions.step_inputs IS
'inputs given to retry(), by scope and step; they replace what input_mapping gives';
COMMENT ON COLUMN workflow.executions.step_marks IS
'steps that hold_step() or skip_step() has marked, by whom, when and why, see '
'workflow.marked_steps';
COMMENT ON COLUMN workflow.executions.interruptions IS
'recoveries after crashes, and ends after which retry() let it go on, the newest hundred, see '
'workflow.interruptions';
COMMENT ON COLUMN workflow.executions.input IS 'input given to start()';
COMMENT ON COLUMN workflow.executions.output IS 'output, when it completed';
COMMENT ON COLUMN workflow.executions.error IS 'error, when it did not complete';

COMMENT ON TABLE workflow.step_executions IS
'attempts at steps, one row each, committed together with the effects of the step; a role sees '
'those of its own executions';
COMMENT ON COLUMN workflow.step_executions.execution_id IS 'execution the step belongs to';
COMMENT ON COLUMN workflow.step_executions.started_at IS 'when the attempt began';
COMMENT ON COLUMN workflow.step_executions.completed_at IS
'when it ended; null for an open container';
COMMENT ON COLUMN workflow.step_executions.retry_at IS
'of a failed attempt that another one follows: when that is due; null: none follows';
COMMENT ON COLUMN workflow.step_executions.visit IS
'how often the step was come to in its scope, from 1; more than 1 on a cycle only';
COMMENT ON COLUMN workflow.step_executions.attempt IS 'which attempt of the visit, from 1';
COMMENT ON COLUMN workflow.step_executions.executor_pid IS
'process that ran it; of the caller with workflow.execute()';
COMMENT ON COLUMN workflow.step_executions.loop_iteration_index IS
'index, from 0, of the innermost loop iteration the step ran in';
COMMENT ON COLUMN workflow.step_executions.loop_collection_size IS 'loops: number of items';
COMMENT ON COLUMN workflow.step_executions.condition_result IS
'conditionals: what the condition gave; false, with an error in the row, when it could not be '
'evaluated';
COMMENT ON COLUMN workflow.step_executions.scope IS
'where it ran: empty at the top, else a path of step.branch, step.child and step[iteration] '
'separated by "/"';
COMMENT ON COLUMN workflow.step_executions.step_id IS 'id of the step in the definition';
COMMENT ON COLUMN workflow.step_executions.step_type IS 'type of the step';
COMMENT ON COLUMN workflow.step_executions.status IS
'pending, running (an open container), waiting, completed, failed, timed_out, cancelled or skipped';
COMMENT ON COLUMN workflow.step_executions.scope_outcome IS
'on the row whose commit ended its scope: how the scope ended';
COMMENT ON COLUMN workflow.step_executions.on_failure IS
'on a failed row whose failure did not end the scope: ignored, default, caught or retried';
COMMENT ON COLUMN workflow.step_executions.agent_name IS 'agents: name of the agent';
COMMENT ON COLUMN workflow.step_executions.parent_step_id IS 'id of the container the step is in';
COMMENT ON COLUMN workflow.step_executions.branch_name IS
'branch of a fork_join, or line of another container, it is in';
COMMENT ON COLUMN workflow.step_executions.join_policy IS
'parallel and fork_join: when the join counts as met';
COMMENT ON COLUMN workflow.step_executions.loop_label IS
'what the innermost iteration it is in is called, of a loop with "label"';
COMMENT ON COLUMN workflow.step_executions.loop_execution_mode IS 'loops: sequential or parallel';
COMMENT ON COLUMN workflow.step_executions.condition_expression IS
'conditionals and while or until loops: the condition as written';
COMMENT ON COLUMN workflow.step_executions.branch_taken IS 'conditionals: which way was taken';
COMMENT ON COLUMN workflow.step_executions.error_type IS 'type of the error it failed with';
COMMENT ON COLUMN workflow.step_executions.input IS 'what its input mapping gave';
COMMENT ON COLUMN workflow.step_executions.output IS 'its output';
COMMENT ON COLUMN workflow.step_executions.variables IS
'of a step that changed variables (set, or an error caught with "as"): all variables of its scope '
'after it; else null';
COMMENT ON COLUMN workflow.step_executions.error IS
'error of a failed attempt: SQLSTATE, message, detail, hint, context';
/*
 * Row-level security.
 *
 * A role sees the executions of the roles whose rights it has.  Tables are
 * written by functions of the extension only, as their owner, who is not subject
 * to the policies; no role needs more than SELECT.
 */

ALTER TABLE workflow.definitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow.agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow.executions ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow.step_executions ENABLE ROW LEVEL SECURITY;

CREATE POLICY definitions_read ON workflow.definitions FOR SELECT USING (true);
COMMENT ON POLICY definitions_read ON workflow.definitions IS
'roles that may use workflows see all definitions';

CREATE POLICY agents_read ON workflow.agents FOR SELECT USING (true);
COMMENT ON POLICY agents_read ON workflow.agents IS
'roles that may use workflows see all agents';

CREATE POLICY executions_read ON workflow.executions FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY executions_read ON workflow.executions IS
'a role sees the executions of the roles whose rights it has';

CREATE POLICY step_executions_read ON workflow.step_executions FOR SELECT
    USING (EXISTS (SELECT FROM workflow.executions AS e
                   WHERE e.id OPERATOR(pg_catalog.=) execution_id
                     AND pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')));
COMMENT ON POLICY step_executions_read ON workflow.step_executions IS
'a role sees the steps of the executions it sees';
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
/* Agents. */

CREATE FUNCTION workflow.register_agent(
    name text,
    function regprocedure DEFAULT NULL,
    sql text DEFAULT NULL,
    result text DEFAULT 'row',
    timeout_seconds integer DEFAULT NULL,
    status text DEFAULT 'active',
    description text DEFAULT NULL,
    retry jsonb DEFAULT NULL,
    circuit_breaker jsonb DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_register_agent';
COMMENT ON FUNCTION workflow.register_agent(text, regprocedure, text, text, integer, text, text, jsonb, jsonb) IS
'register a function (jsonb) returning jsonb, or SQL, under a name for steps of type agent, or '
'replace what the caller registered before. It runs as the role that starts the workflow, which '
'needs EXECUTE on the function. timeout_seconds limits one call. retry: one policy or an array of '
'them, as in "retry" of a step, for steps whose own policies do not name the error. '
'circuit_breaker: {"failure_threshold": 5, "failure_rate_threshold": 0.5, "timeout_seconds": 60, '
'"half_open_max_calls": 3, "window_size_seconds": 120, "enabled": true}, each member with that '
'default; null: no breaker. Errors: 22023 unless exactly one of function and sql is given, or for '
'an option that is not acceptable, 42P13 for a function of another kind, 42601 for SQL that does '
'not parse, 42501 when the name belongs to another role';

CREATE FUNCTION workflow.drop_agent(name text)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_drop_agent';
COMMENT ON FUNCTION workflow.drop_agent(text) IS
'forget an agent; steps that name it fail from then on. Errors: 42704 when there is none, 42501 '
'for others than the owner';

CREATE FUNCTION workflow.set_agent_status(name text, status text)
RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_set_agent_status';
COMMENT ON FUNCTION workflow.set_agent_status(text, text) IS
'make an agent active or inactive; steps that name an inactive one fail. Errors: 42704 when there '
'is none, 42501 for others than the owner, 22023 for another status';
/*
 * Circuit breakers of agents, one for each role that calls one.  They tell how a service behaves
 * here and now: a dump does not contain them.
 */

CREATE TABLE workflow.breakers (
    agent           text NOT NULL,
    role            regrole NOT NULL,
    state           text NOT NULL CHECK (state IN ('closed', 'open')),
    changed_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    opened_at       timestamptz,
    half_open_at    timestamptz,
    times_opened    bigint NOT NULL DEFAULT 0,
    calls           bigint,
    failures        bigint,
    error_type      text,
    PRIMARY KEY (agent, role),
    CHECK (state = 'closed' OR (opened_at IS NOT NULL AND half_open_at IS NOT NULL))
);

COMMENT ON TABLE workflow.breakers IS
'circuit breakers of agents: a row for each role whose calls have opened one, written when it '
'opens or closes; what is known this moment is in the view breaker_status';
COMMENT ON COLUMN workflow.breakers.agent IS 'name of the agent';
COMMENT ON COLUMN workflow.breakers.role IS 'whose calls it is about';
COMMENT ON COLUMN workflow.breakers.state IS 'closed, or open: half-open from half_open_at on';
COMMENT ON COLUMN workflow.breakers.changed_at IS 'when it last opened or closed';
COMMENT ON COLUMN workflow.breakers.opened_at IS 'when it last opened';
COMMENT ON COLUMN workflow.breakers.half_open_at IS 'open: when calls are let through again';
COMMENT ON COLUMN workflow.breakers.times_opened IS
'how often it has opened since the agent was registered';
COMMENT ON COLUMN workflow.breakers.calls IS 'calls it judged by when it last opened';
COMMENT ON COLUMN workflow.breakers.failures IS 'how many of them had failed';
COMMENT ON COLUMN workflow.breakers.error_type IS
'type of the error that opened it, where it was an executor that wrote this';

ALTER TABLE workflow.breakers ENABLE ROW LEVEL SECURITY;
CREATE POLICY breakers_read ON workflow.breakers FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
           OR EXISTS (SELECT FROM workflow.agents AS a
                      WHERE a.name OPERATOR(pg_catalog.=) agent AND pg_catalog.pg_has_role(a.owner::pg_catalog.oid, 'USAGE')));
COMMENT ON POLICY breakers_read ON workflow.breakers IS
'a role sees the circuit breakers of roles whose rights it has; the owner of the agent and members '
'of pg_monitor see all';

CREATE FUNCTION workflow.reset_breaker(agent text, reason text DEFAULT NULL, role regrole DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_reset_breaker';
COMMENT ON FUNCTION workflow.reset_breaker(text, text, regrole) IS
'close the circuit breaker of an agent for a role, or for all roles, and forget what it has '
'counted, when the transaction commits; asking for a closed one is no error. Errors: 42704 when '
'there is no such agent, 42501 for others than the owner of the agent';

CREATE FUNCTION workflow.breaker_memory(
    agent text,
    OUT role regrole,
    OUT state text,
    OUT calls bigint,
    OUT failures bigint,
    OUT failures_in_row integer,
    OUT half_open_at timestamptz,
    OUT half_open_running integer,
    OUT half_open_succeeded integer)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workflow_breaker_memory';
COMMENT ON FUNCTION workflow.breaker_memory(text) IS
'what the view breaker_status is made of: the breakers of an agent that shared memory has in this '
'database, one for each role that has called it since the server started, as far as the caller may '
'see them';

/*
 * An agent whose breakers the reader does not see, or that has none yet, has one row without a
 * role: it cannot be told from who sees it.
 */
CREATE VIEW workflow.breaker_status WITH (security_barrier) AS
SELECT a.name AS agent,
       k.role,
       CASE WHEN NOT c.enabled THEN 'disabled' ELSE COALESCE(k.state, 'closed') END AS state,
       COALESCE(k.calls, 0) AS calls,
       COALESCE(k.failures, 0) AS failures,
       COALESCE(k.failures_in_row, 0) AS failures_in_row,
       k.half_open_at,
       COALESCE(k.half_open_running, 0) AS half_open_running,
       COALESCE(k.half_open_succeeded, 0) AS half_open_succeeded,
       k.opened_at,
       COALESCE(k.times_opened, 0) AS times_opened,
       k.error_type,
       k.changed_at,
       c.failure_threshold,
       c.failure_rate_threshold,
       c.timeout_seconds,
       c.half_open_max_calls,
       c.window_size_seconds
FROM workflow.agents AS a
     CROSS JOIN LATERAL (
         SELECT COALESCE((d.d OPERATOR(pg_catalog.->>) 'enabled')::pg_catalog.bool, true) AS enabled,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'failure_threshold')::pg_catalog.int4, 5) AS failure_threshold,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'failure_rate_threshold')::pg_catalog.numeric, 0.5) AS failure_rate_threshold,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'timeout_seconds')::pg_catalog.int4, 60) AS timeout_seconds,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'half_open_max_calls')::pg_catalog.int4, 3) AS half_open_max_calls,
                COALESCE((d.d OPERATOR(pg_catalog.->>) 'window_size_seconds')::pg_catalog.int4, 120) AS window_size_seconds
         FROM (SELECT a.circuit_breaker AS d) AS d) AS c
     LEFT JOIN LATERAL (
         SELECT r.oid::regrole AS role, m.calls, m.failures, m.failures_in_row, m.half_open_running, m.half_open_succeeded,
                b.opened_at, b.times_opened, b.error_type, b.changed_at,
                CASE WHEN m.state IS NOT NULL THEN m.state
                     WHEN b.state OPERATOR(pg_catalog.=) 'open'
                          AND b.half_open_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN 'half_open'
                     ELSE b.state END AS state,
                CASE WHEN m.state IS NULL THEN b.half_open_at ELSE m.half_open_at END AS half_open_at
         FROM (SELECT t.* FROM workflow.breakers AS t WHERE t.agent OPERATOR(pg_catalog.=) a.name) AS b
              FULL JOIN workflow.breaker_memory(a.name) AS m ON m.role OPERATOR(pg_catalog.=) b.role
              JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) COALESCE(b.role, m.role)
         WHERE pg_catalog.pg_has_role(r.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
               OR pg_catalog.pg_has_role(a.owner::pg_catalog.oid, 'USAGE')) AS k ON true
WHERE a.circuit_breaker IS NOT NULL;
COMMENT ON VIEW workflow.breaker_status IS
'the circuit breakers of agents this moment, one for each role that calls one: of roles whose '
'rights the reader has; all of them for the owner of the agent and members of pg_monitor';
COMMENT ON COLUMN workflow.breaker_status.agent IS 'name of the agent';
COMMENT ON COLUMN workflow.breaker_status.role IS 'whose calls it is about; null: none are known';
COMMENT ON COLUMN workflow.breaker_status.state IS
'closed, open, half_open (the next call is let through, or some are under way), or disabled';
COMMENT ON COLUMN workflow.breaker_status.calls IS 'closed: calls in the window';
COMMENT ON COLUMN workflow.breaker_status.failures IS 'closed: how many of them have failed';
COMMENT ON COLUMN workflow.breaker_status.failures_in_row IS
'closed: failures since the last success';
COMMENT ON COLUMN workflow.breaker_status.half_open_at IS 'open: when calls are let through again';
COMMENT ON COLUMN workflow.breaker_status.half_open_running IS 'half-open: calls under way';
COMMENT ON COLUMN workflow.breaker_status.half_open_succeeded IS
'half-open: calls that have succeeded';
COMMENT ON COLUMN workflow.breaker_status.opened_at IS 'when it last opened; null: never';
COMMENT ON COLUMN workflow.breaker_status.times_opened IS
'how often it has opened since the agent was registered';
COMMENT ON COLUMN workflow.breaker_status.error_type IS
'type of the error that opened it, where it was an executor that wrote this';
COMMENT ON COLUMN workflow.breaker_status.changed_at IS 'when it last opened or closed';
COMMENT ON COLUMN workflow.breaker_status.failure_threshold IS 'calls that may tell something';
COMMENT ON COLUMN workflow.breaker_status.failure_rate_threshold IS
'it opens when so many of them have failed';
COMMENT ON COLUMN workflow.breaker_status.timeout_seconds IS 'from opening to half-open';
COMMENT ON COLUMN workflow.breaker_status.half_open_max_calls IS
'calls let through then; when they have succeeded it closes';
COMMENT ON COLUMN workflow.breaker_status.window_size_seconds IS 'for so long calls count';
/* Executions: start, wait, cancel. */

CREATE FUNCTION workflow.start(
    workflow text,
    input jsonb DEFAULT '{}',
    version integer DEFAULT NULL,
    priority integer DEFAULT NULL,
    start_at timestamptz DEFAULT NULL,
    idempotency_key text DEFAULT NULL,
    tenant text DEFAULT NULL,
    parallel boolean DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_start';
COMMENT ON FUNCTION workflow.start(text, jsonb, integer, integer, timestamptz, text, text, boolean) IS
'queue an execution in the caller''s transaction and return its id; workers run it, as the calling '
'role, once the transaction has committed. Without a version the newest active one is taken. '
'Higher priorities run first; null: the definition''s; at most workflow.max_priority. parallel: '
'whether containers may run children at the same time; null: workflow.parallel. With an '
'idempotency key that the role has used for the workflow before, the id of that execution is '
'returned. Errors: 42704 for an unknown workflow, 55000 for one that is draft or archived, 42501 '
'for a priority above workflow.max_priority, 28000 for a role no worker can run as';

CREATE FUNCTION workflow.wait(execution_id bigint, timeout interval DEFAULT NULL)
RETURNS workflow.executions
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_wait';
COMMENT ON FUNCTION workflow.wait(bigint, interval) IS
'wait, without polling, until an execution has ended, or for the timeout, and return its row; the '
'status tells which. Errors: 42704 for an unknown execution, 42501 for another role''s, 55000 in '
'the transaction that started it, under REPEATABLE READ, in a step, and where no workers run; '
'40P01 when the execution waits for this session; 55006 when another session drops or changes the '
'extension meanwhile';

CREATE PROCEDURE workflow.run(
    workflow text,
    input jsonb DEFAULT '{}',
    INOUT output jsonb DEFAULT NULL,
    timeout interval DEFAULT NULL,
    parallel boolean DEFAULT NULL,
    version integer DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'workflow_run';
COMMENT ON PROCEDURE workflow.run(text, jsonb, jsonb, interval, boolean, integer) IS
'start an execution, commit, wait for its end outside any transaction and return its output. '
'parallel and version as in start(). Errors: the failed step''s SQLSTATE, or 38000, when the '
'execution fails; 57014 when it was cancelled, timed out or has not ended within the timeout (it '
'goes on then); 25001 inside a transaction block; 55000 in a step and where no workers run';

CREATE FUNCTION workflow.execute(workflow text, input jsonb DEFAULT '{}', version integer DEFAULT NULL)
RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_execute';
COMMENT ON FUNCTION workflow.execute(text, jsonb, integer) IS
'run a whole workflow in the caller''s transaction, one step after the other, and return its '
'output; needs no workers. All or nothing: an execution that fails raises the error';

CREATE FUNCTION workflow.cancel(execution_id bigint, reason text DEFAULT NULL, compensate boolean DEFAULT false)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_cancel';
COMMENT ON FUNCTION workflow.cancel(bigint, text, boolean) IS
'cancel an execution and return its status after that: cancelled, or cancelling while its '
'executors are being stopped and, with compensate, its compensations are run; one that has ended '
'stays as it is. Without compensate it also stops compensations and an on_failure chain that are '
'being run: the execution ends as it would have after them. Errors: 42704 for an unknown '
'execution, 42501 for others than the role that started it and the owner of the workflow';

CREATE FUNCTION workflow.prune(
    older_than interval DEFAULT '30 days',
    statuses text[] DEFAULT '{completed,failed,cancelled,timed_out}',
    max_executions integer DEFAULT 10000,
    audit_older_than interval DEFAULT '1 year',
    statistics_older_than interval DEFAULT '10 years')
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_prune';
COMMENT ON FUNCTION workflow.prune(interval, text[], integer, interval, interval) IS
'delete executions that ended longer ago than older_than, and their steps, oldest first and at '
'most max_executions of them, when they have been added to the statistics by day (see '
'roll_up_statistics(), which it does first); in the same portions dead letters that are settled, '
'what became of executors and schedules, entries of the audit log older than audit_older_than and '
'statistics of days before statistics_older_than; null: those are kept. Returns how many '
'executions, dead letters, entries and statistics it deleted. Call it until it returns 0, or from '
'time to time. Waits for no lock and holds back no running execution; executions that ended while '
'a transaction runs that might still write earlier ends are left for the next time. For the owner '
'of the extension, or whom that grants it to. Errors: 22004 for a null where that means nothing, '
'22023 for a negative age or a status that is not final, 55000 under REPEATABLE READ or '
'SERIALIZABLE';

CREATE PROCEDURE workflow.prune_all(
    older_than interval DEFAULT '30 days',
    statuses text[] DEFAULT '{completed,failed,cancelled,timed_out}',
    INOUT pruned bigint DEFAULT NULL,
    max_executions bigint DEFAULT NULL,
    time_budget interval DEFAULT NULL,
    pause interval DEFAULT '100 milliseconds',
    max_rows integer DEFAULT 5000,
    audit_older_than interval DEFAULT '1 year',
    statistics_older_than interval DEFAULT '10 years')
LANGUAGE c
AS 'MODULE_PATHNAME', 'workflow_prune_all';
COMMENT ON PROCEDURE workflow.prune_all(interval, text[], bigint, bigint, interval, interval, integer, interval, interval) IS
'do what prune() does in many short transactions of about max_rows rows, each followed by a pause '
'in which others have the disk for themselves, until nothing is left that ended longer ago than '
'older_than, or max_executions are deleted, or time_budget is over (null: no limit); pruned is how '
'many were deleted. What is committed stays deleted when it is interrupted. For the owner of the '
'extension, or whom that grants it to. Errors: 25001 inside a transaction block; 22023 for a '
'negative interval, a limit below one or a status that is not final';
/* Steering executions: pause, resume, retry, hold, skip. */

CREATE FUNCTION workflow.pause(
    execution_id bigint,
    reason text DEFAULT NULL,
    max_pause interval DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_pause';
COMMENT ON FUNCTION workflow.pause(bigint, text, interval) IS
'pause an execution and return its status after that: steps that run, and iterations of loops that '
'have begun, end, and nothing further begins until resume(); a paused execution holds no executor, '
'and its time limits stand still. When max_pause, or else max_pause_seconds of the definition, has '
'passed it fails with the type PauseTimeout. One that has ended, or is being cancelled, stays as '
'it is. Errors: 42704 for an unknown execution, 42501 for others than the role that started it and '
'the owner of the workflow, 22023 for a max_pause that is not positive';

CREATE FUNCTION workflow.resume(execution_id bigint, reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_resume';
COMMENT ON FUNCTION workflow.resume(bigint, text) IS
'let a paused execution go on, from where it stood, and return its status after that: pending '
'until it finds an executor. One that is not paused stays as it is. Errors: 42704 for an unknown '
'execution, 42501 for others than the role that started it and the owner of the workflow';

CREATE FUNCTION workflow.retry(
    execution_id bigint,
    from_step text DEFAULT NULL,
    input jsonb DEFAULT NULL,
    reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_retry';
COMMENT ON FUNCTION workflow.retry(bigint, text, jsonb, text) IS
'let an execution that failed, timed out or was cancelled go on, and return its status after that: '
'pending until it finds an executor. What completed stays, down to branches and iterations; what '
'did not is tried again. With from_step, a step of the top level that has run, it goes on from '
'there: that step and all after it are done again. input replaces what input_mapping gives to '
'from_step, or else to the one step that failed. Time limits and retry policies begin anew. One '
'that has not ended stays as it is. Errors: 42704 for an unknown execution or step, 42501 for '
'others than the role that started it and the owner of the workflow, who gives no input, 55000 for '
'one that completed or was compensated, whose role does not exist or whose dead letter is being '
'replayed, 22023 for a step that has not run and for an input that is not for one step';

CREATE FUNCTION workflow.retry_possible(execution_id bigint)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000
AS 'MODULE_PATHNAME', 'workflow_retry_possible';
COMMENT ON FUNCTION workflow.retry_possible(bigint) IS
'internal: whether retry() would not refuse an execution; a notice says why of the first that a '
'statement leaves out';

CREATE FUNCTION workflow.retry_help(execution_id bigint)
RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_retry_help';
COMMENT ON FUNCTION workflow.retry_help(bigint) IS
'what why() is made of: the statement that lets an execution that has ended go on, retry() or, '
'where that would be refused, what helps instead; null for one that has not ended or is not the '
'caller''s to see';

CREATE FUNCTION workflow.hold_step(execution_id bigint, step_id text, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_hold_step';
COMMENT ON FUNCTION workflow.hold_step(bigint, text, text) IS
'hold a step of an execution: wherever the execution comes to it, it waits in front of it, without '
'an executor, until release_step() or the end of a time limit; the rest of the execution goes on. '
'No effect on a step that runs this moment. Returns false when it was held already. Errors: 42704 '
'for an unknown execution or step, 42501 for others than the role that started it and the owner of '
'the workflow';

CREATE FUNCTION workflow.release_step(execution_id bigint, step_id text, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_release_step';
COMMENT ON FUNCTION workflow.release_step(bigint, text, text) IS
'take the mark of hold_step() or skip_step() off a step. Returns false when it had none. Errors: '
'42704 for an unknown execution or step, 42501 for others than the role that started it and the '
'owner of the workflow';

CREATE FUNCTION workflow.skip_step(execution_id bigint, step_id text, output jsonb DEFAULT NULL, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_skip_step';
COMMENT ON FUNCTION workflow.skip_step(bigint, text, jsonb, text) IS
'skip a step of an execution: wherever the execution comes to it, or waits in front of it or for '
'its next attempt, the step is recorded as skipped, with the output. No effect on a step that runs '
'this moment. Returns false when it was to be skipped already. Errors: 42704 for an unknown '
'execution or step, 42501 for others than the role that started it and the owner of the workflow, '
'who gives no output';

CREATE FUNCTION workflow.workflow_to_steer(workflow text, status text)
RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_workflow_to_steer';
COMMENT ON FUNCTION workflow.workflow_to_steer(text, text) IS
'internal: the name of the workflow that a filter of cancel_executions() and its like, or of '
'replay_all(), names, null for null. Errors: 42704 for an unknown workflow, 22023 for a status '
'that executions do not have';
/* Dead letters: executions that failed for good and wait for somebody to decide. */

CREATE TABLE workflow.dead_letters (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id    bigint NOT NULL,
    workflow        text NOT NULL,
    version         integer NOT NULL,
    role            workflow.role NOT NULL,
    tenant          text,
    priority        integer NOT NULL,
    status          text NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'replaying', 'replayed', 'discarded')),
    execution_status text NOT NULL CHECK (execution_status IN ('failed', 'timed_out')),
    step_id         text,
    error_type      text,
    failure_count   integer NOT NULL DEFAULT 1,
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    keep_until      timestamptz,
    replay_execution_id bigint,
    replayed_by     workflow.role,
    replayed_at     timestamptz,
    settled_at      timestamptz,
    discarded_by    workflow.role,
    discard_reason  text,
    input           jsonb NOT NULL,
    error           jsonb,
    retry_history   jsonb NOT NULL
);
CREATE UNIQUE INDEX dead_letters_execution_idx ON workflow.dead_letters (execution_id);
CREATE INDEX dead_letters_pending_idx ON workflow.dead_letters (workflow, id) WHERE status = 'pending';
CREATE INDEX dead_letters_settled_idx ON workflow.dead_letters (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX dead_letters_keep_until_idx ON workflow.dead_letters (keep_until) WHERE keep_until IS NOT NULL;

COMMENT ON TABLE workflow.dead_letters IS
'executions that failed or timed out for good, of workflows with "dead_letter"; each stays until a '
'replay succeeds or somebody discards it. A role sees those of its own executions';
COMMENT ON COLUMN workflow.dead_letters.id IS 'number of the dead letter';
COMMENT ON COLUMN workflow.dead_letters.execution_id IS
'execution that failed; the dead letter outlives it when it is pruned';
COMMENT ON COLUMN workflow.dead_letters.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.dead_letters.version IS 'version of the workflow the execution followed';
COMMENT ON COLUMN workflow.dead_letters.role IS
'role that started the execution; replays run as this role';
COMMENT ON COLUMN workflow.dead_letters.tenant IS 'tenant of the execution; replays have the same';
COMMENT ON COLUMN workflow.dead_letters.priority IS
'priority of the execution; replays have the same';
COMMENT ON COLUMN workflow.dead_letters.status IS
'pending (to be decided), replaying, replayed (a replay or a retry succeeded) or discarded';
COMMENT ON COLUMN workflow.dead_letters.execution_status IS
'how it ended the last time: failed or timed_out';
COMMENT ON COLUMN workflow.dead_letters.step_id IS
'step whose error it was the last time; null: of no step';
COMMENT ON COLUMN workflow.dead_letters.error_type IS 'type of the last error';
COMMENT ON COLUMN workflow.dead_letters.failure_count IS
'how often it has failed: the execution, its retries and its replays';
COMMENT ON COLUMN workflow.dead_letters.first_failed_at IS 'when the execution failed first';
COMMENT ON COLUMN workflow.dead_letters.last_failed_at IS 'when it or a replay failed last';
COMMENT ON COLUMN workflow.dead_letters.keep_until IS
'prune() may delete it after that, whatever its status; null: only once it is settled';
COMMENT ON COLUMN workflow.dead_letters.replay_execution_id IS
'execution that replays it, or did last; the failed execution itself when that is retried';
COMMENT ON COLUMN workflow.dead_letters.replayed_by IS 'role that asked for that';
COMMENT ON COLUMN workflow.dead_letters.replayed_at IS 'when it did';
COMMENT ON COLUMN workflow.dead_letters.settled_at IS 'when a replay succeeded or it was discarded';
COMMENT ON COLUMN workflow.dead_letters.discarded_by IS 'role that called discard()';
COMMENT ON COLUMN workflow.dead_letters.discard_reason IS 'reason given to discard()';
COMMENT ON COLUMN workflow.dead_letters.input IS
'input of the execution, which replays get unless another is given';
COMMENT ON COLUMN workflow.dead_letters.error IS 'last error';
COMMENT ON COLUMN workflow.dead_letters.retry_history IS
'the failed attempts at steps, the oldest first, at most the last 100: an array of objects with '
'execution_id, scope, step_id, step_type, visit, attempt, status, error_type, sqlstate, message, '
'started_at, completed_at';

ALTER TABLE workflow.dead_letters ENABLE ROW LEVEL SECURITY;
CREATE POLICY dead_letters_read ON workflow.dead_letters FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY dead_letters_read ON workflow.dead_letters IS
'a role sees the dead letters of the executions of roles whose rights it has';

CREATE VIEW workflow.dead_letter_status WITH (security_barrier) AS
SELECT l.id AS dead_letter_id,
       l.execution_id,
       l.workflow,
       l.version,
       l.role,
       l.tenant,
       l.status,
       l.execution_status,
       l.step_id,
       l.error_type,
       l.failure_count,
       pg_catalog.jsonb_array_length(l.retry_history) AS attempts,
       l.first_failed_at,
       l.last_failed_at,
       COALESCE(l.settled_at, pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.-) l.first_failed_at AS unsettled,
       l.replay_execution_id,
       l.replayed_by,
       l.replayed_at,
       l.settled_at,
       CASE WHEN pg_catalog.pg_has_role(l.role::pg_catalog.oid, 'USAGE')
            THEN l.error OPERATOR(pg_catalog.->>) 'message' END AS message
FROM workflow.dead_letters AS l
WHERE pg_catalog.pg_has_role(l.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.dead_letter_status IS
'dead letters without their input: a role''s own; all of them for members of pg_monitor, without '
'the message';
COMMENT ON COLUMN workflow.dead_letter_status.dead_letter_id IS 'number of the dead letter';
COMMENT ON COLUMN workflow.dead_letter_status.execution_id IS 'execution that failed';
COMMENT ON COLUMN workflow.dead_letter_status.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.dead_letter_status.version IS
'version of the workflow the execution followed';
COMMENT ON COLUMN workflow.dead_letter_status.role IS 'role that started the execution';
COMMENT ON COLUMN workflow.dead_letter_status.tenant IS 'tenant of the execution';
COMMENT ON COLUMN workflow.dead_letter_status.status IS 'pending, replaying, replayed or discarded';
COMMENT ON COLUMN workflow.dead_letter_status.execution_status IS
'how it ended the last time: failed or timed_out';
COMMENT ON COLUMN workflow.dead_letter_status.step_id IS 'step whose error it was the last time';
COMMENT ON COLUMN workflow.dead_letter_status.error_type IS 'type of the last error';
COMMENT ON COLUMN workflow.dead_letter_status.failure_count IS
'how often it has failed, replays included';
COMMENT ON COLUMN workflow.dead_letter_status.attempts IS
'number of failed attempts at steps in its history';
COMMENT ON COLUMN workflow.dead_letter_status.first_failed_at IS 'when the execution failed first';
COMMENT ON COLUMN workflow.dead_letter_status.last_failed_at IS 'when it or a replay failed last';
COMMENT ON COLUMN workflow.dead_letter_status.unsettled IS
'how long it took, or has taken so far, until it was settled';
COMMENT ON COLUMN workflow.dead_letter_status.replay_execution_id IS
'execution that replays it, or did last';
COMMENT ON COLUMN workflow.dead_letter_status.replayed_by IS 'role that asked for that';
COMMENT ON COLUMN workflow.dead_letter_status.replayed_at IS 'when it did';
COMMENT ON COLUMN workflow.dead_letter_status.settled_at IS
'when a replay succeeded or it was discarded';
COMMENT ON COLUMN workflow.dead_letter_status.message IS
'message of the last error; null for executions of others';

CREATE FUNCTION workflow.replay(
    dead_letter_id bigint,
    input jsonb DEFAULT NULL,
    version integer DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_replay';
COMMENT ON FUNCTION workflow.replay(bigint, jsonb, integer) IS
'start the workflow of a dead letter anew, as the role of the execution that failed, and return '
'the id of the new execution; its success settles the dead letter. Null input: that of the failed '
'execution; null version: the newest active one. One that is being replayed or has been replayed '
'is not replayed again: the id of that execution is returned. Errors: 42704 for an unknown dead '
'letter or workflow, 42501 without the rights of the role that started the execution, 55000 for '
'one that was discarded or a version that cannot be started, 28000 for a role no worker can run as';

CREATE FUNCTION workflow.discard(dead_letter_id bigint, reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_discard';
COMMENT ON FUNCTION workflow.discard(bigint, text) IS
'settle a dead letter without a replay and return its status after that; one that has been settled '
'stays as it is. Errors: 42704 for an unknown dead letter, 42501 for others than the role that '
'started the execution and the owner of the workflow, 55000 for one that is being replayed';

CREATE FUNCTION workflow.replay_help(dead_letter_id bigint)
RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_replay_help';
COMMENT ON FUNCTION workflow.replay_help(bigint) IS
'statement that has a pending dead letter replayed: replay(), or where that is not possible what '
'helps instead; for who has the rights of its role, and pg_monitor';

CREATE FUNCTION workflow.replay_possible(dead_letter_id bigint)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000
AS 'MODULE_PATHNAME', 'workflow_replay_possible';
COMMENT ON FUNCTION workflow.replay_possible(bigint) IS
'internal: whether a dead letter and its workflow belong to roles that exist; a notice says of the '
'first that a statement leaves out whose it is';

CREATE FUNCTION workflow.replay_all(
    workflow text DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_dead_letters integer DEFAULT 1000)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    -- also when there is nothing to be filtered
    SELECT workflow.workflow_to_steer(replay_all.workflow, NULL);
    SELECT pg_catalog.count(workflow.replay(due.id))
    -- locks are taken in the order of executions, as reassign_owned() does
    FROM (SELECT oldest.id FROM (
          SELECT l.id, l.execution_id
          FROM workflow.dead_letters AS l
          WHERE l.status OPERATOR(pg_catalog.=) 'pending'
            AND (replay_all.workflow IS NULL OR l.workflow OPERATOR(pg_catalog.=) (SELECT workflow.workflow_to_steer(replay_all.workflow, NULL)))
            AND (replay_all.error_type IS NULL OR l.error_type OPERATOR(pg_catalog.=) replay_all.error_type)
            AND pg_catalog.pg_has_role(l.role::pg_catalog.oid, 'USAGE')
            AND workflow.replay_possible(l.id)
          ORDER BY l.id
          LIMIT max_dead_letters) AS oldest ORDER BY oldest.execution_id) AS due;
END;
COMMENT ON FUNCTION workflow.replay_all(text, text, integer) IS
'replay the pending dead letters the caller may replay, the oldest, at most so many; returns how '
'many. Null: of all workflows, with any type of error. What belongs to a role that does not exist, '
'or is of a workflow that does, is left out. One that cannot be started otherwise is an error, and '
'nothing is replayed then: as for replay(). Errors: 42704 for an unknown workflow';
/* Steering many executions at once. */

CREATE FUNCTION workflow.executions_to_steer(
    possible text[],
    usual text[],
    workflow text,
    tenant text,
    status text,
    created_before timestamptz,
    created_after timestamptz,
    error_type text,
    max_executions integer)
RETURNS SETOF bigint
LANGUAGE sql STABLE PARALLEL UNSAFE
BEGIN ATOMIC
    -- also when there is nothing to be filtered
    SELECT workflow.workflow_to_steer(executions_to_steer.workflow, executions_to_steer.status);
    SELECT x.id FROM workflow.executions AS x
    WHERE x.status = ANY (CASE WHEN executions_to_steer.status IS NULL THEN usual ELSE ARRAY[executions_to_steer.status] END)
      AND x.status = ANY (possible)
      AND NOT x.inline
      AND pg_has_role(x.role::oid, 'USAGE')
      -- of what has ended retry() refuses some
      AND (x.status = ANY ('{pending,running,cancelling,paused,blocked}') OR workflow.retry_possible(x.id))
      AND (executions_to_steer.workflow IS NULL OR x.workflow = (SELECT workflow.workflow_to_steer(executions_to_steer.workflow, NULL)))
      AND (executions_to_steer.tenant IS NULL OR x.tenant = executions_to_steer.tenant)
      AND (created_before IS NULL OR x.created_at < created_before)
      AND (created_after IS NULL OR x.created_at >= created_after)
      AND (executions_to_steer.error_type IS NULL OR x.error_type = executions_to_steer.error_type)
    ORDER BY x.id LIMIT max_executions;
END;
COMMENT ON FUNCTION workflow.executions_to_steer(text[], text[], text, text, text, timestamptz, timestamptz, text, integer) IS
'internal: the caller''s executions that cancel_executions() and its like are for, the oldest '
'numbers first: of the usual statuses, or of the one that is given if it is possible';

CREATE FUNCTION workflow.cancel_executions(
    workflow text DEFAULT NULL,
    tenant text DEFAULT NULL,
    status text DEFAULT NULL,
    created_before timestamptz DEFAULT NULL,
    created_after timestamptz DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_executions integer DEFAULT 1000,
    reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT count(workflow.cancel(e.id, cancel_executions.reason))
    FROM workflow.executions_to_steer('{pending,running,paused,blocked}', '{pending,running,paused,blocked}', workflow, tenant, status,
             created_before, created_after, error_type, max_executions) AS e (id);
END;
COMMENT ON FUNCTION workflow.cancel_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'cancel() for the caller''s executions that fit: by workflow, tenant, status (default: pending, '
'running, paused, blocked), time of start() and type of error, at most max_executions of them, the '
'oldest numbers first; returns how many. All or none: an error of one undoes all. Errors: 42704 '
'for an unknown workflow, 22023 for a status that executions do not have, and those of the '
'function itself';

CREATE FUNCTION workflow.pause_executions(
    workflow text DEFAULT NULL,
    tenant text DEFAULT NULL,
    status text DEFAULT NULL,
    created_before timestamptz DEFAULT NULL,
    created_after timestamptz DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_executions integer DEFAULT 1000,
    reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT count(workflow.pause(e.id, pause_executions.reason))
    FROM workflow.executions_to_steer('{pending,running}', '{pending,running}', workflow, tenant, status,
             created_before, created_after, error_type, max_executions) AS e (id);
END;
COMMENT ON FUNCTION workflow.pause_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'pause() for the caller''s executions that fit: by workflow, tenant, status (default: pending, '
'running), time of start() and type of error, at most max_executions of them, the oldest numbers '
'first; returns how many. All or none: an error of one undoes all. Errors: 42704 for an unknown '
'workflow, 22023 for a status that executions do not have, and those of the function itself';

CREATE FUNCTION workflow.resume_executions(
    workflow text DEFAULT NULL,
    tenant text DEFAULT NULL,
    status text DEFAULT NULL,
    created_before timestamptz DEFAULT NULL,
    created_after timestamptz DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_executions integer DEFAULT 1000,
    reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT count(workflow.resume(e.id, resume_executions.reason))
    FROM workflow.executions_to_steer('{paused}', '{paused}', workflow, tenant, status,
             created_before, created_after, error_type, max_executions) AS e (id);
END;
COMMENT ON FUNCTION workflow.resume_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'resume() for the caller''s executions that fit: by workflow, tenant, status (default: paused), '
'time of start() and type of error, at most max_executions of them, the oldest numbers first; '
'returns how many. All or none: an error of one undoes all. Errors: 42704 for an unknown workflow, '
'22023 for a status that executions do not have, and those of the function itself';

CREATE FUNCTION workflow.retry_executions(
    workflow text DEFAULT NULL,
    tenant text DEFAULT NULL,
    status text DEFAULT NULL,
    created_before timestamptz DEFAULT NULL,
    created_after timestamptz DEFAULT NULL,
    error_type text DEFAULT NULL,
    max_executions integer DEFAULT 1000,
    reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT count(workflow.retry(e.id, NULL, NULL, retry_executions.reason))
    FROM workflow.executions_to_steer('{failed,timed_out,cancelled}', '{failed,timed_out}', workflow, tenant, status,
             created_before, created_after, error_type, max_executions) AS e (id);
END;
COMMENT ON FUNCTION workflow.retry_executions(text, text, text, timestamptz, timestamptz, text, integer, text) IS
'retry() for the caller''s executions that fit: by workflow, tenant, status (default: failed, '
'timed_out), time of start() and type of error, at most max_executions of them, the oldest numbers '
'first; returns how many. Those that retry() refuses for good are left out: they have been '
'compensated, or they or their workflow belong to a role that does not exist, or their dead letter '
'is being replayed. All or none of the others: an error of one undoes all. Errors: 42704 for an '
'unknown workflow, 22023 for a status that executions do not have, and those of the function '
'itself';
/* What became of executors; and of those that got stuck, with what. */

CREATE TABLE workflow.executor_history (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    runs            bigint NOT NULL DEFAULT 0,
    steps           bigint NOT NULL DEFAULT 0,
    peak_memory     bigint,
    execution_id    bigint,
    stuck_at        timestamptz,
    quarantined_at  timestamptz,
    draining_since  timestamptz,
    elapsed         interval,
    pid             integer NOT NULL,
    visit           integer,
    attempt         integer,
    role            workflow.role NOT NULL,
    requested_by    workflow.role,
    reason          text NOT NULL
                    CHECK (reason IN ('idle', 'runs', 'memory', 'age', 'drain', 'recycle', 'stuck', 'died', 'room', 'role')),
    request_reason  text,
    workflow        text,
    scope           text COLLATE "C",
    step_id         text COLLATE "C"
);
CREATE INDEX executor_history_stuck_idx ON workflow.executor_history (workflow, stuck_at)
    WHERE stuck_at IS NOT NULL;
CREATE INDEX executor_history_ended_idx ON workflow.executor_history (ended_at);

COMMENT ON TABLE workflow.executor_history IS
'executors of this database that have ended, and why; and those that got stuck, from that moment '
'on. Written by the scheduler: those that ended together with it, or with the server, are not in '
'it. Shown to the owner of the extension and to members of pg_monitor; to other roles what they '
'asked for and what ran as them';
COMMENT ON COLUMN workflow.executor_history.id IS 'number of the entry';
COMMENT ON COLUMN workflow.executor_history.started_at IS 'when the process started';
COMMENT ON COLUMN workflow.executor_history.ended_at IS
'when it had ended; null: it is stuck and lives';
COMMENT ON COLUMN workflow.executor_history.runs IS 'runs it had ended';
COMMENT ON COLUMN workflow.executor_history.steps IS 'steps it had ended';
COMMENT ON COLUMN workflow.executor_history.peak_memory IS
'most memory it was seen to have allocated, in bytes; measured every 64 runs';
COMMENT ON COLUMN workflow.executor_history.execution_id IS 'stuck: execution it worked on';
COMMENT ON COLUMN workflow.executor_history.stuck_at IS
'when it was found to be stuck and sent SIGTERM; null: it never was';
COMMENT ON COLUMN workflow.executor_history.quarantined_at IS
'when it was written off because it ignored SIGTERM, too; null: it never was';
COMMENT ON COLUMN workflow.executor_history.draining_since IS
'when it was asked to leave; null: it was not';
COMMENT ON COLUMN workflow.executor_history.elapsed IS 'stuck: how long its step had run';
COMMENT ON COLUMN workflow.executor_history.pid IS 'process';
COMMENT ON COLUMN workflow.executor_history.visit IS 'stuck: visit of the step, from 1';
COMMENT ON COLUMN workflow.executor_history.attempt IS 'stuck: attempt, from 1';
COMMENT ON COLUMN workflow.executor_history.role IS 'role it was connected as';
COMMENT ON COLUMN workflow.executor_history.requested_by IS
'role that called drain_executor(), recycle_executor() or drain(); null: nobody did';
COMMENT ON COLUMN workflow.executor_history.reason IS
'why it ended: idle (workflow.executor_idle_timeout), runs (workflow.executor_max_runs), memory '
'(workflow.executor_max_memory), age (workflow.executor_max_age), drain, recycle, stuck, room (its '
'slot was needed for another role or database), role (its role, or that role''s settings, are not '
'what they were when it connected), died (by itself, or terminated)';
COMMENT ON COLUMN workflow.executor_history.request_reason IS 'reason given with the request';
COMMENT ON COLUMN workflow.executor_history.workflow IS 'stuck: workflow of the step';
COMMENT ON COLUMN workflow.executor_history.scope IS 'stuck: scope of the step';
COMMENT ON COLUMN workflow.executor_history.step_id IS 'stuck: the step';

ALTER TABLE workflow.executor_history ENABLE ROW LEVEL SECURITY;
CREATE POLICY executor_history_read ON workflow.executor_history FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
           OR pg_catalog.pg_has_role(requested_by::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY executor_history_read ON workflow.executor_history IS
'a role sees executors that ran as it and those it asked to leave; members of pg_monitor see all';
/* Blocked workflows: which are, which were, who did it and why. */

CREATE TABLE workflow.blocked_workflows (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow        text NOT NULL,
    role            workflow.role,
    kind            text NOT NULL CHECK (kind IN ('manual', 'automatic')),
    reason          text,
    stuck_count     bigint,
    blocked_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    blocked_by      workflow.role,
    unblocked_at    timestamptz,
    unblocked_by    workflow.role,
    unblock_reason  text
);
CREATE UNIQUE INDEX blocked_workflows_now_idx ON workflow.blocked_workflows (workflow, role)
    NULLS NOT DISTINCT WHERE unblocked_at IS NULL;
CREATE INDEX blocked_workflows_unblocked_idx ON workflow.blocked_workflows (workflow, unblocked_at)
    WHERE unblocked_at IS NOT NULL;

COMMENT ON TABLE workflow.blocked_workflows IS
'workflows that are blocked (unblocked_at is null) or were; written by workflow.block(), unblock() '
'and, for runaway workflows, by the scheduler. Roles that may use workflows see the blocks that '
'hold for all, and their own';
COMMENT ON COLUMN workflow.blocked_workflows.id IS 'number of the entry';
COMMENT ON COLUMN workflow.blocked_workflows.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.blocked_workflows.role IS 'role whose executions are blocked; null: all';
COMMENT ON COLUMN workflow.blocked_workflows.kind IS
'manual: by workflow.block(); automatic: too many of its attempts got stuck';
COMMENT ON COLUMN workflow.blocked_workflows.reason IS
'reason given to block(), or what was counted';
COMMENT ON COLUMN workflow.blocked_workflows.stuck_count IS
'automatic: stuck attempts within workflow.stuck_window';
COMMENT ON COLUMN workflow.blocked_workflows.blocked_at IS 'when it was blocked';
COMMENT ON COLUMN workflow.blocked_workflows.blocked_by IS
'role that called block(); null: automatic';
COMMENT ON COLUMN workflow.blocked_workflows.unblocked_at IS
'when the block was lifted; null: it is blocked. Stuck attempts before this do not count any more';
COMMENT ON COLUMN workflow.blocked_workflows.unblocked_by IS 'role that called unblock()';
COMMENT ON COLUMN workflow.blocked_workflows.unblock_reason IS 'reason given to unblock()';

ALTER TABLE workflow.blocked_workflows ENABLE ROW LEVEL SECURITY;
CREATE POLICY blocked_workflows_read ON workflow.blocked_workflows FOR SELECT
    USING (role IS NULL OR pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
           OR EXISTS (SELECT FROM workflow.definitions AS d
                      WHERE d.name OPERATOR(pg_catalog.=) workflow AND pg_catalog.pg_has_role(d.owner::pg_catalog.oid, 'USAGE')));
COMMENT ON POLICY blocked_workflows_read ON workflow.blocked_workflows IS
'roles that may use workflows see which are blocked for all, or for a role whose rights they have; '
'the owner of the workflow and members of pg_monitor see all';

CREATE FUNCTION workflow.block(workflow text, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_block';
COMMENT ON FUNCTION workflow.block(text, text) IS
'let no further execution of a workflow begin: start(), run(), execute() and retry() refuse it, '
'queued executions become blocked instead of running; what runs goes on. True: it was not blocked '
'before. Errors: 42704 for an unknown workflow, 42501 for others than the owner of the workflow '
'and the owner of the extension';

CREATE FUNCTION workflow.unblock(workflow text, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_unblock';
COMMENT ON FUNCTION workflow.unblock(text, text) IS
'lift the block of a workflow: its blocked executions are queued again, and stuck attempts before '
'now do not count any more. True: it was blocked. Errors: 42704 for an unknown workflow, 42501 for '
'others than the owner of the workflow and the owner of the extension';
/* The extension itself: version and who may use it. */

CREATE FUNCTION workflow.version()
RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_version';
COMMENT ON FUNCTION workflow.version() IS
'version of the loaded library; that of the installed SQL is in pg_extension';

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
'internal: last call of the install script, wakes the launcher. Error: 55000 elsewhere';
/* Trying out the expressions of definitions. */

CREATE FUNCTION workflow.evaluate(expression text, context jsonb DEFAULT '{}')
RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_evaluate';

COMMENT ON FUNCTION workflow.evaluate(text, jsonb) IS
'value of an expression, or of a string of an input mapping when it contains "${", in a made-up '
'context {"workflow": {"input": ..}, "steps": {"check": {"output": ..}}, "loop": {"item": ..}, '
'"vars": {..}}';

CREATE FUNCTION workflow.evaluate_condition(condition text, context jsonb DEFAULT '{}')
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workflow_evaluate_condition';

COMMENT ON FUNCTION workflow.evaluate_condition(text, jsonb) IS
'what a conditional step would make of a condition in the context evaluate() describes: one that '
'cannot be evaluated is false, with a warning';
/*
 * Views.
 *
 * They run with the rights of their owner, so they see all executions, and show
 * a role what is its own.  Members of pg_monitor see all executions, but of
 * others' no input, output, error or query.  security_barrier keeps functions in
 * a user's WHERE from seeing rows before that is decided.
 */

CREATE FUNCTION workflow.executor_slots(
    OUT pid integer,
    OUT database oid,
    OUT role oid,
    OUT state text,
    OUT attached_at timestamptz,
    OUT runs_done bigint,
    OUT steps_done bigint,
    OUT memory_bytes bigint,
    OUT draining_since timestamptz,
    OUT last_heartbeat timestamptz,
    OUT execution_id bigint,
    OUT definition_id integer,
    OUT workflow text,
    OUT step_id text,
    OUT scope text,
    OUT branch text,
    OUT iteration integer,
    OUT visit integer,
    OUT attempt integer,
    OUT step_started_at timestamptz,
    OUT execution_started_at timestamptz,
    OUT step_state text,
    OUT label text)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 8
AS 'MODULE_PATHNAME', 'workflow_executor_slots';
COMMENT ON FUNCTION workflow.executor_slots() IS
'what the views executors and activity are made of: the executors of all databases, from shared '
'memory';

CREATE VIEW workflow.executors WITH (security_barrier) AS
SELECT s.pid,
       d.datname AS database,
       pg_catalog.pg_get_userbyid(s.role) AS role,
       s.state,
       s.attached_at,
       pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.attached_at AS uptime,
       s.runs_done,
       s.steps_done,
       s.memory_bytes,
       s.last_heartbeat,
       s.draining_since
FROM workflow.executor_slots() AS s
     LEFT JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.database;
COMMENT ON VIEW workflow.executors IS 'the executors of all databases of the server this moment';
COMMENT ON COLUMN workflow.executors.pid IS 'process; null while it starts';
COMMENT ON COLUMN workflow.executors.database IS 'database it is connected to';
COMMENT ON COLUMN workflow.executors.role IS 'role it is connected as';
COMMENT ON COLUMN workflow.executors.state IS
'starting, idle, busy, draining (leaves at the end of its step), stuck (did not stop its step in '
'time, and was sent SIGTERM) or quarantined (ignores that, too, and is written off)';
COMMENT ON COLUMN workflow.executors.attached_at IS 'when it was ready for its first run';
COMMENT ON COLUMN workflow.executors.uptime IS 'how long ago that was';
COMMENT ON COLUMN workflow.executors.runs_done IS 'number of runs it has ended';
COMMENT ON COLUMN workflow.executors.steps_done IS 'number of steps it has ended';
COMMENT ON COLUMN workflow.executors.memory_bytes IS
'memory it had allocated at the end of its last run, in bytes';
COMMENT ON COLUMN workflow.executors.last_heartbeat IS
'last sign of life: it began a step, ended a run, or, while it has a run, its timer went off, '
'every two seconds';
COMMENT ON COLUMN workflow.executors.draining_since IS
'when it was asked to leave; null: it was not';

CREATE VIEW workflow.activity WITH (security_barrier) AS
SELECT s.pid AS executor_pid,
       s.execution_id,
       s.workflow,
       s.step_id,
       s.scope,
       s.branch,
       s.iteration,
       s.label AS loop_label,
       s.visit,
       s.attempt,
       s.step_state AS state,
       s.step_started_at AS started_at,
       pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) s.step_started_at AS elapsed,
       a.wait_event_type,
       a.wait_event,
       CASE WHEN pg_catalog.pg_has_role(s.role, 'USAGE') THEN a.query END AS query
FROM workflow.executor_slots() AS s
     LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) s.pid
WHERE s.execution_id IS NOT NULL
  AND s.database OPERATOR(pg_catalog.=)
      (SELECT d.oid FROM pg_catalog.pg_database AS d
       WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database());
COMMENT ON VIEW workflow.activity IS
'the steps that run this moment in this database: a role''s own; all of them for members of '
'pg_monitor';
COMMENT ON COLUMN workflow.activity.executor_pid IS 'process that runs the step';
COMMENT ON COLUMN workflow.activity.execution_id IS 'execution the step belongs to';
COMMENT ON COLUMN workflow.activity.workflow IS 'name of the workflow, clipped to 63 bytes';
COMMENT ON COLUMN workflow.activity.step_id IS 'id of the step, clipped to 63 bytes';
COMMENT ON COLUMN workflow.activity.scope IS 'scope of the step, clipped to 127 bytes';
COMMENT ON COLUMN workflow.activity.branch IS
'branch of the innermost parallel or fork_join step it is in, clipped to 63 bytes; null: none';
COMMENT ON COLUMN workflow.activity.iteration IS
'index, from 0, of the innermost loop iteration; null: none';
COMMENT ON COLUMN workflow.activity.loop_label IS
'what that iteration is called, of a loop with "label", clipped to 63 bytes; null for executions '
'of others';
COMMENT ON COLUMN workflow.activity.visit IS 'visit of the step, from 1';
COMMENT ON COLUMN workflow.activity.attempt IS 'attempt, from 1';
COMMENT ON COLUMN workflow.activity.state IS
'running; completing: its SQL has ended, and its row and what follows are being committed; stuck: '
'it did not stop in time when it was to, see workflow.executors';
COMMENT ON COLUMN workflow.activity.started_at IS 'when the attempt began';
COMMENT ON COLUMN workflow.activity.elapsed IS 'how long ago that was';
COMMENT ON COLUMN workflow.activity.wait_event_type IS
'what the process waits for, as in pg_stat_activity';
COMMENT ON COLUMN workflow.activity.wait_event IS
'what the process waits for, as in pg_stat_activity';
COMMENT ON COLUMN workflow.activity.query IS
'query the process runs, as in pg_stat_activity; null for executions of others';

/*
 * Those that are over, and the one it is in, or was in when it ended.  Columns instead of the
 * row: a function of the row type would forbid some ALTER TABLE.
 */
CREATE FUNCTION workflow.paused_time(pauses tstzmultirange, paused_at timestamptz,
                                     pause_ends timestamptz, since timestamptz, until timestamptz)
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT COALESCE(sum(upper(p.part) - lower(p.part)), '0')
    FROM unnest((COALESCE(pauses, '{}')
                 + CASE WHEN paused_at IS NULL OR pauses @> paused_at THEN '{}'::tstzmultirange
                        ELSE tstzmultirange(tstzrange(paused_at, GREATEST(paused_at, LEAST(pause_ends, 'infinity')))) END)
                * tstzmultirange(tstzrange(since, GREATEST(since, until)))) AS p (part);
END;
COMMENT ON FUNCTION workflow.paused_time(tstzmultirange, timestamptz, timestamptz, timestamptz, timestamptz) IS
'how much of the time between since and until an execution was paused, or had ended until it was '
'retried; of its row: pauses, paused_at, and the first of paused_until, cancelled_at and '
'completed_at. What views are made of';

CREATE VIEW workflow.execution_status WITH (security_barrier) AS
SELECT e.id AS execution_id,
       e.workflow,
       e.version,
       e.definition_id,
       e.status,
       e.role,
       e.priority,
       e.tenant,
       e.created_at,
       e.start_at,
       e.started_at,
       e.completed_at,
       COALESCE(e.started_at, e.completed_at, pg_catalog.clock_timestamp())
           OPERATOR(pg_catalog.-) e.created_at AS queued,
       COALESCE(e.completed_at, pg_catalog.clock_timestamp())
           OPERATOR(pg_catalog.-) e.started_at
           OPERATOR(pg_catalog.-) CASE WHEN e.paused_at IS NULL AND e.pauses IS NULL THEN '0'::pg_catalog."interval"
                                       ELSE workflow.paused_time(e.pauses, e.paused_at, LEAST(e.paused_until, e.cancelled_at, e.completed_at),
                                                                 e.started_at, COALESCE(e.completed_at, pg_catalog.clock_timestamp())) END AS duration,
       e.recoveries,
       e.retries,
       e.limited,
       e.ending,
       (SELECT pg_catalog.array_agg(m.key ORDER BY m.key) FROM pg_catalog.jsonb_each(e.step_marks) AS m
        WHERE (m.value OPERATOR(pg_catalog.->>) 'mark') OPERATOR(pg_catalog.=) 'hold') AS held_steps,
       (SELECT pg_catalog.array_agg(m.key ORDER BY m.key) FROM pg_catalog.jsonb_each(e.step_marks) AS m
        WHERE (m.value OPERATOR(pg_catalog.->>) 'mark') OPERATOR(pg_catalog.=) 'skip') AS skipped_steps,
       e.paused_by,
       e.paused_at,
       e.paused_until,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.pause_reason END AS pause_reason,
       e.error_type,
       e.cancelled_by,
       e.cancelled_at,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.cancel_reason END AS cancel_reason,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.input END AS input,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.output END AS output,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN e.error END AS error
FROM workflow.executions AS e
WHERE pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.execution_status IS
'executions: a role''s own; all of them for members of pg_monitor, without input, output and error';
COMMENT ON COLUMN workflow.execution_status.execution_id IS 'number of the execution';
COMMENT ON COLUMN workflow.execution_status.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.execution_status.version IS 'version of the workflow';
COMMENT ON COLUMN workflow.execution_status.definition_id IS
'number of that version in workflow.definitions';
COMMENT ON COLUMN workflow.execution_status.status IS 'status, as in workflow.executions';
COMMENT ON COLUMN workflow.execution_status.role IS 'role that started it';
COMMENT ON COLUMN workflow.execution_status.priority IS 'higher ones are run first';
COMMENT ON COLUMN workflow.execution_status.tenant IS 'label given to start()';
COMMENT ON COLUMN workflow.execution_status.created_at IS 'when start() was called';
COMMENT ON COLUMN workflow.execution_status.start_at IS 'not to be run before; null: at once';
COMMENT ON COLUMN workflow.execution_status.started_at IS 'when an executor was first to run it';
COMMENT ON COLUMN workflow.execution_status.completed_at IS 'when it reached a final status';
COMMENT ON COLUMN workflow.execution_status.queued IS
'how long it waited, or has waited so far, to be run';
COMMENT ON COLUMN workflow.execution_status.duration IS
'how long it ran, or has run so far, pauses not counted; null before';
COMMENT ON COLUMN workflow.execution_status.recoveries IS
'recoveries after crashes without progress since';
COMMENT ON COLUMN workflow.execution_status.retries IS
'how often retry() has let it go on after it had ended';
COMMENT ON COLUMN workflow.execution_status.limited IS
'pending: over a limit when its turn came, and waiting for room';
COMMENT ON COLUMN workflow.execution_status.ending IS
'status it will end with, while compensations and its on_failure chain are run';
COMMENT ON COLUMN workflow.execution_status.held_steps IS
'steps it waits in front of until release_step(), as hold_step() was told; null: none';
COMMENT ON COLUMN workflow.execution_status.skipped_steps IS
'steps it is not to run, as skip_step() was told; null: none';
COMMENT ON COLUMN workflow.execution_status.paused_by IS 'role that called pause() last';
COMMENT ON COLUMN workflow.execution_status.paused_at IS 'when that was';
COMMENT ON COLUMN workflow.execution_status.paused_until IS
'paused: when it fails with the type PauseTimeout unless it is resumed; null: never';
COMMENT ON COLUMN workflow.execution_status.pause_reason IS
'reason given to pause(); null for executions of others';
COMMENT ON COLUMN workflow.execution_status.error_type IS 'type of the error it failed with';
COMMENT ON COLUMN workflow.execution_status.cancelled_by IS 'role that called cancel()';
COMMENT ON COLUMN workflow.execution_status.cancelled_at IS 'when cancel() was called';
COMMENT ON COLUMN workflow.execution_status.cancel_reason IS
'reason given to cancel(); null for executions of others';
COMMENT ON COLUMN workflow.execution_status.input IS 'input; null for executions of others';
COMMENT ON COLUMN workflow.execution_status.output IS 'output; null for executions of others';
COMMENT ON COLUMN workflow.execution_status.error IS 'error; null for executions of others';

CREATE VIEW workflow.marked_steps WITH (security_barrier) AS
SELECT e.id AS execution_id,
       e.workflow,
       e.status,
       m.key AS step_id,
       m.value OPERATOR(pg_catalog.->>) 'mark' AS mark,
       m.value OPERATOR(pg_catalog.->>) 'by' AS marked_by,
       (m.value OPERATOR(pg_catalog.->>) 'at')::timestamptz AS marked_at,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN m.value OPERATOR(pg_catalog.->>) 'reason' END AS reason
FROM workflow.executions AS e CROSS JOIN LATERAL pg_catalog.jsonb_each(e.step_marks) AS m
WHERE pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.marked_steps IS
'steps that hold_step() and skip_step() have marked; of a role''s own executions, of all for '
'members of pg_monitor, without reason';
COMMENT ON COLUMN workflow.marked_steps.execution_id IS 'number of the execution';
COMMENT ON COLUMN workflow.marked_steps.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.marked_steps.status IS 'status of the execution';
COMMENT ON COLUMN workflow.marked_steps.step_id IS 'id of the step';
COMMENT ON COLUMN workflow.marked_steps.mark IS
'hold: the execution waits in front of it until release_step(); skip: it is not run';
COMMENT ON COLUMN workflow.marked_steps.marked_by IS 'name of the role that has marked it';
COMMENT ON COLUMN workflow.marked_steps.marked_at IS 'when that was';
COMMENT ON COLUMN workflow.marked_steps.reason IS
'reason that was given; null for executions of others';

CREATE VIEW workflow.interruptions WITH (security_barrier) AS
SELECT e.id AS execution_id,
       e.workflow,
       (i.value OPERATOR(pg_catalog.->>) 'at')::timestamptz AS at,
       i.value OPERATOR(pg_catalog.->>) 'event' AS event,
       COALESCE((i.value OPERATOR(pg_catalog.->>) 'times')::integer, 1) AS times,
       (i.value OPERATOR(pg_catalog.->>) 'last_at')::timestamptz AS last_at,
       i.value OPERATOR(pg_catalog.->) 'error' OPERATOR(pg_catalog.->>) 'type' AS error_type,
       i.value OPERATOR(pg_catalog.->>) 'by' AS cancelled_by,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN i.value OPERATOR(pg_catalog.->>) 'reason' END AS reason,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN i.value OPERATOR(pg_catalog.->) 'error' END AS error
FROM workflow.executions AS e CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(e.interruptions) AS i (value)
WHERE pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.interruptions IS
'what executions went on after: recoveries, and ends that retry() has taken back, the newest '
'hundred of each execution; of a role''s own, of all for members of pg_monitor, without reason and '
'error';
COMMENT ON COLUMN workflow.interruptions.execution_id IS 'number of the execution';
COMMENT ON COLUMN workflow.interruptions.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.interruptions.at IS 'when it was recovered or had ended';
COMMENT ON COLUMN workflow.interruptions.event IS
'recovered: it went on from its rows, since the server, the scheduler or an executor had ended or '
'a transaction of ours could not be committed; failed, timed_out, cancelled: it had ended so';
COMMENT ON COLUMN workflow.interruptions.times IS
'recovered: how often in a row for this reason, without a step that ended in between';
COMMENT ON COLUMN workflow.interruptions.last_at IS
'when it was the last of these times; null: once';
COMMENT ON COLUMN workflow.interruptions.error_type IS 'ended: type of the error';
COMMENT ON COLUMN workflow.interruptions.cancelled_by IS
'cancelled: name of the role that called cancel()';
COMMENT ON COLUMN workflow.interruptions.reason IS
'why it was recovered, or the reason given to cancel(); null for executions of others';
COMMENT ON COLUMN workflow.interruptions.error IS 'ended: the error; null for executions of others';

/*
 * The filter is outside of the UNION ALL: conditions of a user are moved into the
 * parts of one that is a view by itself, barrier or not, and would come before a
 * filter in there.
 */
CREATE VIEW workflow.step_status WITH (security_barrier) AS
SELECT q.execution_id,
       q.workflow,
       q.scope,
       q.step_id,
       q.visit,
       q.attempt,
       q.step_type,
       q.status,
       q.started_at,
       q.completed_at,
       COALESCE(q.completed_at, pg_catalog.clock_timestamp())
           OPERATOR(pg_catalog.-) q.started_at OPERATOR(pg_catalog.-) q.paused AS duration,
       q.executor_pid,
       q.agent_name,
       q.parent_step_id,
       q.branch_name,
       q.loop_iteration_index,
       q.loop_collection_size,
       CASE WHEN pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE') THEN q.loop_label END AS loop_label,
       q.loop_execution_mode,
       q.join_policy,
       q.condition_result,
       q.branch_taken,
       q.scope_outcome,
       q.on_failure,
       q.retry_at,
       q.error_type,
       CASE WHEN pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE') THEN q.input END AS input,
       CASE WHEN pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE') THEN q.output END AS output,
       CASE WHEN pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE') THEN q.error END AS error
FROM (SELECT s.execution_id, e.workflow, e.role, s.scope, s.step_id, s.visit, s.attempt, s.step_type, s.status,
             s.started_at, s.completed_at, s.executor_pid, s.agent_name, s.parent_step_id, s.branch_name,
             s.loop_iteration_index, s.loop_collection_size, s.loop_label, s.loop_execution_mode, s.join_policy,
             s.condition_result, s.branch_taken, s.scope_outcome, s.on_failure, s.retry_at, s.error_type,
             s.input, s.output, s.error,
             /* what is no container does not stop for it; now(): nothing volatile, or the parts
                were not planned as one */
             CASE WHEN e.paused_at IS NULL AND e.pauses IS NULL OR s.step_type NOT IN ('parallel', 'fork_join', 'conditional', 'loop')
                  THEN '0'::pg_catalog."interval"
                  ELSE workflow.paused_time(e.pauses, e.paused_at, LEAST(e.paused_until, e.cancelled_at, e.completed_at),
                                            s.started_at, COALESCE(s.completed_at, pg_catalog.now())) END AS paused
      FROM workflow.step_executions AS s
           JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) s.execution_id
      UNION ALL
      SELECT a.execution_id, a.workflow, e.role, a.scope, a.step_id, a.visit, a.attempt,
             (d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) a.step_id
                 OPERATOR(pg_catalog.->>) 'type'),
             'running', a.started_at, NULL, a.executor_pid,
             (d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) a.step_id
                 OPERATOR(pg_catalog.->>) 'agent_name'),
             NULL, pg_catalog."substring"(a.scope, '\.([^./]+)$'), a.iteration, NULL, a.loop_label, NULL, NULL, NULL, NULL,
             NULL, NULL, NULL, NULL, NULL, NULL, NULL, '0'
      FROM workflow.activity AS a
           JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) a.execution_id
           LEFT JOIN workflow.definitions AS d ON d.id OPERATOR(pg_catalog.=) e.definition_id
      WHERE a.step_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM workflow.step_executions AS s
                        WHERE s.execution_id OPERATOR(pg_catalog.=) a.execution_id
                          AND s.scope OPERATOR(pg_catalog.=) a.scope
                          AND s.step_id OPERATOR(pg_catalog.=) a.step_id
                          AND s.visit OPERATOR(pg_catalog.=) a.visit
                          AND s.attempt OPERATOR(pg_catalog.=) a.attempt)) AS q
WHERE pg_catalog.pg_has_role(q.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.step_status IS
'steps: those that have ended or are open containers, from workflow.step_executions, and those '
'that run this moment; a role''s own, all for members of pg_monitor, without input, output and '
'error';
COMMENT ON COLUMN workflow.step_status.execution_id IS 'execution the step belongs to';
COMMENT ON COLUMN workflow.step_status.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.step_status.scope IS 'where it runs: empty at the top, else a path';
COMMENT ON COLUMN workflow.step_status.step_id IS 'id of the step';
COMMENT ON COLUMN workflow.step_status.visit IS 'visit of the step, from 1';
COMMENT ON COLUMN workflow.step_status.attempt IS 'attempt, from 1';
COMMENT ON COLUMN workflow.step_status.step_type IS 'type of the step';
COMMENT ON COLUMN workflow.step_status.status IS
'status, as in workflow.step_executions; running: runs this moment, or is an open container';
COMMENT ON COLUMN workflow.step_status.started_at IS 'when the attempt began';
COMMENT ON COLUMN workflow.step_status.completed_at IS 'when it ended';
COMMENT ON COLUMN workflow.step_status.duration IS
'how long it took, or has taken so far; of a container without pauses';
COMMENT ON COLUMN workflow.step_status.executor_pid IS 'process that ran or runs it';
COMMENT ON COLUMN workflow.step_status.agent_name IS 'name of the agent';
COMMENT ON COLUMN workflow.step_status.parent_step_id IS 'container it is in';
COMMENT ON COLUMN workflow.step_status.branch_name IS 'branch or line it is in';
COMMENT ON COLUMN workflow.step_status.loop_iteration_index IS
'index, from 0, of the innermost loop iteration it is in';
COMMENT ON COLUMN workflow.step_status.loop_collection_size IS 'loops: number of items';
COMMENT ON COLUMN workflow.step_status.loop_label IS
'what that iteration is called, of a loop with "label"; null for executions of others';
COMMENT ON COLUMN workflow.step_status.loop_execution_mode IS 'loops: sequential or parallel';
COMMENT ON COLUMN workflow.step_status.join_policy IS
'parallel and fork_join: when the join counts as met';
COMMENT ON COLUMN workflow.step_status.condition_result IS 'conditionals: what the condition gave';
COMMENT ON COLUMN workflow.step_status.branch_taken IS 'conditionals: which way was taken';
COMMENT ON COLUMN workflow.step_status.scope_outcome IS
'how the step''s scope ended, on the row that ended it';
COMMENT ON COLUMN workflow.step_status.on_failure IS
'how a failure was dealt with: ignored, default, caught or retried';
COMMENT ON COLUMN workflow.step_status.retry_at IS
'of a failed attempt that another one follows: when that is, or was, due; null: none follows';
COMMENT ON COLUMN workflow.step_status.error_type IS 'type of the error it failed with';
COMMENT ON COLUMN workflow.step_status.input IS 'input; null for executions of others';
COMMENT ON COLUMN workflow.step_status.output IS 'output; null for executions of others';
COMMENT ON COLUMN workflow.step_status.error IS 'error; null for executions of others';

/* Who holds a row is told by its xmax, as long as that transaction holds its own lock: not where
   several share the row. */
CREATE VIEW workflow.locked_executions WITH (security_barrier) AS
SELECT e.id AS execution_id,
       e.workflow,
       e.status,
       l.pid,
       p.gid AS prepared_transaction,
       COALESCE(p.prepared, a.xact_start) AS since
FROM workflow.executions AS e
     JOIN pg_catalog.pg_locks AS l ON l.locktype OPERATOR(pg_catalog.=) 'transactionid'::pg_catalog.text
          AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock'::pg_catalog.text AND l.granted
          AND l.transactionid OPERATOR(pg_catalog.=) e.xmax
     LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction OPERATOR(pg_catalog.=) e.xmax
     LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid
WHERE e.status OPERATOR(pg_catalog.=) ANY ('{pending,running,cancelling,paused}'::pg_catalog.text[])
  AND (p.gid IS NOT NULL OR l.pid IS NOT NULL)
  AND NOT EXISTS (SELECT FROM workflow.executor_slots() AS s WHERE s.pid OPERATOR(pg_catalog.=) l.pid)
  AND (pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON VIEW workflow.locked_executions IS
'executions whose row somebody else''s transaction has locked: what the scheduler wants of them '
'waits for that';
COMMENT ON COLUMN workflow.locked_executions.execution_id IS 'the execution';
COMMENT ON COLUMN workflow.locked_executions.workflow IS 'its workflow';
COMMENT ON COLUMN workflow.locked_executions.status IS 'its status';
COMMENT ON COLUMN workflow.locked_executions.pid IS
'process that holds the lock; null: a prepared transaction does';
COMMENT ON COLUMN workflow.locked_executions.prepared_transaction IS
'name of that prepared transaction';
COMMENT ON COLUMN workflow.locked_executions.since IS
'when the transaction that holds it began, or was prepared';
/*
 * The audit log: who did what, when, from where and why.
 *
 * The table is for who did it and whose executions it was done to.  The view is for
 * members of pg_monitor as well, whom it shows what others did, not what they said.
 */

CREATE TABLE workflow.audit_entries (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    action          text NOT NULL,
    subject_type    text NOT NULL,
    subject         text NOT NULL,
    execution_id    bigint,
    role            workflow.role NOT NULL,
    session_role    workflow.role NOT NULL,
    pid             integer NOT NULL,
    application_name text,
    client_address  inet,
    reason          text,
    before          jsonb,
    after           jsonb
);
CREATE INDEX audit_entries_execution_idx ON workflow.audit_entries (execution_id) WHERE execution_id IS NOT NULL;
CREATE INDEX audit_entries_at_idx ON workflow.audit_entries (at);

COMMENT ON TABLE workflow.audit_entries IS
'what was done to executions, workflows, agents and executors, by whom, when, from where and why; '
'a role sees what it did itself and what was done to its executions';
COMMENT ON COLUMN workflow.audit_entries.id IS 'number of the entry';
COMMENT ON COLUMN workflow.audit_entries.at IS 'when it was done';
COMMENT ON COLUMN workflow.audit_entries.action IS
'what was done: the name of the function, or of what the scheduler decided by itself';
COMMENT ON COLUMN workflow.audit_entries.subject_type IS
'what it was done to: execution, workflow, agent, executor, database ..';
COMMENT ON COLUMN workflow.audit_entries.subject IS 'name or number of that';
COMMENT ON COLUMN workflow.audit_entries.execution_id IS 'execution it is about; null: none';
COMMENT ON COLUMN workflow.audit_entries.role IS
'role that did it (current_user); the owner of the extension for what the scheduler does';
COMMENT ON COLUMN workflow.audit_entries.session_role IS
'role the session was connected as (session_user)';
COMMENT ON COLUMN workflow.audit_entries.pid IS 'process of the session';
COMMENT ON COLUMN workflow.audit_entries.application_name IS 'application_name of the session';
COMMENT ON COLUMN workflow.audit_entries.client_address IS
'where the session came from; null: a local socket, or a process of the server';
COMMENT ON COLUMN workflow.audit_entries.reason IS 'reason that was given';
COMMENT ON COLUMN workflow.audit_entries.before IS 'what was changed, as it was';
COMMENT ON COLUMN workflow.audit_entries.after IS 'what was changed, as it is since';

ALTER TABLE workflow.audit_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_entries_read ON workflow.audit_entries FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR EXISTS (SELECT FROM workflow.executions AS e
                      WHERE e.id OPERATOR(pg_catalog.=) execution_id
                        AND pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')));
COMMENT ON POLICY audit_entries_read ON workflow.audit_entries IS
'a role sees what it did and what was done to its executions';

CREATE VIEW workflow.audit_log WITH (security_barrier) AS
SELECT a.id,
       a.at,
       a.action,
       a.subject_type,
       a.subject,
       a.execution_id,
       a.role,
       a.session_role,
       a.pid,
       a.application_name,
       a.client_address,
       CASE WHEN o.own THEN a.reason END AS reason,
       CASE WHEN o.own THEN a.before END AS before,
       CASE WHEN o.own THEN a.after END AS after
FROM workflow.audit_entries AS a
     LEFT JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) a.execution_id
     CROSS JOIN LATERAL (SELECT pg_catalog.pg_has_role(a.role::pg_catalog.oid, 'USAGE')
                                OR pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') AS own) AS o
WHERE o.own OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.audit_log IS
'what was done to executions, workflows, agents and executors, by whom, when, from where and why; '
'a role sees what it did itself and what was done to its executions, members of pg_monitor see '
'all, of others without reason, before and after';
COMMENT ON COLUMN workflow.audit_log.id IS 'number of the entry';
COMMENT ON COLUMN workflow.audit_log.at IS 'when it was done';
COMMENT ON COLUMN workflow.audit_log.action IS
'what was done: the name of the function, or of what the scheduler decided by itself';
COMMENT ON COLUMN workflow.audit_log.subject_type IS
'what it was done to: execution, workflow, agent, executor, database ..';
COMMENT ON COLUMN workflow.audit_log.subject IS 'name or number of that';
COMMENT ON COLUMN workflow.audit_log.execution_id IS 'execution it is about; null: none';
COMMENT ON COLUMN workflow.audit_log.role IS
'role that did it (current_user); the owner of the extension for what the scheduler does';
COMMENT ON COLUMN workflow.audit_log.session_role IS
'role the session was connected as (session_user)';
COMMENT ON COLUMN workflow.audit_log.pid IS 'process of the session';
COMMENT ON COLUMN workflow.audit_log.application_name IS 'application_name of the session';
COMMENT ON COLUMN workflow.audit_log.client_address IS
'where the session came from; null: a local socket, or a process of the server';
COMMENT ON COLUMN workflow.audit_log.reason IS 'reason that was given; null: of others';
COMMENT ON COLUMN workflow.audit_log.before IS 'what was changed, as it was; null: of others';
COMMENT ON COLUMN workflow.audit_log.after IS 'what was changed, as it is since; null: of others';
/* Pictures of executions and workflows. */

CREATE FUNCTION workflow.timeline(execution_id bigint, width integer DEFAULT 80, ascii boolean DEFAULT NULL, max_iterations integer DEFAULT 5)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_timeline';
COMMENT ON FUNCTION workflow.timeline(bigint, integer, boolean, integer) IS
'what an execution did, or does, as a tree with bars. width: columns, 40 to 500; ascii: draw with '
'ASCII only, null: where the client''s encoding is not UTF8; max_iterations: of a loop with more, '
'1 to 200, those that did not complete, the longest, the last and the first ones are shown and the '
'others summed up. Steps in a row that completed at once share a line where there are more than '
'40. To be read with \pset format unaligned, or \g (format=unaligned tuples_only=on). Errors: '
'42704 when there is no such execution, 42501 when it is another role''s, 22023';

CREATE FUNCTION workflow.timeline_svg(execution_id bigint, max_iterations integer DEFAULT 20)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_timeline_svg';
COMMENT ON FUNCTION workflow.timeline_svg(bigint, integer) IS
'what an execution did, or does, as an SVG that is complete in itself, for light and dark: a row '
'for each step and branch, retries, waits, failures, and the critical path, the steps whose end '
'the end of the execution waited for. max_iterations: as in timeline(). psql writes it to a file '
'with \g (format=unaligned tuples_only=on) file.svg. Errors: 42704, 42501, 22023';

CREATE FUNCTION workflow.diagram(workflow text, version integer DEFAULT NULL)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_diagram';
COMMENT ON FUNCTION workflow.diagram(text, integer) IS
'the plan of a version as a Mermaid flowchart; without a version that which start() would take. '
'Errors: 42704 when there is no such workflow or version';

CREATE FUNCTION workflow.diagram(execution_id bigint)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_execution_diagram';
COMMENT ON FUNCTION workflow.diagram(bigint) IS
'the plan of an execution as a Mermaid flowchart, each step in the colour of its state, with '
'counts and the mean duration. Errors: 42704 when there is no such execution, 42501 when it is '
'another role''s';

CREATE FUNCTION workflow.report(execution_id bigint DEFAULT NULL)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_report';
COMMENT ON FUNCTION workflow.report(bigint) IS
'a page of HTML that is complete in itself: running, paused and failed executions, queue, dead '
'letters, blocked workflows, schedules, executors, as far as the caller may see them, and of an '
'execution, without one named of what runs or ran last, why it is as it is, its timeline, a table '
'of its steps, and all facts. psql writes it to a file with \g (format=unaligned tuples_only=on) '
'file.html. Errors: 42704 when there is no such execution, 42501 when it is another role''s';

/* Monitoring: pictures of all executions, without what their errors say. */
GRANT EXECUTE ON FUNCTION workflow.timeline(bigint, integer, boolean, integer), workflow.timeline_svg(bigint, integer),
    workflow.diagram(bigint), workflow.report(bigint) TO pg_monitor;
/*
 * Monitoring: what waits, what happened, how well it goes, and what is wrong.
 *
 * Everything is worked out from the rows and from shared memory when it is asked
 * for; what is counted while steps run is in engine_statistics.sql.  The functions
 * read the views, so that they show a role what these show it.
 */

/* --- what waits --- */

/* In three parts, each of which has an index of its own: what has ended is not read. */
CREATE VIEW workflow.queue WITH (security_barrier) AS
SELECT q.position,
       q.id AS execution_id,
       q.workflow,
       q.version,
       q.tenant,
       q.priority,
       q.role,
       q.created_at,
       q.start_at,
       q.limited,
       CASE WHEN q.start_at IS NULL OR isfinite(q.start_at)
            THEN clock_timestamp() - GREATEST(q.created_at, q.start_at, upper(q.pauses)) END AS waiting
FROM (SELECT row_number() OVER (PARTITION BY e.role::oid ORDER BY e.priority DESC, e.id) AS position, e.*
      FROM workflow.executions AS e
      WHERE e.status = 'pending' AND e.start_at IS NULL AND NOT e.limited
      UNION ALL
      SELECT NULL, e.*
      FROM workflow.executions AS e
      WHERE e.status = 'pending' AND e.limited
      UNION ALL
      SELECT NULL, e.*
      FROM workflow.executions AS e
      WHERE e.status = 'pending' AND e.start_at IS NOT NULL AND NOT e.limited) AS q
WHERE pg_has_role(q.role::oid, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.queue IS
'executions that wait to be run: those in the queue, of each role in the order in which they will '
'be, then those that wait for room, then those that are deferred; with LIMIT only so many are read';
COMMENT ON COLUMN workflow.queue.position IS
'place in the queue of its role, from 1, roles take turns; null: waits for room under a limit, or '
'deferred with start_at, and run when that has come';
COMMENT ON COLUMN workflow.queue.execution_id IS 'number of the execution';
COMMENT ON COLUMN workflow.queue.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.queue.version IS 'version of the workflow';
COMMENT ON COLUMN workflow.queue.tenant IS 'label given to start()';
COMMENT ON COLUMN workflow.queue.priority IS 'higher ones are run first';
COMMENT ON COLUMN workflow.queue.role IS 'role that started it';
COMMENT ON COLUMN workflow.queue.created_at IS 'when start() was called';
COMMENT ON COLUMN workflow.queue.start_at IS 'not to be run before; null: at once';
COMMENT ON COLUMN workflow.queue.limited IS
'over a limit when its turn came (max_running, workflow.max_running_per_tenant), and waiting for '
'room: others overtake it';
COMMENT ON COLUMN workflow.queue.waiting IS
'how long it has waited since it could be run, was resumed or retried; negative: how long until '
'then; null: for ever';

CREATE VIEW workflow.queue_depth WITH (security_barrier) AS
SELECT e.workflow,
       e.tenant,
       e.priority,
       count(*) FILTER (WHERE e.start_at IS NULL OR e.start_at <= now()) AS waiting,
       count(*) FILTER (WHERE e.start_at > now()) AS deferred,
       now() - min(GREATEST(e.created_at, e.start_at, upper(e.pauses))) FILTER (WHERE e.start_at IS NULL OR e.start_at <= now()) AS oldest_wait,
       min(e.start_at) FILTER (WHERE e.start_at > now()) AS next_start_at
FROM (SELECT p.workflow, p.tenant, p.priority, p.role, p.created_at, p.start_at, p.pauses FROM workflow.executions AS p
      WHERE p.status = 'pending' AND p.start_at IS NULL AND NOT p.limited
      UNION ALL
      SELECT p.workflow, p.tenant, p.priority, p.role, p.created_at, p.start_at, p.pauses FROM workflow.executions AS p
      WHERE p.status = 'pending' AND p.limited
      UNION ALL
      SELECT p.workflow, p.tenant, p.priority, p.role, p.created_at, p.start_at, p.pauses FROM workflow.executions AS p
      WHERE p.status = 'pending' AND p.start_at IS NOT NULL AND NOT p.limited) AS e
WHERE pg_has_role(e.role::oid, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
GROUP BY e.workflow, e.tenant, e.priority;
COMMENT ON VIEW workflow.queue_depth IS
'how many executions wait to be run, and for how long, by workflow, tenant and priority';
COMMENT ON COLUMN workflow.queue_depth.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.queue_depth.tenant IS 'label given to start()';
COMMENT ON COLUMN workflow.queue_depth.priority IS 'priority of the executions';
COMMENT ON COLUMN workflow.queue_depth.waiting IS 'number of those that could be run';
COMMENT ON COLUMN workflow.queue_depth.deferred IS 'number of those whose start_at has not come';
COMMENT ON COLUMN workflow.queue_depth.oldest_wait IS 'how long the first of them has waited';
COMMENT ON COLUMN workflow.queue_depth.next_start_at IS 'when the first deferred one is due';

CREATE FUNCTION workflow.scheduler_state(
    OUT pid integer,
    OUT executions integer,
    OUT max_running integer,
    OUT ready_since timestamptz,
    OUT no_workers_since timestamptz,
    OUT unanswered_since timestamptz,
    OUT failing_since timestamptz,
    OUT failures integer,
    OUT again_since timestamptz,
    OUT again text)
RETURNS record
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_scheduler_state';
COMMENT ON FUNCTION workflow.scheduler_state() IS
'what why() and alerts are made of: how the scheduler of this database is doing, from shared '
'memory. pid: its process; executions: under way; max_running: its workflow.max_running, null: '
'none; ready_since: since when a run waits for an executor; no_workers_since: since when no '
'background worker is to be had; unanswered_since: since when it was woken and has not looked; '
'failing_since: since when one scheduler after the other ends with an error; failures: how many '
'have; again_since: since when transactions of the engine fail through nobody''s fault and are '
'done again; again: what the last of them said; nulls: nothing of that';

/*
 * Numbers only, so of all roles: the scheduler's is.  Those of the last seconds it may be
 * about to count.
 */
CREATE VIEW workflow.left_executions WITH (security_barrier) AS
SELECT r.count - s.executions AS count, s.executions AS known, s.pid AS scheduler_pid
FROM workflow.scheduler_state() AS s,
     (SELECT count(*) AS count FROM workflow.executions AS e
      WHERE e.status IN ('running', 'cancelling')
        AND GREATEST(e.started_at, e.retried_at, upper(e.pauses)) < clock_timestamp() - interval '5 s') AS r
WHERE r.count > s.executions;
COMMENT ON VIEW workflow.left_executions IS
'whether more executions are under way by their rows than the scheduler knows of: rows that were '
'loaded after it had begun (pg_restore, COPY), which nobody has told it of. No row: all is well, or '
'there is no scheduler';
COMMENT ON COLUMN workflow.left_executions.count IS 'how many it does not know of';
COMMENT ON COLUMN workflow.left_executions.known IS 'how many it knows of';
COMMENT ON COLUMN workflow.left_executions.scheduler_pid IS
'process of the scheduler: the next one takes up what is there';

/* --- what happened --- */

/* A subquery, because of the barrier: see step_status. */
CREATE VIEW workflow.history WITH (security_barrier) AS
SELECT h.execution_id, h.at, h.event, h.step_id, h.scope, h.loop_label, h.visit, h.attempt, h.detail
FROM (SELECT e.execution_id, e.created_at AS at, 'queued' AS event, NULL::text AS step_id, NULL::text AS scope,
             NULL::text AS loop_label, NULL::integer AS visit, NULL::integer AS attempt, 'by ' || e.role::text AS detail
      FROM workflow.execution_status AS e
      UNION ALL
      SELECT e.execution_id, e.started_at, 'started', NULL, NULL, NULL, NULL, NULL, NULL
      FROM workflow.execution_status AS e WHERE e.started_at IS NOT NULL
      UNION ALL
      SELECT e.execution_id, e.completed_at, e.status, NULL, NULL, NULL, NULL, NULL,
             COALESCE(e.error_type || COALESCE(': ' || (e.error ->> 'message'), ''), e.cancel_reason)
      FROM workflow.execution_status AS e WHERE e.completed_at IS NOT NULL
      UNION ALL
      SELECT s.execution_id, s.started_at, 'step started', s.step_id, s.scope, s.loop_label, s.visit, s.attempt, NULL
      FROM workflow.step_status AS s
      UNION ALL
      SELECT s.execution_id, s.completed_at, 'step ' || s.status, s.step_id, s.scope, s.loop_label, s.visit, s.attempt,
             concat_ws(', ', s.on_failure, s.error_type || COALESCE(': ' || (s.error ->> 'message'), ''))
      FROM workflow.step_status AS s WHERE s.completed_at IS NOT NULL
      UNION ALL
      SELECT i.execution_id, i.at, i.event, NULL, NULL, NULL, NULL, NULL,
             concat_ws(', ', 'by ' || i.cancelled_by, i.error_type || COALESCE(': ' || (i.error ->> 'message'), ''), i.reason,
                       i.times || ' times until ' || i.last_at)
      FROM workflow.interruptions AS i
      UNION ALL
      SELECT a.execution_id, a.at, a.action, CASE a.subject_type WHEN 'step' THEN a.subject END, NULL, NULL, NULL, NULL,
             concat_ws(': ', 'by ' || a.role::text, a.reason)
      FROM workflow.audit_log AS a
           JOIN workflow.execution_status AS e ON e.execution_id = a.execution_id) AS h;
COMMENT ON VIEW workflow.history IS
'all that happened to executions, one row for each change of state; ask for one execution, or a '
'few, ORDER BY at';
COMMENT ON COLUMN workflow.history.execution_id IS 'execution it is about';
COMMENT ON COLUMN workflow.history.at IS 'when it happened';
COMMENT ON COLUMN workflow.history.event IS
'queued, started, recovered, the status it ended with (of one that was retried: each time), step '
'started, step and the status that ended with, or what somebody did to it';
COMMENT ON COLUMN workflow.history.step_id IS 'step it is about; null: the execution as a whole';
COMMENT ON COLUMN workflow.history.scope IS 'where the step runs: empty at the top, else a path';
COMMENT ON COLUMN workflow.history.loop_label IS
'what the iteration it is in is called, of a loop with "label"; null for executions of others';
COMMENT ON COLUMN workflow.history.visit IS 'visit of the step, from 1';
COMMENT ON COLUMN workflow.history.attempt IS 'attempt, from 1';
COMMENT ON COLUMN workflow.history.detail IS 'the error, the reason, or who did it';

/* --- how well it goes --- */

/* Of all roles: a number, and where those who look at the newest begin. */
CREATE VIEW workflow.newest_execution WITH (security_barrier) AS SELECT max(e.id) AS id FROM workflow.executions AS e;
COMMENT ON VIEW workflow.newest_execution IS
'where those begin who look at the newest executions only';
COMMENT ON COLUMN workflow.newest_execution.id IS 'highest number of an execution, of any role';

CREATE FUNCTION workflow.statistics(
    period interval DEFAULT '1 day',
    max_executions integer DEFAULT NULL,
    OUT kind text,
    OUT workflow text,
    OUT name text,
    OUT total bigint,
    OUT completed bigint,
    OUT failed bigint,
    OUT timed_out bigint,
    OUT cancelled bigint,
    OUT stuck bigint,
    OUT retries bigint,
    OUT trips bigint,
    OUT success_rate numeric,
    OUT queue_p50 interval,
    OUT queue_p95 interval,
    OUT queue_p99 interval,
    OUT run_average interval,
    OUT run_p50 interval,
    OUT run_p95 interval,
    OUT run_p99 interval)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 100
SET jit = off
BEGIN ATOMIC
    /*
     * All, or the newest, by their numbers: one after the other by the key, whatever the
     * planner believes.
     */
    WITH executions AS MATERIALIZED (
        SELECT e.workflow, e.tenant, e.status, e.error_type, e.retries, e.queued, e.duration
        FROM workflow.execution_status AS e
        WHERE max_executions IS NULL AND e.completed_at >= now() - period
        UNION ALL
        SELECT e.workflow, e.tenant, e.status, e.error_type, e.retries, e.queued, e.duration
        FROM workflow.newest_execution AS last,
             generate_series(last.id, last.id - max_executions + 1, -1) AS newest (id)
             CROSS JOIN LATERAL (SELECT x.workflow, x.tenant, x.status, x.error_type, x.retries, x.queued, x.duration, x.completed_at
                                 FROM workflow.execution_status AS x WHERE x.execution_id = newest.id OFFSET 0) AS e
        WHERE max_executions IS NOT NULL AND e.completed_at >= now() - period
    ), steps AS MATERIALIZED (
        SELECT s.workflow, s.step_id, s.agent_name, s.status, s.error_type, s.on_failure, s.duration
        FROM workflow.step_status AS s
        WHERE max_executions IS NULL AND s.completed_at >= now() - period AND s.status <> 'skipped'
        UNION ALL
        (SELECT s.workflow, s.step_id, s.agent_name, s.status, s.error_type, s.on_failure, s.duration
        FROM workflow.newest_execution AS last,
             generate_series(last.id, last.id - max_executions + 1, -1) AS newest (id)
             CROSS JOIN LATERAL (SELECT t.workflow, t.step_id, t.agent_name, t.status, t.error_type, t.on_failure, t.duration, t.completed_at
                                 FROM workflow.step_status AS t WHERE t.execution_id = newest.id OFFSET 0) AS s
        WHERE max_executions IS NOT NULL AND s.completed_at >= now() - period AND s.status <> 'skipped'
        LIMIT 20::bigint * max_executions)
    ), figures AS (
        SELECT 'workflow' AS kind, workflow, workflow AS name, status, error_type, retries, queued, duration FROM executions
        UNION ALL
        SELECT 'tenant', NULL, tenant, status, error_type, retries, queued, duration FROM executions WHERE tenant IS NOT NULL
        UNION ALL
        SELECT 'step', workflow, step_id, status, error_type, (on_failure IS NOT DISTINCT FROM 'retried')::integer, NULL, duration FROM steps
        UNION ALL
        SELECT 'agent', NULL, agent_name, status, error_type, (on_failure IS NOT DISTINCT FROM 'retried')::integer, NULL, duration FROM steps WHERE agent_name IS NOT NULL
        UNION ALL
        /* a row that is none of those that ended */
        SELECT 'agent', NULL, a.subject, NULL, NULL, NULL, NULL, NULL FROM workflow.audit_log AS a
        WHERE a.action = 'circuit_breaker_open' AND a.subject_type = 'agent' AND a.at >= now() - period
    )
    SELECT f.kind, f.workflow, f.name,
           count(f.status),
           count(*) FILTER (WHERE f.status = 'completed'),
           count(*) FILTER (WHERE f.status = 'failed'),
           count(*) FILTER (WHERE f.status = 'timed_out'),
           count(*) FILTER (WHERE f.status = 'cancelled'),
           count(*) FILTER (WHERE f.error_type = 'ExecutionStuck'),
           COALESCE(sum(f.retries), 0),
           CASE WHEN f.kind = 'agent' THEN count(*) FILTER (WHERE f.status IS NULL) END,
           round(100.0 * count(*) FILTER (WHERE f.status = 'completed')
                 / NULLIF(count(*) FILTER (WHERE f.status <> 'cancelled'), 0), 1),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY f.queued),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY f.queued),
           percentile_cont(0.99) WITHIN GROUP (ORDER BY f.queued),
           avg(f.duration),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY f.duration),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY f.duration),
           percentile_cont(0.99) WITHIN GROUP (ORDER BY f.duration)
    FROM figures AS f
    GROUP BY f.kind, f.workflow, f.name
    ORDER BY array_position('{workflow,step,agent,tenant}', f.kind), f.workflow, f.name;
END;
COMMENT ON FUNCTION workflow.statistics(interval, integer) IS
'outcomes and times of what ended within the last period: of workflows, their steps (each attempt '
'counts), agents and tenants; trips are openings of an agent''s circuit breaker. success_rate is '
'in percent, of those not cancelled; queue times are from start() to the first executor, run times '
'from there to the end. Reads all that is retained, see prune(); with max_executions only the '
'newest so many, and at most twenty times as many attempts at their steps';

CREATE VIEW workflow.statistics WITH (security_barrier) AS
SELECT s.* FROM workflow.statistics() AS s;
COMMENT ON VIEW workflow.statistics IS 'workflow.statistics() of the last day';
COMMENT ON COLUMN workflow.statistics.kind IS 'workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics.workflow IS
'name of the workflow; null for agents and tenants';
COMMENT ON COLUMN workflow.statistics.name IS 'name of the workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics.total IS
'number of executions, or of attempts at steps, that ended';
COMMENT ON COLUMN workflow.statistics.completed IS 'number of those that completed';
COMMENT ON COLUMN workflow.statistics.failed IS 'number of those that failed';
COMMENT ON COLUMN workflow.statistics.timed_out IS 'number of those that timed out';
COMMENT ON COLUMN workflow.statistics.cancelled IS 'number of those that were cancelled';
COMMENT ON COLUMN workflow.statistics.stuck IS
'number of those that did not stop when they were to: attempts at steps, or executions that ended '
'with the error ExecutionStuck';
COMMENT ON COLUMN workflow.statistics.retries IS
'steps and agents: attempts that were followed by another; workflows and tenants: how often '
'retry() let an execution go on';
COMMENT ON COLUMN workflow.statistics.trips IS
'agents: how often the circuit breaker has opened; null: has none of its own';
COMMENT ON COLUMN workflow.statistics.success_rate IS
'completed ones, percent of those not cancelled';
COMMENT ON COLUMN workflow.statistics.queue_p50 IS
'time from start() to the first executor: half waited no longer';
COMMENT ON COLUMN workflow.statistics.queue_p95 IS
'time from start() to the first executor: 95 per cent waited no longer';
COMMENT ON COLUMN workflow.statistics.queue_p99 IS
'time from start() to the first executor: 99 per cent waited no longer';
COMMENT ON COLUMN workflow.statistics.run_average IS
'average time from the first executor to the end';
COMMENT ON COLUMN workflow.statistics.run_p50 IS
'time from the first executor to the end: half took no longer';
COMMENT ON COLUMN workflow.statistics.run_p95 IS
'time from the first executor to the end: 95 per cent took no longer';
COMMENT ON COLUMN workflow.statistics.run_p99 IS
'time from the first executor to the end: 99 per cent took no longer';

/* Containers whose children run side by side, with what became of these. */
CREATE VIEW workflow.blocks WITH (security_barrier) AS
SELECT b.execution_id,
       b.workflow,
       b.step_id,
       b.scope,
       b.visit,
       b.status,
       b.started_at,
       b.completed_at,
       b.duration,
       c.total_tasks,
       c.successful_tasks,
       c.failed_tasks,
       c.task_time,
       CASE WHEN extract(epoch FROM b.duration) > 0
            THEN round(extract(epoch FROM c.task_time) / extract(epoch FROM b.duration), 2) ELSE 1.0 END AS speedup,
       c.longest_task,
       e.parallel AND NOT e.inline AS parallel
FROM workflow.step_status AS b
     JOIN workflow.executions AS e ON e.id = b.execution_id
     CROSS JOIN LATERAL (
         SELECT count(*) AS total_tasks,
                count(*) FILTER (WHERE t.outcome = 'completed' AND t.status NOT IN ('failed', 'timed_out')) AS successful_tasks,
                count(*) FILTER (WHERE t.status IN ('failed', 'timed_out')) AS failed_tasks,
                COALESCE(sum(t.ended - t.began), '0') AS task_time,
                COALESCE(max(t.ended - t.began), '0') AS longest_task
         FROM (SELECT s.scope, max(s.scope_outcome) AS outcome,
                      max(s.status) FILTER (WHERE s.scope_outcome IS NOT NULL) AS status, min(s.started_at) AS began, max(s.completed_at) AS ended
               FROM workflow.step_executions AS s
               WHERE s.execution_id = b.execution_id
                 AND s.parent_step_id = b.step_id
                 AND s.scope COLLATE "C" >= CASE WHEN b.scope = '' THEN b.step_id ELSE b.scope || '/' || b.step_id END COLLATE "C"
                 AND s.scope COLLATE "C" < CASE WHEN b.scope = '' THEN b.step_id ELSE b.scope || '/' || b.step_id END || '~' COLLATE "C"
               GROUP BY s.scope
               HAVING max(s.scope_outcome) <> 'skipped') AS t) AS c
WHERE b.step_type IN ('parallel', 'fork_join')
   OR b.step_type = 'loop' AND b.loop_execution_mode = 'parallel';
COMMENT ON VIEW workflow.blocks IS
'containers whose children may run side by side: how many children ended and how, and what running '
'them side by side gained; ask for one execution, or a few';
COMMENT ON COLUMN workflow.blocks.execution_id IS 'execution the container belongs to';
COMMENT ON COLUMN workflow.blocks.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.blocks.step_id IS 'id of the container';
COMMENT ON COLUMN workflow.blocks.scope IS 'where it is: empty at the top, else a path';
COMMENT ON COLUMN workflow.blocks.visit IS 'visit of the container, from 1';
COMMENT ON COLUMN workflow.blocks.status IS 'running while it is open';
COMMENT ON COLUMN workflow.blocks.started_at IS 'when it was opened';
COMMENT ON COLUMN workflow.blocks.completed_at IS 'when it was closed';
COMMENT ON COLUMN workflow.blocks.duration IS
'how long it was open, so far if it still is, pauses not counted';
COMMENT ON COLUMN workflow.blocks.total_tasks IS
'number of children that have begun and were not skipped';
COMMENT ON COLUMN workflow.blocks.successful_tasks IS 'number of those that completed';
COMMENT ON COLUMN workflow.blocks.failed_tasks IS
'number of those that failed or timed out, also where on_failure put a default in place of the '
'output';
COMMENT ON COLUMN workflow.blocks.task_time IS 'sum of the times the children took';
COMMENT ON COLUMN workflow.blocks.speedup IS
'task_time / duration, measured; 1.0 for a duration of 0';
COMMENT ON COLUMN workflow.blocks.longest_task IS
'time of the child that took longest: its container cannot take less, and the speedup be no more '
'than task_time / longest_task';
COMMENT ON COLUMN workflow.blocks.parallel IS
'its children could run side by side: not in execute(), nor with workflow.parallel = off';

CREATE FUNCTION workflow.metrics(execution_id bigint)
RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
    /* what retry() has set aside does not count; a phase is a step of the top with all that is
       in it */
    WITH execution AS (
        SELECT * FROM workflow.execution_status AS e WHERE e.execution_id = metrics.execution_id
    ), step AS MATERIALIZED (
        SELECT s.*, CASE s.scope WHEN '' THEN s.step_id ELSE substring(s.scope, '^[^.[#/]+') END AS phase
        FROM workflow.step_status AS s
        WHERE s.execution_id = metrics.execution_id AND s.status <> 'skipped' AND s.scope !~ '^~'
    ), leaf AS (
        SELECT s.*, bool_or(s.step_type = 'agent') OVER () AS has_agents,
               bool_or(s.phase = 'agents' AND s.scope <> '') OVER () AS has_phase
        FROM step AS s
        WHERE s.step_type IN ('agent', 'sql', 'external') AND s.on_failure IS DISTINCT FROM 'retried'
    ), figures AS (
        SELECT count(*) FILTER (WHERE l.is_agent) AS total,
               count(*) FILTER (WHERE l.is_agent AND l.status = 'completed') AS completed,
               count(*) FILTER (WHERE l.is_agent AND l.status IN ('failed', 'timed_out')) AS failed,
               COALESCE(sum(extract(epoch FROM l.duration)), 0) AS time
        FROM (SELECT leaf.*, CASE WHEN has_phase THEN phase = 'agents'
                                  WHEN has_agents THEN step_type = 'agent' ELSE true END AS is_agent
              FROM leaf) AS l
    ), phases AS (
        SELECT jsonb_object_agg(p.phase, p.time) AS times,
               jsonb_object_agg(p.phase, p.figures) AS figures
        FROM (SELECT s.phase,
                     round(sum(extract(epoch FROM s.duration)) FILTER (WHERE s.scope = ''), 3) AS time,
                     (SELECT jsonb_build_object(
                                 'steps', count(*),
                                 'completed', count(*) FILTER (WHERE l.status = 'completed'),
                                 'failed', count(*) FILTER (WHERE l.status IN ('failed', 'timed_out')),
                                 'success_rate', round(100.0 * count(*) FILTER (WHERE l.status = 'completed')
                                                       / NULLIF(count(*), 0), 1))
                      FROM leaf AS l WHERE l.phase = s.phase) AS figures
              FROM step AS s
              GROUP BY s.phase) AS p
    ), stuck AS (
        SELECT count(*) AS attempts FROM step AS s WHERE s.error_type = 'ExecutionStuck'
    ), parallel AS (
        SELECT jsonb_object_agg('parallel_' || b.step_id, jsonb_build_object(
                   'duration_ms', b.ms, 'successful_tasks', b.ok, 'failed_tasks', b.bad,
                   'speedup_vs_sequential', CASE WHEN b.ms > 0 THEN round(b.tasks / b.ms, 2) ELSE 1.0 END)) AS blocks
        FROM (SELECT step_id, round(sum(extract(epoch FROM duration)) * 1000, 3) AS ms,
                     round(sum(extract(epoch FROM task_time)) * 1000, 3) AS tasks,
                     sum(successful_tasks) AS ok, sum(failed_tasks) AS bad
              FROM workflow.blocks AS b WHERE b.execution_id = metrics.execution_id GROUP BY step_id) AS b
    )
    SELECT jsonb_build_object(
               'execution_id', e.execution_id,
               'status', e.status,
               'total_agents', f.total,
               'completed_agents', f.completed,
               'failed_agents', f.failed,
               'stuck_attempts', u.attempts,
               'success_rate', round(100.0 * f.completed / NULLIF(f.total, 0), 1),
               'queue_time', round(extract(epoch FROM e.queued), 3),
               'total_time', round(extract(epoch FROM e.duration), 3),
               'phase_times', COALESCE(p.times, '{}'),
               'phases', COALESCE(p.figures, '{}'),
               'speedup_factor', CASE WHEN extract(epoch FROM e.duration) > 0
                                      THEN round(f.time / extract(epoch FROM e.duration), 2) ELSE 1.0 END)
           || COALESCE(b.blocks, '{}')
    FROM execution AS e, figures AS f, phases AS p, stuck AS u, parallel AS b;
END;
COMMENT ON FUNCTION workflow.metrics(bigint) IS
'figures of one execution: total_agents, completed_agents, failed_agents and success_rate in '
'percent (of the steps in the phase "agents", a step of the top with children, where there is one; '
'else of the steps of type agent; else of all that run SQL; the last attempt of each counts), '
'stuck_attempts, queue_time and total_time in seconds, phase_times of the steps of the top in '
'seconds, phases with steps, completed, failed and success_rate of each of them, speedup_factor '
'(time of all steps / total time, measured), and for each container whose children run side by '
'side parallel_<step>: duration_ms, successful_tasks, failed_tasks, speedup_vs_sequential. What '
'retry() has set aside does not count. Null for an execution that does not exist or is not the '
'caller''s to see';

/* --- how far it is --- */

CREATE FUNCTION workflow.plan_steps(
    definition_id integer,
    OUT step_id text,
    OUT step_type text,
    OUT parent_step_id text,
    OUT line text,
    OUT longest boolean,
    OUT depth integer,
    OUT open_end boolean)
RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'workflow_plan_steps';
COMMENT ON FUNCTION workflow.plan_steps(integer) IS
'steps of a version of a workflow, by the number it has in workflow.definitions: their types, the '
'container and the line each is in, whether that is the container''s longest line, how deep, and '
'whether it is a loop of which nobody knows how often it will go round (while, until). Error: '
'42704 for an unknown number';

CREATE FUNCTION workflow.progress(execution_id bigint)
RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
BEGIN ATOMIC
    WITH RECURSIVE execution AS (
        SELECT * FROM workflow.execution_status AS e WHERE e.execution_id = progress.execution_id
    ), plan AS (
        SELECT p.* FROM execution AS e, workflow.plan_steps(e.definition_id) AS p
    ), counts AS (
        SELECT s.step_id,
               count(*) FILTER (WHERE s.attempt = 1) AS opened,
               count(*) FILTER (WHERE s.status <> 'running' AND s.on_failure IS DISTINCT FROM 'retried') AS ended,
               sum(s.loop_collection_size) FILTER (WHERE s.attempt = 1) AS size
        FROM workflow.step_status AS s
        WHERE s.execution_id = progress.execution_id
        GROUP BY s.step_id
    ), taken AS (
        SELECT s.step_id, s.branch_taken, count(*) AS times
        FROM workflow.step_status AS s
        WHERE s.execution_id = progress.execution_id AND s.branch_taken IS NOT NULL
        GROUP BY s.step_id, s.branch_taken
    ), expected AS (
        SELECT p.step_id, p.step_type, p.open_end, GREATEST(1, COALESCE(c.opened, 0))::numeric AS times
        FROM plan AS p LEFT JOIN counts AS c ON c.step_id = p.step_id
        WHERE p.parent_step_id IS NULL
        UNION ALL
        SELECT p.step_id, p.step_type, p.open_end,
               CASE x.step_type
                   WHEN 'loop' THEN
                       COALESCE(c.size, GREATEST(o.opened, 1))
                       + GREATEST(x.times - COALESCE(c.opened, 0), 0) * COALESCE(c.size / NULLIF(c.opened, 0), 1)
                       - CASE WHEN c.size IS NULL AND c.opened > 0 THEN 0
                              WHEN c.size IS NULL THEN 1 ELSE 0 END
                   WHEN 'conditional' THEN
                       COALESCE(t.times, 0)
                       + CASE WHEN p.longest THEN GREATEST(x.times - COALESCE(c.opened, 0), 0) ELSE 0 END
                   ELSE x.times
               END
        FROM expected AS x
             JOIN plan AS p ON p.parent_step_id = x.step_id
             LEFT JOIN counts AS c ON c.step_id = x.step_id
             LEFT JOIN counts AS o ON o.step_id = p.step_id
             LEFT JOIN taken AS t ON t.step_id = x.step_id AND t.branch_taken = p.line
    ), figures AS (
        /* the total is not known before the last while or until loop has ended */
        SELECT s.done, CASE WHEN NOT s.open_end OR e.completed_at IS NOT NULL THEN s.total END AS total
        FROM execution AS e,
             (SELECT COALESCE(sum(c.ended) FILTER (WHERE is_leaf), 0) AS done,
                     GREATEST(sum(GREATEST(x.times, COALESCE(c.ended, 0))) FILTER (WHERE is_leaf), 1) AS total,
                     COALESCE(bool_or(x.open_end AND x.times > COALESCE(c.ended, 0)), false) AS open_end
              FROM expected AS x LEFT JOIN counts AS c ON c.step_id = x.step_id,
                   LATERAL (SELECT x.step_type NOT IN ('parallel', 'fork_join', 'conditional', 'loop')) AS t (is_leaf)) AS s
    ), now_running AS (
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('step_id', a.step_id, 'scope', NULLIF(a.scope, ''),
                                                             'iteration', a.iteration, 'label', a.loop_label, 'attempt', a.attempt,
                                                             'seconds', round(extract(epoch FROM a.elapsed), 3)))
                         ORDER BY a.scope, a.step_id) AS steps
        FROM workflow.activity AS a
        WHERE a.execution_id = progress.execution_id
    ), past AS (
        SELECT avg(h.duration) AS duration
        FROM (SELECT h.duration
              FROM execution AS e, workflow.execution_status AS h
              WHERE h.execution_id < e.execution_id AND h.execution_id > e.execution_id - 10000
                AND h.workflow = e.workflow AND h.status = 'completed'
              ORDER BY h.execution_id DESC LIMIT 20) AS h
    )
    SELECT jsonb_build_object(
               'execution_id', e.execution_id,
               'workflow', e.workflow,
               'status', e.status,
               'done', f.done,
               'total', CASE WHEN e.status = 'completed' THEN f.done ELSE round(f.total) END,
               'percent', CASE WHEN e.status = 'completed' THEN 100
                               WHEN f.total IS NULL AND p.duration IS NULL THEN NULL
                               WHEN f.total IS NOT NULL THEN LEAST(99, floor(100.0 * f.done / f.total))
                               ELSE LEAST(99, floor(100.0 * extract(epoch FROM e.duration)
                                                    / NULLIF(extract(epoch FROM p.duration), 0))) END,
               'current_steps', COALESCE(r.steps, '[]'),
               'message', e.status || CASE WHEN e.status = 'completed' THEN ': ' || f.done || ' steps'
                                           ELSE ': ' || f.done || COALESCE(' of ' || round(f.total), '') || ' steps' END,
               'elapsed_seconds', round(extract(epoch FROM e.duration), 3),
               'expected_end', CASE WHEN e.status IN ('running', 'cancelling') THEN
                   CASE WHEN p.duration > e.duration THEN clock_timestamp() - e.duration + p.duration
                        WHEN f.done > 0 THEN clock_timestamp() - e.duration + e.duration * (f.total / f.done)::double precision END END)
    FROM execution AS e, figures AS f, now_running AS r, past AS p;
END;
COMMENT ON FUNCTION workflow.progress(bigint) IS
'how far an execution is: status, done and total (steps that are no containers; the total is an '
'estimate until all loops and branches are known, and null while a while or until loop is to come '
'or runs), percent (100 only when completed; where there is no total, of the time the last '
'completed executions took, null when there are none), current_steps, message, elapsed_seconds, '
'and expected_end, from the last completed executions of the workflow or, when it has outlived '
'those, from its own speed. Null for an execution that does not exist or is not the caller''s to '
'see';
/* Cumulative statistics of the engine, from shared memory. */

CREATE FUNCTION workflow.engine_counters(
    OUT database oid,
    OUT steps bigint,
    OUT steps_failed bigint,
    OUT retries bigint,
    OUT runs bigint,
    OUT commits bigint,
    OUT durable_commits bigint,
    OUT batched_commits bigint,
    OUT batched_steps bigint,
    OUT rollbacks bigint,
    OUT wal_bytes bigint,
    OUT executions_claimed bigint,
    OUT executions_completed bigint,
    OUT executions_failed bigint,
    OUT executions_timed_out bigint,
    OUT executions_cancelled bigint,
    OUT executions_recovered bigint,
    OUT executors_started bigint,
    OUT sql_time double precision,
    OUT bookkeeping_time double precision,
    OUT commit_time double precision,
    OUT idle_time double precision,
    OUT startup_time double precision,
    OUT queue_time double precision,
    OUT wait_time double precision,
    OUT scheduler_time double precision,
    OUT stats_reset timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 4
AS 'MODULE_PATHNAME', 'workflow_engine_counters';
COMMENT ON FUNCTION workflow.engine_counters() IS
'what the view engine_statistics is made of: the counters of all databases, from shared memory';

CREATE VIEW workflow.engine_statistics WITH (security_barrier) AS
SELECT d.datname AS database,
       c.steps,
       c.steps_failed,
       c.retries,
       c.runs,
       c.commits,
       c.durable_commits,
       c.batched_commits,
       c.batched_steps,
       c.rollbacks,
       c.wal_bytes,
       c.executions_claimed,
       c.executions_completed,
       c.executions_failed,
       c.executions_timed_out,
       c.executions_cancelled,
       c.executions_recovered,
       c.executors_started,
       c.sql_time,
       c.bookkeeping_time,
       c.commit_time,
       c.idle_time,
       c.startup_time,
       c.queue_time,
       c.wait_time,
       c.scheduler_time,
       c.stats_reset
FROM workflow.engine_counters() AS c
     JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) c.database;
COMMENT ON VIEW workflow.engine_statistics IS
'what the engine has done and where its time went, a row for each database with the extension, '
'since the server was started or since reset_engine_statistics(). The five times of executors, '
'from sql_time to startup_time, make up their lives. What execute() does in a session is not in it';
COMMENT ON COLUMN workflow.engine_statistics.database IS 'name of the database';
COMMENT ON COLUMN workflow.engine_statistics.steps IS
'attempts at steps that have ended and are committed';
COMMENT ON COLUMN workflow.engine_statistics.steps_failed IS
'how many of them did not complete: failed, timed out, cancelled, or refused by a circuit breaker';
COMMENT ON COLUMN workflow.engine_statistics.retries IS
'how many of those were followed by another attempt';
COMMENT ON COLUMN workflow.engine_statistics.runs IS
'number of times an executor has begun with something that was ready: an execution, a thread that '
'goes on, a range of children of a container';
COMMENT ON COLUMN workflow.engine_statistics.commits IS
'transactions of executors that have committed';
COMMENT ON COLUMN workflow.engine_statistics.durable_commits IS
'how many of them were to wait for the disk; the others were relaxed, or synchronous_commit was '
'off';
COMMENT ON COLUMN workflow.engine_statistics.batched_commits IS
'how many of them held more than one step';
COMMENT ON COLUMN workflow.engine_statistics.batched_steps IS 'steps in those';
COMMENT ON COLUMN workflow.engine_statistics.rollbacks IS
'transactions of executors that were rolled back; a step that fails alone in a batch is none';
COMMENT ON COLUMN workflow.engine_statistics.wal_bytes IS
'write-ahead log that executors and the scheduler have written, in bytes';
COMMENT ON COLUMN workflow.engine_statistics.executions_claimed IS
'executions taken from the queue, again after a pause or a retry';
COMMENT ON COLUMN workflow.engine_statistics.executions_completed IS
'executions that have completed';
COMMENT ON COLUMN workflow.engine_statistics.executions_failed IS 'executions that have failed';
COMMENT ON COLUMN workflow.engine_statistics.executions_timed_out IS
'executions that have timed out';
COMMENT ON COLUMN workflow.engine_statistics.executions_cancelled IS
'executions that were cancelled when they had begun';
COMMENT ON COLUMN workflow.engine_statistics.executions_recovered IS
'number of times an execution went on from its rows because its process, or the server, had ended';
COMMENT ON COLUMN workflow.engine_statistics.executors_started IS 'executors that have connected';
COMMENT ON COLUMN workflow.engine_statistics.sql_time IS
'time in the steps'' own statements, in milliseconds, with binding their values and converting '
'their results';
COMMENT ON COLUMN workflow.engine_statistics.bookkeeping_time IS
'time in the engine''s own work between them, in milliseconds: reading and writing rows, deciding '
'what comes next, rolling back';
COMMENT ON COLUMN workflow.engine_statistics.commit_time IS
'time in commits, in milliseconds: waiting for the disk and for synchronous standbys, and deferred '
'triggers and constraints of the steps';
COMMENT ON COLUMN workflow.engine_statistics.idle_time IS
'time in which executors had nothing to do, in milliseconds';
COMMENT ON COLUMN workflow.engine_statistics.startup_time IS
'time in which executors were starting and connecting, in milliseconds';
COMMENT ON COLUMN workflow.engine_statistics.queue_time IS
'sum of the times between start(), or start_at, and the claim of executions, in milliseconds; '
'waiting for room under a limit is part of it';
COMMENT ON COLUMN workflow.engine_statistics.wait_time IS
'sum of the times in which runs were ready and no executor had begun with them, in milliseconds; '
'of executions since their claim';
COMMENT ON COLUMN workflow.engine_statistics.scheduler_time IS
'time in which the scheduler was awake, in milliseconds';
COMMENT ON COLUMN workflow.engine_statistics.stats_reset IS
'since when it is counted: start of the server, or reset';

CREATE FUNCTION workflow.reset_engine_statistics()
RETURNS void
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_reset_engine_statistics';
COMMENT ON FUNCTION workflow.reset_engine_statistics() IS
'have the view engine_statistics count from zero, in this database, at once; a rollback does not '
'take it back. For superusers and whom they grant it to. Does nothing where the library is not in '
'shared_preload_libraries';
/*
 * Statistics by day, for as long as one likes: what ended is added to them once, by
 * roll_up_statistics() or by prune(), which deletes nothing before.
 */

CREATE TABLE workflow.statistics_days (
    day             date NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('workflow', 'step', 'agent', 'tenant')),
    workflow        text,
    name            text NOT NULL,
    role            workflow.role NOT NULL,
    total           bigint NOT NULL,
    completed       bigint NOT NULL,
    failed          bigint NOT NULL,
    timed_out       bigint NOT NULL,
    cancelled       bigint NOT NULL,
    stuck           bigint NOT NULL,
    retries         bigint NOT NULL,
    trips           bigint,
    queue_time      interval,
    run_time        interval,
    run_max         interval,
    queue_times     jsonb NOT NULL,
    run_times       jsonb NOT NULL,
    UNIQUE NULLS NOT DISTINCT (day, kind, workflow, name, role)
);
/* For publications: the key, which has a null for agents and tenants, cannot be it. */
ALTER TABLE workflow.statistics_days REPLICA IDENTITY FULL;
COMMENT ON TABLE workflow.statistics_days IS
'statistics of what ended, by day, kept when prune() deletes executions; the view '
'statistics_history shows them. A role sees its own, members of pg_monitor see all';
COMMENT ON COLUMN workflow.statistics_days.day IS 'day, of UTC, on which it ended';
COMMENT ON COLUMN workflow.statistics_days.kind IS 'workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics_days.workflow IS
'name of the workflow; null for agents and tenants';
COMMENT ON COLUMN workflow.statistics_days.name IS 'name of the workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics_days.role IS 'role that started the executions';
COMMENT ON COLUMN workflow.statistics_days.total IS
'number of executions, or of attempts at steps, that ended';
COMMENT ON COLUMN workflow.statistics_days.completed IS 'number of those that completed';
COMMENT ON COLUMN workflow.statistics_days.failed IS 'number of those that failed';
COMMENT ON COLUMN workflow.statistics_days.timed_out IS 'number of those that timed out';
COMMENT ON COLUMN workflow.statistics_days.cancelled IS 'number of those that were cancelled';
COMMENT ON COLUMN workflow.statistics_days.stuck IS
'number of those that did not stop when they were to: attempts at steps, or executions that ended '
'with the error ExecutionStuck';
COMMENT ON COLUMN workflow.statistics_days.retries IS
'steps and agents: attempts that were followed by another; workflows and tenants: how often '
'retry() let an execution go on';
COMMENT ON COLUMN workflow.statistics_days.trips IS
'agents: how often the circuit breaker has opened; null: has none of its own';
COMMENT ON COLUMN workflow.statistics_days.queue_time IS
'sum of the times from start() to the first executor; null for steps and agents';
COMMENT ON COLUMN workflow.statistics_days.run_time IS
'sum of the times they ran; null: none of them ran';
COMMENT ON COLUMN workflow.statistics_days.run_max IS 'longest of those times';
COMMENT ON COLUMN workflow.statistics_days.queue_times IS
'how many waited less than so many seconds, and not less than the next smaller number in the '
'series 1, 1.5, 2, 3, 5, 7, 10 ..';
COMMENT ON COLUMN workflow.statistics_days.run_times IS 'the same of the times they ran';

ALTER TABLE workflow.statistics_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY statistics_days_read ON workflow.statistics_days FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON POLICY statistics_days_read ON workflow.statistics_days IS
'a role sees statistics of what ran as it; members of pg_monitor see all';

CREATE TABLE workflow.statistics_state (
    singleton       boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    rolled_up_until timestamptz NOT NULL,
    rolled_up_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE workflow.statistics_state IS
'how far statistics_days have come, one row; none: nothing was rolled up';
COMMENT ON COLUMN workflow.statistics_state.singleton IS 'true: there is one row at most';
COMMENT ON COLUMN workflow.statistics_state.rolled_up_until IS
'what ended before this is in statistics_days';
COMMENT ON COLUMN workflow.statistics_state.rolled_up_at IS 'when it was rolled up last';
ALTER TABLE workflow.statistics_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY statistics_state_read ON workflow.statistics_state FOR SELECT USING (true);
COMMENT ON POLICY statistics_state_read ON workflow.statistics_state IS
'roles that may use workflows see how far statistics have come';

/* --- times as counts, so that those of several days can be added --- */

CREATE FUNCTION workflow.histogram_bound(duration interval)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT (b.bounds)[width_bucket(extract(epoch FROM duration), b.bounds) + 1]::text
    FROM (SELECT '{0.001,0.0015,0.002,0.003,0.005,0.007,0.01,0.015,0.02,0.03,0.05,0.07,0.1,0.15,0.2,0.3,0.5,0.7,1,1.5,2,3,5,7,10,15,20,30,50,70,100,150,200,300,500,700,1000,1500,2000,3000,5000,7000,10000,15000,20000,30000,50000,70000,100000,150000,200000,300000,500000,700000,1000000,1500000,2000000,3000000,5000000,7000000,Infinity}'::numeric[] AS bounds) AS b;
END;
COMMENT ON FUNCTION workflow.histogram_bound(interval) IS
'the key a time is counted under in statistics_days: the smallest number of seconds in the series '
'0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01 .. 7000000, Infinity that it is less than';

CREATE FUNCTION workflow.add_histograms(a jsonb, b jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT COALESCE(jsonb_object_agg(s.key, s.n), '{}')
    FROM (SELECT c.key, sum(c.value::bigint) AS n
          FROM (SELECT * FROM jsonb_each_text(a) UNION ALL SELECT * FROM jsonb_each_text(b)) AS c
          GROUP BY c.key) AS s;
END;
COMMENT ON FUNCTION workflow.add_histograms(jsonb, jsonb) IS
'the counts of two histograms together, key by key';

CREATE AGGREGATE workflow.merge_histograms(jsonb) (
    SFUNC = workflow.add_histograms,
    STYPE = jsonb,
    INITCOND = '{}',
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE workflow.merge_histograms(jsonb) IS
'the counts of several histograms together, for histogram_percentile(): run_times of a month, say';

CREATE FUNCTION workflow.histogram_percentile(histogram jsonb, fraction numeric)
RETURNS interval
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT make_interval(secs => LEAST(h.bound, 7000000)::double precision)
    FROM (SELECT c.key::numeric AS bound,
                 sum(c.value::bigint) OVER (ORDER BY c.key::numeric) AS upto,
                 sum(c.value::bigint) OVER () AS total
          FROM jsonb_each_text(histogram) AS c) AS h
    WHERE h.upto >= fraction * h.total AND h.total > 0
    ORDER BY h.bound LIMIT 1;
END;
COMMENT ON FUNCTION workflow.histogram_percentile(jsonb, numeric) IS
'the time that the given fraction (0 to 1) of a histogram took less than: the bound of the bucket '
'in which that one is, which is at most two thirds more than the time itself. Null when nothing '
'was counted';

/* --- rolling up --- */

/*
 * Not BEGIN ATOMIC, since it groups by roles: pg_upgrade creates functions before the operator
 * classes of the type, without which such a body is not accepted.
 */
CREATE FUNCTION workflow.statistics_between(
    since timestamptz,
    until timestamptz,
    OUT day date,
    OUT kind text,
    OUT workflow text,
    OUT name text,
    OUT role workflow.role,
    OUT total bigint,
    OUT completed bigint,
    OUT failed bigint,
    OUT timed_out bigint,
    OUT cancelled bigint,
    OUT stuck bigint,
    OUT retries bigint,
    OUT trips bigint,
    OUT queue_time interval,
    OUT run_time interval,
    OUT run_max interval,
    OUT queue_times jsonb,
    OUT run_times jsonb)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
    WITH ended AS MATERIALIZED (
        SELECT e.id, e.workflow, e.tenant, e.role, e.status, e.error_type, e.completed_at,
               /* an execution that was retried has been counted with its end before that, or
                  that end is gone */
               CASE WHEN e.created_at >= since THEN e.retries ELSE (e.retries > 0)::integer END AS retries,
               CASE WHEN e.retried_at IS NOT NULL THEN LEAST(e.retried_at, since) ELSE '-infinity' END AS steps_since,
               COALESCE(e.started_at, e.completed_at) - e.created_at AS queued,
               e.completed_at - e.started_at - CASE WHEN e.paused_at IS NULL AND e.pauses IS NULL THEN '0'
                                                     ELSE workflow.paused_time(e.pauses, e.paused_at, LEAST(e.paused_until, e.cancelled_at, e.completed_at),
                                                                               e.started_at, e.completed_at) END AS duration,
               e.pauses, e.paused_at, LEAST(e.paused_until, e.cancelled_at, e.completed_at) AS pause_ends
        FROM workflow.executions AS e
        WHERE e.completed_at >= since AND e.completed_at < until
          AND e.status IN ('completed', 'failed', 'cancelled', 'timed_out')
    ), steps AS MATERIALIZED (
        SELECT e.workflow, e.role, s.step_id, s.agent_name, s.status, s.error_type, s.completed_at,
               (s.on_failure IS NOT DISTINCT FROM 'retried')::integer AS retries,
               s.completed_at - s.started_at
                   - CASE WHEN e.paused_at IS NULL AND e.pauses IS NULL OR s.step_type NOT IN ('parallel', 'fork_join', 'conditional', 'loop') THEN '0'
                          ELSE workflow.paused_time(e.pauses, e.paused_at, e.pause_ends, s.started_at, s.completed_at) END AS duration
        FROM ended AS e JOIN workflow.step_executions AS s ON s.execution_id = e.id
        WHERE s.completed_at >= e.steps_since AND s.status <> 'skipped'
    ), figures AS MATERIALIZED (
        SELECT (f.at AT TIME ZONE 'UTC')::date AS day, f.kind, COALESCE(f.workflow, '') AS workflow, f.name, f.role,
               f.status, f.error_type, f.retries, f.queued, f.duration
        FROM (SELECT e.completed_at AS at, 'workflow' AS kind, e.workflow, e.workflow AS name, e.role, e.status, e.error_type, e.retries, e.queued, e.duration
              FROM ended AS e
              UNION ALL
              SELECT e.completed_at, 'tenant', NULL, e.tenant, e.role, e.status, e.error_type, e.retries, e.queued, e.duration
              FROM ended AS e WHERE e.tenant IS NOT NULL
              UNION ALL
              SELECT s.completed_at, 'step', s.workflow, s.step_id, s.role, s.status, s.error_type, s.retries, NULL, s.duration
              FROM steps AS s
              UNION ALL
              SELECT s.completed_at, 'agent', NULL, s.agent_name, s.role, s.status, s.error_type, s.retries, NULL, s.duration
              FROM steps AS s WHERE s.agent_name IS NOT NULL
              UNION ALL
              SELECT a.at, 'agent', NULL, a.subject, a.role, NULL, NULL, NULL, NULL, NULL
              FROM workflow.audit_entries AS a
              WHERE a.action = 'circuit_breaker_open' AND a.subject_type = 'agent' AND a.at >= since AND a.at < until) AS f
    ), sums AS (
        SELECT f.day, f.kind, f.workflow, f.name, f.role,
               count(f.status) AS total,
               count(*) FILTER (WHERE f.status = 'completed') AS completed,
               count(*) FILTER (WHERE f.status = 'failed') AS failed,
               count(*) FILTER (WHERE f.status = 'timed_out') AS timed_out,
               count(*) FILTER (WHERE f.status = 'cancelled') AS cancelled,
               count(*) FILTER (WHERE f.error_type = 'ExecutionStuck') AS stuck,
               COALESCE(sum(f.retries), 0) AS retries,
               count(*) FILTER (WHERE f.status IS NULL) AS trips,
               sum(f.queued) AS queue_time, sum(f.duration) AS run_time, max(f.duration) AS run_max
        FROM figures AS f GROUP BY f.day, f.kind, f.workflow, f.name, f.role
    ), queue_histograms AS (
        SELECT b.day, b.kind, b.workflow, b.name, b.role, jsonb_object_agg(b.bound, b.n) AS times
        FROM (SELECT f.day, f.kind, f.workflow, f.name, f.role, workflow.histogram_bound(f.queued) AS bound, count(*) AS n
              FROM figures AS f WHERE f.queued IS NOT NULL
              GROUP BY f.day, f.kind, f.workflow, f.name, f.role, workflow.histogram_bound(f.queued)) AS b
        GROUP BY b.day, b.kind, b.workflow, b.name, b.role
    ), run_histograms AS (
        SELECT b.day, b.kind, b.workflow, b.name, b.role, jsonb_object_agg(b.bound, b.n) AS times
        FROM (SELECT f.day, f.kind, f.workflow, f.name, f.role, workflow.histogram_bound(f.duration) AS bound, count(*) AS n
              FROM figures AS f WHERE f.duration IS NOT NULL
              GROUP BY f.day, f.kind, f.workflow, f.name, f.role, workflow.histogram_bound(f.duration)) AS b
        GROUP BY b.day, b.kind, b.workflow, b.name, b.role
    )
    SELECT s.day, s.kind, NULLIF(s.workflow, ''), s.name, s.role, s.total, s.completed, s.failed, s.timed_out, s.cancelled, s.stuck, s.retries,
           CASE WHEN s.kind = 'agent' THEN s.trips END, s.queue_time, s.run_time, s.run_max,
           COALESCE(q.times, '{}'), COALESCE(r.times, '{}')
    FROM sums AS s
         LEFT JOIN queue_histograms AS q ON q.day = s.day AND q.kind = s.kind AND q.workflow = s.workflow AND q.name = s.name
                                           AND q.role OPERATOR(workflow.=) s.role
         LEFT JOIN run_histograms AS r ON r.day = s.day AND r.kind = s.kind AND r.workflow = s.workflow AND r.name = s.name
                                           AND r.role OPERATOR(workflow.=) s.role
    ORDER BY s.day, s.kind, s.workflow, s.name, s.role;
$$;
COMMENT ON FUNCTION workflow.statistics_between(timestamptz, timestamptz) IS
'what statistics_days are made of: outcomes and times of what ended at or after one time and '
'before another, read from the rows there are. Use the view statistics_history';

CREATE FUNCTION workflow.roll_up_statistics(max_executions integer DEFAULT 50000)
RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_roll_up_statistics';
COMMENT ON FUNCTION workflow.roll_up_statistics(integer) IS
'add what has ended since the last time to the statistics by day, oldest first and at most about '
'max_executions executions; returns how many. Call it until it returns 0, or from time to time. '
'Each end is added once, whoever calls it how often; while another session does it 0 is returned. '
'Reads only, but for the statistics: no execution is locked or held back. What ended while a '
'transaction runs that might still write earlier ends is added later. For the owner of the '
'extension, or whom that grants it to. Errors: 22023 for a number that is not positive, 55000 '
'under REPEATABLE READ or SERIALIZABLE';

/* --- reading --- */

CREATE VIEW workflow.statistics_history WITH (security_barrier) AS
SELECT d.day,
       d.kind,
       d.workflow,
       d.name,
       sum(d.total)::bigint AS total,
       sum(d.completed)::bigint AS completed,
       sum(d.failed)::bigint AS failed,
       sum(d.timed_out)::bigint AS timed_out,
       sum(d.cancelled)::bigint AS cancelled,
       sum(d.stuck)::bigint AS stuck,
       sum(d.retries)::bigint AS retries,
       sum(d.trips)::bigint AS trips,
       round(100.0 * sum(d.completed) / NULLIF(sum(d.total - d.cancelled), 0), 1) AS success_rate,
       sum(d.queue_time) / NULLIF(sum(d.total), 0)::double precision AS queue_average,
       workflow.histogram_percentile(workflow.merge_histograms(d.queue_times), 0.5) AS queue_p50,
       workflow.histogram_percentile(workflow.merge_histograms(d.queue_times), 0.95) AS queue_p95,
       workflow.histogram_percentile(workflow.merge_histograms(d.queue_times), 0.99) AS queue_p99,
       sum(d.run_time) / NULLIF((SELECT sum(c.value::bigint) FROM jsonb_each_text(workflow.merge_histograms(d.run_times)) AS c), 0)::double precision AS run_average,
       LEAST(workflow.histogram_percentile(workflow.merge_histograms(d.run_times), 0.5), max(d.run_max)) AS run_p50,
       LEAST(workflow.histogram_percentile(workflow.merge_histograms(d.run_times), 0.95), max(d.run_max)) AS run_p95,
       LEAST(workflow.histogram_percentile(workflow.merge_histograms(d.run_times), 0.99), max(d.run_max)) AS run_p99,
       max(d.run_max) AS run_max,
       workflow.merge_histograms(d.queue_times) AS queue_times,
       workflow.merge_histograms(d.run_times) AS run_times
FROM workflow.statistics_days AS d
WHERE pg_has_role(d.role::oid, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
GROUP BY d.day, d.kind, d.workflow, d.name;
COMMENT ON VIEW workflow.statistics_history IS
'statistics by day of all that was rolled up, see roll_up_statistics(), also when the executions '
'have been pruned; a role''s own, all of them for members of pg_monitor';
COMMENT ON COLUMN workflow.statistics_history.day IS 'day, of UTC, on which it ended';
COMMENT ON COLUMN workflow.statistics_history.kind IS 'workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics_history.workflow IS
'name of the workflow; null for agents and tenants';
COMMENT ON COLUMN workflow.statistics_history.name IS 'name of the workflow, step, agent or tenant';
COMMENT ON COLUMN workflow.statistics_history.total IS
'number of executions, or of attempts at steps, that ended';
COMMENT ON COLUMN workflow.statistics_history.completed IS 'number of those that completed';
COMMENT ON COLUMN workflow.statistics_history.failed IS 'number of those that failed';
COMMENT ON COLUMN workflow.statistics_history.timed_out IS 'number of those that timed out';
COMMENT ON COLUMN workflow.statistics_history.cancelled IS 'number of those that were cancelled';
COMMENT ON COLUMN workflow.statistics_history.stuck IS
'number of those that did not stop when they were to: attempts at steps, or executions that ended '
'with the error ExecutionStuck';
COMMENT ON COLUMN workflow.statistics_history.retries IS
'steps and agents: attempts that were followed by another; workflows and tenants: how often '
'retry() let an execution go on';
COMMENT ON COLUMN workflow.statistics_history.trips IS
'agents: how often the circuit breaker has opened; null: has none of its own';
COMMENT ON COLUMN workflow.statistics_history.success_rate IS
'completed ones, percent of those not cancelled';
COMMENT ON COLUMN workflow.statistics_history.queue_average IS
'average time from start() to the first executor; null for steps and agents';
COMMENT ON COLUMN workflow.statistics_history.queue_p50 IS
'half of them waited less than that: a bound of queue_times';
COMMENT ON COLUMN workflow.statistics_history.queue_p95 IS
'95 per cent of them waited less than that: a bound of queue_times';
COMMENT ON COLUMN workflow.statistics_history.queue_p99 IS
'99 per cent of them waited less than that: a bound of queue_times';
COMMENT ON COLUMN workflow.statistics_history.run_average IS
'average time from the first executor to the end';
COMMENT ON COLUMN workflow.statistics_history.run_p50 IS
'half of them took no longer: a bound of run_times, or run_max';
COMMENT ON COLUMN workflow.statistics_history.run_p95 IS
'95 per cent of them took no longer: a bound of run_times, or run_max';
COMMENT ON COLUMN workflow.statistics_history.run_p99 IS
'99 per cent of them took no longer: a bound of run_times, or run_max';
COMMENT ON COLUMN workflow.statistics_history.run_max IS 'longest time, exact';
COMMENT ON COLUMN workflow.statistics_history.queue_times IS
'how many waited less than so many seconds, and not less than the next smaller number in the '
'series 1, 1.5, 2, 3, 5, 7, 10 ..';
COMMENT ON COLUMN workflow.statistics_history.run_times IS
'the same of the times they ran; merge_histograms() adds several, histogram_percentile() reads '
'them';
/*
 * Schedules: workflows started by pg_cron.
 *
 * pg_cron is not required: it gives the beat only, by a job for each schedule that
 * calls schedule_tick().  What a schedule says, and when it is due, is here.
 */

CREATE TABLE workflow.schedule_entries (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    workflow        text NOT NULL,
    version         integer,
    cron            text NOT NULL,
    timezone        text NOT NULL,
    input           jsonb NOT NULL,
    priority        integer,
    tenant          text,
    start_at        timestamptz,
    end_at          timestamptz,
    max_concurrent_runs integer NOT NULL CHECK (max_concurrent_runs > 0),
    overlap         text NOT NULL CHECK (overlap IN ('skip', 'queue', 'replace')),
    max_lateness    interval NOT NULL,
    enabled         boolean NOT NULL,
    role            workflow.role NOT NULL,
    description     text,
    next_run_at     timestamptz,
    job_schedule    text,             -- of its job in cron.job; null: it has none
    pause_reason    text,
    created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

COMMENT ON TABLE workflow.schedule_entries IS
'schedules, as workflow.schedule() was told; the view workflow.schedules shows how they are doing. '
'A role sees its own';
COMMENT ON COLUMN workflow.schedule_entries.id IS 'number of the schedule';
COMMENT ON COLUMN workflow.schedule_entries.name IS 'name of the schedule';
COMMENT ON COLUMN workflow.schedule_entries.workflow IS 'workflow it starts';
COMMENT ON COLUMN workflow.schedule_entries.version IS
'version it starts; null: the newest active one';
COMMENT ON COLUMN workflow.schedule_entries.cron IS 'when: a cron expression, or "N seconds"';
COMMENT ON COLUMN workflow.schedule_entries.timezone IS 'time zone of the expression';
COMMENT ON COLUMN workflow.schedule_entries.input IS 'input of the executions, with placeholders';
COMMENT ON COLUMN workflow.schedule_entries.priority IS
'priority of the executions; null: the definition''s';
COMMENT ON COLUMN workflow.schedule_entries.tenant IS 'tenant of the executions';
COMMENT ON COLUMN workflow.schedule_entries.start_at IS 'not due before; null: at once';
COMMENT ON COLUMN workflow.schedule_entries.end_at IS 'not due after; null: no end';
COMMENT ON COLUMN workflow.schedule_entries.max_concurrent_runs IS
'so many of its executions may run at a time';
COMMENT ON COLUMN workflow.schedule_entries.overlap IS
'what happens when it is due and so many run: skip, queue or replace';
COMMENT ON COLUMN workflow.schedule_entries.max_lateness IS
'a time that is noticed later than this is missed';
COMMENT ON COLUMN workflow.schedule_entries.enabled IS 'false: paused';
COMMENT ON COLUMN workflow.schedule_entries.role IS
'role that made it and that its executions run as';
COMMENT ON COLUMN workflow.schedule_entries.description IS 'description';
COMMENT ON COLUMN workflow.schedule_entries.next_run_at IS
'when it is due next; null: paused, or over';
COMMENT ON COLUMN workflow.schedule_entries.job_schedule IS
'schedule of its job in cron.job, in pg_cron''s time zone; null: it has no job';
COMMENT ON COLUMN workflow.schedule_entries.pause_reason IS 'reason given to pause_schedule()';
COMMENT ON COLUMN workflow.schedule_entries.created_at IS 'when it was made';
COMMENT ON COLUMN workflow.schedule_entries.updated_at IS 'when it was changed last, by somebody';

CREATE TABLE workflow.schedule_run_entries (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule_id     integer NOT NULL,
    schedule        text NOT NULL,
    role            workflow.role NOT NULL,
    due_at          timestamptz NOT NULL,
    decided_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    manual          boolean NOT NULL,
    outcome         text NOT NULL CHECK (outcome IN ('started', 'queued', 'skipped', 'missed', 'failed')),
    execution_id    bigint,
    reason          text
);
CREATE INDEX schedule_run_entries_schedule_idx ON workflow.schedule_run_entries (schedule_id, id);
CREATE INDEX schedule_run_entries_decided_at_idx ON workflow.schedule_run_entries (decided_at);

COMMENT ON TABLE workflow.schedule_run_entries IS
'what became of each time a schedule was due; a role sees its own';
COMMENT ON COLUMN workflow.schedule_run_entries.id IS 'number of the entry';
COMMENT ON COLUMN workflow.schedule_run_entries.schedule_id IS 'number of the schedule';
COMMENT ON COLUMN workflow.schedule_run_entries.schedule IS 'name of the schedule';
COMMENT ON COLUMN workflow.schedule_run_entries.role IS 'role of the schedule';
COMMENT ON COLUMN workflow.schedule_run_entries.due_at IS
'when it was due, or run_schedule_now() was called';
COMMENT ON COLUMN workflow.schedule_run_entries.decided_at IS 'when that was noticed';
COMMENT ON COLUMN workflow.schedule_run_entries.manual IS 'by run_schedule_now()';
COMMENT ON COLUMN workflow.schedule_run_entries.outcome IS
'started; queued: started, and runs when another has ended; skipped: another one ran; missed: '
'noticed too late; failed: could not be started';
COMMENT ON COLUMN workflow.schedule_run_entries.execution_id IS 'execution that was started';
COMMENT ON COLUMN workflow.schedule_run_entries.reason IS 'why it was skipped, missed or failed';

ALTER TABLE workflow.schedule_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY schedule_entries_read ON workflow.schedule_entries FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY schedule_entries_read ON workflow.schedule_entries IS
'a role sees the schedules of the roles whose rights it has';

ALTER TABLE workflow.schedule_run_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY schedule_run_entries_read ON workflow.schedule_run_entries FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY schedule_run_entries_read ON workflow.schedule_run_entries IS
'a role sees what became of its schedules';

/* The reason of a failure is the message of an error. */
CREATE VIEW workflow.schedule_runs WITH (security_barrier) AS
SELECT r.id,
       r.schedule_id,
       r.schedule,
       r.role,
       r.due_at,
       r.decided_at,
       r.manual,
       r.outcome,
       r.execution_id,
       CASE WHEN r.outcome OPERATOR(pg_catalog.<>) 'failed'
                 OR pg_catalog.pg_has_role(r.role::pg_catalog.oid, 'USAGE') THEN r.reason END AS reason
FROM workflow.schedule_run_entries AS r
WHERE pg_catalog.pg_has_role(r.role::pg_catalog.oid, 'USAGE')
   OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.schedule_runs IS
'what became of each time a schedule was due; a role sees its own, members of pg_monitor see all, '
'of others without why they failed';
COMMENT ON COLUMN workflow.schedule_runs.id IS 'number of the entry';
COMMENT ON COLUMN workflow.schedule_runs.schedule_id IS 'number of the schedule';
COMMENT ON COLUMN workflow.schedule_runs.schedule IS 'name of the schedule';
COMMENT ON COLUMN workflow.schedule_runs.role IS 'role of the schedule';
COMMENT ON COLUMN workflow.schedule_runs.due_at IS
'when it was due, or run_schedule_now() was called';
COMMENT ON COLUMN workflow.schedule_runs.decided_at IS 'when that was noticed';
COMMENT ON COLUMN workflow.schedule_runs.manual IS 'by run_schedule_now()';
COMMENT ON COLUMN workflow.schedule_runs.outcome IS
'started; queued: started, and runs when another has ended; skipped: another one ran; missed: '
'noticed too late; failed: could not be started';
COMMENT ON COLUMN workflow.schedule_runs.execution_id IS 'execution that was started';
COMMENT ON COLUMN workflow.schedule_runs.reason IS 'why it was skipped, missed or failed';

CREATE VIEW workflow.schedules WITH (security_barrier) AS
SELECT s.name,
       s.workflow,
       s.cron,
       s.timezone,
       s.enabled,
       s.next_run_at,
       r.due_at AS last_run_at,
       COALESCE(e.status, r.outcome) AS last_outcome,
       r.execution_id AS last_execution_id,
       COALESCE(CASE WHEN o.own OR r.outcome OPERATOR(pg_catalog.<>) 'failed' THEN r.reason END, e.error_type) AS last_reason,
       l.running,
       l.queued,
       s.overlap,
       s.max_concurrent_runs,
       s.version,
       s.start_at,
       s.end_at,
       s.max_lateness,
       s.priority,
       s.tenant,
       s.role,
       s.job_schedule,
       CASE WHEN o.own THEN s.pause_reason END AS pause_reason,
       s.description,
       s.created_at,
       s.updated_at,
       CASE WHEN o.own THEN s.input END AS input
FROM workflow.schedule_entries AS s
     CROSS JOIN LATERAL (SELECT pg_catalog.pg_has_role(s.role::pg_catalog.oid, 'USAGE') AS own) AS o
     LEFT JOIN LATERAL (SELECT x.due_at, x.outcome, x.execution_id, x.reason
                        FROM workflow.schedule_run_entries AS x
                        WHERE x.schedule_id OPERATOR(pg_catalog.=) s.id
                        ORDER BY x.id DESC LIMIT 1) AS r ON true
     LEFT JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) r.execution_id
     CROSS JOIN LATERAL (SELECT pg_catalog.count(*) FILTER (WHERE x.start_at IS DISTINCT FROM 'infinity') AS running,
                                pg_catalog.count(*) FILTER (WHERE x.start_at OPERATOR(pg_catalog.=) 'infinity') AS queued
                         FROM workflow.executions AS x
                         WHERE x.schedule_id OPERATOR(pg_catalog.=) s.id
                           AND x.status IN ('pending', 'running', 'paused', 'cancelling', 'blocked')) AS l
WHERE o.own OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');

COMMENT ON VIEW workflow.schedules IS
'schedules and how they are doing: a role''s own; all of them for members of pg_monitor, without '
'input, reason of a pause, and why they failed';
COMMENT ON COLUMN workflow.schedules.name IS 'name of the schedule';
COMMENT ON COLUMN workflow.schedules.workflow IS 'workflow it starts';
COMMENT ON COLUMN workflow.schedules.cron IS 'when: a cron expression, or "N seconds"';
COMMENT ON COLUMN workflow.schedules.timezone IS 'time zone of the expression';
COMMENT ON COLUMN workflow.schedules.enabled IS 'false: paused';
COMMENT ON COLUMN workflow.schedules.next_run_at IS 'when it is due next; null: paused, or over';
COMMENT ON COLUMN workflow.schedules.last_run_at IS
'when it was due last, or run_schedule_now() was called';
COMMENT ON COLUMN workflow.schedules.last_outcome IS
'what became of that: status of the execution; or skipped, missed, failed; started when the '
'execution has been pruned';
COMMENT ON COLUMN workflow.schedules.last_execution_id IS 'execution that was started then';
COMMENT ON COLUMN workflow.schedules.last_reason IS
'why it was skipped, missed or failed, or type of the execution''s error';
COMMENT ON COLUMN workflow.schedules.running IS
'number of its executions that have not ended, without the next column''s';
COMMENT ON COLUMN workflow.schedules.queued IS
'number of its executions that wait for another to end';
COMMENT ON COLUMN workflow.schedules.overlap IS
'what happens when it is due and max_concurrent_runs run: skip, queue or replace';
COMMENT ON COLUMN workflow.schedules.max_concurrent_runs IS
'so many of its executions may run at a time';
COMMENT ON COLUMN workflow.schedules.version IS 'version it starts; null: the newest active one';
COMMENT ON COLUMN workflow.schedules.start_at IS 'not due before; null: at once';
COMMENT ON COLUMN workflow.schedules.end_at IS 'not due after; null: no end';
COMMENT ON COLUMN workflow.schedules.max_lateness IS
'a time that is noticed later than this is missed';
COMMENT ON COLUMN workflow.schedules.priority IS
'priority of the executions; null: the definition''s';
COMMENT ON COLUMN workflow.schedules.tenant IS 'tenant of the executions';
COMMENT ON COLUMN workflow.schedules.role IS 'role that made it and that its executions run as';
COMMENT ON COLUMN workflow.schedules.job_schedule IS
'schedule of its job in cron.job, in pg_cron''s time zone; null: it has no job';
COMMENT ON COLUMN workflow.schedules.pause_reason IS
'reason given to pause_schedule(); null for schedules of others';
COMMENT ON COLUMN workflow.schedules.description IS 'description';
COMMENT ON COLUMN workflow.schedules.created_at IS 'when it was made';
COMMENT ON COLUMN workflow.schedules.updated_at IS 'when it was changed last, by somebody';
COMMENT ON COLUMN workflow.schedules.input IS
'input of the executions, with placeholders; null for schedules of others';

/* what waits, and what for: as state/admission.c counts */
CREATE VIEW workflow.schedule_queue WITH (security_barrier) AS
SELECT e.id AS execution_id,
       s.name AS schedule,
       o.running,
       s.max_concurrent_runs,
       f.id AS first_execution_id,
       f.status AS first_status
FROM workflow.executions AS e
     JOIN workflow.schedule_entries AS s ON s.id OPERATOR(pg_catalog.=) e.schedule_id
     CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS running, pg_catalog.min(x.id) AS first
                         FROM workflow.executions AS x
                         WHERE x.schedule_id OPERATOR(pg_catalog.=) s.id
                           AND x.status OPERATOR(pg_catalog.=) ANY ('{pending,running,paused,cancelling,blocked}'::pg_catalog.text[])
                           AND NOT COALESCE(x.start_at OPERATOR(pg_catalog.=) 'infinity'::pg_catalog.timestamptz, false)) AS o
     LEFT JOIN workflow.executions AS f ON f.id OPERATOR(pg_catalog.=) o.first
WHERE e.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text
  AND e.start_at OPERATOR(pg_catalog.=) 'infinity'::pg_catalog.timestamptz
  AND NOT e.limited
  AND (pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
       OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));

COMMENT ON VIEW workflow.schedule_queue IS
'executions that wait for others of their schedule to end, and for which: a role''s own; all of '
'them for members of pg_monitor';
COMMENT ON COLUMN workflow.schedule_queue.execution_id IS 'execution that waits';
COMMENT ON COLUMN workflow.schedule_queue.schedule IS 'name of its schedule';
COMMENT ON COLUMN workflow.schedule_queue.running IS
'number of executions of the schedule that have not ended and do not wait, paused and blocked ones '
'included';
COMMENT ON COLUMN workflow.schedule_queue.max_concurrent_runs IS
'so many of them may be there; when there are fewer, the oldest that waits is let go';
COMMENT ON COLUMN workflow.schedule_queue.first_execution_id IS 'the oldest of them';
COMMENT ON COLUMN workflow.schedule_queue.first_status IS 'its status';

CREATE FUNCTION workflow.schedule(
    name text,
    workflow text,
    cron text,
    input jsonb DEFAULT '{}',
    timezone text DEFAULT 'UTC',
    start_at timestamptz DEFAULT NULL,
    end_at timestamptz DEFAULT NULL,
    max_concurrent_runs integer DEFAULT 1,
    overlap text DEFAULT 'skip',
    enabled boolean DEFAULT true,
    version integer DEFAULT NULL,
    priority integer DEFAULT NULL,
    tenant text DEFAULT NULL,
    max_lateness interval DEFAULT '10 minutes',
    description text DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_schedule';
COMMENT ON FUNCTION workflow.schedule(text, text, text, jsonb, text, timestamptz, timestamptz, integer, text, boolean, integer, integer, text, interval, text) IS
'have pg_cron start a workflow at the times of a cron expression, as the calling role, or change a '
'schedule of that name; returns when it is due next. overlap: skip, queue or replace, when it is '
'due and max_concurrent_runs (1 or more) of its executions have not ended. input may hold '
'placeholders such as ${date}. A time noticed later than max_lateness is missed. Errors: 22023 for '
'an expression, time zone or placeholder that is none, 42704 for an unknown workflow, 42501 when '
'the name belongs to another role or pg_cron may not be used, 42710 when pg_cron has another job '
'of the same name, 55000 where there is no pg_cron';

CREATE FUNCTION workflow.unschedule(name text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_unschedule';
COMMENT ON FUNCTION workflow.unschedule(text) IS
'remove a schedule and its job; executions go on, those that wait for another to end are '
'cancelled. Errors: 42704 when there is none, 42501 for others than its role';

CREATE FUNCTION workflow.pause_schedule(name text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_pause_schedule';
COMMENT ON FUNCTION workflow.pause_schedule(text, text) IS
'have a schedule start nothing until resume_schedule(); executions go on. Pausing twice is no '
'error. Errors: 42704 when there is none, 42501 for others than its role';

CREATE FUNCTION workflow.resume_schedule(name text)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_resume_schedule';
COMMENT ON FUNCTION workflow.resume_schedule(text) IS
'have a paused schedule start executions again; returns when it is due next. What was due '
'meanwhile is not made up for. Errors: 42704 when there is none, 42501 for others than its role, '
'55000 where there is no pg_cron';

CREATE FUNCTION workflow.run_schedule_now(name text)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_run_schedule_now';
COMMENT ON FUNCTION workflow.run_schedule_now(text) IS
'start an execution as the schedule would, now, also when it is paused or over; returns its id, '
'null when it was skipped because others run. Errors: 42704 when there is none, 42501 for others '
'than its role, and those of start()';

CREATE FUNCTION workflow.schedule_tick(name text)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_schedule_tick';
COMMENT ON FUNCTION workflow.schedule_tick(text) IS
'for pg_cron''s jobs: start an execution if the schedule is due, record what came of it, and say '
'so. Calling it more often does no harm. Errors: 42704 when there is no such schedule, 42501 for '
'others than its role';

CREATE FUNCTION workflow.next_runs(
    cron text,
    timezone text DEFAULT 'UTC',
    after timestamptz DEFAULT pg_catalog.now(),
    count integer DEFAULT 1)
RETURNS SETOF timestamptz
LANGUAGE c STABLE PARALLEL SAFE ROWS 1
AS 'MODULE_PATHNAME', 'workflow_next_runs';
COMMENT ON FUNCTION workflow.next_runs(text, text, timestamptz, integer) IS
'the first times after a given one, count (1 to 10000) of them, at which a cron expression is due '
'in a time zone. Errors: 22023 for an expression or a time zone that is none, or another count';

CREATE FUNCTION workflow.sync_schedules()
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_sync_schedules';
COMMENT ON FUNCTION workflow.sync_schedules() IS
'have pg_cron''s jobs be what the caller''s schedules need, whatever role they have got, after a '
'restore or after pg_cron''s time zone was changed; returns how many have a job. Errors: 42501 '
'when pg_cron may not be used, 55000 where there is none';

CREATE FUNCTION workflow.schedule_jobs(
    OUT schedule text,
    OUT job text,
    OUT database text,
    OUT role regrole,
    OUT job_schedule text,
    OUT active boolean)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workflow_schedule_jobs';
COMMENT ON FUNCTION workflow.schedule_jobs() IS
'what alerts are made of: the jobs of pg_cron that are ours, as they are, and a row without a job '
'for each schedule that should have one; no rows where pg_cron is in another database. schedule: '
'name of the schedule, null for one of another database, or that is gone; role: null when there is '
'none of its name. A role''s own, and those of its schedules; all of them for members of '
'pg_monitor';

CREATE FUNCTION workflow.schedule_housekeeping(
    older_than interval DEFAULT '30 days',
    cron text DEFAULT '17 3 * * *',
    timezone text DEFAULT 'UTC',
    name text DEFAULT 'housekeeping',
    audit_older_than interval DEFAULT '1 year',
    statistics_older_than interval DEFAULT '10 years')
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_schedule_housekeeping';
COMMENT ON FUNCTION workflow.schedule_housekeeping(interval, text, text, text, interval, interval) IS
'define the workflow pg_workflow.housekeeping, which calls roll_up_statistics() until all that has '
'ended is in the statistics by day, and then prune() with the ages given here until nothing is '
'older; and schedule this version of it; the workflow belongs to the owner of the extension. Null '
'for audit_older_than or statistics_older_than: those are kept. Returns when it is due next. For '
'the owner of the extension, or whom that grants it, prune() and roll_up_statistics() to. Errors: '
'22023 for a negative age, and those of schedule()';
/* Sending executors home, one by one or all. */

CREATE FUNCTION workflow.drain_executor(pid integer, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_drain_executor';
COMMENT ON FUNCTION workflow.drain_executor(integer, text) IS
'have an executor finish the step it runs and leave; what else it had to do goes on elsewhere. '
'Takes effect when the transaction commits, and is not waited for. False, with a warning, when '
'there is no such executor. For the role of the executor and its members, members of '
'pg_signal_backend and the owner of the extension. Error: 42501 for others';

CREATE FUNCTION workflow.recycle_executor(pid integer, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_recycle_executor';
COMMENT ON FUNCTION workflow.recycle_executor(integer, text) IS
'the same as drain_executor(), and another executor can take its place at once. A step that was '
'asked to stop, or whose time is over, and that does not end is given no more time. Errors as '
'there';

CREATE TABLE workflow.database_state (
    singleton       boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    drain           text NOT NULL CHECK (drain IN ('executions', 'steps')),
    drained_by      workflow.role NOT NULL,
    drained_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    drain_reason    text
);
COMMENT ON TABLE workflow.database_state IS
'what drain() has asked for, one row; none: executions run as ever. Written by drain() and '
'undrain()';
COMMENT ON COLUMN workflow.database_state.singleton IS 'true: there is one row at most';
COMMENT ON COLUMN workflow.database_state.drain IS 'executions: none is begun; steps: none is run';
COMMENT ON COLUMN workflow.database_state.drained_by IS 'role that called drain()';
COMMENT ON COLUMN workflow.database_state.drained_at IS 'when it did';
COMMENT ON COLUMN workflow.database_state.drain_reason IS 'reason it gave';

ALTER TABLE workflow.database_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY database_state_read ON workflow.database_state FOR SELECT USING (true);
COMMENT ON POLICY database_state_read ON workflow.database_state IS
'roles that may use workflows see whether they run';

CREATE FUNCTION workflow.drain(reason text DEFAULT NULL, mode text DEFAULT 'executions')
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_drain';
COMMENT ON FUNCTION workflow.drain(text, text) IS
'let the workflows of this database run dry, before maintenance say. Mode executions: those that '
'run go on to their end, and none is begun; steps: those that run stop behind the step they are '
'at, and nothing is begun. New ones are queued. Lasts until undrain(), also over restarts of the '
'server. Not waited for: drained() tells. For the owner of the extension, or whom that grants it '
'to. Errors: 22023 for another mode, 22004 for a null';

CREATE FUNCTION workflow.undrain(reason text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_undrain';
COMMENT ON FUNCTION workflow.undrain(text) IS
'have workflows run again after drain(). For the owner of the extension, or whom that grants it to';

CREATE FUNCTION workflow.drained()
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_drained';
COMMENT ON FUNCTION workflow.drained() IS
'whether drain() was called and has come to its end: nothing runs any more, in mode executions no '
'execution is under way either. Quarantined executors do not count';

CREATE VIEW workflow.drain_status WITH (security_barrier) AS
SELECT s.drain AS mode,
       s.drained_by,
       s.drained_at,
       s.drain_reason AS reason,
       workflow.drained() AS drained,
       (SELECT pg_catalog.count(*) FROM workflow.executor_slots() AS e
        WHERE e.database OPERATOR(pg_catalog.=)
              (SELECT d.oid FROM pg_catalog.pg_database AS d
               WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())) AS executors,
       (SELECT pg_catalog.count(*) FROM workflow.executions AS x
        WHERE x.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])) AS running
FROM workflow.database_state AS s;
COMMENT ON VIEW workflow.drain_status IS 'how far drain() has come; no row: it was not called';
COMMENT ON COLUMN workflow.drain_status.mode IS 'executions or steps, see workflow.drain()';
COMMENT ON COLUMN workflow.drain_status.drained_by IS 'role that called drain()';
COMMENT ON COLUMN workflow.drain_status.drained_at IS 'when it did';
COMMENT ON COLUMN workflow.drain_status.reason IS 'reason it gave';
COMMENT ON COLUMN workflow.drain_status.drained IS 'what workflow.drained() says';
COMMENT ON COLUMN workflow.drain_status.executors IS
'executors of this database that are there still';
COMMENT ON COLUMN workflow.drain_status.running IS 'executions that are under way';
/* Compensations: what of an execution that did not complete has been undone. */

CREATE VIEW workflow.compensations WITH (security_barrier) AS
SELECT s.execution_id,
       e.workflow,
       s.scope,
       s.step_id,
       s.visit,
       s.completed_at,
       (d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) s.step_id
           OPERATOR(pg_catalog.->>) 'compensate') AS compensation,
       CASE WHEN u.status IS NOT NULL AND u.retry_at IS NULL THEN u.status
            WHEN e.ending IS NOT NULL THEN 'pending'
            ELSE 'not_run' END AS status,
       COALESCE(u.attempt, 0) AS attempts,
       u.started_at AS compensation_started_at,
       u.completed_at AS compensation_completed_at,
       u.error_type,
       CASE WHEN pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') THEN u.error END AS error
FROM workflow.step_executions AS s
     JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) s.execution_id
     JOIN workflow.definitions AS d ON d.id OPERATOR(pg_catalog.=) e.definition_id
     LEFT JOIN LATERAL (
         SELECT c.status, c.attempt, c.retry_at, c.started_at, c.completed_at, c.error_type, c.error
         FROM workflow.step_executions AS c
         WHERE c.execution_id OPERATOR(pg_catalog.=) s.execution_id
           AND c.scope OPERATOR(pg_catalog.=) s.scope
           AND c.step_id OPERATOR(pg_catalog.=) (d.definition OPERATOR(pg_catalog.->) 'steps'
               OPERATOR(pg_catalog.->) s.step_id OPERATOR(pg_catalog.->>) 'compensate')
           AND c.visit OPERATOR(pg_catalog.=) s.visit
         ORDER BY c.attempt DESC LIMIT 1) AS u ON true
WHERE s.status OPERATOR(pg_catalog.=) 'completed'
  AND pg_catalog.left(s.scope, 1) OPERATOR(pg_catalog.<>) '~'
  AND (e.ending IS NOT NULL OR e.status OPERATOR(pg_catalog.=) ANY ('{failed,timed_out,cancelled}'::pg_catalog.text[]))
  AND (d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) s.step_id
           OPERATOR(pg_catalog.->>) 'compensate') IS NOT NULL
  AND (pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')
       OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON VIEW workflow.compensations IS
'the completed steps with a compensation of executions that did not complete, or are about not to, '
'and what has become of the compensation; a role''s own, all for members of pg_monitor, without '
'error';
COMMENT ON COLUMN workflow.compensations.execution_id IS 'execution the step belongs to';
COMMENT ON COLUMN workflow.compensations.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.compensations.scope IS 'scope of the step, and of its compensation';
COMMENT ON COLUMN workflow.compensations.step_id IS 'id of the step that completed';
COMMENT ON COLUMN workflow.compensations.visit IS 'visit of the step, and of its compensation';
COMMENT ON COLUMN workflow.compensations.completed_at IS
'when the step completed; the last one is undone first';
COMMENT ON COLUMN workflow.compensations.compensation IS 'id of the step that undoes it';
COMMENT ON COLUMN workflow.compensations.status IS
'completed, failed, timed_out, skipped (its "when" is false) or cancelled; pending: not ended yet; '
'not_run: the execution ended without it';
COMMENT ON COLUMN workflow.compensations.attempts IS 'attempts at the compensation that have ended';
COMMENT ON COLUMN workflow.compensations.compensation_started_at IS 'when its last attempt began';
COMMENT ON COLUMN workflow.compensations.compensation_completed_at IS 'when its last attempt ended';
COMMENT ON COLUMN workflow.compensations.error_type IS 'type of the error of its last attempt';
COMMENT ON COLUMN workflow.compensations.error IS
'error of its last attempt; null for executions of others';
/*
 * What belongs to whom, and giving it to somebody else: a role may be gone, since it
 * was dropped, or since a dump was restored without it.
 */

/*
 * Executions by the conditions of the indexes that have those that are not over.
 *
 * Roles are the same that have the same OID, and of nobody's, 1, those that are shown the same: so
 * it is grouped by these, not by the type.  Functions depend on this view, so pg_upgrade creates it
 * before the operator classes of the type, without which GROUP BY does not take it.
 */
CREATE VIEW workflow.owners WITH (security_barrier) AS
SELECT o.owner, ('{workflow,agent,schedule,open execution,dead letter}'::pg_catalog.text[])[o.place] AS kind, o.place, o.count,
       workflow.role_missing(o.owner) AS missing
FROM (SELECT (pg_catalog.max(ARRAY[b.owner]))[1] AS owner, b.place, pg_catalog.count(*) AS count
      FROM (SELECT d.owner, 1 AS place FROM workflow.definitions AS d
            WHERE NOT EXISTS (SELECT FROM workflow.definitions AS n
                              WHERE n.name OPERATOR(pg_catalog.=) d.name AND n.version OPERATOR(pg_catalog.>) d.version)
            UNION ALL
            SELECT a.owner, 2 FROM workflow.agents AS a
            UNION ALL
            SELECT s.role, 3 FROM workflow.schedule_entries AS s
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x
            WHERE x.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND x.start_at IS NULL AND NOT x.limited
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x
            WHERE x.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND x.start_at IS NOT NULL AND NOT x.limited
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND x.limited
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x
            WHERE x.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text
            UNION ALL
            SELECT x.role, 4 FROM workflow.executions AS x WHERE x.status OPERATOR(pg_catalog.=) 'blocked'::pg_catalog.text
            UNION ALL
            SELECT l.role, 5 FROM workflow.dead_letters AS l
            WHERE l.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text) AS b
      GROUP BY b.place, b.owner::pg_catalog.oid,
               CASE WHEN b.owner::pg_catalog.oid OPERATOR(pg_catalog.=) 1::pg_catalog.oid THEN b.owner::pg_catalog.text END) AS o
WHERE pg_catalog.pg_has_role(o.owner::pg_catalog.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW workflow.owners IS
'how much belongs to which role, by kind: a role''s own; all for members of pg_monitor. What '
'belongs to a role that does not exist waits to be given to another with reassign_owned()';
COMMENT ON COLUMN workflow.owners.owner IS
'role it belongs to; name (missing): there is no such role';
COMMENT ON COLUMN workflow.owners.kind IS
'workflow, agent, schedule, open execution (one that has not ended) or dead letter (one that is '
'pending)';
COMMENT ON COLUMN workflow.owners.place IS 'place of the kind in this order';
COMMENT ON COLUMN workflow.owners.count IS 'how many';
COMMENT ON COLUMN workflow.owners.missing IS
'whether the role does not exist: it was dropped, or a dump was restored without it';

CREATE FUNCTION workflow.set_owner(workflow text, role regrole)
RETURNS integer
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_set_owner';
COMMENT ON FUNCTION workflow.set_owner(text, regrole) IS
'give a workflow, all versions of it, to another role; returns how many there are. Executions stay '
'those of the roles that started them. For who has the rights of the owner and may SET ROLE to the '
'other role; superusers and the owner of the extension give away what belongs to a role that does '
'not exist. Errors: 42704 for an unknown workflow, 42501 for others, 42939 for a name that is '
'reserved';

CREATE FUNCTION workflow.reassign_owned(old_role workflow.role, new_role regrole)
RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_reassign_owned';
COMMENT ON FUNCTION workflow.reassign_owned(workflow.role, regrole) IS
'give workflows, agents, schedules, executions, those that have ended too, and dead letters of a '
'role to another; returns how many rows. old_role may be one that does not exist, as the view '
'workflow.owners shows it. Executions that run this moment stay its own, and what has a name of the '
'extension''s unless the other role is a superuser; an idempotency key that both have used stays '
'with the other; what is blocked for the one is blocked for both. For who has the rights of the '
'one role and may SET ROLE to the other; superusers and the owner of the extension give away what '
'belongs to a role that does not exist. Errors: 42501 for others, 42704 for a role that does not '
'exist and that nothing belongs to';
/*
 * Why an execution does not go on, or how it has ended.
 *
 * Everything is derived from the views, when it is asked for, so that a role is
 * told what these show it.
 */

CREATE FUNCTION workflow.no_workers(role oid, OUT reason text, OUT detail text, OUT help text, OUT since timestamptz)
RETURNS record
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workflow_no_workers';
COMMENT ON FUNCTION workflow.no_workers(oid) IS
'what why() is made of: what keeps workers from running executions of a role in this database (not '
'preloaded, standby, scheduler fails, no scheduler, disabled, replica, role), what helps, and '
'since when that is so; nulls: nothing does';

/*
 * The answers are in parts: it has ended, somebody has stopped it, it waits, it runs.  A
 * new reason is a SELECT in the part it belongs to and a row in
 * docs/troubleshooting.md, which test/t/067_why.pl reads: each has a test, and an alert.
 */
CREATE FUNCTION workflow.why(
    execution_id bigint,
    OUT reason text,
    OUT step_id text,
    OUT since timestamptz,
    OUT detail text,
    OUT help text)
RETURNS SETOF record
LANGUAGE sql VOLATILE STRICT PARALLEL RESTRICTED ROWS 3
SET jit = off  -- it looks expensive and is not: compiling took a hundred times as long
BEGIN ATOMIC
    WITH e AS MATERIALIZED (
        SELECT s.*, s.status IN ('pending', 'running', 'cancelling') AS wants_to_run,
               s.error ->> 'step_id' AS error_step
        FROM workflow.execution_status AS s WHERE s.execution_id = why.execution_id
    ), activity AS MATERIALIZED (
        SELECT a.* FROM e, workflow.activity AS a
        WHERE a.execution_id = e.execution_id AND a.step_id IS NOT NULL AND e.completed_at IS NULL
    ), steps AS MATERIALIZED (
        SELECT s.step_id, s.scope, s.visit, s.attempt, s.status, s.agent_name, s.on_failure, s.error_type,
               s.completed_at, s.retry_at, concat_ws(': ', s.error_type, s.error ->> 'message') AS message, s.loop_label
        FROM workflow.step_status AS s  -- by the parameter: a plan for any execution must not read all of them
        WHERE s.execution_id = why.execution_id AND s.error_type IS NOT NULL AND s.scope !~ '^~'
    ), undone AS MATERIALIZED (
        SELECT c.* FROM workflow.compensations AS c WHERE c.execution_id = why.execution_id
    ), retries AS MATERIALIZED (
        SELECT s.* FROM e, steps AS s
        WHERE s.retry_at > clock_timestamp() AND e.wants_to_run
          AND NOT EXISTS (SELECT FROM workflow.step_status AS n
                          WHERE n.execution_id = why.execution_id AND n.scope = s.scope AND n.step_id = s.step_id
                            AND n.visit = s.visit AND n.attempt > s.attempt)
        ORDER BY s.retry_at LIMIT 10
    ), held AS MATERIALIZED (
        SELECT m.* FROM e, workflow.marked_steps AS m
        WHERE m.execution_id = why.execution_id AND m.mark = 'hold' AND e.wants_to_run
    ), frozen AS MATERIALIZED (
        /* who has given no sign of life since then */
        SELECT clock_timestamp() - CASE WHEN s.value < '0' THEN '1 minute' ELSE s.value END AS since
        FROM (SELECT current_setting('workflow.alert_frozen', true)::interval AS value) AS s
    ), scheduler AS MATERIALIZED (
        SELECT s.*, s.executions >= s.max_running AS full, s.unanswered_since < f.since AS frozen
        FROM workflow.scheduler_state() AS s, frozen AS f
    ), missing AS MATERIALIZED (
        SELECT n.reason, n.since,
               CASE WHEN n.reason = 'role' AND workflow.role_missing(e.role) THEN format('there is no such role: %s', e.role) ELSE n.detail END AS detail,
               CASE WHEN n.reason = 'role' AND workflow.role_missing(e.role)
                    THEN format('-- SELECT workflow.reassign_owned(%L, ''..'')', e.role::text) ELSE n.help END AS help
        FROM e, workflow.no_workers(e.role::oid) AS n WHERE e.wants_to_run AND n.reason IS NOT NULL
        UNION ALL
        SELECT 'frozen', s.unanswered_since, format('the scheduler (process %s) has given no sign of life since it was woken', s.pid),
               format('-- on the machine of the server: kill -CONT %s', s.pid)
        FROM e, scheduler AS s WHERE e.wants_to_run AND s.frozen
    ), executors AS MATERIALIZED (
        SELECT n.*, n.busy >= n.most OR n.here >= n.most_here OR s.no_workers_since IS NOT NULL AS exhausted,
               CASE WHEN s.no_workers_since IS NOT NULL
                    THEN format('no background worker is to be had since %s: max_worker_processes is %s',
                                date_trunc('second', s.no_workers_since), current_setting('max_worker_processes'))
                    WHEN n.here >= n.most_here
                    THEN format('%s of %s executors of the database are busy (workflow.max_executors_per_database)', n.here, n.most_here)
                    ELSE format('%s of %s executors are busy', n.busy, n.most) END AS detail,
               CASE WHEN s.no_workers_since IS NOT NULL
                    THEN format('ALTER SYSTEM SET max_worker_processes = %s -- and restart the server', current_setting('max_worker_processes')::integer + 8)
                    ELSE 'SELECT * FROM workflow.activity ORDER BY elapsed DESC' END AS help
        FROM scheduler AS s,
             (SELECT count(*) FILTER (WHERE x.state <> 'idle') AS busy,
                     count(*) FILTER (WHERE x.state <> 'idle' AND x.database = current_database()) AS here,
                     current_setting('workflow.max_executors', true)::bigint AS most,
                     NULLIF(current_setting('workflow.max_executors_per_database', true)::bigint, 0) AS most_here
              FROM workflow.executors AS x) AS n
    ), answers AS (
        SELECT 0 AS rank, 'unknown' AS reason, NULL::text AS step_id, NULL::timestamptz AS since,
               'there is no such execution, or it is another role''s' AS detail,
               'SELECT execution_id, workflow, status FROM workflow.execution_status ORDER BY execution_id DESC LIMIT 10' AS help
        WHERE NOT EXISTS (SELECT FROM e)

        /* --- it has ended --- */
        UNION ALL
        SELECT 1, 'completed', NULL, e.completed_at, NULL, NULL FROM e WHERE e.status = 'completed'
        UNION ALL
        SELECT 1, replace(e.status, '_', ' '), e.error_step, e.completed_at,
               concat_ws('; ', concat_ws(': ', e.error_type, e.error ->> 'message'), e.error ->> 'detail', e.error ->> 'hint'),
               CASE
                   WHEN h.help LIKE '--%' THEN h.help
                   WHEN e.error_type = 'CircuitBreakerOpen' AND h.help LIKE 'SELECT workflow.retry(%' THEN
                       (SELECT format('SELECT workflow.reset_breaker(%L, role => %L), workflow.retry(%s)', s.agent_name, e.role, e.execution_id)
                        FROM steps AS s WHERE s.agent_name IS NOT NULL AND s.error_type = 'CircuitBreakerOpen' LIMIT 1)
                   WHEN e.error_type = 'CrashLoop' THEN '-- look into the server log; then ' || h.help
                   ELSE '-- mend the cause; then ' || h.help END
        FROM e, workflow.retry_help(e.execution_id) AS h (help) WHERE e.status IN ('failed', 'timed_out')
        UNION ALL
        SELECT 1, 'cancelled', NULL, COALESCE(e.cancelled_at, e.completed_at),
               concat_ws(': ', 'by ' || e.cancelled_by::text, e.cancel_reason), workflow.retry_help(e.execution_id)
        FROM e WHERE e.status = 'cancelled'
        UNION ALL
        (SELECT 2, 'step ' || replace(s.status, '_', ' '), concat_ws('/', NULLIF(s.scope, ''), s.step_id), s.completed_at,
                concat_ws(': ', s.loop_label, concat_ws(', ', s.on_failure, s.message)),
                format('SELECT * FROM workflow.step_status WHERE execution_id = %s AND step_id = %L', why.execution_id, s.step_id)
         FROM e, steps AS s
         WHERE e.completed_at IS NOT NULL AND s.status IN ('failed', 'timed_out') AND s.on_failure IS DISTINCT FROM 'retried'
           AND (s.scope <> '' OR s.step_id IS DISTINCT FROM e.error_step)
           AND NOT EXISTS (SELECT FROM undone AS c WHERE c.compensation = s.step_id)
         ORDER BY s.completed_at DESC LIMIT 5)
        UNION ALL
        (SELECT 3, 'not undone', concat_ws('/', NULLIF(c.scope, ''), c.step_id), c.compensation_completed_at,
                concat_ws(': ', c.compensation || ' ' || replace(c.status, '_', ' '), c.error_type, c.error ->> 'message'),
                format('SELECT * FROM workflow.compensations WHERE execution_id = %s', why.execution_id)
         FROM undone AS c
         WHERE c.status NOT IN ('completed', 'skipped', 'pending') LIMIT 5)
        UNION ALL
        SELECT 3, 'dead letter', NULL, d.last_failed_at, 'waits for somebody to decide',
               workflow.replay_help(d.dead_letter_id)
        FROM workflow.dead_letter_status AS d WHERE d.execution_id = why.execution_id AND d.status = 'pending'

        /* --- somebody has stopped it --- */
        UNION ALL
        SELECT 1, 'paused', NULL, e.paused_at,
               concat_ws(': ', 'by ' || e.paused_by::text, e.pause_reason) || COALESCE('; fails at ' || e.paused_until, ''),
               format('SELECT workflow.resume(%s)', e.execution_id)
        FROM e WHERE e.status = 'paused'
        UNION ALL
        SELECT 1, 'blocked', NULL, b.blocked_at,
               concat_ws(': ', 'workflow ' || e.workflow || COALESCE(', by ' || b.blocked_by::text, ', automatically'), b.reason),
               format('SELECT workflow.unblock(%L)', e.workflow)
        FROM e LEFT JOIN workflow.blocked_workflows AS b ON b.workflow = e.workflow AND b.unblocked_at IS NULL AND (b.role IS NULL OR b.role = e.role)
        WHERE e.status = 'blocked'
        UNION ALL
        SELECT 1, 'cancelling', NULL, e.cancelled_at, concat_ws(': ', 'by ' || e.cancelled_by::text, e.cancel_reason),
               CASE WHEN EXISTS (SELECT FROM activity)
                    THEN format('SELECT workflow.recycle_executor(executor_pid) FROM workflow.activity WHERE execution_id = %s', e.execution_id) END
        FROM e WHERE e.status = 'cancelling'
        UNION ALL
        SELECT 2, 'ending', NULL, NULL, 'compensations and the on_failure chain are run; then it will be ' || replace(e.ending, '_', ' '),
               format('SELECT * FROM workflow.compensations WHERE execution_id = %s', e.execution_id)
        FROM e WHERE e.ending IS NOT NULL
        UNION ALL
        SELECT 0, 'drained', NULL, d.drained_at, concat_ws(': ', 'mode ' || d.mode || ', by ' || d.drained_by::text, d.reason),
               'SELECT workflow.undrain()'
        FROM e, workflow.drain_status AS d
        WHERE e.status = 'pending' OR (e.wants_to_run AND d.mode = 'steps')

        /* --- it waits --- */
        UNION ALL
        SELECT 0, n.reason, NULL, n.since, n.detail, n.help FROM missing AS n
        UNION ALL
        SELECT 0, 'row locked', NULL, k.since,
               'what is to be done with it waits for ' || COALESCE(
                   'prepared transaction ' || k.prepared_transaction,
                   format('process %s (%s)', k.pid, concat_ws(', ', s.usename, NULLIF(s.application_name, ''), s.state))),
               COALESCE('ROLLBACK PREPARED ' || quote_literal(k.prepared_transaction), format('SELECT pg_terminate_backend(%s)', k.pid))
        FROM workflow.locked_executions AS k LEFT JOIN pg_stat_activity AS s ON s.pid = k.pid
        WHERE k.execution_id = why.execution_id
        UNION ALL
        SELECT 0, 'done again', NULL, s.again_since,
               'transactions of the engine fail through no fault of the execution''s, and are done again until they succeed: ' || s.again,
               '-- mend the cause, which is in the server log'
        FROM e, scheduler AS s
        WHERE e.wants_to_run AND s.again_since IS NOT NULL AND NOT EXISTS (SELECT FROM activity)
          AND COALESCE(e.start_at <= clock_timestamp(), true)
        UNION ALL
        SELECT 1, 'deferred', NULL, e.created_at,
               CASE WHEN q.execution_id IS NULL THEN format('not before %s', e.start_at)
                    ELSE format('%s of at most %s executions of schedule %s have not ended', q.running, q.max_concurrent_runs, q.schedule) END,
               CASE WHEN q.first_status = 'paused' THEN format('SELECT workflow.resume(%s)', q.first_execution_id)
                    WHEN q.first_status IS NOT NULL THEN format('SELECT * FROM workflow.why(%s)', q.first_execution_id)
                    ELSE format('SELECT workflow.cancel(%s)', e.execution_id) END
        FROM e LEFT JOIN workflow.schedule_queue AS q ON q.execution_id = e.execution_id
        WHERE e.status = 'pending' AND e.start_at > clock_timestamp()
        UNION ALL
        SELECT 1, 'no room', NULL, e.created_at,
               concat_ws(' or ', format('%s of workflow %s run (max_running)', n.of_workflow, e.workflow),
                         CASE WHEN n.max_tenant > 0
                              THEN format('%s of tenant %s run (workflow.max_running_per_tenant is %s)', n.of_tenant, e.tenant, n.max_tenant) END),
               format('SELECT execution_id, duration FROM workflow.execution_status WHERE workflow = %L AND status = %L', e.workflow, 'running')
        FROM e CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE o.workflow = e.workflow) AS of_workflow,
                   count(*) FILTER (WHERE o.tenant = e.tenant) AS of_tenant,
                   CASE WHEN e.tenant IS NOT NULL THEN current_setting('workflow.max_running_per_tenant', true)::integer END AS max_tenant
            FROM workflow.execution_status AS o WHERE o.status IN ('running', 'cancelling')) AS n
        WHERE e.status = 'pending' AND e.limited
        UNION ALL
        SELECT 1, CASE WHEN s.full THEN 'no room' WHEN q.untold THEN 'not taken up' WHEN x.exhausted THEN 'no executor' ELSE 'queued' END,
               NULL, COALESCE(e.start_at, e.created_at),
               concat_ws(', ', 'position ' || q.position, 'priority ' || e.priority,
                         CASE WHEN s.full THEN format('%s executions run in the database (workflow.max_running is %s)', s.executions, s.max_running)
                              WHEN q.untold THEN 'the scheduler knows of nothing that waits: the row was loaded behind its back'
                              WHEN x.exhausted OR NOT EXISTS (SELECT FROM missing) THEN x.detail END),
               CASE WHEN s.full THEN format('SELECT execution_id, workflow, duration FROM workflow.execution_status WHERE status = %L', 'running')
                    WHEN q.untold THEN format('SELECT pg_terminate_backend(%s) -- the next scheduler takes up what is there', s.pid)
                    WHEN x.exhausted THEN x.help
                    ELSE 'SELECT * FROM workflow.queue LIMIT 10' END
        FROM executors AS x, scheduler AS s,
             e LEFT JOIN LATERAL (
                 /* no run waits for an executor, and nothing keeps it from becoming one */
                 SELECT w.position, w.waiting > interval '5 s' AND s.pid IS NOT NULL AND s.ready_since IS NULL
                        AND NOT EXISTS (SELECT FROM missing) AND NOT EXISTS (SELECT FROM workflow.drain_status) AS untold
                 FROM workflow.queue AS w WHERE w.execution_id = e.execution_id) AS q ON true
        WHERE e.status = 'pending' AND NOT e.limited AND COALESCE(e.start_at <= clock_timestamp(), true)
        UNION ALL
        SELECT 3, 'retry', concat_ws('/', NULLIF(r.scope, ''), r.step_id), r.completed_at,
               concat_ws(': ', r.loop_label, format('attempt %s is due at %s after %s', r.attempt + 1, date_trunc('second', r.retry_at), r.message)),
               format('SELECT workflow.skip_step(%s, %L)', why.execution_id, r.step_id)
        FROM retries AS r
        UNION ALL
        SELECT 3, 'held', h.step_id, h.marked_at,
               concat_ws('; ', concat_ws(': ', 'by ' || h.marked_by, h.reason), 'it waits when it comes to this step'),
               format('SELECT workflow.release_step(%s, %L)', why.execution_id, h.step_id)
        FROM held AS h

        /* --- it runs --- */
        UNION ALL
        (SELECT 3, CASE WHEN x.last_heartbeat < f.since THEN 'frozen'
                        WHEN b.pid IS NOT NULL AND x.state = 'busy' THEN 'lock'
                        ELSE COALESCE(NULLIF(x.state, 'busy'), 'running') END, concat_ws('/', NULLIF(a.scope, ''), a.step_id), a.started_at,
                concat_ws(': ', a.loop_label, CASE WHEN x.last_heartbeat < f.since
                     THEN format('its process %s has given no sign of life since %s', a.executor_pid, date_trunc('second', x.last_heartbeat))
                     WHEN b.pid IS NOT NULL THEN format('waits for a lock of process %s (%s)', b.pid,
                                                        concat_ws(', ', s.usename, NULLIF(s.application_name, ''), s.state))
                     WHEN a.wait_event IS NOT NULL THEN format('waits: %s, %s', a.wait_event_type, a.wait_event)
                     ELSE 'computes' END),
                CASE WHEN x.last_heartbeat < f.since THEN format('-- on the machine of the server: kill -CONT %s', a.executor_pid)
                     WHEN b.pid IS NOT NULL THEN format('SELECT pg_terminate_backend(%s)', b.pid)
                     ELSE format('SELECT query FROM workflow.activity WHERE executor_pid = %s', a.executor_pid) END
         FROM frozen AS f, activity AS a
              LEFT JOIN workflow.executors AS x ON x.pid = a.executor_pid
              LEFT JOIN LATERAL (SELECT pg_blocking_pids(a.executor_pid) AS pids WHERE a.wait_event_type = 'Lock') AS l ON true
              LEFT JOIN LATERAL unnest(l.pids) AS b (pid) ON true
              LEFT JOIN pg_stat_activity AS s ON s.pid = b.pid
         ORDER BY a.started_at LIMIT 20)
        UNION ALL
        SELECT 3, CASE WHEN l.count > 0 THEN 'not taken up' WHEN x.exhausted THEN 'no executor' ELSE 'between steps' END, NULL, NULL,
               CASE WHEN l.count > 0
                    THEN format('the scheduler does not know of %s of the executions that run: their rows were loaded behind its back', l.count)
                    ELSE x.detail END,
               CASE WHEN l.count > 0
                    THEN format('SELECT pg_terminate_backend(%s) -- the next scheduler takes up what is there', l.scheduler_pid)
                    ELSE x.help END
        FROM e CROSS JOIN executors AS x CROSS JOIN scheduler AS s
             /* while a run waits for an executor it may be this one's */
             LEFT JOIN workflow.left_executions AS l ON x.exhausted IS NOT TRUE OR s.ready_since IS NULL
        WHERE e.status IN ('running', 'cancelling')
          AND NOT EXISTS (SELECT FROM activity) AND NOT EXISTS (SELECT FROM retries)
          AND NOT EXISTS (SELECT FROM held) AND NOT EXISTS (SELECT FROM missing)
        UNION ALL
        SELECT 4, 'interrupted', NULL, NULL,
               format('%s times by crashes without progress since; at %s it fails as CrashLoop', e.recoveries, current_setting('workflow.max_recoveries', true)),
               '-- look into the server log'
        FROM e WHERE e.wants_to_run AND e.recoveries > 0
    )
    SELECT a.reason, a.step_id, a.since, NULLIF(a.detail, ''), a.help
    FROM answers AS a ORDER BY a.rank, a.since DESC NULLS LAST, a.step_id;
END;
COMMENT ON FUNCTION workflow.why(bigint) IS
'why an execution does not go on, or how it has ended: a row for each reason, the one to look at '
'first on top. reason: unknown (no such execution, or another role''s); completed, failed, timed '
'out, cancelled, step failed, step timed out, not undone, dead letter; paused, blocked, '
'cancelling, ending, drained, not preloaded, standby, scheduler fails, no scheduler, disabled, '
'frozen, replica, role, row locked, done again; deferred, no room, queued, no executor, not taken '
'up, retry, held; running, lock, frozen, stuck, quarantined, draining, between steps, interrupted. step_id: '
'the step it is about, with its scope; since: when that began; detail: what there is to say; help: '
'the statement that helps, or shows more';

/* Monitoring: without what errors and reasons say. */
GRANT EXECUTE ON FUNCTION workflow.why(bigint), workflow.retry_help(bigint), workflow.replay_help(bigint),
    workflow.no_workers(oid), workflow.scheduler_state() TO pg_monitor;
/*
 * What is wrong, by thresholds that are settings, and one row per figure for
 * those who collect them.
 */

CREATE VIEW workflow.alert_thresholds WITH (security_barrier) AS
SELECT d.name AS workflow, d.version,
       (SELECT COALESCE(pg_catalog.jsonb_object_agg(
                   pg_catalog.regexp_replace(a.key, '_(seconds|ms)$', ''),
                   CASE WHEN a.value::pg_catalog.numeric OPERATOR(pg_catalog.<) 0 THEN NULL
                        WHEN a.key OPERATOR(pg_catalog.~) '_ms$' THEN pg_catalog.trim_scale(a.value::pg_catalog.numeric OPERATOR(pg_catalog./) 1000)
                        ELSE a.value::pg_catalog.numeric END), '{}')
        FROM pg_catalog.jsonb_each(d.definition OPERATOR(pg_catalog.->) 'alerts') AS a
        WHERE pg_catalog.jsonb_typeof(a.value) OPERATOR(pg_catalog.=) 'number') AS thresholds
FROM workflow.definitions AS d
WHERE pg_catalog.jsonb_typeof(d.definition OPERATOR(pg_catalog.->) 'alerts') OPERATOR(pg_catalog.=) 'object'
  AND d.status OPERATOR(pg_catalog.=) 'active'
  AND NOT EXISTS (SELECT FROM workflow.definitions AS n
                  WHERE n.name OPERATOR(pg_catalog.=) d.name AND n.version OPERATOR(pg_catalog.>) d.version
                    AND n.status OPERATOR(pg_catalog.=) 'active');
COMMENT ON VIEW workflow.alert_thresholds IS
'thresholds of alerts that workflows have of their own: "alerts" of the version that start() takes';
COMMENT ON COLUMN workflow.alert_thresholds.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.alert_thresholds.version IS 'version that has them';
COMMENT ON COLUMN workflow.alert_thresholds.thresholds IS
'by the names of the settings workflow.alert_<name>, times in seconds; null: the alert is turned '
'off';

CREATE FUNCTION workflow.current_alerts(
    OUT condition text,
    OUT subject text,
    OUT value numeric,
    OUT threshold numeric,
    OUT since timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 5
SET jit = off  -- compiling it takes longer than anything it does
BEGIN ATOMIC
    WITH setting AS (
        /* seconds, kilobytes, per cent or a number; null: turned off */
        SELECT substr(s.name, length('workflow.alert_') + 1) AS name,
               CASE WHEN s.setting::numeric < 0 THEN NULL
                    WHEN s.unit = 'ms' THEN trim_scale(s.setting::numeric / 1000)
                    ELSE s.setting::numeric END AS value
        FROM pg_settings AS s WHERE s.name LIKE 'workflow.alert\_%'
    ), threshold AS MATERIALIZED (
        /* of a workflow that has its own, and (named by nothing) of all others: whoever asks
           takes the first by name, descending */
        SELECT o.workflow, v.*
        FROM (SELECT jsonb_object_agg(s.name, s.value) AS settings FROM setting AS s) AS s,
             (SELECT '' AS workflow, '{}'::jsonb AS alerts UNION ALL SELECT a.workflow, a.thresholds FROM workflow.alert_thresholds AS a) AS o,
             jsonb_to_record(s.settings || o.alerts) AS v (
                 average_duration numeric, average_duration_for numeric, block_duration numeric, block_failures numeric, block_speedup numeric,
                 block_success_rate numeric, connections numeric, dead_letters numeric, draining numeric, executor_memory numeric,
                 frozen numeric, held numeric, lock_wait numeric, offline numeric, paused numeric, queue_wait numeric,
                 stuck_rate numeric, success_rate numeric, success_rate_consecutive numeric, "window" numeric)
    ), everywhere AS MATERIALIZED (
        SELECT t.*, now() - make_interval(secs => COALESCE(t."window", 0)::double precision) AS since FROM threshold AS t WHERE t.workflow = ''
    ), ended AS MATERIALIZED (
        /* what is long gone is not looked at: ids are about in the order of start() */
        SELECT e.execution_id, e.workflow, e.status, e.duration, e.completed_at, e.completed_at >= t.since AS recent
        FROM everywhere AS t,
             workflow.newest_execution AS last,
             generate_series(last.id, last.id - 999, -1) AS newest (id)
             CROSS JOIN LATERAL (SELECT x.execution_id, x.workflow, x.status, x.duration, x.completed_at
                                 FROM workflow.execution_status AS x WHERE x.execution_id = newest.id OFFSET 0) AS e
        WHERE e.completed_at IS NOT NULL
    ), block AS MATERIALIZED (
        /* what a container did in one execution */
        SELECT b.execution_id, b.workflow, b.step_id, max(b.completed_at) AS completed_at,
               round(max(extract(epoch FROM b.duration)), 3) AS duration,
               sum(b.failed_tasks) AS failures, sum(b.successful_tasks) AS successes, sum(b.total_tasks) AS tasks,
               round(100.0 * sum(b.successful_tasks) / NULLIF(sum(b.total_tasks), 0), 1) AS success_rate,
               /* few milliseconds say nothing, and what cannot gain: children that nobody is to
                  share, one that takes nearly all of it */
               round(sum(extract(epoch FROM b.task_time)) FILTER (WHERE b.may_gain) / sum(extract(epoch FROM b.duration)) FILTER (WHERE b.may_gain), 2) AS speedup,
               sum(extract(epoch FROM b.task_time)) FILTER (WHERE b.may_gain) / sum(extract(epoch FROM b.longest_task)) FILTER (WHERE b.may_gain) AS possible_speedup
        FROM (SELECT e.execution_id FROM ended AS e WHERE e.recent ORDER BY e.execution_id DESC LIMIT 100) AS e
             /* an execution at a time, by its key */
             CROSS JOIN LATERAL (SELECT k.*, k.parallel AND k.duration >= '1 s' AND k.longest_task > '0' AS may_gain
                                 FROM workflow.blocks AS k WHERE k.execution_id = e.execution_id AND k.completed_at IS NOT NULL OFFSET 0) AS b
        GROUP BY b.execution_id, b.workflow, b.step_id
    ), rate AS (
        /* of an execution: of the children of its containers; 0 for one that did not complete */
        SELECT e.workflow, e.completed_at, e.recent, row_number() OVER (PARTITION BY e.workflow ORDER BY e.completed_at DESC) AS back,
               CASE WHEN e.status = 'completed' THEN COALESCE(b.success_rate, 100) ELSE 0 END AS success_rate
        FROM ended AS e
             LEFT JOIN (SELECT b.execution_id, round(100.0 * sum(b.successes) / NULLIF(sum(b.tasks), 0), 1) AS success_rate
                        FROM block AS b GROUP BY b.execution_id) AS b ON b.execution_id = e.execution_id
        WHERE e.status <> 'cancelled'
    ), average AS (
        /* at the end of each execution, of those up to then */
        SELECT e.workflow, e.completed_at, avg(extract(epoch FROM e.duration)) OVER (PARTITION BY e.workflow ORDER BY e.completed_at) AS duration
        FROM ended AS e WHERE e.recent AND e.duration IS NOT NULL
    ), job AS MATERIALIZED (
        SELECT * FROM workflow.schedule_jobs()
    )
    /* nothing is begun, or nothing goes on, and something waits: of what a standby shows as
       running its primary takes care */
    SELECT h.reason AS condition, current_database()::text AS subject,
           round(extract(epoch FROM w.wait)) AS value, t.offline AS threshold, now() - w.wait AS since
    FROM everywhere AS t, (SELECT max(d.oldest_wait) AS wait FROM workflow.queue_depth AS d) AS q,
         LATERAL (
             /* not from pg_stat_activity: that shows roles no backend_type but their own
                sessions' */
             SELECT n.reason, CASE WHEN n.reason NOT IN ('standby', 'replica') THEN n.since END AS since
             FROM workflow.no_workers((SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user)) AS n
             WHERE n.reason IN ('not preloaded', 'standby', 'no scheduler', 'disabled', 'replica')
             UNION ALL
             SELECT 'drained', CASE WHEN d.mode = 'steps' THEN d.drained_at END FROM workflow.drain_status AS d) AS h,
         LATERAL (SELECT GREATEST(q.wait,
                                  (SELECT now() - h.since FROM workflow.execution_status AS e
                                   WHERE e.status IN ('running', 'cancelling') AND h.since IS NOT NULL LIMIT 1)) AS wait) AS w
    WHERE extract(epoch FROM w.wait) > t.offline
    UNION ALL
    SELECT 'scheduler frozen', current_database()::text, round(extract(epoch FROM clock_timestamp() - s.unanswered_since)), t.frozen, s.unanswered_since
    FROM everywhere AS t, workflow.scheduler_state() AS s
    WHERE extract(epoch FROM clock_timestamp() - s.unanswered_since) > t.frozen
    UNION ALL
    /* executions that run, too: nobody goes on with them */
    SELECT f.condition, current_database()::text, round(extract(epoch FROM clock_timestamp() - f.since)), t.offline, f.since
    FROM everywhere AS t, workflow.scheduler_state() AS s,
         LATERAL (VALUES ('scheduler fails', s.failing_since), ('done again', s.again_since)) AS f (condition, since)
    WHERE extract(epoch FROM clock_timestamp() - f.since) > t.offline
    UNION ALL
    /* executions that run, too: they wait between their steps */
    SELECT 'no executor', current_database()::text, round(extract(epoch FROM clock_timestamp() - s.ready_since)), l.threshold, s.ready_since
    FROM everywhere AS t, workflow.scheduler_state() AS s,
         LATERAL (SELECT CASE WHEN s.no_workers_since IS NOT NULL THEN t.offline ELSE t.queue_wait END AS threshold) AS l
    WHERE extract(epoch FROM clock_timestamp() - s.ready_since) > l.threshold
    UNION ALL
    /* while there is a scheduler that has nothing against running them */
    SELECT 'not taken up', current_database()::text, l.count, NULL, NULL
    FROM workflow.left_executions AS l
    WHERE NOT EXISTS (SELECT FROM workflow.drain_status)
      AND NOT EXISTS (SELECT FROM workflow.no_workers((SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user)) AS n
                      WHERE n.reason <> 'role')
    UNION ALL
    SELECT 'executor frozen', x.pid::text, round(extract(epoch FROM clock_timestamp() - x.last_heartbeat)), t.frozen, x.last_heartbeat
    FROM everywhere AS t, workflow.executors AS x
    WHERE x.database = current_database() AND x.state NOT IN ('starting', 'idle')
      AND extract(epoch FROM clock_timestamp() - x.last_heartbeat) > t.frozen
    UNION ALL
    SELECT 'lock wait', a.workflow || '.' || a.step_id, round(extract(epoch FROM clock_timestamp() - k.since)), t.lock_wait, k.since
    FROM workflow.activity AS a,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (a.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
         CROSS JOIN LATERAL (SELECT min(l.waitstart) AS since FROM pg_locks AS l WHERE l.pid = a.executor_pid AND NOT l.granted) AS k
    WHERE a.wait_event_type = 'Lock' AND a.step_id IS NOT NULL AND extract(epoch FROM clock_timestamp() - k.since) > t.lock_wait
    UNION ALL
    SELECT 'execution paused', e.workflow, round(extract(epoch FROM now() - min(e.paused_at))), t.paused, min(e.paused_at)
    FROM workflow.execution_status AS e,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (e.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE e.status = 'paused' AND extract(epoch FROM now() - e.paused_at) > t.paused
    GROUP BY e.workflow, t.paused
    UNION ALL
    SELECT 'step held', m.workflow || '.' || m.step_id, round(extract(epoch FROM now() - m.marked_at)), t.held, m.marked_at
    FROM workflow.marked_steps AS m,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (m.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE m.mark = 'hold' AND m.status IN ('running', 'cancelling') AND extract(epoch FROM now() - m.marked_at) > t.held
    UNION ALL
    SELECT 'row locked', k.workflow, round(extract(epoch FROM max(now() - k.since))), t.offline, min(k.since)
    FROM everywhere AS t, workflow.locked_executions AS k
    WHERE k.status IN ('running', 'cancelling') AND extract(epoch FROM now() - k.since) > t.offline
    GROUP BY k.workflow, t.offline
    UNION ALL
    /* pg_cron does not call: its job is missing, of another role or database, or fails */
    SELECT 'schedule overdue', s.name, round(extract(epoch FROM clock_timestamp() - s.next_run_at)), t.offline, s.next_run_at
    FROM everywhere AS t, workflow.schedules AS s
    WHERE s.enabled AND s.next_run_at < clock_timestamp() - make_interval(secs => t.offline::double precision)
    UNION ALL
    /* the job is not as schedule() has made it; seen only where pg_cron is */
    SELECT j.condition, s.name, NULL, NULL, NULL
    FROM workflow.schedules AS s,
         LATERAL (SELECT CASE WHEN count(k.job) = 0 THEN 'job missing' WHEN count(k.job) > 1 THEN 'job doubled'
                              WHEN bool_or(k.role IS DISTINCT FROM s.role) THEN 'job of another role'
                              WHEN bool_or(NOT k.active OR k.job_schedule <> s.job_schedule) THEN 'job changed' END AS condition
                  FROM job AS k WHERE k.schedule = s.name HAVING count(*) > 0) AS j
    WHERE s.enabled AND s.job_schedule IS NOT NULL AND j.condition IS NOT NULL
    UNION ALL
    SELECT 'job of no role', k.job, NULL, NULL, NULL FROM job AS k WHERE k.role IS NULL AND k.schedule IS NULL
    UNION ALL
    SELECT 'queue wait', d.workflow, round(extract(epoch FROM max(d.oldest_wait))), t.queue_wait, now() - max(d.oldest_wait)
    FROM workflow.queue_depth AS d,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (d.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE extract(epoch FROM d.oldest_wait) > t.queue_wait
    GROUP BY d.workflow, t.queue_wait
    UNION ALL
    SELECT 'success rate', r.workflow, max(r.success_rate), t.success_rate, min(r.completed_at)
    FROM rate AS r,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (r.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE r.back <= t.success_rate_consecutive
    GROUP BY r.workflow, t.success_rate, t.success_rate_consecutive
    HAVING count(*) = t.success_rate_consecutive AND max(r.success_rate) < t.success_rate AND bool_or(r.recent)
    UNION ALL
    SELECT 'average duration', a.workflow, round(a.duration, 3), t.average_duration, a.since
    FROM (SELECT DISTINCT a.workflow FROM average AS a) AS w,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (w.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t,
         LATERAL (SELECT max(a.completed_at) AS until FROM average AS a WHERE a.workflow = w.workflow AND a.duration <= t.average_duration) AS good,
         LATERAL (SELECT a.workflow, min(a.completed_at) AS since, (array_agg(a.duration ORDER BY a.completed_at DESC))[1] AS duration
                  FROM average AS a WHERE a.workflow = w.workflow AND a.completed_at > COALESCE(good.until, '-infinity')
                  GROUP BY a.workflow) AS a
    WHERE t.average_duration IS NOT NULL AND extract(epoch FROM now() - a.since) >= t.average_duration_for
    UNION ALL
    SELECT 'block ' || f.name, b.workflow || '.' || b.step_id,
           CASE WHEN f.too_much THEN max(f.value) ELSE min(f.value) END, f.threshold, min(b.completed_at)
    FROM block AS b,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (b.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t,
         LATERAL (VALUES
             ('duration', true, b.duration, t.block_duration),
             ('failures', true, b.failures, t.block_failures),
             ('success rate', false, b.success_rate, t.block_success_rate),
             ('speedup', false, CASE WHEN b.possible_speedup > t.block_speedup THEN b.speedup END, t.block_speedup))
             AS f (name, too_much, value, threshold)
    WHERE CASE WHEN f.too_much THEN f.value > f.threshold ELSE f.value < f.threshold END
    GROUP BY b.workflow, b.step_id, f.name, f.too_much, f.threshold
    UNION ALL
    SELECT 'stuck rate', h.workflow, round(100.0 * h.stuck / GREATEST(w.total, h.stuck), 1), t.stuck_rate, h.since
    FROM (SELECT x.workflow, count(*) AS stuck, min(x.stuck_at) AS since
          FROM everywhere AS r, workflow.executor_history AS x WHERE x.stuck_at >= r.since GROUP BY x.workflow) AS h,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (h.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t,
         LATERAL (SELECT count(*) AS total FROM ended AS e WHERE e.workflow = h.workflow AND e.recent) AS w
    WHERE 100.0 * h.stuck / GREATEST(w.total, h.stuck) > t.stuck_rate
    UNION ALL
    SELECT 'executor ' || s.state, s.pid::text, NULL, NULL, COALESCE(h.quarantined_at, h.stuck_at)
    FROM workflow.executors AS s
         LEFT JOIN workflow.executor_history AS h ON h.pid = s.pid AND h.ended_at IS NULL
    WHERE s.state IN ('stuck', 'quarantined') AND s.database = current_database()
    UNION ALL
    SELECT 'executor draining', s.pid::text, round(extract(epoch FROM now() - s.draining_since)), t.draining, s.draining_since
    FROM everywhere AS t, workflow.executors AS s
    WHERE s.database = current_database() AND extract(epoch FROM now() - s.draining_since) > t.draining
    UNION ALL
    SELECT 'executor memory', s.pid::text, s.memory_bytes / 1024, t.executor_memory, s.attached_at
    FROM everywhere AS t, workflow.executors AS s
    WHERE s.database = current_database() AND s.memory_bytes / 1024 > t.executor_memory
    UNION ALL
    /* the server shows ordinary roles nothing of others' sessions */
    SELECT 'connections', 'max_connections', round(100.0 * c.count / current_setting('max_connections')::integer, 1), t.connections, c.since
    FROM everywhere AS t,
         (SELECT count(*) AS count, max(a.backend_start) AS since
          FROM pg_stat_activity AS a WHERE a.backend_type = 'client backend') AS c
    WHERE 100.0 * c.count / current_setting('max_connections')::integer > t.connections
    UNION ALL
    SELECT 'workflow blocked', b.workflow || COALESCE(' for ' || b.role::text, ''), b.stuck_count, NULL, b.blocked_at
    FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL
    UNION ALL
    /* a row for each: what belonged to a role that is gone cannot be run */
    SELECT 'owner missing', o.owner::text, sum(o.count), NULL, NULL
    FROM workflow.owners AS o WHERE o.missing GROUP BY o.owner::text
    UNION ALL
    SELECT 'circuit breaker ' || b.state, b.agent || COALESCE(' for ' || b.role::text, ''), b.failures, b.failure_threshold, b.opened_at
    FROM workflow.breaker_status AS b WHERE b.state IN ('open', 'half_open')
    UNION ALL
    SELECT 'dead letters', d.workflow, count(*), t.dead_letters, min(d.last_failed_at)
    FROM workflow.dead_letter_status AS d,
         LATERAL (SELECT * FROM threshold AS o WHERE o.workflow IN (d.workflow, '')
                  ORDER BY o.workflow DESC LIMIT 1) AS t
    WHERE d.status = 'pending'
    GROUP BY d.workflow, t.dead_letters
    HAVING count(*) > t.dead_letters;
END;
COMMENT ON FUNCTION workflow.current_alerts() IS 'the rows of the view workflow.alerts';

CREATE VIEW workflow.alerts WITH (security_barrier) AS
SELECT a.* FROM workflow.current_alerts() AS a;
COMMENT ON VIEW workflow.alerts IS
'what is beyond its threshold, a setting workflow.alert_<condition>, or "alerts" of the '
'workflow''s definition; empty when all is well. Looks at what has ended within '
'workflow.alert_window, at most the last 1,000 executions, and the last 100 for blocks';
COMMENT ON COLUMN workflow.alerts.condition IS 'what is wrong';
COMMENT ON COLUMN workflow.alerts.subject IS
'workflow, step, agent, process or database it is about';
COMMENT ON COLUMN workflow.alerts.value IS
'figure that is beyond the threshold: seconds, per cent, kilobytes or a number; null where the '
'state says it all';
COMMENT ON COLUMN workflow.alerts.threshold IS 'the threshold, in the same unit';
COMMENT ON COLUMN workflow.alerts.since IS 'since when, or from when on it was looked at';

CREATE FUNCTION workflow.current_metrics(
    OUT name text,
    OUT labels jsonb,
    OUT value numeric)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 100
SET jit = off
BEGIN ATOMIC
    WITH recent AS MATERIALIZED (
        SELECT * FROM workflow.statistics(max_executions => 500)
    )
    SELECT 'workflow_executions' AS name, jsonb_build_object('workflow', s.workflow, 'status', o.status) AS labels, o.value::numeric AS value
    FROM recent AS s,
         LATERAL (VALUES ('completed', s.completed), ('failed', s.failed), ('timed_out', s.timed_out), ('cancelled', s.cancelled)) AS o (status, value)
    WHERE s.kind = 'workflow'
    UNION ALL
    SELECT 'workflow_' || p.name, jsonb_build_object('workflow', s.workflow, 'quantile', p.quantile), round(extract(epoch FROM p.value), 6)
    FROM recent AS s,
         LATERAL (VALUES ('run_seconds', '0.5', s.run_p50), ('run_seconds', '0.95', s.run_p95), ('run_seconds', '0.99', s.run_p99),
                         ('queue_seconds', '0.5', s.queue_p50), ('queue_seconds', '0.95', s.queue_p95), ('queue_seconds', '0.99', s.queue_p99)) AS p (name, quantile, value)
    WHERE s.kind = 'workflow'
    UNION ALL
    SELECT 'workflow_agent_calls', jsonb_build_object('agent', s.name, 'status', o.status), o.value
    FROM recent AS s,
         LATERAL (VALUES ('completed', s.completed), ('failed', s.failed), ('timed_out', s.timed_out)) AS o (status, value)
    WHERE s.kind = 'agent'
    UNION ALL
    SELECT 'workflow_step_retries', jsonb_build_object('workflow', s.workflow), sum(s.retries)
    FROM recent AS s WHERE s.kind = 'step' GROUP BY s.workflow
    UNION ALL
    SELECT 'workflow_stuck_attempts', jsonb_build_object('workflow', s.workflow), sum(s.stuck)
    FROM recent AS s WHERE s.kind = 'step' GROUP BY s.workflow
    UNION ALL
    SELECT 'workflow_breaker_trips', jsonb_build_object('agent', s.name), s.trips
    FROM recent AS s WHERE s.kind = 'agent'
    UNION ALL
    SELECT 'workflow_queue_depth', jsonb_build_object('workflow', d.workflow), sum(d.waiting)
    FROM workflow.queue_depth AS d GROUP BY d.workflow
    UNION ALL
    SELECT 'workflow_queue_oldest_seconds', jsonb_build_object('workflow', d.workflow), round(extract(epoch FROM max(d.oldest_wait)), 3)
    FROM workflow.queue_depth AS d WHERE d.oldest_wait IS NOT NULL GROUP BY d.workflow
    UNION ALL
    SELECT 'workflow_executors', jsonb_build_object('state', s.state), count(*)
    FROM workflow.executors AS s WHERE s.database = current_database() GROUP BY s.state
    UNION ALL
    SELECT 'workflow_executor_memory_bytes', jsonb_build_object('pid', s.pid), s.memory_bytes
    FROM workflow.executors AS s WHERE s.database = current_database() AND s.memory_bytes IS NOT NULL
    UNION ALL
    SELECT 'workflow_executor_steps', jsonb_build_object('pid', s.pid), s.steps_done
    FROM workflow.executors AS s WHERE s.database = current_database()
    UNION ALL
    SELECT 'workflow_breaker_state', jsonb_build_object('agent', b.agent, 'role', b.role),
           CASE b.state WHEN 'closed' THEN 0 WHEN 'open' THEN 1 WHEN 'half_open' THEN 2 END
    FROM workflow.breaker_status AS b WHERE b.state <> 'disabled' AND b.role IS NOT NULL
    UNION ALL
    SELECT 'workflow_blocked_workflows', '{}', count(DISTINCT b.workflow) FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL
    UNION ALL
    SELECT 'workflow_dead_letters', jsonb_build_object('workflow', d.workflow), count(*)
    FROM workflow.dead_letter_status AS d
    WHERE d.status = 'pending'
    GROUP BY d.workflow
    UNION ALL
    SELECT 'workflow_alerts', jsonb_build_object('condition', a.condition), count(*)
    FROM workflow.alerts AS a GROUP BY a.condition
    UNION ALL
    /* counters, times in seconds */
    SELECT 'workflow_engine_' || CASE WHEN c.key ~ '_time$' THEN 'seconds' ELSE c.key END || '_total',
           CASE WHEN c.key ~ '_time$' THEN jsonb_build_object('in', left(c.key, -5)) ELSE '{}' END,
           CASE WHEN c.key ~ '_time$' THEN c.value::numeric / 1000 ELSE c.value::numeric END
    FROM workflow.engine_statistics AS s,
         LATERAL jsonb_each_text(to_jsonb(s) - '{database,stats_reset}'::text[]) AS c
    WHERE s.database = current_database();
END;
COMMENT ON FUNCTION workflow.current_metrics() IS 'the rows of the view workflow.metrics';

CREATE VIEW workflow.metrics WITH (security_barrier) AS
SELECT m.* FROM workflow.current_metrics() AS m;
COMMENT ON VIEW workflow.metrics IS
'one row for each figure, for postgres_exporter and the like; outcomes and times are those of the '
'last 500 executions, if they ended within a day; what ends in _total are counters, see '
'engine_statistics';
COMMENT ON COLUMN workflow.metrics.name IS 'name of the figure, in the style of Prometheus';
COMMENT ON COLUMN workflow.metrics.labels IS 'what it is about';
COMMENT ON COLUMN workflow.metrics.value IS 'the figure';
/* Last: who may call what, what a dump contains, and off we go. */

/* Nothing for PUBLIC, whatever a file before forgot ... */
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
GRANT SELECT ON workflow.compensations, workflow.locked_executions, workflow.marked_steps, workflow.interruptions TO pg_monitor;
GRANT SELECT ON workflow.breaker_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION workflow.breaker_memory(text) TO pg_monitor;
GRANT SELECT ON workflow.audit_log, workflow.executors, workflow.activity, workflow.execution_status,
    workflow.step_status, workflow.dead_letter_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION workflow.executor_slots() TO pg_monitor;
GRANT SELECT ON workflow.alerts, workflow.alert_thresholds, workflow.metrics, workflow.queue, workflow.queue_depth, workflow.history, workflow.statistics, workflow.newest_execution,
    workflow.blocks TO pg_monitor;
GRANT EXECUTE ON FUNCTION workflow.executor_slots(), workflow.statistics(interval, integer), workflow.current_alerts(), workflow.current_metrics(),
    workflow.metrics(bigint), workflow.plan_steps(integer), workflow.progress(bigint),
    workflow.schedule_jobs(), workflow.paused_time(tstzmultirange, timestamptz, timestamptz, timestamptz, timestamptz) TO pg_monitor;
GRANT SELECT ON workflow.database_state, workflow.drain_status, workflow.left_executions TO pg_monitor;
GRANT SELECT ON workflow.engine_statistics TO pg_monitor;
GRANT SELECT ON workflow.owners TO pg_monitor;
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

SELECT pg_catalog.pg_extension_config_dump('workflow.statistics_days', '');
SELECT pg_catalog.pg_extension_config_dump('workflow.statistics_state', '');

SELECT workflow.extension_ready();
