/*
 * states_view_sql.c
 *		DDL of <view>_states (see states_view_sql.h).
 *
 *		SELECT u.batch, u.k1, u.pane, streambatch._sum(u.s1) AS s1, … AS as_of, true AS definition_0123456789abcdef
 *		  FROM (batch_1 UNION ALL stream_1) u GROUP BY u.batch, u.k1, u.pane
 *
 * Conditions on keys and pane can use the indexes of both tables, as in the merged view (serving_sql.c). The layers are
 * kept apart: the batch layer has values that the stream layer has not. What as_of takes to compute is not computed for
 * those who do not read it.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "query/states_view_sql.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "window/window_sql.h"

static void append_states(StringInfo buf, const ViewDef *def);
static void append_as_of(StringInfo buf, const ViewDef *def, int32 id);
static void append_union(StringInfo buf, const ViewDef *def, int32 id);
static List *add_column(List *columns, const char *name, Oid type, int32 typmod, Oid collation);

char *
sql_states_view(const ViewDef *def, int32 id, const char *name, const char *definition)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE VIEW %s AS SELECT u.batch", name);
	for (int i = 0; i < def->nkeys; i++)
		appendStringInfo(&buf, ", u.%s", def->keys[i].column);
	append_states(&buf, def);
	append_as_of(&buf, def, id);
	appendStringInfo(&buf, ", true AS definition_%s FROM ", definition);
	append_union(&buf, def, id);
	appendStringInfoString(&buf, " GROUP BY u.batch");
	for (int i = 0; i < def->nkeys; i++)
		appendStringInfo(&buf, ", u.%s", def->keys[i].column);
	return buf.data;
}

List *
sql_states_columns(const ViewDef *def)
{
	List *columns = NIL;

	for (int i = 0; i < def->nkeys; i++)
		columns = add_column(columns, def->keys[i].column, def->keys[i].type, def->keys[i].typmod,
							 def->keys[i].collation);
	for (int i = 0; i < def->nstates; i++)
		columns =
			add_column(columns, psprintf("s%d", i + 1), def->states[i].type, -1, def->states[i].collation);
	return columns;
}

static void
append_states(StringInfo buf, const ViewDef *def)
{
	for (int i = 0; i < def->nstates; i++)
	{
		const StateDef *state = &def->states[i];

		appendStringInfoString(buf, ", ");
		appendStringInfo(buf, state->gather != NULL ? state->gather : state->merge, psprintf("u.s%d", i + 1));
		appendStringInfo(buf, " AS s%d", i + 1);
	}
}

/* As of when the row holds all events: of the batch layer, the cut of the pane; the null pane's range ends at infinity. */
static void
append_as_of(StringInfo buf, const ViewDef *def, int32 id)
{
	appendStringInfo(
		buf, ", CASE WHEN u.batch THEN (SELECT pg_catalog.min(c.cut_at) FROM streambatch_state.cuts_%d c",
		id);
	if (def->pane >= 0)
		appendStringInfo(buf,
						 " WHERE coalesce(c.from_time <= %1$s AND c.to_time > %1$s, c.to_time = 'infinity')",
						 window_to_instant_sql(&def->window, "u.pane"));
	appendStringInfo(buf, ") ELSE (SELECT a.flushed_at FROM streambatch_state.clock_%d a) END AS as_of", id);
}

static void
append_union(StringInfo buf, const ViewDef *def, int32 id)
{
	static const char *const layers[] = {"batch", "stream"};

	for (int layer = 0; layer < lengthof(layers); layer++)
	{
		appendStringInfo(buf, "%sSELECT %s AS batch", layer == 0 ? "(" : " UNION ALL ",
						 layer == 0 ? "true" : "false");
		for (int i = 0; i < def->nkeys; i++)
			appendStringInfo(buf, ", %s", def->keys[i].column);
		for (int i = 0; i < def->nstates; i++)
			appendStringInfo(buf, ", s%d", i + 1);
		appendStringInfo(buf, " FROM streambatch_state.%s_%d", layers[layer], id);
	}
	appendStringInfoString(buf, ") u");
}

static List *
add_column(List *columns, const char *name, Oid type, int32 typmod, Oid collation)
{
	columns = lappend(columns, pstrdup(name));
	columns = lappend(
		columns, format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	return lappend(columns, OidIsValid(collation) && collation != get_typcollation(type)
								? generate_collation_name(collation)
								: pstrdup(""));
}
