/*
 * catalog.h
 *		The extension's own tables, row by row. catalog.c is the only file that knows their names.
 *
 * Everything is read and written as the bootstrap superuser: permission is the caller's affair. Results are allocated in the current
 * context. A function with "lock" in its name takes the stream's row FOR NO KEY UPDATE, the one lock of the cut protocol: whoever holds it
 * reads, by a later statement and so a later snapshot, positions, views and epochs that nobody can change until it commits.
 */
#ifndef STREAMBATCH_CATALOG_H
#define STREAMBATCH_CATALOG_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/array.h"

typedef struct StreamRow
{
	int64		generation;
	Oid			archive;		/* InvalidOid: none */
	bool		resumed;
	bool		paused;
	bool		started;
	bool		has_watermark;
	TimestampTz watermark;
	ArrayType  *settings;
	int			nviews;
} StreamRow;

typedef struct ProgressRow
{
	int32		partition;
	int64		next_offset;
	int64		log_end;		/* -1: not known */
	bool		has_event_time;
	TimestampTz max_event_time;
} ProgressRow;

typedef struct ViewRow
{
	Oid			view;
	int32		id;
	Oid			stream;
	int64		epoch;
	Interval	max_staleness;
	Interval	allowed_lateness;
	bool		suspended;		/* it is not folded: its query fails */
	bool		incomplete;		/* suspended, or being built again: only a refresh of everything makes it whole */
	ArrayType  *settings;
} ViewRow;

typedef struct StreamCounts
{
	int64		received;
	int64		folded;
	int64		filtered;
	int64		dead;
	int64		skipped;
} StreamCounts;

typedef struct DeadLetter
{
	Oid			view;			/* InvalidOid: of the stream */
	int32		partition;
	int64		offset;
	bool		has_timestamp;
	TimestampTz timestamp;
	bytea	   *key;			/* NULL: none */
	bytea	   *payload;
	int			sqlerrcode;
	const char *message;
	const char *detail;			/* NULL: none */
} DeadLetter;

typedef struct Coverage
{
	TimestampTz from;
	TimestampTz to;
} Coverage;

/* Streams */
extern bool catalog_stream(Oid stream, StreamRow *row);
extern bool catalog_lock_stream(Oid stream, StreamRow *row);
extern void catalog_insert_stream(Oid stream, Oid archive, ArrayType *settings);
extern void catalog_raise_generation(Oid stream);
extern void catalog_set_paused(Oid stream, bool paused, bool resumed);
extern void catalog_set_started(Oid stream);
extern void catalog_flushed(Oid stream, const StreamCounts *counts, bool has_watermark, TimestampTz watermark);
extern List *catalog_runnable_streams(void);	/* of Oids */
extern ProgressRow *catalog_progress(Oid stream, int *n);
extern void catalog_put_progress(Oid stream, const ProgressRow *rows, int n);
extern void catalog_insert_gap(Oid stream, int32 partition, int64 from, int64 to, const char *action);
extern void catalog_insert_dead_letters(Oid stream, const char *topic, const DeadLetter *letters, int n);

/* Views */
extern int32 catalog_next_view_id(void);
extern void catalog_insert_view(const ViewRow *row);
extern bool catalog_view(Oid view, ViewRow *row);
extern List *catalog_views_of(Oid stream);	/* of ViewRow *, in the order of their ids */
extern int64 catalog_raise_epoch(Oid view); /* returns the epoch that it closed */
extern void catalog_suspend_view(Oid view, int sqlerrcode, const char *message);
/* Positions of a view's dead letters as int[] and bigint[]; returns their number. */
extern void catalog_set_view_state(Oid view, const char *state);	/* building or active; clears the error */
extern int64 catalog_view_dead_letters(Oid view, Datum *partitions, Datum *offsets);

/* In an sql_drop event trigger: forget views and streams that are dropped. Returns the streams concerned, of Oids. */
extern List *catalog_forget_dropped(void);

/* Batch layer */
extern Coverage *catalog_coverage(int32 view_id, int *n);
extern void catalog_cover(int32 view_id, TimestampTz from, TimestampTz to, int64 cut_epoch, TimestampTz cut_at);
extern int64 catalog_begin_run(int32 view_id, Oid view, const char *kind, int64 cut_epoch, ArrayType *cut, TimestampTz from,
							   TimestampTz to);
extern void catalog_run_chunks(int64 run, int chunks);
extern void catalog_run_progress(int64 run, int64 rows);
extern void catalog_end_run(int64 run, const char *error);
extern void catalog_fail_abandoned_runs(int32 view_id);

#endif							/* STREAMBATCH_CATALOG_H */
