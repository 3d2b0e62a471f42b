/*
 * catalog_dirty.c
 *		Dirty marks in the extension's tables (see catalog_dirty.h).
 *
 * So that a thousand changes of one pane leave few marks, a change that finds its mark locks it, FOR KEY SHARE, instead
 * of adding another one. It passes over a mark that a refresh is deleting, and a refresh passes over a mark that
 * is locked, which then stays: that refresh may not see the change. So neither waits for the other. A transaction
 * with an older snapshot than its statement always adds a mark.
 *
 * A mark that a transaction has added or locked stays until it ends: it remembers a few of them, and does not look again.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "common/catalog_dirty.h"
#include "common/catalog_statement.h"
#include "common/catalog_version.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define MAX_MADE 8

/* Marks that the current (sub)transaction has added or locked. */
typedef struct MadeMark
{
	int32 view_id;
	TimestampTz from;
	TimestampTz to;
} MadeMark;

static MadeMark made[MAX_MADE];
static int nmade; /* once made; the latest replaces the first */
static FullTransactionId made_by;
static SubTransactionId made_in;

static Datum with_those_above(Oid relation);
static int not_made(int32 view_id, const Coverage *ranges, int n, Coverage *result);
static void note_made(int32 view_id, const Coverage *ranges, int n);
static void range_arrays(const Coverage *ranges, int n, Datum *from, Datum *to);
static Coverage *read_ranges(StatementCall *call, int *n);

Oid
catalog_stream_changed_by(Oid relation)
{
	static Statement s = {"SELECT stream::oid FROM streambatch._stream WHERE archive::oid = ANY ($1) LIMIT 1",
						  1,
						  {OIDARRAYOID}};
	Datum values[1] = {with_those_above(relation)};
	StatementCall call;
	Oid result = InvalidOid;
	bool isnull;

	statement_run_now(&call, &s, values);
	if (call.nrows > 0)
		result = DatumGetObjectId(statement_get(0, 1, &isnull));
	statement_finish(&call);
	return result;
}

List *
catalog_marked_views(Oid stream)
{
	static Statement s = {
		"SELECT view::oid, id, settings FROM streambatch._view WHERE stream = $1 ORDER BY id", 1, {OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};
	StatementCall call;
	List *result = NIL;

	statement_run_now(&call, &s, values);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		MarkedView *view = MemoryContextAlloc(call.caller, sizeof(MarkedView));
		MemoryContext old;
		bool isnull;

		view->view = DatumGetObjectId(statement_get(i, 1, &isnull));
		view->id = DatumGetInt32(statement_get(i, 2, &isnull));
		view->settings = statement_get_array(&call, i, 3);
		old = MemoryContextSwitchTo(call.caller);
		result = lappend(result, view);
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	return result;
}

void
catalog_mark(int32 view_id, const Coverage *ranges, int n)
{
	static Statement s = {
		"WITH mark AS (SELECT f, t FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS u (f, t)), "
		"old AS (SELECT from_time, to_time FROM streambatch._dirty d JOIN mark m ON d.from_time = m.f AND d.to_time = m.t "
		"  WHERE d.view_id = $1 AND NOT $4 FOR KEY SHARE OF d SKIP LOCKED) "
		"INSERT INTO streambatch._dirty (view_id, from_time, to_time) SELECT $1, f, t FROM mark "
		"WHERE NOT EXISTS (SELECT FROM old WHERE from_time = f AND to_time = t)",
		4,
		{INT4OID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, BOOLOID}};
	Datum values[4] = {Int32GetDatum(view_id), 0, 0, BoolGetDatum(IsolationUsesXactSnapshot())};
	Coverage *missing;

	if (n == 0)
		return;
	missing = palloc(n * sizeof(Coverage));
	n = not_made(view_id, ranges, n, missing);
	if (n == 0 || catalog_is_first_version())
		return;
	range_arrays(missing, n, &values[1], &values[2]);
	statement_run_only(&s, values, NULL);
	note_made(view_id, missing, n);
}

Coverage *
catalog_marks(int32 view_id, int *n)
{
	static Statement s = {
		"SELECT lower(r), upper(r) FROM (SELECT unnest(range_agg(tstzrange(from_time, to_time))) AS r "
		"FROM streambatch._dirty WHERE view_id = $1) m ORDER BY 1",
		1,
		{INT4OID}};
	Datum values[1] = {Int32GetDatum(view_id)};
	StatementCall call;
	Coverage *result;

	*n = 0;
	if (catalog_is_first_version())
		return NULL;
	statement_run(&call, &s, values, NULL);
	result = read_ranges(&call, n);
	statement_finish(&call);
	return result;
}

Coverage *
catalog_clear_marks(int32 view_id, const Coverage *ranges, int n, bool no_time, int *ncleared)
{
	static Statement s = {
		"WITH old AS (DELETE FROM streambatch._dirty WHERE ctid = ANY (ARRAY("
		"  SELECT ctid FROM streambatch._dirty WHERE view_id = $1 AND (from_time < $3 AND to_time > $2 "
		"    OR $6 AND from_time = 'infinity') FOR UPDATE SKIP LOCKED)) RETURNING from_time, to_time), "
		"part AS (SELECT (SELECT range_agg(tstzrange(from_time, to_time)) FROM old) AS old, "
		"  (SELECT range_agg(tstzrange(f, t)) FROM ROWS FROM (unnest($4), unnest($5)) AS u (f, t)) AS cleared), "
		"rest AS (INSERT INTO streambatch._dirty (view_id, from_time, to_time) "
		"  SELECT $1, lower(r), upper(r) FROM (SELECT unnest(old - cleared) AS r FROM part) p) "
		"SELECT lower(r), upper(r) FROM (SELECT unnest(old * cleared) AS r FROM part) p ORDER BY 1",
		6,
		{INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, BOOLOID}};
	Datum values[6] = {Int32GetDatum(view_id)};
	StatementCall call;
	Coverage *result;

	*ncleared = 0;
	nmade = 0;
	if (n == 0 || catalog_is_first_version())
		return NULL;
	values[1] = TimestampTzGetDatum(ranges[0].from);
	values[2] = TimestampTzGetDatum(ranges[n - 1].to);
	range_arrays(ranges, n, &values[3], &values[4]);
	values[5] = BoolGetDatum(no_time);
	statement_run(&call, &s, values, NULL);
	result = read_ranges(&call, ncleared);
	statement_finish(&call);
	return result;
}

#define DROPPED                                                                                              \
	"(SELECT objid FROM pg_catalog.pg_event_trigger_dropped_objects() "                                      \
	"WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0)"

void
catalog_forget_marks(void)
{
	static Statement s = {
		"DELETE FROM streambatch._dirty d USING streambatch._view v WHERE v.id = d.view_id AND v.view::oid IN " DROPPED};

	if (!catalog_is_first_version())
		statement_run_only(&s, NULL, NULL);
}

List *
catalog_dropped_archives(void)
{
	static Statement s = {
		"SELECT s.archive::oid FROM streambatch._stream s JOIN pg_catalog.pg_class c ON c.oid = s.archive "
		"WHERE s.stream::oid IN " DROPPED};

	return statement_run_list(&s, NULL);
}

bool
catalog_is_half_restored(Oid stream)
{
	/* each has an index, which comes after its rows */
	static Statement s = {
		"SELECT EXISTS (SELECT FROM streambatch._view v JOIN pg_catalog.pg_class c ON c.relname = 'stream_' || v.id "
		"AND c.relnamespace = 'streambatch_state'::regnamespace WHERE v.stream = $1 AND NOT c.relhasindex)",
		1,
		{OIDOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};
	Datum result;

	return statement_run_value(&s, values, &result) && DatumGetBool(result);
}

List *
catalog_archives(void)
{
	static Statement s = {"SELECT s.archive::oid FROM streambatch._stream s JOIN pg_catalog.pg_class c "
						  "ON c.oid = s.archive ORDER BY 1"};

	return statement_run_list(&s, NULL);
}

void
catalog_track(Oid view, Oid relation)
{
	static Statement s = {
		"INSERT INTO streambatch._tracked (view, relation) VALUES ($1, $2) ON CONFLICT DO NOTHING",
		2,
		{REGCLASSOID, REGCLASSOID}};
	Datum values[2] = {ObjectIdGetDatum(view), ObjectIdGetDatum(relation)};

	statement_run_only(&s, values, NULL);
}

bool
catalog_untrack(Oid view, Oid relation)
{
	static Statement s = {"DELETE FROM streambatch._tracked WHERE view = $1 AND relation = $2 RETURNING 1",
						  2,
						  {REGCLASSOID, REGCLASSOID}};
	Datum values[2] = {ObjectIdGetDatum(view), ObjectIdGetDatum(relation)};
	Datum deleted;

	return statement_run_value(&s, values, &deleted);
}

#define TRACKING "WITH v AS (SELECT view FROM streambatch._tracked WHERE relation::oid = ANY ($1)) "

List *
catalog_streams_tracking(Oid relation)
{
	static Statement s = {
		TRACKING
		"SELECT DISTINCT stream::oid FROM streambatch._view WHERE view IN (SELECT view FROM v) ORDER BY 1",
		1,
		{OIDARRAYOID}};
	Datum values[1];
	StatementCall call;
	List *result = NIL;
	bool isnull;

	if (catalog_is_first_version())
		return NIL;
	values[0] = with_those_above(relation);
	statement_run_now(&call, &s, values);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(call.caller);

		result = lappend_oid(result, DatumGetObjectId(statement_get(i, 1, &isnull)));
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	return result;
}

List *
catalog_views_tracking(Oid relation)
{
	/* a shadow depends on its view */
	static Statement s = {
		TRACKING
		"SELECT w.view::oid, w.id FROM streambatch._view w WHERE w.view IN (SELECT view FROM v) "
		"OR w.view::oid IN (SELECT d.objid FROM pg_catalog.pg_depend d JOIN v ON d.refobjid = v.view "
		"  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass "
		"  AND d.deptype = 'i') ORDER BY 2",
		1,
		{OIDARRAYOID}};
	Datum values[1];
	StatementCall call;
	List *result = NIL;
	bool isnull;

	values[0] = with_those_above(relation);
	statement_run_now(&call, &s, values);
	for (uint64 i = 0; i < call.nrows; i++)
	{
		MarkedView *view = MemoryContextAllocZero(call.caller, sizeof(MarkedView));
		MemoryContext old;

		view->view = DatumGetObjectId(statement_get(i, 1, &isnull));
		view->id = DatumGetInt32(statement_get(i, 2, &isnull));
		old = MemoryContextSwitchTo(call.caller);
		result = lappend(result, view);
		MemoryContextSwitchTo(old);
	}
	statement_finish(&call);
	return result;
}

bool
catalog_is_watched(Oid relation)
{
	return OidIsValid(catalog_stream_changed_by(relation)) || catalog_streams_tracking(relation) != NIL;
}

List *
catalog_forget_tracked(void)
{
	static Statement s = {
		"WITH gone AS (DELETE FROM streambatch._tracked WHERE view::oid IN " DROPPED
		" OR relation::oid IN " DROPPED " RETURNING view, relation) "
		"SELECT DISTINCT g.relation::oid FROM gone g JOIN pg_catalog.pg_class c ON c.oid = g.relation "
		"WHERE NOT EXISTS (SELECT FROM streambatch._tracked t WHERE t.relation = g.relation "
		"  AND NOT EXISTS (SELECT FROM gone WHERE view = t.view AND relation = t.relation))"};

	return catalog_is_first_version() ? NIL : statement_run_list(&s, NULL);
}

/* A table, and those that it is a partition or another child of, as oid[]. */
static Datum
with_those_above(Oid relation)
{
	List *found = list_make1_oid(relation);
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);
	Datum *elems;
	ListCell *lc;

	foreach (lc, found)
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple tuple;

		ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(lfirst_oid(lc)));
		scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			found = list_append_unique_oid(found, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
		systable_endscan(scan);
	}
	table_close(inherits, AccessShareLock);
	elems = palloc(list_length(found) * sizeof(Datum));
	foreach (lc, found)
		elems[foreach_current_index(lc)] = ObjectIdGetDatum(lfirst_oid(lc));
	return PointerGetDatum(
		construct_array(elems, list_length(found), OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

/* Those ranges that the current (sub)transaction is not known to have marked; returns their number. */
static int
not_made(int32 view_id, const Coverage *ranges, int n, Coverage *result)
{
	bool current = FullTransactionIdIsValid(made_by) &&
				   FullTransactionIdEquals(made_by, GetTopFullTransactionIdIfAny()) &&
				   made_in == GetCurrentSubTransactionId();
	int count = 0;

	if (!current)
		nmade = 0;
	for (int i = 0; i < n; i++)
	{
		bool is_made = false;

		for (int k = 0; k < Min(nmade, MAX_MADE) && !is_made; k++)
			is_made =
				made[k].view_id == view_id && made[k].from == ranges[i].from && made[k].to == ranges[i].to;
		if (!is_made)
			result[count++] = ranges[i];
	}
	return count;
}

/* An insertion or a lock has given the transaction an id. */
static void
note_made(int32 view_id, const Coverage *ranges, int n)
{
	made_by = GetTopFullTransactionIdIfAny();
	made_in = GetCurrentSubTransactionId();
	for (int i = 0; i < n; i++)
		made[nmade++ % MAX_MADE] = (MadeMark){view_id, ranges[i].from, ranges[i].to};
}

static void
range_arrays(const Coverage *ranges, int n, Datum *from, Datum *to)
{
	Datum *elems = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elems[i] = TimestampTzGetDatum(ranges[i].from);
	*from = PointerGetDatum(
		construct_array(elems, n, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	for (int i = 0; i < n; i++)
		elems[i] = TimestampTzGetDatum(ranges[i].to);
	*to = PointerGetDatum(
		construct_array(elems, n, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	pfree(elems);
}

static Coverage *
read_ranges(StatementCall *call, int *n)
{
	Coverage *result = MemoryContextAlloc(call->caller, (call->nrows + 1) * sizeof(Coverage));

	*n = (int) call->nrows;
	for (int i = 0; i < *n; i++)
		result[i] = (Coverage){statement_get_int64(i, 1, 0), statement_get_int64(i, 2, 0), 0};
	return result;
}
