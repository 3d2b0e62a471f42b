/*
 * compute.h
 *		Exact states computed from the archive.
 */
#ifndef COMPUTE_H
#define COMPUTE_H

#include "common/catalog_stream.h"
#include "common/catalog_view.h"
#include "define/refresh_sql.h"

typedef struct Computation
{
	ViewRow view;
	ViewDef *def;
	Oid owner; /* the view's: everything here runs as them */
	Oid archive;
	BatchSource source;
	Datum dead_partitions; /* positions of the view's dead letters: int[], bigint[] */
	Datum dead_offsets;
} Computation;

/* A cut: next offset of partition i at index i; -1 where nothing of it has been read. */
typedef struct Cut
{
	int n;
	int64 *offsets;
} Cut;

/*
 * The cut that the stored positions are at. Current context. With the stream's row locked it is the cut of
 * everything committed.
 */
extern Cut *compute_cut(Oid stream);
extern ArrayType *compute_cut_array(const Cut *cut);

/*
 * Prepare: analyse the stored query, find the source. Raises where the stream has no archive. Current
 * context.
 */
extern Computation *compute_open(const ViewRow *view);

/*
 * Note the view's dead letters of now, which are left out; compute_open() did it too. After a cut, for those
 * that the worker's last flush before it has added. Current context.
 */
extern void compute_leave_out(Computation *c);

/*
 * One chunk, in the caller's transaction: replace the batch rows of panes [from, to) by what the archive
 * holds of them below the cut, and delete their stream rows up to the epoch that the cut closed. Without
 * window: everything. Returns the rows written. An error that a row raises names its position.
 */
extern int64 compute_chunk(const Computation *c, const Cut *cut, int64 closed_epoch, TimestampTz from,
						   TimestampTz to);

/*
 * The batch rows of panes before "closed" from the archive below the cut; and the stream rows, of an epoch,
 * of all other panes.
 */
extern int64 compute_history(const Computation *c, const Cut *cut, TimestampTz closed, int64 epoch);

/* Stream rows, of an epoch, of what the archive holds from one cut on below another. */
extern int64 compute_between(const Computation *c, const Cut *from, const Cut *to, int64 epoch);

/*
 * Bring the archive's block range indexes up to date, so that a chunk reads the blocks of its panes and not
 * the whole table: pages that were filled since the last vacuum are in no summary yet. As the archive's
 * owner.
 */
extern void compute_summarise(const Computation *c);

/* First and last event time in the range below the cut, and how many. False: none. */
extern bool compute_extent(const Computation *c, const Cut *cut, TimestampTz from, TimestampTz to,
						   TimestampTz *first, TimestampTz *last, int64 *count);

/* Starts of the panes before "before" that have stream rows of closed epochs, ascending. */
extern TimestampTz *compute_changed_panes(const Computation *c, int64 closed_epoch, TimestampTz before,
										  int *n);

#endif /* COMPUTE_H */
