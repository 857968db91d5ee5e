/*-------------------------------------------------------------------------
 *
 * bind.c
 *	  The values a step's SQL uses: $1 .. and input.x, typed from the context.
 *
 * NOTES
 *	  Executor or a session that called execute(), inside a transaction; no
 *	  locks.
 *
 *	  The parser asks our hooks about $n and about names that are no column.
 *	  Each value becomes a Param whose number is its place in the Binding; the
 *	  same value used twice is the same Param, so that GROUP BY recognises it.
 *
 *	  A statement is analysed twice.  The first analysis lets the types
 *	  open and notes what the parser coerces each value to.  It runs in
 *	  a subtransaction, because it can fail for a reason we can help: a
 *	  polymorphic function cannot take a value of unknown type.  Then the value
 *	  seen last becomes jsonb and the analysis is repeated.  The second analysis
 *	  is the plan cache's own, with the types found, and is repeated by it as
 *	  often as it finds necessary.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "parser/analyze.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "interpreter/bind.h"
#include "interpreter/convert.h"

/* The name behind which the members of the step's input are found. */
#define INPUT_NAME "input"

/* One value. */
typedef struct BoundValue
{
	int			number;			/* $n, or 0: the input */
	char	  **path;			/* members below the input; none: all of it */
	int			npath;
	char	   *name;			/* for messages: "$1", "input.a.b" */
	Oid			type;			/* UNKNOWNOID: not determined yet */
	bool		is_forced;		/* made jsonb for want of anything better */
	int			last_seen;		/* when the parser last met it */
	Conversion	conversion;
} BoundValue;

struct Binding
{
	MemoryContext context;
	BoundValue *values;			/* Param n is values[n - 1] */
	int			nvalues;
	int			size;
	int			seen;			/* counts references, for last_seen */
	bool		is_open;		/* the types are being determined */
};

static bool may_use_values(RawStmt *statement, const char *source);
static bool try_analysis(Binding *binding, RawStmt *statement,
						 const char *source, ErrorData **error);
static bool force_last_seen(Binding *binding);
static Node *number_hook(ParseState *pstate, ParamRef *reference);
static Node *input_hook(ParseState *pstate, ColumnRef *reference, Node *column);
static Node *coerce_hook(ParseState *pstate, Param *param, Oid target_type,
						 int32 target_typmod, int location);
static BoundValue *find_value(Binding *binding, int number, List *path);
static BoundValue *add_value(Binding *binding, int number, List *path);
static Node *make_param(Binding *binding, BoundValue *value, int location);
static JsonbValue *look_up(BoundValue *value, Jsonb *input, Jsonb **params,
						   int nparams, JsonbValue *result);
static void report_missing(BoundValue *value, int level, JsonbValue *parent);
static void value_error_context(void *arg);

Binding *
binding_create(RawStmt *statement, const char *source, MemoryContext context)
{
	Binding    *binding;
	ErrorData  *error;

	if (!may_use_values(statement, source))
		return NULL;

	binding = MemoryContextAllocZero(context, sizeof(Binding));
	binding->context = context;
	binding->is_open = true;

	while (!try_analysis(binding, statement, source, &error))
	{
		if (!force_last_seen(binding))
			ReThrowError(error);
		FreeErrorData(error);
	}

	binding->is_open = false;
	if (binding->nvalues == 0)
		return NULL;

	for (int i = 0; i < binding->nvalues; i++)
	{
		BoundValue *value = &binding->values[i];

		if (value->type == UNKNOWNOID)
			value->type = JSONBOID;
		conversion_init(&value->conversion, value->type, context);
	}
	return binding;
}

/*
 * Whether looking for values is worth two analyses: the statement is of a kind
 * that is analysed at all, and its text has the characters.
 */
static bool
may_use_values(RawStmt *statement, const char *source)
{
	if (!analyze_requires_snapshot(statement))
		return false;

	for (const char *c = source; *c != '\0'; c++)
	{
		if (*c == '$' || pg_strncasecmp(c, INPUT_NAME, strlen(INPUT_NAME)) == 0)
			return true;
	}
	/* U&"\0069nput" is the only other way to write it */
	return strchr(source, '\\') != NULL;
}

/*
 * Analyse the statement with open types in a subtransaction.  False when it
 * failed in a way that other types might cure; *error then says how, in the
 * caller's context.
 */
static bool
try_analysis(Binding *binding, RawStmt *statement, const char *source,
			 ErrorData **error)
{
	MemoryContext old_context = CurrentMemoryContext;
	ResourceOwner old_owner = CurrentResourceOwner;
	volatile bool succeeded = false;

	for (int i = 0; i < binding->nvalues; i++)
	{
		if (!binding->values[i].is_forced)
			binding->values[i].type = UNKNOWNOID;
		binding->values[i].last_seen = 0;
	}
	*error = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		MemoryContextSwitchTo(old_context);
		(void) parse_analyze_withcb(copyObject(statement), source,
									binding_parser_setup, binding, NULL);
		succeeded = true;
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(old_context);
		CurrentResourceOwner = old_owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old_context);
		if (ERRCODE_TO_CATEGORY(geterrcode()) !=
			ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION)
			PG_RE_THROW();
		*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(old_context);
		CurrentResourceOwner = old_owner;
	}
	PG_END_TRY();

	return succeeded;
}

/*
 * After a failed analysis: make the undetermined value the parser met last a
 * jsonb.  False when there is none, which means that the error is a real one.
 */
static bool
force_last_seen(Binding *binding)
{
	BoundValue *last = NULL;

	for (int i = 0; i < binding->nvalues; i++)
	{
		BoundValue *value = &binding->values[i];

		if (value->type == UNKNOWNOID && value->last_seen > 0 &&
			(last == NULL || value->last_seen > last->last_seen))
			last = value;
	}
	if (last == NULL)
		return false;

	last->type = JSONBOID;
	last->is_forced = true;
	return true;
}

void
binding_parser_setup(ParseState *pstate, void *arg)
{
	Binding    *binding = arg;

	pstate->p_ref_hook_state = binding;
	pstate->p_paramref_hook = number_hook;
	pstate->p_post_columnref_hook = input_hook;
	pstate->p_coerce_param_hook = coerce_hook;

	/* an output column that is just a value would otherwise become text */
	if (binding->is_open)
		pstate->p_resolve_unknowns = false;
}

/*
 * Parser hook: $n.
 */
static Node *
number_hook(ParseState *pstate, ParamRef *reference)
{
	Binding    *binding = pstate->p_ref_hook_state;
	BoundValue *value = NULL;

	if (reference->number > 0)
	{
		value = find_value(binding, reference->number, NIL);
		if (value == NULL && binding->is_open)
			value = add_value(binding, reference->number, NIL);
	}
	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_PARAMETER),
				 errmsg("there is no parameter $%d", reference->number),
				 parser_errposition(pstate, reference->location)));
	return make_param(binding, value, reference->location);
}

/*
 * Parser hook: a name.  A column of that name goes first.
 */
static Node *
input_hook(ParseState *pstate, ColumnRef *reference, Node *column)
{
	Binding    *binding = pstate->p_ref_hook_state;
	BoundValue *value;
	ListCell   *cell;

	if (column != NULL)
		return NULL;
	foreach(cell, reference->fields)
	{
		if (!IsA(lfirst(cell), String))
			return NULL;		/* input.* */
	}
	if (strcmp(strVal(linitial(reference->fields)), INPUT_NAME) != 0)
		return NULL;

	value = find_value(binding, 0, reference->fields);
	if (value == NULL && binding->is_open)
		value = add_value(binding, 0, reference->fields);
	if (value == NULL)
		return NULL;
	return make_param(binding, value, reference->location);
}

/*
 * Parser hook: a Param is wanted as some type.  Settles an open one.
 */
static Node *
coerce_hook(ParseState *pstate, Param *param, Oid target_type,
			int32 target_typmod, int location)
{
	Binding    *binding = pstate->p_ref_hook_state;
	BoundValue *value;

	/* the type modifier is applied by a coercion of its own */
	(void) target_typmod;

	if (param->paramkind != PARAM_EXTERN || param->paramtype != UNKNOWNOID)
		return NULL;

	value = &binding->values[param->paramid - 1];
	if (value->type != UNKNOWNOID && value->type != target_type)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				 errmsg("inconsistent types deduced for %s", value->name),
				 errdetail("%s versus %s", format_type_be(value->type),
						   format_type_be(target_type)),
				 errhint("Add explicit casts."),
				 parser_errposition(pstate, param->location)));

	value->type = target_type;
	param->paramtype = target_type;
	param->paramtypmod = -1;
	param->paramcollid = get_typcollation(target_type);
	if (location >= 0 && (param->location < 0 || location < param->location))
		param->location = location;
	return (Node *) param;
}

/*
 * The value of that number or that path (of names, the first being "input").
 */
static BoundValue *
find_value(Binding *binding, int number, List *path)
{
	int			npath = Max(list_length(path) - 1, 0);

	for (int i = 0; i < binding->nvalues; i++)
	{
		BoundValue *value = &binding->values[i];
		int			level;

		if (value->number != number || value->npath != npath)
			continue;
		for (level = 0; level < npath; level++)
		{
			if (strcmp(value->path[level],
					   strVal(list_nth(path, level + 1))) != 0)
				break;
		}
		if (level == npath)
			return value;
	}
	return NULL;
}

static BoundValue *
add_value(Binding *binding, int number, List *path)
{
	MemoryContext old_context = MemoryContextSwitchTo(binding->context);
	StringInfoData name;
	BoundValue *value;

	if (binding->nvalues == binding->size)
	{
		binding->size = Max(binding->size * 2, 4);
		if (binding->values == NULL)
			binding->values = palloc(binding->size * sizeof(BoundValue));
		else
			binding->values = repalloc(binding->values,
									   binding->size * sizeof(BoundValue));
	}
	value = &binding->values[binding->nvalues];
	memset(value, 0, sizeof(BoundValue));
	value->type = UNKNOWNOID;
	value->number = number;

	initStringInfo(&name);
	if (number > 0)
		appendStringInfo(&name, "$%d", number);
	else
	{
		appendStringInfoString(&name, INPUT_NAME);
		value->npath = list_length(path) - 1;
		value->path = palloc((value->npath + 1) * sizeof(char *));
		for (int level = 0; level < value->npath; level++)
		{
			value->path[level] = pstrdup(strVal(list_nth(path, level + 1)));
			appendStringInfo(&name, ".%s", value->path[level]);
		}
	}
	value->name = name.data;
	binding->nvalues++;

	MemoryContextSwitchTo(old_context);
	return value;
}

static Node *
make_param(Binding *binding, BoundValue *value, int location)
{
	Param	   *param = makeNode(Param);

	value->last_seen = ++binding->seen;

	param->paramkind = PARAM_EXTERN;
	param->paramid = (int) (value - binding->values) + 1;
	param->paramtype = value->type;
	param->paramtypmod = -1;
	param->paramcollid = get_typcollation(value->type);
	param->location = location;
	return (Node *) param;
}

ParamListInfo
binding_values(Binding *binding, Jsonb *input, Jsonb **params, int nparams)
{
	ParamListInfo list = makeParamList(binding->nvalues);
	ErrorContextCallback context_callback;

	context_callback.callback = value_error_context;
	context_callback.previous = error_context_stack;
	error_context_stack = &context_callback;

	for (int i = 0; i < binding->nvalues; i++)
	{
		BoundValue *value = &binding->values[i];
		ParamExternData *param = &list->params[i];
		JsonbValue	found;

		context_callback.arg = value;
		param->ptype = value->type;
		param->pflags = PARAM_FLAG_CONST;
		param->value = conversion_apply(&value->conversion,
										look_up(value, input, params, nparams,
												&found),
										&param->isnull);
	}

	error_context_stack = context_callback.previous;
	return list;
}

/*
 * Find a value in what the step was given; NULL is SQL null.
 */
static JsonbValue *
look_up(BoundValue *value, Jsonb *input, Jsonb **params, int nparams,
		JsonbValue *result)
{
	if (value->number > 0)
	{
		if (value->number > nparams)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_PARAMETER),
					 errmsg("there is no parameter %s", value->name),
					 errdetail_plural("The step has %d value in \"params\".",
									  "The step has %d values in \"params\".",
									  nparams, nparams)));
		if (params[value->number - 1] == NULL)
			return NULL;
		jsonb_root_value(params[value->number - 1], result);
		return result;
	}

	if (input == NULL)
	{
		/* an empty object */
		result->type = jbvObject;
		result->val.object.nPairs = 0;
		result->val.object.pairs = NULL;
		if (value->npath == 0)
			return result;
	}
	else
		jsonb_root_value(input, result);

	for (int level = 0; level < value->npath; level++)
	{
		JsonbValue	member;

		if (result->type != jbvBinary ||
			!JsonContainerIsObject(result->val.binary.data) ||
			getKeyJsonValueFromContainer(result->val.binary.data,
										 value->path[level],
										 strlen(value->path[level]),
										 &member) == NULL)
			report_missing(value, level, result);
		*result = member;
	}
	return result;
}

/*
 * Raise the error for a member that is not there.  SQL folds names to lower
 * case, so a member that differs in case only deserves a hint.
 */
static void
report_missing(BoundValue *value, int level, JsonbValue *parent)
{
	StringInfoData parent_name;
	const char *wanted = value->path[level];
	char	   *similar = NULL;

	initStringInfo(&parent_name);
	appendStringInfoString(&parent_name, INPUT_NAME);
	for (int i = 0; i < level; i++)
		appendStringInfo(&parent_name, ".%s", value->path[i]);

	if (parent->type == jbvBinary &&
		JsonContainerIsObject(parent->val.binary.data))
	{
		JsonbIterator *iterator = JsonbIteratorInit(parent->val.binary.data);
		JsonbIteratorToken token;
		JsonbValue	key;

		while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
		{
			if (token == WJB_KEY &&
				key.val.string.len == (int) strlen(wanted) &&
				pg_strncasecmp(key.val.string.val, wanted, strlen(wanted)) == 0)
				similar = pnstrdup(key.val.string.val, key.val.string.len);
		}
	}
	else if (parent->type != jbvObject)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_PARAMETER),
				 errmsg("%s has no member \"%s\"", parent_name.data, wanted),
				 errdetail("It is not an object.")));

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_PARAMETER),
			 errmsg("%s has no member \"%s\"", parent_name.data, wanted),
			 similar != NULL ?
			 errhint("There is a member \"%s\": write %s.%s.",
					 similar, parent_name.data, quote_identifier(similar)) :
			 errhint("Add it to the step's \"input_mapping\".")));
}

static void
value_error_context(void *arg)
{
	errcontext("value of %s", ((BoundValue *) arg)->name);
}
