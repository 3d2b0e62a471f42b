/*
 * properties.c
 *		The librdkafka properties that can be set as options of servers and user mappings.
 *
 * The table allowed[] defines for each property where it can be set, by whom, whether it is secret, which
 * clients use it, and how its value is checked; refused[] gives the reason for those that are never accepted.
 * Properties keep librdkafka's names. librdkafka checks every value, because the valid values depend on its
 * build options; the checks here are additional restrictions.
 *
 * Values are checked when they are set. What can change later, the privileges of the server's owner and
 * streambatch.allowed_brokers, is checked again when a client is opened (connection.c).
 *
 * Example: "fetch.max.bytes" 'many' is rejected by librdkafka, '1000000000' by check_size(), and "group.id" is
 * rejected whatever its value.
 */
#include "postgres.h"

#include <librdkafka/rdkafka.h>

#include "access/reloptions.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "common/settings.h"
#include "kafka/brokers.h"
#include "kafka/properties.h"
#include "utils/syscache.h"

#define BOTH (PROPERTY_CONSUMER | PROPERTY_PRODUCER)
#define MECHANISMS "PLAIN|SCRAM-SHA-256|SCRAM-SHA-512"
#define MAX_SIZE (256 * 1024 * 1024)

typedef struct RefusedProperty
{
	const char *name; /* a leading or trailing * matches any characters */
	const char *reason;
	const char *hint;
} RefusedProperty;

static const OptionRule *find_allowed(const char *name);
static bool refused_matches(const char *pattern, const char *name);
static void check_property(const OptionRule *rule, const char *value);
static void check_word(const OptionRule *rule, const char *value);
static void check_size(const OptionRule *rule, const char *value);
static void check_addresses(const OptionRule *rule, const char *value);

static const OptionRule allowed[] = {
	{"bootstrap.servers", ON_SERVER, check_addresses, BOTH, .required = true},
	{"security.protocol", ON_SERVER, check_word, BOTH, "plaintext|ssl|sasl_plaintext|sasl_ssl"},
	{"sasl.mechanism", ON_SERVER, check_word, BOTH, MECHANISMS},
	{"ssl.ca.pem", ON_SERVER, check_property, BOTH},
	{"ssl.ca.location", ON_SERVER, check_property, BOTH, .privilege = FOR_FILE_READERS},
	{"ssl.crl.location", ON_SERVER, check_property, BOTH, .privilege = FOR_FILE_READERS},
	{"ssl.cipher.suites", ON_SERVER, check_property, BOTH},
	{"ssl.endpoint.identification.algorithm", ON_SERVER, check_word, BOTH, "none|https", FOR_SUPERUSERS},
	{"enable.ssl.certificate.verification", ON_SERVER, check_word, BOTH, "false|true", FOR_SUPERUSERS},
	{"client.id", ON_SERVER, check_property, BOTH},
	{"client.rack", ON_SERVER, check_property, PROPERTY_CONSUMER},
	{"broker.address.family", ON_SERVER, check_property, BOTH},
	{"socket.timeout.ms", ON_SERVER, check_property, BOTH},
	{"socket.connection.setup.timeout.ms", ON_SERVER, check_property, BOTH},
	{"socket.keepalive.enable", ON_SERVER, check_property, BOTH},
	{"connections.max.idle.ms", ON_SERVER, check_property, BOTH},
	{"reconnect.backoff.ms", ON_SERVER, check_property, BOTH},
	{"reconnect.backoff.max.ms", ON_SERVER, check_property, BOTH},
	{"metadata.max.age.ms", ON_SERVER, check_property, BOTH},
	{"fetch.min.bytes", ON_SERVER, check_size, PROPERTY_CONSUMER},
	{"fetch.max.bytes", ON_SERVER, check_size, PROPERTY_CONSUMER},
	{"fetch.message.max.bytes", ON_SERVER, check_size, PROPERTY_CONSUMER},
	{"fetch.wait.max.ms", ON_SERVER, check_property, PROPERTY_CONSUMER},
	{"fetch.error.backoff.ms", ON_SERVER, check_property, PROPERTY_CONSUMER},
	{"compression.type", ON_SERVER, check_word, PROPERTY_PRODUCER, "none|gzip|snappy|lz4|zstd"},
	{"linger.ms", ON_SERVER, check_property, PROPERTY_PRODUCER},
	{"message.max.bytes", ON_SERVER, check_size, PROPERTY_PRODUCER},
	{"message.timeout.ms", ON_SERVER, check_property, PROPERTY_PRODUCER},
	{"request.timeout.ms", ON_SERVER, check_property, PROPERTY_PRODUCER},
	{"sasl.username", ON_MAPPING, check_property, BOTH},
	{"sasl.password", ON_MAPPING, check_property, BOTH, .secret = true},
	{"ssl.certificate.pem", ON_MAPPING, check_property, BOTH},
	{"ssl.key.pem", ON_MAPPING, check_property, BOTH, .secret = true},
	{"ssl.key.password", ON_MAPPING, check_property, BOTH, .secret = true},
	{"ssl.certificate.location", ON_MAPPING, check_property, BOTH, .privilege = FOR_FILE_READERS},
	{"ssl.key.location", ON_MAPPING, check_property, BOTH, .privilege = FOR_FILE_READERS},
};

static const RefusedProperty refused[] = {
	{"plugin.library.paths", "It would load code into the server."},
	{"ssl.engine.*", "It would load code into the server."},
	{"ssl.providers", "It would load code into the server."},
	{"interceptors", "It would load code into the server."},
	{"sasl.kerberos.*", "Its value would become part of a shell command.",
	 "Set \"sasl.mechanism\" to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."},
	{"sasl.oauthbearer.*", "OAUTHBEARER is not supported.",
	 "Set \"sasl.mechanism\" to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."},
	{"enable.sasl.oauthbearer.*", "OAUTHBEARER is not supported.",
	 "Set \"sasl.mechanism\" to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."},
	{"ssl.keystore.*", "Key stores are not supported.",
	 "Use \"ssl.key.pem\" and \"ssl.certificate.pem\" in a user mapping."},
	{"https.ca.location", "OAUTHBEARER is not supported."},
	{"offset.store.*", "Offsets are kept in the database.", "See the view streambatch.stat_partition."},
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
	{"debug", "It would write an unlimited amount of text to the server log."},
	{"log*", "It would write an unlimited amount of text to the server log."},
	{"statistics.interval.ms", "The extension sets it.",
	 "See the views streambatch.stat_stream and streambatch.stat_partition."},
	{"*_cb", "It is a callback function."},
	{"opaque", "It is the argument of callback functions."},
	{"sasl.mechanisms", "It is an alias of another property.", "Use \"sasl.mechanism\"."},
	{"metadata.broker.list", "It is an alias of another property.", "Use \"bootstrap.servers\"."},
	{"max.partition.fetch.bytes", "It is an alias of another property.", "Use \"fetch.message.max.bytes\"."},
	{"compression.codec", "It is an alias of another property.", "Use \"compression.type\"."},
	{"queue.buffering.max.ms", "It is an alias of another property.", "Use \"linger.ms\"."},
	{"delivery.timeout.ms", "It is an alias of another property.", "Use \"message.timeout.ms\"."},
};

const OptionRule *
property_rule(int i)
{
	return i < lengthof(allowed) ? &allowed[i] : NULL;
}

int
property_clients(const char *name, bool *secret)
{
	const OptionRule *rule = find_allowed(name);

	*secret = rule != NULL && rule->secret;
	return rule != NULL ? rule->clients : 0;
}

void
property_check_refused(const char *name)
{
	for (int i = 0; i < lengthof(refused); i++)
	{
		if (refused_matches(refused[i].name, name))
			ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
							errmsg("option \"%s\" is not allowed", name), errdetail("%s", refused[i].reason),
							refused[i].hint != NULL ? errhint("%s", refused[i].hint) : 0));
	}
}

void
properties_check_combinations(List *options)
{
	const char *protocol = option_value(options, "security.protocol");

	/* librdkafka's default is GSSAPI, which runs a shell command */
	if (protocol != NULL && strncmp(protocol, "sasl_", 5) == 0 &&
		option_value(options, "sasl.mechanism") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"sasl.mechanism\" is required with security.protocol \"%s\"", protocol),
				 errhint("Valid values are: %s.", option_list_words(MECHANISMS))));
}

void
properties_check_privileges(List *options, Oid role)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);
		const OptionRule *rule = find_allowed(def->defname);

		if (rule != NULL)
			option_check_privilege(rule, defGetString(def), role);
	}
}

void
properties_check_brokers(const char *servers)
{
	char *address = brokers_refused(setting_allowed_brokers, servers);

	if (address != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("broker \"%s\" is not allowed", address),
				 errdetail("It does not match any pattern in the setting streambatch.allowed_brokers."),
				 errhint("A superuser can add it with ALTER SYSTEM SET streambatch.allowed_brokers = '…'.")));
}

List *
properties_of_mapping(Oid role, Oid serverid)
{
	HeapTuple tuple =
		SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(role), ObjectIdGetDatum(serverid));
	Datum datum;
	bool isnull;
	List *options;

	if (!HeapTupleIsValid(tuple))
		tuple =
			SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid), ObjectIdGetDatum(serverid));
	if (!HeapTupleIsValid(tuple))
		return NIL;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
	options = isnull ? NIL : untransformRelOptions(datum);
	ReleaseSysCache(tuple);
	return options;
}

static const OptionRule *
find_allowed(const char *name)
{
	for (int i = 0; i < lengthof(allowed); i++)
	{
		if (strcmp(allowed[i].name, name) == 0)
			return &allowed[i];
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

/* Let librdkafka check a value. Its message may repeat the value, so it is not shown for secret ones. */
static void
check_property(const OptionRule *rule, const char *value)
{
	char errstr[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, rule->name, value, errstr, sizeof(errstr));

	rd_kafka_conf_destroy(conf);
	errstr[strcspn(errstr, "\n")] = '\0';
	if (result != RD_KAFKA_CONF_OK)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						rule->secret ? errmsg("invalid value for option \"%s\"", rule->name)
									 : errmsg("invalid value for option \"%s\": \"%s\"", rule->name, value),
						rule->secret ? 0 : errdetail("librdkafka: %s", errstr)));
}

/* Our list first: librdkafka accepts more, such as GSSAPI, and its error does not list the valid values. */
static void
check_word(const OptionRule *rule, const char *value)
{
	option_check_word(rule, value);
	check_property(rule, value);
}

/* Limits the memory that librdkafka allocates in the server process. */
static void
check_size(const OptionRule *rule, const char *value)
{
	check_property(rule, value);
	if (strtol(value, NULL, 10) > MAX_SIZE)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", rule->name, value),
						errhint("The maximum is %d bytes.", MAX_SIZE)));
}

/* librdkafka treats a non-numeric port as 0, and accepts an empty list. */
static void
check_addresses(const OptionRule *rule, const char *value)
{
	const char *wrong;

	check_property(rule, value);
	wrong = brokers_malformed(value);
	if (wrong != NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", rule->name, value),
			 wrong[0] != '\0' ? errdetail("\"%s\" is not a valid broker address.", wrong)
							  : errdetail("The list of brokers is empty."),
			 errhint(
				 "Use addresses of the form host:port, as in 'kafka-1.example.com:9092,kafka-2.example.com:9092'.")));
	properties_check_brokers(value);
}
