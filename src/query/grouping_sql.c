/*
 * grouping_sql.c
 *		GROUP BY and GROUPING() of a view's query, over the rows u that are merged (see grouping_sql.h).
 *
 * States are stored for the finest groups, which all keys of the query make. A set of fewer keys is merged from the same
 * rows in the same pass, by PostgreSQL: for GROUP BY ROLLUP (user_id, kind) the merged view is
 *
 *		SELECT u.k1, u.k2, sum(u.s1) AS a1 FROM (batch_1 UNION ALL stream_1) u GROUP BY ROLLUP(u.k1, u.k2)
 */
#include "postgres.h"

#include "optimizer/optimizer.h"
#include "query/grouping_sql.h"

static void append_set(StringInfo buf, const ViewDef *def, const GroupingSet *set, bool parentheses);
static void append_keys(StringInfo buf, const ViewDef *def, const List *refs);
static const char *column_of_key(const ViewDef *def, Index ref);

void
sql_append_group_by(StringInfo buf, const ViewDef *def)
{
	const char *sep = def->query->groupDistinct ? " GROUP BY DISTINCT " : " GROUP BY ";
	ListCell *lc;

	foreach (lc, def->query->groupingSets)
	{
		appendStringInfoString(buf, sep);
		append_set(buf, def, lfirst_node(GroupingSet, lc), false);
		sep = ", ";
	}
	if (def->query->groupingSets != NIL)
		return;
	for (int i = 0; i < def->ngroups; i++)
		appendStringInfo(buf, "%su.%s", i == 0 ? " GROUP BY " : ", ", def->groups[i].column);
}

void
sql_append_groupings(StringInfo buf, const ViewDef *def, bool comma)
{
	ListCell *lc;

	foreach (lc, def->groupings)
	{
		appendStringInfoString(buf, comma || lc != list_head(def->groupings) ? ", GROUPING(" : "GROUPING(");
		append_keys(buf, def, lfirst_node(GroupingFunc, lc)->refs);
		appendStringInfo(buf, ") AS " GROUPING_COLUMN, foreach_current_index(lc) + 1);
	}
}

int
sql_grouping_number(const ViewDef *def, const Node *call)
{
	ListCell *lc;

	foreach (lc, def->groupings)
	{
		if (equal(lfirst(lc), call))
			return foreach_current_index(lc) + 1;
	}
	elog(ERROR, "could not find a call of GROUPING() in the definition of a hybrid view");
}

char *
sql_has_window(const ViewDef *def)
{
	StringInfoData buf;
	const char *sep = "(";

	initStringInfo(&buf);
	for (int i = 0; i < def->ngroups; i++)
	{
		if (!window_contained(def->groups[i].expr) && !equal(def->groups[i].expr, def->window.pane))
			continue;
		appendStringInfo(&buf, "%sGROUPING(u.%s) = 0", sep, def->groups[i].column);
		sep = " OR ";
	}
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/* One element of GROUP BY, as PostgreSQL prints it; a single key has parentheses within GROUPING SETS only. */
static void
append_set(StringInfo buf, const ViewDef *def, const GroupingSet *set, bool parentheses)
{
	const char *sep = "";
	ListCell *lc;

	switch (set->kind)
	{
		case GROUPING_SET_EMPTY:
			appendStringInfoString(buf, "()");
			return;
		case GROUPING_SET_SIMPLE:
			parentheses = parentheses || list_length(set->content) != 1;
			appendStringInfoString(buf, parentheses ? "(" : "");
			append_keys(buf, def, set->content);
			appendStringInfoString(buf, parentheses ? ")" : "");
			return;
		case GROUPING_SET_ROLLUP:
			appendStringInfoString(buf, "ROLLUP(");
			break;
		case GROUPING_SET_CUBE:
			appendStringInfoString(buf, "CUBE(");
			break;
		case GROUPING_SET_SETS:
			appendStringInfoString(buf, "GROUPING SETS (");
			break;
	}
	foreach (lc, set->content)
	{
		appendStringInfoString(buf, sep);
		append_set(buf, def, lfirst_node(GroupingSet, lc), set->kind == GROUPING_SET_SETS);
		sep = ", ";
	}
	appendStringInfoChar(buf, ')');
}

static void
append_keys(StringInfo buf, const ViewDef *def, const List *refs)
{
	ListCell *lc;

	foreach (lc, refs)
		appendStringInfo(buf, "%su.%s", lc == list_head(refs) ? "" : ", ",
						 column_of_key(def, lfirst_int(lc)));
}

/* The column with a key of GROUP BY, by its number in the parser's lists. */
static const char *
column_of_key(const ViewDef *def, Index ref)
{
	const Node *expr = (const Node *) get_sortgroupref_tle(ref, def->query->targetList)->expr;

	for (int i = 0; i < def->ngroups; i++)
	{
		if (equal(def->groups[i].expr, expr))
			return def->groups[i].column;
	}
	elog(ERROR, "could not find a grouping key in the definition of a hybrid view");
}
