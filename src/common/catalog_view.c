/*
 * catalog_view.c
 *		Hybrid views in the extension's tables (see catalog_view.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_statement.h"
#include "common/catalog_view.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define VIEW_COLUMNS                                                                                                      \
	"SELECT view::oid, id, stream::oid, epoch, max_staleness, allowed_lateness, state = 'suspended', state <> 'active', " \
	"  settings FROM streambatch._view "

static List *read_views(Statement *statement, Datum *values);

int32
catalog_next_view_id(void)
{
	static Statement s = {"SELECT pg_catalog.nextval('streambatch._view_id')::int", 0, {0}};
	Datum id = 0;

	(void) statement_run_value(&s, NULL, &id);
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
catalog_require_view(Oid view, ViewRow *row)
{
	static Statement s = {VIEW_COLUMNS "WHERE view = $1", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	const char *name = get_rel_name(view);
	List *found = name != NULL ? read_views(&s, values) : NIL;

	if (found == NIL)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a hybrid view", name != NULL ? name : "?"),
						errhint("Use SELECT view FROM streambatch.stat_view to list the hybrid views.")));
	*row = *(ViewRow *) linitial(found);
}

List *
catalog_views_of(Oid stream)
{
	static Statement s = {VIEW_COLUMNS "WHERE stream = $1 ORDER BY id", 1, {REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};

	return read_views(&s, values);
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
		"UPDATE streambatch._view SET state = 'suspended', error_sqlstate = $2, error_message = $3 WHERE view = $1",
		3,
		{REGCLASSOID, TEXTOID, TEXTOID}};
	Datum values[3] = {ObjectIdGetDatum(view), CStringGetTextDatum(unpack_sql_state(sqlerrcode)),
					   CStringGetTextDatum(message)};

	statement_run_only(&s, values, NULL);
}

void
catalog_set_view_state(Oid view, const char *state)
{
	static Statement s = {
		"UPDATE streambatch._view SET state = $2, error_sqlstate = NULL, error_message = NULL WHERE view = $1 AND state <> $2 "
		/* a view that the worker has suspended again is incomplete */
		"AND ($2 <> 'active' OR state = 'building')",
		2,
		{REGCLASSOID, TEXTOID}};
	Datum values[2] = {ObjectIdGetDatum(view), CStringGetTextDatum(state)};

	statement_run_only(&s, values, NULL);
}

int64
catalog_view_dead_letters(Oid view, Datum *topic_epochs, Datum *partitions, Datum *offsets)
{
	static Statement s = {
		"SELECT pg_catalog.count(*), coalesce(pg_catalog.array_agg(kafka_partition), '{}'), "
		"  coalesce(pg_catalog.array_agg(kafka_offset), '{}'), coalesce(pg_catalog.array_agg(topic_epoch), '{}') "
		"FROM streambatch._dead_letter WHERE view = $1",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(view)};
	StatementCall call;
	int64 n;

	statement_run(&call, &s, values, NULL);
	n = statement_get_int64(0, 1, 0);
	*partitions = PointerGetDatum(statement_get_array(&call, 0, 2));
	*offsets = PointerGetDatum(statement_get_array(&call, 0, 3));
	*topic_epochs = PointerGetDatum(statement_get_array(&call, 0, 4));
	statement_finish(&call);
	return n;
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
		row->incomplete = DatumGetBool(statement_get(i, 8, &isnull));
		row->settings = statement_get_array(&call, i, 9);
	}
	statement_finish(&call);
	return result;
}
