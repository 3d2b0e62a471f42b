/*
 * rules.c
 *		The table of rules for aggregates (see rules.h).
 *
 * The table lists the aggregates that are stored as plain readable columns, each the value of an aggregate over
 * some of the rows. count and sum are combined by addition, min and max by themselves; avg is stored as sum and
 * count, which PostgreSQL's own avg divides (numeric_avg, int8_avg, interval_avg), so that its value is
 * identical. sum(bigint) and sum(numeric) have an internal transition state; their stored state is the numeric
 * sum.
 *
 * Any other aggregate is stored as its transition state, if it has a combine function and, for an internal
 * state, serialisation functions.
 *
 * Two groups have rules of their own: first and last (rule_first_last.c); count(DISTINCT) and percentiles
 * (rule_sketch.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "aggregate/rule_first_last.h"
#include "aggregate/rule_sketch.h"
#include "aggregate/rules.h"
#include "aggregate/transition.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
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
	{"bool_and", InvalidOid, {NULL, NULL}, InvalidOid, NULL, NULL, NULL},
	{"bool_or", InvalidOid, {NULL, NULL}, InvalidOid, NULL, NULL, NULL},
	{"every", InvalidOid, {NULL, NULL}, InvalidOid, NULL, NULL, NULL},
	{"bit_and", InvalidOid, {NULL, NULL}, InvalidOid, NULL, NULL, NULL},
	{"bit_or", InvalidOid, {NULL, NULL}, InvalidOid, NULL, NULL, NULL},
	{"bit_xor", InvalidOid, {NULL, NULL}, InvalidOid, NULL, NULL, NULL},
	{"range_agg", InvalidOid, {NULL, NULL}, InvalidOid, "multirange_union", NULL, NULL},
	{"range_intersect_agg", ANYRANGEOID, {NULL, NULL}, InvalidOid, "range_intersect", NULL, NULL},
	{"range_intersect_agg", ANYMULTIRANGEOID, {NULL, NULL}, InvalidOid, "multirange_intersect", NULL, NULL},
};

static void refuse_form(const Aggref *aggref, const char *what);
static const Rule *find_rule(const Aggref *aggref);
static Oid declared_argument(Oid aggfnoid);
static void apply_rule(const Rule *rule, const Aggref *aggref, ResultDef *result, StateDef *parts,
					   int *nparts);
static void fill_plain(StateDef *state, Aggref *aggref);
static Oid binary_function(const char *name, Oid type);
static Oid combine_function(Oid aggfnoid);
static Aggref *part_aggregate(const Aggref *whole, const char *name, Oid cast);
static void refuse_uncombinable(const Aggref *aggref, const TransitionShape *shape, const char *what);
static void fill_partial(StateDef *state, const Aggref *aggref, Oid stored);
static Aggref *partial_call(const Aggref *aggref, Oid stored);
static char *merge_call(const Aggref *aggref, const char *function, Oid value);

void
rule_apply(const Aggref *aggref, const RuleStream *stream, ResultDef *result, StateDef *parts, int *nparts)
{
	char *what = psprintf("aggregate %s", format_procedure(aggref->aggfnoid));
	const Rule *rule;
	TransitionShape shape;

	*nparts = 0;
	result->value = "%s";
	result->exact = NULL;
	transition_check_execute(aggref->aggfnoid);
	if (rule_first_last(aggref, stream, result, parts, nparts) || rule_sketch(aggref, result, parts, nparts))
		return;
	refuse_form(aggref, what);
	rule = find_rule(aggref);
	if (rule != NULL)
	{
		apply_rule(rule, aggref, result, parts, nparts);
		return;
	}
	transition_shape(aggref, &shape);
	refuse_uncombinable(aggref, &shape, what);
	if (aggref->aggvariadic && get_func_variadictype(aggref->aggfnoid) == ANYOID)
		rule_refuse(psprintf("%s with VARIADIC", what), "Its VARIADIC parameter is of type \"any\".",
					"Pass the arguments individually.");
	fill_partial(&parts[(*nparts)++], aggref, shape.stored);
}

/* Refuse forms of calls whose partial results cannot be combined. */
static void
refuse_form(const Aggref *aggref, const char *what)
{
	if (aggref->aggkind != AGGKIND_NORMAL)
		rule_refuse(what, "Ordered-set aggregates need all rows at once.",
					"Add the value to GROUP BY, and use the aggregate in a query on the hybrid view.");
	if (aggref->aggdistinct != NIL)
		rule_refuse(psprintf("%s with DISTINCT", what), "Its partial results cannot be combined exactly.",
					"Add the expression to GROUP BY, and aggregate in a query on the hybrid view.");
	if (aggref->aggorder != NIL)
		rule_refuse(
			psprintf("%s with ORDER BY", what), "Partial results are not combined in any particular order.",
			"Omit ORDER BY, or add the value to GROUP BY and use the aggregate in a query on the hybrid view.");
}

static const Rule *
find_rule(const Aggref *aggref)
{
	char *name = get_func_name(aggref->aggfnoid);
	Oid argument = aggref->aggargtypes == NIL ? InvalidOid : linitial_oid(aggref->aggargtypes);
	Oid declared = declared_argument(aggref->aggfnoid);

	if (get_func_namespace(aggref->aggfnoid) != PG_CATALOG_NAMESPACE)
		return NULL;
	for (int i = 0; i < lengthof(rules); i++)
	{
		if (strcmp(rules[i].name, name) == 0 &&
			(!OidIsValid(rules[i].argument) || rules[i].argument == argument ||
			 rules[i].argument == declared))
			return &rules[i];
	}
	return NULL;
}

/* The type that the aggregate declares for its first argument. */
static Oid
declared_argument(Oid aggfnoid)
{
	Oid *declared;
	int n;

	(void) get_func_signature(aggfnoid, &declared, &n);
	return n > 0 ? declared[0] : InvalidOid;
}

static void
apply_rule(const Rule *rule, const Aggref *aggref, ResultDef *result, StateDef *parts, int *nparts)
{
	if (rule->value != NULL)
		result->value = rule->value;
	if (rule->parts[0] == NULL)
		fill_plain(&parts[(*nparts)++], copyObject((Aggref *) aggref));
	for (int i = 0; i < lengthof(rule->parts) && rule->parts[i] != NULL; i++)
		fill_plain(&parts[(*nparts)++], part_aggregate(aggref, rule->parts[i], rule->cast));
}

static void
fill_plain(StateDef *state, Aggref *aggref)
{
	const Rule *rule = find_rule(aggref);

	Assert(rule != NULL && rule->parts[0] == NULL);
	memset(state, 0, sizeof(*state));
	state->aggref = state->folded = aggref;
	state->type = aggref->aggtype;
	state->collation = aggref->aggcollid;
	state->combine =
		rule->combine ? binary_function(rule->combine, aggref->aggtype) : combine_function(aggref->aggfnoid);
	state->merge = rule->merge ? rule->merge : psprintf("pg_catalog.%s(%%s)", rule->name);
}

/* A function of pg_catalog, possibly polymorphic, for two values of the given type. */
static Oid
binary_function(const char *name, Oid type)
{
	List *qualified = list_make2(makeString("pg_catalog"), makeString(pstrdup(name)));
	Oid types[2] = {type, type};
	Oid function;
	Oid result;
	bool retset;
	int nvargs;
	Oid vatype;
	Oid *declared;

	if (func_get_detail(qualified, NIL, NIL, 2, types, false, false, false, &function, &result, &retset,
						&nvargs, &vatype, &declared, NULL) != FUNCDETAIL_NORMAL)
		elog(ERROR, "could not find function %s for two values of type %s", name, format_type_be(type));
	return function;
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
	part->aggtranstype = InvalidOid; /* set by the planner */
	return part;
}

/* Refuse an aggregate whose state cannot be combined or stored. */
static void
refuse_uncombinable(const Aggref *aggref, const TransitionShape *shape, const char *what)
{
	char *name = get_func_name(aggref->aggfnoid);

	if (shape->combinable && OidIsValid(shape->stored))
		return;
	if (aggref->aggfnoid >= FirstNormalObjectId)
		rule_refuse(what,
					shape->combinable
						? "Its transition state is of type internal, and it has no serialization functions."
						: "It has no combine function for partial results.",
					shape->combinable ? "Create the aggregate with SERIALFUNC and DESERIALFUNC."
									  : "Create the aggregate with COMBINEFUNC.");
	if (strcmp(name, "array_agg") == 0 || strcmp(name, "string_agg") == 0)
		rule_refuse(what, "PostgreSQL supports combining its partial results only in version 16 and later.",
					"Add the value to GROUP BY, and use the aggregate in a query on the hybrid view.");
	rule_refuse(what, "PostgreSQL has no combine function for its partial results.",
				"Add the value to GROUP BY, and use the aggregate in a query on the hybrid view.");
}

static void
fill_partial(StateDef *state, const Aggref *aggref, Oid stored)
{
	memset(state, 0, sizeof(*state));
	state->aggref = partial_call(aggref, stored);
	state->folded = copyObject((Aggref *) aggref);
	state->partial = true;
	state->type = stored;
	state->collation = state->aggref->aggcollid;
	state->merge = merge_call(aggref, "_merge", aggref->aggtype);
	state->gather = merge_call(aggref, "_gather", stored);
}

/* The call of streambatch._partial() that computes the state of an aggregate from rows. */
static Aggref *
partial_call(const Aggref *aggref, Oid stored)
{
	List *name = list_make2(makeString("streambatch"), makeString("_partial"));
	Oid types[3] = {REGPROCEDUREOID, ANYELEMENTOID, ANYOID};
	Aggref *call = copyObject((Aggref *) aggref);
	ListCell *arg;
	ListCell *type;

	call->aggfnoid = LookupFuncName(name, aggref->args == NIL ? 2 : 3, types, false);
	call->aggtype = stored;
	call->aggcollid = get_typcollation(stored) ? aggref->inputcollid : InvalidOid;
	call->aggtranstype = InvalidOid;
	call->aggstar = call->aggvariadic = false;
	call->args = call->aggargtypes = NIL;
	rule_add_argument(call,
					  (Expr *) makeConst(REGPROCEDUREOID, -1, InvalidOid, sizeof(Oid),
										 ObjectIdGetDatum(aggref->aggfnoid), false, true),
					  REGPROCEDUREOID);
	rule_add_argument(call, (Expr *) makeNullConst(stored, -1, get_typcollation(stored)), stored);
	forboth(arg, aggref->args, type, aggref->aggargtypes)
		rule_add_argument(call, rule_show_casts(lfirst_node(TargetEntry, arg)->expr), lfirst_oid(type));
	return call;
}

/* The format of a call of streambatch._merge() or _gather(), whose value is of the given type. */
static char *
merge_call(const Aggref *aggref, const char *function, Oid value)
{
	StringInfoData format;
	Oid collation = aggref->inputcollid;
	ListCell *lc;

	initStringInfo(&format);
	appendStringInfo(&format, "streambatch.%s(", function);
	rule_append_literally(&format, quote_literal_cstr(format_procedure_qualified(aggref->aggfnoid)));
	appendStringInfoString(&format, "::pg_catalog.regprocedure, ");
	rule_append_null(&format, value, InvalidOid);
	appendStringInfoString(&format, ", %s");
	foreach (lc, aggref->aggargtypes)
	{
		bool collatable = OidIsValid(get_typcollation(lfirst_oid(lc)));

		appendStringInfoString(&format, ", ");
		/* explicit, and only once, so that it overrides the collation of the state's column */
		rule_append_null(&format, lfirst_oid(lc), collatable ? collation : InvalidOid);
		if (collatable)
			collation = InvalidOid;
	}
	appendStringInfoChar(&format, ')');
	return format.data;
}
