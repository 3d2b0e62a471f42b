/*
 * complete_from.c
 *		From when on a hybrid view without its history is complete (see complete_from.h).
 *
 * All events that the view lacks are in the archive, or below the stream's positions. The first pane that starts after
 * the latest time of all of them is the first one that lacks nothing. The positions have the latest time that was read
 * from the topic as it is now; the archive may have later ones, of another topic or loaded by a user. What refreshes
 * compute is in the coverage; stat_view puts both together.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_stream.h"
#include "common/guard.h"
#include "executor/spi.h"
#include "serve/complete_from.h"
#include "stream/stream.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "window/window_sql.h"

/* What the stream has received. */
typedef struct Received
{
	bool any;
	TimestampTz latest; /* infinity: not known; minus infinity: no time */
} Received;

static int hint(const ViewRow *row, Oid archive, const char *range);
static Received received(const ViewRow *row, const ViewDef *def, Oid archive);
static bool windows_are_of_stream_time(const ViewDef *def);
static void read_archive(const ViewRow *row, const ViewDef *def, Oid archive, Received *result);

void
complete_from_record(const ViewRow *row, ViewDef *def, Oid archive)
{
	Received before = received(row, def, archive);
	const char *name = get_rel_name(row->view);
	TimestampTz from = DT_NOEND;

	if (!before.any)
		return;
	if (!TIMESTAMP_NOT_FINITE(before.latest))
		from = window_pane_end(&def->window, window_pane_start(&def->window, before.latest));
	catalog_set_complete_from(row->view, from);
	if (TIMESTAMP_IS_NOEND(from))
		ereport(NOTICE,
				(errmsg("hybrid view \"%s\" lacks the events that the stream has received so far", name),
				 hint(row, archive, def->has_window ? ", NULL, 'infinity'" : "")));
	else
		ereport(NOTICE,
				(errmsg("hybrid view \"%s\" is complete from %s on", name, timestamptz_to_str(from)),
				 errdetail("Windows that start earlier lack the events that the stream has received so far."),
				 hint(row, archive, "")));
}

static int
hint(const ViewRow *row, Oid archive, const char *range)
{
	return !OidIsValid(archive) ? 0
								: errhint("CALL streambatch.refresh('%s'%s) adds them from the archive.",
										  quote_identifier(get_rel_name(row->view)), range);
}

static Received
received(const ViewRow *row, const ViewDef *def, Oid archive)
{
	Received result = {false, DT_NOBEGIN};
	int n;
	int32 topic_epoch = 0;
	ProgressRow *rows = catalog_progress(row->stream, &n, &topic_epoch);

	for (int i = 0; i < n; i++)
	{
		result.any = result.any || rows[i].last.known || rows[i].has_event_time;
		if (rows[i].has_event_time)
			result.latest = Max(result.latest, rows[i].max_event_time);
	}
	if (OidIsValid(archive))
		read_archive(row, def, archive, &result);
	else if (topic_epoch > 0)
		result = (Received){true, DT_NOEND};
	if (!windows_are_of_stream_time(def))
		result.latest = DT_NOEND;
	return result;
}

static bool
windows_are_of_stream_time(const ViewDef *def)
{
	const Var *time = (const Var *) def->window.argument;

	return def->has_window && IsA(time, Var) && time->varattno == stream_open(def->stream)->event_time;
}

/* Whether the archive has events, and the time of one that is later than the latest one known so far. */
static void
read_archive(const ViewRow *row, const ViewDef *def, Oid archive, Received *result)
{
	const char *relation =
		quote_qualified_identifier(get_namespace_name(get_rel_namespace(archive)), get_rel_name(archive));
	Oid types[1] = {TIMESTAMPTZOID};
	Datum values[1] = {TimestampTzGetDatum(result->latest)};
	Guard guard;
	bool isnull = true;
	Datum latest = 0;

	guard_enter(&guard, guard_owner_of(row->view), row->settings);
	SPI_connect();
	if (SPI_execute(psprintf("SELECT FROM %s", relation), true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not query the archive");
	result->any = SPI_processed > 0;
	if (result->any && windows_are_of_stream_time(def))
	{
		const char *column =
			quote_identifier(get_attname(def->stream, ((const Var *) def->window.argument)->varattno, false));
		/* an index over blocks finds nothing later, as a rule */
		const char *sql =
			psprintf("SELECT %s FROM %s WHERE %s > %s",
					 window_to_instant_sql(&def->window, psprintf("pg_catalog.max(%s)", column)), relation,
					 column, window_from_instant_sql(&def->window, "$1"));

		if (SPI_execute_with_args(sql, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not query the archive");
		latest = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	}
	if (!isnull)
		result->latest = DatumGetTimestampTz(latest);
	SPI_finish();
	guard_leave(&guard);
}
