/*
 * flush.h
 *		The flush: what was folded becomes visible, in the transaction that moves the positions.
 */
#ifndef STREAMBATCH_FLUSH_H
#define STREAMBATCH_FLUSH_H

#include "worker/dead_letters.h"
#include "worker/positions.h"
#include "worker/worker_view.h"

typedef struct FlushJob
{
	const Stream *stream;
	int64 generation; /* of the set of views that the fold was made for */
	List *views;	  /* of WorkerView * */
	Positions *positions;
	DeadLetters *dead_letters;
	StreamCounts *counts;
} FlushJob;

typedef enum FlushResult
{
	FLUSH_DONE,
	FLUSH_BUSY,	 /* somebody keeps the stream's row: abort, wait for it without any lock, read again */
	FLUSH_STALE, /* the set of views has changed: abort, load it again, read again */
	FLUSH_RETRY	 /* combining failed: abort, read again; that view's next flush appends */
} FlushResult;

/*
 * Write everything into the open transaction. The caller commits on FLUSH_DONE, aborts otherwise. Raises what
 * cannot be mended by reading again at once.
 */
extern FlushResult flush_write(const FlushJob *job);

#endif /* STREAMBATCH_FLUSH_H */
