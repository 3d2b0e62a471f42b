/*
 * log_end_watch.h
 *		A thread that asks brokers for log ends while the consumer's owner cannot. Private to kafka/.
 */
#ifndef STREAMBATCH_LOG_END_WATCH_H
#define STREAMBATCH_LOG_END_WATCH_H

#include "kafka/client.h"

typedef struct LogEndWatch LogEndWatch;

/* Called by the thread: it must not call PostgreSQL. start: -1, or the beginning of the log. */
typedef void (*LogEndPublish)(int arg, int partition, int64 start, int64 end);

/* Start the thread; NULL if that fails. It asks for nothing before the first report. Uses malloc. */
extern LogEndWatch *log_end_watch_start(rd_kafka_t *rk, const char *topic, LogEndPublish publish, int arg);

/*
 * The owner is alive, and knows the log ends of partitions 0 … count - 1 (known) or needs them. unread: those whose
 * beginning is needed too. The thread asks for all log ends every five seconds; each second, if they are not known or
 * there was no report for more than a second.
 */
extern void log_end_watch_report(LogEndWatch *watch, int count, const bool *unread, bool known);

/* End the thread and free everything; waits for an answer in progress, up to a second. */
extern void log_end_watch_stop(LogEndWatch *watch);

#endif /* STREAMBATCH_LOG_END_WATCH_H */
