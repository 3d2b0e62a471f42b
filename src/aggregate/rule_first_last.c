/*
 * rule_first_last.c
 *		The rule for streambatch.first(x ORDER BY key) and last(x ORDER BY key) (see rule_first_last.h; first_last_state.c has the states).
 *
 * There is a single order: by the key, ascending and NULLS LAST, then by the message's topic epoch, partition and offset. A
 * descending order is its reverse, and exchanges first and last. Partition and offset are hidden columns of the
 * stream: the fold fills them in (fold_sql.c), and batch SQL replaces them by columns of the archive
 * (refresh_sql.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "aggregate/rule_first_last.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "stream/stream.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#define HINT_ORDER                                                                                           \
	"Use last(x ORDER BY ts), with a single key of type timestamptz, timestamp, date, smallint, integer or bigint; with DESC it returns the first value."

static Expr *order_key(const Aggref *aggref, const RuleStream *rule_stream, const char *what,
					   bool *descending);
static bool descends(const SortGroupClause *item, const Node *expr, const char *what);
static MessageMeta meta_of(const Node *expr, const RuleStream *rule_stream, const Stream *stream);
static bool is_rank_type(Oid type);
static void check_value(Oid type, const char *what);
static Aggref *state_call(const Aggref *aggref, const RuleStream *rule_stream, bool last, Expr *key);
static Expr *position(const RuleStream *rule_stream, AttrNumber attnum);
static const char *merge_call(const Aggref *aggref, bool last);

bool
rule_first_last(const Aggref *aggref, const RuleStream *stream, ResultDef *result, StateDef *parts,
				int *nparts)
{
	char *name = get_func_name(aggref->aggfnoid);
	Oid states[2] = {BYTEAOID, BYTEAOID};
	StateDef *state = &parts[*nparts];
	char *what;
	Expr *key;
	bool last;
	bool descending = false;

	if (get_func_namespace(aggref->aggfnoid) != get_namespace_oid("streambatch", false) ||
		(strcmp(name, "first") != 0 && strcmp(name, "last") != 0))
		return false;
	what = psprintf("aggregate streambatch.%s", name);
	if (aggref->aggdistinct != NIL)
		rule_refuse(psprintf("%s with DISTINCT", what),
					"It returns a single value, so DISTINCT has no meaning.", "Omit DISTINCT.");
	key = order_key(aggref, stream, what, &descending);
	check_value(aggref->aggtype, what);
	last = (strcmp(name, "last") == 0) != descending;
	memset(state, 0, sizeof(*state));
	state->aggref = state->folded = state_call(aggref, stream, last, key);
	state->type = BYTEAOID;
	state->combine = LookupFuncName(
		list_make2(makeString("streambatch"), makeString(last ? "_last_combine" : "_first_combine")), 2,
		states, false);
	state->merge = merge_call(aggref, last);
	state->gather = last ? "streambatch._last_gather(%s)" : "streambatch._first_gather(%s)";
	result->value = "%s";
	(*nparts)++;
	return true;
}

/*
 * The sort key, and whether it is descending. Partition and offset, which break ties anyway, may follow it.
 */
static Expr *
order_key(const Aggref *aggref, const RuleStream *rule_stream, const char *what, bool *descending)
{
	static const MessageMeta ties[] = {META_PARTITION, META_OFFSET};
	const Stream *stream = stream_open(rule_stream->relid);
	Node *key = NULL;
	ListCell *lc;

	if (aggref->aggorder == NIL)
		rule_refuse(psprintf("%s without ORDER BY", what), "Events have no inherent order.", HINT_ORDER);
	foreach (lc, aggref->aggorder)
	{
		const SortGroupClause *item = lfirst_node(SortGroupClause, lc);
		Node *expr = get_sortgroupclause_expr(unconstify(SortGroupClause *, item), aggref->args);
		int i = foreach_current_index(lc);
		bool backwards = descends(item, expr, what);

		if (i == 0)
		{
			key = expr;
			*descending = backwards;
		}
		else if (i > lengthof(ties) || meta_of(expr, rule_stream, stream) != ties[i - 1] ||
				 backwards != *descending)
			rule_refuse(
				what, "Events with equal keys are always ordered by partition and offset.",
				"Use a single key; only the metadata columns for partition and offset can follow it, in the same direction.");
	}
	if (!is_rank_type(exprType(key)))
		rule_refuse(
			what,
			psprintf("Its sort key is of type %s, which is not supported.", format_type_be(exprType(key))),
			HINT_ORDER);
	return (Expr *) key;
}

/* Whether a sort item is descending. Raises for operators of a non-default operator class. */
static bool
descends(const SortGroupClause *item, const Node *expr, const char *what)
{
	TypeCacheEntry *type = lookup_type_cache(exprType(expr), TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
	bool result = item->sortop == type->gt_opr;

	if (!result && item->sortop != type->lt_opr)
		rule_refuse(what, "Its sort order is not the default order of the type.", HINT_ORDER);
	if (item->nulls_first != result)
		rule_refuse(what,
					"Null keys are always sorted last in ascending order and first in descending order.",
					"Omit NULLS FIRST and NULLS LAST, or exclude null keys with FILTER.");
	return result;
}

static MessageMeta
meta_of(const Node *expr, const RuleStream *rule_stream, const Stream *stream)
{
	const Var *var = (const Var *) expr;

	if (!IsA(expr, Var) || var->varno != rule_stream->varno || var->varattno <= 0)
		return META_NONE;
	return stream->layout.columns[var->varattno - 1].meta;
}

static bool
is_rank_type(Oid type)
{
	switch (getBaseType(type))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			return false;
	}
}

/* Values are stored in the binary format of their type. */
static void
check_value(Oid type, const char *what)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(getBaseType(type)));
	Form_pg_type form;
	bool fits;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	form = (Form_pg_type) GETSTRUCT(tuple);
	fits = form->typtype != TYPTYPE_PSEUDO && OidIsValid(form->typsend) && OidIsValid(form->typreceive);
	ReleaseSysCache(tuple);
	if (!fits)
		rule_refuse(what,
					psprintf("Values of type %s cannot be converted to and from binary format.",
							 format_type_be(type)),
					"Cast the value to another type, for example text or jsonb.");
}

static Aggref *
state_call(const Aggref *aggref, const RuleStream *rule_stream, bool last, Expr *key)
{
	List *name = list_make2(makeString("streambatch"), makeString(last ? "_last_state" : "_first_state"));
	Oid declared[4] = {ANYELEMENTOID, ANYCOMPATIBLEOID, INT8OID, INT8OID};
	Aggref *call = copyObject((Aggref *) aggref);

	call->aggfnoid = LookupFuncName(name, lengthof(declared), declared, false);
	call->aggtype = BYTEAOID;
	call->aggcollid = InvalidOid;
	call->aggtranstype = InvalidOid;
	call->aggorder = call->args = call->aggargtypes = NIL;
	rule_add_argument(call, rule_show_casts(linitial_node(TargetEntry, aggref->args)->expr),
					  linitial_oid(aggref->aggargtypes));
	rule_add_argument(call, rule_show_casts(key), exprType((Node *) key));
	rule_add_argument(call, position(rule_stream, STREAM_PARTITION_ATTNUM), INT8OID);
	rule_add_argument(call, position(rule_stream, STREAM_OFFSET_ATTNUM), INT8OID);
	return call;
}

static Expr *
position(const RuleStream *rule_stream, AttrNumber attnum)
{
	return (Expr *) makeVar(rule_stream->varno, attnum, INT8OID, -1, InvalidOid, 0);
}

static const char *
merge_call(const Aggref *aggref, bool last)
{
	StringInfoData format;

	initStringInfo(&format);
	appendStringInfo(&format, "streambatch.%s(%%s, ", last ? "_last_value" : "_first_value");
	/* the base type, because a domain may not allow nulls */
	rule_append_null(&format, getBaseType(aggref->aggtype), aggref->aggcollid);
	appendStringInfoChar(&format, ')');
	return format.data;
}
