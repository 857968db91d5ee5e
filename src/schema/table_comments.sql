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
COMMENT ON COLUMN workflow.definitions.language IS
'what the documents are written in: native, the format of the manual''s page "Definitions"';

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
'pending, running, waiting (for a time, in nobody''s memory: workflow.waits), paused, cancelling, '
'completed, failed, cancelled, timed_out or blocked; '
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
'not to be run before, and of one that has waited since when it was queued, or runs, again; '
'infinity, with a schedule: others of it have to end first; null: at once';
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
COMMENT ON COLUMN workflow.executions.traceparent IS
'trace it belongs to, as W3C Trace Context has it: workflow.traceparent of the session that began it';
COMMENT ON COLUMN workflow.executions.erased_at IS
'when erase() took out its payloads; null: it did not';

COMMENT ON TABLE workflow.step_executions IS
'attempts at steps, one row each, committed together with the effects of the step; a role sees '
'those of its own executions';
COMMENT ON COLUMN workflow.step_executions.execution_id IS 'execution the step belongs to';
COMMENT ON COLUMN workflow.step_executions.started_at IS 'when the attempt began';
COMMENT ON COLUMN workflow.step_executions.completed_at IS
'when it ended; null for an open container, and for a step that waits';
COMMENT ON COLUMN workflow.step_executions.retry_at IS
'of a failed attempt that another one follows: when that is due; of a step that waits: when it '
'goes on; null: none follows, and it does not wait';
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
'running (an open container), waiting (it has begun, and goes on later), completed, failed, '
'timed_out, cancelled or skipped';
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

COMMENT ON TABLE workflow.waits IS
'what threads of executions wait for that are in nobody''s memory meanwhile, one row each; a role '
'sees those of its own executions';
COMMENT ON COLUMN workflow.waits.execution_id IS 'execution that waits';
COMMENT ON COLUMN workflow.waits.thread IS
'which thread: the scope that ends with it; empty: the execution''s first';
COMMENT ON COLUMN workflow.waits.scope IS 'where it stands, as in step_executions';
COMMENT ON COLUMN workflow.waits.step_id IS
'step it stands in front of, or at, if it is one that waits';
COMMENT ON COLUMN workflow.waits.visit IS 'which visit of that; null: not known before it begins';
COMMENT ON COLUMN workflow.waits.attempt IS 'which attempt of that is the next, or waits';
COMMENT ON COLUMN workflow.waits.kind IS
'retry: the delay of its retry policy; hold: it is held by hold_step(); timer: it is a step that '
'waits for a time';
COMMENT ON COLUMN workflow.waits.until IS
'when it goes on by itself, or its time is over; infinity: when somebody lets it';
COMMENT ON COLUMN workflow.waits.since IS 'when it began to wait';
