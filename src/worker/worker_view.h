/*
 * worker_view.h
 *		One hybrid view in the worker: its fold query run over micro-batches, and what it makes of failing rows.
 */
#ifndef STREAMBATCH_WORKER_VIEW_H
#define STREAMBATCH_WORKER_VIEW_H

#include "common/catalog_stream.h"
#include "common/catalog_view.h"
#include "worker/decoded_batch.h"
#include "worker/epoch_filter.h"
#include "worker/fold.h"

typedef struct BadRow BadRow;

typedef struct WorkerView
{
	ViewRow row;
	Oid owner;
	Oid state_table;
	List *relations;	   /* what running the query locks */
	MemoryContext context; /* owns everything here */
	MemoryContext errors;  /* its child; reset when what was folded is stored */
	ViewDef *def;
	struct WorkerView *leader; /* the view whose fold this one shares; NULL: it has its own */
	List *followers;		   /* views that share this one's */
	Fold *fold;
	FoldState *columns;
	EpochFilter *written; /* what its state table may hold */
	char *query;
	void *plan;	 /* SPIPlanPtr */
	BadRow *bad; /* rows on which the fold itself failed: left out when they come again */
	int nbad;
	bool append;		/* the next flush appends, because combining with stored states failed */
	ErrorData *failure; /* the query itself fails: the view is to be suspended */
} WorkerView;

typedef enum WorkerViewResult
{
	WORKER_VIEW_DONE,
	WORKER_VIEW_POISONED /* the fold is half-changed: drop it all, read again (the row is noted in bad) */
} WorkerViewResult;

/*
 * In a context of its own under the current one. NULL where the view is being dropped. Raises what analysing
 * its query raises.
 */
extern WorkerView *worker_view_open(const ViewRow *row);

/*
 * Let a view share the fold of another, if theirs are one: the same rows with the same states for the same
 * owner, such as a tumbling and a hopping window of the same panes. False: they are not.
 */
extern bool worker_view_share(WorkerView *vf, WorkerView *leader);

/* Give back what does not live in its context, which the caller resets. */
extern void worker_view_close(WorkerView *vf);

/* Columns of the stream that the fold query reads, added to attnums. */
extern Bitmapset *worker_view_columns(const WorkerView *vf, Bitmapset *attnums);

/* What became of a row: the best of what its views made of it. */
#define ROW_FILTERED 0
#define ROW_DEAD 1
#define ROW_FOLDED 2

/*
 * Run the fold query over the decoded's micro-batch; taken[row] is raised to what became of each row. Rows on
 * which the view's expressions fail become its dead dead_letters. Needs an active snapshot.
 */
extern WorkerViewResult worker_view_run(WorkerView *vf, DecodedBatch *decoded, char *taken,
										DeadLetters *dead_letters);

/* Add what became of the rows, once all views have had them. */
extern void worker_view_count(const char *taken, int nrows, StreamCounts *counts);

/* Why the view's query fails; NULL: it does not. */
extern const ErrorData *worker_view_failure(const WorkerView *vf);

/* What was folded is stored, or dropped to be read again. */
extern void worker_view_stored(WorkerView *vf);
extern void worker_view_dropped(WorkerView *vf);

#endif /* STREAMBATCH_WORKER_VIEW_H */
