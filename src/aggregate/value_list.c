/*
 * value_list.c
 *		Lists of values (see value_list.h).
 *
 * State tables have a list in the place of a t-digest, in the same column of type bytea. Its first word cannot be that
 * of a t-digest, whose flags it stands in the place of. Values of double precision and bigint are stored as they are in
 * memory, like those of t-digests; a numeric in its binary form, after its length.
 *
 * Users can enter any bytes, so a list is checked whenever it is read.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "aggregate/sketch.h"
#include "aggregate/value_list.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

/* A t-digest has 1. */
#define LIST_FLAGS 0x4c495354

/* Only numeric values with very many digits make a longer one. */
#define LIST_MAX_SIZE (16 * 1024)

typedef struct ListHeader
{
	int32 flags;
	Oid type;
	int32 n;
} ListHeader;

/* Of a numeric's binary form: number of digits, weight, sign and scale, of two bytes each. */
#define NUMERIC_HEADER 8

typedef struct Order
{
	Oid type;
	bool descending;
} Order;

static void append_value(StringInfo buf, Oid type, Datum value);
static const char *read_value(const char *at, const char *end, Oid type, Datum *value);
static Datum read_numeric(const char *at, uint16 length);
static int compare(const void *a, const void *b, void *order);
pg_noreturn static void refuse(const char *reason);

bool
value_list_takes(Oid type)
{
	return type == FLOAT8OID || type == INT8OID || type == NUMERICOID;
}

bool
value_list_is(Datum bytes)
{
	struct varlena *start = PG_DETOAST_DATUM_SLICE(bytes, 0, sizeof(int32));
	int32 flags = 0;

	if (VARSIZE_ANY_EXHDR(start) >= sizeof(flags))
		memcpy(&flags, VARDATA_ANY(start), sizeof(flags));
	return flags == LIST_FLAGS;
}

Datum
value_list_make(Oid type, const Datum *values, int n)
{
	ListHeader header = {LIST_FLAGS, type, n};
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoSpaces(&buf, VARHDRSZ);
	appendBinaryStringInfo(&buf, (char *) &header, sizeof(header));
	for (int i = 0; i < n; i++)
		append_value(&buf, type, values[i]);
	if (buf.len > LIST_MAX_SIZE)
		return (Datum) 0;
	SET_VARSIZE(buf.data, buf.len);
	return PointerGetDatum(buf.data);
}

int
value_list_read(Datum list, Oid *type, Datum *values)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(list);
	const char *at = VARDATA_ANY(bytes);
	const char *end = at + VARSIZE_ANY_EXHDR(bytes);
	ListHeader header;

	if (end - at < sizeof(header))
		refuse("It is shorter than its header.");
	memcpy(&header, at, sizeof(header));
	at += sizeof(header);
	if (header.flags != LIST_FLAGS || !value_list_takes(header.type))
		refuse("Its header is not one of a list of values.");
	if (header.n <= 0 || header.n > VALUE_LIST_MAX)
		refuse("Its number of values is out of range.");
	for (int i = 0; i < header.n; i++)
	{
		float8 value;

		at = read_value(at, end, header.type, &values[i]);
		value = value_list_to_float8(header.type, values[i]);
		/* written so that NaN is refused, too */
		if (!(fabs(value) <= SKETCH_TDIGEST_LIMIT))
			refuse("One of its values is out of range.");
	}
	if (at != end)
		refuse("It is longer than its values.");
	*type = header.type;
	return header.n;
}

float8
value_list_to_float8(Oid type, Datum value)
{
	switch (type)
	{
		case INT8OID:
			return (float8) DatumGetInt64(value);
		case NUMERICOID:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
		default:
			return DatumGetFloat8(value);
	}
}

Datum
value_list_from_float8(float8 value, Oid type)
{
	static const struct
	{
		Oid type;
		float8 least; /* bounds of the type; values beyond them through rounding are clamped */
		float8 greatest;
		PGFunction cast;
	} types[] = {
		{INT2OID, PG_INT16_MIN, PG_INT16_MAX, dtoi2},
		{INT4OID, PG_INT32_MIN, PG_INT32_MAX, dtoi4},
		{INT8OID, -9223372036854775808.0, 9223372036854774784.0, dtoi8},
		{FLOAT4OID, -FLT_MAX, FLT_MAX, dtof},
		{NUMERICOID, -SKETCH_TDIGEST_LIMIT, SKETCH_TDIGEST_LIMIT, float8_numeric},
	};

	for (int i = 0; i < lengthof(types); i++)
	{
		if (types[i].type == type)
			return DirectFunctionCall1(types[i].cast,
									   Float8GetDatum(Max(types[i].least, Min(types[i].greatest, value))));
	}
	if (type != FLOAT8OID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("cannot convert a t-digest value to type %s", format_type_be(type))));
	return Float8GetDatum(value);
}

void
value_list_sort(Oid type, Datum *values, int n, bool descending)
{
	Order order = {type, descending};

	qsort_arg(values, n, sizeof(Datum), compare, &order);
}

Datum
value_list_percentile(Oid type, const Datum *values, int n, float8 fraction, bool discrete, Oid result)
{
	float8 low;
	float8 high;
	float8 position = fraction * (n - 1);
	int row = Max((int) ceil(fraction * n), 1);

	if (discrete && result == type)
		return values[row - 1];
	if (discrete)
		return value_list_from_float8(value_list_to_float8(type, values[row - 1]), result);
	low = value_list_to_float8(type, values[(int) floor(position)]);
	high = value_list_to_float8(type, values[(int) ceil(position)]);
	if (floor(position) != ceil(position))
		low = low + (position - floor(position)) * (high - low);
	return value_list_from_float8(low, result);
}

static void
append_value(StringInfo buf, Oid type, Datum value)
{
	int64 bits = DatumGetInt64(value);
	bytea *sent;
	uint16 length;

	if (type != NUMERICOID)
	{
		appendBinaryStringInfo(buf, (char *) &bits, sizeof(bits));
		return;
	}
	sent = DatumGetByteaPP(DirectFunctionCall1(numeric_send, value));
	/* in the range of a t-digest, there are at most 16,383 digits after the point and 286 before it */
	length = VARSIZE_ANY_EXHDR(sent);
	appendBinaryStringInfo(buf, (char *) &length, sizeof(length));
	appendBinaryStringInfo(buf, VARDATA_ANY(sent), length);
}

/* Reads a value, and returns where the next one begins. */
static const char *
read_value(const char *at, const char *end, Oid type, Datum *value)
{
	int64 bits;
	uint16 length = 0;

	if (type != NUMERICOID)
	{
		if (end - at < sizeof(bits))
			refuse("It is shorter than its values.");
		memcpy(&bits, at, sizeof(bits));
		*value = Int64GetDatum(bits);
		return at + sizeof(bits);
	}
	if (end - at >= sizeof(length))
		memcpy(&length, at, sizeof(length));
	at += sizeof(length);
	if (length < NUMERIC_HEADER || end - at < length)
		refuse("It is shorter than its values.");
	*value = read_numeric(at, length);
	return at + length;
}

static Datum
read_numeric(const char *at, uint16 length)
{
	StringInfoData buf;
	uint16 digits;

	memcpy(&digits, at, sizeof(digits));
	if (length != NUMERIC_HEADER + pg_ntoh16(digits) * sizeof(int16))
		refuse("A value of type numeric has another length than its digits.");
	buf.data = unconstify(char *, at);
	buf.len = buf.maxlen = length;
	buf.cursor = 0;
	return DirectFunctionCall3(numeric_recv, PointerGetDatum(&buf), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

static int
compare(const void *a, const void *b, void *order)
{
	Datum x = *(const Datum *) a;
	Datum y = *(const Datum *) b;
	const Order *o = order;
	int result;

	if (o->type == INT8OID)
		result = (DatumGetInt64(x) > DatumGetInt64(y)) - (DatumGetInt64(x) < DatumGetInt64(y));
	else if (o->type == NUMERICOID)
		result = DatumGetInt32(DirectFunctionCall2(numeric_cmp, x, y));
	else
		result = float8_cmp_internal(DatumGetFloat8(x), DatumGetFloat8(y));
	return o->descending ? -result : result;
}

static void
refuse(const char *reason)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid list of values"),
		 errdetail("%s", reason),
		 errhint(
			 "CALL streambatch.refresh('…', \"full\" => true) computes the sketches of a hybrid view again.")));
}
