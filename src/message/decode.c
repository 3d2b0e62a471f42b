/*
 * decode.c
 *		Decoding messages to rows (see decode.h).
 *
 * A decoder is created once per scan or worker: the paths of the requested columns are compiled into one reader,
 * and each column has a converter. Decoding a message reads the payload once, then converts cell by cell; metadata
 * columns are set from the message. The layout is borrowed and must outlive the decoder.
 *
 * stream_open() has checked the types of metadata columns, and of the payload column of a raw stream.
 *
 * A message is accepted or refused as a whole: json_read() checks all of the payload, whatever the columns.
 * Conversion errors occur only for requested columns, and their context names the column. A negative partition or
 * offset is NULL (streambatch.decode has no message).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "mb/pg_wchar.h"
#include "message/convert.h"
#include "message/decode.h"
#include "message/path.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/*
 * Bytes of a raw payload or key: what is longer could be stored, but functions that return a multiple of it, such as
 * the output function of bytea, would fail.
 */
#define MAX_BYTES (256 * 1024 * 1024)
/* Bytes of all columns of a row, which must fit in one allocation. */
#define MAX_ROW ((Size) 960 * 1024 * 1024)

/* A requested column. */
typedef struct Field
{
	int column; /* index into values */
	const MessageColumn *def;
	Converter *converter; /* of a payload field */
} Field;

struct Decoder
{
	const MessageLayout *layout;
	int natts;
	Field *fields; /* of the payload; each has an element in cells */
	int nfields;
	Field *metas;
	int nmetas;
	JsonReader *reader; /* FORMAT_JSON */
	JsonCell *cells;
	const Field *current; /* for the error context */
	MemoryContextCallback callback;
};

/* The error for an invalid document. */
typedef struct FaultRule
{
	int sqlstate;
	const char *message;
} FaultRule;

static const FaultRule faults[] = {
	[JSON_OK] = {0, NULL},
	[JSON_EMPTY] = {ERRCODE_INVALID_JSON_TEXT, "payload is empty"},
	[JSON_NOT_OBJECT] = {ERRCODE_INVALID_JSON_TEXT, "payload is not a JSON object"},
	[JSON_TOO_LONG] = {ERRCODE_PROGRAM_LIMIT_EXCEEDED, "payload is longer than 64 MB"},
	[JSON_TOO_DEEP] = {ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					   "payload has more than 64 levels of nested JSON objects and arrays"},
	[JSON_NUMBER_TOO_LONG] = {ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							  "payload contains a number longer than 16384 characters"},
	[JSON_BAD_UTF8] = {ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "payload is not valid UTF-8"},
	[JSON_BAD_SURROGATE] = {ERRCODE_INVALID_JSON_TEXT, "payload is not valid JSON: unpaired surrogate"},
	[JSON_NUL] = {ERRCODE_UNTRANSLATABLE_CHARACTER, "payload contains \\u0000 in a string"},
	[JSON_BAD_ESCAPE] = {ERRCODE_INVALID_JSON_TEXT, "payload is not valid JSON: invalid escape sequence"},
	[JSON_CONTROL] = {ERRCODE_INVALID_JSON_TEXT, "payload is not valid JSON: control character in a string"},
	[JSON_OPEN_STRING] = {ERRCODE_INVALID_JSON_TEXT, "payload is not valid JSON: unterminated string"},
	[JSON_UNEXPECTED_END] = {ERRCODE_INVALID_JSON_TEXT, "payload is not valid JSON: unexpected end"},
	[JSON_EXPECTED_KEY] = {ERRCODE_INVALID_JSON_TEXT, "payload is not valid JSON: expected a key"},
	[JSON_EXPECTED_COLON] = {ERRCODE_INVALID_JSON_TEXT, "payload is not valid JSON: expected a colon"},
	[JSON_EXPECTED_VALUE] = {ERRCODE_INVALID_JSON_TEXT, "payload is not valid JSON: expected a value"},
	[JSON_EXPECTED_COMMA] = {ERRCODE_INVALID_JSON_TEXT,
							 "payload is not valid JSON: expected a comma or closing bracket"},
	[JSON_BAD_LITERAL] = {ERRCODE_INVALID_JSON_TEXT,
						  "payload is not valid JSON: expected true, false or null"},
	[JSON_BAD_NUMBER] = {ERRCODE_INVALID_JSON_TEXT, "payload is not valid JSON: invalid number"},
	[JSON_TRAILING] = {ERRCODE_INVALID_JSON_TEXT,
					   "payload is not valid JSON: unexpected text after the document"},
	[JSON_NO_MEMORY] = {ERRCODE_OUT_OF_MEMORY, "out of memory"},
};

static void add_field(Decoder *decoder, int column);
static void make_reader(Decoder *decoder);
static void free_reader(void *arg);
static void decode_json(Decoder *decoder, const Message *message, Datum *values, bool *isnull);
static Datum decode_meta(const Field *field, const Message *message, const MessageLayout *layout,
						 bool *isnull);
static Datum bytes_datum(const char *bytes, size_t len, Oid type);
static void check_row_size(Decoder *decoder, const Message *message, const Datum *values, const bool *isnull);
static void decode_context(void *arg);
pg_noreturn static void raise_fault(const JsonError *error);

Decoder *
decoder_create(const MessageLayout *layout, const Bitmapset *attnums)
{
	Decoder *decoder = palloc0(sizeof(Decoder));
	ErrorContextCallback context = {error_context_stack, decode_context, decoder};

	error_context_stack = &context;
	decoder->layout = layout;
	decoder->natts = layout->ncolumns;
	decoder->fields = palloc0(decoder->natts * sizeof(Field));
	decoder->metas = palloc0(decoder->natts * sizeof(Field));
	for (int i = 0; i < decoder->natts; i++)
		if (!layout->columns[i].dropped && (attnums == NULL || bms_is_member(i + 1, attnums)))
			add_field(decoder, i);
	if (layout->format == FORMAT_JSON)
		make_reader(decoder);
	error_context_stack = context.previous;
	return decoder;
}

void
decoder_decode(Decoder *decoder, const Message *message, Datum *values, bool *isnull)
{
	ErrorContextCallback context = {error_context_stack, decode_context, decoder};

	Assert(message->payload != NULL);
	memset(values, 0, decoder->natts * sizeof(Datum));
	memset(isnull, true, decoder->natts * sizeof(bool));
	decoder->current = NULL;
	error_context_stack = &context;

	if (decoder->layout->format == FORMAT_JSON)
		decode_json(decoder, message, values, isnull);
	else
		for (int i = 0; i < decoder->nfields; i++)
		{
			decoder->current = &decoder->fields[i];
			values[decoder->current->column] =
				bytes_datum(message->payload, message->payload_len, decoder->current->def->type);
			isnull[decoder->current->column] = false;
		}
	for (int i = 0; i < decoder->nmetas; i++)
	{
		int column = decoder->metas[i].column;

		decoder->current = &decoder->metas[i];
		values[column] = decode_meta(decoder->current, message, decoder->layout, &isnull[column]);
	}
	decoder->current = NULL;
	check_row_size(decoder, message, values, isnull);
	error_context_stack = context.previous;
}

static void
add_field(Decoder *decoder, int column)
{
	const MessageColumn *def = &decoder->layout->columns[column];
	Field *field =
		def->meta == META_NONE ? &decoder->fields[decoder->nfields++] : &decoder->metas[decoder->nmetas++];

	field->column = column;
	field->def = def;
	decoder->current = field;
	if (def->meta == META_NONE && decoder->layout->format == FORMAT_JSON)
		field->converter = converter_create(decoder->layout, def->type, def->typmod, def->time_unit);
}

static void
make_reader(Decoder *decoder)
{
	JsonPath *paths = palloc(decoder->nfields * sizeof(JsonPath));

	for (int i = 0; i < decoder->nfields; i++)
	{
		const MessageColumn *def = decoder->fields[i].def;

		decoder->current = &decoder->fields[i];
		paths[i] = def->path_is_option ? path_parse(def->path) : path_of_name(def->path);
	}
	decoder->cells = palloc0(Max(decoder->nfields, 1) * sizeof(JsonCell));
	decoder->reader = json_reader_create(paths, decoder->nfields);
	if (decoder->reader == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	decoder->callback.func = free_reader;
	decoder->callback.arg = decoder->reader;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &decoder->callback);
}

static void
free_reader(void *arg)
{
	json_reader_destroy(arg);
}

static void
decode_json(Decoder *decoder, const Message *message, Datum *values, bool *isnull)
{
	JsonError error;

	if (!json_read(decoder->reader, message->payload, message->payload_len, decoder->cells, &error))
		raise_fault(&error);
	for (int i = 0; i < decoder->nfields; i++)
	{
		const Field *field = &decoder->fields[i];

		decoder->current = field;
		values[field->column] = converter_apply(field->converter, &decoder->cells[i], &isnull[field->column]);
	}
}

static Datum
decode_meta(const Field *field, const Message *message, const MessageLayout *layout, bool *isnull)
{
	*isnull = false;
	switch (field->def->meta)
	{
		case META_PARTITION:
			*isnull = message->partition < 0;
			return field->def->type == INT4OID ? Int32GetDatum(message->partition)
											   : Int64GetDatum(message->partition);
		case META_OFFSET:
			*isnull = message->offset < 0;
			return Int64GetDatum(message->offset);
		case META_TIMESTAMP:
			*isnull = !message->has_timestamp;
			return TimestampTzGetDatum(message->timestamp);
		case META_KEY:
			*isnull = message->key == NULL;
			return *isnull ? 0 : bytes_datum(message->key, message->key_len, field->def->type);
		case META_HEADERS:
			*isnull = message->handle == NULL && message->headers == NULL;
			return *isnull ? 0 : message_headers(message, isnull);
		case META_TOPIC:
			return PointerGetDatum(cstring_to_text(layout->topic));
		case META_NONE:
			break;
	}
	elog(ERROR, "unexpected metadata role: %d", (int) field->def->meta);
}

/* Bytes as bytea, or as text, which must be valid UTF-8. */
static Datum
bytes_datum(const char *bytes, size_t len, Oid type)
{
	char *text;

	if (len > MAX_BYTES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("payload or key is longer than %d MB", MAX_BYTES / (1024 * 1024))));
	if (type == TEXTOID)
	{
		text = pg_any_to_server(bytes, len, PG_UTF8);
		if (text != bytes)
			return PointerGetDatum(cstring_to_text(text));
	}
	return PointerGetDatum(cstring_to_text_with_len(bytes, len)); /* bytea has the same representation */
}

/* Several columns may contain the same large part of a payload. */
static void
check_row_size(Decoder *decoder, const Message *message, const Datum *values, const bool *isnull)
{
	Size size = 0;

	/* no value is more than a few times as long as the text it was read from */
	if ((message->payload_len + message->key_len) * decoder->natts < MAX_ROW / 16)
		return;
	for (int i = 0; i < decoder->natts; i++)
	{
		if (!isnull[i] && !decoder->layout->columns[i].dropped &&
			get_typlen(decoder->layout->columns[i].type) == -1)
			size += VARSIZE_ANY(DatumGetPointer(values[i]));
	}
	if (size > MAX_ROW)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("columns of the message are longer than %zu MB together", MAX_ROW / (1024 * 1024))));
}

static void
decode_context(void *arg)
{
	Decoder *decoder = arg;

	if (decoder->current != NULL)
		errcontext("column \"%s\" of stream \"%s\"", decoder->current->def->name, decoder->layout->stream);
}

static void
raise_fault(const JsonError *error)
{
	const FaultRule *fault = &faults[error->fault];

	if (error->offset > 0)
		ereport(ERROR, (errcode(fault->sqlstate), errmsg("%s at byte %zu", fault->message, error->offset)));
	ereport(ERROR, (errcode(fault->sqlstate), errmsg("%s", fault->message)));
}
