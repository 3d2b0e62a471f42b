/*
 * catch_up.c
 *		Suspended views come back (see catch_up.h).
 *
 * A view is suspended by a flush, which stores in its row, in suspended_at, the positions up to which the view has all
 * events (flush.c). The stream goes on without it. From then on this file tries, after 1, 2, 4, … 30 seconds, to
 * open the view and to run its query. Where that works, the view gets the events from suspended_at on up to the
 * stream's own positions, in steps, between the flushes of the stream:
 *
 *		suspended at 100, stream at 500		open the view, run its query over no event at all
 *		step								fold messages 100 to 299; write them, suspended_at becomes 300
 *		step								fold messages 300 to 519; write them: the stream is at 520 by now, and
 *											the view is active, in the same transaction
 *
 * A step is a flush of one view: it folds without a lock on the stream's row, and then locks it, compares
 * generation and suspended_at with those that it began from, reads the epoch, and writes. The last step raises the
 * generation, after which the worker loads the view with the others. A crash leaves the view where its last step
 * has put it. A refresh may overtake it (batch/refresh.c): then the comparison fails, and nothing is written.
 *
 * The events come from the log, by a consumer of their own, so that a step costs no more than what was missed.
 * Left out are dead letters of the stream, which no view contains. Where the log no longer has the events, they
 * come from the archive, in one step, which scans it. Without an archive the view remains suspended then;
 * suspended_at shows which events it lacks.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/catalog_ddl.h"
#include "common/clock.h"
#include "common/guard.h"
#include "common/locks.h"
#include "common/settings.h"
#include "miscadmin.h"
#include "query/view_relations.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/archive_reader.h"
#include "worker/catch_up_private.h"
#include "worker/flush.h"
#include "worker/fold_query.h"
#include "worker/user_code.h"

#define LONGEST_DELAY_S 30
#define POLL_MS 10 /* for messages of a view that is catching up */
/* A view that is suspended again so soon after it came back waits longer. */
#define RELAPSE_US (60 * INT64CONST(1000000))

/* When a view was tried, and is to be tried again. Kept while the process lives. */
typedef struct Attempt
{
	Oid view;
	int failures;
	int64 next;	   /* by clock.h */
	int64 resumed; /* when it came back last; 0: never */
} Attempt;

typedef enum StepResult
{
	STEP_WAIT,		/* nothing has come */
	STEP_DONE,		/* some events more */
	STEP_RESUMED,	/* the view is active */
	STEP_OVERTAKEN, /* by a refresh, a DROP or a change to the set of views */
	STEP_AGAIN		/* read the same messages again: the stream's row was locked, or states did not combine */
} StepResult;

static CatchUp *catch_up_of(Worker *w);
static Attempt *attempt_for(CatchUp *c, Oid view);
static bool begin(Worker *w, CatchUp *c);
static const ViewRow *next_due(Worker *w, CatchUp *c);
static void open_view(Worker *w, CatchUp *c, const ViewRow *row);
static void set_positions(CatchUp *c, const Positions *stream);
static StepResult step(Worker *w, CatchUp *c);
static bool is_complete(const Worker *w, const CatchUp *c);
static StepResult step_from_log(Worker *w, CatchUp *c);
static StepResult process(Worker *w, CatchUp *c);
static bool begin_step(Worker *w, CatchUp *c);
static void fold_messages(Worker *w, CatchUp *c);
static void fold_batch(CatchUp *c);
static StepResult store(Worker *w, CatchUp *c);
static bool is_current(const CatchUp *c, ViewRow *now);
static ArrayType *position_array(const CatchUp *c);
static void abort_step(CatchUp *c);
static StepResult step_from_archive(Worker *w, CatchUp *c);
static bool fold_archive(Worker *w, CatchUp *c);
static bool store_part(Worker *w, CatchUp *c);
static ArrayType *stored_array(const Worker *w);
static void leave(CatchUp *c);
static void give_up(Worker *w, CatchUp *c, const ErrorData *error);

int
catch_up_run(Worker *w)
{
	MemoryContext context = CurrentMemoryContext;
	CatchUp *const c = catch_up_of(w);
	ErrorData *volatile error = NULL;
	volatile StepResult result = STEP_WAIT;
	volatile UserCodeEnd end = USER_CODE_ENDED;

	if (c == NULL)
		return HOUSEKEEPING_MS;
	PG_TRY();
	{
		if (c->view != NULL || begin(w, c))
			result = step(w, c);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(w->context);
		end = user_code_end();
		error = CopyErrorData();
		if (end == USER_CODE_EXCEEDED)
			error->message = user_code_limit_message(setting_view_timeout_ms);
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	if (error != NULL && end == USER_CODE_GAVE_WAY)
	{
		/* somebody waits for us: read again, without blame */
		attempt_for(c, c->row.view)->next = clock_now() + USECS_PER_SEC;
		leave(c);
		worker_load(w);
	}
	else if (error != NULL)
	{
		give_up(w, c, error);
		FreeErrorData(error);
	}
	else if (result == STEP_RESUMED || result == STEP_OVERTAKEN)
	{
		if (result == STEP_RESUMED)
			attempt_for(c, c->row.view)->resumed = clock_now();
		leave(c);
		worker_load(w);
	}
	if (result != STEP_WAIT)
		return 0;
	return c->view != NULL ? POLL_MS : HOUSEKEEPING_MS;
}

/* NULL: no view has been suspended in the life of this process. */
static CatchUp *
catch_up_of(Worker *w)
{
	if (w->catch_up == NULL && w->d.suspended != NIL)
	{
		w->catch_up = MemoryContextAllocZero(w->context, sizeof(CatchUp));
		w->catch_up->context =
			AllocSetContextCreate(w->context, "streambatch catch-up", ALLOCSET_DEFAULT_SIZES);
	}
	return w->catch_up;
}

static Attempt *
attempt_for(CatchUp *c, Oid view)
{
	MemoryContext old;
	Attempt *attempt;
	ListCell *lc;

	foreach (lc, c->attempts)
	{
		attempt = lfirst(lc);
		if (attempt->view == view)
			return attempt;
	}
	old = MemoryContextSwitchTo(GetMemoryChunkContext(c));
	attempt = palloc0(sizeof(Attempt));
	attempt->view = view;
	c->attempts = lappend(c->attempts, attempt);
	MemoryContextSwitchTo(old);
	return attempt;
}

/* Open a view that is due to be tried. Returns false if there is none. */
static bool
begin(Worker *w, CatchUp *c)
{
	const ViewRow *row = next_due(w, c);

	if (row == NULL)
		return false;
	c->row = *row;
	worker_begin_transaction();
	locks_take(lcons_oid(w->d.relid, view_relations_read(row->id)), NIL);
	PushActiveSnapshot(GetTransactionSnapshot());
	/* as a load runs it */
	user_code_begin(row->view, setting_view_timeout_ms);
	open_view(w, c, row);
	if (c->view != NULL)
		fold_query_check(c->view);
	(void) user_code_end();
	PopActiveSnapshot();
	CommitTransactionCommand();
	/* it is being dropped: the next load will tell */
	if (c->view == NULL)
		attempt_for(c, row->view)->next = clock_now() + USECS_PER_SEC;
	return c->view != NULL;
}

/* The first one whose time has come. One that has just been suspended is tried after a second. */
static const ViewRow *
next_due(Worker *w, CatchUp *c)
{
	int64 now = clock_now();
	ListCell *lc;

	foreach (lc, w->d.suspended)
	{
		const ViewRow *row = lfirst(lc);
		Attempt *attempt = attempt_for(c, row->view);

		if (attempt->resumed != 0)
			attempt->failures = now - attempt->resumed > RELAPSE_US ? 0 : attempt->failures + 1;
		if (attempt->resumed != 0 || attempt->next == 0)
			attempt->next = now + (INT64CONST(1000000) << Min(attempt->failures, 4));
		attempt->resumed = 0;
		if (attempt->next <= now)
			return row;
	}
	return NULL;
}

static void
open_view(Worker *w, CatchUp *c, const ViewRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(c->context);
	Bitmapset *columns = NULL;
	Guard guard;

	c->row.settings = DatumGetArrayTypePCopy(PointerGetDatum(row->settings));
	c->row.suspended_at = DatumGetArrayTypePCopy(PointerGetDatum(row->suspended_at));
	c->stream = stream_open(w->d.relid);
	guard_enter(&guard, InvalidOid, w->d.row.settings);
	c->view = worker_view_open(&c->row);
	c->name = get_rel_name(row->view);
	if (c->view != NULL)
	{
		columns = worker_view_columns(c->view, NULL);
		if (c->stream->event_time != 0)
			columns = bms_add_member(columns, c->stream->event_time);
		decoded_batch_init(&c->decoded, c->stream, columns);
		c->decoded.careful = true;
		dead_letters_init(&c->dead_letters, c->context);
		c->topic_epoch = w->d.row.topic_epoch;
		c->decoded.batch.topic_epoch = c->topic_epoch;
		set_positions(c, &w->positions);
		catch_up_log_prepare(c);
	}
	guard_leave(&guard);
	MemoryContextSwitchTo(old);
}

static void
set_positions(CatchUp *c, const Positions *stream)
{
	Datum *offsets;
	bool *nulls;
	int n;

	memset(&c->positions, 0, sizeof(c->positions));
	positions_grow(&c->positions, stream->n);
	/* only the archive still has messages of an earlier topic epoch */
	c->archive = c->row.suspended_epoch != c->topic_epoch;
	deconstruct_array(c->row.suspended_at, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &offsets, &nulls,
					  &n);
	for (int i = 0; i < Min(n, stream->n) && !c->archive; i++)
	{
		Position *p = &c->positions.items[i];

		p->stored = !nulls[i];
		p->stored_offset = p->next_offset = nulls[i] ? -1 : DatumGetInt64(offsets[i]);
	}
	c->seen = palloc((stream->n + 1) * sizeof(int64));
	c->reading = palloc0((stream->n + 1) * sizeof(bool));
}

static StepResult
step(Worker *w, CatchUp *c)
{
	/* the stream has got partitions, or its topic is another: open it anew */
	if (c->positions.n < w->positions.n || c->topic_epoch != w->d.row.topic_epoch)
		return STEP_OVERTAKEN;
	if (is_complete(w, c))
	{
		c->decoded.nmessages = 0;
		return process(w, c);
	}
	return c->archive ? step_from_archive(w, c) : step_from_log(w, c);
}

static bool
is_complete(const Worker *w, const CatchUp *c)
{
	/* of an earlier topic epoch it lacks events that no position of this one tells of */
	if (c->row.suspended_epoch != c->topic_epoch)
		return false;
	for (int i = 0; i < w->positions.n; i++)
	{
		if (catch_up_is_missing(w, c, i))
			return false;
	}
	return true;
}

static StepResult
step_from_log(Worker *w, CatchUp *c)
{
	StepResult result;

	if (!catch_up_log_take(w, c))
		return c->archive ? STEP_DONE : STEP_WAIT;
	result = process(w, c);
	consumer_release(c->consumer);
	decoded_batch_clear(&c->decoded);
	if (result == STEP_AGAIN)
	{
		memset(c->reading, false, c->positions.n * sizeof(bool));
		return STEP_WAIT;
	}
	return result;
}

/* Process the messages taken, in a transaction. */
static StepResult
process(Worker *w, CatchUp *c)
{
	StepResult result = STEP_OVERTAKEN;

	if (begin_step(w, c))
	{
		fold_messages(w, c);
		result = store(w, c);
	}
	if (result == STEP_OVERTAKEN || result == STEP_AGAIN)
		abort_step(c);
	MemoryContextSwitchTo(w->context);
	return result;
}

/* Begin the transaction of a step. Returns false if the view is not as it was. */
static bool
begin_step(Worker *w, CatchUp *c)
{
	List *to_write = list_make3_oid(w->d.relid, w->d.row.archive, c->view->state_table);
	ViewRow now;
	bool current;

	worker_begin_transaction();
	locks_take(c->view->relations, list_concat(to_write, catalog_written_tables()));
	PushActiveSnapshot(GetTransactionSnapshot());
	current = is_current(c, &now);
	PopActiveSnapshot();
	return current;
}

static void
fold_messages(Worker *w, CatchUp *c)
{
	StreamCounts counts = {0};
	Guard guard;

	MemoryContextSwitchTo(TopTransactionContext);
	PushActiveSnapshot(GetTransactionSnapshot());
	user_code_begin(InvalidOid, 0);
	guard_enter(&guard, c->stream->owner, w->d.row.settings);
	decoded_batch_decode(&c->decoded, &c->positions, &c->dead_letters, &counts);
	guard_leave(&guard);
	(void) user_code_end();
	/* what the stream's other views contain, and does not decode any more, is a dead letter of this one */
	for (int i = 0; i < c->dead_letters.n; i++)
		c->dead_letters.items[i].view = c->row.view;
	fold_batch(c);
	PopActiveSnapshot();
	for (int i = 0; c->consumer != NULL && i < c->positions.n; i++)
	{
		if (c->seen[i] > c->positions.items[i].next_offset)
			c->positions.items[i].next_offset = c->seen[i];
	}
}

/* Raises what is not the fault of an event. */
static void
fold_batch(CatchUp *c)
{
	ViewRow now;

	if (c->compare && is_current(c, &now))
		flush_fold_compared(c->view, now.epoch, &c->decoded, c->taken, &c->dead_letters);
	else
		fold_query_run(c->view, &c->decoded, c->taken, &c->dead_letters);
	if (c->view->failure != NULL)
		ReThrowError(c->view->failure);
}

/* The end of a step, as of a flush: lock, compare, write. */
static StepResult
store(Worker *w, CatchUp *c)
{
	bool complete = c->archive || is_complete(w, c);
	FlushResult written;
	ViewRow now;

	switch (flush_lock(w->d.relid, w->d.row.generation))
	{
		case FLUSH_DONE:
			break;
		case FLUSH_STALE:
			return STEP_OVERTAKEN;
		default:
			return STEP_AGAIN;
	}
	positions_check(&w->positions, w->d.relid);
	if (!is_current(c, &now))
		return STEP_OVERTAKEN;
	written = flush_view(c->view, now.epoch);
	c->compare = written == FLUSH_RETRY;
	if (c->view->failure != NULL)
		ReThrowError(c->view->failure);
	if (written != FLUSH_DONE)
		return STEP_AGAIN;
	catalog_insert_dead_letters(w->d.relid, c->stream->topic, c->topic_epoch, c->dead_letters.items,
								c->dead_letters.n);
	if (complete)
	{
		catalog_resume_view(c->row.view);
		catalog_raise_generation(w->d.relid);
	}
	else
		catalog_advance_view(c->row.view, position_array(c), c->topic_epoch);
	CommitTransactionCommand();
	MemoryContextSwitchTo(c->context);
	positions_stored(&c->positions);
	c->row.suspended_at = position_array(c);
	c->row.suspended_epoch = c->topic_epoch;
	worker_view_stored(c->view);
	dead_letters_clear(&c->dead_letters);
	if (complete)
		ereport(LOG, (errmsg("hybrid view \"%s\" is active again", c->name)));
	return complete ? STEP_RESUMED : STEP_DONE;
}

/* Read the view's row. Returns false if it is not suspended at the positions that we know. */
static bool
is_current(const CatchUp *c, ViewRow *now)
{
	return catalog_view(c->row.view, now) && now->suspended &&
		   now->suspended_epoch == c->row.suspended_epoch &&
		   datumIsEqual(PointerGetDatum(now->suspended_at), PointerGetDatum(c->row.suspended_at), false, -1);
}

/* The view's positions as they are stored; in the current context. */
static ArrayType *
position_array(const CatchUp *c)
{
	int n = c->positions.n;
	Datum *elems = palloc((n + 1) * sizeof(Datum));
	bool *nulls = palloc((n + 1) * sizeof(bool));
	int lbs[1] = {1};

	for (int i = 0; i < n; i++)
	{
		elems[i] = Int64GetDatum(c->positions.items[i].next_offset);
		nulls[i] = c->positions.items[i].next_offset < 0;
	}
	return construct_md_array(elems, nulls, 1, &n, lbs, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* The messages, if there are any, remain at hand. */
static void
abort_step(CatchUp *c)
{
	AbortCurrentTransaction();
	MemoryContextSwitchTo(c->context);
	positions_rewind(&c->positions);
	worker_view_dropped(c->view);
	dead_letters_clear(&c->dead_letters);
	MemoryContextReset(c->decoded.context);
	c->decoded.batch.nrows = 0;
	c->view->compared_epoch = 0;
}

/* All missing events at once, since the archive is scanned for them. */
static StepResult
step_from_archive(Worker *w, CatchUp *c)
{
	StepResult result = STEP_OVERTAKEN;

	if (!OidIsValid(w->d.row.archive))
		catch_up_log_gone();
	if (begin_step(w, c))
		result = fold_archive(w, c) ? store(w, c) : STEP_AGAIN;
	if (result == STEP_OVERTAKEN || result == STEP_AGAIN)
		abort_step(c);
	MemoryContextSwitchTo(w->context);
	/* not to be scanned again at once */
	if (result == STEP_AGAIN && !c->compare)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not lock stream \"%s\" for hybrid view \"%s\"", c->stream->name, c->name)));
	return result;
}

/* Returns false if states did not combine with stored ones. */
static bool
fold_archive(Worker *w, CatchUp *c)
{
	ArchiveSlice slice = {.from = c->row.suspended_at,
						  .to = stored_array(w),
						  .from_epoch = c->row.suspended_epoch,
						  .to_epoch = c->topic_epoch};
	ArchiveReader *reader;
	bool clean = true;

	MemoryContextSwitchTo(TopTransactionContext);
	PushActiveSnapshot(GetTransactionSnapshot());
	reader = archive_reader_open(c->stream, w->d.row.archive, c->view->owner, &slice);
	while (clean && archive_reader_next(reader, &c->decoded))
	{
		fold_batch(c);
		catalog_insert_dead_letters(w->d.relid, c->stream->topic, c->decoded.batch.topic_epoch,
									c->dead_letters.items, c->dead_letters.n);
		dead_letters_clear(&c->dead_letters);
		if (fold_memory(c->view->fold) > (Size) setting_work_mem_kb * 1024)
			clean = store_part(w, c);
	}
	archive_reader_close(reader);
	PopActiveSnapshot();
	for (int i = 0; i < w->positions.n; i++)
	{
		if (catch_up_is_missing(w, c, i))
			c->positions.items[i].next_offset = w->positions.items[i].stored_offset;
	}
	return clean;
}

/* Write what has been folded, to make room; the stream's row stays locked. Returns false as flush_view() does. */
static bool
store_part(Worker *w, CatchUp *c)
{
	ViewRow now;
	bool stored;

	if (flush_lock(w->d.relid, w->d.row.generation) != FLUSH_DONE || !is_current(c, &now))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("hybrid view \"%s\" or its stream has been changed by another process", c->name)));
	stored = flush_view(c->view, now.epoch) == FLUSH_DONE;
	if (c->view->failure != NULL)
		ReThrowError(c->view->failure);
	c->compare |= !stored;
	worker_view_dropped(c->view);
	return stored;
}

static ArrayType *
stored_array(const Worker *w)
{
	int n = w->positions.n;
	Datum *elems = palloc((n + 1) * sizeof(Datum));
	bool *nulls = palloc((n + 1) * sizeof(bool));
	int lbs[1] = {1};

	for (int i = 0; i < n; i++)
	{
		elems[i] = Int64GetDatum(w->positions.items[i].stored_offset);
		nulls[i] = !w->positions.items[i].stored;
	}
	return construct_md_array(elems, nulls, 1, &n, lbs, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* Forget the view; its consumer is closed with the context. */
static void
leave(CatchUp *c)
{
	if (c->view != NULL)
		worker_view_close(c->view);
	c->view = NULL;
	c->consumer = NULL;
	c->archive = c->compare = false;
	MemoryContextReset(c->context);
}

/* Show why, and try again later. */
static void
give_up(Worker *w, CatchUp *c, const ErrorData *error)
{
	Attempt *attempt = attempt_for(c, c->row.view);
	int delay = Min(1 << Min(attempt->failures + 1, 5), LONGEST_DELAY_S);

	attempt->failures++;
	attempt->next = clock_now() + delay * USECS_PER_SEC;
	leave(c);
	worker_begin_transaction();
	catalog_set_view_error(c->row.view, error->sqlerrcode, error->message);
	CommitTransactionCommand();
	MemoryContextSwitchTo(w->context);
}
