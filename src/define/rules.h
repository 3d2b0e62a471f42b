/*
 * rules.h
 *		One table of rules: for each aggregate, the states it is kept as, how two states combine and what value they give.
 */
#ifndef RULES_H
#define RULES_H

#include "nodes/primnodes.h"

/*
 * One column of the state tables: the value of an aggregate that can be combined with later values of itself.
 */
typedef struct StateDef
{
	Aggref *aggref; /* computes it from rows */
	Oid type;
	Oid collation;
	Oid combine;	   /* function of two non-null states */
	const char *merge; /* SQL: format of the aggregate that merges a column of states */
} StateDef;

/* One aggregate of the query: a value computed from one or two merged states. */
typedef struct ResultDef
{
	Aggref *aggref;	   /* as in the query */
	int states[2];	   /* indexes into the view's states; -1: none */
	const char *value; /* SQL: format with %s for each state */
} ResultDef;

#define RULE_MAX_PARTS 2

/*
 * The rule for an aggregate of a query: fills value, and nparts states (which the caller makes one with equal
 * ones that it has already). Raises feature_not_supported, saying why and what to do, for an aggregate that
 * no rule covers.
 */
extern void rule_apply(const Aggref *aggref, const char **value, StateDef *parts, int *nparts);

#endif /* RULES_H */
