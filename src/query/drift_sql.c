/*
 * drift_sql.c
 *		The SQL that reads the values of a view's groups (see drift_sql.h).
 *
 * As the merged view and the view on top of it (serving_sql.c), but per pane, of given rows, and without HAVING.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "query/drift_sql.h"
#include "query/serving_sql.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static bool is_of_reader(Node *node, const ViewDef *def);
static char *sample_condition(const ViewDef *def, const DriftKey *keys, int sample);
static void append_rows(StringInfo buf, const ViewDef *def, int32 id, DriftRows rows, const char *condition);

DriftKey *
sql_drift_keys(const ViewDef *def)
{
	DriftKey *keys = palloc((def->nkeys + 1) * sizeof(DriftKey));

	for (int i = 0; i < def->nkeys; i++)
	{
		if (!OidIsValid(lookup_type_cache(def->keys[i].type, TYPECACHE_CMP_PROC)->cmp_proc))
			return NULL;
		keys[i] = (DriftKey){i, def->keys[i].column};
		for (int g = 0; g < def->ngroups; g++)
		{
			ListCell *lc;

			foreach (lc, def->query->targetList)
			{
				const TargetEntry *tle = lfirst(lc);

				if (def->groups[g].key == i && !tle->resjunk && equal(tle->expr, def->groups[g].expr))
					keys[i].name = tle->resname;
			}
		}
	}
	return keys;
}

List *
sql_drift_outputs(const ViewDef *def)
{
	List *result = NIL;
	ListCell *lc;

	foreach (lc, def->query->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		if (!tle->resjunk && sql_is_value((Node *) tle->expr) && !is_of_reader((Node *) tle->expr, def))
			result = lappend(result, tle);
	}
	return result;
}

char *
sql_drift_values(const ViewDef *def, int32 id, const DriftKey *keys, const List *outputs, DriftRows rows,
				 PaneRange panes, int sample)
{
	Oid merged = get_relname_relid(psprintf("merged_%d", id), get_namespace_oid("streambatch_state", false));
	const char *condition = def->pane >= 0 && rows != DRIFT_ALL ? sql_pane_condition(def, panes) : "true";
	StringInfoData columns;
	StringInfoData groups;
	StringInfoData order;
	StringInfoData buf;
	const ListCell *lc;

	initStringInfo(&columns);
	initStringInfo(&groups);
	initStringInfo(&order);
	initStringInfo(&buf);
	for (int i = 0; i < def->nkeys; i++)
	{
		const char *sep = i > 0 ? ", " : "";

		appendStringInfo(&columns, "%sm.%s", sep, def->keys[keys[i].key].column);
		appendStringInfo(&groups, "%su.%s", sep, def->keys[i].column);
		appendStringInfo(&order, "%s%d", sep, i + 1);
	}
	foreach (lc, outputs)
	{
		const TargetEntry *tle = lfirst(lc);

		appendStringInfo(&columns, "%s%s", columns.len > 0 ? ", " : "",
						 sql_merged_output(def, (Node *) tle->expr, merged));
	}
	appendStringInfo(&buf, "SELECT %s FROM (SELECT %s%s%s FROM (", columns.data, groups.data,
					 def->nkeys > 0 && def->nresults > 0 ? ", " : "", sql_merged_results(def));
	if (sample > 1)
		condition = psprintf("%s AND %s", condition, sample_condition(def, keys, sample));
	append_rows(&buf, def, id, rows, condition);
	appendStringInfoString(&buf, ") u");
	if (def->nkeys > 0)
		appendStringInfo(&buf, " GROUP BY %s) m ORDER BY %s", groups.data, order.data);
	else
		appendStringInfoString(&buf, " HAVING pg_catalog.count(*) > 0) m");
	return buf.data;
}

bool
sql_drift_can_sample(const ViewDef *def)
{
	for (int i = 0; i < def->nkeys; i++)
	{
		if (!OidIsValid(lookup_type_cache(def->keys[i].type, TYPECACHE_HASH_PROC)->hash_proc))
			return false;
	}
	return def->nkeys > 0;
}

/* Whether an expression contains what is computed when windows are assembled from panes, or groups are rolled up. */
static bool
is_of_reader(Node *node, const ViewDef *def)
{
	if (node == NULL)
		return false;
	if (IsA(node, GroupingFunc))
		return true;
	for (int i = 0; i < def->ngroups; i++)
	{
		if (def->groups[i].key < 0 && equal(def->groups[i].expr, node))
			return true;
	}
	return expression_tree_walker(node, is_of_reader, (void *) def);
}

static char *
sample_condition(const ViewDef *def, const DriftKey *keys, int sample)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < def->nkeys; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", def->keys[keys[i].key].column);
	return psprintf("pg_catalog.hash_record(ROW(%s)) & %d = 0", buf.data, sample - 1);
}

static void
append_rows(StringInfo buf, const ViewDef *def, int32 id, DriftRows rows, const char *condition)
{
	for (int layer = 0; layer < (rows == DRIFT_BATCH ? 1 : 2); layer++)
	{
		bool epochs = layer == 1 && rows == DRIFT_BEFORE;
		const char *sep = "";

		appendStringInfoString(buf, layer > 0 ? " UNION ALL SELECT " : "SELECT ");
		for (int i = 0; i < def->nkeys; i++, sep = ", ")
			appendStringInfo(buf, "%s%s", sep, def->keys[i].column);
		for (int i = 0; i < def->nstates; i++, sep = ", ")
			appendStringInfo(buf, "%ss%d", sep, i + 1);
		appendStringInfo(buf, " FROM streambatch_state.%s_%d WHERE %s AND %s", layer > 0 ? "stream" : "batch",
						 id, epochs ? "epoch <= $6" : "true", condition);
	}
}
