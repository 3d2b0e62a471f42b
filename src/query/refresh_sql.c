/*
 * refresh_sql.c
 *		The SQL of the batch layer (see refresh_sql.h).
 *
 * FROM and WHERE are those of the view's query, which read a common table expression in place of the stream.
 * Example: for SELECT user_id, tumble(ts, '10 s'), avg(amount) FROM events WHERE amount > 0 GROUP BY 1, 2 a
 * chunk of a refresh is
 *
 *		WITH _event AS (SELECT … FROM public.events_archive event WHERE … below the cut and in the range …)
 *		SELECT events.user_id, streambatch.tumble(events.ts, …), sum(events.amount), count(events.amount)
 *		FROM _event events WHERE events.amount > 0 GROUP BY 1, 2
 *
 * and, of its rows, INSERT INTO streambatch_state.batch_1 (k1, pane, s1, s2) SELECT k1, pane, s1, s2 FROM _group AS _group
 * (k1, pane, s1, s2). PostgreSQL does not run INSERT … SELECT in parallel.
 */
#include "postgres.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "common/catalog_version.h"
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
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"
#include "window/window_sql.h"

/* Names of the common table expression and of its columns for partition and offset. */
#define SOURCE "_event"
#define SOURCE_PARTITION "_partition"
#define SOURCE_OFFSET "_offset"

/* Of a column that some statements add. */
#define SOURCE_EARLIER "_earlier"

/* The number of these columns, after those of the stream. */
#define SOURCE_COLUMNS 3

/* What a statement does beside selecting panes below a cut. */
typedef struct SelectOptions
{
	bool mark;			 /* evaluate $11 for each row */
	const char *earlier; /* a condition to add as a column */
	double percent;		 /* of the archive's pages; 0: all */
	bool with_keys;		 /* select the group with the keys from $15 on */
} SelectOptions;

static void append_select(StringInfo buf, const ViewDef *def, const BatchSource *source, const char *cut,
						  PaneSet panes, List *columns, SelectOptions options);
static char *offset_below(const BatchSource *source, const char *cut);
static char *position_below(const BatchSource *source, const char *cut, const char *topic_epoch);
static const char *earlier_condition(const BatchSource *source);
static char *epoch_of(const BatchSource *source);
static char *partition_rank(const BatchSource *source);
static void append_source(StringInfo buf, const ViewDef *def, const BatchSource *source, const char *cut,
						  PaneSet panes, SelectOptions options);
static void pane_conditions(const ViewDef *def, const BatchSource *source, PaneSet panes, const char **first,
							const char **then);
static List *column_names(const ViewDef *def);
static int ncolumns(const ViewDef *def);
static char *print(const ViewDef *def, Node *expr);
static char *range_condition(const ViewDef *def, const char *time);
static char *index_condition(const ViewDef *def, const char *time);
static bool reads_ranges(const BatchSource *source, PaneSet panes);
static char *limits(const ViewDef *def, const char *time);
static char *listed_condition(const ViewDef *def, const char *time, int nreads);
static Node *parameter(int number, Oid type);
static List *group_columns(const ViewDef *def, bool into_stream, StringInfo names);
static Node *any_earlier(const ViewDef *def);
static void append_group_by(StringInfo buf, const ViewDef *def, const char *clause);
static char *select_from_source(const ViewDef *def, List *exprs, SelectOptions options);
static Node *key_condition(const ViewDef *def);
static Node *position_mutator(Node *node, const ViewDef *def);
static bool position_walker(Node *node, void *def);

char *
sql_compute(const ViewDef *def, const BatchSource *source, bool into_stream, const char *cut, PaneSet panes)
{
	StringInfoData buf;
	List *columns = group_columns(def, into_stream, NULL);

	if (into_stream)
		columns = lappend(columns, parameter(6, INT8OID));
	initStringInfo(&buf);
	append_select(&buf, def, source, cut, panes, columns, (SelectOptions){0});
	append_group_by(&buf, def, "GROUP BY");
	return buf.data;
}

char *
sql_compute_changed(const ViewDef *def, const BatchSource *source, PaneSet panes)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_select(&buf, def, source, sql_below_cut(source), panes,
				  lappend(group_columns(def, false, NULL), any_earlier(def)),
				  (SelectOptions){.earlier = earlier_condition(source)});
	append_group_by(&buf, def, "GROUP BY");
	return buf.data;
}

char *
sql_insert_groups(const ViewDef *def, int32 id, bool into_stream, const char *groups, bool listed)
{
	StringInfoData names;

	initStringInfo(&names);
	(void) group_columns(def, into_stream, &names);
	if (into_stream)
		appendStringInfo(&names, "%sepoch", names.len > 0 ? ", " : "");
	return psprintf("INSERT INTO streambatch_state.%s_%d (%s) SELECT %s FROM %s AS %s (%s)%s",
					into_stream ? "stream" : "batch", id, names.data, names.data, groups, groups, names.data,
					listed ? " WHERE pane = ANY ($12)" : "");
}

char *
sql_compute_rows(const ViewDef *def, const BatchSource *source, const char *cut, PaneSet panes)
{
	StringInfoData buf;
	FoldState *states;

	initStringInfo(&buf);
	append_select(&buf, def, source, cut, panes, sql_fold_columns(def, &states),
				  (SelectOptions){.mark = true});
	return buf.data;
}

char *
sql_compute_groups(const ViewDef *def, const BatchSource *source, const char *cut, PaneSet panes,
				   bool with_keys)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_select(&buf, def, source, cut, panes, group_columns(def, false, NULL),
				  (SelectOptions){.with_keys = with_keys});
	append_group_by(&buf, def, "GROUP BY");
	append_group_by(&buf, def, "ORDER BY");
	return buf.data;
}

char *
sql_group_keys(const ViewDef *def, const BatchSource *source, const char *cut, PaneSet panes, uint64 number)
{
	StringInfoData buf;
	List *columns = NIL;

	initStringInfo(&buf);
	for (int i = 0; i < def->nkeys; i++)
		columns = lappend(columns, def->keys[i].expr);
	append_select(&buf, def, source, cut, panes, columns, (SelectOptions){0});
	append_group_by(&buf, def, "GROUP BY");
	append_group_by(&buf, def, "ORDER BY");
	appendStringInfo(&buf, " LIMIT 1 OFFSET " UINT64_FORMAT, number);
	return buf.data;
}

char *
sql_below_cut(const BatchSource *source)
{
	if (source->log || source->partition == NULL)
		return pstrdup("true");
	if (source->epoch == NULL)
		return psprintf("coalesce(%s, event.%s IS NULL)", offset_below(source, "$1"), source->partition);
	return psprintf("(event.%s IS NULL OR %s)", source->partition, position_below(source, "$1", "$9"));
}

char *
sql_between_cuts(const BatchSource *source)
{
	return psprintf("event.%s IS NOT NULL AND %s AND NOT %s", source->partition,
					position_below(source, "$7", "$10"), position_below(source, "$1", "$9"));
}

char *
sql_clear(const ViewDef *def, int32 id, bool stream, PaneRange panes)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "DELETE FROM streambatch_state.%s_%d WHERE %s", stream ? "stream" : "batch", id,
					 stream ? "epoch <= $6" : "true");
	if (def->pane >= 0)
		appendStringInfo(&buf, " AND %s", sql_pane_condition(def, panes));
	return buf.data;
}

char *
sql_pane_condition(const ViewDef *def, PaneRange panes)
{
	return panes == PANES_LISTED ? pstrdup("pane = ANY ($12)") : range_condition(def, "pane");
}

char *
sql_any_row(const ViewDef *def, int32 id)
{
	const char *within = def->pane >= 0 ? range_condition(def, "pane") : "true";

	return psprintf("SELECT FROM streambatch_state.batch_%1$d WHERE %2$s UNION ALL "
					"SELECT FROM streambatch_state.stream_%1$d WHERE epoch <= $6 AND %2$s LIMIT 1",
					id, within);
}

char *
sql_changed_panes(const ViewDef *def, int32 id, const BatchSource *source)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (source != NULL)
		append_source(&buf, def, source, sql_below_cut(source), (PaneSet){PANES_WITHIN}, (SelectOptions){0});
	appendStringInfo(
		&buf,
		"SELECT %s, EXISTS (SELECT FROM streambatch_state.batch_%d b WHERE b.pane = s.pane), late "
		"FROM (SELECT pane, pg_catalog.bool_or(late) AS late FROM (SELECT DISTINCT pane, true AS late "
		"FROM streambatch_state.stream_%d WHERE epoch <= $6 AND %s "
		"UNION ALL SELECT pane, false FROM pg_catalog.unnest($12) AS list (pane)",
		window_to_instant_sql(&def->window, "s.pane"), id, id, range_condition(def, "pane"));
	if (source != NULL)
		appendStringInfo(&buf,
						 " UNION ALL SELECT DISTINCT pane, false FROM streambatch_state.batch_%d WHERE %s "
						 "UNION ALL SELECT DISTINCT (%s), false FROM " SOURCE " event",
						 id, range_condition(def, "pane"), print(def, def->window.pane));
	appendStringInfoString(&buf, ") p WHERE pane IS NOT NULL GROUP BY pane) s ORDER BY 1");
	return buf.data;
}

char *
sql_panes_of(const ViewDef *def, const char *relation)
{
	char *pane = psprintf("(%s)", print(def, def->window.pane));

	return psprintf("SELECT DISTINCT %s FROM %s event ORDER BY 1 NULLS LAST",
					window_to_instant_sql(&def->window, pane), relation);
}

char *
sql_event_panes(const ViewDef *def, const BatchSource *source, PaneSet panes)
{
	char *pane = psprintf("(%s)", print(def, def->window.pane));
	SelectOptions options = {.earlier = earlier_condition(source)};
	StringInfoData buf;

	initStringInfo(&buf);
	append_source(&buf, def, source, sql_below_cut(source), panes, options);
	appendStringInfo(&buf,
					 "SELECT %s, pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE event." SOURCE_EARLIER
					 ") FROM " SOURCE " event GROUP BY 1 ORDER BY 1 NULLS LAST",
					 window_to_instant_sql(&def->window, pane));
	return buf.data;
}

char *
sql_event_times(const ViewDef *def, const BatchSource *source, double percent)
{
	char *time = psprintf("(%s)", print(def, def->window.argument));
	StringInfoData buf;

	initStringInfo(&buf);
	append_source(&buf, def, source, sql_below_cut(source), (PaneSet){PANES_WITHIN},
				  (SelectOptions){.percent = percent});
	appendStringInfo(&buf, "SELECT %s FROM " SOURCE " event WHERE %s IS NOT NULL ORDER BY 1",
					 window_to_instant_sql(&def->window, time), time);
	return buf.data;
}

char *
sql_count_events(const ViewDef *def, const BatchSource *source, int64 limit)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_source(&buf, def, source, sql_below_cut(source), (PaneSet){PANES_WITHIN}, (SelectOptions){0});
	appendStringInfo(
		&buf, "SELECT pg_catalog.count(*) FROM (SELECT FROM " SOURCE " LIMIT " INT64_FORMAT ") event", limit);
	return buf.data;
}

bool
sql_needs_positions(const ViewDef *def)
{
	return position_walker((Node *) group_columns(def, false, NULL), (void *) def);
}

/* A SELECT of columns, as the view's query, from rows of the source. */
static void
append_select(StringInfo buf, const ViewDef *def, const BatchSource *source, const char *cut, PaneSet panes,
			  List *columns, SelectOptions options)
{
	append_source(buf, def, source, cut, panes, options);
	appendStringInfoString(buf, select_from_source(def, columns, options));
}

/* Condition: the offset of an event is below that of its partition in a cut. NULL for a partition that is not in it. */
static char *
offset_below(const BatchSource *source, const char *cut)
{
	if (catalog_is_first_version())
		return psprintf("event.%s < (%s)[event.%s + 1]", source->offset, cut, source->partition);
	/* several times as fast */
	return psprintf("streambatch._below_cut(%s, event.%s, event.%s)", cut, source->partition, source->offset);
}

/* Condition: the position of an event, which is not null, is below a cut. The cut is NULL for unread partitions. */
static char *
position_below(const BatchSource *source, const char *cut, const char *topic_epoch)
{
	char *below = psprintf("coalesce(%s, false)", offset_below(source, cut));

	if (source->epoch == NULL)
		return below;
	return psprintf("(%1$s < %2$s OR %1$s = %2$s AND %3$s)", epoch_of(source), topic_epoch, below);
}

/* Condition: an event is below the cut $7. */
static const char *
earlier_condition(const BatchSource *source)
{
	if (source->partition == NULL)
		return "true";
	return psprintf("(event.%s IS NULL OR %s)", source->partition, position_below(source, "$7", "$10"));
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
 * evaluated for rows that are left out or beyond the cut. OFFSET '0' keeps the planner from doing so. As a literal, not
 * as a number, which would be a call of a cast, it does not keep the planner from reading in parallel.
 */
static void
append_source(StringInfo buf, const ViewDef *def, const BatchSource *source, const char *cut, PaneSet panes,
			  SelectOptions options)
{
	const char *first = NULL;
	const char *then = NULL;
	List *names = column_names(def);
	ListCell *lc;
	bool ranges = reads_ranges(source, panes);
	bool inner;

	pane_conditions(def, source, panes, &first, &then);
	/* what the planner evaluates first for a row is what costs least */
	inner = source->leave_out || options.mark || then != NULL || def->joined ||
			def->query->jointree->quals != NULL;
	appendStringInfoString(buf, "WITH " SOURCE " AS NOT MATERIALIZED (SELECT ");
	foreach (lc, names)
	{
		if (strVal(lfirst(lc))[0] != '\0')
			appendStringInfo(buf, "event.%s, ", quote_identifier(strVal(lfirst(lc))));
	}
	if (options.earlier != NULL)
		appendStringInfo(buf, "%s AS " SOURCE_EARLIER ", ", options.earlier);
	if (source->partition != NULL)
		appendStringInfo(buf, "%s AS " SOURCE_PARTITION ", event.%s AS " SOURCE_OFFSET,
						 partition_rank(source), source->offset);
	else
		appendStringInfoString(buf, "0::pg_catalog.int8 AS " SOURCE_PARTITION
									", 0::pg_catalog.int8 AS " SOURCE_OFFSET);
	appendStringInfoString(buf, " FROM ");
	if (ranges)
		appendStringInfoString(
			buf, "ROWS FROM (pg_catalog.unnest($13), pg_catalog.unnest($14)) AS _range (a, b), LATERAL ");
	appendStringInfo(buf, "%s%s event", inner ? "(SELECT * FROM " : "", source->relation);
	if (options.percent > 0)
		appendStringInfo(buf, " TABLESAMPLE pg_catalog.system (%f)", options.percent);
	/* in the order in which they are evaluated */
	appendStringInfo(buf, " WHERE %s%s(%s)", first != NULL ? first : "", first != NULL ? " AND " : "", cut);
	if (source->leave_out)
		appendStringInfo(
			buf,
			" AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($8)) "
			"AS d (p, o, e) WHERE d.p = event.%s AND d.o = event.%s AND d.e = %s)",
			source->partition, source->offset, epoch_of(source));
	if (options.mark)
		appendStringInfoString(buf, " AND $11");
	if (inner)
		appendStringInfo(buf, " OFFSET '0') event WHERE %s", then != NULL ? then : "true");
	appendStringInfoString(buf, ") ");
}

/*
 * Conditions on panes: one that cannot raise an error, and can use an index; and one that may raise an error.
 * NULL: none.
 */
static void
pane_conditions(const ViewDef *def, const BatchSource *source, PaneSet panes, const char **first,
				const char **then)
{
	char *time;
	char *pane;
	char *exact;
	bool column;
	bool by_pane = def->window.by_pane; /* the time does not determine the pane */

	if (!def->has_window || panes.range == PANES_ALL)
		return;
	time = psprintf("(%s)", print(def, def->window.argument));
	pane = psprintf("(%s)", print(def, def->window.pane));
	column = IsA(def->window.argument, Var);
	if (panes.range == PANES_LISTED)
	{
		if (reads_ranges(source, panes))
			*first = psprintf("%s >= %s AND %s < %s", time, window_from_instant_sql(&def->window, "_range.a"),
							  time, window_from_instant_sql(&def->window, "_range.b"));
		else if (source->blocks)
			*first = psprintf("%sstreambatch._in_ranges(%s, $13, $14)",
							  source->partitioned ? limits(def, time) : "", time);
		else
			*first = column ? listed_condition(def, time, panes.nreads) : NULL;
		*then = psprintf("%s = ANY ($12)", pane);
		return;
	}
	exact = range_condition(def, by_pane ? pane : time);
	if (panes.range == PANES_OUTSIDE)
		exact = psprintf("%s IS NOT TRUE", exact);
	if (column && !by_pane)
		*first = exact;
	else
		*then = exact;
	if (column && by_pane && panes.range == PANES_WITHIN)
		*first = index_condition(def, time);
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

/* Whether the ranges that contain the listed panes are read one by one. With margins they would overlap. */
static bool
reads_ranges(const BatchSource *source, PaneSet panes)
{
	return panes.range == PANES_LISTED && source->reads > 0 && !source->blocks;
}

/* The condition that leaves out partitions. In a table it would only make another scan of the index look cheap. */
static char *
limits(const ViewDef *def, const char *time)
{
	return psprintf("%s >= %s AND %s < %s AND ", time, window_from_instant_sql(&def->window, "$2"), time,
					window_from_instant_sql(&def->window, "$3"));
}

/* A condition on the event's time that contains the listed panes, which can use an index. */
static char *
listed_condition(const ViewDef *def, const char *time, int nreads)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 1; i <= nreads; i++)
	{
		char *from = window_from_instant_sql(&def->window, psprintf("($13)[%d]", i));
		char *to = window_from_instant_sql(&def->window, psprintf("($14)[%d]", i));

		if (def->window.by_pane)
		{
			from = psprintf("%s - %s", from, window_margin_sql(&def->window));
			to = psprintf("%s + %s", to, window_margin_sql(&def->window));
		}
		appendStringInfo(&buf, "%s%s >= %s AND %s < %s", i > 1 ? " OR " : "(", time, from, time, to);
	}
	appendStringInfoChar(&buf, ')');
	return buf.data;
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

/* The columns of a group: keys and states; their names are appended to a list, if there is one. */
static List *
group_columns(const ViewDef *def, bool into_stream, StringInfo names)
{
	List *columns = NIL;

	for (int i = 0; i < def->nkeys; i++)
	{
		if (names != NULL)
			appendStringInfo(names, "%s%s", columns ? ", " : "", def->keys[i].column);
		columns = lappend(columns, def->keys[i].expr);
	}
	for (int i = 0; i < def->nstates; i++)
	{
		if (into_stream && def->states[i].batch_only)
			continue;
		if (names != NULL)
			appendStringInfo(names, "%ss%d", columns ? ", " : "", i + 1);
		columns = lappend(columns, def->states[i].aggref);
	}
	return columns;
}

/* bool_or() of the column that says whether an event is an earlier one. */
static Node *
any_earlier(const ViewDef *def)
{
	Aggref *aggref = makeNode(Aggref);
	Var *earlier = makeVar(def->varno, ncolumns(def) + SOURCE_COLUMNS, BOOLOID, -1, InvalidOid, 0);

	aggref->aggfnoid = F_BOOL_OR;
	aggref->aggtype = BOOLOID;
	aggref->aggargtypes = list_make1_oid(BOOLOID);
	aggref->args = list_make1(makeTargetEntry((Expr *) earlier, 1, NULL, false));
	aggref->aggkind = AGGKIND_NORMAL;
	aggref->aggsplit = AGGSPLIT_SIMPLE;
	aggref->aggno = aggref->aggtransno = -1;
	aggref->location = -1;
	return (Node *) aggref;
}

/* GROUP BY or ORDER BY the keys, which are the first columns. */
static void
append_group_by(StringInfo buf, const ViewDef *def, const char *clause)
{
	for (int i = 0; i < def->nkeys; i++)
		appendStringInfo(buf, "%s%s %d", i > 0 ? "," : " ", i > 0 ? "" : clause, i + 1);
	/* without keys there would be a row of no events */
	if (def->nkeys == 0 && strcmp(clause, "GROUP BY") == 0)
		appendStringInfoString(buf, " HAVING pg_catalog.count(*) > 0");
}

/*
 * A SELECT of expressions with FROM and WHERE of the view's query, reading the common table expression in place
 * of the stream.
 */
static char *
select_from_source(const ViewDef *def, List *exprs, SelectOptions options)
{
	Query *query = sql_select(def, exprs);
	RangeTblEntry *rte = rt_fetch(def->varno, query->rtable);

	if (options.with_keys)
		query->jointree->quals = make_and_qual(query->jointree->quals, key_condition(def));
	query->targetList = (List *) position_mutator((Node *) query->targetList, def);
	rte->rtekind = RTE_CTE;
	rte->relid = InvalidOid;
	rte->ctename = SOURCE;
	rte->eref->colnames = lappend(column_names(def), makeString(SOURCE_PARTITION));
	rte->eref->colnames = lappend(rte->eref->colnames, makeString(SOURCE_OFFSET));
	if (options.earlier != NULL)
		rte->eref->colnames = lappend(rte->eref->colnames, makeString(SOURCE_EARLIER));
	return sql_print(query);
}

/* Condition: the keys are those in $15 and the following parameters. */
static Node *
key_condition(const ViewDef *def)
{
	List *conditions = NIL;

	for (int i = 0; i < def->nkeys; i++)
	{
		const KeyDef *key = &def->keys[i];
		Oid equal = lookup_type_cache(key->type, TYPECACHE_EQ_OPR)->eq_opr;
		Expr *distinct = make_opclause(equal, BOOLOID, false, copyObject((Expr *) key->expr),
									   (Expr *) parameter(15 + i, key->type), InvalidOid, key->collation);

		NodeSetTag(distinct, T_DistinctExpr);
		conditions = lappend(conditions, makeBoolExpr(NOT_EXPR, list_make1(distinct), -1));
	}
	return (Node *) make_ands_explicit(conditions);
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

static bool
position_walker(Node *node, void *def)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == ((const ViewDef *) def)->varno &&
		((Var *) node)->varattno >= STREAM_PARTITION_ATTNUM)
		return true;
	return expression_tree_walker(node, position_walker, def);
}
