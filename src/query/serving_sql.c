/*
 * serving_sql.c
 *		DDL of the views that users read (see serving_sql.h).
 *
 * Both state tables are read as one (u), merged for each group of the query, and finalised:
 *
 *		merged_1:	SELECT u.k1, u.pane, sum(u.s1) / nullif(_sum(u.s2), 0) AS a1 FROM (batch_1 UNION ALL stream_1) u GROUP BY u.k1, u.pane
 *		the view:	SELECT m.k1 AS user_id, m.pane AS window_start, m.a1 AS avg FROM merged_1 m
 *
 * Conditions on keys and window can use the indexes of both tables, because PostgreSQL pushes down conditions
 * on grouping keys.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "query/grouping_sql.h"
#include "query/print_sql.h"
#include "query/serving_sql.h"
#include "utils/builtins.h"
#include "utils/ruleutils.h"
#include "window/window_sql.h"

static bool aggregate_walker(Node *node, void *context);
static void append_merged_select(StringInfo buf, const ViewDef *def, int32 id);
static void append_cut_time(StringInfo buf, const ViewDef *def, int32 id);
static void append_groups(StringInfo buf, const ViewDef *def);
static Node *column(AttrNumber attno, Node *of);
static void append_results(StringInfo buf, const ViewDef *def, bool comma, const char *prefix,
						   const char *condition);
static void append_rows(StringInfo buf, const ViewDef *def, int32 id, bool as_served);
static void append_union(StringInfo buf, const ViewDef *def, int32 id, bool as_served);
static void append_remote_union(StringInfo buf, const ViewDef *def, bool as_served);
static bool expands_panes(const ViewDef *def);
static void append_sessions(StringInfo buf, const ViewDef *def, int32 id, bool as_served);
static void append_windows(StringInfo buf, const ViewDef *def, int32 id, bool as_served);
static char *select_assembled(const ViewDef *def, bool as_of);
static void add_target(Query *query, Node *expr, char *name);
static void add_column(Query *query, List **names, char *name, Oid type, int32 typmod, Oid collation);
static Node *edge_mutator(Node *node, const ViewDef *def);
static char *print_output(const ViewDef *def, const TargetEntry *tle, const char *alias, Oid merged);
static char *print_merged(const ViewDef *def, Node *expr, const char *alias, Oid merged);
static Node *merged_mutator(Node *node, const ViewDef *def);
static char *group_end(const ViewDef *def);
static void append_outputs(StringInfo buf, const ViewDef *def, Oid merged);
static void append_merged(StringInfo buf, const ViewDef *def, int32 id);
static void append_exact(StringInfo buf, const ViewDef *def);
static void append_layer(StringInfo buf, const ViewDef *def, const char *alias);

char *
sql_merged_view(const ViewDef *def, int32 id)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE VIEW streambatch_state.merged_%d AS ", id);
	append_merged_select(&buf, def, id);
	return buf.data;
}

List *
sql_times_views(int32 id)
{
	return list_make2(psprintf("CREATE VIEW streambatch_state.cuts_%d AS SELECT from_time, to_time, cut_at "
							   "FROM streambatch._batch_as_of WHERE view_id = %d",
							   id, id),
					  psprintf("CREATE VIEW streambatch_state.clock_%d AS SELECT flushed_at, watermark "
							   "FROM streambatch._stream_as_of WHERE view_id = %d",
							   id, id));
}

char *
sql_serving_view(const ViewDef *def, int32 id, const char *name, Oid merged)
{
	StringInfoData buf;
	ListCell *lc;
	bool first = true;

	initStringInfo(&buf);
	if (name != NULL)
		appendStringInfo(&buf, "CREATE VIEW %s AS ", name);
	appendStringInfoString(&buf, "SELECT ");
	foreach (lc, def->query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (tle->resjunk)
			continue;
		appendStringInfo(&buf, "%s%s AS %s", first ? "" : ", ", print_output(def, tle, "m", merged),
						 quote_identifier(tle->resname));
		first = false;
	}
	if (id != SQL_REMOTE)
		appendStringInfo(&buf, " FROM streambatch_state.merged_%d m", id);
	else
	{
		appendStringInfoString(&buf, " FROM (");
		append_merged_select(&buf, def, id);
		appendStringInfoString(&buf, ") m");
	}
	if (def->query->havingQual)
		appendStringInfo(&buf, " WHERE %s", print_merged(def, def->query->havingQual, "m", merged));
	return buf.data;
}

char *
sql_layers_view(const ViewDef *def, int32 id, const char *name, Oid merged, const char *lateness)
{
	StringInfoData buf;
	char *end = group_end(def);

	initStringInfo(&buf);
	if (name != NULL)
		appendStringInfo(&buf, "CREATE VIEW %s AS ", name);
	appendStringInfoString(&buf, "SELECT ");
	append_outputs(&buf, def, merged);
	appendStringInfoString(&buf, ", CASE WHEN m.of_stream > 0 THEN a.flushed_at END AS stream_as_of, ");
	if (id == SQL_REMOTE)
		appendStringInfoString(&buf, "m.batch_as_of");
	else
		append_cut_time(&buf, def, id);
	appendStringInfoString(
		&buf, " AS batch_as_of, CASE WHEN m.of_batch = 0 THEN 'stream' WHEN m.of_stream = 0 THEN 'batch' "
			  "ELSE 'merged' END AS recommended, m.exact, ");
	if (end)
		appendStringInfo(&buf, "%scoalesce(%s + %s <= a.watermark, false) AS closed",
						 def->query->groupingSets != NIL ? "m.of_window AND " : "", end, lateness);
	else
		appendStringInfoString(&buf, "false AS closed");
	append_merged(&buf, def, id);
	append_layer(&buf, def, "b");
	append_layer(&buf, def, "s");
	if (id == SQL_REMOTE)
		appendStringInfo(&buf, " LEFT JOIN %c a ON true", SQL_REMOTE_CLOCK);
	else
		appendStringInfo(&buf, " LEFT JOIN streambatch_state.clock_%d a ON true", id);
	if (def->query->havingQual)
		appendStringInfo(&buf, " WHERE %s", print_merged(def, def->query->havingQual, "m", merged));
	return buf.data;
}

char *
sql_merged_results(const ViewDef *def)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_results(&buf, def, false, "", NULL);
	return buf.data;
}

char *
sql_merged_output(const ViewDef *def, Node *expr, Oid merged)
{
	return print_merged(def, expr, "m", merged);
}

bool
sql_is_value(const Node *expr)
{
	return aggregate_walker(unconstify(Node *, expr), NULL);
}

char *
sql_lateness(const Interval *delay)
{
	return psprintf("'%d months %d days %lld microseconds'::pg_catalog.interval", delay->month, delay->day,
					(long long) delay->time);
}

static bool
aggregate_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, Aggref) || expression_tree_walker(node, aggregate_walker, context);
}

static void
append_merged_select(StringInfo buf, const ViewDef *def, int32 id)
{
	appendStringInfoString(buf, "SELECT ");
	append_groups(buf, def);
	append_results(buf, def, def->ngroups > 0, "", NULL);
	sql_append_groupings(buf, def, def->ngroups > 0 || def->nresults > 0);
	append_rows(buf, def, id, true);
	/* without GROUP BY there is always one row */
	sql_append_group_by(buf, def);
}

/* The time of the earliest cut of a group's rows in the batch layer. */
static void
append_cut_time(StringInfo buf, const ViewDef *def, int32 id)
{
	appendStringInfo(
		buf,
		"CASE WHEN m.of_batch > 0 THEN (SELECT pg_catalog.min(c.cut_at) FROM streambatch_state.cuts_%d c",
		id);
	/* the null pane is part of a range that ends at infinity */
	if (def->pane >= 0)
		appendStringInfo(buf, " WHERE coalesce(c.from_time <= %s AND c.to_time > %s, c.to_time = 'infinity')",
						 window_to_instant_sql(&def->window, "m.last_batch_pane"),
						 window_to_instant_sql(&def->window, "m.first_batch_pane"));
	appendStringInfoString(buf, ") END");
}

static void
append_groups(StringInfo buf, const ViewDef *def)
{
	for (int i = 0; i < def->ngroups; i++)
		appendStringInfo(buf, "%su.%s", i == 0 ? "" : ", ", def->groups[i].column);
}

static Node *
column(AttrNumber attno, Node *of)
{
	return (Node *) makeVar(1, attno, exprType(of), exprTypmod(of), exprCollation(of), 0);
}

/* The query's aggregates, from merged states, as columns a1, a2, …; condition: a FILTER for rows, or NULL. */
static void
append_results(StringInfo buf, const ViewDef *def, bool comma, const char *prefix, const char *condition)
{
	for (int i = 0; i < def->nresults; i++)
	{
		const ResultDef *result = &def->results[i];
		char *merged[RULE_MAX_PARTS] = {"", "", ""};

		for (int p = 0; p < RULE_MAX_PARTS && result->states[p] >= 0; p++)
		{
			char *column = psprintf("u.s%d", result->states[p] + 1);

			merged[p] = psprintf(def->states[result->states[p]].merge, column);
			if (condition != NULL)
				merged[p] = psprintf("%s FILTER (WHERE %s)", merged[p], condition);
		}
		appendStringInfoString(buf, comma || i > 0 ? ", " : "");
		appendStringInfo(buf, result->value, merged[0], merged[1], merged[2]);
		appendStringInfo(buf, " AS %sa%d", prefix, i + 1);
	}
}

/* FROM the rows to merge, as u. */
static void
append_rows(StringInfo buf, const ViewDef *def, int32 id, bool as_served)
{
	appendStringInfoString(buf, " FROM ");
	if (!def->has_window || !def->window.assembled)
	{
		append_union(buf, def, id, as_served);
		return;
	}
	appendStringInfoString(buf, "(WITH w AS NOT MATERIALIZED (");
	if (def->window.kind == WINDOW_SESSION)
		append_sessions(buf, def, id, as_served);
	else
		append_windows(buf, def, id, as_served);
	appendStringInfo(buf, ") %s) u", select_assembled(def, id == SQL_REMOTE && !as_served));
}

/*
 * The rows of both layers, with the column batch; as_served: only those of layers that are served to the
 * session.
 */
static void
append_union(StringInfo buf, const ViewDef *def, int32 id, bool as_served)
{
	static const char *const layers[] = {"batch", "stream"};

	if (id == SQL_REMOTE)
	{
		append_remote_union(buf, def, as_served);
		return;
	}
	appendStringInfoChar(buf, '(');
	for (int layer = 0; layer < 2; layer++)
	{
		appendStringInfo(buf, "%sSELECT %s AS batch", layer > 0 ? " UNION ALL " : "",
						 layer == 0 ? "true" : "false");
		for (int i = 0; i < def->nkeys; i++)
			appendStringInfo(buf, ", %s", def->keys[i].column);
		for (int i = 0; i < def->nstates; i++)
			appendStringInfo(buf, ", s%d", i + 1);
		appendStringInfo(buf, " FROM streambatch_state.%s_%d", layers[layer], id);
		if (as_served)
			appendStringInfo(buf, " WHERE streambatch._serves('%s')", layers[layer]);
	}
	appendStringInfoString(buf, ") u");
}

/* The same of all servers: see serving_sql.h. */
static void
append_remote_union(StringInfo buf, const ViewDef *def, bool as_served)
{
	if (expands_panes(def))
		appendStringInfo(buf, "%c u", as_served ? SQL_REMOTE_SERVED : SQL_REMOTE_ALL);
	else
		appendStringInfo(buf, "%c u WHERE u.definition%s", SQL_REMOTE_ROWS,
						 as_served ? " AND " SQL_REMOTE_SERVES : "");
}

/* Whether a pane belongs to several windows. */
static bool
expands_panes(const ViewDef *def)
{
	return def->has_window && def->window.assembled && def->window.kind != WINDOW_SESSION;
}

/*
 * Sessions: rows are sorted by first event; a row that starts within the gap after the latest event so far
 * belongs to the same session. All rows of one pane are in the same session, whatever their layer. An event
 * without a time is in no session.
 */
static void
append_sessions(StringInfo buf, const ViewDef *def, int32 id, bool as_served)
{
	StringInfoData keys;
	char *first = psprintf("s%d", def->session_first + 1);
	char *last = psprintf("s%d", def->session_last + 1);
	const char *gap = window_gap_sql(&def->window);

	initStringInfo(&keys);
	for (int i = 0; i < def->nkeys; i++)
	{
		if (i != def->pane)
			appendStringInfo(&keys, "%su.%s", keys.len > 0 ? ", " : "PARTITION BY ", def->keys[i].column);
	}
	appendStringInfo(buf,
					 "SELECT u.*, pg_catalog.min(u.%s) OVER (%s%su.island) AS window_start, "
					 "pg_catalog.max(u.%s) OVER (%s%su.island) + %s AS window_end FROM (SELECT u.*, "
					 "pg_catalog.sum(u.opens) OVER (%s ORDER BY u.%s) AS island FROM (SELECT u.*, "
					 "CASE WHEN u.%s <= pg_catalog.max(u.%s) OVER (%s ORDER BY u.%s ROWS BETWEEN UNBOUNDED "
					 "PRECEDING AND 1 PRECEDING) + %s THEN 0 ELSE 1 END AS opens FROM ",
					 first, keys.data, keys.len > 0 ? ", " : "PARTITION BY ", last, keys.data,
					 keys.len > 0 ? ", " : "PARTITION BY ", gap, keys.data, first, first, last, keys.data,
					 first, gap);
	append_union(buf, def, id, as_served);
	appendStringInfo(buf, " %s u.pane IS NOT NULL) u) u", id == SQL_REMOTE ? "AND" : "WHERE");
}

/* A row for each window that a pane belongs to, with its start and end; none for the null pane. */
static void
append_windows(StringInfo buf, const ViewDef *def, int32 id, bool as_served)
{
	appendStringInfo(buf, "SELECT u.*, %s AS window_start, %s AS window_end FROM ",
					 window_call_sql(&def->window, WINDOW_START, "u.pane"),
					 window_call_sql(&def->window, WINDOW_END, "u.pane"));
	append_union(buf, def, id, as_served);
}

/*
 * SELECT … FROM w: keys, states, and grouping expressions computed from the window's start and end.
 */
static char *
select_assembled(const ViewDef *def, bool as_of)
{
	Query *query = makeNode(Query);
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);
	List *names = list_make2(makeString("window_start"), makeString("window_end"));
	Oid type = def->window.type;

	query->commandType = CMD_SELECT;
	add_target(query, (Node *) makeVar(1, 2, type, -1, InvalidOid, 0), "window_end");
	add_column(query, &names, "batch", BOOLOID, -1, InvalidOid);
	for (int i = 0; i < def->nkeys; i++)
		add_column(query, &names, pstrdup(def->keys[i].column), def->keys[i].type, def->keys[i].typmod,
				   def->keys[i].collation);
	for (int i = 0; i < def->nstates; i++)
		add_column(query, &names, psprintf("s%d", i + 1), def->states[i].type, -1, def->states[i].collation);
	if (as_of)
		add_column(query, &names, "as_of", TIMESTAMPTZOID, -1, InvalidOid);
	for (int i = 0; i < def->ngroups; i++)
	{
		if (def->groups[i].key < 0)
			add_target(query, edge_mutator(def->groups[i].expr, def), pstrdup(def->groups[i].column));
	}
	rte->rtekind = RTE_CTE;
	rte->ctename = "w";
	rte->eref = makeAlias("w", names);
	rte->inFromCl = true;
	ref->rtindex = 1;
	query->rtable = list_make1(rte);
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	return sql_print(query);
}

static void
add_target(Query *query, Node *expr, char *name)
{
	query->targetList = lappend(
		query->targetList, makeTargetEntry((Expr *) expr, list_length(query->targetList) + 1, name, false));
}

static void
add_column(Query *query, List **names, char *name, Oid type, int32 typmod, Oid collation)
{
	*names = lappend(*names, makeString(name));
	add_target(query, (Node *) makeVar(1, list_length(*names), type, typmod, collation, 0), name);
}

/* Replaces calls of the window by the columns of its start and end. */
static Node *
edge_mutator(Node *node, const ViewDef *def)
{
	WindowEdge edge;

	if (node == NULL)
		return NULL;
	if (window_edge(&def->window, node, &edge))
		return column(edge == WINDOW_START ? 1 : 2, node);
	return expression_tree_mutator(node, edge_mutator, (void *) def);
}

/*
 * An output column. A constant that is a key of grouping sets is NULL where it is rolled up, but only in its own column, as
 * in PostgreSQL.
 */
static char *
print_output(const ViewDef *def, const TargetEntry *tle, const char *alias, Oid merged)
{
	for (int i = 0; i < def->ngroups; i++)
	{
		if (def->groups[i].constant && tle->ressortgroupref != 0 && equal(def->groups[i].expr, tle->expr))
			return psprintf("%s.%s", alias, def->groups[i].column);
	}
	return print_merged(def, (Node *) tle->expr, alias, merged);
}

static char *
print_merged(const ViewDef *def, Node *expr, const char *alias, Oid merged)
{
	return deparse_expression(merged_mutator(expr, def), deparse_context_for(alias, merged), true, false);
}

/* Replaces what the query groups by, aggregates, and calls of GROUPING() by columns of the merged view. */
static Node *
merged_mutator(Node *node, const ViewDef *def)
{
	if (node == NULL)
		return NULL;
	for (int i = 0; i < def->ngroups; i++)
	{
		if (!def->groups[i].constant && equal(def->groups[i].expr, node))
			return column(i + 1, node);
	}
	for (int i = 0; i < def->nresults; i++)
	{
		if (equal(def->results[i].aggref, node))
			return column(def->ngroups + 1 + i, node);
	}
	if (IsA(node, GroupingFunc))
		return column(sql_grouping_number(def, node) + def->ngroups + def->nresults, node);
	return expression_tree_mutator(node, merged_mutator, (void *) def);
}

/*
 * SQL for the end of a group's latest window as an instant, null near the end of the timestamp range; NULL
 * without windows.
 */
static char *
group_end(const ViewDef *def)
{
	const StreamWindow *window = &def->window;
	const char *last = "m.last_end";
	char *end = pstrdup(last);

	if (def->pane < 0)
		return NULL;
	if (!window->assembled)
	{
		last = "m.last_pane";
		end = window_call_sql(window, WINDOW_END, last);
	}
	return psprintf("CASE WHEN %s < %s - %s THEN %s END", last,
					window_from_instant_sql(window, "'294276-01-01 00:00:00+00'::pg_catalog.timestamptz"),
					window_margin_sql(window), window_to_instant_sql(window, end));
}

static void
append_outputs(StringInfo buf, const ViewDef *def, Oid merged)
{
	ListCell *lc;
	const char *sep = "";

	/* the keys, then each aggregated output as stream_, batch_ and merged value */
	for (int keys = 1; keys >= 0; keys--)
	{
		foreach (lc, def->query->targetList)
		{
			TargetEntry *tle = lfirst_node(TargetEntry, lc);

			if (tle->resjunk || keys == (int) sql_is_value((Node *) tle->expr))
				continue;
			if (!keys)
				appendStringInfo(
					buf,
					"%sCASE WHEN m.of_stream > 0 THEN %s END AS %s, CASE WHEN m.of_batch > 0 THEN %s END AS %s",
					sep, print_output(def, tle, "s", merged),
					quote_identifier(psprintf("stream_%s", tle->resname)),
					print_output(def, tle, "b", merged),
					quote_identifier(psprintf("batch_%s", tle->resname)));
			sep = keys ? sep : ", ";
			appendStringInfo(buf, "%s%s AS %s", sep, print_output(def, tle, "m", merged),
							 quote_identifier(tle->resname));
			sep = ", ";
		}
	}
}

/* FROM the merged rows with each layer's results, as m. */
static void
append_merged(StringInfo buf, const ViewDef *def, int32 id)
{
	bool any = def->ngroups > 0 || def->nresults > 0;

	appendStringInfoString(buf, " FROM (SELECT ");
	append_groups(buf, def);
	append_results(buf, def, def->ngroups > 0, "", NULL);
	sql_append_groupings(buf, def, any);
	append_results(buf, def, true, "b", "u.batch");
	append_results(buf, def, true, "s", "NOT u.batch");
	appendStringInfo(buf,
					 "%spg_catalog.count(*) FILTER (WHERE u.batch) AS of_batch, "
					 "pg_catalog.count(*) FILTER (WHERE NOT u.batch) AS of_stream",
					 any ? ", " : "");
	if (def->pane >= 0)
		appendStringInfoString(buf, ", pg_catalog.max(u.pane) AS last_pane, "
									"pg_catalog.min(u.pane) FILTER (WHERE u.batch) AS first_batch_pane, "
									"pg_catalog.max(u.pane) FILTER (WHERE u.batch) AS last_batch_pane");
	if (def->pane >= 0 && def->window.assembled)
		appendStringInfoString(buf, ", pg_catalog.max(u.window_end) AS last_end");
	if (id == SQL_REMOTE)
		appendStringInfoString(buf, ", pg_catalog.min(u.as_of) FILTER (WHERE u.batch) AS batch_as_of");
	if (def->pane >= 0 && def->query->groupingSets != NIL)
		appendStringInfo(buf, ", %s AS of_window", sql_has_window(def));
	append_exact(buf, def);
	append_rows(buf, def, id, false);
	sql_append_group_by(buf, def);
	appendStringInfoString(buf, ") m");
}

/* Whether every value of the group, as merged, is exact. */
static void
append_exact(StringInfo buf, const ViewDef *def)
{
	appendStringInfoString(buf, ", true");
	for (int i = 0; i < def->nresults; i++)
	{
		const ResultDef *result = &def->results[i];
		char *columns[RULE_MAX_PARTS] = {"", "", ""};

		if (result->exact == NULL)
			continue;
		for (int p = 0; p < RULE_MAX_PARTS && result->states[p] >= 0; p++)
			columns[p] = psprintf("u.s%d", result->states[p] + 1);
		appendStringInfoString(buf, " AND (");
		appendStringInfo(buf, result->exact, columns[0], columns[1], columns[2]);
		appendStringInfoChar(buf, ')');
	}
	appendStringInfoString(buf, " AS exact");
}

/*
 * One layer's results under the names of the merged ones, so that the same expressions can be printed over
 * them.
 */
static void
append_layer(StringInfo buf, const ViewDef *def, const char *alias)
{
	const char *sep = "";

	appendStringInfoString(buf, ", LATERAL (SELECT ");
	for (int i = 0; i < def->ngroups; i++)
	{
		appendStringInfo(buf, "%sm.%s", sep, def->groups[i].column);
		sep = ", ";
	}
	for (int i = 0; i < def->nresults; i++)
	{
		appendStringInfo(buf, "%sm.%sa%d AS a%d", sep, alias, i + 1, i + 1);
		sep = ", ";
	}
	for (int i = 1; i <= list_length(def->groupings); i++)
	{
		appendStringInfo(buf, "%sm." GROUPING_COLUMN, sep, i);
		sep = ", ";
	}
	appendStringInfo(buf, ") %s", alias);
}
