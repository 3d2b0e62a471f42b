/*
 * catalog_stream.h
 *		Streams in the extension's tables: their state, positions, gaps and dead letters.
 *
 * Only the files catalog_*.c contain the names of the extension's tables. They are read and written as the
 * bootstrap superuser; callers check privileges. Results are allocated in the current context.
 *
 * A function with "lock" in its name locks the stream's row FOR NO KEY UPDATE, the lock of the protocol in
 * worker/flush.c: until the holder commits, no other session changes the positions, views and epochs that it
 * reads, with a later snapshot.
 */
#ifndef STREAMBATCH_CATALOG_STREAM_H
#define STREAMBATCH_CATALOG_STREAM_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/array.h"

typedef struct StreamRow
{
	int64 generation;
	Oid archive; /* InvalidOid: none */
	bool resumed;
	bool paused;
	bool started;
	const char *topic; /* that the positions are of */
	int32 topic_epoch;
	bool stop_lasts; /* the worker has stopped until another topic epoch begins (catalog_topic.h) */
	bool has_watermark;
	TimestampTz watermark;		 /* now */
	TimestampTz watermark_limit; /* stored; -infinity: none. worker/watermark.c */
	ArrayType *settings;
	int nviews;
} StreamRow;

/* The last message of a partition that was taken. */
typedef struct Fingerprint
{
	bool known;
	int64 offset;
	bool has_timestamp;
	TimestampTz timestamp;
	int64 hash; /* of key and payload */
} Fingerprint;

typedef struct ProgressRow
{
	int32 partition;
	int64 next_offset;
	int64 log_end; /* -1: unknown */
	bool has_event_time;
	TimestampTz max_event_time;
	Fingerprint last;
} ProgressRow;

typedef struct StreamCounts
{
	int64 received;
	int64 folded;
	int64 filtered;
	int64 dead;
	int64 skipped;
} StreamCounts;

/* Streams */
extern bool catalog_stream(Oid stream, StreamRow *row);
extern bool catalog_lock_stream(Oid stream, StreamRow *row);
/* Lock without waiting and without reading; false if another session holds the lock, or there is no row. */
extern bool catalog_try_lock_stream(Oid stream);
/* The stream whose archive is this table; InvalidOid: none. */
extern Oid catalog_stream_of_archive(Oid archive);
extern void catalog_insert_stream(Oid stream, Oid archive, const char *topic, ArrayType *settings);
extern void catalog_raise_generation(Oid stream);
extern void catalog_set_paused(Oid stream, bool paused, bool resumed);
extern void catalog_set_started(Oid stream);
/* limit: of the watermark, which moves to it, or to the clock if that is earlier; it never moves back. */
extern void catalog_flushed(Oid stream, const StreamCounts *counts, bool has_limit, TimestampTz limit);
/* So many dead letters were retried, with these counts of what became of them. */
extern void catalog_retried(Oid stream, int64 retried, const StreamCounts *counts);
extern List *catalog_runnable_streams(void); /* of Oids */
/* topic_epoch, unless NULL: that the positions are of, as of the same instant. */
extern ProgressRow *catalog_progress(Oid stream, int *n, int32 *topic_epoch);
/* Note that the stream has not read what lies below this offset of a partition that has a position. */
extern void catalog_set_first_offset(Oid stream, int32 partition, int64 offset);

/* For partitions 0 … n - 1, that offset; 0 if there is none. Current context. */
extern int64 *catalog_first_offsets(Oid stream, int n);

extern void catalog_put_progress(Oid stream, const ProgressRow *rows, int n);
extern void catalog_insert_gap(Oid stream, int32 topic_epoch, int32 partition, int64 from, int64 to,
							   const char *action);

#endif /* STREAMBATCH_CATALOG_STREAM_H */
