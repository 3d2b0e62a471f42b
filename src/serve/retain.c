/*
 * retain.c
 *		streambatch.retain(stream, keep): remove archived events that all batch layers have.
 *
 * The events before a time H are removed, the latest one for which these hold: it is no later than now() - keep; the batch
 * layer of each view covers all panes before it, none of them is dirty, and none has rows in the stream layer; and it is
 * a boundary of panes of each view. H is found from above: each view lowers it, until none does.
 *
 * What cannot be told by event time keeps everything: a view without windows, which a refresh computes as a whole; one with
 * windows over something else than the event time; and one that is suspended, or being built. A NOTICE names them, and the
 * view that keeps H from coming closer to what was asked for.
 *
 * Of an archive that is partitioned by ranges of the event time, whole partitions before H are dropped, and of its default
 * partition, if it has one, the events before H are deleted. Of any other archive, a DELETE removes the events; it marks
 * nothing (common/archive_triggers.h).
 *
 * The result is recorded as the stream's archive_from: panes that begin before it are computed by force only, for they
 * would lose what was removed (batch/changed_panes.c, batch/refresh.c).
 *
 * Locks. A refresh, or a view's history, that has begun would compute emptied panes: the stream's past is taken exclusively,
 * without waiting. A correction that is not committed has marked nothing that we see: the archive is locked against
 * writers, before anything is read. The worker waits meanwhile.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "batch/batch_statement.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "common/archive_triggers.h"
#include "common/catalog_dirty.h"
#include "common/catalog_restore.h"
#include "common/catalog_retention.h"
#include "common/catalog_version.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/locks.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "serve/stream_setup.h"
#include "storage/lmgr.h"
#include "stream/stream.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "window/window_sql.h"

/* Boundaries of months and weeks coincide rarely. */
#define MAX_STEPS 100000

typedef struct Retention
{
	Oid stream_oid;
	Stream *stream;
	StreamRow row;
	TimestampTz before;	 /* H */
	TimestampTz emptied; /* by earlier calls */
	List *views;		 /* of Computation * */
	const char *why;	 /* the view that has lowered H last, for what it lacks */
	int64 removed;
} Retention;

static TimestampTz limit_of(const Interval *keep);
static void open_archive(Retention *r);
static bool open_views(Retention *r);
static bool keeps_all(const Retention *r, const Computation *c);
static void lower_to_batch(Retention *r, const Computation *c);
static TimestampTz first_late_pane(const Retention *r, const Computation *c);
static void take_first(TupleTableSlot *slot, void *first);
static void align(Retention *r);
static bool is_crossed(const Retention *r, const Computation *c);
static void take_last(TupleTableSlot *slot, void *last);
static bool is_partitioned_by_time(const Retention *r, Oid *type);
static void drop_partitions(Retention *r, Oid type);
static bool upper_bound(Oid partition, Oid type, TimestampTz *bound);
static void drop_partition(Retention *r, Oid partition);
static void delete_events(Retention *r, Oid relation);
static char *qualified_name(Oid relation);
static uint64 execute(const char *sql, const Datum *before);

STREAMBATCH_FUNCTION(streambatch_retain);

Datum
streambatch_retain(PG_FUNCTION_ARGS)
{
	Retention r = {0};
	TimestampTz limit;
	Oid type;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("arguments of retain must not be null")));
	r.stream_oid = PG_GETARG_OID(0);
	limit = limit_of(PG_GETARG_INTERVAL_P(1));
	r.stream = stream_open(r.stream_oid);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("retain cannot run in a REPEATABLE READ or SERIALIZABLE transaction"),
				 errhint("Its snapshot would not show changes that are committed before the archive is "
						 "locked; use READ COMMITTED.")));
	if (!compat_class_ownercheck(r.stream_oid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE, r.stream->name);
	r.before = limit;
	open_archive(&r);
	if (!open_views(&r))
		PG_RETURN_INT64(0);
	align(&r);
	if (r.before < limit && r.why != NULL)
		ereport(NOTICE, (TIMESTAMP_IS_NOBEGIN(r.before)
							 ? errmsg("all events are kept because of hybrid view %s", r.why)
							 : errmsg("events from %s on are kept because of hybrid view %s",
									  timestamptz_to_str(r.before), r.why),
						 errdetail("Its batch layer does not cover them, they have been changed, or later "
								   "events have come into their windows."),
						 errhint("Refresh it, and call retain again.")));
	if (r.before <= r.emptied)
		PG_RETURN_INT64(0);
	if (is_partitioned_by_time(&r, &type))
		drop_partitions(&r, type);
	else
		delete_events(&r, r.row.archive);
	if (r.before > r.emptied)
		catalog_set_archive_from(r.stream_oid, r.before);
	PG_RETURN_INT64(r.removed);
}

static TimestampTz
limit_of(const Interval *keep)
{
	const Interval zero = {0};

	if (compat_interval_is_infinite(keep))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("keep must be finite")));
	if (DatumGetBool(DirectFunctionCall2(interval_lt, IntervalPGetDatum(keep), IntervalPGetDatum(&zero))))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("keep must not be negative")));
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												   TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
												   IntervalPGetDatum(keep)));
}

/* Lock the past and the archive. */
static void
open_archive(Retention *r)
{
	if (catalog_is_first_version())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("retain needs the objects of a later version of pg_streambatch"),
						errhint("Use ALTER EXTENSION pg_streambatch UPDATE.")));
	stream_setup(r->stream_oid, &r->row);
	if (!OidIsValid(r->row.archive))
		r->row.archive = catalog_require_archive(r->stream_oid);
	if (!OidIsValid(r->row.archive) || r->stream->event_time == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("stream \"%s\" has no %s", r->stream->name,
							   r->stream->event_time == 0 ? "event time" : "archive"),
						r->stream->event_time == 0
							? errhint("Events are removed from the archive by the option event_time.")
							: 0));
	if (!locks_take_past(r->stream_oid, true, false))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("cannot remove archived events of stream \"%s\" while they are being read",
							   r->stream->name),
						errdetail("A hybrid view is being refreshed or created, or dead letters retried."),
						errhint("Try again later.")));
	LockRelationOid(r->row.archive, ShareRowExclusiveLock);
	stream_require_archive(r->stream->name, r->row.archive);
	/* corrections of partitions lock these only */
	(void) find_all_inheritors(r->row.archive, ShareRowExclusiveLock, NULL);
	stream_check_archive(r->stream, r->row.archive);
	r->emptied = catalog_archive_from(r->stream_oid);
}

/* Returns false if one of the views keeps everything. */
static bool
open_views(Retention *r)
{
	ListCell *lc;
	bool result = true;

	foreach (lc, catalog_views_of(r->stream_oid))
	{
		const ViewRow *row = lfirst(lc);
		Computation *c;

		c = compute_open(row);
		r->views = lappend(r->views, c);
		if (keeps_all(r, c))
			result = false;
	}
	return result;
}

static bool
keeps_all(const Retention *r, const Computation *c)
{
	const Var *time = (const Var *) c->def->window.argument;
	const char *why = NULL;

	if (!c->def->has_window)
		why = "It has no windows: each refresh computes it from all events.";
	else if (!IsA(time, Var) || time->varattno != r->stream->event_time)
		why = "Its windows are over something else than the event time.";
	else if (c->view.suspended)
		why = "It is suspended.";
	if (why == NULL)
		return false;
	ereport(NOTICE, (errmsg("all events are kept because of hybrid view %s", qualified_name(c->view.view)),
					 errdetail("%s", why)));
	return true;
}

/* To what the batch layer of a view has, with nothing that a refresh would compute. */
static void
lower_to_batch(Retention *r, const Computation *c)
{
	int n;
	Coverage *covered = catalog_coverage(c->view.id, &n);
	TimestampTz before = r->emptied;
	Coverage *marks;

	/* what was removed before need not be covered by a view that has been created since */
	for (int i = 0; i < n && covered[i].from <= before; i++)
		before = Max(before, covered[i].to);
	marks = catalog_marks(c->view.id, &n);
	for (int i = 0; i < n; i++)
	{
		if (marks[i].to > r->emptied)
		{
			before = Min(before, Max(marks[i].from, r->emptied));
			break;
		}
	}
	before = Min(before, first_late_pane(r, c));
	if (before < r->before)
	{
		r->before = before;
		r->why = qualified_name(c->view.view);
	}
}

/* The first pane with rows in the stream layer, of those that have not been emptied before. */
static TimestampTz
first_late_pane(const Retention *r, const Computation *c)
{
	const BatchParameters parameters = {.from = r->emptied, .to = DT_NOEND, .epoch = PG_INT64_MAX};
	TimestampTz first = DT_NOEND;
	Guard guard;

	batch_statement_begin(&guard, c);
	batch_statement_read(
		c, psprintf("SELECT * FROM (%s) panes LIMIT 1", sql_changed_panes(c->def, c->view.id, NULL)),
		&parameters, take_first, &first);
	batch_statement_end(&guard);
	return first;
}

static void
take_first(TupleTableSlot *slot, void *first)
{
	bool isnull;

	*(TimestampTz *) first = DatumGetTimestampTz(slot_getattr(slot, 1, &isnull));
}

/* Find H. */
static void
align(Retention *r)
{
	ListCell *lc;
	TimestampTz last;
	int steps = 0;

	foreach (lc, r->views)
		lower_to_batch(r, lfirst(lc));
	do
	{
		last = r->before;
		foreach (lc, r->views)
		{
			Computation *c = lfirst(lc);

			CHECK_FOR_INTERRUPTS();
			r->before = window_pane_start(&c->def->window, r->before);
			while (c->def->window.by_pane && r->before > r->emptied && is_crossed(r, c))
				r->before = window_pane_start(&c->def->window, r->before - USECS_PER_DAY);
		}
		if (r->before <= r->emptied || ++steps == MAX_STEPS)
			r->before = r->emptied;
	} while (r->before < last && r->before > r->emptied);
}

/* Whether an event before H is in a pane after it: where clocks are set back, date_trunc() has such panes. */
static bool
is_crossed(const Retention *r, const Computation *c)
{
	BatchParameters parameters = {.from = r->before - USECS_PER_DAY, .to = r->before};
	const StreamWindow *window = &c->def->window;
	const char *time = quote_identifier(r->stream->layout.columns[r->stream->event_time - 1].name);
	TimestampTz last = DT_NOBEGIN;
	Guard guard;

	batch_statement_begin(&guard, c);
	batch_statement_read(
		c,
		sql_panes_of(c->def, psprintf("(SELECT * FROM %s WHERE %s >= %s AND %s < %s)", c->source.relation,
									  time, window_from_instant_sql(window, "$2"), time,
									  window_from_instant_sql(window, "$3"))),
		&parameters, take_last, &last);
	batch_statement_end(&guard);
	return last >= r->before;
}

/* In ascending order. */
static void
take_last(TupleTableSlot *slot, void *last)
{
	bool isnull;
	Datum pane = slot_getattr(slot, 1, &isnull);

	if (!isnull)
		*(TimestampTz *) last = DatumGetTimestampTz(pane);
}

static bool
is_partitioned_by_time(const Retention *r, Oid *type)
{
	Relation archive = table_open(r->row.archive, NoLock);
	PartitionKey key =
		archive->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ? RelationGetPartitionKey(archive) : NULL;
	const char *time = r->stream->layout.columns[r->stream->event_time - 1].name;
	bool result = key != NULL && key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 &&
				  key->partattrs[0] != 0 &&
				  strcmp(get_attname(r->row.archive, key->partattrs[0], false), time) == 0;

	*type = result ? key->parttypid[0] : InvalidOid;
	table_close(archive, NoLock);
	return result;
}

/* H becomes the end of the last partition that is dropped, if nothing is deleted from the default partition. */
static void
drop_partitions(Retention *r, Oid type)
{
	TimestampTz emptied = r->emptied;
	Oid rest = get_default_partition_oid(r->row.archive);
	int64 dropped;
	ListCell *lc;

	foreach (lc, find_inheritance_children(r->row.archive, AccessShareLock))
	{
		TimestampTz bound;

		if (!upper_bound(lfirst_oid(lc), type, &bound) || bound > r->before)
			continue;
		drop_partition(r, lfirst_oid(lc));
		emptied = Max(emptied, bound);
	}
	dropped = r->removed;
	if (OidIsValid(rest))
		delete_events(r, rest);
	if (r->removed == dropped)
		r->before = emptied;
}

/* The end of a partition. Returns false if it has none, or is the default partition. */
static bool
upper_bound(Oid partition, Oid type, TimestampTz *bound)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(partition));
	PartitionBoundSpec *spec;
	const PartitionRangeDatum *upper;
	Datum value;
	bool isnull;

	if (!HeapTupleIsValid(tuple))
		return false;
	value = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &isnull);
	spec = isnull ? NULL : stringToNode(TextDatumGetCString(value));
	ReleaseSysCache(tuple);
	if (spec == NULL || spec->is_default)
		return false;
	upper = linitial_node(PartitionRangeDatum, spec->upperdatums);
	if (upper->kind != PARTITION_RANGE_DATUM_VALUE)
		return false;
	value = castNode(Const, upper->value)->constvalue;
	/* times without time zone are read in UTC */
	*bound =
		type == DATEOID ? (TimestampTz) DatumGetDateADT(value) * USECS_PER_DAY : DatumGetTimestampTz(value);
	return true;
}

static void
drop_partition(Retention *r, Oid partition)
{
	const char *name = qualified_name(partition);
	Guard guard;
	bool isnull;

	guard_enter(&guard, r->stream->owner, NULL);
	SPI_connect();
	(void) execute(psprintf("SELECT pg_catalog.count(*) FROM %s", name), NULL);
	r->removed += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	(void) execute(psprintf("DROP TABLE %s", name), NULL);
	SPI_finish();
	guard_leave(&guard);
}

static void
delete_events(Retention *r, Oid relation)
{
	const MessageColumn *time = &r->stream->layout.columns[r->stream->event_time - 1];
	const char *sql =
		psprintf("DELETE FROM %s WHERE %s < %s", qualified_name(relation), quote_identifier(time->name),
				 time->type == TIMESTAMPTZOID ? "$1" : "($1 AT TIME ZONE 'UTC')");
	const Datum before = TimestampTzGetDatum(r->before);
	Guard guard;

	guard_enter(&guard, r->stream->owner, NULL);
	SPI_connect();
	archive_triggers_begin_own(relation);
	PG_TRY();
	{
		r->removed += (int64) execute(sql, &before);
	}
	PG_FINALLY();
	{
		archive_triggers_end_own();
	}
	PG_END_TRY();
	SPI_finish();
	guard_leave(&guard);
}

static char *
qualified_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

static uint64
execute(const char *sql, const Datum *before)
{
	Oid types[1] = {TIMESTAMPTZOID};
	int rc = before != NULL
				 ? SPI_execute_with_args(sql, 1, types, unconstify(Datum *, before), NULL, false, 0)
				 : SPI_execute(sql, false, 0);

	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
	return SPI_processed;
}
