/*
 * staging_sql.c
 *		The SQL of staging tables (see staging_sql.h).
 *
 * A staging table has no constraints and no index: engines load it as fast as they can, in any order and in several
 * sessions, and all of it is checked when it is published.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "query/staging_sql.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "window/window_sql.h"

/* Which columns of a table an expression over the window's argument is rewritten for. */
typedef struct PaneContext
{
	const Node *argument;
	Var *pane;
} PaneContext;

static char *qualified_name(int32 view_id, int64 run);
static char *column_list(const ViewDef *def, bool batch, int n);
static char *row_text(const ViewDef *def, int n);
static char *pane_of_pane(const ViewDef *def, int32 view_id, int64 run);
static Node *pane_mutator(Node *node, PaneContext *context);

char *
staging_name(int32 view_id, int64 run)
{
	return psprintf("staging_%d_" INT64_FORMAT, view_id, run);
}

char *
sql_staging_table(const ViewDef *def, int32 view_id, int64 run)
{
	StringInfoData buf;
	int n;
	PortableColumn *columns = portable_columns(def, &n);

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE TABLE %s (", qualified_name(view_id, run));
	for (int i = 0; i < n; i++)
	{
		appendStringInfo(&buf, "%s%s %s", i > 0 ? ", " : "", quote_identifier(columns[i].name),
						 format_type_extended(columns[i].type, columns[i].typmod,
											  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
		if (OidIsValid(columns[i].collation))
			appendStringInfo(&buf, " COLLATE %s", generate_collation_name(columns[i].collation));
	}
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

char *
sql_staging_bad_pane(const ViewDef *def, int32 view_id, int64 run)
{
	char *instant;

	if (!def->has_window)
		return NULL;
	instant = window_to_instant_sql(&def->window, "s.pane");
	/* the null pane is in ranges without end */
	return psprintf(
		"SELECT %s FROM %s s WHERE s.pane IS NULL AND $3 < 'infinity' OR NOT pg_catalog.isfinite(s.pane) "
		"OR %s < $2 OR %s >= $3 OR %s <> s.pane LIMIT 1",
		row_text(def, def->nkeys), qualified_name(view_id, run), instant, instant,
		pane_of_pane(def, view_id, run));
}

char *
sql_staging_bad_count(const ViewDef *def, int32 view_id, int64 run)
{
	StringInfoData condition;
	int n;
	PortableColumn *columns = portable_columns(def, &n);

	initStringInfo(&condition);
	for (int i = 0; i < n; i++)
	{
		const char *name = quote_identifier(columns[i].name);

		if (columns[i].required)
			appendStringInfo(&condition, "%ss.%s IS NULL OR s.%s < 0", condition.len > 0 ? " OR " : "", name,
							 name);
	}
	if (condition.len == 0)
		return NULL;
	return psprintf("SELECT %s FROM %s s WHERE %s LIMIT 1", row_text(def, n), qualified_name(view_id, run),
					condition.data);
}

char *
sql_staging_duplicate(const ViewDef *def, int32 view_id, int64 run)
{
	char *keys = column_list(def, false, def->nkeys);

	if (def->nkeys == 0)
		return psprintf("SELECT '()' FROM %s HAVING pg_catalog.count(*) > 1", qualified_name(view_id, run));
	return psprintf("SELECT %s FROM %s s GROUP BY %s HAVING pg_catalog.count(*) > 1 LIMIT 1",
					row_text(def, def->nkeys), qualified_name(view_id, run), keys);
}

char *
sql_publish(const ViewDef *def, int32 view_id, int64 run)
{
	int n = def->nkeys + def->nstates;

	return psprintf("INSERT INTO streambatch_state.batch_%d (%s) SELECT %s FROM %s s", view_id,
					column_list(def, true, n), column_list(def, false, n), qualified_name(view_id, run));
}

static char *
qualified_name(int32 view_id, int64 run)
{
	return psprintf("streambatch_state.%s", staging_name(view_id, run));
}

/* The first n columns, of the batch table or of the staging table s. */
static char *
column_list(const ViewDef *def, bool batch, int n)
{
	StringInfoData buf;
	int all;
	PortableColumn *columns = portable_columns(def, &all);

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, batch ? "%s%s" : "%ss.%s", i > 0 ? ", " : "",
						 batch ? columns[i].batch : quote_identifier(columns[i].name));
	return buf.data;
}

/* The first n columns of a row as text: (name, …)=(value, …), as PostgreSQL writes keys in errors. */
static char *
row_text(const ViewDef *def, int n)
{
	StringInfoData names;
	StringInfoData values;
	int all;
	PortableColumn *columns = portable_columns(def, &all);

	initStringInfo(&names);
	initStringInfo(&values);
	for (int i = 0; i < n; i++)
	{
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", columns[i].name);
		appendStringInfo(&values, "%scoalesce(s.%s::pg_catalog.text, 'null')", i > 0 ? ", " : "",
						 quote_identifier(columns[i].name));
	}
	return psprintf("pg_catalog.concat(%s, pg_catalog.concat_ws(', ', %s), ')')",
					quote_literal_cstr(psprintf("(%s)=(", names.data)), values.data);
}

/* The start of the pane that contains the start of a pane: the same. */
static char *
pane_of_pane(const ViewDef *def, int32 view_id, int64 run)
{
	Oid relid = get_relname_relid(staging_name(view_id, run), get_namespace_oid("streambatch_state", false));
	PaneContext context = {def->window.argument};
	AttrNumber attnum = def->pane + 1;

	context.pane = makeVar(1, attnum, def->window.type, -1, InvalidOid, 0);
	return psprintf("(%s)", deparse_expression(pane_mutator(copyObject(def->window.pane), &context),
											   deparse_context_for("s", relid), true, false));
}

static Node *
pane_mutator(Node *node, PaneContext *context)
{
	if (node == NULL)
		return NULL;
	if (equal(node, context->argument))
		return copyObject((Node *) context->pane);
	return expression_tree_mutator(node, pane_mutator, context);
}
