/*
 * chunk_plan.h
 *		What a refresh computes: panes, divided into chunks.
 *
 * A chunk is computed in one transaction and consists of whole panes, with about refresh_chunk_rows events. There are
 * two kinds:
 *
 *		ranges			all panes in [from, to): of the range that the call names, with `full` all of them; and of those
 *						that the batch layer does not cover
 *		lists			of the panes that it covers, those that have changed, see changed_panes.h
 *
 * The ranges are few and in memory. The changed panes are in a tuplestore, from which one chunk after the other is read.
 */
#ifndef STREAMBATCH_CHUNK_PLAN_H
#define STREAMBATCH_CHUNK_PLAN_H

#include "batch/changed_panes.h"
#include "batch/computation.h"
#include "common/catalog_stream.h"

/* The arguments of refresh(). */
typedef struct RefreshRange
{
	bool has_from;
	TimestampTz from;
	bool has_to;
	TimestampTz to;
	bool full;	/* including what is already covered */
	bool force; /* including what the archive no longer holds the events of */
	bool newest_first;
	bool of_all; /* of refresh_all() */
} RefreshRange;

typedef struct ChunkPlan
{
	TimestampTz from; /* of all chunks */
	TimestampTz to;
	int nranges;
	Chunk *ranges;
	ChangedPanes *changed; /* NULL: the call names what to compute */
	TimestampTz before;	   /* panes from there on were not looked for */
	bool force;			   /* no pane is kept because its events have left the archive */
	int nchunks;
} ChunkPlan;

/*
 * What to compute for a cut that closed an epoch, and the stream's row as of the cut. Raises a NOTICE if the
 * requested range was extended to whole panes. Current context, which must outlive the transaction;
 * chunk_plan_free() also where an error has been raised.
 */
extern void chunk_plan_make(ChunkPlan *plan, const Computation *c, const Cut *cut, RefreshRange requested,
							int64 closed_epoch, const StreamRow *stream);
extern void chunk_plan_free(ChunkPlan *plan);

/* About how many panes a plan, or a chunk, has; -1: not known, as where there is no window. */
extern int64 chunk_plan_panes(const ChunkPlan *plan, const Computation *c);
extern int64 chunk_panes(const Chunk *chunk, const Computation *c);

#endif /* STREAMBATCH_CHUNK_PLAN_H */
