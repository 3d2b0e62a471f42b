/*
 * encode.c
 *		Encoding a row as a JSON object that decodes to the same row.
 *
 * The columns' paths form a tree of keys, which is traversed once per row. NULL columns and objects without any
 * value are omitted. Numbers and booleans are written as such, json and jsonb unchanged, arrays as JSON arrays,
 * timestamps and dates in ISO 8601 (timestamptz in UTC), and every other type as a string from its output
 * function. The result does not depend on the session's DateStyle, IntervalStyle, TimeZone, extra_float_digits or
 * bytea_output.
 *
 * Example: columns user_id bigint and city text OPTIONS (path 'geo.city') become
 * {"user_id":1,"geo":{"city":"Rome"}}.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "mb/pg_wchar.h"
#include "message/encode.h"
#include "message/path.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

typedef enum WriteKind
{
	WRITE_NUMBER,
	WRITE_BOOL,
	WRITE_JSON,
	WRITE_TIME,
	WRITE_ARRAY,
	WRITE_STRING
} WriteKind;

/* How to write the values of a type. */
typedef struct Writer
{
	WriteKind kind;
	Oid type; /* for a domain, the base type */
	FmgrInfo output;
	int16 len; /* of the type; of arrays unused */
	bool byval;
	char align;
	struct Writer *element; /* of arrays */
} Writer;

/* A key of an object, the columns that provide its value, and the keys below it. */
typedef struct KeyNode
{
	char *key;
	List *attnums;
	List *children;
} KeyNode;

struct Encoder
{
	const MessageLayout *layout;
	KeyNode *root;
	Writer **writers; /* by attnum - 1; NULL for columns that are not fields */
	bool *unwritable; /* by attnum - 1: the path indexes an array */
};

static bool add_path(Encoder *encoder, AttrNumber attnum, const JsonPath *path);
static KeyNode *child_of(KeyNode *node, const JsonStep *step);
static Writer *writer_create(Oid type);
static int set_output_modes(void);
static void append_children(Encoder *encoder, KeyNode *node, TupleTableSlot *slot, StringInfo out);
static bool append_node(Encoder *encoder, KeyNode *node, TupleTableSlot *slot, StringInfo out);
pg_noreturn static void raise_unwritable(Encoder *encoder, AttrNumber attnum);
pg_noreturn static void raise_conflict(Encoder *encoder, KeyNode *node);
static void append_value(Writer *writer, Datum value, StringInfo out);
static void append_array(Writer *writer, Datum value, StringInfo out);
static void append_dimension(Writer *writer, ArrayType *array, int dim, Datum *values, bool *nulls, int *next,
							 StringInfo out);

Encoder *
encoder_create(const MessageLayout *layout)
{
	Encoder *encoder = palloc0(sizeof(Encoder));
	int natts = Max(1, layout->ncolumns);

	encoder->layout = layout;
	encoder->root = palloc0(sizeof(KeyNode));
	encoder->writers = palloc0(natts * sizeof(Writer *));
	encoder->unwritable = palloc0(natts * sizeof(bool));
	for (int i = 0; i < layout->ncolumns; i++)
	{
		const MessageColumn *column = &layout->columns[i];
		JsonPath path;

		if (column->dropped || column->meta != META_NONE)
			continue;
		path = column->path_is_option ? path_parse(column->path) : path_of_name(column->path);
		encoder->writers[i] = writer_create(column->type);
		encoder->unwritable[i] = !add_path(encoder, i + 1, &path);
	}
	return encoder;
}

void
encoder_encode(Encoder *encoder, TupleTableSlot *slot, StringInfo out)
{
	int nest = set_output_modes();
	int start = out->len;
	char *utf8;

	append_children(encoder, encoder->root, slot, out);
	AtEOXact_GUC(true, nest);
	if (GetDatabaseEncoding() == PG_UTF8)
		return;
	utf8 = pg_server_to_any(out->data + start, out->len - start, PG_UTF8);
	if (utf8 != out->data + start)
	{
		out->len = start;
		appendStringInfoString(out, utf8);
	}
}

/* Add a column to the tree; returns false, without adding it, if its path indexes an array. */
static bool
add_path(Encoder *encoder, AttrNumber attnum, const JsonPath *path)
{
	KeyNode *node = encoder->root;

	for (int i = 0; i < path->nsteps; i++)
	{
		if (path->steps[i].kind != JSON_STEP_KEY)
			return false;
	}
	for (int i = 0; i < path->nsteps; i++)
		node = child_of(node, &path->steps[i]);
	node->attnums = lappend_int(node->attnums, attnum);
	return node != encoder->root;
}

/* Find or create the node for a key. Keys of paths are UTF-8. */
static KeyNode *
child_of(KeyNode *node, const JsonStep *step)
{
	char *copy = pnstrdup(step->key, step->key_len);
	char *key = pg_any_to_server(copy, step->key_len, PG_UTF8);
	KeyNode *child;
	ListCell *lc;

	foreach (lc, node->children)
	{
		child = lfirst(lc);
		if (strcmp(child->key, key) == 0)
			return child;
	}
	child = palloc0(sizeof(KeyNode));
	child->key = key;
	node->children = lappend(node->children, child);
	return child;
}

static Writer *
writer_create(Oid type)
{
	Writer *writer = palloc0(sizeof(Writer));
	Oid element;
	Oid output;
	bool varlena;

	writer->type = getBaseType(type);
	element = get_element_type(writer->type);
	getTypeOutputInfo(writer->type, &output, &varlena);
	fmgr_info(output, &writer->output);
	get_typlenbyvalalign(writer->type, &writer->len, &writer->byval, &writer->align);
	switch (writer->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			writer->kind = WRITE_NUMBER;
			break;
		case BOOLOID:
			writer->kind = WRITE_BOOL;
			break;
		case JSONOID:
		case JSONBOID:
			writer->kind = WRITE_JSON;
			break;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			writer->kind = WRITE_TIME;
			break;
		default:
			writer->kind = OidIsValid(element) ? WRITE_ARRAY : WRITE_STRING;
			if (OidIsValid(element))
				writer->element = writer_create(element);
			break;
	}
	return writer;
}

/* Set the settings that output functions use, as postgres_fdw does; undo with AtEOXact_GUC. */
static int
set_output_modes(void)
{
	int nest = NewGUCNestLevel();

	if (DateStyle != USE_ISO_DATES)
		(void) set_config_option("datestyle", "ISO", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	if (IntervalStyle != INTSTYLE_POSTGRES)
		(void) set_config_option("intervalstyle", "postgres", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	if (extra_float_digits < 1)
		(void) set_config_option("extra_float_digits", "3", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
								 0, false);
	if (bytea_output != BYTEA_OUTPUT_HEX)
		(void) set_config_option("bytea_output", "hex", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	return nest;
}

static void
append_children(Encoder *encoder, KeyNode *node, TupleTableSlot *slot, StringInfo out)
{
	bool first = true;
	ListCell *lc;

	appendStringInfoChar(out, '{');
	foreach (lc, node->children)
	{
		KeyNode *child = lfirst(lc);
		int before = out->len;

		if (!first)
			appendStringInfoChar(out, ',');
		escape_json(out, child->key);
		appendStringInfoChar(out, ':');
		if (append_node(encoder, child, slot, out))
			first = false;
		else
		{
			out->len = before;
			out->data[before] = '\0';
		}
	}
	/* columns whose paths index arrays are not in the tree */
	for (int i = 0; node == encoder->root && i < encoder->layout->ncolumns; i++)
	{
		if (encoder->unwritable[i] && !slot->tts_isnull[i])
			raise_unwritable(encoder, i + 1);
	}
	appendStringInfoChar(out, '}');
}

/* Append the value of a key: of its column, or an object of the keys below. False if there is none. */
static bool
append_node(Encoder *encoder, KeyNode *node, TupleTableSlot *slot, StringInfo out)
{
	int start = out->len;
	bool written = false;
	ListCell *lc;

	foreach (lc, node->attnums)
	{
		int i = lfirst_int(lc) - 1;

		if (slot->tts_isnull[i])
			continue;
		if (written)
			raise_conflict(encoder, node);
		append_value(encoder->writers[i], slot->tts_values[i], out);
		written = true;
	}
	if (node->children == NIL)
		return written;
	start = out->len;
	append_children(encoder, node, slot, out);
	if (out->len - start > 2)
	{
		if (written)
			raise_conflict(encoder, node);
		return true;
	}
	out->len = start;
	out->data[start] = '\0';
	return written;
}

static void
raise_unwritable(Encoder *encoder, AttrNumber attnum)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("cannot insert into column \"%s\" of stream \"%s\"",
						   encoder->layout->columns[attnum - 1].name, encoder->layout->stream),
					errdetail("The column's path refers to an array element."),
					errhint("Omit the column, or insert the whole array through another column.")));
}

static void
raise_conflict(Encoder *encoder, KeyNode *node)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("more than one column of stream \"%s\" sets field \"%s\"", encoder->layout->stream,
						   node->key),
					errhint("Set all but one of the columns whose paths refer to this field to NULL.")));
}

static void
append_value(Writer *writer, Datum value, StringInfo out)
{
	char buffer[MAXDATELEN + 1];
	int utc = 0;
	char *text;

	switch (writer->kind)
	{
		case WRITE_BOOL:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			break;
		case WRITE_TIME:
			JsonEncodeDateTime(buffer, value, writer->type, &utc);
			escape_json(out, buffer);
			break;
		case WRITE_ARRAY:
			append_array(writer, value, out);
			break;
		case WRITE_JSON:
			appendStringInfoString(out, OutputFunctionCall(&writer->output, value));
			break;
		case WRITE_NUMBER:
			text = OutputFunctionCall(&writer->output, value);
			/* NaN and infinity are not JSON numbers */
			if (text[strspn(text, "0123456789+-.e")] == '\0')
				appendStringInfoString(out, text);
			else
				escape_json(out, text);
			break;
		case WRITE_STRING:
			escape_json(out, OutputFunctionCall(&writer->output, value));
			break;
	}
}

static void
append_array(Writer *writer, Datum value, StringInfo out)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Writer *element = writer->element;
	Datum *values;
	bool *nulls;
	int n;
	int next = 0;

	if (ARR_NDIM(array) == 0)
	{
		appendStringInfoString(out, "[]");
		return;
	}
	deconstruct_array(array, ARR_ELEMTYPE(array), element->len, element->byval, element->align, &values,
					  &nulls, &n);
	append_dimension(element, array, 0, values, nulls, &next, out);
}

static void
append_dimension(Writer *writer, ArrayType *array, int dim, Datum *values, bool *nulls, int *next,
				 StringInfo out)
{
	appendStringInfoChar(out, '[');
	for (int i = 0; i < ARR_DIMS(array)[dim]; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		if (dim + 1 < ARR_NDIM(array))
			append_dimension(writer, array, dim + 1, values, nulls, next, out);
		else
		{
			if (nulls[*next])
				appendStringInfoString(out, "null");
			else
				append_value(writer, values[*next], out);
			(*next)++;
		}
	}
	appendStringInfoChar(out, ']');
}
