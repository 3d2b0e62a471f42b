/*
 * refresh_run.h
 *		One run of refresh(), over its transactions.
 */
#ifndef STREAMBATCH_REFRESH_RUN_H
#define STREAMBATCH_REFRESH_RUN_H

#include "batch/chunk_plan.h"
#include "batch/drift.h"
#include "common/compat.h"

typedef struct Run
{
	const char *kind; /* as in the run's row */
	Oid view;
	Oid recorded;		/* the view that the run's row is of; another one if the run is part of a rebuild */
	const char *source; /* batch_source.h; NULL: the view's own */
	bool strict;		/* end with the first error of the data, too */
	Oid archive;
	bool holds_past;
	MemoryContext context; /* survives the transactions */
	Computation *c;
	Cut *cut;
	TimestampTz cut_at;
	int64 closed_epoch;
	int64 id;
	ChunkPlan plan;
	RefreshRange requested;
	bool track_drift;
	Drift *drift;	/* of the chunks that are done */
	int64 kept;		/* panes that were left as they are, because their events have left the archive */
	int failed;		/* panes that could not be computed */
	ErrorData *why; /* the first one */
} Run;

/*
 * Commit, and start a READ COMMITTED transaction. From within a subtransaction, which is released, in a new one: so a
 * caller that has begun it can roll back what fails, and go on.
 */
extern void refresh_next_transaction(void);

/*
 * Lock the view and all relations that its query reads until the end of the transaction, so that they cannot be
 * dropped meanwhile. Raises undefined_table if the view was dropped.
 */
extern void refresh_lock_relations(const Run *run, const ViewRow *row);
extern void refresh_check_view_exists(const Run *run);

/* Record an error in the run, commit, and raise it. */
pg_noreturn extern void refresh_fail(const Run *run, ErrorData *error);

#endif /* STREAMBATCH_REFRESH_RUN_H */
