/*
 * rules.h
 *		The table of rules for aggregates: the states that each is stored as, how they are combined and finalised.
 */
#ifndef STREAMBATCH_RULES_H
#define STREAMBATCH_RULES_H

#include "aggregate/rule_parts.h"

/*
 * Apply the rule for an aggregate of a query: set the result's value and exact, and fill nparts states, which
 * the caller deduplicates and numbers. Raises feature_not_supported, with reason and hint, for an aggregate
 * that no rule covers.
 */
extern void rule_apply(const Aggref *aggref, const RuleStream *stream, ResultDef *result, StateDef *parts,
					   int *nparts);

#endif /* STREAMBATCH_RULES_H */
