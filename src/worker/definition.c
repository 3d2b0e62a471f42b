/*
 * definition.c
 *		The definition of a worker's stream (see definition.h).
 *
 * The generation (flush.c) is read before the views: if a view is created or dropped in between, the
 * generation is the older one, and the first flush detects that. A view whose query can no longer be analysed
 * is suspended; the others continue.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "common/catalog_shadow.h"
#include "common/guard.h"
#include "common/locks.h"
#include "common/settings.h"
#include "common/subtransaction.h"
#include "query/view_relations.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "worker/definition.h"
#include "worker/definition_text.h"
#include "worker/user_code.h"

/*
 * State of the cache callbacks: what they watch, and whether it may have been altered. Callbacks cannot be
 * unregistered, so this lives as long as the process.
 */
struct DefinitionWatch
{
	Oid relid;
	uint32 table_hash; /* of their rows in the system caches */
	uint32 server_hash;
	bool changed;
	bool restart; /* whatever has changed */
	char *text;	  /* definition_text() of what was loaded */
};

typedef struct ViewJob
{
	Definition *d;
	const ViewRow *row;
	WorkerView *view;
} ViewJob;

static void on_relation_change(Datum arg, Oid relid);
static void on_mapping_change(Datum arg, int cache, uint32 hash);
static DefinitionResult load_row(Oid relid, StreamRow *row);
static void lock_queries(Oid relid);
static void watch_rows(DefinitionWatch *watch, const Stream *stream);
static void note_text(DefinitionWatch *watch);
static void on_table_change(Datum arg, int cache, uint32 hash);
static void on_row_change(DefinitionWatch *watch, uint32 ours, uint32 hash);
static void on_server_change(Datum arg, int cache, uint32 hash);
static void load_views(Definition *d);
static int64 interval_usec(const Interval *interval);
static void load_view(Definition *d, const ViewRow *row);
static void open_view(void *arg);

void
definition_init(Definition *d, Oid relid)
{
	memset(d, 0, sizeof(*d));
	d->relid = relid;
	d->context =
		AllocSetContextCreate(CurrentMemoryContext, "streambatch definition", ALLOCSET_DEFAULT_SIZES);
	d->watch = MemoryContextAllocZero(TopMemoryContext, sizeof(DefinitionWatch));
	d->watch->relid = relid;
	CacheRegisterRelcacheCallback(on_relation_change, PointerGetDatum(d->watch));
	CacheRegisterSyscacheCallback(USERMAPPINGOID, on_mapping_change, PointerGetDatum(d->watch));
}

bool
definition_changed(const Definition *d)
{
	MemoryContext old = CurrentMemoryContext;
	bool alone = !IsTransactionState();
	const char *text;
	bool changed;

	if (d->watch->restart || !d->watch->changed)
		return d->watch->restart;
	/* not later: what changes while we look sets it again */
	d->watch->changed = false;
	if (alone)
		StartTransactionCommand();
	MemoryContextSwitchTo(TopTransactionContext);
	text = definition_text(d->relid);
	/* a dropped stream is found so by the next load */
	changed = text != NULL && strcmp(text, d->watch->text) != 0;
	if (alone)
		CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return changed;
}

DefinitionResult
definition_load(Definition *d)
{
	MemoryContext old;
	ListCell *lc;
	DefinitionResult result;
	bool first = d->stream == NULL;
	int32 topic_epoch = d->row.topic_epoch;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (lc, d->views)
		worker_view_close(lfirst(lc));
	d->views = NIL;
	MemoryContextReset(d->context);
	old = MemoryContextSwitchTo(d->context);
	result = load_row(d->relid, &d->row);
	if (result == DEFINITION_LOADED)
	{
		lock_queries(d->relid);
		/* the stream may have been dropped while we waited */
		result = load_row(d->relid, &d->row);
	}
	if (result == DEFINITION_LOADED)
	{
		if (first)
			note_text(d->watch);
		d->stream = stream_open(d->relid);
		/* at the start this is left to the worker, which first finds out the lag */
		if (!first && get_rel_name(d->row.archive) != NULL)
			stream_check_archive(d->stream, d->row.archive);
		if (first)
			watch_rows(d->watch, d->stream);
		dead_letters_init(&d->dead_letters, d->context);
		load_views(d);
	}
	MemoryContextSwitchTo(old);
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (!first && result == DEFINITION_LOADED && d->row.topic_epoch != topic_epoch)
		d->watch->restart = true;
	return result;
}

bool
definition_current(const Definition *d, StreamRow *row)
{
	return load_row(d->relid, row) == DEFINITION_LOADED && row->generation == d->row.generation;
}

static void
on_relation_change(Datum arg, Oid relid)
{
	DefinitionWatch *watch = (DefinitionWatch *) DatumGetPointer(arg);

	if (!OidIsValid(relid) || relid == watch->relid)
		watch->changed = true;
}

/* Any mapping: a new one, for the owner or for PUBLIC, has no row yet whose hash could be compared. */
static void
on_mapping_change(Datum arg, int cache, uint32 hash)
{
	DefinitionWatch *watch = (DefinitionWatch *) DatumGetPointer(arg);

	watch->changed = true;
}

/* Read the stream's row, and whether it needs a worker. */
static DefinitionResult
load_row(Oid relid, StreamRow *row)
{
	if (!OidIsValid(get_extension_oid("pg_streambatch", true)) ||
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) || !catalog_stream(relid, row))
		return DEFINITION_UNNEEDED;
	if (row->paused)
		return DEFINITION_PAUSED;
	return row->nviews > 0 || row->resumed ? DEFINITION_LOADED : DEFINITION_UNNEEDED;
}

/* Lock the stream and all that its views read, in one order: a DROP locks them in another. */
static void
lock_queries(Oid relid)
{
	List *relations = list_make1_oid(relid);
	List *rows = catalog_views_of(relid);
	ListCell *lc;

	foreach (lc, rows)
		relations = list_concat(relations, view_relations_read(((ViewRow *) lfirst(lc))->id));
	locks_take(relations, NIL);
}

/* Register the callbacks that need hashes from the caches, and so a transaction. */
static void
watch_rows(DefinitionWatch *watch, const Stream *stream)
{
	watch->table_hash = GetSysCacheHashValue1(FOREIGNTABLEREL, ObjectIdGetDatum(stream->relid));
	watch->server_hash = GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(stream->serverid));
	CacheRegisterSyscacheCallback(FOREIGNTABLEREL, on_table_change, PointerGetDatum(watch));
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, on_server_change, PointerGetDatum(watch));
}

/* Before anything is loaded: a change in between is found when the catalogs are compared with this text. */
static void
note_text(DefinitionWatch *watch)
{
	char *text = definition_text(watch->relid);

	if (text == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the stream has been dropped")));
	watch->text = MemoryContextStrdup(TopMemoryContext, text);
	pfree(text);
	watch->changed = true;
}

static void
on_table_change(Datum arg, int cache, uint32 hash)
{
	DefinitionWatch *watch = (DefinitionWatch *) DatumGetPointer(arg);

	on_row_change(watch, watch->table_hash, hash);
}

/* A hash of 0 means that anything may have changed. */
static void
on_row_change(DefinitionWatch *watch, uint32 ours, uint32 hash)
{
	if (hash == 0 || hash == ours)
		watch->changed = true;
}

static void
on_server_change(Datum arg, int cache, uint32 hash)
{
	DefinitionWatch *watch = (DefinitionWatch *) DatumGetPointer(arg);

	on_row_change(watch, watch->server_hash, hash);
}

static void
load_views(Definition *d)
{
	Guard guard;
	List *rows;
	ListCell *lc;
	Bitmapset *columns = NULL;

	d->views = NIL;
	d->failed = NIL;
	d->suspended = NIL;
	d->shadows = NIL;
	d->max_staleness = USECS_PER_SEC;
	guard_enter(&guard, InvalidOid, d->row.settings);
	rows = catalog_views_of(d->relid);
	foreach (lc, rows)
	{
		const ViewRow *row = lfirst(lc);

		if (lc == list_head(rows))
			d->max_staleness = interval_usec(&row->max_staleness);
		if (catalog_is_shadow(row->view))
			d->shadows = lappend_int(d->shadows, row->id);
		if (row->suspended)
			d->suspended = lappend(d->suspended, lfirst(lc));
		else
			load_view(d, row);
	}
	if (d->stream->event_time != 0)
		columns = bms_add_member(columns, d->stream->event_time);
	foreach (lc, d->views)
		columns = worker_view_columns(lfirst(lc), columns);
	decoded_batch_init(&d->decoded, d->stream, OidIsValid(d->row.archive) ? NULL : columns);
	d->decoded.batch.topic_epoch = d->row.topic_epoch;
	guard_leave(&guard);
}

static int64
interval_usec(const Interval *interval)
{
	return interval->time + (interval->day + interval->month * INT64CONST(30)) * USECS_PER_DAY;
}

/* Open a view, or have it suspended if its query can no longer be analysed. */
static void
load_view(Definition *d, const ViewRow *row)
{
	ViewJob job = {d, row, NULL};
	ErrorData *error;
	UserCodeEnd end;
	ListCell *lc;

	/* functions that the analysis evaluates, and input functions */
	user_code_begin(row->view, setting_view_timeout_ms);
	error = subtransaction_run(open_view, &job, d->context);
	end = user_code_end();
	if (error != NULL)
	{
		FailedView *failed = palloc(sizeof(FailedView));

		if (end == USER_CODE_GAVE_WAY)
			ReThrowError(error);
		if (end == USER_CODE_EXCEEDED)
			error->message = user_code_limit_message(setting_view_timeout_ms);
		else if (!user_code_raised(error) && dead_letters_is_system_error(error->sqlerrcode))
			ReThrowError(error);
		failed->view = row->view;
		failed->error = error;
		d->failed = lappend(d->failed, failed);
		return;
	}
	/* NULL: it is being dropped */
	if (job.view != NULL)
	{
		foreach (lc, d->views)
		{
			if (!d->apart && worker_view_share(job.view, lfirst(lc)))
			{
				ereport(DEBUG1, (errmsg_internal("hybrid view \"%s\" shares the fold of \"%s\"",
												 get_rel_name(row->view),
												 get_rel_name(((WorkerView *) lfirst(lc))->row.view))));
				break;
			}
		}
		d->views = lappend(d->views, job.view);
	}
	d->max_staleness = Min(d->max_staleness, interval_usec(&row->max_staleness));
}

static void
open_view(void *arg)
{
	ViewJob *job = arg;

	MemoryContextSwitchTo(job->d->context);
	job->view = worker_view_open(job->row);
}
