/*
 * log_range.h
 *		The range of the log selected by conditions on a stream's partition, offset and timestamp columns.
 */
#ifndef STREAMBATCH_LOG_RANGE_H
#define STREAMBATCH_LOG_RANGE_H

#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "stream/stream.h"

/* A part of the log: never smaller than what the conditions select. */
typedef struct LogRange
{
	bool empty;			 /* no message can match */
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
 * For planning: find the clauses on the relation with index relid that bound the range. Returns the expressions
 * to compare with (for the plan's fdw_exprs) and, in a list of the same length, integer lists that describe the
 * comparisons (for fdw_private).
 */
extern void log_range_collect(const Stream *stream, Index relid, List *clauses, List **exprs,
							  List **conditions);

/* For execution: evaluate and combine the expressions (ExprState). Allocated in the current context. */
extern LogRange *log_range_evaluate(List *conditions, List *states, ExprContext *econtext);

extern bool log_range_has_partition(const LogRange *range, int32 partition);

/* Text for EXPLAIN, or NULL if there is no bound; palloc'd. */
extern char *log_range_partitions_text(const LogRange *range);
extern char *log_range_offsets_text(const LogRange *range);
extern char *log_range_time_text(const LogRange *range);

#endif /* STREAMBATCH_LOG_RANGE_H */
