/*-------------------------------------------------------------------------
 *
 * private.h
 *	  What the files of the state room share with each other only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_PRIVATE_H
#define PGWF_STATE_PRIVATE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/*
 * Counters of invalidations of workflow.definitions and workflow.agents: a
 * cache filled under one value is good as long as the value stays.  They move
 * when any session calls state_definitions_changed() or state_agents_changed()
 * and commits, and when the extension is dropped or created.
 */
extern uint64 state_definitions_counter;
extern uint64 state_agents_counter;

/* Counts the installations of the extension this process has seen. */
extern uint64 state_installation;

/*
 * Raise an error (25006) in a read-only transaction and on a standby: in front
 * of what writes, which would name a statement of ours, or a lock, instead.
 */
extern void require_read_write(void);

/* Tell all sessions, at commit, that a row of the table was written. */
extern void state_definitions_changed(void);
extern void state_agents_changed(void);

struct StateStatement;
/*
 * As state_query(), of the newest rows, whatever snapshot the transaction has:
 * for rights and limits.  Then state_done_newest().
 */
extern uint64 state_query_newest(struct StateStatement *statement,
								 Datum *values, long limit);
extern void state_done_newest(void);

/* Column of the current row of SPI_tuptable, for readers of short rows. */
extern Datum state_column(uint64 row, int column, bool *isnull);
extern int32 state_column_int32(uint64 row, int column);
extern int64 state_column_int64(uint64 row, int column);
/* Text as a C string in the current context, NULL for null. */
extern char *state_column_text(uint64 row, int column);
/* An array of int8, in the current context. */
extern Datum state_ids(const int64 *ids, int count);
/* 0 for null. */
extern TimestampTz state_column_time(uint64 row, int column);
/* A copy in the current context, NULL for null. */
extern Jsonb *state_column_jsonb(uint64 row, int column);

/* Set an argument of a statement: NULL, and a time of 0, stand for null. */
extern void state_set_text(Datum *values, char *nulls, int argument,
						   const char *text);
extern void state_set_jsonb(Datum *values, char *nulls, int argument,
							const Jsonb *value);
extern void state_set_time(Datum *values, char *nulls, int argument,
						   TimestampTz time);

/*
 * The server's queue of notifications, in which any session can keep all that
 * anybody has sent.  A transaction that finds no room fails; so nothing is
 * announced where there is little left.
 */
#define MAX_NOTIFY_QUEUE_USAGE 0.9

/*
 * Whether anything is announced at all: condition of each statement that does.
 */
#define MAY_NOTIFY \
	"pg_catalog.current_setting('workflow.notify')::pg_catalog.bool" \
	" AND pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) " \
	CppAsString2(MAX_NOTIFY_QUEUE_USAGE) "::pg_catalog.float8"

/*
 * On the channel of announce.c; the members of the payload, and what they are.
 */
#define NOTIFY(members, values) \
	"pg_catalog.pg_notify('workflow', pg_catalog.format('{" members "}', " values "))"

/* Where a definition, d, asks for it. */
#define DEFINITION_NOTIFIES \
	MAY_NOTIFY " AND d.definition OPERATOR(pg_catalog.@>) '{\"notify\": true}'::pg_catalog.jsonb"

/*
 * The RETURNING of a statement that gives executions e another status: first
 * what announce_statuses() reads, in so many columns.
 */
#define RETURNING_STATUS \
	" RETURNING e.id, e.workflow, e.status," \
	" EXISTS (SELECT FROM workflow.definitions AS d" \
	"  WHERE d.id OPERATOR(pg_catalog.=) e.definition_id AND " DEFINITION_NOTIFIES ")"
#define STATUS_COLUMNS 4

/*
 * What has happened to an execution and that it went on after, with one thing
 * more: the newest hundred are kept.
 */
#define WITH_INTERRUPTION(interruptions, one) \
	"CASE WHEN pg_catalog.jsonb_array_length(" interruptions ") OPERATOR(pg_catalog.>=) 100" \
	" THEN " interruptions " OPERATOR(pg_catalog.-) 0" \
	" ELSE COALESCE(" interruptions ", '[]'::pg_catalog.jsonb) END OPERATOR(pg_catalog.||) " one

/*
 * The two ends of a claim, with a query for the ids in between: what it finds
 * is running.  $1: how many at most.
 */
/* Of one that was woken start_at says from now on since when it runs again. */
#define CLAIM_SET \
	"UPDATE workflow.executions AS e SET status = 'running', limited = false," \
	" started_at = COALESCE(e.started_at, pg_catalog.clock_timestamp())," \
	" start_at = CASE WHEN e.started_at IS NULL OR e.start_at IS NULL THEN e.start_at" \
	" ELSE pg_catalog.clock_timestamp() END FROM (SELECT id, started_at, start_at"
#define CLAIM_END \
	" LIMIT $1 FOR UPDATE SKIP LOCKED) AS due WHERE e.id OPERATOR(pg_catalog.=) due.id" \
	" RETURNING e.id, e.role::pg_catalog.oid, e.priority, e.definition_id, false, e.recoveries, e.workflow, e.tenant," \
	" due.started_at IS NOT NULL, e.ending IS NOT NULL, GREATEST(e.created_at, due.start_at)"

/*
 * A step of it may run: it is running, or was paused during that step, and
 * resumed, and queued, set aside or blocked since.
 */
#define IS_RUN \
	"status OPERATOR(pg_catalog.=) ANY ('{running,paused}'::pg_catalog.text[])" \
	" OR (status OPERATOR(pg_catalog.=) ANY ('{pending,blocked}'::pg_catalog.text[]) AND started_at IS NOT NULL)"

/*
 * An execution of a schedule that is not over, as in the index
 * executions_schedule_idx; and one that begins only when others of its schedule
 * have ended.
 */
#define NOT_ENDED(e) \
	e ".status OPERATOR(pg_catalog.=) ANY" \
	" ('{pending,running,paused,cancelling,blocked,waiting}'::pg_catalog.text[])"
#define WAITS_FOR_SCHEDULE(e) \
	"COALESCE(" e ".start_at OPERATOR(pg_catalog.=) 'infinity'::pg_catalog.timestamptz, false)"

/*
 * The columns and conditions of executions_pending_idx, and those of
 * executions_start_at_idx.
 */
#define IS_PENDING "status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text"
#define QUEUED \
	" FROM workflow.executions WHERE " IS_PENDING " AND start_at IS NULL AND NOT limited"
#define DEFERRED \
	" FROM workflow.executions WHERE " IS_PENDING " AND start_at IS NOT NULL AND NOT limited"

/*
 * The roles in one of these: from one to the next by the index, what waits in
 * between is not read.
 */
#define NEXT_ROLE(queue, condition) \
	"SELECT role::pg_catalog.oid AS role" queue condition " ORDER BY role LIMIT 1"
#define ROLES(name, queue) \
	name " AS ((" NEXT_ROLE(queue, "") ") UNION ALL SELECT n.role FROM " name " AS r" \
	" CROSS JOIN LATERAL (" NEXT_ROLE(queue, " AND role OPERATOR(pg_catalog.>) r.role") ") AS n)"

/*
 * Whether a role ($n) was granted to see the executions of a workflow, for what
 * runs as the extension's owner: as the view seen_workflows has it of the
 * reader.  Asked once in a statement.
 */
#define SEES_WORKFLOW(n, workflow) \
	workflow " OPERATOR(pg_catalog.=) ANY (SELECT g.workflow FROM workflow.grants AS g" \
	" WHERE g.privilege OPERATOR(pg_catalog.=) 'see'::pg_catalog.text AND g.granted" \
	" AND (g.role IS NULL OR pg_catalog.pg_has_role($" #n ", g.role::pg_catalog.oid, 'USAGE')))"

struct ClaimedExecution;
/* Run a claim. */
extern int	executions_read_claims(struct StateStatement *statement,
								   Datum *values,
								   struct ClaimedExecution **claimed);

#endif							/* PGWF_STATE_PRIVATE_H */
