/*
 * log_scan.c
 *		One scan of a stream's log, for SELECT.
 *
 * The scan has a fixed end: the last stable offset of each partition when it begins, limited by the range of the
 * query. It is complete when the position of every partition has reached its end. The position is used instead of
 * the last message, because a log may end in control records.
 *
 * Messages are taken in blocks of increasing size, so that a query with LIMIT decodes few of them. A block is
 * decoded in a subtransaction; if a message fails, it is rolled back and decoding continues in a new one. Rows
 * decoded before the failure remain valid: they are Datums in our own context. Subtransactions cannot be started
 * in parallel mode: there a message that cannot be decoded is an error.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/clock.h"
#include "common/compat.h"
#include "common/subtransaction.h"
#include "executor/tuptable.h"
#include "kafka/consumer.h"
#include "message/decode.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "stream/log_scan.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define FIRST_BLOCK 64
#define LAST_BLOCK 1024
#define RESPONSE_TIMEOUT_MS 5000 /* for a response of the broker, and for messages while it is unreachable */
#define MESSAGE_TIMEOUT_MS 60000 /* for messages while there is no error */

struct LogScan
{
	const Stream *stream;
	const LogSlice *slice; /* NULL: none */
	Consumer *consumer;
	Decoder *decoder;
	MemoryContext block_context; /* decoded Datums of the block */
	int npartitions;			 /* length of ends */
	int64 *ends;				 /* by partition: the first offset not to read; 0 for none */
	int32 *reading;				 /* partitions that have not reached their end */
	int nreading;
	Message *messages;
	int nmessages;
	int decoding;  /* the current message, for the error context */
	int block;	   /* how many to take next */
	Datum *values; /* row-major */
	bool *nulls;
	int nrows;
	int next;
	int64 taken;
	int64 undecodable;
	int32 first_partition; /* of the first message skipped */
	int64 first_offset;
	char *first_message;
	int64 progress; /* when the last message arrived, by clock.h */
};

static void plan_pass(LogScan *scan, const LogRange *range);
static int64 slice_end(const LogScan *scan, int32 partition, int64 start, int64 end);
static int64 slice_start(const LogScan *scan, int32 partition, int64 start);
static void query_offsets(LogScan *scan, const int32 *partitions, int64 *offsets, int n, int64 query);
pg_noreturn static void raise_consumer_error(LogScan *scan);
static bool read_block(LogScan *scan);
static void drop_finished(LogScan *scan);
static void wait_for_messages(LogScan *scan);
static void decode_block(LogScan *scan);
static void decode_all(LogScan *scan);
static void add_position(void *arg);
static void decode_message(void *arg, int i);
static void skip_message(void *arg, int i, ErrorData *error);
static void note_undecodable(LogScan *scan, const Message *message, const char *reason);

LogScan *
log_scan_begin(const Stream *stream, Oid role, const Bitmapset *attnums, const LogRange *range,
			   const LogSlice *slice)
{
	LogScan *scan = palloc0(sizeof(LogScan));
	int natts = Max(1, stream->desc->natts);

	scan->stream = stream;
	scan->slice = slice;
	if (range->empty)
		return scan;
	scan->block_context =
		AllocSetContextCreate(CurrentMemoryContext, "stream scan block", ALLOCSET_DEFAULT_SIZES);
	scan->decoder = decoder_create(&stream->layout, attnums);
	scan->messages = palloc(LAST_BLOCK * sizeof(Message));
	scan->values = palloc(LAST_BLOCK * natts * sizeof(Datum));
	scan->nulls = palloc(LAST_BLOCK * natts * sizeof(bool));
	scan->block = FIRST_BLOCK;
	scan->consumer =
		consumer_open(stream->serverid, stream->topic, role, slice != NULL ? CONSUMER_REPLAY : CONSUMER_SCAN);
	plan_pass(scan, range);
	scan->progress = clock_now();
	return scan;
}

bool
log_scan_next(LogScan *scan, TupleTableSlot *slot)
{
	int natts = scan->stream->desc->natts;
	int row;

	while (scan->next >= scan->nrows)
	{
		if (!read_block(scan))
			return false;
	}
	row = scan->next++;
	memcpy(slot->tts_values, scan->values + (size_t) row * natts, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, scan->nulls + (size_t) row * natts, natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	return true;
}

void
log_scan_end(LogScan *scan)
{
	if (scan->consumer != NULL)
		consumer_close(scan->consumer);
	scan->consumer = NULL;
	scan->nreading = 0;
	if (scan->undecodable > 0)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg_plural(
					 "%lld message of stream \"%s\" was skipped because it could not be decoded",
					 "%lld messages of stream \"%s\" were skipped because they could not be decoded",
					 (unsigned long) scan->undecodable, (long long) scan->undecodable, scan->stream->name),
				 errdetail("The first one is at partition %d, offset " INT64_FORMAT ": %s.",
						   scan->first_partition, scan->first_offset, scan->first_message),
				 errhint("Use a stream with format 'raw' to read messages that cannot be decoded.")));
	scan->undecodable = 0;
}

void
log_scan_counts(const LogScan *scan, int64 *messages, int64 *undecodable)
{
	*messages = scan->taken;
	*undecodable = scan->undecodable;
}

/* Request the offsets, limit them to the range, and assign the partitions to read. */
static void
plan_pass(LogScan *scan, const LogRange *range)
{
	int count = consumer_partition_count(scan->consumer, RESPONSE_TIMEOUT_MS);
	PartitionPosition *positions;
	int64 *lows;
	int64 *highs;
	int64 *times;
	int n = 0;

	if (count <= 0)
		raise_consumer_error(scan);
	/* a slice has what was read, also of partitions that are not read any more */
	if (scan->slice == NULL)
		stream_check_partitions(scan->stream, count);
	scan->npartitions = count;
	scan->ends = palloc0(count * sizeof(int64));
	scan->reading = palloc(count * sizeof(int32));
	for (int p = 0; p < count; p++)
	{
		if ((scan->slice != NULL || partition_set_has(scan->stream->partitions, p)) &&
			log_range_has_partition(range, p))
			scan->reading[n++] = p;
	}
	positions = palloc(Max(1, n) * sizeof(PartitionPosition));
	lows = palloc(Max(1, n) * sizeof(int64));
	highs = palloc(Max(1, n) * sizeof(int64));
	times = palloc(Max(1, n) * sizeof(int64));
	query_offsets(scan, scan->reading, highs, n, CONSUMER_END);
	query_offsets(scan, scan->reading, lows, n, CONSUMER_BEGINNING);
	if (range->has_time)
		query_offsets(scan, scan->reading, times, n, consumer_time_query(range->time_low));
	for (int i = 0; i < n; i++)
	{
		int32 p = scan->reading[i];
		int64 start = Max(lows[i], range->offset_low);
		int64 end = range->offset_high == PG_INT64_MAX ? highs[i] : Min(highs[i], range->offset_high + 1);

		if (scan->slice != NULL)
		{
			end = slice_end(scan, p, start, end);
			start = slice_start(scan, p, start);
		}
		/* no message at or after time_low: nothing to read */
		if (range->has_time)
			start = times[i] < 0 ? end : Max(start, times[i]);
		if (start >= end)
			continue;
		scan->ends[p] = end;
		positions[scan->nreading].partition = p;
		positions[scan->nreading].offset = start;
		scan->reading[scan->nreading++] = p;
	}
	consumer_assign(scan->consumer, positions, scan->nreading);
}

/* Where a partition of a slice ends, which the log must hold. */
static int64
slice_end(const LogScan *scan, int32 partition, int64 start, int64 end)
{
	int64 wanted = partition < scan->slice->n ? scan->slice->ends[partition] : -1;

	if (wanted < 0)
		return start;
	if (start > scan->slice->starts[partition] && !scan->slice->incomplete)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the log of topic \"%s\" no longer holds all events", scan->stream->topic),
						errdetail("Partition %d begins at offset " INT64_FORMAT ".", partition, start),
						errhint("Compute from the archive, or with force => true from what the log holds.")));
	/* control records may be all that was between them, and transactions that were aborted */
	if (wanted > end)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the log of topic \"%s\" ends before events that were read", scan->stream->topic),
			 errdetail("Partition %d ends at offset " INT64_FORMAT ", but was read up to " INT64_FORMAT ".",
					   partition, end, wanted),
			 errhint("If the topic was recreated or truncated, use SELECT streambatch.reset('%s').",
					 scan->stream->name)));
	return wanted;
}

/* Where it begins: not before the stream did. */
static int64
slice_start(const LogScan *scan, int32 partition, int64 start)
{
	return partition < scan->slice->n ? Max(start, scan->slice->starts[partition]) : start;
}

static void
query_offsets(LogScan *scan, const int32 *partitions, int64 *offsets, int n, int64 query)
{
	for (int i = 0; i < n; i++)
		offsets[i] = query;
	if (n > 0 && !consumer_query_offsets(scan->consumer, partitions, offsets, n, RESPONSE_TIMEOUT_MS))
		raise_consumer_error(scan);
}

static void
raise_consumer_error(LogScan *scan)
{
	const ConsumerState *state = consumer_state(scan->consumer);
	const char *topic = scan->stream->topic;

	switch (state->error)
	{
		case CONSUMER_UNKNOWN_TOPIC:
			ereport(
				ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("topic \"%s\" of stream \"%s\" does not exist", topic, scan->stream->name),
				 errdetail("librdkafka: %s", state->message),
				 errhint(
					 "Create the topic, or set another one with ALTER FOREIGN TABLE … OPTIONS (SET topic '…').")));
			break;
		case CONSUMER_TOO_LARGE:
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("could not read topic \"%s\": a batch of messages is too large", topic),
							errdetail("librdkafka: %s", state->message), errhint(CONSUMER_TOO_LARGE_HINT)));
			break;
		case CONSUMER_AUTH:
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("could not read topic \"%s\": authentication or authorization failed", topic),
				 errdetail("librdkafka: %s", state->message),
				 errhint(
					 "Check the security options of the foreign server, the user mapping (ALTER USER MAPPING … OPTIONS (SET \"sasl.password\" '…')) and the topic's ACLs.")));
			break;
		case CONSUMER_OUT_OF_RANGE:
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("offset " INT64_FORMAT " of partition %d of topic \"%s\" is no longer in the log",
						state->error_offset, state->error_partition, topic),
				 errdetail("librdkafka: %s", state->message),
				 errhint(
					 "The message was removed by retention while the query was running. Run the query again.")));
			break;
		default:
			ereport(
				ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not read topic \"%s\": broker did not respond", topic),
				 state->message[0] != '\0' ? errdetail("librdkafka: %s", state->message) : 0,
				 errhint(
					 "Check the broker addresses: ALTER SERVER … OPTIONS (SET \"bootstrap.servers\" '…').")));
			break;
	}
}

/* Take and decode the next messages; false at the end. */
static bool
read_block(LogScan *scan)
{
	const ConsumerState *state;

	scan->next = 0;
	scan->nrows = 0;
	for (;;)
	{
		int n;
		int kept = 0;

		CHECK_FOR_INTERRUPTS();
		drop_finished(scan);
		if (scan->nreading == 0)
			return false;
		n = consumer_take(scan->consumer, scan->messages, scan->block, 0);
		for (int i = 0; i < n; i++)
		{
			const Message *m = &scan->messages[i];

			if (m->offset >= scan->ends[m->partition])
				continue;
			if (scan->slice != NULL && log_slice_leaves_out(scan->slice, m->partition, m->offset))
				continue;
			scan->taken++;
			if (m->broken != NULL)
				note_undecodable(scan, m, m->broken);
			else if (m->payload != NULL)
				scan->messages[kept++] = *m;
		}
		scan->nmessages = kept;
		if (kept > 0)
		{
			scan->block = Min(scan->block * 2, LAST_BLOCK);
			scan->progress = clock_now();
			decode_block(scan);
			if (scan->nrows > 0)
				return true;
			continue;
		}
		state = consumer_state(scan->consumer);
		if (state->error != CONSUMER_OK && state->error != CONSUMER_RECONNECTING)
			raise_consumer_error(scan);
		if (clock_passed(scan->progress,
						 state->error != CONSUMER_OK ? RESPONSE_TIMEOUT_MS : MESSAGE_TIMEOUT_MS))
			raise_consumer_error(scan);
		if (n > 0)
			continue;
		/* the end of a partition may have been taken instead */
		drop_finished(scan);
		if (scan->nreading > 0)
			wait_for_messages(scan);
	}
}

static void
drop_finished(LogScan *scan)
{
	int n = 0;

	for (int i = 0; i < scan->nreading; i++)
	{
		int32 p = scan->reading[i];
		int64 position;
		int64 log_end;
		bool at_end;

		consumer_position(scan->consumer, p, &position, &log_end, &at_end);
		if (position < scan->ends[p])
			scan->reading[n++] = p;
	}
	scan->nreading = n;
}

static void
wait_for_messages(LogScan *scan)
{
	(void) WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 consumer_wakeup_fd(scan->consumer), 100L, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

static void
decode_block(LogScan *scan)
{
	static const SubtransactionItems messages = {decode_message, skip_message};
	MemoryContext old = MemoryContextSwitchTo(scan->block_context);

	MemoryContextReset(scan->block_context);
	if (IsInParallelMode())
		decode_all(scan);
	else
		subtransaction_run_items(&messages, scan->nmessages, scan, scan->block_context);
	MemoryContextSwitchTo(old);
}

/*
 * Decode without a subtransaction. The first message that fails is an error, with its position as context and a
 * hint how to skip it.
 */
static void
decode_all(LogScan *scan)
{
	ErrorContextCallback callback;

	callback.callback = add_position;
	callback.arg = scan;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	for (scan->decoding = 0; scan->decoding < scan->nmessages; scan->decoding++)
		decode_message(scan, scan->decoding);
	error_context_stack = callback.previous;
}

static void
add_position(void *arg)
{
	const LogScan *scan = arg;
	const Message *message = &scan->messages[scan->decoding];

	errhint("Parallel queries cannot skip messages. Use SET max_parallel_workers_per_gather = 0.");
	errcontext("partition %d, offset " INT64_FORMAT " of stream \"%s\"", message->partition, message->offset,
			   scan->stream->name);
}

static void
decode_message(void *arg, int i)
{
	LogScan *scan = arg;
	size_t row = (size_t) scan->nrows * scan->stream->desc->natts;

	decoder_decode(scan->decoder, &scan->messages[i], scan->values + row, scan->nulls + row);
	scan->nrows++;
}

/* Record that message i could not be decoded. */
static void
skip_message(void *arg, int i, ErrorData *error)
{
	LogScan *scan = arg;

	/* cancel and insufficient resources are not caused by the message */
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
		ReThrowError(error);
	note_undecodable(scan, &scan->messages[i], error->message);
	FreeErrorData(error);
}

static void
note_undecodable(LogScan *scan, const Message *message, const char *reason)
{
	if (scan->undecodable++ > 0)
		return;
	scan->first_partition = message->partition;
	scan->first_offset = message->offset;
	scan->first_message = MemoryContextStrdup(GetMemoryChunkContext(scan), reason);
}
