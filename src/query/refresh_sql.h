/*
 * refresh_sql.h
 *		The SQL of the batch layer, generated from a view's definition; see print_sql.h.
 *
 * All statements have the same parameters, and use some of them: $1 bigint[] the cut, $2 and $3 timestamptz the
 * range, $4 int[] and $5 bigint[] partitions and offsets of the view's dead letters, $6 bigint an epoch, $7
 * bigint[] another cut; topic epochs (stream/topic_epoch.c): $8 int[] of the dead letters, $9 int of the cut $1, $10
 * int of the cut $7; $11 the mark of a row (batch/failing_row.c); $12 an array of panes, of the window's type; $13
 * and $14 timestamptz[] the ranges of time that contain them; from $15 on, the keys of a group.
 */
#ifndef STREAMBATCH_REFRESH_SQL_H
#define STREAMBATCH_REFRESH_SQL_H

#include "query/analyse.h"

/* The source of events for the batch layer. */
typedef struct BatchSource
{
	const char *relation;  /* qualified and quoted */
	const char *partition; /* columns with partition and offset, quoted; NULL: its rows have no positions */
	const char *offset;
	const char *epoch; /* column with the topic epoch; NULL: all rows are of topic epoch 0 */
	bool log;		   /* the stream: the scan knows the cut and what to leave out */
	bool leave_out;	   /* exclude rows whose position is in $8 int[], $4 int[] and $5 bigint[] */
	int reads;		   /* so many ranges of time are worth telling apart, with an index; 0: none */
	bool partitioned;  /* it is a partitioned table */
	bool blocks;	   /* a block range index finds them all at once, by _in_ranges() */
	bool scanned;	   /* no condition on the time keeps a statement from reading all of it */
} BatchSource;

/*
 * The panes to compute: all; those in [$2, $3) timestamptz, including the null pane if $3 is infinity; the others;
 * or those in the array $12. Without a window, always all.
 */
typedef enum PaneRange
{
	PANES_ALL,
	PANES_WITHIN,
	PANES_OUTSIDE,
	PANES_LISTED
} PaneRange;

typedef struct PaneSet
{
	PaneRange range;
	int nreads; /* listed: the number of ranges in $13 and $14 */
} PaneSet;

/*
 * The states of groups, computed from the rows in the panes that satisfy the cut, a condition on partition and
 * offset of "event". Expressions that may raise an error are not evaluated for rows excluded by the cut or
 * leave_out. into_stream: those of the stream layer, and the epoch $6 bigint; otherwise of the batch layer.
 */
extern char *sql_compute(const ViewDef *def, const BatchSource *source, bool into_stream, const char *cut,
						 PaneSet panes);

/* The same of the batch layer, and as a last column whether some event of the group is below the cut $7. */
extern char *sql_compute_changed(const ViewDef *def, const BatchSource *source, PaneSet panes);

/*
 * INSERT of the rows of either, which are in a relation with this name, into the layer; listed: only of those in the
 * panes of the list $12.
 */
extern char *sql_insert_groups(const ViewDef *def, int32 id, bool into_stream, const char *groups,
							   bool listed);

/*
 * The input rows of the same computation. For each row, the condition $11 is evaluated before the row's
 * expressions, at a place where the columns of the source can be referenced.
 */
extern char *sql_compute_rows(const ViewDef *def, const BatchSource *source, const char *cut, PaneSet panes);

/*
 * The same computation as a SELECT, ordered by the keys; with_keys: only of the group with the keys from $15 on. And
 * the keys alone, of the group with this number in that order.
 */
extern char *sql_compute_groups(const ViewDef *def, const BatchSource *source, const char *cut, PaneSet panes,
								bool with_keys);
extern char *sql_group_keys(const ViewDef *def, const BatchSource *source, const char *cut, PaneSet panes,
							uint64 number);

/*
 * Conditions for cuts: offset below the cut $1 bigint[]; at or above the cut $1 and below the cut $7 bigint[].
 */
extern char *sql_below_cut(const BatchSource *source);
extern char *sql_between_cuts(const BatchSource *source);

/*
 * DELETE of a layer's rows in panes [$2, $3) or in the list $12, in the stream layer those up to the epoch $6.
 */
extern char *sql_clear(const ViewDef *def, int32 id, bool stream, PaneRange panes);

/* Its condition on rows of a state table. */
extern char *sql_pane_condition(const ViewDef *def, PaneRange panes);

/* A row of either layer in the panes [$2, $3), in the stream layer of those up to the epoch $6; no row if there is none. */
extern char *sql_any_row(const ViewDef *def, int32 id);

/*
 * The panes in [$2, $3) of stream rows up to epoch $6, and those in the list $12; with a source, all in [$2, $3) that have
 * batch rows or events below the cut $1. Ascending: the start as timestamptz; whether the batch layer, and whether the
 * stream layer up to that epoch has rows of the pane.
 */
extern char *sql_changed_panes(const ViewDef *def, int32 id, const BatchSource *source);

/* The panes of the rows of a relation that has the stream's columns: the start as timestamptz, ascending, at last null. */
extern char *sql_panes_of(const ViewDef *def, const char *relation);

/*
 * The panes that have events below the cut $1, ascending, and the null pane: the start as timestamptz; the number of
 * events; how many of them are below the cut $7.
 */
extern char *sql_event_panes(const ViewDef *def, const BatchSource *source, PaneSet panes);

/*
 * The times of the events below the cut $1 in [$2, $3), ascending, as timestamptz; percent: of so many percent of the
 * archive's pages. And the number of these events, up to a limit.
 */
extern char *sql_event_times(const ViewDef *def, const BatchSource *source, double percent);
extern char *sql_count_events(const ViewDef *def, const BatchSource *source, int64 limit);

/* Whether a view's states depend on the positions of events. */
extern bool sql_needs_positions(const ViewDef *def);

#endif /* STREAMBATCH_REFRESH_SQL_H */
