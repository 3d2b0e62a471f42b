/*
 * rule_sketch.c
 *		The rules for count(DISTINCT x) and percentiles (see rule_sketch.h; sketch.c has the sketches).
 *
 * There are two states: the exact value, which only the batch layer computes and which cannot be combined, and
 * a sketch in both layers. A group that is a single row of the batch layer returns the exact value, any other
 * the sketch's estimate: count(DISTINCT user_id) and percentile_cont(0.9) WITHIN GROUP (ORDER BY price) are,
 * over merged states,
 *
 *		coalesce(_only(s1), _cardinality(_sketch_merge(s2)), 0)
 *		coalesce(_only(s3), _quantile(_sketch_merge(s4), '0.9'::float8, NULL::float8, NULL::tdigest, false, false))
 *
 * While values are few, a sketch has all of them (value_list.h), and what is computed from it is exact, too.
 * Percentiles of one expression share their sketch.
 */
#include "postgres.h"

#include "aggregate/rule_sketch.h"
#include "aggregate/sketch.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "common/catalog_version.h"
#include "common/compat.h"
#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#define PERCENTILE "a percentile"

static void apply_distinct(const Aggref *aggref, ResultDef *result, StateDef *parts, int *nparts);
static Oid require_sketch(const char *extension, const char *what);
static void fill_exact(StateDef *state, const Aggref *aggref);
static const char *exact_format(void);
static void fill_sketch(StateDef *state, const Aggref *aggref, Expr *value, Oid sketch);
static void apply_percentile(const Aggref *aggref, ResultDef *result, StateDef *parts, int *nparts);
static void fill_digest(StateDef *state, const Aggref *aggref, Expr *value, Oid sketch);
static const char *quantile_format(const Aggref *aggref, const TargetEntry *arg, Oid sketch);
static bool is_discrete(const Aggref *aggref);
static bool is_number(Oid type);
static Expr *digest_value(const Aggref *aggref, const Expr *value);
static Expr *cast_to(const Expr *value, Oid type);
static Expr *value_if(const Expr *condition, Expr *value);
static char *print_fractions(const Aggref *aggref, bool descending);
static void append_fraction(StringInfo buf, float8 fraction, bool descending);
static bool order_descends(const Aggref *aggref, const TargetEntry *arg);

bool
rule_sketch(const Aggref *aggref, ResultDef *result, StateDef *parts, int *nparts)
{
	switch (aggref->aggfnoid)
	{
		case F_COUNT_ANY:
			if (aggref->aggdistinct == NIL)
				return false;
			apply_distinct(aggref, result, parts, nparts);
			return true;
		case F_PERCENTILE_CONT_FLOAT8_FLOAT8:
		case F_PERCENTILE_CONT__FLOAT8_FLOAT8:
		case F_PERCENTILE_CONT_FLOAT8_INTERVAL:
		case F_PERCENTILE_CONT__FLOAT8_INTERVAL:
		case F_PERCENTILE_DISC_FLOAT8_ANYELEMENT:
		case F_PERCENTILE_DISC__FLOAT8_ANYELEMENT:
			apply_percentile(aggref, result, parts, nparts);
			return true;
		default:
			return false;
	}
}

static void
apply_distinct(const Aggref *aggref, ResultDef *result, StateDef *parts, int *nparts)
{
	Oid sketch = require_sketch("hll", "count(DISTINCT)");
	Expr *value = rule_show_casts(linitial_node(TargetEntry, aggref->args)->expr);
	Oid type = exprType((Node *) value);

	if (!OidIsValid(lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC)->hash_extended_proc))
		rule_refuse(psprintf("count(DISTINCT) of type %s", format_type_be(type)),
					"The stream layer counts hash values, and the type has no extended hash function.",
					"Cast the value to another type, for example text or numeric.");
	/* enums are hashed by OID, which a dump does not preserve */
	if (type_is_enum(getBaseType(type)))
		value = (Expr *) coerce_to_target_type(NULL, (Node *) value, type, TEXTOID, -1, COERCION_EXPLICIT,
											   COERCE_EXPLICIT_CAST, -1);
	assign_expr_collations(NULL, (Node *) value);
	fill_exact(&parts[(*nparts)++], aggref);
	fill_sketch(&parts[(*nparts)++], aggref, value, sketch);
	result->value = "coalesce(%s, streambatch._cardinality(%s), 0)";
	result->exact = exact_format();
}

/* The sketch type of an extension. Raises if the extension is not installed. */
static Oid
require_sketch(const char *extension, const char *what)
{
	Oid type = sketch_type(extension);

	if (!OidIsValid(type))
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s cannot be used in a hybrid view without the extension \"%s\"", what, extension),
			 errdetail("The stream layer uses a sketch provided by this extension."),
			 errhint(
				 "Use CREATE EXTENSION %s to install it. On Debian, its files are in the package postgresql-*-%s.",
				 extension, extension)));
	/* the SQL of the layers uses the type as the view's owner */
	if (compat_namespace_aclcheck(sketch_namespace(type), GetUserId(), ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, get_namespace_name(sketch_namespace(type)));
	return type;
}

/* The exact value, a batch-only state. */
static void
fill_exact(StateDef *state, const Aggref *aggref)
{
	memset(state, 0, sizeof(*state));
	state->aggref = state->folded = copyObject((Aggref *) aggref);
	state->batch_only = true;
	state->type = aggref->aggtype;
	state->merge = "streambatch._only(%s)";
}

/* SQL of whether what is served is exact: a batch row's value, or that of a sketch with all values. */
static const char *
exact_format(void)
{
	if (catalog_is_first_version())
		return "streambatch._exact(%s, %s)";
	return "streambatch._exact(%1$s, %2$s) OR "
		   "coalesce(streambatch._holds_all(streambatch._sketch_merge(%2$s)), false)";
}

/* A sketch of values, under the aggregate's own filter. */
static void
fill_sketch(StateDef *state, const Aggref *aggref, Expr *value, Oid sketch)
{
	Oid declared[2] = {ANYELEMENTOID, ANYCOMPATIBLEOID};
	Oid two[2] = {ANYELEMENTOID, ANYELEMENTOID};
	Aggref *call = copyObject((Aggref *) aggref);

	call->aggfnoid =
		LookupFuncName(list_make2(makeString("streambatch"), makeString("_sketch")), 2, declared, false);
	call->aggtype = sketch;
	call->aggcollid = InvalidOid;
	call->inputcollid = exprCollation((Node *) value);
	call->aggtranstype = InvalidOid;
	call->aggkind = AGGKIND_NORMAL;
	call->aggdirectargs = call->aggorder = call->aggdistinct = call->args = call->aggargtypes = NIL;
	rule_add_argument(call, value, exprType((Node *) value));
	rule_add_argument(call, (Expr *) makeNullConst(sketch, -1, InvalidOid), sketch);
	memset(state, 0, sizeof(*state));
	state->aggref = state->folded = call;
	state->type = sketch;
	state->combine =
		LookupFuncName(list_make2(makeString("streambatch"), makeString("_sketch_combine")), 2, two, false);
	state->merge = "streambatch._sketch_merge(%s)";
	state->gather = "streambatch._sketch_gather(%s)";
}

static void
apply_percentile(const Aggref *aggref, ResultDef *result, StateDef *parts, int *nparts)
{
	const TargetEntry *arg = linitial_node(TargetEntry, aggref->args);
	Oid type = exprType((Node *) arg->expr);
	Oid sketch;

	if (!is_number(type))
		rule_refuse(psprintf(PERCENTILE " of type %s", format_type_be(type)),
					"The stream layer uses a t-digest, which supports only numbers.",
					"Use a numeric expression, for example extract(epoch FROM …).");
	sketch = require_sketch("tdigest", PERCENTILE);
	fill_exact(&parts[(*nparts)++], aggref);
	fill_digest(&parts[(*nparts)++], aggref, digest_value(aggref, arg->expr), sketch);
	result->value = quantile_format(aggref, arg, sketch);
	result->exact = exact_format();
}

/* A list of values or a t-digest, as bytea; in a view of version 0.1.0 a t-digest of its own type. */
static void
fill_digest(StateDef *state, const Aggref *aggref, Expr *value, Oid sketch)
{
	fill_sketch(state, aggref, value, catalog_is_first_version() ? sketch : BYTEAOID);
}

/* SQL of the percentile, from the merged exact value and the merged sketch. */
static const char *
quantile_format(const Aggref *aggref, const TargetEntry *arg, Oid sketch)
{
	bool first_version = catalog_is_first_version();
	bool descends = order_descends(aggref, arg);
	Oid element = get_element_type(aggref->aggtype);
	StringInfoData format;

	initStringInfo(&format);
	appendStringInfo(&format, "coalesce(%%s, streambatch.%s%s(%%s, '%s'::pg_catalog.float8%s, ",
					 first_version ? "_percentile" : "_quantile", OidIsValid(element) ? "s" : "",
					 print_fractions(aggref, first_version && descends), OidIsValid(element) ? "[]" : "");
	rule_append_null(&format, getBaseType(OidIsValid(element) ? element : aggref->aggtype), InvalidOid);
	if (!first_version)
	{
		appendStringInfoString(&format, ", ");
		rule_append_null(&format, sketch, InvalidOid);
		appendStringInfo(&format, ", %s, %s", is_discrete(aggref) ? "true" : "false",
						 descends ? "true" : "false");
	}
	appendStringInfoString(&format, "))");
	return format.data;
}

static bool
is_discrete(const Aggref *aggref)
{
	return aggref->aggfnoid == F_PERCENTILE_DISC_FLOAT8_ANYELEMENT ||
		   aggref->aggfnoid == F_PERCENTILE_DISC__FLOAT8_ANYELEMENT;
}

static bool
is_number(Oid type)
{
	switch (getBaseType(type))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return true;
		default:
			return false;
	}
}

/*
 * The value that is added to the sketch: bigint and numeric as they are, so that a list of them is exact. A value that a
 * digest does not support raises here, where only its row fails, and not in the fold. Rows excluded by the filter are
 * not checked.
 */
static Expr *
digest_value(const Aggref *aggref, const Expr *value)
{
	Oid type = getBaseType(exprType((Node *) value));
	Oid checked = FLOAT8OID;
	List *name = list_make2(makeString("streambatch"), makeString("_digest_value"));
	Expr *result = (Expr *) makeFuncExpr(LookupFuncName(name, 1, &checked, false), FLOAT8OID,
										 list_make1(cast_to(value, FLOAT8OID)), InvalidOid, InvalidOid,
										 COERCE_EXPLICIT_CALL);

	if (type == INT8OID && !catalog_is_first_version())
		return cast_to(value, INT8OID);
	if (type == NUMERICOID && !catalog_is_first_version())
	{
		NullTest *fits = makeNode(NullTest);

		fits->arg = result;
		fits->nulltesttype = IS_NOT_NULL;
		fits->location = -1;
		result = value_if((Expr *) fits, cast_to(value, NUMERICOID));
	}
	return aggref->aggfilter == NULL ? result : value_if(aggref->aggfilter, result);
}

static Expr *
cast_to(const Expr *value, Oid type)
{
	return (Expr *) coerce_to_target_type(NULL, copyObject((Node *) value), exprType((Node *) value), type,
										  -1, COERCION_EXPLICIT, COERCE_EXPLICIT_CAST, -1);
}

/* CASE WHEN condition THEN value END */
static Expr *
value_if(const Expr *condition, Expr *value)
{
	CaseExpr *result = makeNode(CaseExpr);
	CaseWhen *when = makeNode(CaseWhen);

	when->expr = copyObject((Expr *) condition);
	when->result = value;
	when->location = -1;
	result->casetype = exprType((Node *) value);
	result->args = list_make1(when);
	result->defresult = (Expr *) makeNullConst(result->casetype, -1, InvalidOid);
	result->location = -1;
	return (Expr *) result;
}

/* The fraction, or fractions, as an SQL literal without its type. */
static char *
print_fractions(const Aggref *aggref, bool descending)
{
	Const *given = (Const *) eval_const_expressions(NULL, linitial(aggref->aggdirectargs));
	StringInfoData buf;
	Datum *elems;
	bool *nulls;
	int n;

	if (!IsA(given, Const) || given->constisnull)
		rule_refuse(PERCENTILE, "Its fraction is not a constant.",
					"Use a constant between 0 and 1, or an array of such constants.");
	initStringInfo(&buf);
	if (given->consttype == FLOAT8OID)
	{
		append_fraction(&buf, DatumGetFloat8(given->constvalue), descending);
		return buf.data;
	}
	if (ARR_NDIM(DatumGetArrayTypeP(given->constvalue)) > 1)
		rule_refuse(PERCENTILE, "Its fractions are a multidimensional array.",
					"Use a one-dimensional array.");
	deconstruct_array(DatumGetArrayTypeP(given->constvalue), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elems, &nulls, &n);
	appendStringInfoChar(&buf, '{');
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			rule_refuse(PERCENTILE, "One of its fractions is null.", "Remove the null fraction.");
		appendStringInfoString(&buf, i > 0 ? "," : "");
		append_fraction(&buf, DatumGetFloat8(elems[i]), descending);
	}
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

static void
append_fraction(StringInfo buf, float8 fraction, bool descending)
{
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (!(fraction >= 0 && fraction <= 1))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("percentile value %g is not between 0 and 1", fraction),
						errhint("For example, the median is 0.5 and the 99th percentile is 0.99.")));
	double_to_shortest_decimal_buf(descending ? 1 - fraction : fraction, digits);
	appendStringInfoString(buf, digits);
}

static bool
order_descends(const Aggref *aggref, const TargetEntry *arg)
{
	const SortGroupClause *order = linitial_node(SortGroupClause, aggref->aggorder);
	TypeCacheEntry *type =
		lookup_type_cache(exprType((Node *) arg->expr), TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);

	if (order->sortop != type->lt_opr && order->sortop != type->gt_opr)
		rule_refuse(PERCENTILE, "Its sort order is not the default order of the type.", "Omit USING.");
	return order->sortop == type->gt_opr;
}
