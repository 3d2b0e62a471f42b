/*
 * kafka_client.c
 *		What tests need of a Kafka client, as a program that is driven by lines: produce, transactions, topics.
 *
 * Usage: kafka_client BOOTSTRAP [PROPERTY=VALUE …]
 *
 * Reads commands, one a line, their words separated by single tabs. Every command but put is answered by one
 * line: "ok" and perhaps more words, or "error" and what went wrong. It ends at the end of its input; the
 * exit status is 1 if any command failed.
 *
 *		ready SECONDS								wait until the cluster answers
 *		create TOPIC PARTITIONS [PROPERTY=VALUE …]	and wait until it can be used
 *		delete TOPIC								and wait until it is gone
 *		grow TOPIC PARTITIONS						add partitions, up to this number
 *		truncate TOPIC PARTITION OFFSET				delete the messages before this offset
 *		range TOPIC PARTITION						first offset and log end
 *		put TOPIC PARTITION KEY VALUE MILLISECONDS [HEADER=VALUE …]		time 0: now; no answer before flush
 *		lines TOPIC PARTITIONS PATH					each line of a file is a message, the partitions in turn
 *		flush										wait for every put; answers PARTITION:OFFSET for each, in their order
 *		begin / commit / abort						a transaction (start with transactional.id=…)
 *
 * KEY, VALUE and the header's VALUE are written as in COPY's text format: \N for NULL, \t \n \\ …, and \xHH
 * for a byte. The producer is idempotent: what it wrote is in the log once, and each partition's messages lie
 * in the order of their puts.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define MAX_WORDS 64
#define TIMEOUT_MS 60000

typedef struct Bytes
{
	char *data; /* NULL for \N */
	size_t length;
} Bytes;

typedef struct Delivery
{
	int32_t partition;
	int64_t offset;
	rd_kafka_resp_err_t error;
} Delivery;

static rd_kafka_t *rk;
static Delivery *deliveries;
static size_t delivery_count;
static size_t delivery_room;
static char problem[1024]; /* why the present command failed */

typedef struct Command
{
	const char *name;
	int words; /* at least */
	bool (*run)(char **words, int n);
} Command;

static bool fail(const char *what);
static int split(char *line, char **words);
static int hex_digit(char c);
static Bytes unescape(char *word);
static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque);
static size_t new_delivery(void);
static bool produce(const char *topic, int32_t partition, Bytes key, Bytes value, int64_t milliseconds,
					rd_kafka_headers_t *headers, size_t delivery);
static bool put(char **words, int n);
static bool lines(char **words, int n);
static bool wait_for_deliveries(void);
static int partition_count(const char *topic);
static bool query_range(const char *topic, int32_t partition, int64_t *low, int64_t *high);
static bool wait_for_topic(const char *topic, int partitions);
static bool ready(char **words, int n);
static bool admin_done(rd_kafka_queue_t *queue);
static bool create(char **words, int n);
static bool delete_topic(char **words, int n);
static bool grow(char **words, int n);
static bool truncate_log(char **words, int n);
static bool transaction_step(char **words, int n);
static bool flush(char **words, int n);
static bool range(char **words, int n);
static bool ok(bool fine);
static bool run(char **words, int n);
static rd_kafka_t *open_client(int argc, char **argv);

static const Command commands[] = {
	{"put", 6, put},
	{"flush", 1, flush},
	{"lines", 4, lines},
	{"ready", 2, ready},
	{"create", 3, create},
	{"delete", 2, delete_topic},
	{"grow", 3, grow},
	{"truncate", 4, truncate_log},
	{"range", 3, range},
	{"begin", 1, transaction_step},
	{"commit", 1, transaction_step},
	{"abort", 1, transaction_step},
};

static bool
fail(const char *what)
{
	snprintf(problem, sizeof(problem), "%s", what);
	return false;
}

static int
split(char *line, char **words)
{
	int n = 0;
	char *word;

	line[strcspn(line, "\n")] = '\0';
	while ((word = strsep(&line, "\t")) && n < MAX_WORDS)
		words[n++] = word;
	return n;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int) (found - digits) : 0;
}

/* in place: the result is never longer */
static Bytes
unescape(char *word)
{
	static const char letters[] = "bfnrtv";
	static const char controls[] = "\b\f\n\r\t\v";
	Bytes result = {word, 0};

	if (strcmp(word, "\\N") == 0)
		return (Bytes){NULL, 0};
	for (char *c = word; *c; c++)
	{
		char byte = *c;

		if (*c == '\\' && c[1])
		{
			const char *letter = strchr(letters, *++c);

			byte = letter ? controls[letter - letters] : *c;
			if (*c == 'x' && c[1] && c[2])
			{
				byte = (char) (hex_digit(c[1]) * 16 + hex_digit(c[2]));
				c += 2;
			}
		}
		word[result.length++] = byte;
	}
	return result;
}

static void
delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
	Delivery *delivery = &deliveries[(size_t) message->_private];

	delivery->partition = message->partition;
	delivery->offset = message->offset;
	delivery->error = message->err;
}

static size_t
new_delivery(void)
{
	if (delivery_count == delivery_room)
	{
		delivery_room = delivery_room ? delivery_room * 2 : 1024;
		deliveries = realloc(deliveries, delivery_room * sizeof(Delivery));
		if (!deliveries)
			abort();
	}
	deliveries[delivery_count] = (Delivery){-1, -1, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT};
	return delivery_count++;
}

/* takes the headers */
static bool
produce(const char *topic, int32_t partition, Bytes key, Bytes value, int64_t milliseconds,
		rd_kafka_headers_t *headers, size_t delivery)
{
	rd_kafka_resp_err_t err;

	for (;;)
	{
		rd_kafka_headers_t *copy = headers ? rd_kafka_headers_copy(headers) : NULL;

		err = rd_kafka_producev(
			rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
			RD_KAFKA_V_KEY(key.data, key.length), RD_KAFKA_V_VALUE(value.data, value.length),
			RD_KAFKA_V_TIMESTAMP(milliseconds), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
			RD_KAFKA_V_HEADERS(copy), RD_KAFKA_V_OPAQUE((void *) delivery), RD_KAFKA_V_END);
		if (err && copy)
			rd_kafka_headers_destroy(copy);
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		rd_kafka_poll(rk, 100);
	}
	if (headers)
		rd_kafka_headers_destroy(headers);
	if (err)
	{
		deliveries[delivery].error = err;
		return fail(rd_kafka_err2str(err));
	}
	rd_kafka_poll(rk, 0);
	return true;
}

static bool
put(char **words, int n)
{
	rd_kafka_headers_t *headers = n > 6 ? rd_kafka_headers_new(n - 6) : NULL;

	for (int i = 6; i < n; i++)
	{
		char *equals = strchr(words[i], '=');
		Bytes value;

		if (!equals)
		{
			rd_kafka_headers_destroy(headers);
			return fail("a header needs a value");
		}
		*equals = '\0';
		value = unescape(equals + 1);
		rd_kafka_header_add(headers, words[i], -1, value.data, value.data ? (ssize_t) value.length : 0);
	}
	/* a failure is told by flush */
	produce(words[1], atoi(words[2]), unescape(words[3]), unescape(words[4]), atoll(words[5]), headers,
			new_delivery());
	return true;
}

static bool
lines(char **words, int n)
{
	int partitions = atoi(words[2]);
	FILE *file = fopen(words[3], "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int64_t count = 0;
	bool fine = true;

	if (!file)
		return fail("could not open the file");
	if (partitions < 1)
		partitions = 1;
	while (fine && (length = getline(&line, &room, file)) > 0)
	{
		if (line[length - 1] == '\n')
			length--;
		fine = produce(words[1], (int32_t) (count++ % partitions), (Bytes){NULL, 0},
					   (Bytes){line, (size_t) length}, 0, NULL, new_delivery());
	}
	free(line);
	fclose(file);
	if (!fine || !wait_for_deliveries())
		return false;
	printf("ok\t%lld\n", (long long) count);
	delivery_count = 0;
	return true;
}

static bool
wait_for_deliveries(void)
{
	rd_kafka_resp_err_t err = rd_kafka_flush(rk, TIMEOUT_MS);

	for (size_t i = 0; i < delivery_count && !err; i++)
		err = deliveries[i].error;
	if (err)
	{
		/* late callbacks must not find the entries of later messages */
		rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		rd_kafka_flush(rk, TIMEOUT_MS);
		delivery_count = 0;
		return fail(rd_kafka_err2str(err));
	}
	return true;
}

/* partitions that have a leader; 0 without such a topic, -1 without an answer */
static int
partition_count(const char *topic)
{
	const rd_kafka_metadata_t *metadata;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	int count = 0;

	if (!rkt || rd_kafka_metadata(rk, 0, rkt, &metadata, 5000) != RD_KAFKA_RESP_ERR_NO_ERROR)
		count = -1;
	else
	{
		for (int t = 0; t < metadata->topic_cnt; t++)
			if (metadata->topics[t].err == RD_KAFKA_RESP_ERR_NO_ERROR)
				for (int p = 0; p < metadata->topics[t].partition_cnt; p++)
					count += metadata->topics[t].partitions[p].leader >= 0 ? 1 : 0;
		rd_kafka_metadata_destroy(metadata);
	}
	if (rkt)
		rd_kafka_topic_destroy(rkt);
	return count;
}

/*
 * librdkafka 2.0 waits for ever for the offsets of a broker that went away: so ask first whether one is
 * there. A partition that has just been made may lie with a broker that does not know of it yet.
 */
static bool
query_range(const char *topic, int32_t partition, int64_t *low, int64_t *high)
{
	rd_kafka_resp_err_t err;

	for (int i = 0; i < 100; i++)
	{
		if (partition_count(topic) < 0)
			return fail("no answer");
		err = rd_kafka_query_watermark_offsets(rk, topic, partition, low, high, 10000);
		if (err != RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION &&
			err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
			break;
		usleep(50000);
	}
	return err ? fail(rd_kafka_err2str(err)) : true;
}

static bool
wait_for_topic(const char *topic, int partitions)
{
	for (int i = 0; i < TIMEOUT_MS / 20; i++)
	{
		if (partition_count(topic) == partitions)
		{
			int64_t low;
			int64_t high;
			bool fine = true;

			for (int p = 0; p < partitions && fine; p++)
				fine = query_range(topic, p, &low, &high);
			return fine;
		}
		usleep(20000);
	}
	return fail("the cluster does not show the change of the topic");
}

static bool
ready(char **words, int n)
{
	time_t until = time(NULL) + atoi(words[1]);

	do
	{
		const rd_kafka_metadata_t *metadata;
		bool ready = false;

		if (rd_kafka_metadata(rk, 1, NULL, &metadata, 1000) == RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			ready = metadata->broker_cnt > 0;
			rd_kafka_metadata_destroy(metadata);
		}
		if (ready)
			return ok(true);
		usleep(50000);
	} while (time(NULL) < until);
	return fail("the cluster does not answer");
}

/* The outcome of an admin request about one thing; frees the queue. */
static bool
admin_done(rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS);
	const rd_kafka_topic_result_t **topics = NULL;
	size_t n = 0;
	bool fine = true;

	if (!event)
		fine = fail("no answer");
	else if (rd_kafka_event_error(event))
		fine = fail(rd_kafka_event_error_string(event));
	else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
		topics = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
	else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DELETETOPICS_RESULT)
		topics = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n);
	else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT)
		topics = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &n);
	else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DELETERECORDS_RESULT)
	{
		const rd_kafka_topic_partition_list_t *offsets =
			rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));

		if (offsets->elems[0].err)
			fine = fail(rd_kafka_err2str(offsets->elems[0].err));
	}
	for (size_t i = 0; i < n && fine; i++)
		if (rd_kafka_topic_result_error(topics[i]))
			fine = fail(rd_kafka_topic_result_error_string(topics[i])
							? rd_kafka_topic_result_error_string(topics[i])
							: rd_kafka_err2str(rd_kafka_topic_result_error(topics[i])));
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	return fine;
}

static bool
create(char **words, int n)
{
	int partitions = atoi(words[2]);
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(words[1], partitions, 1, problem, sizeof(problem));
	rd_kafka_queue_t *queue;
	bool fine;

	if (!topic)
		return false;
	for (int i = 3; i < n; i++)
	{
		char *value = strchr(words[i], '=');

		if (value)
			*value++ = '\0';
		rd_kafka_NewTopic_set_config(topic, words[i], value ? value : "");
	}
	queue = rd_kafka_queue_new(rk);
	rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
	fine = admin_done(queue);
	rd_kafka_NewTopic_destroy(topic);
	return ok(fine && wait_for_topic(words[1], partitions));
}

static bool
delete_topic(char **words, int n)
{
	rd_kafka_DeleteTopic_t *doomed = rd_kafka_DeleteTopic_new(words[1]);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	bool fine;

	rd_kafka_DeleteTopics(rk, &doomed, 1, NULL, queue);
	fine = admin_done(queue);
	rd_kafka_DeleteTopic_destroy(doomed);
	return ok(fine && wait_for_topic(words[1], 0));
}

static bool
grow(char **words, int n)
{
	int partitions = atoi(words[2]);
	rd_kafka_NewPartitions_t *more =
		rd_kafka_NewPartitions_new(words[1], partitions, problem, sizeof(problem));
	rd_kafka_queue_t *queue;
	bool fine;

	if (!more)
		return false;
	queue = rd_kafka_queue_new(rk);
	rd_kafka_CreatePartitions(rk, &more, 1, NULL, queue);
	fine = admin_done(queue);
	rd_kafka_NewPartitions_destroy(more);
	return ok(fine && wait_for_topic(words[1], partitions));
}

static bool
truncate_log(char **words, int n)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_DeleteRecords_t *records;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	bool fine;

	rd_kafka_topic_partition_list_add(list, words[1], atoi(words[2]))->offset = atoll(words[3]);
	records = rd_kafka_DeleteRecords_new(list);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_DeleteRecords(rk, &records, 1, NULL, queue);
	fine = admin_done(queue);
	rd_kafka_DeleteRecords_destroy(records);
	return ok(fine);
}

static bool
transaction_step(char **words, int n)
{
	rd_kafka_error_t *error;

	if (strcmp(words[0], "begin") == 0)
		error = rd_kafka_begin_transaction(rk);
	else if (strcmp(words[0], "commit") == 0)
		error = rd_kafka_commit_transaction(rk, TIMEOUT_MS);
	else
		error = rd_kafka_abort_transaction(rk, TIMEOUT_MS);
	if (!error)
		return ok(true);
	fail(rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
	return false;
}

static bool
flush(char **words, int n)
{
	if (!wait_for_deliveries())
		return false;
	fputs("ok", stdout);
	for (size_t i = 0; i < delivery_count; i++)
		printf("\t%d:%lld", (int) deliveries[i].partition, (long long) deliveries[i].offset);
	putchar('\n');
	delivery_count = 0;
	return true;
}

static bool
range(char **words, int n)
{
	int64_t low = 0;
	int64_t high = 0;

	if (!query_range(words[1], atoi(words[2]), &low, &high))
		return false;
	printf("ok\t%lld\t%lld\n", (long long) low, (long long) high);
	return true;
}

static bool
ok(bool fine)
{
	if (fine)
		puts("ok");
	return fine;
}

/* Carry out one command and answer it; false: the caller answers with the problem. */
static bool
run(char **words, int n)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (n >= commands[i].words && strcmp(words[0], commands[i].name) == 0)
			return commands[i].run(words, n);
	return fail("no such command");
}

static rd_kafka_t *
open_client(int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	bool transactional = false;
	rd_kafka_t *client;

	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	if (rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], problem, sizeof(problem)) ||
		rd_kafka_conf_set(conf, "enable.idempotence", "true", problem, sizeof(problem)) ||
		rd_kafka_conf_set(conf, "log_level", "4", problem, sizeof(problem)))
		return NULL;
	for (int i = 2; i < argc; i++)
	{
		char *value = strchr(argv[i], '=');

		if (!value)
		{
			fail("PROPERTY=VALUE expected");
			return NULL;
		}
		*value++ = '\0';
		transactional = transactional || strcmp(argv[i], "transactional.id") == 0;
		if (rd_kafka_conf_set(conf, argv[i], value, problem, sizeof(problem)))
			return NULL;
	}
	client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, problem, sizeof(problem));
	if (client && transactional)
	{
		rd_kafka_error_t *error = rd_kafka_init_transactions(client, TIMEOUT_MS);

		if (error)
		{
			fail(rd_kafka_error_string(error));
			return NULL;
		}
	}
	return client;
}

int
main(int argc, char **argv)
{
	char *line = NULL;
	size_t room = 0;
	char *words[MAX_WORDS];
	int status = 0;

	if (argc < 2)
	{
		fprintf(stderr, "usage: %s BOOTSTRAP [PROPERTY=VALUE …]\n", argv[0]);
		return 2;
	}
	if (!(rk = open_client(argc, argv)))
	{
		fprintf(stderr, "%s: %s\n", argv[0], problem);
		return 1;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&line, &room, stdin) > 0)
		if (!run(words, split(line, words)))
		{
			printf("error\t%s\n", problem);
			status = 1;
		}

	rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_destroy(rk);
	return status;
}
