/*-------------------------------------------------------------------------
 *
 * agent.c
 *	  Steps that call an agent.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/explain.h"

static void
build_agent(Builder *builder, PlanNode *node, const Place *place)
{
	if (json_get(place->object, "type") == NULL && json_get(place->object, "agent_name") == NULL)
		field_error(builder, place, NULL, NULL,
					"step \"%s\" needs \"sql\", \"agent_name\" or \"type\"", node->id);
	else
		node->agent_name = field_string(builder, place, "agent_name", true);
}

static void
explain_agent(Explainer *explainer, const PlanNode *node)
{
	explain_words(explainer, " ");
	explain_words(explainer, node->agent_name);
}

static const char *
agent_subject(const PlanNode *node, bool all pg_attribute_unused())
{
	return node->agent_name;
}

static const FieldSet fields_of_agent = {
	.owner = "a step of type agent",
	.fields = (const Field[]) {
		{"agent_name", FIELD_USED}, {"transaction", FIELD_USED}, {NULL, FIELD_USED}
	},
	.more = &step_fields
};

const StepTypeInfo step_type_agent = {
	.name = "agent",
	.traits = TRAIT_LEAF | TRAIT_DEFAULTS,
	.fields = &fields_of_agent,
	.build = build_agent,
	.explain_heading = explain_agent,
	.subject = agent_subject,
	.shape = {"(", ")"}
};
