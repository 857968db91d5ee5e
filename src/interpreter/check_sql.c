/*-------------------------------------------------------------------------
 *
 * check_sql.c
 *	  What can be said about a step's SQL before it runs: its syntax, and what
 *	  can never run where it stands.
 *
 * NOTES
 *	  Sessions that define workflows or register agents; no locks, no catalogs.
 *	  The SQL is parsed, not analysed: tables that a step reads may be created
 *	  by an earlier step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "interpreter/prepared.h"
#include "interpreter/run_sql.h"

/* What is looked for in a statement that may use values. */
typedef struct ValueSearch
{
	const SqlUse *use;
	const ParamRef *parameter;	/* the first $n that is not given */
	const ColumnRef *member;	/* the first input.x that is not given */
	bool		has_relation;	/* something in the statement is called
								 * "input" itself */
} ValueSearch;

static bool
is_input(const char *name)
{
	return name != NULL && strcmp(name, "input") == 0;
}

/* Can that be a value of the step's input? */
static bool
is_given(const SqlUse *use, const char *name)
{
	for (int i = 0; i < use->ninput_names; i++)
		if (strcmp(use->input_names[i], name) == 0)
			return true;
	return !use->knows_input;
}

/*
 * Walker: note what values a statement uses that it is not given.
 */
static bool
find_values(Node *node, void *context)
{
	ValueSearch *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, ParamRef))
	{
		const ParamRef *reference = (ParamRef *) node;

		if (search->parameter == NULL &&
			(reference->number <= 0 ||
			 reference->number > search->use->nparams))
			search->parameter = reference;
	}
	else if (IsA(node, ColumnRef))
	{
		const ColumnRef *reference = (ColumnRef *) node;

		if (search->member == NULL && list_length(reference->fields) > 1 &&
			IsA(linitial(reference->fields), String) &&
			IsA(lsecond(reference->fields), String) &&
			is_input(strVal(linitial(reference->fields))) &&
			!is_given(search->use, strVal(lsecond(reference->fields))))
			search->member = reference;
		return false;
	}
	else if (IsA(node, RangeVar))
		search->has_relation |= is_input(((RangeVar *) node)->relname) ||
			is_input(((RangeVar *) node)->schemaname);
	else if (IsA(node, Alias))
	{
		search->has_relation |= is_input(((Alias *) node)->aliasname);
		return false;
	}
	return raw_expression_tree_walker(node, find_values, context);
}

/* The option of that name in the list; NULL: none. */
static DefElem *
find_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return option;
	}
	return NULL;
}

static bool
reindexes_outside(const ReindexStmt *statement)
{
	DefElem    *option = find_option(statement->params, "concurrently");
	bool		concurrently = option != NULL;

	/* what is no boolean is an error of its own when it runs */
	if (option != NULL && option->arg != NULL)
		(void) parse_bool(defGetString(option), &concurrently);
	return concurrently || statement->kind == REINDEX_OBJECT_SCHEMA ||
		statement->kind == REINDEX_OBJECT_SYSTEM ||
		statement->kind == REINDEX_OBJECT_DATABASE;
}

static bool
detaches_concurrently(const AlterTableStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_DetachPartition &&
			castNode(PartitionCmd, command->def)->concurrent)
			return true;
	}
	return false;
}

/*
 * Is it a statement that the server runs outside of transaction blocks only,
 * whatever there is in the database?
 */
static bool
needs_no_transaction(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_VacuumStmt:
			return ((VacuumStmt *) statement)->is_vacuumcmd;
		case T_AlterSystemStmt:
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_CreateTableSpaceStmt:
		case T_DropTableSpaceStmt:
			return true;
		case T_AlterDatabaseStmt:
			return find_option(((AlterDatabaseStmt *) statement)->options,
							   "tablespace") != NULL;
		case T_AlterTableStmt:
			return detaches_concurrently((AlterTableStmt *) statement);
		case T_ClusterStmt:
			return ((ClusterStmt *) statement)->relation == NULL;
		case T_ReindexStmt:
			return reindexes_outside((ReindexStmt *) statement);
		case T_CreateSubscriptionStmt:
			return find_option(((CreateSubscriptionStmt *) statement)->options,
							   "connect") == NULL &&
				find_option(((CreateSubscriptionStmt *) statement)->options,
							"create_slot") == NULL;
		case T_IndexStmt:
			return ((IndexStmt *) statement)->concurrent;
		case T_DropStmt:
			return ((DropStmt *) statement)->concurrent;
		case T_DiscardStmt:
			return ((DiscardStmt *) statement)->target == DISCARD_ALL;
		default:
			return false;
	}
}

/*
 * Can its values be looked for?  The walker knows no utility statements.
 */
static bool
is_optimizable(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_SelectStmt:
		case T_InsertStmt:
		case T_UpdateStmt:
		case T_DeleteStmt:
		case T_MergeStmt:
			return true;
		default:
			return false;
	}
}

/*
 * What a query writes with in its WITH, the one place where it can; NULL:
 * nothing.
 */
static const char *
writes_in_with(const SelectStmt *select)
{
	ListCell   *cell;

	if (select->withClause == NULL)
		return NULL;
	foreach(cell, select->withClause->ctes)
	{
		Node	   *query = lfirst_node(CommonTableExpr, cell)->ctequery;

		if (!IsA(query, SelectStmt))
			return CreateCommandName(query);
	}
	return NULL;
}

/*
 * How many columns a query returns at least.  How many a * stands for is not
 * known here.
 */
static int
count_columns(const SelectStmt *first)
{
	int			ncolumns = 0;
	List	   *values = first->valuesLists != NIL ? linitial(first->valuesLists) : first->targetList;
	ListCell   *cell;

	foreach(cell, values)
	{
		Node	   *value = lfirst(cell);

		if (IsA(value, ResTarget))
			value = ((ResTarget *) value)->val;
		if (!IsA(value, ColumnRef) ||
			!IsA(llast(((ColumnRef *) value)->fields), A_Star))
			ncolumns++;
	}
	return ncolumns;
}

/*
 * Why a statement of a condition makes it one that can never be true; NULL: it
 * may be.
 */
static char *
complaint_about_condition(Node *statement, bool is_last)
{
	const SelectStmt *first = (SelectStmt *) statement;
	const char *writing;
	int			ncolumns;

	if (!IsA(statement, SelectStmt))
	{
		if (is_optimizable(statement))
			return psprintf("a condition cannot contain %s: it is read only",
							CreateCommandName(statement));
		return is_last ? psprintf("condition must return one column, and %s returns none",
								  CreateCommandName(statement)) : NULL;
	}
	writing = writes_in_with(first);
	if (writing != NULL)
		return psprintf("a condition cannot contain %s: it is read only",
						writing);
	/* of a UNION it is the first query that says what there is */
	while (first->op != SETOP_NONE)
		first = first->larg;
	if (first->intoClause != NULL)
		return pstrdup("a condition cannot contain SELECT INTO: it is read only");
	ncolumns = is_last ? count_columns(first) : 1;
	return ncolumns > 1 ?
		psprintf("condition must return one column, not %d", ncolumns) :
		NULL;
}

/* The place of a byte of the text as the parser's errors have it. */
static int
position_of(const char *sql, int location)
{
	return pg_mbstrlen_with_len(sql, Max(location, 0)) + 1;
}

/* What helps who has written input.name where there is no such value. */
static char *
hint_about_member(const SqlUse *use, const char *name)
{
	for (int i = 0; i < use->ninput_names; i++)
		if (pg_strcasecmp(use->input_names[i], name) == 0)
			return psprintf("There is a value \"%s\": write input.%s.",
							use->input_names[i],
							quote_identifier(use->input_names[i]));
	return pstrdup("Give the value in \"input_mapping\".");
}

/*
 * What is wrong with a step's statements, where it stands; NULL: nothing.
 */
static char *
complaint_about_use(List *statements, const char *sql, const SqlUse *use,
					int *position, const char **hint)
{
	ListCell   *cell;

	if (use->outside && list_length(statements) > 1)
	{
		*hint = "Use a step for each, or call a procedure.";
		return pstrdup("step SQL with \"transaction\": \"none\" cannot contain more than one statement");
	}
	foreach(cell, statements)
	{
		Node	   *statement = lfirst_node(RawStmt, cell)->stmt;
		ValueSearch search = {.use = use};

		if (!use->outside && needs_no_transaction(statement))
		{
			*hint = "Make it a step of its own with \"transaction\": \"none\".";
			return psprintf("%s cannot run inside a transaction block",
							CreateCommandName(statement));
		}
		if (use->is_condition)
		{
			char	   *complaint = complaint_about_condition(statement,
														lnext(statements,
															  cell) == NULL);

			if (complaint != NULL)
			{
				*hint = "A condition is a query that returns one boolean.";
				return complaint;
			}
		}
		if (!is_optimizable(statement))
			continue;
		(void) find_values(statement, &search);
		if (search.parameter != NULL)
		{
			*position = position_of(sql, search.parameter->location);
			*hint = "Give its value in \"params\".";
			return psprintf("there is no parameter $%d",
							search.parameter->number);
		}
		if (search.member != NULL && !search.has_relation)
		{
			const char *name = strVal(lsecond(search.member->fields));

			*position = position_of(sql, search.member->location);
			*hint = hint_about_member(use, name);
			return psprintf("there is no value input.%s", name);
		}
	}
	return NULL;
}

/*
 * The parser works in the current memory context and takes no lock, so its
 * error needs no subtransaction.  What is not about the text is raised.
 */
char *
check_step_sql(const char *sql, const SqlUse *use, int *position,
			   const char **hint)
{
	MemoryContext caller_context = CurrentMemoryContext;
	MemoryContext context;
	ErrorData  *volatile error = NULL;
	List	   *volatile statements = NIL;
	char	   *message;

	*position = 0;
	*hint = NULL;
	context = AllocSetContextCreate(caller_context, "pg_workflow syntax check",
									ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		MemoryContextSwitchTo(context);
		statements = parse_step_sql(sql);
	}
	PG_CATCH();
	{
		int			category = ERRCODE_TO_CATEGORY(geterrcode());

		if (category != ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
			category != ERRCODE_DATA_EXCEPTION &&
			category != ERRCODE_FEATURE_NOT_SUPPORTED &&
			category != ERRCODE_INVALID_TRANSACTION_TERMINATION &&
			category != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller_context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller_context);
	if (error != NULL)
	{
		message = error->message;
		*hint = error->hint;
		*position = error->internalpos;
	}
	else
		message = use != NULL ?
			complaint_about_use(statements, sql, use, position, hint) :
			NULL;
	MemoryContextDelete(context);
	return message;
}
