/*
 * connection.c
 *		Opens and closes librdkafka clients, translating options into a configuration.
 *
 * A client's properties come from four sources, each overriding the one before: our defaults, the options of
 * the server, those of the user mapping, and the properties that correctness requires (fixed). Secrets are passed
 * to librdkafka and reported nowhere: if it rejects a secret property, the error contains only the name.
 *
 * librdkafka's threads must never call PostgreSQL. They have all signals blocked. The error, statistics and
 * delivery callbacks run in our thread, inside connection_poll(), and only record what they receive, because
 * an ereport would jump across librdkafka's stack frames. Its log is disabled: every relevant error is also
 * reported as an event. One callback, for name resolution, does run in its threads; it reads only a copy of
 * streambatch.allowed_brokers.
 */
#include "postgres.h"

#include <netdb.h>

#include "commands/defrem.h"
#include "common/settings.h"
#include "foreign/foreign.h"
#include "kafka/brokers.h"
#include "kafka/client_abort.h"
#include "kafka/client_calls.h"
#include "kafka/connection.h"
#include "kafka/option_rule.h"
#include "kafka/properties.h"
#include "kafka/queue_memory.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#define MAX_QUEUE_KB 2097151 /* of librdkafka */
#define MAX_QUEUE_MESSAGES 10000000
#define MIN_RECEIVE INT64CONST(100000000) /* its default */
#define MAX_RECEIVE INT64CONST(2147483647)

typedef struct Property
{
	const char *name;
	const char *value;
} Property;

/* These replace librdkafka's defaults; options of the server can override them. */
static const Property defaults[] = {
	{"client.id", "pg_streambatch"},	  {"reconnect.backoff.ms", "100"},
	{"reconnect.backoff.max.ms", "2000"}, /* reconnect within a few seconds of a broker restart */
	{"socket.nagle.disable", "true"},	  {"socket.keepalive.enable", "true"},
};

static const Property producer_defaults[] = {
	{"message.timeout.ms", "30000"}, /* how long INSERT waits for an unreachable broker */
	{"queue.buffering.max.messages", "500000"},
	{"queue.buffering.max.kbytes", "65536"},
};

static const Property consumer_fixed[] = {
	{"enable.auto.commit", "false"},
	{"enable.auto.offset.store", "false"},
	{"auto.offset.reset", "error"},
	{"isolation.level", "read_committed"},
	{"check.crcs", "true"},
	{"allow.auto.create.topics", "false"},
	{"enable.partition.eof", "true"},
	{"topic.metadata.refresh.interval.ms", "10000"}, /* new partitions */
	{"topic.metadata.propagation.max.ms", "3000"}, /* how long a topic may be unknown before it is an error */
};

static const Property producer_fixed[] = {
	{"enable.idempotence", "true"},
	{"acks", "all"},
	{"partitioner", "murmur2_random"}, /* as in Java clients: equal keys go to the same partition */
};

static dlist_head open_connections = DLIST_STATIC_INIT(open_connections);

static void close_all(int code, Datum arg);
static void set_property(rd_kafka_conf_t *conf, const char *name, const char *value);
static void set_properties(rd_kafka_conf_t *conf, const Property *properties, int n);
static void set_options(rd_kafka_conf_t *conf, List *options, int client);
static void set_worker_properties(rd_kafka_conf_t *conf);
static bool set_queue(rd_kafka_conf_t *conf, ConnectionKind kind);
static bool set_receive_limit(rd_kafka_conf_t *conf, List *options);
static bool property_exists(const char *name);
static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque);
static int on_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque);
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque);
static int on_resolve(const char *node, const char *service, const struct addrinfo *hints,
					  struct addrinfo **res, void *opaque);

void
connection_open(Connection *connection, Oid server_id, Oid role, ConnectionKind kind)
{
	ForeignServer *server = GetForeignServer(server_id);
	List *mapping = properties_of_mapping(role, server_id);
	static bool exit_registered = false;
	int client = kind == CONNECT_PRODUCE ? PROPERTY_PRODUCER : PROPERTY_CONSUMER;
	rd_kafka_conf_t *volatile conf = NULL;
	ClientArgument *argument;

	/* privileges, the owner and allowed_brokers may have changed since the options were set */
	properties_check_privileges(server->options, server->owner);
	properties_check_privileges(mapping, server->owner);
	properties_check_brokers(option_value(server->options, "bootstrap.servers"));

	if (!exit_registered)
		on_proc_exit(close_all, (Datum) 0);
	exit_registered = true;

	conf = rd_kafka_conf_new();
	PG_TRY();
	{
		set_properties(conf, defaults, lengthof(defaults));
		if (client == PROPERTY_CONSUMER)
			connection->no_memory = !set_queue(conf, kind);
		else
			set_properties(conf, producer_defaults, lengthof(producer_defaults));
		set_options(conf, server->options, client);
		set_options(conf, mapping, client);
		if (client == PROPERTY_CONSUMER)
		{
			set_properties(conf, consumer_fixed, lengthof(consumer_fixed));
			connection->receive_limited = set_receive_limit(conf, server->options);
		}
		else
			set_properties(conf, producer_fixed, lengthof(producer_fixed));
		if (kind == CONNECT_WORKER || kind == CONNECT_REPLAY)
			set_worker_properties(conf);
		if (connection->on_stats != NULL)
			set_property(conf, "statistics.interval.ms", "1000");
	}
	PG_CATCH();
	{
		rd_kafka_conf_destroy(conf);
		PG_RE_THROW();
	}
	PG_END_TRY();

	argument = client_argument(connection, setting_allowed_brokers != NULL ? setting_allowed_brokers : "");
	metadata_watch_add(&argument->metadata, conf);
	rd_kafka_conf_set_opaque(conf, argument);
	rd_kafka_conf_set_log_cb(conf, NULL);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_stats_cb(conf, on_stats);
	rd_kafka_conf_set_resolve_cb(conf, on_resolve);
	if (client == PROPERTY_PRODUCER)
		rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	client_create(&connection->client, client == PROPERTY_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER,
				  conf, argument);
	dlist_push_head(&open_connections, &connection->node);
}

int
connection_poll(Connection *connection, int timeout_ms)
{
	client_abort_check();
	return rd_kafka_poll(connection->client.rk, timeout_ms);
}

int
connection_partition_count(Connection *connection, rd_kafka_topic_t *topic, int timeout_ms,
						   rd_kafka_resp_err_t *err)
{
	*err = RD_KAFKA_RESP_ERR__TIMED_OUT;

	for (int slice = connection_slice(timeout_ms); timeout_ms > 0;
		 timeout_ms -= slice, slice = connection_next_slice(slice, timeout_ms))
	{
		int count;

		CHECK_FOR_INTERRUPTS();
		slice = Min(slice, timeout_ms);
		*err = client_partition_count(&connection->client, rd_kafka_topic_name(topic), slice, &count);
		connection_poll(connection, 0);
		if (count > 0)
			return count;
		if (*err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, slice,
							 PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
		else if (*err != RD_KAFKA_RESP_ERR__TIMED_OUT && *err != RD_KAFKA_RESP_ERR__TRANSPORT)
			break;
		if (connection->events.auth_failed || connection->events.fatal)
			break;
	}
	return -1;
}

void
connection_close(Connection *connection)
{
	Client *client = &connection->client;
	rd_kafka_t *rk = client->rk;

	client->rk = NULL;
	if (rk == NULL)
		return;
	dlist_delete(&connection->node);
	if (!client_calls_abandon(client))
		client_close(rk, client->argument);
	client->argument = NULL;
}

/* At process exit: client.c says what happens to threads that do not end. */
static void
close_all(int code, Datum arg)
{
	dlist_mutable_iter iter;

	client_exiting();
	dlist_foreach_modify(iter, &open_connections)
	{
		Connection *connection = dlist_container(Connection, node, iter.cur);

		connection->close(connection->arg);
	}
	client_exit(code);
}

static void
set_property(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char errstr[256];
	bool secret;

	(void) property_clients(name, &secret);
	if (rd_kafka_conf_set(conf, name, value, errstr, sizeof(errstr)) != RD_KAFKA_CONF_OK)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						errmsg("librdkafka rejected the value of option \"%s\"", name),
						secret ? 0 : errdetail("librdkafka: %s", errstr)));
}

static void
set_properties(rd_kafka_conf_t *conf, const Property *properties, int n)
{
	for (int i = 0; i < n; i++)
		set_property(conf, properties[i].name, properties[i].value);
}

static void
set_options(rd_kafka_conf_t *conf, List *options, int client)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);
		bool secret;

		if (property_clients(def->defname, &secret) & client)
			set_property(conf, def->defname, defGetString(def));
	}
}

static void
set_worker_properties(rd_kafka_conf_t *conf)
{
	/* otherwise a topic that is recreated within that time would not be noticed */
	set_property(conf, "topic.metadata.propagation.max.ms", "0");
	/*
	 * Since librdkafka 2.3, a request for offsets has failed when its caller no longer waits: log_end_watch.c gives
	 * up after less than a second, many times while a thread unpacks a large batch. By default the first failure
	 * closes the connection, and then the last batch is read, and unpacked, again to check the topic, without end.
	 */
	if (rd_kafka_version() >= 0x020300ff)
		set_property(conf, "socket.max.fails", "100");
}

/*
 * Set how much librdkafka prefetches; returns false if there is not enough memory for that. Before version 2.2, it stops fetching for one second when its queue is
 * full, so the queue must hold one second of messages at full speed: measured, a scan of 4 million messages takes
 * 2 s with 256 MB and 14 s with 64 MB. Since 2.2, fetch.queue.backoff.ms sets this time.
 */
static bool
set_queue(rd_kafka_conf_t *conf, ConnectionKind kind)
{
	bool backoff = property_exists("fetch.queue.backoff.ms");
	int fit_kb = queue_memory_fit(setting_prefetch_kb);
	int kb = Max(fit_kb, QUEUE_MIN_KB);

	/* a response is in memory beside the queue */
	if (kb < setting_prefetch_kb)
		set_property(conf, "fetch.max.bytes", psprintf("%d", Min(Max(kb / 2, 1024), 50 * 1024) * 1024));
	if (backoff)
	{
		kb = Min(kb, 32 * 1024);
		set_property(conf, "fetch.queue.backoff.ms", "1");
		set_property(conf, "queued.min.messages", "50000");
	}
	else
	{
		/* librdkafka counts payloads only, and needs about 300 bytes more per message: half for each */
		set_property(conf, "queued.min.messages",
					 psprintf("%d", (int) Min((int64) kb * 2, MAX_QUEUE_MESSAGES)));
		kb /= 2;
	}
	set_property(conf, "queued.max.messages.kbytes", psprintf("%d", Min(kb, MAX_QUEUE_KB)));
	if (kb >= 64 * 1024)
		set_property(conf, "fetch.message.max.bytes", "4194304");
	if (kind != CONNECT_WORKER)
		set_property(conf, "fetch.wait.max.ms",
					 "20"); /* delay until the end of a log that ends in control records is reported */
	return fit_kb > 0;
}

/*
 * Set the limit of a response, which for zstd is librdkafka's limit of an unpacked batch, too. It enlarges its buffer
 * threefold until the batch fits, and gives up when the buffer would exceed the limit: so a third of the limit is
 * sure to be read. A response is longer than "fetch.max.bytes" only if its first batch is; the broker's
 * max.message.bytes limits that. With the default settings the limit is librdkafka's maximum. Returns whether it
 * can be raised.
 */
static bool
set_receive_limit(rd_kafka_conf_t *conf, List *options)
{
	const char *fetch = option_value(options, "fetch.max.bytes");
	int64 limit = Max(MIN_RECEIVE, (int64) setting_prefetch_kb * 1024 * 4);

	if (fetch != NULL)
		limit = Max(limit, strtoll(fetch, NULL, 10) * 8);
	limit = Min(limit, MAX_RECEIVE);
	set_property(conf, "receive.message.max.bytes", psprintf(INT64_FORMAT, limit));
	return limit < MAX_RECEIVE;
}

static bool
property_exists(const char *name)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	size_t size = 0;
	bool known = rd_kafka_conf_get(conf, name, NULL, &size) == RD_KAFKA_CONF_OK;

	rd_kafka_conf_destroy(conf);
	return known;
}

static void
on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	Connection *connection = ((ClientArgument *) opaque)->owner;
	ConnectionEvents *events = &connection->events;

	switch (err)
	{
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
			/* its message only counts brokers: the previous error is more specific */
			events->all_down = true;
			events->interruptions++;
			if (events->message[0] != '\0')
				return;
			break;
		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		case RD_KAFKA_RESP_ERR__SSL:
		case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
		case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
			events->auth_failed = true;
			break;
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
			events->topic_unknown = true;
			break;
		case RD_KAFKA_RESP_ERR__BAD_MSG:
			/* there is no code of its own for a response that is too long */
			if (connection->receive_limited && strstr(reason, "receive.message.max.bytes") != NULL)
				events->too_large = true;
			break;
		case RD_KAFKA_RESP_ERR__FATAL:
			events->fatal = true;
			rd_kafka_fatal_error(rk, events->message, sizeof(events->message));
			return;
		default:
			break;
	}
	strlcpy(events->message, reason, sizeof(events->message));
}

static int
on_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
	Connection *connection = ((ClientArgument *) opaque)->owner;

	if (connection->on_stats != NULL)
		connection->on_stats(connection->arg, json);
	return 0; /* librdkafka frees the text */
}

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	Connection *connection = ((ClientArgument *) opaque)->owner;

	connection->on_delivery(connection->arg, message);
}

/*
 * Resolve an address, configured or advertised, or refuse it if streambatch.allowed_brokers does not allow it.
 * Runs in librdkafka's threads.
 */
static int
on_resolve(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res,
		   void *opaque)
{
	const ClientArgument *argument = opaque;

	if (node == NULL && service == NULL)
	{
		freeaddrinfo(*res);
		return 0;
	}
	if (!brokers_match(argument->allowed_brokers, node, service))
		return EAI_FAIL;
	return getaddrinfo(node, service, hints, res);
}
