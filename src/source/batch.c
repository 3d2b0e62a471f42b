/*
 * batch.c
 *		The current micro-batch of this backend (see batch.h). One at a time: a worker owns one stream.
 */
#include "postgres.h"

#include "source/batch.h"

static Oid current_stream = InvalidOid;
static const MicroBatch *current_batch = NULL;
static int *current_cursor = NULL;
static bool scanned = false; /* by the query that is running */

void
batch_set_current(Oid stream, const MicroBatch *batch, int *cursor)
{
	current_stream = stream;
	current_batch = batch;
	current_cursor = cursor;
	scanned = false;
}

void
batch_expect_scan(void)
{
	scanned = false;
}

const MicroBatch *
batch_begin_scan(Oid stream, int **cursor)
{
	const MicroBatch *batch = batch_current(stream, cursor);

	if (batch != NULL && scanned)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a hybrid view cannot read its stream a second time"),
				 errdetail("A function, a policy or a partition that the view's query uses reads it, too."),
				 errhint("Let it read another table, for example the stream's archive.")));
	scanned |= batch != NULL;
	return batch;
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
