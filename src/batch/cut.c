/*
 * cut.c
 *		A cut through a stream (see cut.h).
 */
#include "postgres.h"

#include "batch/cut.h"
#include "catalog/pg_type.h"
#include "common/catalog_stream.h"
#include "common/export.h"
#include "utils/array.h"

static bool is_null(const bits8 *nulls, int i);

STREAMBATCH_FUNCTION(streambatch_below_cut);

/* streambatch._below_cut(cut, partition, offset), strict: NULL also for a partition that was not read before the cut */
Datum
streambatch_below_cut(PG_FUNCTION_ARGS)
{
	ArrayType *cut = PG_GETARG_ARRAYTYPE_P(0);
	int32 partition = PG_GETARG_INT32(1);
	bits8 *nulls = ARR_NULLBITMAP(cut);
	const int64 *offsets = (const int64 *) ARR_DATA_PTR(cut);

	if (ARR_NDIM(cut) != 1 || partition < 0 || partition >= ARR_DIMS(cut)[0])
		PG_RETURN_NULL();
	/* nulls take no room among the offsets */
	if (nulls != NULL)
	{
		if (is_null(nulls, partition))
			PG_RETURN_NULL();
		for (int i = 0; i < partition; i++)
			offsets -= is_null(nulls, i);
	}
	PG_RETURN_BOOL(PG_GETARG_INT64(2) < offsets[partition]);
}

Cut *
cut_read(Oid stream)
{
	Cut *cut = palloc0(sizeof(Cut));
	int n;
	ProgressRow *rows = catalog_progress(stream, &n, &cut->topic_epoch);

	/* the rows are ordered by partition */
	cut->n = n > 0 ? rows[n - 1].partition + 1 : 0;
	cut->offsets = palloc((cut->n + 1) * sizeof(int64));
	for (int i = 0; i < cut->n; i++)
		cut->offsets[i] = -1;
	for (int i = 0; i < n; i++)
		cut->offsets[rows[i].partition] = rows[i].next_offset;
	return cut;
}

Cut *
cut_of_array(ArrayType *array, int32 topic_epoch)
{
	Cut *cut = palloc(sizeof(Cut));
	Datum *elems;
	bool *nulls;

	cut->topic_epoch = topic_epoch;
	deconstruct_array(array, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elems, &nulls, &cut->n);
	cut->offsets = palloc((cut->n + 1) * sizeof(int64));
	for (int i = 0; i < cut->n; i++)
		cut->offsets[i] = nulls[i] ? -1 : DatumGetInt64(elems[i]);
	return cut;
}

bool
cut_equal(const Cut *a, const Cut *b)
{
	return a->topic_epoch == b->topic_epoch && a->n == b->n &&
		   memcmp(a->offsets, b->offsets, a->n * sizeof(int64)) == 0;
}

bool
cut_is_empty(const Cut *cut)
{
	return cut->n == 0 && cut->topic_epoch == 0;
}

ArrayType *
cut_array(const Cut *cut)
{
	Datum *elems = palloc((cut->n + 1) * sizeof(Datum));
	bool *nulls = palloc((cut->n + 1) * sizeof(bool));
	int dims[1] = {cut->n};
	int lbs[1] = {1};

	for (int i = 0; i < cut->n; i++)
	{
		elems[i] = Int64GetDatum(cut->offsets[i]);
		nulls[i] = cut->offsets[i] < 0;
	}
	return construct_md_array(elems, nulls, 1, dims, lbs, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

static bool
is_null(const bits8 *nulls, int i)
{
	return (nulls[i / BITS_PER_BYTE] & (1 << (i % BITS_PER_BYTE))) == 0;
}
