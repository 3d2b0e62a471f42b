/*
 * cut.c
 *		A cut through a stream (see cut.h).
 */
#include "postgres.h"

#include "batch/cut.h"
#include "catalog/pg_type.h"
#include "common/catalog_stream.h"

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
