/*
 * log_range.h
 *		Conditions on a stream's partition, offset and timestamp columns as the part of the log to read.
 */
#ifndef STREAMBATCH_LOG_RANGE_H
#define STREAMBATCH_LOG_RANGE_H

#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "stream/stream.h"

/* A part of the log: never smaller than what the conditions select. */
typedef struct LogRange
{
	bool empty;			 /* no message can pass */
	bool has_partitions; /* only those in partitions */
	Bitmapset *partitions;
	int64 partition_low; /* bounds are inclusive */
	int64 partition_high;
	int64 offset_low;
	int64 offset_high;
	bool has_time; /* only messages from the first one at or after time_low on */
	TimestampTz time_low;
} LogRange;

/*
 * At planning: among clauses on the relation at index relid, those that bound the range, as the expressions
 * to compare with (to become the plan's fdw_exprs) and a list of the same length of integer lists that says
 * how (to become its fdw_private).
 */
extern void log_range_collect(const Stream *stream, Index relid, List *clauses, List **exprs,
							  List **conditions);

/*
 * At execution: evaluate the expressions (ExprState) and combine. The range is allocated in the current
 * context.
 */
extern LogRange *log_range_evaluate(List *conditions, List *states, ExprContext *econtext);

extern bool log_range_has_partition(const LogRange *range, int32 partition);

/* Words for EXPLAIN, or NULL where there is no bound. */
extern char *log_range_partitions_text(const LogRange *range);
extern char *log_range_offsets_text(const LogRange *range);
extern char *log_range_time_text(const LogRange *range);

#endif /* STREAMBATCH_LOG_RANGE_H */
