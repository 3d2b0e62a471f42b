/*
 * convert.c
 *		Conversion of JSON values to Datums (see convert.h).
 *
 * One table defines, for each type, which kinds of JSON values it accepts and how they are converted. A JSON
 * string means the same as an SQL literal of the type; a number means its value; arrays and objects are accepted
 * only by text, json and jsonb, which accept any value, and by array types. Common spellings are converted by
 * decimal.c and iso_timestamp.c; all others by the type's input function, with the same result.
 *
 * Numbers for integer types must be whole: 1.0 and 1e3 are, 1.5 is not. Numbers for timestamps and dates count the
 * time_unit of the column, or else of the stream, since 1970; a string of digits does too, where there is a time_unit,
 * because many producers write numbers as strings. Only in a date column eight digits remain YYYYMMDD, the usual
 * compact spelling, unless the column has a time_unit of its own. A JSON array fills an array element by element; nested ones are further dimensions, which must
 * match. By the rule for strings, a bytea accepts '\x00ff' (the formats of bytea_in, not Base64), and a timestamp
 * ignores a time zone in the text, like timestamp_in; a timestamptz without one is read in the time zone of the
 * stream. Words that depend on the current time ('now', 'today') are refused: a message must always have the same
 * meaning.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/time_zone.h"
#include "mb/pg_wchar.h"
#include "message/convert.h"
#include "message/decimal.h"
#include "message/input_function.h"
#include "message/iso_timestamp.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

typedef Datum (*ConvertFunction)(Converter *converter, const JsonCell *cell);

struct Converter
{
	ConvertFunction convert;
	int kinds; /* bits: 1 << JsonKind */
	Oid type;  /* for a domain, the base type */
	int32 typmod;
	bool accepts_now; /* the input function accepts 'now' and similar words */
	InputFunction input;
	Oid domain; /* or InvalidOid */
	void *domain_cache;
	MemoryContext context; /* of the converter */
	Converter *element;	   /* of an array */
	const MessageLayout *layout;
	TimeUnit unit; /* of numbers */
	bool own_unit; /* it is the column's, not the stream's */
	pg_tz *zone;
};

/* An array under construction. */
typedef struct ArrayFill
{
	Converter *element;
	ArrayBuildState *state;
	int ndims;		  /* 0: not known yet */
	int dims[MAXDIM]; /* -1: not known yet */
	int lower[MAXDIM];
} ArrayFill;

static Datum as_bool(Converter *converter, const JsonCell *cell);
static Datum as_integer(Converter *converter, const JsonCell *cell);
static int64 whole_number(Converter *converter, const JsonCell *cell);
static int64 whole_numeric(Converter *converter, const JsonCell *cell);
static Datum as_float(Converter *converter, const JsonCell *cell);
static Datum as_numeric(Converter *converter, const JsonCell *cell);
static Datum as_text(Converter *converter, const JsonCell *cell);
static Datum as_json(Converter *converter, const JsonCell *cell);
static Datum as_jsonb(Converter *converter, const JsonCell *cell);
static Datum as_date(Converter *converter, const JsonCell *cell);
static Datum as_timestamp(Converter *converter, const JsonCell *cell);
static bool is_epoch(const Converter *converter, const JsonCell *cell);
static TimestampTz epoch(Converter *converter, const JsonCell *cell);
static bool epoch_numeric(const JsonCell *cell, int shift, int64 *microseconds);
static Datum as_array(Converter *converter, const JsonCell *cell);
static void fill_array(ArrayFill *fill, const JsonCell *array, int level);
static Datum as_any(Converter *converter, const JsonCell *cell);
static Datum from_text(Converter *converter, const JsonCell *cell);
static void refuse_current_time(Converter *converter, const JsonCell *cell);
static const char *server_text(const char *text, size_t *len);
static char *excerpt(const char *text, size_t len);
static const char *type_name(const Converter *converter);
pg_noreturn static void bad_kind(const Converter *converter, const JsonCell *cell);
pg_noreturn static void not_whole(Converter *converter, const JsonCell *cell);
pg_noreturn static void out_of_range(Converter *converter, const JsonCell *cell);
pg_noreturn static void ragged(void);

#define STRINGS (1 << JSON_STRING)
#define NUMBERS (1 << JSON_NUMBER)
#define BOOLS (1 << JSON_BOOL)
#define ARRAYS (1 << JSON_ARRAY)
#define ANYTHING (STRINGS | NUMBERS | BOOLS | ARRAYS | 1 << JSON_OBJECT)

typedef struct ConvertRule
{
	Oid type;
	ConvertFunction convert;
	int kinds;
	bool pinned; /* see InputFunction */
	bool accepts_now;
} ConvertRule;

static const ConvertRule rules[] = {
	{BOOLOID, as_bool, STRINGS | NUMBERS | BOOLS, false, false},
	{INT2OID, as_integer, STRINGS | NUMBERS, false, false},
	{INT4OID, as_integer, STRINGS | NUMBERS, false, false},
	{INT8OID, as_integer, STRINGS | NUMBERS, false, false},
	{FLOAT4OID, as_float, STRINGS | NUMBERS, false, false},
	{FLOAT8OID, as_float, STRINGS | NUMBERS, false, false},
	{NUMERICOID, as_numeric, STRINGS | NUMBERS, false, false},
	{TEXTOID, as_text, ANYTHING, false, false},
	{VARCHAROID, as_text, ANYTHING, false, false},
	{BPCHAROID, as_text, ANYTHING, false, false},
	{JSONOID, as_json, ANYTHING, false, false},
	{JSONBOID, as_jsonb, ANYTHING, false, false},
	{BYTEAOID, as_any, STRINGS, false, false},
	{UUIDOID, as_any, STRINGS, false, false},
	{DATEOID, as_date, STRINGS | NUMBERS, true, true},
	{TIMEOID, as_any, STRINGS, true, true},
	{TIMETZOID, as_any, STRINGS, true, true},
	{TIMESTAMPOID, as_timestamp, STRINGS | NUMBERS, true, true},
	{TIMESTAMPTZOID, as_timestamp, STRINGS | NUMBERS, true, true},
	{INTERVALOID, as_any, STRINGS, true, false},
	/* all others: enums, ranges, network addresses, composite types, types of extensions */
	{InvalidOid, as_any, STRINGS | NUMBERS | BOOLS, true, false}};

static const ConvertRule array_rule = {InvalidOid, as_array, STRINGS | ARRAYS, true, false};

Converter *
converter_create(const MessageLayout *layout, Oid type, int32 typmod, TimeUnit unit)
{
	Converter *converter = palloc0(sizeof(Converter));
	const ConvertRule *rule = rules;
	TimeZone zone;
	Oid element;

	if (get_typtype(type) == TYPTYPE_DOMAIN)
	{
		converter->domain = type;
		type = getBaseTypeAndTypmod(type, &typmod);
	}
	element = get_element_type(type);
	if (OidIsValid(element))
	{
		converter->element = converter_create(layout, element, typmod, unit);
		rule = &array_rule;
	}
	else
		while (OidIsValid(rule->type) && rule->type != type)
			rule++;

	/* an abbreviation whose offset has changed stands for its zone */
	time_zone_get(layout->time_zone, &zone);
	converter->zone = zone.zone;
	converter->convert = rule->convert;
	converter->kinds = rule->kinds;
	converter->accepts_now = rule->accepts_now;
	converter->type = type;
	converter->typmod = typmod;
	converter->context = CurrentMemoryContext;
	converter->layout = layout;
	converter->own_unit = unit != UNIT_NONE;
	converter->unit = converter->own_unit ? unit : layout->time_unit;
	input_init(&converter->input, type, typmod, rule->pinned, converter->zone);
	return converter;
}

Datum
converter_apply(Converter *converter, const JsonCell *cell, bool *isnull)
{
	Datum value = 0;

	*isnull = cell->kind == JSON_MISSING || cell->kind == JSON_NULL;
	if (!*isnull)
	{
		if ((converter->kinds & 1 << cell->kind) == 0)
			bad_kind(converter, cell);
		value = converter->convert(converter, cell);
	}
	if (OidIsValid(converter->domain))
		domain_check(value, *isnull, converter->domain, &converter->domain_cache, converter->context);
	return value;
}

static Datum
as_bool(Converter *converter, const JsonCell *cell)
{
	if (cell->kind == JSON_BOOL)
		return BoolGetDatum(cell->text[0] == 't');
	return from_text(converter, cell);
}

static Datum
as_integer(Converter *converter, const JsonCell *cell)
{
	Decimal decimal;
	int64 value;

	/* the input function rejects the string "1.0"; the number 1.0 is accepted */
	if (cell->kind == JSON_STRING &&
		(!decimal_parse(cell->text, cell->len, &decimal) || decimal.scientific || decimal.fraction > 0))
		return from_text(converter, cell);
	value = whole_number(converter, cell);
	switch (converter->type)
	{
		case INT2OID:
			if (value < PG_INT16_MIN || value > PG_INT16_MAX)
				out_of_range(converter, cell);
			return Int16GetDatum((int16) value);
		case INT4OID:
			if (value < PG_INT32_MIN || value > PG_INT32_MAX)
				out_of_range(converter, cell);
			return Int32GetDatum((int32) value);
		default:
			return Int64GetDatum(value);
	}
}

static int64
whole_number(Converter *converter, const JsonCell *cell)
{
	Decimal decimal;
	int64 value = 0;

	if (!decimal_parse(cell->text, cell->len, &decimal))
		return whole_numeric(converter, cell);
	switch (decimal_to_int64(&decimal, &value))
	{
		case DECIMAL_WHOLE:
			break;
		case DECIMAL_FRACTION:
			not_whole(converter, cell);
		case DECIMAL_RANGE:
			out_of_range(converter, cell);
	}
	return value;
}

/* The same for numbers with more digits than decimal.c supports, such as 1.00000000000000000000. */
static int64
whole_numeric(Converter *converter, const JsonCell *cell)
{
	Datum number = DirectFunctionCall3(numeric_in, CStringGetDatum(pnstrdup(cell->text, cell->len)),
									   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	Datum whole = DirectFunctionCall2(numeric_trunc, number, Int32GetDatum(0));

	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, number, whole)))
		not_whole(converter, cell);
	if (DatumGetBool(
			DirectFunctionCall2(numeric_gt, whole, NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, whole, NumericGetDatum(int64_to_numeric(PG_INT64_MIN)))))
		out_of_range(converter, cell);
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, whole));
}

static Datum
as_float(Converter *converter, const JsonCell *cell)
{
	Decimal decimal;
	float8 wide;
	float4 narrow;

	if (decimal_parse(cell->text, cell->len, &decimal))
	{
		if (converter->type == FLOAT8OID && decimal_to_float8(&decimal, &wide))
			return Float8GetDatum(wide);
		if (converter->type == FLOAT4OID && decimal_to_float4(&decimal, &narrow))
			return Float4GetDatum(narrow);
	}
	return from_text(converter, cell);
}

static Datum
as_numeric(Converter *converter, const JsonCell *cell)
{
	Decimal decimal;
	Datum value;

	if (decimal_parse(cell->text, cell->len, &decimal) &&
		decimal_to_numeric(&decimal, converter->typmod, &value))
		return value;
	return from_text(converter, cell);
}

/* text, varchar and bpchar: numbers keep their spelling, arrays and objects become their JSON text. */
static Datum
as_text(Converter *converter, const JsonCell *cell)
{
	size_t len = cell->len;
	const char *text;

	/* no more bytes than characters allowed: it fits, and only bpchar needs padding */
	if (converter->typmod >= (int32) VARHDRSZ &&
		(converter->type == BPCHAROID || len > converter->typmod - VARHDRSZ))
		return from_text(converter, cell);
	text = server_text(cell->text, &len);
	return PointerGetDatum(cstring_to_text_with_len(text, len));
}

static Datum
as_json(Converter *converter, const JsonCell *cell)
{
	size_t len = cell->raw_len;
	const char *text = server_text(cell->raw, &len);

	return PointerGetDatum(cstring_to_text_with_len(text, len));
}

static Datum
as_jsonb(Converter *converter, const JsonCell *cell)
{
	size_t len = cell->raw_len;
	const char *text = server_text(cell->raw, &len);

	return input_call(&converter->input, text, len);
}

static Datum
as_date(Converter *converter, const JsonCell *cell)
{
	DateADT value;
	Timestamp local;

	if (cell->kind == JSON_STRING && iso_timestamp_date(cell->text, cell->len, &value))
		return DateADTGetDatum(value);
	if (!is_epoch(converter, cell))
		return from_text(converter, cell);
	if (!iso_timestamp_local(epoch(converter, cell), converter->zone, &local))
		out_of_range(converter, cell);
	return DirectFunctionCall1(timestamp_date, TimestampGetDatum(local));
}

static Datum
as_timestamp(Converter *converter, const JsonCell *cell)
{
	bool zoned = converter->type == TIMESTAMPTZOID;
	Timestamp value;

	if (is_epoch(converter, cell))
	{
		value = epoch(converter, cell);
		if (!zoned && !iso_timestamp_local(value, converter->zone, &value))
			out_of_range(converter, cell);
	}
	else if (!(zoned ? iso_timestamp_timestamptz(cell->text, cell->len, converter->zone, &value)
					 : iso_timestamp_timestamp(cell->text, cell->len, &value)))
		return from_text(converter, cell);

	if (converter->typmod >= 0)
		return DirectFunctionCall2(zoned ? timestamptz_scale : timestamp_scale, TimestampTzGetDatum(value),
								   Int32GetDatum(converter->typmod));
	return TimestampTzGetDatum(value);
}

/* Whether the cell is a number that counts the time_unit since 1970. Raises an error for a number without unit. */
static bool
is_epoch(const Converter *converter, const JsonCell *cell)
{
	const char *end = cell->text + cell->len;
	const char *s = cell->text;
	const char *digits;
	int points = 0;

	if (cell->kind == JSON_NUMBER)
	{
		if (converter->unit == UNIT_NONE && converter->type == DATEOID)
			bad_kind(converter, cell);
		return true;
	}
	if (converter->unit == UNIT_NONE)
		return false;
	if (s < end && *s == '-')
		s++;
	if (s == end || *s == '.' || end[-1] == '.')
		return false;
	for (digits = s; s < end && ((*s >= '0' && *s <= '9') || (*s == '.' && points == 0)); s++)
		points += *s == '.';
	if (converter->type == DATEOID && !converter->own_unit && points == 0 && digits == cell->text &&
		end - digits == strlen("YYYYMMDD"))
		return false;
	return s == end;
}

/* Convert a number to a timestamp, rounded to the nearest microsecond. */
static TimestampTz
epoch(Converter *converter, const JsonCell *cell)
{
	static const int shifts[] = {[UNIT_NONE] = 0, [UNIT_S] = 6, [UNIT_MS] = 3, [UNIT_US] = 0, [UNIT_NS] = -3};
	const MessageLayout *layout = converter->layout;
	int shift = shifts[converter->unit];
	Decimal decimal;
	int64 microseconds;
	TimestampTz value;
	bool fits;

	if (converter->unit == UNIT_NONE)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
			 errmsg("cannot convert number %s to a timestamp: the stream has no time_unit",
					excerpt(cell->text, cell->len)),
			 errhint(
				 "Set the unit of such numbers, for example with ALTER FOREIGN TABLE %s OPTIONS (ADD time_unit 'ms').",
				 layout->table)));
	fits = decimal_parse(cell->text, cell->len, &decimal) ? decimal_scaled(&decimal, shift, &microseconds)
														  : epoch_numeric(cell, shift, &microseconds);
	if (!fits || !iso_timestamp_from_epoch(microseconds, &value))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("timestamp out of range: \"%s\"", excerpt(cell->text, cell->len))));
	return value;
}

/* The same for numbers with more digits than decimal.c supports. */
static bool
epoch_numeric(const JsonCell *cell, int shift, int64 *microseconds)
{
	Datum number = DirectFunctionCall3(numeric_in, CStringGetDatum(pnstrdup(cell->text, cell->len)),
									   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	Numeric unit = shift < 0 ? int64_div_fast_to_numeric(1, -shift)
							 : int64_to_numeric(shift == 6	 ? 1000000
												: shift == 3 ? 1000
															 : 1);

	number = DirectFunctionCall2(
		numeric_round, DirectFunctionCall2(numeric_mul, number, NumericGetDatum(unit)), Int32GetDatum(0));
	if (DatumGetBool(
			DirectFunctionCall2(numeric_gt, number, NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))) ||
		DatumGetBool(
			DirectFunctionCall2(numeric_lt, number, NumericGetDatum(int64_to_numeric(PG_INT64_MIN)))))
		return false;
	*microseconds = DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
	return true;
}

static Datum
as_array(Converter *converter, const JsonCell *cell)
{
	ArrayFill fill = {0};
	int nitems = 1;

	if (cell->kind == JSON_STRING)
		return from_text(converter, cell);
	fill.element = converter->element;
	fill.state = initArrayResult(get_element_type(converter->type), CurrentMemoryContext, true);
	for (int i = 0; i < MAXDIM; i++)
	{
		fill.dims[i] = -1;
		fill.lower[i] = 1;
	}
	fill_array(&fill, cell, 0);
	for (int i = 0; i < fill.ndims; i++)
		nitems *= fill.dims[i] > 0;
	if (nitems == 0)
		return PointerGetDatum(construct_empty_array(get_element_type(converter->type)));
	return makeMdArrayResult(fill.state, fill.ndims, fill.dims, fill.lower, CurrentMemoryContext, true);
}

/* Add the elements of an array at this nesting level. */
static void
fill_array(ArrayFill *fill, const JsonCell *array, int level)
{
	JsonElements elements;
	JsonCell element;
	char *scratch;
	int count = 0;

	if (level == MAXDIM)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("number of array dimensions exceeds the maximum allowed (%d)", MAXDIM)));
	scratch = palloc(array->raw_len);
	json_elements_begin(&elements, array, scratch);
	for (; json_elements_next(&elements, &element); count++)
	{
		CHECK_FOR_INTERRUPTS();
		/* json[] and jsonb[] accept arrays as elements, and have one dimension */
		if (element.kind == JSON_ARRAY && fill->element->type != JSONOID && fill->element->type != JSONBOID)
		{
			if (fill->ndims != 0 && level + 1 >= fill->ndims)
				ragged();
			fill_array(fill, &element, level + 1);
		}
		else
		{
			Datum value;
			bool isnull;

			if (fill->ndims == 0)
				fill->ndims = level + 1;
			if (fill->ndims != level + 1)
				ragged();
			value = converter_apply(fill->element, &element, &isnull);
			accumArrayResult(fill->state, value, isnull, fill->state->element_type, CurrentMemoryContext);
		}
	}
	pfree(scratch);
	if (count == 0 && fill->ndims == 0)
		fill->ndims = level + 1;
	if (fill->dims[level] == -1)
		fill->dims[level] = count;
	else if (fill->dims[level] != count)
		ragged();
}

static Datum
as_any(Converter *converter, const JsonCell *cell)
{
	return from_text(converter, cell);
}

/* Convert with the type's input function. */
static Datum
from_text(Converter *converter, const JsonCell *cell)
{
	size_t len = cell->len;
	const char *text = server_text(cell->text, &len);

	if (converter->accepts_now)
		refuse_current_time(converter, cell);
	return input_call(&converter->input, text, len);
}

/* Raise an error for 'now', 'today', 'tomorrow' and 'yesterday'. */
static void
refuse_current_time(Converter *converter, const JsonCell *cell)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
	const char *end = cell->text + cell->len;
	const char *s = cell->text;

	while (s < end)
	{
		const char *word = s;

		while (s < end && ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')))
			s++;
		for (int i = 0; i < lengthof(words); i++)
			if (s - word == strlen(words[i]) && pg_strncasecmp(word, words[i], s - word) == 0)
				ereport(ERROR, (errcode(ERRCODE_INVALID_DATETIME_FORMAT),
								errmsg("value \"%s\" for type %s depends on the current time",
									   excerpt(cell->text, cell->len), type_name(converter))));
		if (s == word)
			s++;
	}
}

/* Convert to the server encoding; may return the text itself. Raises an error if that is not possible. */
static const char *
server_text(const char *text, size_t *len)
{
	char *converted;

	if (GetDatabaseEncoding() == PG_UTF8)
		return text;
	converted = pg_any_to_server(text, *len, PG_UTF8);
	if (converted != text)
		*len = strlen(converted);
	return converted;
}

/* The beginning of a text from the payload, for an error message. */
static char *
excerpt(const char *text, size_t len)
{
	size_t first = len > 64 ? pg_encoding_mbcliplen(PG_UTF8, text, 64, 64) : len;
	const char *converted = server_text(text, &first);

	return input_excerpt(converted, first);
}

static const char *
type_name(const Converter *converter)
{
	return format_type_be(OidIsValid(converter->domain) ? converter->domain : converter->type);
}

static void
bad_kind(const Converter *converter, const JsonCell *cell)
{
	static const char *const kinds[] = {[JSON_BOOL] = "boolean",
										[JSON_NUMBER] = "number",
										[JSON_STRING] = "string",
										[JSON_ARRAY] = "array",
										[JSON_OBJECT] = "object"};

	ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					errmsg("cannot convert JSON %s to type %s: %s", kinds[cell->kind], type_name(converter),
						   excerpt(cell->raw, cell->raw_len))));
}

static void
not_whole(Converter *converter, const JsonCell *cell)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					errmsg("number %s for type %s has a fractional part", excerpt(cell->text, cell->len),
						   type_name(converter))));
}

static void
out_of_range(Converter *converter, const JsonCell *cell)
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("value \"%s\" is out of range for type %s", excerpt(cell->text, cell->len),
						   type_name(converter))));
}

static void
ragged(void)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
		 errmsg("nested JSON arrays must have matching dimensions"),
		 errdetail(
			 "Arrays at the same level must have the same number of elements, and either all or none of their elements must be arrays.")));
}
