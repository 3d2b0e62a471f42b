/*
 * computation.h
 *		Exact states of a hybrid view computed from its archive.
 */
#ifndef STREAMBATCH_COMPUTATION_H
#define STREAMBATCH_COMPUTATION_H

#include "batch/cut.h"
#include "common/catalog_view.h"
#include "query/refresh_sql.h"

typedef struct Computation
{
	ViewRow view;
	ViewDef *def;
	Oid owner; /* the view's: everything here runs as them */
	Oid archive;
	BatchSource source;
	Datum dead_partitions; /* positions of the view's dead dead_letters: int[], bigint[] */
	Datum dead_offsets;
} Computation;

/*
 * Prepare: analyse the stored query, find the source. Raises where the stream has no archive. Current
 * context.
 */
extern Computation *compute_open(const ViewRow *view);

/*
 * Note the view's dead dead_letters of now, which are left out; compute_open() did it too. After a cut, for those
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

#endif /* STREAMBATCH_COMPUTATION_H */
