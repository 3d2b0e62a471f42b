/*
 * produce.c
 *		Events for benchmarks and the demo: the same seed, the same topic, byte for byte.
 *
 * Usage: produce BOOTSTRAP TOPIC EVENTS [OPTION=VALUE …]
 *
 *		keys=1000			user_id is 1 … keys
 *		zipf=0				exponent of the keys' distribution; 0: uniform. The k-th most frequent key comes 1/k^zipf times
 *							as often as the first; ranks are scattered over the keys, so that frequent ones are no neighbours
 *		seed=1
 *		partitions=4		of the topic; an event lies in partition user_id mod this
 *		time=1739520000		event time of the first event, seconds since 1970; now: the clock, event by event
 *		per_second=100000	events in one second of event time
 *		rate=0				events produced per second; 0: as fast as the broker takes them
 *
 * An event is a JSON object of about 170 bytes:
 *		{"user_id":…,"event_type":"view|cart|purchase","amount":…,"geo":{"country":"…"},"ts":"….…Z","session":"…","page":"…"}
 *
 * Sent with lz4; any failed delivery is an error.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

typedef struct Options
{
	int64_t keys;
	double zipf;
	uint64_t seed;
	int32_t partitions;
	int64_t time; /* microseconds; negative: the clock */
	int64_t per_second;
	int64_t rate;
} Options;

static const char *const event_types[] = {"view", "view", "view", "view",	  "view",
										  "view", "cart", "cart", "purchase", "purchase"};
static const char *const countries[] = {"DE", "US", "FR", "JP", "BR", "IN", "GB", "ZA"};

static int64_t failures;

static int64_t now(void);
static uint64_t next_random(uint64_t *state);
static double *zipf_distribution(int64_t keys, double exponent);
static int64_t pick_key(const double *distribution, int64_t keys, uint64_t random);
static size_t write_event(char *buffer, size_t size, int64_t user_id, uint64_t random, int64_t time);
static void keep_pace(rd_kafka_t *rk, int64_t start, int64_t sent, int64_t rate);
static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque);
static rd_kafka_t *connect_to(const char *bootstrap);
static bool read_option(Options *options, char *argument);
static void produce(rd_kafka_t *rk, const char *topic, int64_t events, const Options *options);

static int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* cumulative; NULL for the uniform distribution */
static double *
zipf_distribution(int64_t keys, double exponent)
{
	double *distribution;
	double sum = 0;

	if (exponent <= 0)
		return NULL;
	distribution = malloc((size_t) keys * sizeof(double));
	if (!distribution)
		abort();
	for (int64_t k = 0; k < keys; k++)
		distribution[k] = sum += 1 / pow((double) (k + 1), exponent);
	for (int64_t k = 0; k < keys; k++)
		distribution[k] /= sum;
	return distribution;
}

static int64_t
pick_key(const double *distribution, int64_t keys, uint64_t random)
{
	double u = (double) (random >> 11) / (double) (UINT64_C(1) << 53);
	int64_t low = 0;
	int64_t high = keys - 1;

	if (!distribution)
		return 1 + (int64_t) (u * (double) keys);
	while (low < high)
	{
		int64_t middle = (low + high) / 2;

		if (distribution[middle] < u)
			low = middle + 1;
		else
			high = middle;
	}
	/* a prime that divides no sensible number of keys: a permutation */
	return 1 + low * INT64_C(982451653) % keys;
}

static size_t
write_event(char *buffer, size_t size, int64_t user_id, uint64_t random, int64_t time)
{
	static time_t formatted = -1;
	static char second[32];
	time_t seconds = (time_t) (time / 1000000);
	int amount = (int) (random % 50000);
	int length;

	if (seconds != formatted)
	{
		struct tm tm;

		strftime(second, sizeof(second), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
		formatted = seconds;
	}
	length =
		snprintf(buffer, size,
				 "{\"user_id\":%lld,\"event_type\":\"%s\",\"amount\":%d.%02d,\"geo\":{\"country\":\"%s\"},"
				 "\"ts\":\"%s.%06dZ\",\"session\":\"%016llx\",\"page\":\"/catalogue/item/%05u\"}",
				 (long long) user_id, event_types[(random >> 16) % 10], amount / 100, amount % 100,
				 countries[random >> 24 & 7], second, (int) (time % 1000000), (unsigned long long) random,
				 (unsigned) (random >> 8 & 0xffff));
	return (size_t) length;
}

static void
keep_pace(rd_kafka_t *rk, int64_t start, int64_t sent, int64_t rate)
{
	int64_t ahead;

	while (rate > 0 && (ahead = start + sent * 1000000 / rate - now()) > 1000)
		rd_kafka_poll(rk, (int) (ahead / 1000));
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	if (message->err)
		failures++;
}

static rd_kafka_t *
connect_to(const char *bootstrap)
{
	static const char *const properties[][2] = {{"compression.codec", "lz4"},
												{"linger.ms", "20"},
												{"batch.num.messages", "10000"},
												{"queue.buffering.max.messages", "200000"},
												{"enable.idempotence", "true"}};
	char error[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *rk;

	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, error, sizeof(error));
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
		if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], error, sizeof(error)))
			abort();
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (!rk)
		fprintf(stderr, "produce: %s\n", error);
	return rk;
}

static bool
read_option(Options *options, char *argument)
{
	char *value = strchr(argument, '=');

	if (!value)
		return false;
	*value++ = '\0';
	if (strcmp(argument, "keys") == 0)
		options->keys = atoll(value);
	else if (strcmp(argument, "zipf") == 0)
		options->zipf = atof(value);
	else if (strcmp(argument, "seed") == 0)
		options->seed = strtoull(value, NULL, 10);
	else if (strcmp(argument, "partitions") == 0)
		options->partitions = atoi(value);
	else if (strcmp(argument, "time") == 0)
		options->time = strcmp(value, "now") == 0 ? -1 : atoll(value) * 1000000;
	else if (strcmp(argument, "per_second") == 0)
		options->per_second = atoll(value);
	else if (strcmp(argument, "rate") == 0)
		options->rate = atoll(value);
	else
		return false;
	return options->keys > 0 && options->partitions > 0 && options->per_second > 0;
}

static void
produce(rd_kafka_t *rk, const char *topic, int64_t events, const Options *options)
{
	double *distribution = zipf_distribution(options->keys, options->zipf);
	uint64_t state = options->seed;
	int64_t start = now();
	char buffer[512];

	for (int64_t i = 0; i < events; i++)
	{
		int64_t user_id = pick_key(distribution, options->keys, next_random(&state));
		uint64_t random = next_random(&state);
		int64_t time = options->time < 0 ? now() : options->time + i * 1000000 / options->per_second;
		size_t length = write_event(buffer, sizeof(buffer), user_id, random, time);

		while (rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
								 RD_KAFKA_V_PARTITION((int32_t) (user_id % options->partitions)),
								 RD_KAFKA_V_VALUE(buffer, length), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
								 RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
			rd_kafka_poll(rk, 10);
		if (i % 128 == 0)
			rd_kafka_poll(rk, 0);
		keep_pace(rk, start, i + 1, options->rate);
	}
	free(distribution);
}

int
main(int argc, char **argv)
{
	Options options = {1000, 0, 1, 4, INT64_C(1739520000) * 1000000, 100000, 0};
	bool fine = argc >= 4;
	rd_kafka_t *rk;

	for (int i = 4; i < argc && fine; i++)
		fine = read_option(&options, argv[i]);
	if (!fine)
	{
		fprintf(stderr, "usage: %s BOOTSTRAP TOPIC EVENTS [OPTION=VALUE …]\n", argv[0]);
		return 2;
	}
	if (!(rk = connect_to(argv[1])))
		return 1;
	produce(rk, argv[2], atoll(argv[3]), &options);
	if (rd_kafka_flush(rk, 120000) || failures > 0)
	{
		fprintf(stderr, "produce: not everything was delivered\n");
		return 1;
	}
	rd_kafka_destroy(rk);
	return 0;
}
