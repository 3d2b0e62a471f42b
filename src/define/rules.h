/*
 * rules.h
 *		One table of rules: for each aggregate, the states it is kept as, how two states combine and what value they give.
 *
 * A plain state is the value of an aggregate over some of the rows, in a readable column. A partial state is
 * an aggregate's transition state, before its final function. A state of the batch layer alone is NULL
 * in the stream layer.
 */
#ifndef RULES_H
#define RULES_H

#include "nodes/primnodes.h"

/* The most states that one aggregate is kept as. */
#define RULE_MAX_PARTS 3

/* One column of the state tables. */
typedef struct StateDef
{
	Aggref *aggref;	 /* computes the state from rows, in SQL */
	Aggref *folded;	 /* what the worker advances; of a plain state the same node */
	bool partial;	 /* stored is the transition state of folded, not its final value */
	bool batch_only; /* the worker computes nothing and stores NULL */
	Oid type;
	Oid collation;
	Oid combine;	   /* plain: function of two non-null states; partial: not used, but folded's own */
	const char *merge; /* SQL: format, with one %s, of the aggregate that merges a column of states */
} StateDef;

/* One aggregate of the query: a value computed from its merged states. */
typedef struct ResultDef
{
	Aggref *aggref;				/* as in the query */
	int states[RULE_MAX_PARTS]; /* indexes into the view's states; -1: none */
	const char *value;			/* SQL: format with %s for each merged state */
	/*
	 * NULL: always exact. Else SQL: format, with %s for each state's column, of an aggregate over a
	 * group's rows that says whether its value is.
	 */
	const char *exact;
} ResultDef;

/*
 * The rule for an aggregate of a query: fills the result's value and exact, and nparts states (which the
 * caller makes one with equal ones that it has already, and numbers). Raises feature_not_supported, saying
 * why and what to do, for an aggregate that no rule covers.
 */
extern void rule_apply(const Aggref *aggref, ResultDef *result, StateDef *parts, int *nparts);

#endif /* RULES_H */
