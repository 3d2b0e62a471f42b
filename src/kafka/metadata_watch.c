/*
 * metadata_watch.c
 *		Counting metadata requests that are not periodic (see metadata_watch.h).
 *
 * If a broker no longer knows a partition, because its topic was deleted or its leader has changed, librdkafka reports
 * no error: it requests metadata at once, and continues at the same offset. If the topic has been recreated in the
 * meantime, and has as many messages as before, nothing else shows that the next messages are those of another topic.
 * So every metadata request except the periodic ones counts as an interruption. (One that comes within a second before
 * a periodic one is counted with that.)
 *
 * While a broker's thread unpacks a large batch, periodic requests are held up, and then sent at once: as many as were due
 * are no interruption. Otherwise that batch would be read, and unpacked, again to check the topic, without end.
 *
 * The functions run in librdkafka's threads, and do not call PostgreSQL.
 */
#include "postgres.h"

#include <time.h>

#include "kafka/metadata_watch.h"

#define METADATA_REQUEST 3
#define INTERVAL_MS 10000 /* topic.metadata.refresh.interval.ms (connection.c) */
#define PERIOD_MS 9000	  /* a little less */
#define AT_ONCE_MS 100

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *watch, char *errstr,
								  size_t size);
static rd_kafka_resp_err_t on_request_sent(rd_kafka_t *rk, int socket, const char *broker, int32_t broker_id,
										   int16_t request, int16_t version, int32_t correlation, size_t size,
										   void *watch);

void
metadata_watch_add(MetadataWatch *watch, rd_kafka_conf_t *conf)
{
	pg_atomic_init_u64(&watch->last, 0);
	pg_atomic_init_u64(&watch->overdue, 0);
	pg_atomic_init_u64(&watch->irregular, 0);
	(void) rd_kafka_conf_interceptor_add_on_new(conf, "streambatch", on_new, watch);
}

static rd_kafka_resp_err_t
on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *watch, char *errstr, size_t size)
{
	return rd_kafka_interceptor_add_on_request_sent(rk, "streambatch", on_request_sent, watch);
}

static rd_kafka_resp_err_t
on_request_sent(rd_kafka_t *rk, int socket, const char *broker, int32_t broker_id, int16_t request,
				int16_t version, int32_t correlation, size_t size, void *watch)
{
	MetadataWatch *w = watch;
	struct timespec now;
	uint64 now_ms;
	uint64 last;
	uint64 overdue;

	if (request != METADATA_REQUEST)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ms = (uint64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
	last = pg_atomic_exchange_u64(&w->last, now_ms);
	overdue = pg_atomic_read_u64(&w->overdue);
	if (now_ms - last >= PERIOD_MS)
		pg_atomic_write_u64(&w->overdue, last == 0 ? 0 : Max((now_ms - last) / INTERVAL_MS, 1) - 1);
	else if (now_ms - last < AT_ONCE_MS && overdue > 0)
		pg_atomic_write_u64(&w->overdue, overdue - 1);
	else
		pg_atomic_fetch_add_u64(&w->irregular, 1);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}
