/*
 * topic_check.h
 *		Whether the topic is the one that the stream's positions are of.
 */
#ifndef STREAMBATCH_TOPIC_CHECK_H
#define STREAMBATCH_TOPIC_CHECK_H

#include "worker/worker_state.h"

/*
 * After the first load: begin the next topic epoch if the option names another topic than that of the positions; exit
 * if the stream has stopped because its topic has changed.
 */
extern void topic_check_option(Worker *w);

/*
 * After messages have been taken. True: reading was interrupted, and the messages must not be used. What was read
 * before is flushed, and reading starts again with the last message of each partition.
 */
extern bool topic_check_interrupted(Worker *w);

/* Verify the messages that were taken, and remove those that must not be used, or were taken before. */
extern void topic_check_messages(Worker *w);

/* Whether the topic has all partitions of the positions. False: ask again; stops the worker at last. */
extern bool topic_check_partitions(Worker *w, int count);

typedef enum LogRange
{
	RANGE_UNKNOWN, /* no response, or not confirmed yet: call again */
	RANGE_HOLDS,   /* the log contains the position, or ends there */
	RANGE_GONE	   /* the log starts after the position */
} LogRange;

/* Ask for the start and the end of a partition's log. Stops the worker if the log ends before the position. */
extern LogRange topic_check_range(Worker *w, int32 partition, int64 *low, int64 *high);

/* Mark positions whose last message is no longer in the log as verified. One request for all. */
extern void topic_check_gone(Worker *w);

/*
 * Called while no transaction is open: check whether a missing topic exists again, and partitions whose logs seem to
 * end before their positions. False: the worker cannot read for that reason.
 */
extern bool topic_check_run(Worker *w);

#endif /* STREAMBATCH_TOPIC_CHECK_H */
