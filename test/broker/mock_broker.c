/*
 * mock_broker.c
 *		The embedded broker: librdkafka's mock cluster as a program, for tests and the demo.
 *
 * Usage: mock_broker [BROKERS]
 *
 * Prints its bootstrap.servers (loopback only, ports chosen by the system) as the first line of its output,
 * then answers each line of its input with one line, "ok" or "error: …". It ends at "quit", at the end of its
 * input, and by SIGTERM, and leaves nothing behind.
 *
 *		create TOPIC PARTITIONS				a topic; one that is asked for by name springs up by itself with 4 partitions
 *		down BROKER / up BROKER				refuse and cut connections / accept them again; brokers count from 1, 0 is all of them
 *		slow BROKER MILLISECONDS			delay each answer
 *		leader TOPIC PARTITION BROKER		move a partition; broker 0 leaves it without a leader
 *		fail REQUEST COUNT ERROR			the next COUNT requests (produce, fetch, list_offsets, metadata) end with this error;
 *											_TRANSPORT cuts the connection
 *		topic_error TOPIC ERROR				what metadata says of a topic from now on: UNKNOWN_TOPIC_OR_PART, then NO_ERROR
 *		quit
 *
 * What a mock cluster cannot do (librdkafka 2.0): it keeps everything in memory, and of each partition only
 * the newest 5 MiB, or 100,000 batches, as sent (compressed): what is older is gone, as if by retention. It
 * finds a batch by walking the partition's list, so long logs of small batches are slow to read. One fetch
 * answers with one batch; a fetch that finds nothing answers only fetch.wait.max.ms later, even when a
 * message arrives meanwhile. It neither deletes topics nor adds partitions to one, looks up no offset by
 * time, shows aborted transactions to everybody, and has no authentication. For those, there is kafka.sh.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#define MAX_WORDS 8
#define MAX_FAILURES 1000

static const struct
{
	const char *name;
	int16_t api_key;
} requests[] = {{"produce", 0}, {"fetch", 1}, {"list_offsets", 2}, {"metadata", 3}};

static rd_kafka_mock_cluster_t *cluster;
static int brokers = 1;

static bool find_request(const char *name, int16_t *api_key);
static bool find_error(const char *name, rd_kafka_resp_err_t *error);
static int split(char *line, char **words);
static rd_kafka_resp_err_t each_broker(int broker,
									   rd_kafka_resp_err_t (*change)(rd_kafka_mock_cluster_t *, int32_t));
static rd_kafka_resp_err_t slow_down(int broker, int milliseconds);
static const char *fail_requests(const char *request, int count, const char *error_name);
static const char *run(char **words, int n);

static bool
find_request(const char *name, int16_t *api_key)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (strcmp(requests[i].name, name) == 0)
		{
			*api_key = requests[i].api_key;
			return true;
		}
	return false;
}

static bool
find_error(const char *name, rd_kafka_resp_err_t *error)
{
	const struct rd_kafka_err_desc *descriptions;
	size_t n;

	rd_kafka_get_err_descs(&descriptions, &n);
	for (size_t i = 0; i < n; i++)
		if (descriptions[i].name && strcmp(descriptions[i].name, name) == 0)
		{
			*error = descriptions[i].code;
			return true;
		}
	return false;
}

static int
split(char *line, char **words)
{
	int n = 0;

	for (char *word = strtok(line, " \t\n"); word && n < MAX_WORDS; word = strtok(NULL, " \t\n"))
		words[n++] = word;
	return n;
}

static rd_kafka_resp_err_t
each_broker(int broker, rd_kafka_resp_err_t (*change)(rd_kafka_mock_cluster_t *, int32_t))
{
	return change(cluster, broker == 0 ? -1 : broker);
}

/* unlike its siblings, rd_kafka_mock_broker_set_rtt has no "all" */
static rd_kafka_resp_err_t
slow_down(int broker, int milliseconds)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	for (int i = 1; i <= brokers && !err; i++)
		if (broker == 0 || broker == i)
			err = rd_kafka_mock_broker_set_rtt(cluster, i, milliseconds);
	return err;
}

static const char *
fail_requests(const char *request, int count, const char *error_name)
{
	rd_kafka_resp_err_t errors[MAX_FAILURES];
	rd_kafka_resp_err_t error;
	int16_t api_key;

	if (!find_request(request, &api_key))
		return "no such request";
	if (!find_error(error_name, &error))
		return "no such error";
	if (count < 0 || count > MAX_FAILURES)
		return "count out of range";
	for (int i = 0; i < count; i++)
		errors[i] = error;
	rd_kafka_mock_clear_request_errors(cluster, api_key);
	rd_kafka_mock_push_request_errors_array(cluster, api_key, count, errors);
	return NULL;
}

/* Carry out one command; NULL, or what is wrong. */
static const char *
run(char **words, int n)
{
	rd_kafka_resp_err_t err;

	if (n == 3 && strcmp(words[0], "create") == 0)
		err = rd_kafka_mock_topic_create(cluster, words[1], atoi(words[2]), 1);
	else if (n == 2 && strcmp(words[0], "down") == 0)
		err = each_broker(atoi(words[1]), rd_kafka_mock_broker_set_down);
	else if (n == 2 && strcmp(words[0], "up") == 0)
		err = each_broker(atoi(words[1]), rd_kafka_mock_broker_set_up);
	else if (n == 3 && strcmp(words[0], "slow") == 0)
		err = slow_down(atoi(words[1]), atoi(words[2]));
	else if (n == 4 && strcmp(words[0], "leader") == 0)
		err = rd_kafka_mock_partition_set_leader(cluster, words[1], atoi(words[2]),
												 atoi(words[3]) == 0 ? -1 : atoi(words[3]));
	else if (n == 4 && strcmp(words[0], "fail") == 0)
		return fail_requests(words[1], atoi(words[2]), words[3]);
	else if (n == 3 && strcmp(words[0], "topic_error") == 0)
	{
		if (!find_error(words[2], &err))
			return "no such error";
		rd_kafka_mock_topic_set_error(cluster, words[1], err);
		return NULL;
	}
	else
		return "no such command";

	return err ? rd_kafka_err2str(err) : NULL;
}

int
main(int argc, char **argv)
{
	char error[512];
	char line[4096];
	char *words[MAX_WORDS];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *rk;

	/* no word about the bootstrap.servers that this handle lacks */
	rd_kafka_conf_set(conf, "log_level", "4", error, sizeof(error));
	if (argc > 1)
		brokers = atoi(argv[1]);
	if (argc > 2 || brokers < 1)
	{
		fprintf(stderr, "usage: %s [BROKERS]\n", argv[0]);
		return 2;
	}

	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	cluster = rk ? rd_kafka_mock_cluster_new(rk, brokers) : NULL;
	if (!cluster)
	{
		fprintf(stderr, "%s: could not start: %s\n", argv[0], rk ? "no mock cluster" : error);
		return 1;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));

	while (fgets(line, sizeof(line), stdin))
	{
		int n = split(line, words);
		const char *wrong;

		if (n == 1 && strcmp(words[0], "quit") == 0)
			break;
		wrong = run(words, n);
		if (wrong)
			printf("error: %s\n", wrong);
		else
			puts("ok");
	}

	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(rk);
	return 0;
}
