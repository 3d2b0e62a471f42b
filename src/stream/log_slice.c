/*
 * log_slice.c
 *		A part of a stream's log for a query of the batch layer (see log_slice.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "stream/log_slice.h"

/* For log_slice_plan(): the planner is not told what a scan reads. */
static const LogSlice *planned = NULL;

typedef struct Position
{
	int64 offset;
	int64 partition; /* as wide as the offset: a key has no padding */
} Position;

void
log_slice_leave_out(LogSlice *slice, ArrayType *partitions, ArrayType *offsets)
{
	HASHCTL control = {.keysize = sizeof(Position), .entrysize = sizeof(Position), .hcxt = slice->context};
	Datum *p;
	Datum *o;
	int n;
	int m;

	deconstruct_array(partitions, INT4OID, 4, true, TYPALIGN_INT, &p, NULL, &n);
	deconstruct_array(offsets, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &o, NULL, &m);
	Assert(n == m);
	if (n > 0 && slice->left_out == NULL)
		slice->left_out =
			hash_create("streambatch positions", n, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < n; i++)
	{
		Position key = {DatumGetInt64(o[i]), DatumGetInt32(p[i])};

		(void) hash_search(slice->left_out, &key, HASH_ENTER, NULL);
	}
}

bool
log_slice_leaves_out(const LogSlice *slice, int32 partition, int64 offset)
{
	Position key = {offset, partition};

	return slice->left_out != NULL && hash_search(slice->left_out, &key, HASH_FIND, NULL) != NULL;
}

void
log_slice_plan(const LogSlice *slice)
{
	planned = slice;
}

/* Fewer are read if the log begins after the slice, and where offsets have no message. */
double
log_slice_planned_messages(Oid stream)
{
	double messages = 0;

	if (planned == NULL || planned->stream != stream || planned->ends == NULL)
		return -1;
	for (int p = 0; p < planned->n; p++)
		messages += Max(0, planned->ends[p] - planned->starts[p]);
	return messages;
}
