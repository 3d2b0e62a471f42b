/*
 * rules.h
 *		One table of rules: for each aggregate, the states it is kept as, how two states combine and what value they give.
 */
#ifndef STREAMBATCH_RULES_H
#define STREAMBATCH_RULES_H

#include "aggregate/rule_parts.h"

/*
 * The rule for an aggregate of a query: fills the result's value and exact, and nparts states (which the
 * caller makes one with equal ones that it has already, and numbers). Raises feature_not_supported, saying
 * why and what to do, for an aggregate that no rule covers.
 */
extern void rule_apply(const Aggref *aggref, const RuleStream *stream, ResultDef *result, StateDef *parts,
					   int *nparts);

#endif /* STREAMBATCH_RULES_H */
