/*
 * option_values.c
 *		Values of options: a check for each kind.
 */
#include "postgres.h"

#include <librdkafka/rdkafka.h>

#include "common/guc.h"
#include "common/int.h"
#include "lib/stringinfo.h"
#include "pgtime.h"
#include "source/brokers.h"
#include "source/option_table.h"
#include "source/options.h"
#include "source/path.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define MAX_SIZE (256 * 1024 * 1024)

static void check_enum(const KnownOption *option, const char *value);
static void check_property(const KnownOption *option, const char *value);
static void check_addresses(const char *value);
static void check_topic(const char *value);
static void check_table(const char *value);
static void check_zone(const char *value);

void
option_check_value(const KnownOption *option, const char *value)
{
	if (value[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("option \"%s\" must not be empty", option->name)));
	if (option->kind == KIND_ENUM)
		check_enum(option, value);
	if (option->clients != 0)
		check_property(option, value);
	switch (option->kind)
	{
		case KIND_SIZE:
			if (strtol(value, NULL, 10) > MAX_SIZE)
				ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
								errmsg("invalid value for option \"%s\": \"%s\"", option->name, value),
								errhint("Give at most %d bytes.", MAX_SIZE)));
			break;
		case KIND_INTERVAL:
			(void) option_interval(option->name, value);
			break;
		case KIND_BROKERS:
			check_addresses(value);
			options_check_brokers(value);
			break;
		case KIND_PATH:
			(void) path_parse(value);
			break;
		case KIND_TOPIC:
			check_topic(value);
			break;
		case KIND_TABLE:
			check_table(value);
			break;
		case KIND_ZONE:
			check_zone(value);
			break;
		default:
			break;
	}
}

static void
check_enum(const KnownOption *option, const char *value)
{
	if (!option_in_values(option->values, value, NULL))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", option->name, value),
						errhint("Valid values are: %s.", option_values_as_words(option->values))));
}

/* Let librdkafka say what it thinks of a value; its words could repeat a secret one, so those stay out. */
static void
check_property(const KnownOption *option, const char *value)
{
	char words[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, option->name, value, words, sizeof(words));

	rd_kafka_conf_destroy(conf);
	words[strcspn(words, "\n")] = '\0';
	if (result != RD_KAFKA_CONF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 option->secret ? errmsg("invalid value for option \"%s\"", option->name)
								: errmsg("invalid value for option \"%s\": \"%s\"", option->name, value),
				 option->secret ? 0 : errdetail("librdkafka: %s", words)));
}

/* librdkafka takes what is no number for port 0, and a list of no brokers. */
static void
check_addresses(const char *value)
{
	const char *wrong = brokers_malformed(value);

	if (wrong != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"bootstrap.servers\": \"%s\"", value),
				 wrong[0] != '\0' ? errdetail("\"%s\" is no address of a broker.", wrong)
								  : errdetail("It names no broker."),
				 errhint("Give addresses as in 'kafka-1.example.com:9092,kafka-2.example.com:9092'.")));
}

/* What Kafka allows as a topic's name. */
static void
check_topic(const char *value)
{
	if (strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(value) ||
		strlen(value) > 249 || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"topic\": \"%s\"", value),
			 errhint("A topic's name has up to 249 ASCII letters, digits, dots, underscores and hyphens.")));
}

static void
check_table(const char *value)
{
	List *names = textToQualifiedNameList(cstring_to_text(value));

	if (list_length(names) > 2)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"archive\": \"%s\"", value),
						errhint("Give a table's name, a schema-qualified name, or 'none'.")));
}

static void
check_zone(const char *value)
{
	pg_tz *zone = pg_tzset(value);

	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"time_zone\": \"%s\"", value),
						errhint("The view pg_timezone_names lists the time zones.")));
}

int64
option_interval(const char *name, const char *value)
{
	Interval *span;
	int64 length;

	span = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(value),
												 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (span->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
				 errdetail("Months and years have no fixed length."),
				 errhint("Give days, hours, minutes or seconds, as in %s '1 day'; a day counts 24 hours.",
						 name)));
	if (pg_mul_s64_overflow(span->day, USECS_PER_DAY, &length) ||
		pg_add_s64_overflow(length, span->time, &length) || length < 0)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name, value),
						errhint("Give an interval of zero or more, as in %s '5 s'.", name)));
	return length;
}

void
options_check_brokers(const char *servers)
{
	char *address = brokers_refused(guc_allowed_brokers, servers);

	if (address != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("broker \"%s\" is not allowed", address),
				 errdetail("The setting streambatch.allowed_brokers does not match it."),
				 errhint("A superuser can add it: ALTER SYSTEM SET streambatch.allowed_brokers = '…'.")));
}

bool
option_in_values(const char *values, const char *value, size_t *first)
{
	size_t len = strlen(value);
	const char *start = values;

	for (;;)
	{
		size_t word = strcspn(start, "|");

		if (word == len && strncmp(start, value, len) == 0)
		{
			if (first != NULL)
				*first = start - values;
			return true;
		}
		if (start[word] == '\0')
			return false;
		start += word + 1;
	}
}

char *
option_values_as_words(const char *values)
{
	StringInfoData words;

	initStringInfo(&words);
	for (; *values != '\0'; values++)
	{
		if (*values == '|')
			appendStringInfoString(&words, ", ");
		else
			appendStringInfoChar(&words, *values);
	}
	return words.data;
}
