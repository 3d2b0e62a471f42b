/*
 * serving.c
 *		The SQL of the views that users read (see sql.h).
 *
 * Both state tables are read as one (u), merged per group of the query's own keys, and finalised:
 *
 *		merged_1:	SELECT u.k1, u.pane, sum(u.s1) / nullif(_sum(u.s2), 0) AS a1 FROM (batch_1 UNION ALL stream_1) u GROUP BY u.k1, u.pane
 *		the view:	SELECT m.k1 AS user_id, m.pane AS window_start, m.a1 AS avg FROM merged_1 m
 *
 * Conditions on keys and window reach the indexes of both branches, because PostgreSQL pushes conditions on
 * grouping keys down.
 */
#include "postgres.h"

#include "define/sql.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/ruleutils.h"

/* Replaces keys and aggregates by columns of the merged view. */
static Node *
merged_mutator(Node *node, const ViewDef *def)
{
	int attno = 0;

	if (node == NULL)
		return NULL;
	for (int i = 0; i < def->nkeys; i++)
	{
		if (!def->keys[i].grouped)
			continue;
		attno++;
		if (equal(def->keys[i].expr, node))
			return (Node *) makeVar(1, attno, def->keys[i].type, def->keys[i].typmod, def->keys[i].collation,
									0);
	}
	for (int i = 0; i < def->nresults; i++)
	{
		if (equal(def->results[i].aggref, node))
			return (Node *) makeVar(1, attno + 1 + i, exprType(node), exprTypmod(node), exprCollation(node),
									0);
	}
	return expression_tree_mutator(node, merged_mutator, (void *) def);
}

static char *
print_merged(const ViewDef *def, Node *expr, const char *alias, Oid merged)
{
	return deparse_expression(merged_mutator(expr, def), deparse_context_for(alias, merged), true, false);
}

static bool
aggregate_inside(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, Aggref) || expression_tree_walker(node, aggregate_inside, context);
}

/* The rows of both layers that this session is served; batch says of each which it is of. */
static void
append_union(StringInfo buf, const ViewDef *def, int32 id, bool as_served)
{
	static const char *const layers[] = {"batch", "stream"};

	appendStringInfoString(buf, " FROM (");
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

static void
append_keys(StringInfo buf, const ViewDef *def, const char *before)
{
	bool first = true;

	for (int i = 0; i < def->nkeys; i++)
	{
		if (!def->keys[i].grouped)
			continue;
		appendStringInfo(buf, "%su.%s", first ? before : ", ", def->keys[i].column);
		first = false;
	}
}

/* The query's aggregates as columns a1, a2, … of merged states; condition: of which rows. */
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

/* Without GROUP BY there is one row, whatever there is to aggregate. */
static void
append_group_by(StringInfo buf, const ViewDef *def)
{
	append_keys(buf, def, " GROUP BY ");
}

char *
sql_merged_view(const ViewDef *def, int32 id)
{
	StringInfoData buf;
	bool any_key = def->query->groupClause != NIL;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE VIEW streambatch_state.merged_%d AS SELECT ", id);
	append_keys(&buf, def, "");
	append_results(&buf, def, any_key, "", NULL);
	append_union(&buf, def, id, true);
	append_group_by(&buf, def);
	return buf.data;
}

char *
sql_serving_view(const ViewDef *def, int32 id, const char *name, Oid merged)
{
	StringInfoData buf;
	ListCell *lc;
	bool first = true;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE VIEW %s AS SELECT ", name);
	foreach (lc, def->query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (tle->resjunk)
			continue;
		appendStringInfo(&buf, "%s%s AS %s", first ? "" : ", ",
						 print_merged(def, (Node *) tle->expr, "m", merged), quote_identifier(tle->resname));
		first = false;
	}
	appendStringInfo(&buf, " FROM streambatch_state.merged_%d m", id);
	if (def->query->havingQual)
		appendStringInfo(&buf, " WHERE %s", print_merged(def, def->query->havingQual, "m", merged));
	return buf.data;
}

/* One layer's results under the names of the merged ones, so that the same expressions print over them. */
static void
append_layer(StringInfo buf, const ViewDef *def, const char *alias)
{
	bool first = true;

	appendStringInfoString(buf, ", LATERAL (SELECT ");
	for (int i = 0; i < def->nkeys; i++)
	{
		if (!def->keys[i].grouped)
			continue;
		appendStringInfo(buf, "%sm.%s", first ? "" : ", ", def->keys[i].column);
		first = false;
	}
	for (int i = 0; i < def->nresults; i++)
	{
		appendStringInfo(buf, "%sm.%sa%d AS a%d", first ? "" : ", ", alias, i + 1, i + 1);
		first = false;
	}
	appendStringInfo(buf, ") %s", alias);
}

static void
append_outputs(StringInfo buf, const ViewDef *def, Oid merged)
{
	ListCell *lc;
	const char *sep = "";

	/* the keys, then each output in its three versions */
	for (int keys = 1; keys >= 0; keys--)
	{
		foreach (lc, def->query->targetList)
		{
			TargetEntry *tle = lfirst_node(TargetEntry, lc);
			Node *expr = (Node *) tle->expr;

			if (tle->resjunk || keys == (int) aggregate_inside(expr, NULL))
				continue;
			if (!keys)
				appendStringInfo(
					buf,
					"%sCASE WHEN m.of_stream > 0 THEN %s END AS %s, CASE WHEN m.of_batch > 0 THEN %s END AS %s",
					sep, print_merged(def, expr, "s", merged),
					quote_identifier(psprintf("stream_%s", tle->resname)),
					print_merged(def, expr, "b", merged),
					quote_identifier(psprintf("batch_%s", tle->resname)));
			sep = keys ? sep : ", ";
			appendStringInfo(buf, "%s%s AS %s", sep, print_merged(def, expr, "m", merged),
							 quote_identifier(tle->resname));
			sep = ", ";
		}
	}
}

char *
sql_layers_view(const ViewDef *def, int32 id, const char *name, Oid merged, Oid stream, const char *lateness)
{
	StringInfoData buf;
	char *pane = def->pane >= 0 ? window_to_instant_sql(&def->window, "m.last_pane") : NULL;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE VIEW %s AS SELECT ", name);
	append_outputs(&buf, def, merged);
	appendStringInfo(
		&buf,
		", CASE WHEN m.of_stream > 0 THEN a.flushed_at END AS stream_as_of, CASE WHEN m.of_batch > 0 THEN "
		"(SELECT pg_catalog.max(c.cut_at) FROM streambatch._batch_as_of c WHERE c.view_id = %d",
		id);
	if (pane)
		appendStringInfo(&buf, " AND c.from_time <= %s AND c.to_time > %s", pane, pane);
	appendStringInfoString(
		&buf,
		") END AS batch_as_of, CASE WHEN m.of_batch = 0 THEN 'stream' WHEN m.of_stream = 0 THEN 'batch' "
		"ELSE 'merged' END AS recommended, true AS exact, ");
	if (pane)
		appendStringInfo(&buf, "coalesce(%s + %s <= a.watermark, false) AS closed", pane, lateness);
	else
		appendStringInfoString(&buf, "false AS closed");
	appendStringInfoString(&buf, " FROM (SELECT ");
	append_keys(&buf, def, "");
	append_results(&buf, def, def->query->groupClause != NIL, "", NULL);
	append_results(&buf, def, true, "b", "u.batch");
	append_results(&buf, def, true, "s", "NOT u.batch");
	appendStringInfo(&buf,
					 "%spg_catalog.count(*) FILTER (WHERE u.batch) AS of_batch, "
					 "pg_catalog.count(*) FILTER (WHERE NOT u.batch) AS of_stream",
					 def->query->groupClause != NIL || def->nresults > 0 ? ", " : "");
	if (pane)
		appendStringInfoString(&buf, ", pg_catalog.max(u.pane) AS last_pane");
	append_union(&buf, def, id, false);
	append_group_by(&buf, def);
	appendStringInfoString(&buf, ") m");
	append_layer(&buf, def, "b");
	append_layer(&buf, def, "s");
	appendStringInfo(&buf, " LEFT JOIN streambatch._stream_as_of a ON a.view_id = %d", id);
	if (def->query->havingQual)
		appendStringInfo(&buf, " WHERE %s", print_merged(def, def->query->havingQual, "m", merged));
	return buf.data;
}
