/*
 * catalog_view.c
 *		Hybrid views in the extension's tables (see catalog_view.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_shadow.h"
#include "common/catalog_statement.h"
#include "common/catalog_version.h"
#include "common/catalog_view.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define VIEW_COLUMNS                                                                                         \
	"SELECT view::oid, id, stream::oid, epoch, max_staleness, allowed_lateness, state = 'suspended', "       \
	"  settings, suspended_at, suspended_epoch FROM streambatch._view "

static bool lacks_row(Oid view);
static List *read_views(Statement *statement, Datum *values);

int32
catalog_next_view_id(void)
{
	static Statement next = {"SELECT pg_catalog.nextval('streambatch._view_id')::int"};
	static Statement taken = {
		"SELECT true FROM pg_catalog.pg_class WHERE relnamespace = 'streambatch_state'::regnamespace AND relname = 'query_' || $1",
		1,
		{INT4OID}};
	Datum id = 0;
	Datum found;

	/* a dump that was restored here may have set the sequence back */
	do
	{
		(void) statement_run_value(&next, NULL, &id);
	} while (statement_run_value(&taken, &id, &found));
	return DatumGetInt32(id);
}

void
catalog_insert_view(const ViewRow *row)
{
	static Statement s = {
		"INSERT INTO streambatch._view (view, id, stream, epoch, max_staleness, allowed_lateness, settings) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7)",
		7,
		{REGCLASSOID, INT4OID, REGCLASSOID, INT8OID, INTERVALOID, INTERVALOID, TEXTARRAYOID}};
	Datum values[7] = {ObjectIdGetDatum(row->view),
					   Int32GetDatum(row->id),
					   ObjectIdGetDatum(row->stream),
					   Int64GetDatum(row->epoch),
					   IntervalPGetDatum(&row->max_staleness),
					   IntervalPGetDatum(&row->allowed_lateness),
					   PointerGetDatum(row->settings)};

	statement_run_only(&s, values, NULL);
}

void
catalog_set_view_query(Oid view, const char *query)
{
	static Statement s = {
		"UPDATE streambatch._view SET query = $2 WHERE view = $1", 2, {REGCLASSOID, TEXTOID}};
	Datum values[2] = {ObjectIdGetDatum(view), query != NULL ? CStringGetTextDatum(query) : 0};

	if (!catalog_is_first_version())
		statement_run_only(&s, values, query != NULL ? NULL : " n");
}

char *
catalog_query_of(Oid view)
{
	static Statement s = {"SELECT query FROM streambatch._view WHERE view = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};

	return statement_run_text(&s, values);
}

char *
catalog_source_of(Oid view)
{
	static Statement s = {"SELECT source FROM streambatch._view WHERE view = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};

	return catalog_is_first_version() ? NULL : statement_run_text(&s, values);
}

void
catalog_set_source(Oid view, const char *source)
{
	static Statement s = {
		"UPDATE streambatch._view SET source = $2 WHERE view = $1", 2, {REGCLASSOID, TEXTOID}};
	Datum values[2] = {ObjectIdGetDatum(view), source != NULL ? CStringGetTextDatum(source) : 0};

	statement_run_only(&s, values, source != NULL ? NULL : " n");
}

char *
catalog_view_error(Oid view)
{
	static Statement s = {"SELECT error_message FROM streambatch._view WHERE view = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};

	return statement_run_text(&s, values);
}

void
catalog_set_complete_from(Oid view, TimestampTz from)
{
	static Statement s = {
		"UPDATE streambatch._view SET complete_from = $2 WHERE view = $1", 2, {REGCLASSOID, TIMESTAMPTZOID}};
	Datum values[2] = {ObjectIdGetDatum(view), TimestampTzGetDatum(from)};

	if (!catalog_is_first_version())
		statement_run_only(&s, values, NULL);
}

void
catalog_require_view(Oid view, ViewRow *row)
{
	const char *name = get_rel_name(view);

	if (name != NULL && !catalog_is_shadow(view) && catalog_view(view, row))
		return;
	if (name != NULL && lacks_row(view))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a hybrid view", name),
						errdetail("It was restored from a dump that lacked the data of the extension."),
						errhint("Drop the view, and create it again with streambatch.create_view().")));
	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("\"%s\" is not a hybrid view", name != NULL ? name : "?"),
					errhint("Use SELECT view FROM streambatch.stat_view to list the hybrid views.")));
}

bool
catalog_view(Oid view, ViewRow *row)
{
	static Statement s = {VIEW_COLUMNS "WHERE view = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	List *found = read_views(&s, values);

	if (found != NIL)
		*row = *(ViewRow *) linitial(found);
	return found != NIL;
}

List *
catalog_views_of(Oid stream)
{
	static Statement s = {VIEW_COLUMNS "WHERE stream = $1 ORDER BY id", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};

	return read_views(&s, values);
}

List *
catalog_all_views(void)
{
	static Statement s = {VIEW_COLUMNS "ORDER BY id"};

	return read_views(&s, NULL);
}

Oid
catalog_view_of_id(int32 id)
{
	static Statement s = {"SELECT view::oid FROM streambatch._view WHERE id = $1", 1, {INT4OID}};
	Datum values[1] = {Int32GetDatum(id)};
	Datum view;

	return statement_run_value(&s, values, &view) ? DatumGetObjectId(view) : InvalidOid;
}

int64
catalog_raise_epoch(Oid view)
{
	static Statement s = {
		"UPDATE streambatch._view SET epoch = epoch + 1 WHERE view = $1 RETURNING epoch - 1",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	Datum closed;

	if (!statement_run_value(&s, values, &closed))
		elog(ERROR, "hybrid view %u has no row", view);
	return DatumGetInt64(closed);
}

void
catalog_suspend_view(Oid view, int sqlerrcode, const char *message)
{
	static Statement s = {
		"UPDATE streambatch._view SET state = 'suspended', error_sqlstate = $2, error_message = $3, "
		"  suspended_epoch = CASE WHEN suspended_at IS NOT NULL THEN suspended_epoch "
		"    ELSE (SELECT s.topic_epoch FROM streambatch._stream s WHERE s.stream = _view.stream) END, "
		"  suspended_at = coalesce(suspended_at, (SELECT coalesce(pg_catalog.array_agg(p.next_offset ORDER BY i), '{}') "
		"    FROM pg_catalog.generate_series(0, (SELECT pg_catalog.max(kafka_partition) FROM streambatch._progress q "
		"      WHERE q.stream = _view.stream)) i "
		"    LEFT JOIN streambatch._progress p ON p.stream = _view.stream AND p.kafka_partition = i)) WHERE view = $1",
		3,
		{REGCLASSOID, TEXTOID, TEXTOID}};
	Datum values[3] = {ObjectIdGetDatum(view), CStringGetTextDatum(unpack_sql_state(sqlerrcode)),
					   CStringGetTextDatum(message)};

	statement_run_only(&s, values, NULL);
}

void
catalog_set_view_error(Oid view, int sqlerrcode, const char *message)
{
	static Statement s = {
		"UPDATE streambatch._view SET error_sqlstate = $2, error_message = $3 WHERE view = $1 AND state = 'suspended' "
		"AND (error_sqlstate, error_message) IS DISTINCT FROM ($2, $3)",
		3,
		{REGCLASSOID, TEXTOID, TEXTOID}};
	Datum values[3] = {ObjectIdGetDatum(view), CStringGetTextDatum(unpack_sql_state(sqlerrcode)),
					   CStringGetTextDatum(message)};

	statement_run_only(&s, values, NULL);
}

void
catalog_advance_view(Oid view, ArrayType *suspended_at, int32 topic_epoch)
{
	static Statement s = {
		"UPDATE streambatch._view SET suspended_at = $2, suspended_epoch = $3 WHERE view = $1",
		3,
		{REGCLASSOID, INT8ARRAYOID, INT4OID}};
	Datum values[3] = {ObjectIdGetDatum(view), PointerGetDatum(suspended_at), Int32GetDatum(topic_epoch)};

	statement_run_only(&s, values, NULL);
}

void
catalog_resume_view(Oid view)
{
	static Statement s = {
		"UPDATE streambatch._view SET state = 'active', error_sqlstate = NULL, error_message = NULL, suspended_at = NULL "
		"WHERE view = $1",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};

	statement_run_only(&s, values, NULL);
}

char *
catalog_role_setting(Oid role, const char *name)
{
	static Statement s = {
		"SELECT pg_catalog.substr(c, pg_catalog.length($3) + 2) "
		"FROM pg_catalog.pg_db_role_setting r, pg_catalog.unnest(r.setconfig) c "
		"WHERE r.setrole = $1 AND r.setdatabase IN (0, $2) AND pg_catalog.starts_with(c, $3 || '=') "
		"ORDER BY r.setdatabase DESC LIMIT 1",
		3,
		{OIDOID, OIDOID, TEXTOID}};
	Datum values[3] = {ObjectIdGetDatum(role), ObjectIdGetDatum(MyDatabaseId), CStringGetTextDatum(name)};

	return statement_run_text(&s, values);
}

/* Whether a relation reads the merged states of a hybrid view that the extension's tables do not know. */
static bool
lacks_row(Oid view)
{
	static Statement s = {
		"SELECT true FROM pg_catalog.pg_rewrite r "
		"JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid "
		"  AND d.refclassid = 'pg_catalog.pg_class'::regclass "
		"JOIN pg_catalog.pg_class m ON m.oid = d.refobjid AND m.relnamespace = 'streambatch_state'::regnamespace "
		"WHERE r.ev_class = $1 AND m.relname ~ '^merged_' "
		"AND NOT EXISTS (SELECT FROM streambatch._view v WHERE m.relname = 'merged_' || v.id) LIMIT 1",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	Datum found;

	return statement_run_value(&s, values, &found);
}

/* Run a statement that selects VIEW_COLUMNS; returns a list of ViewRow *. */
static List *
read_views(Statement *statement, Datum *values)
{
	StatementCall call;
	List *result = NIL;
	bool isnull;

	statement_run(&call, statement, values, NULL);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		ViewRow *row = MemoryContextAlloc(call.caller, sizeof(ViewRow));
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		result = lappend(result, row);
		MemoryContextSwitchTo(old);
		row->view = DatumGetObjectId(statement_get(i, 1, &isnull));
		row->id = DatumGetInt32(statement_get(i, 2, &isnull));
		row->stream = DatumGetObjectId(statement_get(i, 3, &isnull));
		row->epoch = statement_get_int64(i, 4, 0);
		row->max_staleness = *DatumGetIntervalP(statement_get(i, 5, &isnull));
		row->allowed_lateness = *DatumGetIntervalP(statement_get(i, 6, &isnull));
		row->suspended = DatumGetBool(statement_get(i, 7, &isnull));
		row->settings = statement_get_array(&call, i, 8);
		row->suspended_at = statement_get_array(&call, i, 9);
		row->suspended_epoch = DatumGetInt32(statement_get(i, 10, &isnull));
	}
	statement_finish(&call);
	return result;
}
