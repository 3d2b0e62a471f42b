/*
 * flush.h
 *		The flush: writing states, dead letters and positions in one transaction.
 */
#ifndef STREAMBATCH_FLUSH_H
#define STREAMBATCH_FLUSH_H

#include "worker/dead_letters.h"
#include "worker/decoded_batch.h"
#include "worker/positions.h"
#include "worker/worker_view.h"

typedef struct FlushJob
{
	const Stream *stream;
	int64 generation; /* of the set of views that was folded for */
	int32 topic_epoch;
	List *views;  /* of WorkerView * */
	List *failed; /* of FailedView * */
	Positions *positions;
	DeadLetters *dead_letters;
	StreamCounts *counts;
} FlushJob;

typedef enum FlushResult
{
	FLUSH_DONE,
	FLUSH_BUSY,	 /* the stream's row is locked: abort, wait for it without other locks, read again */
	FLUSH_STALE, /* the set of views has changed: abort, reload it, read again */
	FLUSH_RETRY	 /* combining with stored states failed: abort, read again, compare each row with them */
} FlushResult;

/*
 * Write everything into the open transaction. The caller commits on FLUSH_DONE, and aborts otherwise. Raises
 * errors that reading again at once would not resolve.
 */
extern FlushResult flush_write(const FlushJob *job);

/* Lock the stream's row for a flush. FLUSH_DONE: it is locked, and its generation is that of the fold. */
extern FlushResult flush_lock(Oid stream, int64 generation);

/*
 * Fold a micro-batch for a view, in careful mode, and compare each row with the states that are stored of its group
 * under an epoch: what cannot be combined with them is a dead letter, too.
 */
extern void flush_fold_compared(WorkerView *view, int64 epoch, DecodedBatch *decoded, char *taken,
								DeadLetters *dead_letters);

/*
 * Write the states of one view under an epoch that was read with the stream's row locked. FLUSH_RETRY: combining
 * them with the stored ones failed, or they were compared with the stored ones of another epoch: the caller aborts,
 * and compares at the next attempt. FLUSH_BUSY: the view's code was to give way, or has failed the view.
 */
extern FlushResult flush_view(WorkerView *view, int64 epoch);

#endif /* STREAMBATCH_FLUSH_H */
