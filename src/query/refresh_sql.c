/*
 * refresh_sql.c
 *		The SQL of the batch layer (see refresh_sql.h).
 *
 * FROM and WHERE are those of the view's query, which read a common table expression in place of the stream.
 * Example: for SELECT user_id, tumble(ts, '10 s'), avg(amount) FROM events WHERE amount > 0 GROUP BY 1, 2 a
 * chunk of a refresh is
 *
 *		WITH _event AS (SELECT … FROM public.events_archive event WHERE … below the cut and in the range …)
 *		INSERT INTO streambatch_state.batch_1 (k1, pane, s1, s2)
 *		SELECT events.user_id, streambatch.tumble(events.ts, …), sum(events.amount), count(events.amount)
 *		FROM _event events WHERE events.amount > 0 GROUP BY 1, 2
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "query/fold_sql.h"
#include "query/print_sql.h"
#include "query/refresh_sql.h"
#include "rewrite/rewriteManip.h"
#include "stream/stream.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "window/window_sql.h"

/* Names of the common table expression and of its columns for partition and offset. */
#define SOURCE "_event"
#define SOURCE_PARTITION "_partition"
#define SOURCE_OFFSET "_offset"

static char *position_below(const BatchSource *source, const char *cut, const char *topic_epoch);
static char *epoch_of(const BatchSource *source);
static char *partition_rank(const BatchSource *source);
static void append_source(StringInfo buf, const ViewDef *def, const BatchSource *source, const char *cut,
						  PaneRange panes, bool mark);
static List *column_names(const ViewDef *def);
static int ncolumns(const ViewDef *def);
static char *print(const ViewDef *def, Node *expr);
static char *range_condition(const ViewDef *def, const char *time);
static char *index_condition(const ViewDef *def, const char *time);
static Node *parameter(int number, Oid type);
static char *select_from_source(const ViewDef *def, List *exprs);
static Node *position_mutator(Node *node, const ViewDef *def);

char *
sql_compute(const ViewDef *def, int32 id, const BatchSource *source, bool into_stream, const char *cut,
			PaneRange panes)
{
	List *columns = NIL;
	StringInfoData buf;

	initStringInfo(&buf);
	append_source(&buf, def, source, cut, panes, false);
	appendStringInfo(&buf, "INSERT INTO streambatch_state.%s_%d (", into_stream ? "stream" : "batch", id);
	for (int i = 0; i < def->nkeys; i++)
	{
		appendStringInfo(&buf, "%s%s", columns ? ", " : "", def->keys[i].column);
		columns = lappend(columns, def->keys[i].expr);
	}
	for (int i = 0; i < def->nstates; i++)
	{
		if (into_stream && def->states[i].batch_only)
			continue;
		appendStringInfo(&buf, "%ss%d", columns ? ", " : "", i + 1);
		columns = lappend(columns, def->states[i].aggref);
	}
	if (into_stream)
	{
		appendStringInfo(&buf, "%sepoch", columns ? ", " : "");
		columns = lappend(columns, parameter(6, INT8OID));
	}
	appendStringInfo(&buf, ") %s", select_from_source(def, columns));
	for (int i = 0; i < def->nkeys; i++)
		appendStringInfo(&buf, "%s%d", i > 0 ? ", " : " GROUP BY ", i + 1);
	/* without keys there would be a row of no events */
	if (def->nkeys == 0)
		appendStringInfoString(&buf, " HAVING pg_catalog.count(*) > 0");
	return buf.data;
}

char *
sql_compute_rows(const ViewDef *def, const BatchSource *source, const char *cut, PaneRange panes)
{
	StringInfoData buf;
	FoldState *states;

	initStringInfo(&buf);
	append_source(&buf, def, source, cut, panes, true);
	appendStringInfoString(&buf, select_from_source(def, sql_fold_columns(def, &states)));
	return buf.data;
}

char *
sql_below_cut(const BatchSource *source)
{
	if (source->epoch == NULL)
		return psprintf("coalesce(event.%s < ($1)[event.%s + 1], event.%s IS NULL)", source->offset,
						source->partition, source->partition);
	return psprintf("(event.%s IS NULL OR %s)", source->partition, position_below(source, "$1", "$9"));
}

char *
sql_between_cuts(const BatchSource *source)
{
	return psprintf("event.%s IS NOT NULL AND %s AND NOT %s", source->partition,
					position_below(source, "$7", "$10"), position_below(source, "$1", "$9"));
}

char *
sql_clear(const ViewDef *def, int32 id, bool stream)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "DELETE FROM streambatch_state.%s_%d WHERE %s", stream ? "stream" : "batch", id,
					 stream ? "epoch <= $6" : "true");
	if (def->pane >= 0)
		appendStringInfo(&buf, " AND %s", range_condition(def, "pane"));
	return buf.data;
}

char *
sql_extent(const ViewDef *def, const BatchSource *source)
{
	char *argument = psprintf("(%s)", print(def, def->window.argument));
	char *instant = window_to_instant_sql(&def->window, argument);
	StringInfoData buf;

	initStringInfo(&buf);
	append_source(&buf, def, source, sql_below_cut(source), PANES_WITHIN, false);
	appendStringInfo(
		&buf, "SELECT pg_catalog.min(%s), pg_catalog.max(%s), pg_catalog.count(*) FROM " SOURCE " event",
		instant, instant);
	return buf.data;
}

char *
sql_changed_panes(const ViewDef *def, int32 id)
{
	return psprintf(
		"SELECT DISTINCT %s FROM streambatch_state.stream_%d WHERE epoch <= $6 AND pane < %s ORDER BY 1",
		window_to_instant_sql(&def->window, "pane"), id, window_from_instant_sql(&def->window, "$3"));
}

/* Condition: the position of an event, which is not null, is below a cut. The cut is NULL for unread partitions. */
static char *
position_below(const BatchSource *source, const char *cut, const char *topic_epoch)
{
	char *below =
		psprintf("coalesce(event.%s < (%s)[event.%s + 1], false)", source->offset, cut, source->partition);

	if (source->epoch == NULL)
		return below;
	return psprintf("(%1$s < %2$s OR %1$s = %2$s AND %3$s)", epoch_of(source), topic_epoch, below);
}

/* The topic epoch of an event. */
static char *
epoch_of(const BatchSource *source)
{
	return source->epoch != NULL ? psprintf("coalesce(event.%s, 0)", source->epoch) : pstrdup("0");
}

/* The partition and the topic epoch of an event, as stream_partition_rank() combines them. */
static char *
partition_rank(const BatchSource *source)
{
	char *partition = psprintf("event.%s", source->partition);

	return source->epoch != NULL ? psprintf(STREAM_RANK_SQL, epoch_of(source), partition) : partition;
}

/*
 * WITH _event AS (the rows of the source). The view's own expressions, which may raise errors, must not be
 * evaluated for rows that are left out or beyond the cut. OFFSET 0 keeps the planner from doing so.
 */
static void
append_source(StringInfo buf, const ViewDef *def, const BatchSource *source, const char *cut, PaneRange panes,
			  bool mark)
{
	const char *first = NULL; /* condition on panes that cannot raise an error */
	const char *then = NULL;  /* and one that can */
	List *names = column_names(def);
	ListCell *lc;
	bool inner;

	if (def->has_window && panes != PANES_ALL)
	{
		char *time = psprintf("(%s)", print(def, def->window.argument));
		bool column = IsA(def->window.argument, Var);
		bool by_pane = def->window.by_pane; /* the time does not determine the pane */
		char *exact = range_condition(def, by_pane ? psprintf("(%s)", print(def, def->window.pane)) : time);

		if (panes == PANES_OUTSIDE)
			exact = psprintf("%s IS NOT TRUE", exact);
		if (column && !by_pane)
			first = exact;
		else
			then = exact;
		if (column && by_pane && panes == PANES_WITHIN)
			first = index_condition(def, time);
	}
	inner = source->leave_out || mark || then != NULL;
	appendStringInfoString(buf, "WITH " SOURCE " AS NOT MATERIALIZED (SELECT ");
	foreach (lc, names)
	{
		if (strVal(lfirst(lc))[0] != '\0')
			appendStringInfo(buf, "event.%s, ", quote_identifier(strVal(lfirst(lc))));
	}
	appendStringInfo(buf, "%s AS " SOURCE_PARTITION ", event.%s AS " SOURCE_OFFSET, partition_rank(source),
					 source->offset);
	appendStringInfo(buf, " FROM %s%s event WHERE (%s)", inner ? "(SELECT * FROM " : "", source->relation,
					 cut);
	if (first != NULL)
		appendStringInfo(buf, " AND %s", first);
	if (source->leave_out)
		appendStringInfo(
			buf,
			" AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($8)) "
			"AS d (p, o, e) WHERE d.p = event.%s AND d.o = event.%s AND d.e = %s)",
			source->partition, source->offset, epoch_of(source));
	if (mark)
		appendStringInfoString(buf, " AND $11");
	if (inner)
		appendStringInfo(buf, " OFFSET 0) event WHERE %s", then != NULL ? then : "true");
	appendStringInfoString(buf, ") ");
}

/* The current names of these columns; empty for dropped ones. */
static List *
column_names(const ViewDef *def)
{
	List *names = NIL;

	for (AttrNumber attno = 1; attno <= ncolumns(def); attno++)
	{
		bool dropped = get_atttype(def->stream, attno) == InvalidOid;

		names = lappend(names, makeString(dropped ? "" : get_attname(def->stream, attno, false)));
	}
	return names;
}

/* How many columns the stream had when the query was written. */
static int
ncolumns(const ViewDef *def)
{
	return list_length(rt_fetch(def->varno, def->query->rtable)->eref->colnames);
}

/* An expression over the stream's columns alone. */
static char *
print(const ViewDef *def, Node *expr)
{
	Node *copy = copyObject(expr);

	ChangeVarNodes(copy, def->varno, 1, 0);
	return deparse_expression(copy, deparse_context_for("event", def->stream), true, false);
}

/*
 * A range without end includes events without a time. The parameter is constant, so the planner removes what
 * does not apply.
 */
static char *
range_condition(const ViewDef *def, const char *time)
{
	return psprintf("(%s >= %s AND %s < %s OR $3 = 'infinity' AND %s IS NULL)", time,
					window_from_instant_sql(&def->window, "$2"), time,
					window_from_instant_sql(&def->window, "$3"), time);
}

/* A wider condition on the event's time only, which can use an index. */
static char *
index_condition(const ViewDef *def, const char *time)
{
	return psprintf("(%s >= %s - %s AND %s < %s + %s OR $3 = 'infinity')", time,
					window_from_instant_sql(&def->window, "$2"), window_margin_sql(&def->window), time,
					window_from_instant_sql(&def->window, "$3"), window_margin_sql(&def->window));
}

/* A parameter of a statement. */
static Node *
parameter(int number, Oid type)
{
	Param *param = makeNode(Param);

	param->paramkind = PARAM_EXTERN;
	param->paramid = number;
	param->paramtype = type;
	param->paramtypmod = -1;
	param->location = -1;
	return (Node *) param;
}

/*
 * A SELECT of expressions with FROM and WHERE of the view's query, reading the common table expression in place
 * of the stream.
 */
static char *
select_from_source(const ViewDef *def, List *exprs)
{
	Query *query = sql_select(def, exprs);
	RangeTblEntry *rte = rt_fetch(def->varno, query->rtable);

	query->targetList = (List *) position_mutator((Node *) query->targetList, def);
	rte->rtekind = RTE_CTE;
	rte->relid = InvalidOid;
	rte->ctename = SOURCE;
	rte->eref->colnames = lappend(column_names(def), makeString(SOURCE_PARTITION));
	rte->eref->colnames = lappend(rte->eref->colnames, makeString(SOURCE_OFFSET));
	return sql_print(query);
}

/* Replace the stream's hidden columns by those of the common table expression, which follow the others. */
static Node *
position_mutator(Node *node, const ViewDef *def)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == def->varno &&
		((Var *) node)->varattno >= STREAM_PARTITION_ATTNUM)
	{
		const Var *var = (const Var *) node;
		AttrNumber attnum = ncolumns(def) + 1 + var->varattno - STREAM_PARTITION_ATTNUM;

		return (Node *) makeVar(def->varno, attnum, var->vartype, -1, InvalidOid, 0);
	}
	return expression_tree_mutator(node, position_mutator, (void *) def);
}
