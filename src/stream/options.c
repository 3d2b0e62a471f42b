/*
 * options.c
 *		The options of foreign tables and columns, and the validator for all options.
 *
 * The table own_options[] defines for each option where it can be set and how its value is checked. The options of servers
 * and user mappings are librdkafka properties, in a table in properties.c; rule_at() iterates over both tables.
 * An option in neither table is refused with a reason (properties.c) or unknown: the hint of the error contains
 * the most similar known name.
 *
 * The validator gets the options of one object but neither its name nor its columns: checks that depend on those
 * are in stream_open().
 *
 * Example: CREATE SERVER k … OPTIONS ("bootstrap.servers" 'a:9092', "sasl.password" 'x') fails because
 * sasl.password is an option of user mappings.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/int.h"
#include "common/time_zone.h"
#include "kafka/option_rule.h"
#include "kafka/properties.h"
#include "message/path.h"
#include "miscadmin.h"
#include "stream/options.h"
#include "stream/partition_set.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

static const OptionRule *rule_at(int i);
static const OptionRule *find_rule(const char *name, OptionPlace place);
pg_noreturn static void raise_invalid_option(const char *name, OptionPlace place, bool anywhere);
static const char *closest_match(const char *name, OptionPlace place, bool anywhere);
static char *list_of_options(OptionPlace place);
static void check_required(List *options, OptionPlace place);
static void check_combinations(List *options);
static void check_topic(const OptionRule *rule, const char *value);
static void check_table(const OptionRule *rule, const char *value);
static void check_interval(const OptionRule *rule, const char *value);
static void check_partitions(const OptionRule *rule, const char *value);
static void check_zone(const OptionRule *rule, const char *value);
static void check_path(const OptionRule *rule, const char *value);

static const OptionRule own_options[] = {
	{"topic", ON_TABLE, check_topic, .required = true},
	{"format", ON_TABLE, option_check_word, .values = "json|raw"},
	{"event_time", ON_TABLE, NULL},
	{"start", ON_TABLE, option_check_word, .values = "earliest|latest"},
	{"archive", ON_TABLE, check_table},
	{"max_out_of_orderness", ON_TABLE, check_interval},
	{"max_future", ON_TABLE, check_interval},
	{"idle_timeout", ON_TABLE, check_interval},
	{"partitions", ON_TABLE, check_partitions},
	{"on_gap", ON_TABLE, option_check_word, .values = "stop|skip"},
	{"time_zone", ON_TABLE, check_zone},
	{"time_unit", ON_TABLE, option_check_word, .values = "s|ms|us|ns"},
	{"time_unit", ON_COLUMN, option_check_word, .values = "s|ms|us|ns"},
	{"path", ON_COLUMN, check_path},
	{"metadata", ON_COLUMN, option_check_word, .values = "partition|offset|timestamp|key|headers|topic"},
};

static const char *const place_names[] = {"a server", "a user mapping", "a foreign table", "a column"};

static const char *const place_hints[] = {
	"Use CREATE SERVER … OPTIONS (\"%s\" '…').",
	"Use CREATE USER MAPPING FOR CURRENT_USER SERVER … OPTIONS (\"%s\" '…').",
	"Use CREATE FOREIGN TABLE … OPTIONS (%s '…').",
	"Use CREATE FOREIGN TABLE … (column type OPTIONS (%s '…'), …).",
};

STREAMBATCH_FUNCTION(streambatch_fdw_validator);

/* The validator of the wrapper: options as text[], and the OID of the catalog of the object. */
Datum
streambatch_fdw_validator(PG_FUNCTION_ARGS)
{
	List *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid catalog = PG_GETARG_OID(1);
	bool anywhere = false;
	OptionPlace place = ON_SERVER;
	ListCell *lc;

	switch (catalog)
	{
		case ForeignServerRelationId:
			break;
		case UserMappingRelationId:
			place = ON_MAPPING;
			break;
		case ForeignTableRelationId:
			place = ON_TABLE;
			break;
		case AttributeRelationId:
			place = ON_COLUMN;
			break;
		default:
			anywhere = true; /* the wrapper itself has no options */
			break;
	}
	foreach (lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);
		const OptionRule *rule = find_rule(def->defname, place);

		if (rule == NULL || rule->place != place || anywhere)
			raise_invalid_option(def->defname, place, anywhere);
		option_check_value(rule, defGetString(def));
		option_check_privilege(rule, defGetString(def), GetUserId());
	}
	if (!anywhere)
	{
		check_required(options, place);
		check_combinations(options);
	}
	PG_RETURN_VOID();
}

int64
option_interval(const char *name, const char *value)
{
	Interval *span;
	int64 length;

	span = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(value),
												 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (compat_interval_is_infinite(span))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name, value),
						errhint("Use an interval that is finite, as in %s '1 day'.", name)));
	if (span->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
				 errdetail("Months and years have no fixed length."),
				 errhint("Use days, hours, minutes or seconds, as in %s '1 day'. A day is 24 hours.", name)));
	if (pg_mul_s64_overflow(span->day, USECS_PER_DAY, &length) ||
		pg_add_s64_overflow(length, span->time, &length) || length < 0)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name, value),
						errhint("Use an interval of zero or more, as in %s '5 s'.", name)));
	return length;
}

/* Rule number i of both tables, from 0; NULL after the last. */
static const OptionRule *
rule_at(int i)
{
	if (i < lengthof(own_options))
		return &own_options[i];
	return property_rule(i - lengthof(own_options));
}

/* The rule for an option of this name: for this place, or else for another one. */
static const OptionRule *
find_rule(const char *name, OptionPlace place)
{
	const OptionRule *rule;
	const OptionRule *elsewhere = NULL;

	for (int i = 0; (rule = rule_at(i)) != NULL; i++)
	{
		if (strcmp(rule->name, name) != 0)
			continue;
		if (rule->place == place)
			return rule;
		if (elsewhere == NULL)
			elsewhere = rule;
	}
	return elsewhere;
}

/* Raise the error for an option that is not valid here: valid elsewhere, refused with a reason, or unknown. */
static void
raise_invalid_option(const char *name, OptionPlace place, bool anywhere)
{
	const OptionRule *elsewhere = find_rule(name, place);
	const char *closest;

	if (elsewhere != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("option \"%s\" is for %s, not for %s", name, place_names[elsewhere->place],
							   anywhere ? "the foreign data wrapper" : place_names[place]),
						errhint(place_hints[elsewhere->place], name)));
	property_check_refused(name);
	closest = closest_match(name, place, anywhere);
	ereport(
		ERROR,
		(errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", name),
		 closest != NULL ? errhint("Perhaps you meant the option \"%s\".", closest)
		 : anywhere
			 ? errhint(
				   "The foreign data wrapper has no options. Set options of servers, user mappings, foreign tables or columns.")
			 : errhint("Valid options for %s are: %s.", place_names[place], list_of_options(place))));
}

/* The most similar option for this place: at most 3 edits, and fewer than half the length of the name. */
static const char *
closest_match(const char *name, OptionPlace place, bool anywhere)
{
	const OptionRule *rule;
	const char *best = NULL;
	int distance = 4;
	int len = strlen(name);
	char *lower = asc_tolower(name, len);

	/* the limit of varstr_levenshtein */
	if (len > 255)
		return NULL;
	for (int i = 0; (rule = rule_at(i)) != NULL; i++)
	{
		int d;

		if (anywhere || rule->place != place)
			continue;
		d = varstr_levenshtein_less_equal(lower, len, rule->name, strlen(rule->name), 1, 1, 1, distance,
										  true);
		if (d < distance && d * 2 < len)
		{
			best = rule->name;
			distance = d;
		}
	}
	return best;
}

static char *
list_of_options(OptionPlace place)
{
	const OptionRule *rule;
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; (rule = rule_at(i)) != NULL; i++)
	{
		if (rule->place == place)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", rule->name);
	}
	return list.data;
}

static void
check_required(List *options, OptionPlace place)
{
	const OptionRule *rule;

	for (int i = 0; (rule = rule_at(i)) != NULL; i++)
	{
		if (rule->place == place && rule->required && option_value(options, rule->name) == NULL)
			ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
							errmsg("option \"%s\" is required for %s", rule->name, place_names[place]),
							errhint(place_hints[place], rule->name)));
	}
}

/* Check combinations of options. */
static void
check_combinations(List *options)
{
	properties_check_combinations(options);
	if (option_value(options, "path") != NULL && option_value(options, "metadata") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("options \"path\" and \"metadata\" are mutually exclusive"),
				 errdetail("A column contains either a field of the payload or metadata of the message.")));
	if (option_value(options, "time_unit") != NULL && option_value(options, "metadata") != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("options \"time_unit\" and \"metadata\" are mutually exclusive"),
						errdetail("The time_unit is that of numbers in the payload.")));
}

/* Kafka's rules for topic names. */
static void
check_topic(const OptionRule *rule, const char *value)
{
	if (strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(value) ||
		strlen(value) > 249 || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", rule->name, value),
			 errhint(
				 "A topic name consists of up to 249 ASCII letters, digits, dots, underscores and hyphens.")));
}

static void
check_table(const OptionRule *rule, const char *value)
{
	List *names = textToQualifiedNameList(cstring_to_text(value));

	if (list_length(names) > 2)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", rule->name, value),
						errhint("Use a table name, a schema-qualified table name, or 'none'.")));
}

static void
check_interval(const OptionRule *rule, const char *value)
{
	(void) option_interval(rule->name, value);
}

static void
check_partitions(const OptionRule *rule, const char *value)
{
	(void) partition_set_parse(value);
}

static void
check_zone(const OptionRule *rule, const char *value)
{
	TimeZone zone;

	if (!time_zone_find(value, &zone))
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", rule->name, value),
						errhint(TIME_ZONE_HINT)));
}

static void
check_path(const OptionRule *rule, const char *value)
{
	(void) path_parse(value);
}
