/*
 * positions.h
 *		The worker's position in each partition: as stored, and as read since then.
 */
#ifndef STREAMBATCH_POSITIONS_H
#define STREAMBATCH_POSITIONS_H

#include "common/catalog_stream.h"
#include "kafka/consumer.h"
#include "stream/stream.h"

typedef struct Position
{
	int32 partition;
	bool read;	 /* the stream names it; otherwise the position remains what it was */
	bool stored; /* it has a row in the catalog, which the next flush compares */
	int64 stored_offset;
	int64 next_offset; /* of the next message to be taken; -1: unknown yet */
	int64 log_end;
	bool at_end;
	bool is_short; /* the log seems to end before next_offset (topic_check.c) */
	Fingerprint stored_last;
	Fingerprint last;		 /* of the last message taken that could be read */
	bool unverified;		 /* reading starts with that message, to verify that it is the same */
	int64 reported_position; /* as of the last report (lag.c) */
	int64 reported_end;
	bool stored_has_event_time;
	TimestampTz stored_event_time;
	bool has_event_time;
	TimestampTz max_event_time;
	int64 last_message; /* when the last one arrived, by clock.h */
} Position;

typedef struct Positions
{
	Position *items; /* in the order of partitions */
	int n;
	int allocated;
	const PartitionSet *named; /* those that are read; NULL: all */
	bool same_topic;		   /* since positions_doubt(), one of them has been verified */
	bool held;				   /* since the assignment, messages were dropped that are to be read again */
} Positions;

/*
 * Load the stored positions, and those of partitions up to count - 1. All are unverified. Allocates in the current
 * context.
 */
extern void positions_load(Positions *positions, Oid stream, int count);

/* Add new partitions, up to count. They start at their beginning. Returns whether one of them is read. */
extern bool positions_grow(Positions *positions, int count);

/* Store the log end offsets as the first positions of a stream. */
extern void positions_store_ends(Positions *positions, Oid stream, int count, const int64 *ends);

/* The number of partitions that positions are known of: that of the last one, plus one; also if it is not read any more. */
extern int positions_known(const Positions *positions);

/* The topic may have been recreated: from the next assignment on, verify what is read (topic_check.c). */
extern void positions_doubt(Positions *positions);

/*
 * Whether messages may be taken: one position is verified, so that the topic was not recreated; or none can be
 * verified. Those of an unverified position may not be.
 */
extern bool positions_trusted(const Positions *positions);
extern bool positions_verified(const Positions *positions);

/* A partition whose log seems to end before its position, or NULL. */
extern Position *positions_short(Positions *positions);

/* Assign all positions to the consumer; unverified ones start at the last message that was taken. */
extern void positions_assign(Positions *positions, Consumer *consumer);

/* Advance past a message that was taken. */
extern void positions_took(Positions *positions, const Message *message);

/* All of these messages were taken: keep the fingerprint of the last one of each partition. */
extern void positions_note_last(Positions *positions, const Message *messages, int n);

/* Advance the partition's maximum event time. */
extern void positions_event_time(Positions *positions, int32 partition, TimestampTz time);

/*
 * Get log ends, and positions after control records, from the consumer. Returns true if there is something to
 * store although no message was taken.
 */
extern bool positions_poll(Positions *positions, Consumer *consumer);

/* Go back to the stored positions; or mark the current ones as stored. */
extern void positions_rewind(Positions *positions);
extern void positions_stored(Positions *positions);

/*
 * Compare-and-set: raises serialization_failure if the stored positions are not those that reading started
 * from. The caller holds the lock on the stream's row.
 */
extern void positions_check(const Positions *positions, Oid stream);
extern void positions_write(const Positions *positions, Oid stream);

extern bool positions_all_at_end(const Positions *positions);

#endif /* STREAMBATCH_POSITIONS_H */
