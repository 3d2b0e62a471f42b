/*
 * micro_batch.h
 *		A micro-batch: decoded rows of a stream, which a query of the worker reads instead of the log
 *		(scan_input.h).
 */
#ifndef STREAMBATCH_MICRO_BATCH_H
#define STREAMBATCH_MICRO_BATCH_H

#include "storage/itemptr.h"

typedef struct MicroBatch
{
	int natts;
	int nrows;
	int32 topic_epoch; /* of the positions (topic_epoch.h) */
	int32 *partitions; /* position of each row */
	int64 *offsets;
	Datum *values; /* row-major, natts each */
	bool *nulls;
} MicroBatch;

/* A scan of a part of a micro-batch, for one query. */
typedef struct MicroBatchScan
{
	Oid stream;
	const MicroBatch *batch;
	const bool *skip; /* rows to skip; NULL: none */
	int next;		  /* the row to return next; the current row precedes it */
	int end;		  /* after the last row */
	bool begun;		  /* the query has a scan of it; two scans would each get only some of the rows */
} MicroBatchScan;

/*
 * The number of a row as the ctid of its tuple: after a join, the state of the scan does not identify the row.
 */
static inline void
micro_batch_row_tid(ItemPointer tid, int row)
{
	ItemPointerSet(tid, row, FirstOffsetNumber);
}

static inline int
micro_batch_tid_row(ItemPointer tid)
{
	return (int) ItemPointerGetBlockNumber(tid);
}

#endif /* STREAMBATCH_MICRO_BATCH_H */
