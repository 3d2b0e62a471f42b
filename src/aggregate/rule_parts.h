/*
 * rule_parts.h
 *		Building blocks of the rules for aggregates: states, results, and helpers that construct calls and SQL.
 *
 * A plain state is the value of an aggregate over some of the rows, in a readable column. A partial state is an
 * aggregate's transition state, before its final function. A batch-only state is NULL in the stream layer.
 */
#ifndef STREAMBATCH_RULE_PARTS_H
#define STREAMBATCH_RULE_PARTS_H

#include "common/compat.h"
#include "lib/stringinfo.h"
#include "nodes/primnodes.h"

/* The most states that one aggregate is kept as. */
#define RULE_MAX_PARTS 3

/* One column of the state tables. */
typedef struct StateDef
{
	Aggref *aggref;	 /* computes the state from rows, in SQL */
	Aggref *folded;	 /* the aggregate that the worker advances; for a plain state the same node */
	bool partial;	 /* stored is the transition state of folded, not its final value */
	bool batch_only; /* the worker computes nothing and stores NULL */
	Oid type;
	Oid collation;
	Oid combine;		/* plain: function that combines two non-null states; partial: unused */
	const char *merge;	/* SQL: format, with one %s, of the aggregate that merges a column of states */
	const char *gather; /* the same, of one whose value is again a state; NULL: the one that merges */
} StateDef;

/* One aggregate of the query: a value computed from its merged states. */
typedef struct ResultDef
{
	Aggref *aggref;				/* as in the query */
	int states[RULE_MAX_PARTS]; /* indexes into the view's states; -1: none */
	const char *value;			/* SQL: format with %s for each merged state */
	/*
	 * NULL: always exact. Otherwise SQL: format, with %s for each state's column, of an aggregate over a
	 * group's rows that returns whether its value is exact.
	 */
	const char *exact;
} ResultDef;

/* The stream that a query reads, and its index in the query's range table. */
typedef struct RuleStream
{
	Oid relid;
	int varno;
} RuleStream;

/* Raises feature_not_supported: "<what> cannot be used in a hybrid view". */
pg_noreturn extern void rule_refuse(const char *what, const char *reason, const char *hint);

/* Append an argument to a call. */
extern void rule_add_argument(Aggref *call, Expr *arg, Oid type);

/*
 * A copy in which an outermost implicit cast is explicit, so that it is printed: functions that take arguments
 * of any type would not add it again.
 */
extern Expr *rule_show_casts(const Expr *arg);

/* Append text to a format, with percent signs escaped. */
extern void rule_append_literally(StringInfo format, const char *text);

/* Append a NULL of a type to a format, as SQL, with a collation if one is given. */
extern void rule_append_null(StringInfo format, Oid type, Oid collation);

#endif /* STREAMBATCH_RULE_PARTS_H */
