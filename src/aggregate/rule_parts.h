/*
 * rule_parts.h
 *		What rules are made of: states, results, and the calls and SQL that rules put together.
 *
 * A plain state is the value of an aggregate over some of the rows, in a readable column. A partial state is
 * an aggregate's transition state, before its final function. A state of the batch layer alone is NULL
 * in the stream layer.
 */
#ifndef STREAMBATCH_RULE_PARTS_H
#define STREAMBATCH_RULE_PARTS_H

#include "lib/stringinfo.h"
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

/* The stream that a query reads, and its place in the query's range table. */
typedef struct RuleStream
{
	Oid relid;
	int varno;
} RuleStream;

/* Raises feature_not_supported: what cannot be used in a hybrid view. */
extern void rule_refuse(const char *what, const char *reason, const char *hint) pg_attribute_noreturn();

/* Give a call one more argument. */
extern void rule_add_argument(Aggref *call, Expr *arg, Oid type);

/*
 * A copy in which a cast prints: an implicit one vanishes, for the function that is called implies it; one that
 * takes arguments of any type does not.
 */
extern Expr *rule_show_casts(const Expr *arg);

/* Text as part of a format, in which a percent sign means something. */
extern void rule_append_literally(StringInfo format, const char *text);

/* A NULL of a type, in SQL, as part of a format; with a collation, if one is given. */
extern void rule_append_null(StringInfo format, Oid type, Oid collation);

#endif /* STREAMBATCH_RULE_PARTS_H */
