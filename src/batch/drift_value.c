/*
 * drift_value.c
 *		Comparing two values of a column (see drift_value.h).
 */
#include "postgres.h"

#include <math.h>

#include "batch/drift_value.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Sums of floating-point numbers depend on the order of the events by about so much. */
#define TOLERANCE_FLOAT8 1e-9
#define TOLERANCE_FLOAT4 1e-5

/* Of a text in an example. */
#define MAX_LENGTH 200

static bool to_double(const DriftType *t, Datum value, double *result);
static double tolerance(const DriftType *t);

void
drift_type_init(DriftType *t, Oid type, Oid collation)
{
	Oid function;
	bool varlena;

	t->type = type;
	t->collation = collation;
	t->base = getBaseType(type);
	t->cache = lookup_type_cache(type, TYPECACHE_CMP_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO);
	getTypeOutputInfo(type, &function, &varlena);
	fmgr_info_cxt(function, &t->output, CurrentMemoryContext);
}

bool
drift_type_is_number(const DriftType *t)
{
	switch (t->base)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return true;
		default:
			return false;
	}
}

bool
drift_differs(const DriftType *before, Datum old_value, bool old_isnull, const DriftType *after,
			  Datum new_value, bool new_isnull, double *relative)
{
	double x;
	double y;

	*relative = -1;
	if (old_isnull || new_isnull)
		return old_isnull != new_isnull;
	if (before->type == after->type)
	{
		if (OidIsValid(after->cache->eq_opr_finfo.fn_oid)
				? DatumGetBool(
					  FunctionCall2Coll(&after->cache->eq_opr_finfo, after->collation, old_value, new_value))
				: datum_image_eq(old_value, new_value, after->cache->typbyval, after->cache->typlen))
			return false;
	}
	if (!to_double(before, old_value, &x) || !to_double(after, new_value, &y))
		return true;
	if (isfinite(x) && isfinite(y))
		*relative = x == y ? 0 : fabs(y - x) / fabs(y != 0 ? y : x);
	if (before->type != after->type && x == y)
		return false;
	return *relative < 0 || *relative > Max(tolerance(before), tolerance(after)) ||
		   (tolerance(before) == 0 && tolerance(after) == 0);
}

int
drift_compare(const DriftType *t, Datum a, bool a_isnull, Datum b, bool b_isnull)
{
	if (a_isnull || b_isnull)
		return (int) a_isnull - (int) b_isnull;
	return DatumGetInt32(FunctionCall2Coll(&t->cache->cmp_proc_finfo, t->collation, a, b));
}

void
drift_append_value(StringInfo buf, DriftType *t, Datum value, bool isnull)
{
	char *text;
	double number;

	if (isnull)
	{
		appendStringInfoString(buf, "null");
		return;
	}
	text = OutputFunctionCall(&t->output, value);
	if (t->base == BOOLOID)
		appendStringInfoString(buf, DatumGetBool(value) ? "true" : "false");
	else if (to_double(t, value, &number) && isfinite(number))
		appendStringInfoString(buf, text);
	else
	{
		int length = (int) strlen(text);

		if (length > MAX_LENGTH)
			text = psprintf("%.*s…", pg_mbcliplen(text, length, MAX_LENGTH), text);
		escape_json(buf, text);
	}
}

static bool
to_double(const DriftType *t, Datum value, double *result)
{
	switch (t->base)
	{
		case INT2OID:
			*result = DatumGetInt16(value);
			return true;
		case INT4OID:
			*result = DatumGetInt32(value);
			return true;
		case INT8OID:
			*result = (double) DatumGetInt64(value);
			return true;
		case FLOAT4OID:
			*result = DatumGetFloat4(value);
			return true;
		case FLOAT8OID:
			*result = DatumGetFloat8(value);
			return true;
		case NUMERICOID:
			*result = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
			return true;
		default:
			return false;
	}
}

static double
tolerance(const DriftType *t)
{
	return t->base == FLOAT8OID ? TOLERANCE_FLOAT8 : t->base == FLOAT4OID ? TOLERANCE_FLOAT4 : 0;
}
