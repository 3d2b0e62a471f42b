/*
 * micro_batch.h
 *		A micro-batch: decoded rows of a stream, and how a query of the worker reads them in place of the log.
 */
#ifndef STREAMBATCH_MICRO_BATCH_H
#define STREAMBATCH_MICRO_BATCH_H

#include "storage/itemptr.h"
#include "utils/queryenvironment.h"

typedef struct MicroBatch
{
	int natts;
	int nrows;
	int32 *partitions; /* position of each row */
	int64 *offsets;
	Datum *values; /* row-major, natts each */
	bool *nulls;
} MicroBatch;

/* One query's reading of a part of a micro-batch. */
typedef struct MicroBatchScan
{
	Oid stream;
	const MicroBatch *batch;
	const bool *skip; /* rows to be left out; NULL: none */
	int next;		  /* the row to be returned next: the one before it is at hand */
	int end;		  /* behind the last one */
	bool begun;		  /* the query has a scan of it; two would take each other's rows */
} MicroBatchScan;

/*
 * Let the queries that are run through the current SPI connection read this, where they scan its stream. The
 * caller owns it, and keeps it until SPI_finish(). Functions that such a query calls have connections of their own,
 * and do not see it.
 */
extern void micro_batch_register(MicroBatchScan *scan);

/* What a query's environment has of a stream; NULL: nothing, the log is to be read. */
extern MicroBatchScan *micro_batch_lookup(QueryEnvironment *environment, Oid stream);

/*
 * A row of a micro-batch as the ctid that its scan gives it: behind a join, the scan does not tell which row is
 * at hand.
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
