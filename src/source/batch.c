/*
 * batch.c
 *		The current micro-batch of this backend (see batch.h). One at a time: a worker owns one stream.
 */
#include "postgres.h"

#include "source/batch.h"

static Oid current_stream = InvalidOid;
static const MicroBatch *current_batch = NULL;
static int *current_cursor = NULL;

void
batch_set_current(Oid stream, const MicroBatch *batch, int *cursor)
{
	current_stream = stream;
	current_batch = batch;
	current_cursor = cursor;
}

const MicroBatch *
batch_current(Oid stream, int **cursor)
{
	if (current_batch == NULL || stream != current_stream)
		return NULL;
	*cursor = current_cursor;
	return current_batch;
}

const MicroBatch *
batch_running(int **cursor)
{
	*cursor = current_cursor;
	return current_batch;
}
