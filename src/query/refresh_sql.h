/*
 * refresh_sql.h
 *		The SQL of the batch layer, generated from a view's definition; see print_sql.h.
 *
 * All statements take the same parameters, each as far as it needs them: $1 bigint[] the cut, $2 and $3
 * timestamptz the range, $4 int[] and $5 bigint[] the positions of the view's dead dead_letters, $6 bigint an epoch,
 * $7 bigint[] a later cut.
 */
#ifndef STREAMBATCH_REFRESH_SQL_H
#define STREAMBATCH_REFRESH_SQL_H

#include "query/analyse.h"

/* Where batch computation reads events from. */
typedef struct BatchSource
{
	const char *relation;  /* qualified and quoted */
	const char *partition; /* its columns for positions, quoted */
	const char *offset;
	bool leave_out; /* rows listed in $4 int[] (partitions) and $5 bigint[] (offsets) are left out */
} BatchSource;

/* Which panes: [$2, $3) timestamptz, and no pane where $3 is infinity, or all others. Without a window it is all. */
typedef enum PaneRange
{
	PANES_ALL,
	PANES_WITHIN,
	PANES_OUTSIDE
} PaneRange;

/*
 * INSERT of states computed from the rows that pass the cut, a condition of positions that refers to the
 * source as "event", and are of the panes. Nothing that may raise is evaluated for a row that the cut or
 * leave_out keeps away. into_stream: into the stream layer, with the epoch $6 bigint; else into the batch
 * layer.
 */
extern char *sql_compute(const ViewDef *def, int32 id, const BatchSource *source, bool into_stream,
						 const char *cut, PaneRange panes);

/*
 * The rows of the same computation one by one. Of each, the condition $8 is evaluated before its expressions
 * are, where the columns of the source are at hand.
 */
extern char *sql_compute_rows(const ViewDef *def, const BatchSource *source, const char *cut,
							  PaneRange panes);

/* Cuts: position below the cut $1 bigint[]; from the cut $1 on and below the cut $7 bigint[]. */
extern char *sql_below_cut(const BatchSource *source);
extern char *sql_between_cuts(const BatchSource *source);

/*
 * DELETE of the rows of a layer in panes [$2, $3): of the stream layer up to the epoch $6; parameters as in
 * sql_compute().
 */
extern char *sql_clear(const ViewDef *def, int32 id, bool stream);

/*
 * First and last time and number of the events below the cut $1 in [$2, $3); panes of stream rows up to epoch
 * $6 before $3.
 */
extern char *sql_extent(const ViewDef *def, const BatchSource *source);
extern char *sql_changed_panes(const ViewDef *def, int32 id);

#endif /* STREAMBATCH_REFRESH_SQL_H */
