/*
 * worker_view.h
 *		One hybrid view in the worker: opening and closing it, sharing a fold, its failure.
 */
#ifndef STREAMBATCH_WORKER_VIEW_H
#define STREAMBATCH_WORKER_VIEW_H

#include "common/catalog_view.h"
#include "worker/epoch_filter.h"
#include "worker/fold.h"

typedef struct WorkerView
{
	ViewRow row;
	Oid owner;
	Oid state_table;
	int time_limit;		   /* of its query over a micro-batch, in milliseconds; 0: none */
	List *relations;	   /* that the query locks */
	MemoryContext context; /* owns everything here */
	MemoryContext errors;  /* its child; reset by worker_view_stored() */
	ViewDef *def;
	struct WorkerView *leader; /* the view whose fold this one shares; NULL: it has its own */
	List *followers;		   /* OIDs of the views that share this one's fold */
	Fold *fold;
	FoldState *columns;
	EpochFilter *filter; /* groups that its state table may contain */
	char *query;
	void *plan;			  /* SPIPlanPtr */
	int64 compared_epoch; /* that folded groups were compared with stored states of; 0: they were not */
	ErrorData *failure;	  /* of the query itself: the view is to be suspended */
} WorkerView;

/* A view that could not be opened, and why. */
typedef struct FailedView
{
	Oid view;
	const ErrorData *error;
} FailedView;

/*
 * Open a view, in a new context under the current one. Returns NULL if the view is being dropped. Raises what
 * analysing its query raises.
 */
extern WorkerView *worker_view_open(const ViewRow *row);

/*
 * Let a view share the fold of another, if both have the same owner and fold the same rows into the same
 * states, such as a tumbling and a hopping window with the same panes. Returns false if they do not.
 */
extern bool worker_view_share(WorkerView *view, WorkerView *leader);

/* Free what does not live in its context. The caller resets the context. */
extern void worker_view_close(WorkerView *view);

/* Add the stream's columns that the fold query reads to attnums. */
extern Bitmapset *worker_view_columns(const WorkerView *view, Bitmapset *attnums);

/* Why the view's query fails; NULL: it does not. */
extern const ErrorData *worker_view_failure(const WorkerView *view);

/* In the context of the view: it has run for longer than its time limit. */
extern ErrorData *worker_view_time_limit_error(WorkerView *view);

/* Reset the fold, after it was stored; or because its messages are to be read again. */
extern void worker_view_stored(WorkerView *view);
extern void worker_view_dropped(WorkerView *view);

#endif /* STREAMBATCH_WORKER_VIEW_H */
