/*
 * lag.c
 *		What the statistics show as log ends of the stream's partitions (see lag.h).
 *
 * Log ends come with fetched messages and librdkafka's statistics, and from requests to brokers: before reading begins,
 * before the worker stops, and by a thread (log_end_watch.c). What was learned last is shown. The thread asks often while
 * this process does something else than reading, and while a partition is neither at its end nor read.
 */
#include "postgres.h"

#include "common/log_ends.h"
#include "portability/instr_time.h"
#include "worker/lag.h"

#define REPORT_MS 500

static int count_partitions(Worker *w);
static bool report_partition(Worker *w, Position *p);

void
lag_report(Worker *w)
{
	int n = count_partitions(w);
	bool known = true;
	bool *unread;
	instr_time now;
	instr_time since;

	INSTR_TIME_SET_CURRENT(now);
	since = now;
	INSTR_TIME_SUBTRACT(since, w->last_lag);
	if (n == 0 || INSTR_TIME_GET_MILLISEC(since) < REPORT_MS)
		return;
	w->last_lag = now;
	unread = palloc(n * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		Position *p = &w->positions.items[i];

		unread[i] = p->read && !p->stored;
		known &= !p->read || (report_partition(w, p) && !unread[i]);
	}
	consumer_report(w->consumer, n, unread, known);
	pfree(unread);
}

void
lag_ask(Worker *w)
{
	int n = count_partitions(w);
	int32 *unread = palloc((n + 1) * sizeof(int32));
	int64 *starts = palloc((n + 1) * sizeof(int64));
	int nunread = 0;
	int64 *ends;

	ends = n > 0 ? consumer_log_ends(w->consumer, n, ANSWER_MS) : NULL;
	for (int i = 0; ends != NULL && i < n; i++)
	{
		log_ends_set(w->slot, i, -1, ends[i]);
		if (w->positions.items[i].read && !w->positions.items[i].stored)
		{
			unread[nunread] = i;
			starts[nunread++] = CONSUMER_BEGINNING;
		}
	}
	if (nunread > 0 && consumer_query_offsets(w->consumer, unread, starts, nunread, ANSWER_MS))
	{
		for (int i = 0; i < nunread; i++)
			log_ends_set(w->slot, unread[i], starts[i], -1);
	}
}

/* Of the topic: it may have fewer than there are positions of, if it was created again. */
static int
count_partitions(Worker *w)
{
	return Min(Min(w->positions.n, LOG_ENDS_MAX), Max(consumer_partition_count(w->consumer, 0), 0));
}

/* Returns false if the log end is not known, or may have been left behind by the log. */
static bool
report_partition(Worker *w, Position *p)
{
	int64 position;
	int64 log_end;
	bool at_end;
	bool moved;

	consumer_position(w->consumer, p->partition, &position, &log_end, &at_end);
	moved = position != p->reported_position;
	log_ends_set(w->slot, p->partition, -1, log_end != p->reported_end ? log_end : -1);
	p->reported_position = position;
	p->reported_end = log_end;
	return log_end >= 0 && (at_end || moved);
}
