/*
 * log_slice.h
 *		A part of a stream's log for a query of the batch layer, exact to the message.
 *
 * Where a slice is registered (scan_input.h), a scan of the stream reads, of each partition, the messages from the
 * log's beginning, or a later offset, up to an offset, except those at given positions; whatever conditions the query
 * has on its metadata columns.
 */
#ifndef STREAMBATCH_LOG_SLICE_H
#define STREAMBATCH_LOG_SLICE_H

#include "utils/array.h"
#include "utils/hsearch.h"

typedef struct LogSlice
{
	Oid stream;
	Oid role;			   /* whose user mapping connects */
	int n;				   /* partitions */
	const int64 *starts;   /* of each, the first offset to read */
	const int64 *ends;	   /* of each, the first offset not to read; -1: none is read */
	bool incomplete;	   /* the log may begin after offset 0 */
	HTAB *left_out;		   /* positions; NULL: none */
	MemoryContext context; /* owns it */
} LogSlice;

/* Leave out the messages at these positions, int[] and bigint[]. */
extern void log_slice_leave_out(LogSlice *slice, ArrayType *partitions, ArrayType *offsets);
extern bool log_slice_leaves_out(const LogSlice *slice, int32 partition, int64 offset);

/* Until the next call, plan scans of a slice's stream as scans of the slice; NULL: of no slice, also after an error. */
extern void log_slice_plan(const LogSlice *slice);

/* How many messages a planned scan of a stream reads, at most; -1: not known. */
extern double log_slice_planned_messages(Oid stream);

#endif /* STREAMBATCH_LOG_SLICE_H */
