/*
 * retry_dead_letters.c
 *		streambatch.retry_dead_letters() and discard_dead_letters().
 *
 * A retry processes messages as the worker does, with the worker's own code, in the caller's transaction: a dead
 * letter of the stream is decoded, archived and folded into each view; one of a view is folded into that view. The
 * states become stream rows of each view's current epoch, written with the stream's row locked, and the dead
 * letter is deleted in the same transaction. So a reader sees the event in all places or in none, exactly once.
 * Positions do not move. What fails again remains a dead letter, with its new error.
 *
 * The event lies below the positions, and so below the cut of a refresh that is running, or of a view's history
 * that is being computed: a chunk that reads the archive later would count it a second time. So those hold a lock
 * on the stream's past (common/locks.h) in share mode, and a retry, in exclusive mode, is refused meanwhile.
 *
 * For example, with view v at epoch 3 and a batch row with 5 events:
 *
 *		retry of one event		batch row: 5; stream row of epoch 3: 1; no dead letter		a reader sees 6
 *		refresh: cut, chunk		batch row: 6, computed from the archive with the event		6
 *
 * Positions are of the current topic epoch; dead letters of earlier ones can only be discarded.
 *
 * An event of a view is read from the archive, where it may have been corrected; without an archive its message is
 * decoded again. While a view is suspended it could not get the event, and nothing is retried that it should get.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/catalog_dead_letter.h"
#include "common/catalog_ddl.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/guard.h"
#include "common/locks.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "query/view_relations.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/archive_reader.h"
#include "worker/archive_writer.h"
#include "worker/flush.h"
#include "worker/fold_query.h"

typedef struct Retry
{
	DeadLetterFilter filter;
	bytea *payload; /* what the only message should have been; NULL: as it is */
	Stream *stream;
	StreamRow row;
	List *views; /* of WorkerView *: those that get the events */
	DeadLetter *letters;
	int nletters;
	bool *gone; /* of each: it is a dead letter no longer */
	DecodedBatch decoded;
	Positions positions; /* what decoding needs; they are not stored */
	DeadLetters failed;
	StreamCounts counts;
	bool locked; /* the stream's row */
} Retry;

static void read_filter(FunctionCallInfo fcinfo, DeadLetterFilter *filter);
static void check_payload(const Retry *retry);
static void open_stream(Retry *retry);
static List *wanted_views(const Retry *retry);
static void lock_tables(const Retry *retry, const List *rows);
static void open_views(Retry *retry, const List *rows);
static void read_letters(Retry *retry);
static bool is_whole(const bytea *payload);
static void process_messages(Retry *retry);
static void process_archived(Retry *retry);
static void set_message(const Retry *retry, int letter);
static void archive(Retry *retry);
static void fold(Retry *retry, char *taken);
static void store(Retry *retry);
static void lock_stream(Retry *retry);
static void raise_changed(const Retry *retry);
static int find_letter(const Retry *retry, int32 partition, int64 offset);
static int compare_position(const void *key, const void *letter);
static int64 finish(Retry *retry);
static void raise_failure(const DeadLetter *failed);

STREAMBATCH_FUNCTION(streambatch_retry_dead_letters);
STREAMBATCH_FUNCTION(streambatch_discard_dead_letters);

Datum
streambatch_retry_dead_letters(PG_FUNCTION_ARGS)
{
	Retry retry = {0};

	read_filter(fcinfo, &retry.filter);
	retry.payload = PG_ARGISNULL(3) ? NULL : PG_GETARG_BYTEA_P(3);
	if (!locks_take_past(retry.filter.stream, true, false))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg(
				 "cannot retry dead letters of stream \"%s\" while a hybrid view of it is refreshed or created",
				 get_rel_name(retry.filter.stream)),
			 errhint(
				 "Try again later. streambatch.stat_progress_refresh shows the refreshes that are running.")));
	open_stream(&retry);
	check_payload(&retry);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (retry.nletters == 0)
		;
	else if (OidIsValid(retry.filter.view) && OidIsValid(retry.row.archive))
		process_archived(&retry);
	else
		process_messages(&retry);
	PopActiveSnapshot();
	PG_RETURN_INT64(retry.nletters == 0 ? 0 : finish(&retry));
}

Datum
streambatch_discard_dead_letters(PG_FUNCTION_ARGS)
{
	DeadLetterFilter filter = {0};

	read_filter(fcinfo, &filter);
	PG_RETURN_INT64(catalog_discard_dead_letters(&filter));
}

/* What the first three arguments say; checks that the user owns the relation. */
static void
read_filter(FunctionCallInfo fcinfo, DeadLetterFilter *filter)
{
	Oid relid;
	ViewRow view;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("relation must not be null")));
	relid = PG_GETARG_OID(0);
	filter->stream = relid;
	if (get_rel_name(relid) == NULL || !stream_is_stream(relid))
	{
		catalog_require_view(relid, &view);
		filter->view = relid;
		filter->stream = view.stream;
	}
	if (!compat_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)), get_rel_name(relid));
	filter->has_partition = !PG_ARGISNULL(1);
	filter->has_offset = !PG_ARGISNULL(2);
	filter->partition = filter->has_partition ? PG_GETARG_INT32(1) : 0;
	filter->offset = filter->has_offset ? PG_GETARG_INT64(2) : 0;
}

static void
check_payload(const Retry *retry)
{
	if (retry->payload == NULL)
		return;
	if (!retry->filter.has_partition || !retry->filter.has_offset)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a payload can only be given for a single dead letter"),
						errhint("Specify kafka_partition and kafka_offset.")));
	if (OidIsValid(retry->filter.view) && OidIsValid(retry->row.archive))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a payload cannot be given for an event that is archived"),
						errhint("Correct the event's row of the archive, and retry without a payload.")));
	if (retry->nletters == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no such dead letter")));
}

/* Everything that a retry works with, locked. */
static void
open_stream(Retry *retry)
{
	List *rows;

	if (!catalog_stream(retry->filter.stream, &retry->row))
		return;
	rows = wanted_views(retry);
	lock_tables(retry, rows);
	retry->stream = stream_open(retry->filter.stream);
	read_letters(retry);
	if (retry->nletters == 0)
		return;
	open_views(retry, rows);
	decoded_batch_init(&retry->decoded, retry->stream, NULL);
	retry->decoded.careful = true;
	retry->decoded.batch.topic_epoch = retry->row.topic_epoch;
	dead_letters_init(&retry->failed, CurrentMemoryContext);
	positions_grow(&retry->positions, retry->letters[retry->nletters - 1].partition + 1);
}

/* The views that get the events, of ViewRow *. */
static List *
wanted_views(const Retry *retry)
{
	List *all = catalog_views_of(retry->filter.stream);
	List *result = NIL;
	ListCell *lc;

	foreach (lc, all)
	{
		const ViewRow *row = lfirst(lc);

		if (!OidIsValid(retry->filter.view) || row->view == retry->filter.view)
			result = lappend(result, lfirst(lc));
	}
	return result;
}

static void
lock_tables(const Retry *retry, const List *rows)
{
	List *to_read = NIL;
	List *to_write = list_make2_oid(retry->filter.stream, retry->row.archive);
	ListCell *lc;

	foreach (lc, rows)
		to_read = list_concat(to_read, view_relations_read(((ViewRow *) lfirst(lc))->id));
	locks_take(to_read, list_concat(to_write, catalog_written_tables()));
}

static void
open_views(Retry *retry, const List *rows)
{
	Guard guard;
	ListCell *lc;

	guard_enter(&guard, InvalidOid, retry->row.settings);
	foreach (lc, rows)
	{
		const ViewRow *row = lfirst(lc);
		WorkerView *view;

		if (row->suspended)
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot retry dead letters while hybrid view \"%s\" is suspended",
						get_rel_name(row->view)),
				 errhint("Try again when it is active, or drop it. streambatch.stat_view shows its error.")));
		view = worker_view_open(row);
		if (view == NULL)
			continue;
		retry->views = lappend(retry->views, view);
	}
	guard_leave(&guard);
}

static void
read_letters(Retry *retry)
{
	DeadLetter *letters = catalog_lock_dead_letters(&retry->filter, &retry->nletters);
	int n = 0;

	/* without a payload, or with the beginning of one, there is nothing to decode */
	for (int i = 0; i < retry->nletters; i++)
	{
		if (is_whole(letters[i].payload) || retry->payload != NULL ||
			(OidIsValid(retry->filter.view) && OidIsValid(retry->row.archive)))
			letters[n++] = letters[i];
	}
	retry->letters = letters;
	retry->nletters = n;
	retry->gone = palloc0((n + 1) * sizeof(bool));
}

/* What is longer than a dead letter stores was cut. */
static bool
is_whole(const bytea *payload)
{
	return payload != NULL && VARSIZE(payload) - VARHDRSZ < DEAD_LETTER_MAX_BYTES;
}

/* Messages as they were, or as the payload says they should have been. */
static void
process_messages(Retry *retry)
{
	char *taken = palloc(DECODED_BATCH_MAX);
	Guard guard;

	for (int start = 0; start < retry->nletters; start += DECODED_BATCH_MAX)
	{
		int n = Min(DECODED_BATCH_MAX, retry->nletters - start);

		CHECK_FOR_INTERRUPTS();
		decoded_batch_clear(&retry->decoded);
		for (int i = 0; i < n; i++)
			set_message(retry, start + i);
		retry->decoded.nmessages = n;
		guard_enter(&guard, retry->stream->owner, retry->row.settings);
		decoded_batch_decode(&retry->decoded, &retry->positions, &retry->failed, &retry->counts);
		if (OidIsValid(retry->row.archive))
			archive(retry);
		guard_leave(&guard);
		fold(retry, taken);
		store(retry);
	}
}

/* Events of a view, as they are in the archive now; those that are not there remain dead letters. */
static void
process_archived(Retry *retry)
{
	ArchiveSlice slice = {.listed = true, .to_epoch = retry->row.topic_epoch};
	Datum *partitions = palloc(retry->nletters * sizeof(Datum));
	Datum *offsets = palloc(retry->nletters * sizeof(Datum));
	WorkerView *view = retry->views != NIL ? linitial(retry->views) : NULL;
	char *taken = palloc(DECODED_BATCH_MAX);
	ArchiveReader *reader;

	if (view == NULL)
		return;
	for (int i = 0; i < retry->nletters; i++)
	{
		partitions[i] = Int32GetDatum(retry->letters[i].partition);
		offsets[i] = Int64GetDatum(retry->letters[i].offset);
	}
	slice.partitions =
		PointerGetDatum(construct_array(partitions, retry->nletters, INT4OID, 4, true, TYPALIGN_INT));
	slice.offsets = PointerGetDatum(
		construct_array(offsets, retry->nletters, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	reader = archive_reader_open(retry->stream, retry->row.archive, view->owner, &slice);
	while (archive_reader_next(reader, &retry->decoded))
	{
		CHECK_FOR_INTERRUPTS();
		fold(retry, taken);
		store(retry);
	}
	archive_reader_close(reader);
}

static void
set_message(const Retry *retry, int letter)
{
	const DeadLetter *from = &retry->letters[letter];
	bytea *payload = retry->payload != NULL ? retry->payload : from->payload;
	Message *message = &retry->decoded.messages[letter % DECODED_BATCH_MAX];

	memset(message, 0, sizeof(*message));
	message->partition = from->partition;
	message->offset = from->offset;
	message->has_timestamp = from->has_timestamp;
	message->timestamp = from->timestamp;
	message->payload = VARDATA(payload);
	message->payload_len = VARSIZE(payload) - VARHDRSZ;
	message->headers = from->headers;
	if (from->key != NULL)
	{
		message->key = VARDATA(from->key);
		message->key_len = VARSIZE(from->key) - VARHDRSZ;
	}
}

static void
archive(Retry *retry)
{
	ArchiveWriter *writer;

	/* an event of a view is in there already */
	Assert(!OidIsValid(retry->filter.view));
	writer = archive_writer_open(retry->stream, retry->row.archive, retry->row.topic_epoch);
	archive_writer_write(writer, &retry->decoded, &retry->failed, &retry->counts);
	archive_writer_close(writer);
}

/* Run each view's query over the rows, compared with what is stored. */
static void
fold(Retry *retry, char *taken)
{
	ListCell *lc;

	memset(taken, ROW_FILTERED, DECODED_BATCH_MAX);
	foreach (lc, retry->views)
	{
		WorkerView *view = lfirst(lc);
		ViewRow now;

		if (!catalog_view(view->row.view, &now) || now.suspended)
			raise_changed(retry);
		flush_fold_compared(view, now.epoch, &retry->decoded, taken, &retry->failed);
		if (view->failure != NULL)
			ReThrowError(view->failure);
	}
	fold_query_count(taken, retry->decoded.batch.nrows, &retry->counts);
	for (int row = 0; row < retry->decoded.batch.nrows; row++)
	{
		int letter =
			find_letter(retry, retry->decoded.batch.partitions[row], retry->decoded.batch.offsets[row]);

		if (letter >= 0)
			retry->gone[letter] = true;
	}
}

/* Write what was folded, as a flush does. */
static void
store(Retry *retry)
{
	ListCell *lc;

	lock_stream(retry);
	foreach (lc, retry->views)
	{
		WorkerView *view = lfirst(lc);
		ViewRow now;

		if (!catalog_view(view->row.view, &now) || now.suspended || flush_view(view, now.epoch) != FLUSH_DONE)
			raise_changed(retry);
		worker_view_stored(view);
	}
}

static void
lock_stream(Retry *retry)
{
	StreamRow now;

	if (!retry->locked &&
		(!catalog_lock_stream(retry->filter.stream, &now) || now.generation != retry->row.generation))
		raise_changed(retry);
	retry->locked = true;
}

static void
raise_changed(const Retry *retry)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("the hybrid views of stream \"%s\" have changed during the retry", retry->stream->name),
			 errhint("Try again.")));
}

/* Index of the dead letter at a position; -1: there is none. */
static int
find_letter(const Retry *retry, int32 partition, int64 offset)
{
	const DeadLetter key = {.partition = partition, .offset = offset};
	const DeadLetter *found =
		bsearch(&key, retry->letters, retry->nletters, sizeof(DeadLetter), compare_position);

	return found != NULL ? (int) (found - retry->letters) : -1;
}

static int
compare_position(const void *a, const void *b)
{
	const DeadLetter *x = a;
	const DeadLetter *y = b;

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Note what has failed again, and delete the others. Returns the number of those. */
static int64
finish(Retry *retry)
{
	int64 done = 0;

	for (int i = 0; i < retry->failed.n; i++)
	{
		const DeadLetter *failed = &retry->failed.items[i];

		if (failed->view == retry->filter.view)
		{
			int letter = find_letter(retry, failed->partition, failed->offset);

			if (retry->payload != NULL)
				raise_failure(failed);
			retry->gone[letter] = false;
			catalog_replace_error(&retry->filter, failed);
		}
		/* of a view, which others may contain */
		else
			catalog_insert_dead_letters(retry->filter.stream, retry->stream->topic, retry->row.topic_epoch,
										failed, 1);
	}
	for (int i = 0; i < retry->nletters; i++)
	{
		if (!retry->gone[i])
			continue;
		done++;
		catalog_delete_dead_letter(&retry->filter, &retry->letters[i]);
	}
	/* the worker must learn that there are groups in the state tables that it has not written */
	if (done > 0)
		catalog_raise_generation(retry->filter.stream);
	if (!OidIsValid(retry->filter.view))
		catalog_retried(retry->filter.stream, done, &retry->counts);
	if (done < retry->nletters)
		ereport(NOTICE, (errmsg_plural("%d dead letter has failed again", "%d dead letters have failed again",
									   retry->nletters - (int) done, retry->nletters - (int) done)));
	return done;
}

/* A payload that the user has given, and that does not do. */
static void
raise_failure(const DeadLetter *failed)
{
	ereport(ERROR, (errcode(failed->sqlerrcode), errmsg("%s", failed->message),
					failed->detail != NULL ? errdetail("%s", failed->detail) : 0,
					errcontext("retrying the message at partition %d, offset %lld", failed->partition,
							   (long long) failed->offset)));
}
