/*
 * sql.c
 *		The SQL of the stream and batch layers (see sql.h); serving.c has that of the serving views.
 *
 * Example: for SELECT user_id, tumble(ts, '10 s'), avg(amount) FROM events WHERE amount > 0 GROUP BY 1, 2 the
 * fold query is
 *
 *		SELECT event.user_id, streambatch.tumble(event.ts, …), event.amount FROM public.events event WHERE event.amount > 0
 *
 * and a chunk of a refresh inserts into streambatch_state.batch_1 (k1, pane, s1, s2)
 *
 *		SELECT event.user_id, streambatch.tumble(event.ts, …), sum(event.amount), count(event.amount)
 *		FROM public.events_archive event WHERE … below the cut and in the range … GROUP BY 1, 2
 */
#include "postgres.h"

#include "define/sql.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

static char *
print(const ViewDef *def, Node *expr)
{
	return deparse_expression(expr, deparse_context_for("event", def->stream), true, false);
}

static char *
relation_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

/* Find an expression among the columns, or add it. */
static int
column_of(List **columns, Node *expr)
{
	ListCell *lc;

	foreach (lc, *columns)
	{
		if (equal(lfirst(lc), expr))
			return foreach_current_index(lc);
	}
	*columns = lappend(*columns, expr);
	return list_length(*columns) - 1;
}

/* Keys first, then each filter and argument once. */
static List *
fold_columns(const ViewDef *def, FoldState **states)
{
	List *columns = NIL;

	*states = palloc0((def->nstates + 1) * sizeof(FoldState));
	for (int i = 0; i < def->nkeys; i++)
		columns = lappend(columns, def->keys[i].expr);
	for (int i = 0; i < def->nstates; i++)
	{
		Aggref *aggref = def->states[i].folded;
		FoldState *state = &(*states)[i];
		ListCell *lc;

		if (def->states[i].batch_only)
			continue;
		state->filter = aggref->aggfilter ? column_of(&columns, (Node *) aggref->aggfilter) : -1;
		state->args = palloc((list_length(aggref->args) + 1) * sizeof(int));
		foreach (lc, aggref->args)
			state->args[state->nargs++] = column_of(&columns, (Node *) lfirst_node(TargetEntry, lc)->expr);
	}
	return columns;
}

static void
append_columns(StringInfo buf, const ViewDef *def, List *columns)
{
	ListCell *lc;

	foreach (lc, columns)
		appendStringInfo(buf, "%s%s", foreach_current_index(lc) > 0 ? ", " : "", print(def, lfirst(lc)));
}

char *
sql_fold(const ViewDef *def, FoldState **states)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "SELECT ");
	append_columns(&buf, def, fold_columns(def, states));
	appendStringInfo(&buf, " FROM %s event", relation_name(def->stream));
	if (def->query->jointree->quals)
		appendStringInfo(&buf, " WHERE %s", print(def, def->query->jointree->quals));
	return buf.data;
}

static void
append_definition(StringInfo buf, const char *column, Oid type, int32 typmod, Oid collation)
{
	appendStringInfo(
		buf, "%s %s", column,
		format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(collation))
		appendStringInfo(buf, " COLLATE %s", generate_collation_name(collation));
}

static char *
create_table(const ViewDef *def, int32 id, bool stream)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE TABLE streambatch_state.%s_%d (%s", stream ? "stream" : "batch", id,
					 stream ? "epoch pg_catalog.int8 NOT NULL" : "");
	for (int i = 0; i < def->nkeys; i++)
	{
		const KeyDef *key = &def->keys[i];

		appendStringInfoString(&buf, stream || i > 0 ? ", " : "");
		append_definition(&buf, key->column, key->type, key->typmod, key->collation);
	}
	for (int i = 0; i < def->nstates; i++)
	{
		const StateDef *state = &def->states[i];

		appendStringInfoString(&buf, stream || i + def->nkeys > 0 ? ", " : "");
		append_definition(&buf, psprintf("s%d", i + 1), state->type, -1, state->collation);
	}
	/* room for the updates of a hot group on its own page */
	appendStringInfo(&buf, ") WITH (fillfactor = %d)", stream ? 80 : 100);
	return buf.data;
}

/* For point reads and the worker's own look-ups: the keys, the pane, and in the stream layer the epoch. */
static char *
create_index(const ViewDef *def, int32 id, bool stream)
{
	StringInfoData buf;
	int n = 0;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE INDEX ON streambatch_state.%s_%d (", stream ? "stream" : "batch", id);
	for (int i = 0; i < def->nkeys; i++)
	{
		if (i != def->pane)
			appendStringInfo(&buf, "%s%s", n++ > 0 ? ", " : "", def->keys[i].column);
	}
	if (def->pane >= 0)
		appendStringInfo(&buf, "%spane", n++ > 0 ? ", " : "");
	if (stream)
		appendStringInfo(&buf, "%sepoch", n++ > 0 ? ", " : "");
	appendStringInfoChar(&buf, ')');
	return n > 0 ? buf.data : NULL;
}

List *
sql_state_tables(const ViewDef *def, int32 id)
{
	List *result = NIL;

	for (int stream = 0; stream <= 1; stream++)
	{
		char *index = create_index(def, id, stream);

		result = lappend(result, create_table(def, id, stream));
		if (index != NULL)
			result = lappend(result, index);
		/* so that a publication of all tables does not stop the worker; it costs nothing without one */
		result = lappend(result, psprintf("ALTER TABLE streambatch_state.%s_%d REPLICA IDENTITY FULL",
										  stream ? "stream" : "batch", id));
		/* for chunks of a refresh, and for readers that ask for a time and no key */
		if (def->pane >= 0 && def->nkeys > 1)
			result = lappend(result, psprintf("CREATE INDEX ON streambatch_state.%s_%d (pane)",
											  stream ? "stream" : "batch", id));
	}
	return result;
}

/*
 * Whether the window's argument may raise: anything but a column. Then it must not see rows that are left
 * out, or lie behind the cut.
 */
static bool
range_may_raise(const ViewDef *def)
{
	return def->has_window && !IsA(def->window.argument, Var);
}

static void
append_source(StringInfo buf, const ViewDef *def, const BatchSource *source, const char *cut,
			  const char *panes, bool announce)
{
	bool outside = panes && range_may_raise(def);

	if (!source->leave_out && !announce && !outside)
	{
		appendStringInfo(buf, " FROM %s event WHERE (%s)", source->relation, cut);
		if (panes)
			appendStringInfo(buf, " AND (%s)", panes);
		return;
	}
	/* OFFSET 0 keeps the planner from evaluating the view's expressions on rows that are left out */
	appendStringInfo(buf, " FROM (SELECT * FROM %s event WHERE (%s)", source->relation, cut);
	if (panes && !outside)
		appendStringInfo(buf, " AND (%s)", panes);
	if (source->leave_out)
		appendStringInfo(
			buf,
			" AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5)) AS d (p, o) "
			"WHERE d.p = event.%s AND d.o = event.%s)",
			source->partition, source->offset);
	if (announce)
		appendStringInfo(buf, " AND streambatch._at(event.%s, event.%s)", source->partition, source->offset);
	appendStringInfo(buf, " OFFSET 0) event WHERE (%s)", outside ? panes : "true");
}

static void
append_where(StringInfo buf, const ViewDef *def)
{
	if (def->query->jointree->quals)
		appendStringInfo(buf, " AND (%s)", print(def, def->query->jointree->quals));
}

char *
sql_compute(const ViewDef *def, int32 id, const BatchSource *source, bool into_stream, const char *cut,
			const char *panes)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "INSERT INTO streambatch_state.%s_%d (", into_stream ? "stream" : "batch", id);
	for (int i = 0; i < def->nkeys; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", def->keys[i].column);
	for (int i = 0; i < def->nstates; i++)
		appendStringInfo(&buf, "%ss%d", i + def->nkeys > 0 ? ", " : "", i + 1);
	if (into_stream)
		appendStringInfoString(&buf, ", epoch");
	appendStringInfoString(&buf, ") SELECT ");
	for (int i = 0; i < def->nkeys; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", print(def, def->keys[i].expr));
	for (int i = 0; i < def->nstates; i++)
		appendStringInfo(&buf, "%s%s", i + def->nkeys > 0 ? ", " : "",
						 print(def, (Node *) def->states[i].aggref));
	if (into_stream)
		appendStringInfoString(&buf, ", $6");
	append_source(&buf, def, source, cut, panes, false);
	append_where(&buf, def);
	for (int i = 0; i < def->nkeys; i++)
		appendStringInfo(&buf, "%s%d", i > 0 ? ", " : " GROUP BY ", i + 1);
	/* without keys there would be a row of no events */
	if (def->nkeys == 0)
		appendStringInfoString(&buf, " HAVING pg_catalog.count(*) > 0");
	return buf.data;
}

char *
sql_compute_rows(const ViewDef *def, const BatchSource *source, const char *cut, const char *panes)
{
	StringInfoData buf;
	FoldState *states;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "SELECT ");
	append_columns(&buf, def, fold_columns(def, &states));
	append_source(&buf, def, source, cut, panes, true);
	append_where(&buf, def);
	return buf.data;
}

char *
sql_below_cut(const BatchSource *source)
{
	return psprintf("coalesce(event.%s < ($1)[event.%s + 1], event.%s IS NULL)", source->offset,
					source->partition, source->partition);
}

char *
sql_between_cuts(const BatchSource *source)
{
	return psprintf("event.%s < ($7)[event.%s + 1] AND NOT coalesce(event.%s < ($1)[event.%s + 1], false)",
					source->offset, source->partition, source->offset, source->partition);
}

/*
 * A time without end has the events of no time in it, too; the parameter being a constant, the planner drops
 * what does not apply.
 */
static char *
range_condition(const ViewDef *def, const char *time)
{
	return psprintf("(%s >= %s AND %s < %s OR $3 = 'infinity' AND %s IS NULL)", time,
					window_from_instant_sql(&def->window, "$2"), time,
					window_from_instant_sql(&def->window, "$3"), time);
}

char *
sql_in_range(const ViewDef *def)
{
	return range_condition(def, psprintf("(%s)", print(def, def->window.argument)));
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
	appendStringInfo(&buf, "SELECT pg_catalog.min(%s), pg_catalog.max(%s), pg_catalog.count(*)", instant,
					 instant);
	append_source(&buf, def, source, sql_below_cut(source), sql_in_range(def), false);
	return buf.data;
}

char *
sql_changed_panes(const ViewDef *def, int32 id)
{
	return psprintf(
		"SELECT DISTINCT %s FROM streambatch_state.stream_%d WHERE epoch <= $6 AND pane < %s ORDER BY 1",
		window_to_instant_sql(&def->window, "pane"), id, window_from_instant_sql(&def->window, "$3"));
}
