/*
 * batch.h
 *		A micro-batch: decoded rows of a stream, and the channel by which a foreign scan reads them instead of the log.
 */
#ifndef STREAMBATCH_BATCH_H
#define STREAMBATCH_BATCH_H

#include "source/stream.h"
#include "storage/itemptr.h"

typedef struct MicroBatch
{
	int natts;
	int nrows;
	int32 *partitions; /* position of each row */
	int64 *offsets;
	Datum *values; /* row-major, natts each */
	bool *nulls;
	const bool *skip; /* rows that the scan leaves out; NULL: none */
} MicroBatch;

/*
 * While a batch is current for a stream, a foreign scan of that stream in this backend returns its rows from
 * *cursor on, leaving in *cursor the row that it returned last plus one. batch_set_current(InvalidOid, NULL,
 * NULL) ends it. The caller owns both.
 *
 * One scan for each query: two would take each other's rows. A query that may be run anew for the same batch
 * says so before by batch_expect_scan(); batch_begin_scan() raises feature_not_supported for a second scan.
 */
extern void batch_set_current(Oid stream, const MicroBatch *batch, int *cursor);
extern void batch_expect_scan(void);
extern const MicroBatch *batch_begin_scan(Oid stream, int **cursor);
extern const MicroBatch *batch_current(Oid stream, int **cursor);

/* The same, of whichever stream. */
extern const MicroBatch *batch_running(int **cursor);

/*
 * A row of a micro-batch as the ctid that its scan gives it: behind a join, the scan's cursor does not tell
 * which row is at hand.
 */
static inline void
batch_row_tid(ItemPointer tid, int row)
{
	ItemPointerSet(tid, row, FirstOffsetNumber);
}

static inline int
batch_tid_row(ItemPointer tid)
{
	return (int) ItemPointerGetBlockNumber(tid);
}

#endif /* STREAMBATCH_BATCH_H */
