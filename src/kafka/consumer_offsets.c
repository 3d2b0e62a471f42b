/*
 * consumer_offsets.c
 *		Requests of a consumer: number of partitions, first and last offsets, offsets for timestamps.
 *
 * Each request waits behind pending fetches of the same broker, up to fetch.wait.max.ms, and can be interrupted
 * (client_calls.c). Requests are sent when reading begins, not during it. The log end is the last stable offset,
 * since requests carry our isolation level.
 */
#include "postgres.h"

#include "common/int.h"
#include "kafka/client_calls.h"
#include "kafka/consumer_private.h"
#include "miscadmin.h"

int
consumer_partition_count(Consumer *consumer, int timeout_ms)
{
	rd_kafka_resp_err_t err;
	int count;

	if (timeout_ms <= 0)
		return consumer->known_partitions;
	count = connection_partition_count(&consumer->connection, consumer->topic, timeout_ms, &err);
	if (count > 0)
	{
		consumer_error_clear_connection(consumer);
		consumer->known_partitions = count;
		return count;
	}
	consumer_error_refresh(consumer);
	consumer_error_set_code(consumer, err);
	return consumer->state.error == CONSUMER_UNKNOWN_TOPIC ? 0 : -1;
}

bool
consumer_query_range(Consumer *consumer, int32 partition, int64 *low, int64 *high, int timeout_ms)
{
	*low = CONSUMER_BEGINNING;
	*high = CONSUMER_END;
	return consumer_query_offsets(consumer, &partition, low, 1, timeout_ms) &&
		   consumer_query_offsets(consumer, &partition, high, 1, timeout_ms);
}

bool
consumer_query_offsets(Consumer *consumer, const int32 *partitions, int64 *offsets, int n, int timeout_ms)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;

	for (int slice = connection_slice(timeout_ms); timeout_ms > 0;
		 timeout_ms -= slice, slice = connection_next_slice(slice, timeout_ms))
	{
		CHECK_FOR_INTERRUPTS();
		slice = Min(slice, timeout_ms);
		err =
			client_offsets(&consumer->connection.client, consumer->topic_name, partitions, offsets, n, slice);
		connection_poll(&consumer->connection, 0);
		consumer_error_refresh(consumer);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
			return true;
		if (err != RD_KAFKA_RESP_ERR__TIMED_OUT && err != RD_KAFKA_RESP_ERR__TRANSPORT &&
			err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE &&
			err != RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION)
			break;
	}
	consumer_error_set_code(consumer, err);
	return false;
}

int64 *
consumer_log_ends(Consumer *consumer, int count, int timeout_ms)
{
	int32 *partitions = palloc(count * sizeof(int32));
	int64 *ends = palloc(count * sizeof(int64));

	for (int i = 0; i < count; i++)
	{
		partitions[i] = i;
		ends[i] = CONSUMER_END;
	}
	if (!consumer_query_offsets(consumer, partitions, ends, count, timeout_ms))
	{
		pfree(ends);
		ends = NULL;
	}
	pfree(partitions);
	return ends;
}

/* Kafka uses milliseconds since 1970: round down, to miss no message. Negative numbers are special values. */
int64
consumer_time_query(TimestampTz time)
{
	int64 unix_usecs;

	if (TIMESTAMP_IS_NOBEGIN(time) || pg_add_s64_overflow(time, UNIX_TO_PG_USECS, &unix_usecs))
		return TIMESTAMP_IS_NOBEGIN(time) ? 0 : PG_INT64_MAX;
	return Max(unix_usecs / 1000, 0);
}
