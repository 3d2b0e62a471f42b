/*
 * refresh_sql.h
 *		The SQL of the batch layer, generated from a view's definition; see print_sql.h.
 *
 * All statements have the same parameters, and use some of them: $1 bigint[] the cut, $2 and $3 timestamptz the
 * range, $4 int[] and $5 bigint[] partitions and offsets of the view's dead letters, $6 bigint an epoch, $7
 * bigint[] a later cut; and topic epochs (stream/topic_epoch.c): $8 int[] of the dead letters, $9 int of the cut
 * $1, $10 int of the cut $7.
 */
#ifndef STREAMBATCH_REFRESH_SQL_H
#define STREAMBATCH_REFRESH_SQL_H

#include "query/analyse.h"

/* The source of events for the batch layer. */
typedef struct BatchSource
{
	const char *relation;  /* qualified and quoted */
	const char *partition; /* columns with partition and offset, quoted */
	const char *offset;
	const char *epoch; /* column with the topic epoch; NULL: all rows are of topic epoch 0 */
	bool leave_out;	   /* exclude rows whose position is in $8 int[], $4 int[] and $5 bigint[] */
} BatchSource;

/*
 * The panes to compute: all; those in [$2, $3) timestamptz, including the null pane if $3 is infinity; or the
 * others. Without a window, always all.
 */
typedef enum PaneRange
{
	PANES_ALL,
	PANES_WITHIN,
	PANES_OUTSIDE
} PaneRange;

/*
 * INSERT of states computed from the rows in the panes that satisfy the cut, a condition on partition and
 * offset of "event". Expressions that may raise an error are not evaluated for rows excluded by the cut or
 * leave_out. into_stream: insert into the stream layer, with the epoch $6 bigint; otherwise into the batch
 * layer.
 */
extern char *sql_compute(const ViewDef *def, int32 id, const BatchSource *source, bool into_stream,
						 const char *cut, PaneRange panes);

/*
 * The input rows of the same computation. For each row, the condition $11 is evaluated before the row's
 * expressions, at a place where the columns of the source can be referenced.
 */
extern char *sql_compute_rows(const ViewDef *def, const BatchSource *source, const char *cut,
							  PaneRange panes);

/*
 * Conditions for cuts: offset below the cut $1 bigint[]; at or above the cut $1 and below the cut $7 bigint[].
 */
extern char *sql_below_cut(const BatchSource *source);
extern char *sql_between_cuts(const BatchSource *source);

/*
 * DELETE of a layer's rows in panes [$2, $3), in the stream layer those up to the epoch $6.
 */
extern char *sql_clear(const ViewDef *def, int32 id, bool stream);

/*
 * First time, last time and number of the events below the cut $1 in [$2, $3); distinct panes before $3 of
 * stream rows up to epoch $6.
 */
extern char *sql_extent(const ViewDef *def, const BatchSource *source);
extern char *sql_changed_panes(const ViewDef *def, int32 id);

#endif /* STREAMBATCH_REFRESH_SQL_H */
