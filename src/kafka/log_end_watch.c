/*
 * log_end_watch.c
 *		A thread that asks brokers for log ends while the consumer's owner cannot (see log_end_watch.h).
 *
 * The owner learns log ends with the messages that it fetches. It learns nothing of a partition that cannot be
 * fetched, nor while it is not reading: because it waits for a lock, say, or a view calls a slow function. Just then
 * people ask for the lag. So the thread asks once a second at these times. It asks every five seconds at all others,
 * because a partition whose fetches fail looks like one to which nothing is written.
 *
 * Like the threads of client_calls.c, this one calls nothing of PostgreSQL, and uses malloc.
 */
#include "postgres.h"

#include <pthread.h>
#include <time.h>

#include "kafka/client.h"
#include "kafka/log_end_watch.h"

#define INTERVAL_MS 1000
#define GOOD_INTERVAL_MS 5000
#define SILENCE_MS 1500 /* more than the interval at which the owner reports */
#define ANSWER_MS 800

struct LogEndWatch
{
	rd_kafka_t *rk;
	char *topic;
	LogEndPublish publish;
	int arg;
	pthread_t thread;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t stopped;
	bool stop;
	int count;
	bool *unread; /* of length count */
	bool known;
	int64 reported; /* milliseconds of the monotonic clock */
	int64 asked;
};

static void *run(void *arg);
static bool wait_a_second(LogEndWatch *watch);
static void ask(LogEndWatch *watch);
static rd_kafka_topic_partition_list_t *ask_offsets(LogEndWatch *watch, int count, const bool *wanted,
													int64 offset);
static int64 now_ms(void);
static void free_watch(LogEndWatch *watch);

LogEndWatch *
log_end_watch_start(rd_kafka_t *rk, const char *topic, LogEndPublish publish, int arg)
{
	LogEndWatch *watch = calloc(1, sizeof(LogEndWatch));
	pthread_condattr_t attributes;

	if (watch == NULL || (watch->topic = strdup(topic)) == NULL)
	{
		free(watch);
		return NULL;
	}
	watch->rk = rk;
	watch->publish = publish;
	watch->arg = arg;
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->stopped, &attributes);
	pthread_condattr_destroy(&attributes);
	if (client_start_thread(&watch->thread, run, watch))
		return watch;
	free_watch(watch);
	return NULL;
}

void
log_end_watch_report(LogEndWatch *watch, int count, const bool *unread, bool known)
{
	pthread_mutex_lock(&watch->lock);
	if (count > watch->count)
	{
		bool *more = realloc(watch->unread, count * sizeof(bool));

		/* out of memory: the new partitions are left out */
		if (more != NULL)
		{
			watch->unread = more;
			watch->count = count;
		}
	}
	else
		watch->count = count;
	if (watch->count > 0)
		memcpy(watch->unread, unread, watch->count * sizeof(bool));
	watch->known = known;
	watch->reported = now_ms();
	pthread_mutex_unlock(&watch->lock);
}

void
log_end_watch_stop(LogEndWatch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->stop = true;
	pthread_cond_signal(&watch->stopped);
	pthread_mutex_unlock(&watch->lock);
	pthread_join(watch->thread, NULL);
	free_watch(watch);
}

static void *
run(void *arg)
{
	LogEndWatch *watch = arg;

	pthread_mutex_lock(&watch->lock);
	while (wait_a_second(watch))
	{
		if (watch->count > 0 && (!watch->known || now_ms() - watch->reported > SILENCE_MS ||
								 now_ms() - watch->asked >= GOOD_INTERVAL_MS))
			ask(watch);
	}
	pthread_mutex_unlock(&watch->lock);
	return NULL;
}

/* Lock held. Returns false if the thread is to end. */
static bool
wait_a_second(LogEndWatch *watch)
{
	int64 until = now_ms() + INTERVAL_MS;
	struct timespec time = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};

	while (!watch->stop && now_ms() < until)
		(void) pthread_cond_timedwait(&watch->stopped, &watch->lock, &time);
	return !watch->stop;
}

/* Ask for all log ends, and for the beginnings needed. Lock held, but not during the requests. */
static void
ask(LogEndWatch *watch)
{
	int count = watch->count;
	bool *unread = malloc(count * sizeof(bool));
	rd_kafka_topic_partition_list_t *starts;
	rd_kafka_topic_partition_list_t *ends;

	watch->asked = now_ms();
	if (unread == NULL)
		return;
	memcpy(unread, watch->unread, count * sizeof(bool));
	pthread_mutex_unlock(&watch->lock);
	starts = ask_offsets(watch, count, unread, RD_KAFKA_OFFSET_BEGINNING);
	ends = ask_offsets(watch, count, NULL, RD_KAFKA_OFFSET_END);
	pthread_mutex_lock(&watch->lock);
	for (int i = 0; i < starts->cnt && !watch->stop; i++)
	{
		if (starts->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR)
			watch->publish(watch->arg, starts->elems[i].partition, starts->elems[i].offset, -1);
	}
	for (int i = 0; i < ends->cnt && !watch->stop; i++)
	{
		if (ends->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR)
			watch->publish(watch->arg, ends->elems[i].partition, -1, ends->elems[i].offset);
	}
	rd_kafka_topic_partition_list_destroy(starts);
	rd_kafka_topic_partition_list_destroy(ends);
	free(unread);
}

/* The first or last offset of each partition, or of those wanted; an error in those that got no answer. */
static rd_kafka_topic_partition_list_t *
ask_offsets(LogEndWatch *watch, int count, const bool *wanted, int64 offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
	rd_kafka_resp_err_t err;

	for (int i = 0; i < count; i++)
	{
		if (wanted == NULL || wanted[i])
			rd_kafka_topic_partition_list_add(list, watch->topic, i)->offset = offset;
	}
	if (list->cnt == 0)
		return list;
	err = rd_kafka_offsets_for_times(watch->rk, list, ANSWER_MS);
	for (int i = 0; i < list->cnt; i++)
	{
		if (err != RD_KAFKA_RESP_ERR_NO_ERROR || list->elems[i].offset < 0)
			list->elems[i].err = RD_KAFKA_RESP_ERR__NO_OFFSET;
	}
	return list;
}

static int64
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
free_watch(LogEndWatch *watch)
{
	pthread_mutex_destroy(&watch->lock);
	pthread_cond_destroy(&watch->stopped);
	free(watch->unread);
	free(watch->topic);
	free(watch);
}
