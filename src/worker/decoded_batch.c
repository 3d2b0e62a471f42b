/*
 * decoded_batch.c
 *		Decoding messages into a micro-batch of rows (see decoded_batch.h).
 *
 * In careful mode one subtransaction covers the whole micro-batch as long as every message can be decoded. If
 * one raises an error, the subtransaction is rolled back, the message becomes a dead letter, and a new
 * subtransaction continues after it. The rows decoded before are kept: they are in our own memory context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/subtransaction.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/decoded_batch.h"

typedef struct DecodeJob
{
	DecodedBatch *decoded;
	Positions *positions;
	DeadLetters *dead_letters;
	StreamCounts *counts;
	TimestampTz now;
} DecodeJob;

static bool has_object_names(const Stream *stream);
static void decode_all(DecodeJob *job);
static void decode_message(void *arg, int m);
static void decode_one(DecodedBatch *decoded, int m, Positions *positions, TimestampTz now);
static TimestampTz event_time(const DecodedBatch *decoded, const Datum *values, const bool *nulls,
							  TimestampTz now);
static void reject_message(void *arg, int m, ErrorData *error);

void
decoded_batch_init(DecodedBatch *decoded, const Stream *stream, const Bitmapset *columns)
{
	int natts = stream->desc->natts;

	memset(decoded, 0, sizeof(*decoded));
	decoded->stream = stream;
	decoded->decoder = decoder_create(&stream->layout, columns);
	decoded->names_objects = has_object_names(stream);
	decoded->context = AllocSetContextCreate(CurrentMemoryContext, "streambatch rows", 64 * 1024, 1024 * 1024,
											 ALLOCSET_DEFAULT_MAXSIZE);
	decoded->messages = palloc(DECODED_BATCH_MAX * sizeof(Message));
	decoded->message_of = palloc(DECODED_BATCH_MAX * sizeof(int));
	decoded->batch.natts = natts;
	decoded->batch.partitions = palloc(DECODED_BATCH_MAX * sizeof(int32));
	decoded->batch.offsets = palloc(DECODED_BATCH_MAX * sizeof(int64));
	decoded->batch.values = palloc((Size) DECODED_BATCH_MAX * natts * sizeof(Datum));
	decoded->batch.nulls = palloc((Size) DECODED_BATCH_MAX * natts * sizeof(bool));
}

void
decoded_batch_clear(DecodedBatch *decoded)
{
	MemoryContextReset(decoded->context);
	decoded->batch.nrows = 0;
	decoded->nmessages = 0;
}

void
decoded_batch_decode(DecodedBatch *decoded, Positions *positions, DeadLetters *dead_letters,
					 StreamCounts *counts)
{
	static const SubtransactionItems messages = {decode_message, reject_message};
	DecodeJob job = {decoded, positions, dead_letters, counts, GetCurrentTimestamp()};

	if (decoded->careful)
		subtransaction_run_items(&messages, decoded->nmessages, &job, decoded->context);
	else
		decode_all(&job);
	positions_note_last(positions, decoded->messages, decoded->nmessages);
}

void
decoded_batch_remove(DecodedBatch *decoded, const bool *removed)
{
	MicroBatch *batch = &decoded->batch;
	int to = 0;

	for (int from = 0; from < batch->nrows; from++)
	{
		if (removed[from])
			continue;
		if (to != from)
		{
			batch->partitions[to] = batch->partitions[from];
			batch->offsets[to] = batch->offsets[from];
			decoded->message_of[to] = decoded->message_of[from];
			memcpy(batch->values + (Size) to * batch->natts, batch->values + (Size) from * batch->natts,
				   batch->natts * sizeof(Datum));
			memcpy(batch->nulls + (Size) to * batch->natts, batch->nulls + (Size) from * batch->natts,
				   batch->natts * sizeof(bool));
		}
		to++;
	}
	batch->nrows = to;
}

/* Whether a column holds names of database objects: no other input function fails because there is none. */
static bool
has_object_names(const Stream *stream)
{
	static const Oid types[] = {REGCLASSOID,  REGTYPEOID,		REGPROCOID,		REGPROCEDUREOID,
								REGOPEROID,	  REGOPERATOROID,	REGROLEOID,		REGNAMESPACEOID,
								REGCONFIGOID, REGDICTIONARYOID, REGCOLLATIONOID};

	for (int i = 0; i < stream->layout.ncolumns; i++)
	{
		const MessageColumn *column = &stream->layout.columns[i];

		for (int t = 0; t < lengthof(types) && !column->dropped; t++)
		{
			if (getBaseType(column->type) == types[t])
				return true;
		}
	}
	return false;
}

static void
decode_all(DecodeJob *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->decoded->context);

	for (int m = 0; m < job->decoded->nmessages; m++)
		decode_message(job, m);
	MemoryContextSwitchTo(old);
}

static void
decode_message(void *arg, int m)
{
	DecodeJob *job = arg;
	const Message *message = &job->decoded->messages[m];

	positions_took(job->positions, message);
	job->counts->received++;
	if (message->broken != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED), errmsg("could not read message: %s", message->broken)));
	else if (message->payload == NULL)
		job->counts->skipped++;
	else
		decode_one(job->decoded, m, job->positions, job->now);
}

static void
decode_one(DecodedBatch *decoded, int m, Positions *positions, TimestampTz now)
{
	const Message *message = &decoded->messages[m];
	MicroBatch *batch = &decoded->batch;
	int row = batch->nrows;
	Datum *values = batch->values + (Size) row * batch->natts;
	bool *nulls = batch->nulls + (Size) row * batch->natts;

	decoder_decode(decoded->decoder, message, values, nulls);
	if (decoded->stream->event_time != 0)
		positions_event_time(positions, message->partition, event_time(decoded, values, nulls, now));
	batch->partitions[row] = message->partition;
	batch->offsets[row] = message->offset;
	decoded->message_of[row] = m;
	batch->nrows++;
}

/* The event time of a decoded row. Raises an error if it is null, infinite, or beyond max_future. */
static TimestampTz
event_time(const DecodedBatch *decoded, const Datum *values, const bool *nulls, TimestampTz now)
{
	const Stream *stream = decoded->stream;
	int i = stream->event_time - 1;
	const char *name = stream->layout.columns[i].name;
	TimestampTz time;

	if (nulls[i])
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("event time \"%s\" is null", name)));
	if (stream->layout.columns[i].type == DATEOID)
		time = date2timestamp_opt_overflow(DatumGetDateADT(values[i]), NULL);
	else
		time = DatumGetTimestampTz(values[i]);
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("event time \"%s\" is infinite", name)));
	if (time > now && time - now > stream->max_future)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("event time \"%s\" is further in the future than max_future allows", name)));
	return time;
}

static void
reject_message(void *arg, int m, ErrorData *error)
{
	DecodeJob *job = arg;

	/* what is broken in the log stays so */
	if (job->decoded->messages[m].broken == NULL &&
		!dead_letters_is_decoding_error(error->sqlerrcode, job->decoded->names_objects))
		ReThrowError(error);
	dead_letters_add(job->dead_letters, &job->decoded->messages[m], InvalidOid, error);
	job->counts->dead++;
}
