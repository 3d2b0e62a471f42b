/*
 * combinability_check.h
 *		The check, on sample rows, that partial results of an aggregate can be combined.
 */
#ifndef STREAMBATCH_COMBINABILITY_CHECK_H
#define STREAMBATCH_COMBINABILITY_CHECK_H

#include "aggregate/rule_parts.h"
#include "utils/array.h"

/*
 * Check that the aggregates of a view that are not built into PostgreSQL return the same value for sample rows
 * aggregated at once and in parts. Runs them as the owner, in a restricted operation, under settings (see
 * guard_enter()). Raises feature_not_supported, with the rows of a counterexample. Errors of the aggregates are
 * ignored.
 */
extern void combinability_check(const ResultDef *results, int nresults, const StateDef *states, Oid owner,
								ArrayType *settings);

#endif /* STREAMBATCH_COMBINABILITY_CHECK_H */
