/*
 * positions.h
 *		Where the worker stands in each partition: stored, and read ahead of what is stored.
 */
#ifndef STREAMBATCH_POSITIONS_H
#define STREAMBATCH_POSITIONS_H

#include "common/catalog_stream.h"
#include "kafka/consumer.h"
#include "stream/stream.h"

typedef struct Position
{
	int32 partition;
	bool stored; /* it has a progress row, which the next flush compares */
	int64 stored_offset;
	int64 next_offset; /* after what was taken; -1: nothing known yet */
	int64 log_end;
	bool at_end;
	bool stored_has_event_time;
	TimestampTz stored_event_time;
	bool has_event_time;
	TimestampTz max_event_time;
	TimestampTz last_message; /* when the last one came, by our clock */
} Position;

typedef struct Positions
{
	Position *items; /* in the order of partitions */
	int n;
	int allocated;
} Positions;

/* Load what is stored, for partitions 0 … count - 1. Allocates in the current context, once. */
extern void positions_load(Positions *positions, Oid stream, int count);

/* More partitions: they begin at their beginning. */
extern void positions_grow(Positions *positions, int count);

/* Store the log's ends as the first positions, of a stream that begins there. */
extern void positions_store_ends(Positions *positions, Oid stream, int count, const int64 *ends);

/* Give the consumer all positions: where to read on. */
extern void positions_assign(const Positions *positions, Consumer *consumer);

/* A message was taken. */
extern void positions_took(Positions *positions, const Message *message);

/* An event passed: its time moves the partition's maximum. */
extern void positions_event_time(Positions *positions, int32 partition, TimestampTz time);

/*
 * Ask the consumer for ends and what it skipped. True where there is something to store although no message
 * came.
 */
extern bool positions_poll(Positions *positions, Consumer *consumer);

/* Forget what was read ahead / note it as stored. */
extern void positions_rewind(Positions *positions);
extern void positions_stored(Positions *positions);

/*
 * Compare-and-set: raises serialization_failure where the stored rows are not those that reading began from.
 * Lock held.
 */
extern void positions_check(const Positions *positions, Oid stream);
extern void positions_write(const Positions *positions, Oid stream);

extern bool positions_all_at_end(const Positions *positions);

#endif /* STREAMBATCH_POSITIONS_H */
