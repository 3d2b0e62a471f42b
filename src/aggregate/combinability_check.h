/*
 * combinability_check.h
 *		The check that an aggregate must keep for its partial results to be combined, tried on sample rows.
 */
#ifndef STREAMBATCH_COMBINABILITY_CHECK_H
#define STREAMBATCH_COMBINABILITY_CHECK_H

#include "aggregate/rule_parts.h"
#include "utils/array.h"

/*
 * Whether the aggregates of a view that are not PostgreSQL's own give the same of sample rows aggregated at once and
 * in parts, as far as that can be told. Runs them as the owner, in a restricted operation, under settings (as
 * guard_enter() takes them). Raises feature_not_supported, and says which rows contradict.
 */
extern void combinability_check(const ResultDef *results, int nresults, const StateDef *states, Oid owner,
								ArrayType *settings);

#endif /* STREAMBATCH_COMBINABILITY_CHECK_H */
