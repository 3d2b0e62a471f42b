/*
 * log_range.c
 *		Derives a range of the log from conditions.
 *
 * Only conditions of the form "column operator expression" at the top level of WHERE are used, where the column
 * is the stream's partition, offset or timestamp, the operator is one of < <= = >= > (or = ANY over an array),
 * and the expression contains no columns and is not volatile. The executor checks every condition again for each
 * row: a range may be too large but never too small.
 *
 * A lower bound on the timestamp is converted to an offset by requesting the first message at or after it. An
 * upper bound cannot be: a later message may have an earlier timestamp.
 *
 * Example: WHERE kafka_offset >= 10 AND kafka_offset < $1 AND kafka_partition IN (0, 2) with $1 = 20 reads
 * offsets 10 to 19 of two partitions.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "stream/log_range.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* No topic has more partitions. Larger numbers in a condition match nothing, and would make a huge Bitmapset. */
#define MAX_PARTITION 1000000

typedef struct Condition
{
	MessageMeta meta;
	int strategy; /* btree strategy number */
	Oid type;	  /* of the expression, or of its elements if it is an array */
	bool is_array;
} Condition;

static bool match_clause(const Stream *stream, Index relid, Expr *clause, Expr **arg, Condition *condition);
static MessageMeta meta_of(const Stream *stream, Index relid, Node *node);
static bool is_usable(Node *node);
static int strategy_of(MessageMeta meta, Oid operator);
static bool is_usable_type(MessageMeta meta, Oid type);
static void apply(LogRange *range, const Condition *condition, Datum value);
static void apply_array(LogRange *range, const Condition *condition, Datum value);
static void apply_integer(LogRange *range, const Condition *condition, int64 value);
static void apply_time(LogRange *range, const Condition *condition, Datum value);
static int64 integer_of(Oid type, Datum value);

void
log_range_collect(const Stream *stream, Index relid, List *clauses, List **exprs, List **conditions)
{
	ListCell *lc;

	*exprs = NIL;
	*conditions = NIL;
	foreach (lc, clauses)
	{
		Expr *arg;
		Condition c;

		if (!match_clause(stream, relid, lfirst(lc), &arg, &c))
			continue;
		*exprs = lappend(*exprs, arg);
		*conditions = lappend(*conditions, list_make4_int(c.meta, c.strategy, c.type, c.is_array));
	}
}

LogRange *
log_range_evaluate(List *conditions, List *states, ExprContext *econtext)
{
	LogRange *range = palloc0(sizeof(LogRange));
	ListCell *lc;
	ListCell *ls;

	range->partition_high = PG_INT64_MAX;
	range->offset_high = PG_INT64_MAX;
	forboth(lc, conditions, ls, states)
	{
		List *numbers = lfirst(lc);
		Condition c;
		bool isnull;
		Datum value = ExecEvalExprSwitchContext(lfirst(ls), econtext, &isnull);

		c.meta = linitial_int(numbers);
		c.strategy = lsecond_int(numbers);
		c.type = lthird_int(numbers);
		c.is_array = lfourth_int(numbers);
		if (isnull)
			range->empty = true; /* the operators are strict */
		else if (c.is_array)
			apply_array(range, &c, value);
		else
			apply(range, &c, value);
	}
	if (range->offset_low > range->offset_high || range->partition_low > range->partition_high)
		range->empty = true;
	return range;
}

bool
log_range_has_partition(const LogRange *range, int32 partition)
{
	return !range->empty && partition >= range->partition_low && partition <= range->partition_high &&
		   (!range->has_partitions || bms_is_member(partition, range->partitions));
}

char *
log_range_partitions_text(const LogRange *range)
{
	StringInfoData text;
	int p = -1;

	initStringInfo(&text);
	if (range->empty)
		return NULL; /* shown by log_range_offsets_text() */
	if (range->has_partitions)
	{
		while ((p = bms_next_member(range->partitions, p)) >= 0)
		{
			if (log_range_has_partition(range, p))
				appendStringInfo(&text, "%s%d", text.len > 0 ? ", " : "", p);
		}
		return text.len > 0 ? text.data : pstrdup("none");
	}
	if (range->partition_low == 0 && range->partition_high == PG_INT64_MAX)
		return NULL;
	if (range->partition_low == range->partition_high)
		return psprintf(INT64_FORMAT, range->partition_low);
	if (range->partition_high == PG_INT64_MAX)
		return psprintf("from " INT64_FORMAT, range->partition_low);
	return psprintf(INT64_FORMAT " to " INT64_FORMAT, range->partition_low, range->partition_high);
}

char *
log_range_offsets_text(const LogRange *range)
{
	if (range->empty)
		return pstrdup("none");
	if (range->offset_low == 0 && range->offset_high == PG_INT64_MAX)
		return NULL;
	if (range->offset_low == range->offset_high)
		return psprintf(INT64_FORMAT, range->offset_low);
	if (range->offset_high == PG_INT64_MAX)
		return psprintf("from " INT64_FORMAT, range->offset_low);
	return psprintf(INT64_FORMAT " to " INT64_FORMAT, range->offset_low, range->offset_high);
}

char *
log_range_time_text(const LogRange *range)
{
	if (range->empty || !range->has_time)
		return NULL;
	return psprintf("from %s", timestamptz_to_str(range->time_low));
}

static bool
match_clause(const Stream *stream, Index relid, Expr *clause, Expr **arg, Condition *condition)
{
	Node *left;
	Node *right;
	Oid operator;

	condition->is_array = IsA(clause, ScalarArrayOpExpr);
	if (condition->is_array)
	{
		ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) clause;

		if (!any->useOr)
			return false;
		left = linitial(any->args);
		right = lsecond(any->args);
		operator= any->opno;
	}
	else if (is_opclause(clause) && list_length(((OpExpr *) clause)->args) == 2)
	{
		left = get_leftop(clause);
		right = get_rightop(clause);
		operator=((OpExpr *) clause)->opno;
	}
	else
		return false;
	if (!condition->is_array && meta_of(stream, relid, left) == META_NONE)
	{
		Node *swap = left;

		left = right;
		right = swap;
		operator= get_commutator(operator);
	}
	condition->meta = meta_of(stream, relid, left);
	if (condition->meta == META_NONE || !OidIsValid(operator) || !is_usable(right))
		return false;
	condition->strategy = strategy_of(condition->meta, operator);
	condition->type = condition->is_array ? get_element_type(exprType(right)) : exprType(right);
	*arg = (Expr *) right;
	return condition->strategy != 0 && is_usable_type(condition->meta, condition->type) &&
		   (!condition->is_array || condition->strategy == BTEqualStrategyNumber);
}

/* The metadata of a node that is a partition, offset or timestamp column of the stream; else META_NONE. */
static MessageMeta
meta_of(const Stream *stream, Index relid, Node *node)
{
	Var *var = (Var *) node;
	MessageMeta meta;

	if (!IsA(node, Var) || var->varno != relid || var->varlevelsup != 0 || var->varattno <= 0)
		return META_NONE;
	meta = stream->layout.columns[var->varattno - 1].meta;
	return meta == META_PARTITION || meta == META_OFFSET || meta == META_TIMESTAMP ? meta : META_NONE;
}

static bool
is_usable(Node *node)
{
	return !contain_var_clause(node) && !contain_volatile_functions(node) && !contain_subplans(node);
}

static int
strategy_of(MessageMeta meta, Oid operator)
{
	Oid type = meta == META_TIMESTAMP ? TIMESTAMPTZOID : INT8OID;

	return get_op_opfamily_strategy(operator, lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf);
}

static bool
is_usable_type(MessageMeta meta, Oid type)
{
	if (meta == META_TIMESTAMP)
		return type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID;
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static void
apply(LogRange *range, const Condition *condition, Datum value)
{
	if (condition->meta == META_TIMESTAMP)
		apply_time(range, condition, value);
	else
		apply_integer(range, condition, integer_of(condition->type, value));
}

/* column = ANY (array): the minimum and maximum of the elements, and for partitions also the set. */
static void
apply_array(LogRange *range, const Condition *condition, Datum value)
{
	Condition bound = *condition;
	Bitmapset *set = NULL;
	Datum *elements;
	bool *nulls;
	int n;
	int64 low = PG_INT64_MAX;
	int64 high = PG_INT64_MIN;
	int16 len;
	bool byval;
	char align;

	if (condition->meta == META_TIMESTAMP)
		return;
	get_typlenbyvalalign(condition->type, &len, &byval, &align);
	deconstruct_array(DatumGetArrayTypeP(value), condition->type, len, byval, align, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		int64 number = nulls[i] ? -1 : integer_of(condition->type, elements[i]);

		if (number < 0)
			continue;
		low = Min(low, number);
		high = Max(high, number);
		if (number <= MAX_PARTITION && condition->meta == META_PARTITION)
			set = bms_add_member(set, number);
	}
	if (low > high)
	{
		range->empty = true;
		return;
	}
	bound.strategy = BTGreaterEqualStrategyNumber;
	apply_integer(range, &bound, low);
	bound.strategy = BTLessEqualStrategyNumber;
	apply_integer(range, &bound, high);
	if (condition->meta == META_PARTITION)
	{
		range->partitions = range->has_partitions ? bms_int_members(range->partitions, set) : set;
		range->has_partitions = true;
	}
}

static void
apply_integer(LogRange *range, const Condition *condition, int64 value)
{
	int64 *low = condition->meta == META_OFFSET ? &range->offset_low : &range->partition_low;
	int64 *high = condition->meta == META_OFFSET ? &range->offset_high : &range->partition_high;

	switch (condition->strategy)
	{
		case BTLessStrategyNumber:
			if (value == PG_INT64_MIN)
				range->empty = true;
			else
				*high = Min(*high, value - 1);
			break;
		case BTLessEqualStrategyNumber:
			*high = Min(*high, value);
			break;
		case BTEqualStrategyNumber:
			*low = Max(*low, value);
			*high = Min(*high, value);
			break;
		case BTGreaterEqualStrategyNumber:
			*low = Max(*low, value);
			break;
		case BTGreaterStrategyNumber:
			if (value == PG_INT64_MAX)
				range->empty = true;
			else
				*low = Max(*low, value + 1);
			break;
	}
}

static void
apply_time(LogRange *range, const Condition *condition, Datum value)
{
	TimestampTz time;

	if (condition->strategy != BTEqualStrategyNumber && condition->strategy != BTGreaterEqualStrategyNumber &&
		condition->strategy != BTGreaterStrategyNumber)
		return;
	if (condition->type == TIMESTAMPOID)
		value = DirectFunctionCall1(timestamp_timestamptz, value);
	else if (condition->type == DATEOID)
		value = DirectFunctionCall1(date_timestamptz, value);
	time = DatumGetTimestampTz(value);
	range->time_low = range->has_time ? Max(range->time_low, time) : time;
	range->has_time = true;
}

static int64
integer_of(Oid type, Datum value)
{
	if (type == INT8OID)
		return DatumGetInt64(value);
	return type == INT4OID ? DatumGetInt32(value) : DatumGetInt16(value);
}
