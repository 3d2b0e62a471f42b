/*
 * micro_batch_position.c
 *		streambatch._batch_partition(), _batch_offset(): the positions of a micro-batch's rows, for SQL that runs over it.
 *
 * With an argument, the ctid that the scan of the micro-batch gave a row: the position of that row. Without:
 * that of the row which the scan returned last. Raises where no micro-batch is current: in any other process
 * than a stream's worker.
 */
#include "postgres.h"

#include "common/export.h"
#include "fmgr.h"
#include "source/batch.h"

STREAMBATCH_FUNCTION(streambatch_batch_partition);
STREAMBATCH_FUNCTION(streambatch_batch_offset);

static const MicroBatch *
running_batch(FunctionCallInfo fcinfo, int *row)
{
	int *cursor;
	const MicroBatch *batch = batch_running(&cursor);

	if (batch == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("only a stream's worker can call this function")));
	*row = PG_NARGS() > 0 ? batch_tid_row((ItemPointer) PG_GETARG_POINTER(0)) : *cursor - 1;
	return batch;
}

Datum
streambatch_batch_partition(PG_FUNCTION_ARGS)
{
	int row;
	const MicroBatch *batch = running_batch(fcinfo, &row);

	PG_RETURN_INT32(batch->partitions[row]);
}

Datum
streambatch_batch_offset(PG_FUNCTION_ARGS)
{
	int row;
	const MicroBatch *batch = running_batch(fcinfo, &row);

	PG_RETURN_INT64(batch->offsets[row]);
}
