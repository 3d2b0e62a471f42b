/*
 * sample_values.c
 *		Sample values of any type (see sample_values.h).
 *
 * Samples of an enum are its labels; of an array or composite type, values made of samples of its parts; of any
 * other type, those of a list of texts that its input function accepts.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "aggregate/sample_values.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "common/subtransaction.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* Numbers first, because text types accept them as well. */
static const char *const texts[] = {"1",
									"0",
									"2",
									"-3",
									"7",
									"0.25",
									"b",
									"true",
									"2024-01-31",
									"2024-02-29 12:30:00+00",
									"1999-12-31",
									"10:30",
									"12:00:01",
									"1 day",
									"3 h",
									"[1,5)",
									"[3,9)",
									"empty",
									"[2024-01-01,2024-02-01)",
									"{[1,5)}",
									"{[3,9),[20,21)}",
									"{[2024-01-01,2024-02-01)}",
									"{\"a\": 1}",
									"(1,2)",
									"(1,2),(3,4)",
									"((0,0),(1,1),(2,0))",
									"<(1,2),3>",
									"10.0.0.1",
									"10.0.0.0/8",
									"08:00:2b:01:02:03",
									"08:00:2b:01:02:03:04:05",
									"11111111-1111-1111-1111-111111111111",
									"22222222-2222-2222-2222-222222222222",
									"<a/>",
									"101"};

typedef struct InputJob
{
	Oid type;
	const char *text;
	Datum value;
} InputJob;

static int of_array(Oid element, Datum *values);
static int of_enum(Oid type, Datum *values);
static int of_composite(Oid type, Datum *values);
static int of_texts(Oid type, Datum *values);
static void read_text(void *arg);

void
samples_rethrow_cancel(ErrorData *error)
{
	if (error != NULL && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
}

int
samples_of(Oid type, Datum *values)
{
	Oid element = get_element_type(type);

	if (OidIsValid(element))
		return of_array(element, values);
	switch (get_typtype(type))
	{
		case TYPTYPE_ENUM:
			return of_enum(type, values);
		case TYPTYPE_COMPOSITE:
			return of_composite(type, values);
		case TYPTYPE_PSEUDO:
			return 0;
		default:
			return of_texts(type, values);
	}
}

/* Arrays of zero, one and several elements. */
static int
of_array(Oid element, Datum *values)
{
	Datum elements[SAMPLES_MAX];
	int n = samples_of(element, elements);
	int16 len;
	bool byval;
	char align;
	int count = 0;

	if (n == 0)
		return 0;
	get_typlenbyvalalign(element, &len, &byval, &align);
	for (int first = 0; first < n && count < SAMPLES_MAX; first++)
		values[count++] =
			PointerGetDatum(construct_array(&elements[first], n - first, element, len, byval, align));
	if (count < SAMPLES_MAX)
		values[count++] = PointerGetDatum(construct_empty_array(element));
	return count;
}

static int
of_enum(Oid type, Datum *values)
{
	CatCList *list = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	int n = Min(list->n_members, SAMPLES_MAX);

	for (int i = 0; i < n; i++)
		values[i] = ObjectIdGetDatum(((Form_pg_enum) GETSTRUCT(&list->members[i]->tuple))->oid);
	ReleaseCatCacheList(list);
	return n;
}

static int
of_composite(Oid type, Datum *values)
{
	TupleDesc desc = lookup_rowtype_tupdesc_copy(type, -1);
	Datum(*columns)[SAMPLES_MAX] = palloc0(desc->natts * sizeof(*columns));
	int *counts = palloc0(desc->natts * sizeof(int));
	Datum *row = palloc(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));

	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			counts[i] = samples_of(TupleDescAttr(desc, i)->atttypid, columns[i]);
	}
	for (int n = 0; n < SAMPLES_MAX; n++)
	{
		for (int i = 0; i < desc->natts; i++)
		{
			nulls[i] = counts[i] == 0;
			row[i] = nulls[i] ? (Datum) 0 : columns[i][(n * (i + 1)) % counts[i]];
		}
		values[n] = heap_copy_tuple_as_datum(heap_form_tuple(desc, row, nulls), desc);
	}
	return SAMPLES_MAX;
}

static int
of_texts(Oid type, Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	int n = 0;

	for (int i = 0; i < lengthof(texts) && n < SAMPLES_MAX; i++)
	{
		InputJob job = {type, texts[i], (Datum) 0};
		ErrorData *error = subtransaction_run(read_text, &job, context);

		samples_rethrow_cancel(error);
		if (error == NULL)
			values[n++] = job.value;
	}
	return n;
}

static void
read_text(void *arg)
{
	InputJob *job = arg;
	Oid input;
	Oid ioparam;

	getTypeInputInfo(job->type, &input, &ioparam);
	job->value = OidInputFunctionCall(input, pstrdup(job->text), ioparam, -1);
}
