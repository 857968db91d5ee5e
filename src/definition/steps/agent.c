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
#include "definition/explainer.h"
#include "definition/steps/agent.h"
#include "definition/steps/step_types.h"

static void
build_agent(Builder *builder, PlanNode *node, const Place *place)
{
	AgentPart  *part = agent_part(node);

	if (json_get(place->object, "type") == NULL &&
		json_get(place->object, "agent_name") == NULL)
		field_error(builder, place, NULL, NULL,
					"step \"%s\" needs \"sql\", \"agent_name\" or \"type\"", node->id);
	else
		part->name = field_string(builder, place, "agent_name", true);
}

static void
explain_agent(Explainer *explainer, const PlanNode *node)
{
	const AgentPart *part = agent_part(node);

	explain_words(explainer, " ");
	explain_words(explainer, part->name);
}

static const char *
agent_subject(const PlanNode *node, bool all pg_attribute_unused())
{
	const AgentPart *part = agent_part(node);

	return part->name;
}

static const FieldSet fields_of_agent = {
	.owner = "a step of type agent",
	.fields = NAMES("agent_name", "transaction"),
	.more = &step_fields
};

const StepTypeInfo step_type_agent = {
	.fields = &fields_of_agent,
	.part_size = sizeof(AgentPart),
	.build = build_agent,
	.explain_heading = explain_agent,
	.subject = agent_subject,
	.shape = {"(", ")"}
};
