/*
 * options.c
 *		The options of a server, a user mapping, a foreign table and a column.
 *
 * One table (known) says of each option where it may stand, who may set it, whether it is secret, and how its
 * value is checked; a second one (refused) gives the reason for those that can never be accepted. Everything
 * else is an unknown option: the error's hint names the nearest known one. librdkafka's own properties keep
 * librdkafka's names, and librdkafka checks their values.
 *
 * The validator sees one object's options and neither its name nor its columns: what depends on those is
 * checked by stream_open().
 *
 * Example: CREATE SERVER k … OPTIONS ("bootstrap.servers" 'a:9092', "sasl.password" 'x') fails on
 * sasl.password, which is for user mappings.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "common/export.h"
#include "miscadmin.h"
#include "source/option_table.h"
#include "source/options.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/varlena.h"

typedef struct RefusedOption
{
	const char *name; /* a trailing * matches the rest */
	const char *reason;
	const char *hint;
} RefusedOption;

#define BOTH (OPTION_CONSUMER | OPTION_PRODUCER)

static const KnownOption known[] = {
	{"bootstrap.servers", ON_SERVER, KIND_BROKERS, BOTH},
	{"security.protocol", ON_SERVER, KIND_ENUM, BOTH, "plaintext|ssl|sasl_plaintext|sasl_ssl"},
	{"sasl.mechanism", ON_SERVER, KIND_ENUM, BOTH, "PLAIN|SCRAM-SHA-256|SCRAM-SHA-512"},
	{"sasl.mechanisms", ON_SERVER, KIND_ENUM, BOTH, "PLAIN|SCRAM-SHA-256|SCRAM-SHA-512"},
	{"ssl.ca.pem", ON_SERVER, KIND_PROPERTY, BOTH},
	{"ssl.ca.location", ON_SERVER, KIND_PROPERTY, BOTH, NULL, FOR_FILE_READERS},
	{"ssl.crl.location", ON_SERVER, KIND_PROPERTY, BOTH, NULL, FOR_FILE_READERS},
	{"ssl.cipher.suites", ON_SERVER, KIND_PROPERTY, BOTH},
	{"ssl.endpoint.identification.algorithm", ON_SERVER, KIND_ENUM, BOTH, "none|https", FOR_SUPERUSERS},
	{"enable.ssl.certificate.verification", ON_SERVER, KIND_ENUM, BOTH, "false|true", FOR_SUPERUSERS},
	{"client.id", ON_SERVER, KIND_PROPERTY, BOTH},
	{"client.rack", ON_SERVER, KIND_PROPERTY, OPTION_CONSUMER},
	{"broker.address.family", ON_SERVER, KIND_PROPERTY, BOTH},
	{"socket.timeout.ms", ON_SERVER, KIND_PROPERTY, BOTH},
	{"socket.connection.setup.timeout.ms", ON_SERVER, KIND_PROPERTY, BOTH},
	{"socket.keepalive.enable", ON_SERVER, KIND_PROPERTY, BOTH},
	{"connections.max.idle.ms", ON_SERVER, KIND_PROPERTY, BOTH},
	{"reconnect.backoff.ms", ON_SERVER, KIND_PROPERTY, BOTH},
	{"reconnect.backoff.max.ms", ON_SERVER, KIND_PROPERTY, BOTH},
	{"metadata.max.age.ms", ON_SERVER, KIND_PROPERTY, BOTH},
	{"fetch.min.bytes", ON_SERVER, KIND_SIZE, OPTION_CONSUMER},
	{"fetch.max.bytes", ON_SERVER, KIND_SIZE, OPTION_CONSUMER},
	{"fetch.message.max.bytes", ON_SERVER, KIND_SIZE, OPTION_CONSUMER},
	{"fetch.wait.max.ms", ON_SERVER, KIND_PROPERTY, OPTION_CONSUMER},
	{"fetch.error.backoff.ms", ON_SERVER, KIND_PROPERTY, OPTION_CONSUMER},
	{"compression.type", ON_SERVER, KIND_ENUM, OPTION_PRODUCER, "none|gzip|snappy|lz4|zstd"},
	{"linger.ms", ON_SERVER, KIND_PROPERTY, OPTION_PRODUCER},
	{"message.max.bytes", ON_SERVER, KIND_SIZE, OPTION_PRODUCER},
	{"message.timeout.ms", ON_SERVER, KIND_PROPERTY, OPTION_PRODUCER},
	{"request.timeout.ms", ON_SERVER, KIND_PROPERTY, OPTION_PRODUCER},
	{"sasl.username", ON_MAPPING, KIND_PROPERTY, BOTH},
	{"sasl.password", ON_MAPPING, KIND_PROPERTY, BOTH, NULL, FOR_ALL, true},
	{"ssl.certificate.pem", ON_MAPPING, KIND_PROPERTY, BOTH},
	{"ssl.key.pem", ON_MAPPING, KIND_PROPERTY, BOTH, NULL, FOR_ALL, true},
	{"ssl.key.password", ON_MAPPING, KIND_PROPERTY, BOTH, NULL, FOR_ALL, true},
	{"ssl.certificate.location", ON_MAPPING, KIND_PROPERTY, BOTH, NULL, FOR_FILE_READERS},
	{"ssl.key.location", ON_MAPPING, KIND_PROPERTY, BOTH, NULL, FOR_FILE_READERS},
	{"topic", ON_TABLE, KIND_TOPIC},
	{"format", ON_TABLE, KIND_ENUM, 0, "json|raw"},
	{"event_time", ON_TABLE, KIND_TEXT},
	{"start", ON_TABLE, KIND_ENUM, 0, "earliest|latest"},
	{"archive", ON_TABLE, KIND_TABLE},
	{"max_out_of_orderness", ON_TABLE, KIND_INTERVAL},
	{"max_future", ON_TABLE, KIND_INTERVAL},
	{"idle_timeout", ON_TABLE, KIND_INTERVAL},
	{"on_gap", ON_TABLE, KIND_ENUM, 0, "stop|skip"},
	{"time_zone", ON_TABLE, KIND_ZONE},
	{"time_unit", ON_TABLE, KIND_ENUM, 0, "s|ms|us|ns"},
	{"path", ON_COLUMN, KIND_PATH},
	{"metadata", ON_COLUMN, KIND_ENUM, 0, "partition|offset|timestamp|key|headers|topic"},
};

static const RefusedOption refused[] = {
	{"plugin.library.paths", "It would load code into the server."},
	{"ssl.engine.*", "It would load code into the server."},
	{"ssl.providers", "It would load code into the server."},
	{"interceptors", "It would load code into the server."},
	{"sasl.kerberos.*", "Its value would become part of a shell command.",
	 "Use the sasl.mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."},
	{"sasl.oauthbearer.*", "OAUTHBEARER is not supported.",
	 "Use the sasl.mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."},
	{"enable.sasl.oauthbearer.*", "OAUTHBEARER is not supported.",
	 "Use the sasl.mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."},
	{"ssl.keystore.*", "Key stores are not supported.",
	 "Use \"ssl.key.pem\" and \"ssl.certificate.pem\" in a user mapping."},
	{"https.ca.location", "OAUTHBEARER is not supported."},
	{"offset.store.*", "Offsets are kept in the database.", "streambatch.stat_partition shows them."},
	{"auto.offset.reset", "The extension sets it.", "Use the option \"start\" of the foreign table."},
	{"group.id", "Streams do not join consumer groups: offsets are kept in the database."},
	{"group.*", "Streams do not join consumer groups: offsets are kept in the database."},
	{"enable.auto.commit", "The extension sets it: offsets are kept in the database."},
	{"enable.auto.offset.store", "The extension sets it: offsets are kept in the database."},
	{"auto.commit.*", "The extension sets it: offsets are kept in the database."},
	{"isolation.level", "The extension sets it to read_committed."},
	{"check.crcs", "The extension sets it."},
	{"allow.auto.create.topics", "The extension sets it: reading does not create topics."},
	{"enable.partition.eof", "The extension sets it."},
	{"enable.idempotence", "The extension sets it."},
	{"enable.gapless.guarantee", "The extension sets it."},
	{"acks", "The extension sets it to all."},
	{"request.required.acks", "The extension sets it to all."},
	{"transactional.id", "INSERT into a stream is not part of a Kafka transaction."},
	{"queued.*", "The extension sets it.", "Set streambatch.prefetch."},
	{"fetch.queue.backoff.ms", "The extension sets it.", "Set streambatch.prefetch."},
	{"receive.message.max.bytes", "The extension sets it.", "Use \"fetch.max.bytes\"."},
	{"debug", "It would write to the server's log without bounds."},
	{"log*", "It would write to the server's log without bounds."},
	{"statistics.interval.ms", "The extension sets it.",
	 "streambatch.stat_stream and streambatch.stat_partition show the statistics."},
	{"*_cb", "It is a callback."},
	{"opaque", "It is a callback's argument."},
	{"metadata.broker.list", "It is an alias.", "Use \"bootstrap.servers\"."},
	{"max.partition.fetch.bytes", "It is an alias.", "Use \"fetch.message.max.bytes\"."},
	{"compression.codec", "It is an alias.", "Use \"compression.type\"."},
	{"queue.buffering.max.ms", "It is an alias.", "Use \"linger.ms\"."},
	{"delivery.timeout.ms", "It is an alias.", "Use \"message.timeout.ms\"."},
};

static const char *const place_names[] = {"a server", "a user mapping", "a foreign table", "a column"};

static const char *const place_hints[] = {
	"Use CREATE SERVER … OPTIONS (\"%s\" '…').",
	"Use CREATE USER MAPPING FOR CURRENT_USER SERVER … OPTIONS (\"%s\" '…').",
	"Use CREATE FOREIGN TABLE … OPTIONS (%s '…').",
	"Use CREATE FOREIGN TABLE … (column type OPTIONS (%s '…'), …).",
};

static const KnownOption *find_known(const char *name);
static const RefusedOption *find_refused(const char *name);
static bool refused_matches(const char *pattern, const char *name);
static void raise_unaccepted(const char *name, OptionPlace place, bool anywhere) pg_attribute_noreturn();
static void raise_refused(const RefusedOption *option, const char *name) pg_attribute_noreturn();
static const char *near_match(const char *name, OptionPlace place, bool anywhere);
static char *list_of_options(OptionPlace place);
static void check_privilege(const KnownOption *option, const char *value, Oid role);
static void check_together(List *options, OptionPlace place);

STREAMBATCH_FUNCTION(streambatch_fdw_validator);

/* The validator of the wrapper: options as text[] and the catalog that they are for. */
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
			anywhere = true; /* the wrapper itself takes none */
			break;
	}
	foreach (lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);
		const KnownOption *option = find_known(def->defname);

		if (option == NULL || option->place != place || anywhere)
			raise_unaccepted(def->defname, place, anywhere);
		option_check_value(option, defGetString(def));
		check_privilege(option, defGetString(def), GetUserId());
	}
	if (!anywhere)
		check_together(options, place);
	PG_RETURN_VOID();
}

const char *
option_value(List *options, const char *name)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

int
option_property(const char *name, bool *secret)
{
	const KnownOption *option = find_known(name);

	*secret = option != NULL && option->secret;
	return option != NULL ? option->clients : 0;
}

void
options_check_privileges(List *options, Oid role)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);
		const KnownOption *option = find_known(def->defname);

		if (option != NULL)
			check_privilege(option, defGetString(def), role);
	}
}

static const KnownOption *
find_known(const char *name)
{
	for (int i = 0; i < lengthof(known); i++)
	{
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	}
	return NULL;
}

static const RefusedOption *
find_refused(const char *name)
{
	for (int i = 0; i < lengthof(refused); i++)
	{
		if (refused_matches(refused[i].name, name))
			return &refused[i];
	}
	return NULL;
}

static bool
refused_matches(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);
	size_t name_len = strlen(name);

	if (pattern[0] == '*')
		return name_len >= len - 1 && strcmp(name + name_len - (len - 1), pattern + 1) == 0;
	if (pattern[len - 1] == '*')
		return strncmp(name, pattern, len - 1) == 0;
	return strcmp(name, pattern) == 0;
}

/* An option that is not accepted at this place: known elsewhere, refused for a reason, or unknown. */
static void
raise_unaccepted(const char *name, OptionPlace place, bool anywhere)
{
	const KnownOption *elsewhere = find_known(name);
	const RefusedOption *never = find_refused(name);
	const char *near;

	if (elsewhere != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("option \"%s\" is for %s, not for %s", name, place_names[elsewhere->place],
							   anywhere ? "the foreign data wrapper" : place_names[place]),
						errhint(place_hints[elsewhere->place], name)));
	if (never != NULL)
		raise_refused(never, name);
	near = near_match(name, place, anywhere);
	ereport(
		ERROR,
		(errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", name),
		 near != NULL ? errhint("Perhaps you meant the option \"%s\".", near)
		 : anywhere
			 ? errhint(
				   "The foreign data wrapper takes no options; servers, user mappings and foreign tables do.")
			 : errhint("Valid options for %s are: %s.", place_names[place], list_of_options(place))));
}

static void
raise_refused(const RefusedOption *option, const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("option \"%s\" is not allowed", name),
					errdetail("%s", option->reason), option->hint != NULL ? errhint("%s", option->hint) : 0));
}

/* The nearest known name: at this place, and of at most three changes, fewer than half of the letters. */
static const char *
near_match(const char *name, OptionPlace place, bool anywhere)
{
	const char *best = NULL;
	int distance = 4;
	int len = strlen(name);
	char *lower = asc_tolower(name, len);

	/* the limit of varstr_levenshtein */
	if (len > 255)
		return NULL;
	for (int i = 0; i < lengthof(known); i++)
	{
		int d;

		if (anywhere || known[i].place != place)
			continue;
		d = varstr_levenshtein_less_equal(lower, len, known[i].name, strlen(known[i].name), 1, 1, 1, distance,
										  true);
		if (d < distance && d * 2 < len)
		{
			best = known[i].name;
			distance = d;
		}
	}
	return best;
}

static char *
list_of_options(OptionPlace place)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(known); i++)
	{
		if (known[i].place == place)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", known[i].name);
	}
	return list.data;
}

static void
check_privilege(const KnownOption *option, const char *value, Oid role)
{
	size_t first = 0;

	if (option->privilege == FOR_ALL || superuser_arg(role))
		return;
	if (option->privilege == FOR_FILE_READERS)
	{
		if (has_privs_of_role(role, ROLE_PG_READ_SERVER_FILES))
			return;
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to set option \"%s\"", option->name),
			 errdetail(
				 "It reads a file of the server: only superusers and members of pg_read_server_files may set it, and the server's owner must be one of them."),
			 errhint("Options that end in \".pem\" take the file's contents.")));
	}
	if (!option_in_values(option->values, value, &first) || first > 0)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("permission denied to set option \"%s\" to \"%s\"", option->name, value),
		 errdetail(
			 "It switches verification off: only superusers may do that, and the server's owner must be one.")));
}

/* What must or must not stand together. */
static void
check_together(List *options, OptionPlace place)
{
	const char *protocol = option_value(options, "security.protocol");
	const char *required = place == ON_SERVER ? "bootstrap.servers" : place == ON_TABLE ? "topic" : NULL;

	if (required != NULL && option_value(options, required) == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
						errmsg("option \"%s\" is required for %s", required, place_names[place]),
						errhint(place_hints[place], required)));
	if (option_value(options, "sasl.mechanism") != NULL && option_value(options, "sasl.mechanisms") != NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("options \"sasl.mechanism\" and \"sasl.mechanisms\" are one"),
						errhint("Give \"sasl.mechanism\" only.")));

	/* librdkafka's default is GSSAPI, which runs a shell command */
	if (protocol != NULL && strncmp(protocol, "sasl_", 5) == 0 &&
		option_value(options, "sasl.mechanism") == NULL && option_value(options, "sasl.mechanisms") == NULL)
		ereport(ERROR, (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
						errmsg("security.protocol \"%s\" needs the option \"sasl.mechanism\"", protocol),
						errhint("Valid values are: %s.",
								option_values_as_words("PLAIN|SCRAM-SHA-256|SCRAM-SHA-512"))));
	if (option_value(options, "path") != NULL && option_value(options, "metadata") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("options \"path\" and \"metadata\" exclude each other"),
				 errdetail("A column shows either a field of the payload or something of the message.")));
}
