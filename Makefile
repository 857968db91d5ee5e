# Makefile of pg_workflow
#
#   make                 build (make DEV=1: warnings are errors)
#   make install         install into the PostgreSQL that PG_CONFIG points to
#   make check           prepare the machine, build, run every test in private clusters
#   make check PG=17     the same in a new machine's root with PostgreSQL 17 (also 15, 18)
#   make demo            prepare, build, run the demonstration; make demo-stop ends it
#   make bench           measure steps/s beside a bare loop of one-row transactions
#   make unit lint fuzz  single parts of check
#   make kill-matrix     kill processes in each transition, KILLS=1000 times (t/105_kill_matrix.pl)
#   make soak            half an hour at work: does anything grow? (MINUTES=30, t/155_soak.pl)
#   make instrumented    a server with assertions, WITH=sanitizers, valgrind or caches discarded
#   make coverage        which lines the tests run (gcc's counters and lcov)
#   make roots           demo and check in new machines' roots (needs debootstrap)
#   make dist            build/pg_workflow-VERSION.zip of what is committed, for PGXN
#
# check, demo and the others in SCRIPTED work on a machine without PostgreSQL:
# they call scripts in test/, which install what is missing and come back here.

EXTENSION = pg_workflow
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" pg_workflow.control)

MODULE_big = pg_workflow
PGFILEDESC = "pg_workflow - workflows inside the database"

# One line per file, in the order of the flow.
OBJS = \
	src/pg_workflow.o \
	src/api/admit.o \
	src/api/agent.o \
	src/api/arguments.o \
	src/api/block.o \
	src/api/breaker.o \
	src/api/cancel.o \
	src/api/check.o \
	src/api/check_settings.o \
	src/api/dead_letter.o \
	src/api/define.o \
	src/api/erase.o \
	src/api/evaluate.o \
	src/api/executors.o \
	src/api/extension.o \
	src/api/grants.o \
	src/api/hints.o \
	src/api/pictures.o \
	src/api/plan_steps.o \
	src/api/marks.o \
	src/api/owners.o \
	src/api/pause.o \
	src/api/permission_hints.o \
	src/api/prune.o \
	src/api/retry.o \
	src/api/role_limits.o \
	src/api/role_type.o \
	src/api/roll_up.o \
	src/api/schedule.o \
	src/api/schedule_input.o \
	src/api/schedule_jobs.o \
	src/api/schedule_look.o \
	src/api/schedule_remote.o \
	src/api/schedule_run.o \
	src/api/schedule_times.o \
	src/api/scopes.o \
	src/api/start.o \
	src/api/startable.o \
	src/api/statistics.o \
	src/api/steer.o \
	src/api/utility_hook.o \
	src/api/verify.o \
	src/api/views.o \
	src/api/wait.o \
	src/api/wait_cycle.o \
	src/api/why.o \
	src/scheduler/admission.o \
	src/scheduler/attempts.o \
	src/scheduler/claims.o \
	src/scheduler/control.o \
	src/scheduler/departures.o \
	src/scheduler/drain.o \
	src/scheduler/endings.o \
	src/scheduler/executor_history.o \
	src/scheduler/executors.o \
	src/scheduler/janitor.o \
	src/scheduler/joins.o \
	src/scheduler/launcher.o \
	src/scheduler/limits.o \
	src/scheduler/live.o \
	src/scheduler/pool.o \
	src/scheduler/ready.o \
	src/scheduler/recovery.o \
	src/scheduler/reports.o \
	src/scheduler/scheduled.o \
	src/scheduler/scheduler.o \
	src/scheduler/stuck.o \
	src/scheduler/stuck_rows.o \
	src/scheduler/timers.o \
	src/scheduler/waits.o \
	src/executor/begin_thread.o \
	src/executor/drive.o \
	src/executor/executor.o \
	src/executor/failures.o \
	src/executor/run_leaf.o \
	src/executor/runs.o \
	src/executor/transaction.o \
	src/interpreter/bind.o \
	src/interpreter/breaker.o \
	src/interpreter/child_ended.o \
	src/interpreter/containers.o \
	src/interpreter/convert.o \
	src/interpreter/enter.o \
	src/interpreter/epilogue.o \
	src/interpreter/epilogue_place.o \
	src/interpreter/errors.o \
	src/interpreter/frames.o \
	src/interpreter/frontier.o \
	src/interpreter/frontier_rows.o \
	src/interpreter/evaluate.o \
	src/interpreter/evaluate_operators.o \
	src/interpreter/evaluate_template.o \
	src/interpreter/evaluation.o \
	src/interpreter/inline.o \
	src/interpreter/join.o src/interpreter/label.o \
	src/interpreter/journal.o \
	src/interpreter/jsonb_values.o \
	src/interpreter/leaf.o \
	src/interpreter/marks.o \
	src/interpreter/prepared.o \
	src/interpreter/reopen.o \
	src/interpreter/resolve.o \
	src/interpreter/results.o \
	src/interpreter/resume.o \
	src/interpreter/retry.o \
	src/interpreter/run_outside.o \
	src/interpreter/check_sql.o \
	src/interpreter/rows.o \
	src/interpreter/run_sql.o \
	src/interpreter/steps/step_ops.o \
	src/interpreter/steps/leaf.o \
	src/interpreter/steps/block.o \
	src/interpreter/steps/conditional.o \
	src/interpreter/steps/loop.o \
	src/interpreter/steps/set.o \
	src/interpreter/steps/terminal.o \
	src/interpreter/steps/wait.o \
	src/interpreter/thread.o \
	src/interpreter/transitions.o \
	src/interpreter/variables.o \
	src/pictures/critical.o \
	src/pictures/mermaid.o \
	src/pictures/outline.o \
	src/pictures/report.o \
	src/pictures/spans.o \
	src/pictures/svg.o \
	src/pictures/thin_out.o \
	src/pictures/timeline.o \
	src/pictures/words.o \
	src/state/admission.o \
	src/state/agents.o \
	src/state/announce.o \
	src/state/attempt.o \
	src/state/audit.o \
	src/state/blocks.o \
	src/state/breakers.o \
	src/state/claims.o \
	src/state/closed_steps.o \
	src/state/cron_jobs.o \
	src/state/dead_letters.o \
	src/state/definitions.o \
	src/state/direct.o \
	src/state/drain.o \
	src/state/ends.o \
	src/state/epilogue.o \
	src/state/erasure.o \
	src/state/event_log.o \
	src/state/execution_rows.o \
	src/state/executions.o \
	src/state/grants.o \
	src/state/history.o \
	src/state/names.o \
	src/state/pauses.o \
	src/state/prune.o \
	src/state/role_limits.o \
	src/state/row_cache.o \
	src/state/schedules.o \
	src/state/reopen.o \
	src/state/overview.o \
	src/state/owners.o \
	src/state/janitor.o \
	src/state/jsonb_text.o \
	src/state/state.o \
	src/state/statistics.o \
	src/state/status.o \
	src/state/steer.o \
	src/state/step_records.o \
	src/state/steps.o \
	src/state/trace.o \
	src/state/waits.o \
	src/definition/agent_options.o \
	src/definition/builder.o \
	src/definition/checker.o \
	src/definition/cron.o \
	src/definition/error_names.o \
	src/definition/explain.o \
	src/definition/explainer.o \
	src/definition/expression.o \
	src/definition/expression_lexer.o \
	src/definition/expression_reference.o \
	src/definition/fields.o \
	src/definition/front_end.o \
	src/definition/join_rule.o \
	src/definition/json.o \
	src/definition/json_print.o \
	src/definition/json_scan.o \
	src/definition/names.o \
	src/definition/native.o \
	src/definition/normalise.o \
	src/definition/normalise_children.o \
	src/definition/normalise_routes.o \
	src/definition/normalise_step.o \
	src/definition/normaliser.o \
	src/definition/plan.o \
	src/definition/plan_container.o \
	src/definition/plan_document.o \
	src/definition/plan_epilogue.o \
	src/definition/plan_header.o \
	src/definition/plan_parts.o \
	src/definition/plan_retry.o \
	src/definition/plan_scope.o \
	src/definition/plan_step.o \
	src/definition/problem.o \
	src/definition/reach.o \
	src/definition/references.o \
	src/definition/scope.o \
	src/definition/step_type.o \
	src/definition/template.o \
	src/definition/validate.o \
	src/definition/steps/agent.o \
	src/definition/steps/conditional.o \
	src/definition/steps/fork_join.o \
	src/definition/steps/loop.o \
	src/definition/steps/parallel.o \
	src/definition/steps/set.o \
	src/definition/steps/sql.o \
	src/definition/steps/step_types.o \
	src/definition/steps/terminal.o \
	src/definition/steps/wait.o \
	src/shared/alert_settings.o \
	src/shared/black_box.o \
	src/shared/breaker_machine.o \
	src/shared/breakers.o \
	src/shared/clock.o \
	src/shared/counters.o \
	src/shared/databases.o \
	src/shared/fault.o \
	src/shared/holds.o \
	src/shared/horizon.o \
	src/shared/identity.o \
	src/shared/my_slot.o \
	src/shared/own_role.o \
	src/shared/queue_bounds.o \
	src/shared/registry.o \
	src/shared/role_value.o \
	src/shared/settings.o \
	src/shared/traceparent.o \
	src/shared/trust.o \
	src/shared/shared_memory.o \
	src/shared/shares.o \
	src/shared/slots.o \
	src/shared/subscription.o \
	src/shared/trouble.o \
	src/shared/wake.o \
	src/shared/weather.o \
	src/shared/worker.o
# end of OBJS

# The install script, one file per subject, in the order of their dependencies.
SCHEMA = \
	src/schema/header.sql \
	src/schema/roles.sql \
	src/schema/tables.sql \
	src/schema/table_comments.sql \
	src/schema/security.sql \
	src/schema/definitions.sql \
	src/schema/agents.sql \
	src/schema/grants.sql \
	src/schema/breakers.sql \
	src/schema/executions.sql \
	src/schema/steer.sql \
	src/schema/dead_letters.sql \
	src/schema/bulk.sql \
	src/schema/erase.sql \
	src/schema/executor_history.sql \
	src/schema/blocked_workflows.sql \
	src/schema/extension.sql \
	src/schema/evaluate.sql \
	src/schema/views.sql \
	src/schema/audit.sql \
	src/schema/pictures.sql \
	src/schema/compensations.sql \
	src/schema/monitoring.sql \
	src/schema/engine_statistics.sql \
	src/schema/statistics.sql \
	src/schema/schedules.sql \
	src/schema/drain.sql \
	src/schema/owners.sql \
	src/schema/role_limits.sql \
	src/schema/why.sql \
	src/schema/alerts.sql \
	src/schema/verify.sql \
	src/schema/verify_checks.sql \
	src/schema/last.sql
# end of SCHEMA

# The version before this one, and the commit that is it.  Its install script is kept as it was
# released; the scripts that update to this one and back are made of both, see src/schema/update.awk.
PREVIOUS = 1.0.0
PREVIOUS_COMMIT = 09404ed2ddb3c577f540ec020d37a287d24dff36
RELEASES = $(wildcard src/schema/releases/*.sql)

DATA = $(RELEASES)
DATA_built = pg_workflow--$(EXTVERSION).sql \
	pg_workflow--$(PREVIOUS)--$(EXTVERSION).sql pg_workflow--$(EXTVERSION)--$(PREVIOUS).sql

# sql/NAME.sql with expected/NAME.out
REGRESS = install expression definitions definition_errors agents start api_errors security run_sql retry breaker prune published helpers visibility trusted_owners attacks grants see namespaces traceparent sequence parallel fork_join \
	joins skipped_last \
	conditional loop labels variables nesting timeouts role_limits limits_of_roles failures acceptance defects modes cancel changed_tables batches monitoring engine_statistics \
	deferred notify lifetime \
	block \
	compensation cycles scope_ends container_retry compensation_values names on_failure_chain cancel_compensate timeout_strategy \
	catch_as error_fields pause stops waits timers retry_execution marks bulk \
	timeline critical_path pictures why parallel_plans other_roles \
	schedules \
	dead_letters erase alerts tiers \
	views audit statistics verify

# test/specs/NAME.spec with test/expected/NAME.out
ISOLATION = idempotency cancel erase define define_names start schedule replace owners reassign
ISOLATION_OPTS = --inputdir=test --load-extension=pg_workflow

SCRIPTED = check kill-matrix soak instrumented coverage demo demo-stop bench unit fuzz lint compat roots

ifneq ($(filter $(SCRIPTED),$(MAKECMDGOALS)),)

export REGRESS ISOLATION PG_CONFIG PREVIOUS_COMMIT

check:
	@test/$(if $(PG),roots.sh -s $(PG),check.sh)

kill-matrix:
	@PGWF_SUITES=tap PGWF_TESTS=105_kill_matrix.pl PGWF_KILLS=$(or $(KILLS),1000) \
		$(if $(MINUTES),PGWF_KILL_MINUTES=$(MINUTES)) test/check.sh

soak:
	@PGWF_SUITES=tap PGWF_TESTS=155_soak.pl PGWF_SOAK_MINUTES=$(or $(MINUTES),30) test/check.sh

instrumented:
	@test/instrumented.sh $(or $(WITH),sanitizers)

coverage:
	@test/coverage.sh

lint:
	@test/lint.sh

unit:
	@test/prepare.sh
	@test/unit/run.sh

fuzz:
	@test/prepare.sh fuzz
	@test/fuzz/run.sh

compat:
	@test/prepare.sh
	@test/compat.sh fetch; test/compat.sh compile

demo:
	@test/demo/run.sh

demo-stop:
	@test/cluster.sh stop demo

bench:
	@test/bench/run.sh

roots:
	@test/roots.sh

.PHONY: $(SCRIPTED)

else

# A pg_config with headers and the server's list of errors: the one that is given, else the one that is found.
PG_CONFIG_ASKED := $(PG_CONFIG)
override PG_CONFIG := $(shell PG_CONFIG='$(PG_CONFIG_ASKED)' && . test/common.sh && find_pg_config build)

ifeq ($(PG_CONFIG),)

all install clean:
	@echo "$(if $(PG_CONFIG_ASKED),$(PG_CONFIG_ASKED) does not lead,Nothing leads) to the server headers of PostgreSQL 15 or later" >&2
	@echo "and to that server's list of its errors, errcodes.txt." >&2
	@echo "Install postgresql-server-dev-NN and postgresql-NN, or let \"make check\" do it, or set PG_CONFIG." >&2
	@exit 1

.PHONY: all install clean
.DEFAULT_GOAL := all

else

PGXS := $(shell $(PG_CONFIG) --pgxs)

ifneq ($(shell pkg-config --exists libcjson 2>/dev/null && echo found),found)
ifneq ($(MAKECMDGOALS),clean)
$(error libcjson was not found by pkg-config: install libcjson-dev and pkg-config)
endif
endif

PG_CPPFLAGS = -Isrc -Ibuild $(shell pkg-config --cflags libcjson 2>/dev/null)
SHLIB_LINK = $(shell pkg-config --libs libcjson 2>/dev/null)

# From 16 on modules hide their symbols unless told otherwise; make it so on 15.
PG_MAJOR := $(shell $(PG_CONFIG) --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
ifeq ($(PG_MAJOR),15)
PG_CFLAGS += -fvisibility=hidden '-DPGDLLEXPORT=__attribute__((visibility("default")))'
endif

# PostgreSQL's own headers are system headers here: their warnings are not ours.
ifdef DEV
PG_CPPFLAGS += -isystem $(shell $(PG_CONFIG) --includedir-server)
PG_CFLAGS += -Wall -Wextra -Werror
endif

# Bitcode helps to inline small SQL functions into queries; here are none.
override with_llvm = no

EXTRA_CLEAN = build

include $(PGXS)

# PGXS does not follow includes, nor does it know which PostgreSQL objects are for.
BUILT_FOR := $(shell $(PG_CONFIG) --version --includedir-server)
ifneq ($(BUILT_FOR),$(shell cat build/built_for 2>/dev/null))
$(shell mkdir -p build && echo "$(BUILT_FOR)" >build/built_for)
endif
$(OBJS): $(wildcard src/*/*.h src/*/*/*.h) build/built_for

# The library with fault points (src/shared/fault.h), for tests: what has any is compiled once more.
FAULTY = src/shared/fault.o $(shell grep -l 'fault_point."' src/*/*.c src/*/*/*.c | sed 's/c$$/o/')

faults: build/faults/$(MODULE_big)$(DLSUFFIX)

build/faults/$(MODULE_big)$(DLSUFFIX): $(OBJS) $(addprefix build/faults/,$(FAULTY))
	$(LINK.shared) -o $@ $(filter-out $(FAULTY),$(OBJS)) $(addprefix build/faults/,$(FAULTY)) \
		$(LDFLAGS) $(LDFLAGS_SL) $(SHLIB_LINK)

build/faults/%.o: %.c $(wildcard src/*/*.h src/*/*/*.h) build/built_for
	@mkdir -p $(@D)
	$(COMPILE.c) -DWORKFLOW_FAULT_POINTS -o $@ $<

.PHONY: faults

# What verify() compares an installation with.
src/api/verify.o: build/script_objects.h

build/script_objects.h: $(SCHEMA) src/schema/objects.awk
	mkdir -p build
	awk -f src/schema/objects.awk $(SCHEMA) >$@.tmp
	mv $@.tmp $@

# What the server calls its errors.
ERRCODES := $(shell $(PG_CONFIG) --sharedir)/errcodes.txt

src/definition/error_names.o: build/error_conditions.h

build/error_conditions.h: $(ERRCODES) src/definition/error_conditions.awk build/built_for
	mkdir -p build
	LC_ALL=C awk -f src/definition/error_conditions.awk $(ERRCODES) >$@.tmp
	mv $@.tmp $@

pg_workflow--$(EXTVERSION).sql: $(SCHEMA) pg_workflow.control Makefile
	{ printf '%s\n' '\echo Use "CREATE EXTENSION pg_workflow" to load this file. \quit'; \
	  cat $(SCHEMA); } > $@.tmp
	mv $@.tmp $@

released = src/schema/releases/pg_workflow--$(PREVIOUS).sql
update = src/schema/update.awk

pg_workflow--$(PREVIOUS)--$(EXTVERSION).sql: pg_workflow--$(EXTVERSION).sql $(released) src/schema/updates/up.sql $(update)
	awk -v version=$(EXTVERSION) -f $(update) $(released) src/schema/updates/up.sql $< > $@.tmp
	mv $@.tmp $@

pg_workflow--$(EXTVERSION)--$(PREVIOUS).sql: pg_workflow--$(EXTVERSION).sql $(released) src/schema/updates/down.sql $(update)
	awk -v version=$(PREVIOUS) -f $(update) $< src/schema/updates/down.sql $(released) > $@.tmp
	mv $@.tmp $@

# The scripts that are built are in it: META.json names the first.
dist: $(DATA_built)
	mkdir -p build
	git archive --format=zip --prefix=$(EXTENSION)-$(EXTVERSION)/ $(addprefix --add-file=,$(DATA_built)) \
	  -o build/$(EXTENSION)-$(EXTVERSION).zip HEAD

.PHONY: dist

endif
endif
