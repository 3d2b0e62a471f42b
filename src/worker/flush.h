/*
 * flush.h
 *		The flush: writing states, dead letters and positions in one transaction.
 */
#ifndef STREAMBATCH_FLUSH_H
#define STREAMBATCH_FLUSH_H

#include "worker/dead_letters.h"
#include "worker/positions.h"
#include "worker/worker_view.h"

typedef struct FlushJob
{
	const Stream *stream;
	int64 generation; /* of the set of views that was folded for */
	int32 topic_epoch;
	List *views; /* of WorkerView * */
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

#endif /* STREAMBATCH_FLUSH_H */
