/*
 * rules.c
 *		One table of rules for aggregates (see rules.h).
 *
 * Every state here is the value of an aggregate over some of the rows, in a plain readable column. count and
 * sum add up, min and max are their own combination; avg is kept as a sum and a count, which is what
 * PostgreSQL's own avg divides (numeric_avg, int8_avg, interval_avg), so that its value is the same to the
 * last digit. sum(bigint) and sum(numeric) have an internal transition state; their stored state is the
 * numeric sum.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "define/rules.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

typedef struct Rule
{
	const char *name;	  /* aggregate in pg_catalog */
	Oid argument;		  /* its argument's type; InvalidOid: any */
	const char *parts[2]; /* aggregates over the same argument; NULL, NULL: itself */
	Oid cast;			  /* cast the argument for the parts */
	const char
		*combine;	   /* function of two states in pg_catalog; NULL: the aggregate's own combine function */
	const char *merge; /* merging aggregate; NULL: the aggregate itself */
	const char *value; /* from merged states; NULL: the state is the value */
} Rule;

#define ADD_BIGINT "int8pl", "streambatch._sum(%s)"
#define QUOTIENT "%s::pg_catalog.numeric OPERATOR(pg_catalog./) nullif(%s, 0)::pg_catalog.numeric"
#define QUOTIENT_FLOAT "%s OPERATOR(pg_catalog./) nullif(%s, 0)::pg_catalog.float8"

static const Rule rules[] = {
	/* name, argument, parts, cast, combine, merge, value */
	{"count", InvalidOid, {NULL, NULL}, InvalidOid, ADD_BIGINT, "coalesce(%s, 0)"},
	{"sum", INT2OID, {NULL, NULL}, InvalidOid, ADD_BIGINT, NULL},
	{"sum", INT4OID, {NULL, NULL}, InvalidOid, ADD_BIGINT, NULL},
	{"sum", INT8OID, {NULL, NULL}, InvalidOid, "numeric_add", NULL, NULL},
	{"sum", NUMERICOID, {NULL, NULL}, InvalidOid, "numeric_add", NULL, NULL},
	{"sum", FLOAT4OID, {NULL, NULL}, InvalidOid, "float4pl", NULL, NULL},
	{"sum", FLOAT8OID, {NULL, NULL}, InvalidOid, "float8pl", NULL, NULL},
	{"sum", INTERVALOID, {NULL, NULL}, InvalidOid, "interval_pl", NULL, NULL},
	{"sum", MONEYOID, {NULL, NULL}, InvalidOid, "cash_pl", NULL, NULL},
	{"avg", INT2OID, {"sum", "count"}, InvalidOid, NULL, NULL, QUOTIENT},
	{"avg", INT4OID, {"sum", "count"}, InvalidOid, NULL, NULL, QUOTIENT},
	{"avg", INT8OID, {"sum", "count"}, InvalidOid, NULL, NULL, QUOTIENT},
	{"avg", NUMERICOID, {"sum", "count"}, InvalidOid, NULL, NULL, QUOTIENT},
	{"avg", FLOAT4OID, {"sum", "count"}, FLOAT8OID, NULL, NULL, QUOTIENT_FLOAT},
	{"avg", FLOAT8OID, {"sum", "count"}, InvalidOid, NULL, NULL, QUOTIENT_FLOAT},
	{"avg", INTERVALOID, {"sum", "count"}, InvalidOid, NULL, NULL, QUOTIENT_FLOAT},
	{"min", InvalidOid, {NULL, NULL}, InvalidOid, NULL, NULL, NULL},
	{"max", InvalidOid, {NULL, NULL}, InvalidOid, NULL, NULL, NULL},
};

static const Rule *
find_rule(const char *name, Oid argument)
{
	for (int i = 0; i < lengthof(rules); i++)
	{
		if (strcmp(rules[i].name, name) == 0 &&
			(!OidIsValid(rules[i].argument) || rules[i].argument == argument))
			return &rules[i];
	}
	return NULL;
}

static void
pg_attribute_noreturn()

	refuse(const char *what, const char *reason, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s cannot be used in a hybrid view", what),
			 errdetail("%s", reason), errhint("%s", hint)));
}

static Oid
combine_function(Oid aggfnoid)
{
	HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggfnoid));
	Oid result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggfnoid);
	result = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggcombinefn;
	ReleaseSysCache(tuple);
	return result;
}

/* A function of pg_catalog over two values of the given type. */
static Oid
binary_function(const char *name, Oid type)
{
	Oid types[2] = {type, type};

	return LookupFuncName(list_make2(makeString("pg_catalog"), makeString(pstrdup(name))), 2, types, false);
}

/* The aggregate of this name in pg_catalog over the same argument and filter. */
static Aggref *
part_aggregate(const Aggref *whole, const char *name, Oid cast)
{
	Aggref *part = copyObject((Aggref *) whole);
	TargetEntry *arg = linitial_node(TargetEntry, part->args);
	Oid type;
	Oid declared;

	if (OidIsValid(cast))
		arg->expr = (Expr *) coerce_to_target_type(NULL, (Node *) arg->expr, exprType((Node *) arg->expr),
												   cast, -1, COERCION_EXPLICIT, COERCE_EXPLICIT_CAST, -1);
	type = exprType((Node *) arg->expr);
	declared = strcmp(name, "count") == 0 ? ANYOID : type;
	part->aggfnoid =
		LookupFuncName(list_make2(makeString("pg_catalog"), makeString(pstrdup(name))), 1, &declared, false);
	part->aggargtypes = list_make1_oid(type);
	part->aggtype = get_func_rettype(part->aggfnoid);
	part->aggtranstype = InvalidOid; /* left to the planner, as the parser does */
	return part;
}

static void
fill_state(StateDef *state, Aggref *aggref)
{
	char *name = get_func_name(aggref->aggfnoid);
	Oid argument = aggref->aggargtypes == NIL ? InvalidOid : linitial_oid(aggref->aggargtypes);
	const Rule *rule = find_rule(name, argument);

	Assert(rule != NULL && rule->parts[0] == NULL);
	memset(state, 0, sizeof(*state));
	state->aggref = state->folded = aggref;
	state->type = aggref->aggtype;
	state->collation = aggref->aggcollid;
	state->combine =
		rule->combine ? binary_function(rule->combine, aggref->aggtype) : combine_function(aggref->aggfnoid);
	state->merge = rule->merge ? rule->merge : psprintf("pg_catalog.%s(%%s)", name);
}

void
rule_apply(const Aggref *aggref, ResultDef *result, StateDef *parts, int *nparts)
{
	char *name = get_func_name(aggref->aggfnoid);
	char *what = psprintf("aggregate %s", format_procedure(aggref->aggfnoid));
	Oid argument = aggref->aggargtypes == NIL ? InvalidOid : linitial_oid(aggref->aggargtypes);
	const Rule *rule = NULL;

	*nparts = 0;
	if (aggref->aggdistinct != NIL)
		refuse(psprintf("%s with DISTINCT", what),
			   "Its partial results cannot be combined exactly; this is not available yet.",
			   "Make the expression a grouping key and aggregate the view in a query on top.");
	if (aggref->aggorder != NIL || aggref->aggkind != AGGKIND_NORMAL)
		refuse(psprintf("ordered %s", what), "Partial results in no promised order cannot be combined.",
			   "Use count, sum, avg, min or max.");
	if (get_func_namespace(aggref->aggfnoid) == PG_CATALOG_NAMESPACE)
		rule = find_rule(name, argument);
	if (rule == NULL)
		refuse(what, "There is no rule for it yet.", "Use count, sum, avg, min or max.");
	result->value = rule->value ? rule->value : "%s";
	result->exact = NULL;
	if (rule->parts[0] == NULL)
	{
		fill_state(&parts[0], copyObject((Aggref *) aggref));
		*nparts = 1;
		return;
	}
	for (int i = 0; i < lengthof(rule->parts) && rule->parts[i] != NULL; i++)
		fill_state(&parts[(*nparts)++], part_aggregate(aggref, rule->parts[i], rule->cast));
}
