/*
 * rule_first_last.h
 *		The rule for streambatch.first(x ORDER BY key) and last(x ORDER BY key).
 */
#ifndef STREAMBATCH_RULE_FIRST_LAST_H
#define STREAMBATCH_RULE_FIRST_LAST_H

#include "aggregate/rule_parts.h"

/*
 * Like rule_apply(); returns false for any other aggregate. Raises for an unsupported ORDER BY, and for values
 * that cannot be stored.
 */
extern bool rule_first_last(const Aggref *aggref, const RuleStream *stream, ResultDef *result,
							StateDef *parts, int *nparts);

#endif /* STREAMBATCH_RULE_FIRST_LAST_H */
