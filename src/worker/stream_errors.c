/*
 * stream_errors.c
 *		Errors of reading a topic, with hints (see stream_errors.h).
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "worker/stream_errors.h"

static void fill(WorkerError *error, int sqlerrcode, const char *message, const char *hint);

void
stream_error_no_topic(const Stream *stream, WorkerError *error)
{
	fill(error, ERRCODE_UNDEFINED_OBJECT, psprintf("topic \"%s\" does not exist", stream->topic),
		 "Create the topic, or correct the option \"topic\" of the stream with ALTER FOREIGN TABLE.");
}

bool
stream_error_of_consumer(const ConsumerState *state, const Stream *stream, WorkerError *error)
{
	switch (state->error)
	{
		case CONSUMER_OK:
			return false;
		case CONSUMER_UNKNOWN_TOPIC:
			stream_error_no_topic(stream, error);
			break;
		case CONSUMER_TOO_LARGE:
			fill(error, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
				 state->error_partition < 0
					 ? psprintf("a batch of messages of topic \"%s\" is too large", stream->topic)
					 : psprintf("the batch of messages at offset %lld of partition %d is too large",
								(long long) state->error_offset, state->error_partition),
				 CONSUMER_TOO_LARGE_HINT);
			break;
		case CONSUMER_AUTH:
			fill(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, state->message,
				 "Correct the user mapping, or grant its Kafka user access to the topic.");
			break;
		default:
			fill(error, ERRCODE_CONNECTION_FAILURE, state->message, "The worker reconnects automatically.");
			break;
	}
	return true;
}

void
stream_error_no_partition(const Stream *stream, int32 partition, int count, WorkerError *error)
{
	fill(error, ERRCODE_UNDEFINED_OBJECT, stream_no_partition_message(stream, partition, count),
		 stream_no_partition_hint(stream));
}

void
stream_error_gap(const Stream *stream, int32 partition, int64 offset, int64 low, int64 high,
				 WorkerError *error)
{
	fill(error, ERRCODE_DATA_EXCEPTION,
		 psprintf("offset %lld of partition %d is out of range: the log starts at %lld and ends at %lld",
				  (long long) offset, partition, (long long) low, (long long) high),
		 psprintf("To skip the missing offsets, use ALTER FOREIGN TABLE %s OPTIONS (ADD on_gap 'skip').",
				  quote_qualified_identifier(stream->schema, stream->name)));
}

void
stream_error_topic_changed(const Stream *stream, const char *change, WorkerError *error)
{
	const char *name = strcmp(stream->schema, "public") == 0
						   ? quote_identifier(stream->name)
						   : quote_qualified_identifier(stream->schema, stream->name);

	fill(
		error, ERRCODE_DATA_EXCEPTION, psprintf("topic \"%s\" has changed: %s", stream->topic, change),
		psprintf(
			"To read the topic from its beginning, and keep what was counted before, use SELECT streambatch.reset(%s).",
			quote_literal_cstr(name)));
}

void
stream_error_raised(int sqlerrcode, const char *message, const char *hint, WorkerError *error)
{
	fill(error, sqlerrcode, message, hint);
}

static void
fill(WorkerError *error, int sqlerrcode, const char *message, const char *hint)
{
	memset(error, 0, sizeof(*error));
	error->sqlerrcode = sqlerrcode;
	strlcpy(error->message, message, sizeof(error->message));
	strlcpy(error->hint, hint, sizeof(error->hint));
}
