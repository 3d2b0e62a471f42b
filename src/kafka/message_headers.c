/*
 * message_headers.c
 *		The headers of a message as jsonb: an array of {"key": …, "value": …}, in the order of the message.
 *
 * A value that is valid text becomes a string; any other value (or one that contains a zero byte) becomes a
 * string of "\x" and hexadecimal digits, like bytea output. A header without a value has null. The reverse
 * conversion accepts strings and null.
 */
#include "postgres.h"

#include <librdkafka/rdkafka.h>

#include "kafka/message.h"
#include "kafka/message_headers.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

static void push_string(JsonbParseState **state, JsonbIteratorToken token, const char *bytes, size_t len);
static char *string_of(JsonbContainer *object, const char *key);

Datum
message_headers(const Message *message, bool *isnull)
{
	JsonbParseState *state = NULL;
	JsonbValue *result;
	rd_kafka_headers_t *headers = NULL;
	const char *name;
	const void *value;
	size_t size;

	*isnull = message->headers == NULL;
	if (message->headers != NULL)
		return PointerGetDatum(message->headers);
	if (message->handle == NULL ||
		rd_kafka_message_headers(message->handle, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return (Datum) 0;
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (size_t i = 0;
		 rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
	{
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_string(&state, WJB_KEY, "key", 3);
		push_string(&state, WJB_VALUE, name, strlen(name));
		push_string(&state, WJB_KEY, "value", 5);
		push_string(&state, WJB_VALUE, value, size);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	result = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	*isnull = false;
	return JsonbPGetDatum(JsonbValueToJsonb(result));
}

HeaderList *
headers_parse(Datum jsonb)
{
	Jsonb *array = DatumGetJsonbP(jsonb);
	bool good = JB_ROOT_IS_ARRAY(array) && !JB_ROOT_IS_SCALAR(array);
	HeaderList *list = palloc0(sizeof(HeaderList));
	int n = good ? JB_ROOT_COUNT(array) : 0;

	list->keys = palloc0(Max(n, 1) * sizeof(char *));
	list->values = palloc0(Max(n, 1) * sizeof(char *));
	for (; list->n < n && good; list->n++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&array->root, list->n);

		good = element->type == jbvBinary;
		if (!good)
			break;
		list->keys[list->n] = string_of(element->val.binary.data, "key");
		list->values[list->n] = string_of(element->val.binary.data, "value");
		good = list->keys[list->n] != NULL;
	}
	if (!good)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("message headers must be a JSON array of objects"),
			 errhint(
				 "Write headers as in '[{\"key\": \"source\", \"value\": \"web\"}]'. Each value must be a string or null.")));
	return list;
}

rd_kafka_headers_t *
headers_make(const HeaderList *list)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(list->n);

	for (int i = 0; i < list->n; i++)
		(void) rd_kafka_header_add(headers, list->keys[i], -1, list->values[i],
								   list->values[i] != NULL ? strlen(list->values[i]) : 0);
	return headers;
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *bytes, size_t len)
{
	JsonbValue v;

	if (bytes == NULL)
	{
		v.type = jbvNull;
		pushJsonbValue(state, token, &v);
		return;
	}
	v.type = jbvString;
	if (pg_verify_mbstr(PG_UTF8, bytes, len, true) && memchr(bytes, '\0', len) == NULL)
	{
		v.val.string.val = pg_any_to_server(pnstrdup(bytes, len), len, PG_UTF8);
		v.val.string.len = strlen(v.val.string.val);
	}
	else
	{
		char *hex = palloc(len * 2 + 3);

		strcpy(hex, "\\x");
		hex[2 + hex_encode(bytes, len, hex + 2)] = '\0';
		v.val.string.val = hex;
		v.val.string.len = len * 2 + 2;
	}
	pushJsonbValue(state, token, &v);
}

/* The string value of a member of an object, as UTF-8; NULL if it is anything else. */
static char *
string_of(JsonbContainer *object, const char *key)
{
	JsonbValue *v =
		JsonContainerIsObject(object) ? getKeyJsonValueFromContainer(object, key, strlen(key), NULL) : NULL;

	if (v == NULL || v->type != jbvString)
		return NULL;
	return pg_server_to_any(pnstrdup(v->val.string.val, v->val.string.len), v->val.string.len, PG_UTF8);
}
