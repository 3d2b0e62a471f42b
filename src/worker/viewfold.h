/*
 * viewfold.h
 *		One hybrid view in the worker: its fold query run over micro-batches, and what it makes of failing rows.
 */
#ifndef STREAMBATCH_VIEWFOLD_H
#define STREAMBATCH_VIEWFOLD_H

#include "common/catalog_stream.h"
#include "common/catalog_view.h"
#include "worker/decoded_batch.h"
#include "worker/epoch_filter.h"
#include "worker/fold.h"

typedef struct BadRow BadRow;

typedef struct ViewFold
{
	ViewRow row;
	Oid owner;
	Oid state_table;
	List *relations;	   /* what running the query locks */
	MemoryContext context; /* owns everything here */
	MemoryContext errors;  /* its child; reset when what was folded is stored */
	ViewDef *def;
	struct ViewFold *leader; /* the view whose fold this one shares; NULL: it has its own */
	List *followers;		 /* views that share this one's */
	Fold *fold;
	FoldState *columns;
	EpochFilter *written; /* what its state table may hold */
	char *query;
	void *plan;	 /* SPIPlanPtr */
	BadRow *bad; /* rows on which the fold itself failed: left out when they come again */
	int nbad;
	bool append;		/* the next flush appends, because combining with stored states failed */
	ErrorData *failure; /* the query itself fails: the view is to be suspended */
} ViewFold;

typedef enum ViewFoldResult
{
	VIEWFOLD_DONE,
	VIEWFOLD_POISONED /* the fold is half-changed: drop it all, read again (the row is noted in bad) */
} ViewFoldResult;

/*
 * In a context of its own under the current one. NULL where the view is being dropped. Raises what analysing
 * its query raises.
 */
extern ViewFold *viewfold_open(const ViewRow *row);

/*
 * Let a view share the fold of another, if theirs are one: the same rows with the same states for the same
 * owner, such as a tumbling and a hopping window of the same panes. False: they are not.
 */
extern bool viewfold_share(ViewFold *vf, ViewFold *leader);

/* Give back what does not live in its context, which the caller resets. */
extern void viewfold_close(ViewFold *vf);

/* Columns of the stream that the fold query reads, added to attnums. */
extern Bitmapset *viewfold_columns(const ViewFold *vf, Bitmapset *attnums);

/* What became of a row: the best of what its views made of it. */
#define ROW_FILTERED 0
#define ROW_DEAD 1
#define ROW_FOLDED 2

/*
 * Run the fold query over the decoded's micro-batch; taken[row] is raised to what became of each row. Rows on
 * which the view's expressions fail become its dead dead_letters. Needs an active snapshot.
 */
extern ViewFoldResult viewfold_run(ViewFold *vf, DecodedBatch *decoded, char *taken,
								   DeadLetters *dead_letters);

/* Add what became of the rows, once all views have had them. */
extern void viewfold_count(const char *taken, int nrows, StreamCounts *counts);

/* Why the view's query fails; NULL: it does not. */
extern const ErrorData *viewfold_failure(const ViewFold *vf);

/* What was folded is stored, or dropped to be read again. */
extern void viewfold_stored(ViewFold *vf);
extern void viewfold_dropped(ViewFold *vf);

#endif /* STREAMBATCH_VIEWFOLD_H */
