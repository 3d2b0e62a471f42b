/*
 * bare_limit.cpp
 *		What the machine can do without a database: librdkafka, simdjson, a hash table.
 *
 * Usage: bare_limit BOOTSTRAP TOPIC SLIDE SIZE
 *
 * Reads a topic of bench/produce from its beginning to its present end and keeps, per user_id and window of
 * SIZE seconds each SLIDE seconds, count, sum, min, max and avg of amount: what the views of bench/run keep. An
 * event is folded once, into the pane that it lies in; windows are assembled from panes at the end. Prints one
 * line of KEY=VALUE: events, groups, the sums over all groups of what they say (n, total, low, high, mean: to
 * compare results), seconds, cpu_seconds (all threads), and the most resident memory in kB.
 */
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

#include <librdkafka/rdkafka.h>
#include <simdjson.h>

namespace
{

constexpr size_t batch_size = 10000;
constexpr int timeout_ms = 10000;

struct Group
{
	int64_t user_id; /* 0: the slot is free */
	int64_t window_start;
	int64_t count;
	double sum;
	double min;
	double max;
};

/* open addressing, doubled at half full */
class Groups
{
  public:
	Groups() : slots(1 << 16)
	{
	}

	/*
	 * Room for so many. What comes in the order of another table of this kind needs it: poured into a table
	 * that is too small, it forms long runs.
	 */
	void
	reserve(size_t groups)
	{
		while (groups * 2 > slots.size())
			grow();
	}

	void
	add(const Group &more)
	{
		if (used * 2 > slots.size())
			grow();

		Group &group = find(more.user_id, more.window_start);

		if (group.user_id == 0)
		{
			group = more;
			used++;
			return;
		}
		group.count += more.count;
		group.sum += more.sum;
		group.min = more.min < group.min ? more.min : group.min;
		group.max = more.max > group.max ? more.max : group.max;
	}

	template <typename F>
	void
	each(F f) const
	{
		for (const Group &group : slots)
			if (group.user_id)
				f(group);
	}

	size_t used = 0;

  private:
	std::vector<Group> slots;

	Group &
	find(int64_t user_id, int64_t window_start)
	{
		uint64_t hash =
			(uint64_t) user_id * 0x9e3779b97f4a7c15 ^ (uint64_t) window_start * 0xbf58476d1ce4e5b9;
		size_t mask = slots.size() - 1;
		size_t i = (hash ^ hash >> 32) & mask;

		while (slots[i].user_id != 0 &&
			   (slots[i].user_id != user_id || slots[i].window_start != window_start))
			i = (i + 1) & mask;
		return slots[i];
	}

	void
	grow()
	{
		std::vector<Group> old(slots.size() * 2);

		old.swap(slots);
		for (const Group &group : old)
			if (group.user_id)
				find(group.user_id, group.window_start) = group;
	}
};

int
digits(const char *text, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++)
		value = value * 10 + (text[i] - '0');
	return value;
}

/* seconds since 1970 of YYYY-MM-DDThh:mm:ss…Z (days from civil: Hinnant) */
int64_t
seconds_of(const char *text)
{
	int year = digits(text, 4);
	int month = digits(text + 5, 2);
	int day = digits(text + 8, 2);
	int y = year - (month <= 2);
	int era = y / 400;
	int yoe = y - era * 400;
	int doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t days = (int64_t) era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;

	return days * 86400 + digits(text + 11, 2) * 3600 + digits(text + 14, 2) * 60 + digits(text + 17, 2);
}

[[noreturn]] void
die(const char *what)
{
	fprintf(stderr, "bare_limit: %s\n", what);
	exit(1);
}

rd_kafka_t *
connect_to(const char *bootstrap)
{
	/*
	 * before 2.2 librdkafka stops fetching for a second when its queue is full: so the queue holds a second
	 * of full speed
	 */
	static const char *const properties[][2] = {
		{"group.id", "bare_limit"},
		{"enable.auto.commit", "false"},
		{"queued.min.messages", "5000000"},
		{"queued.max.messages.kbytes", "1048576"},
		{"fetch.message.max.bytes", "4194304"},
	};
	char error[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, error, sizeof(error));
	for (auto &property : properties)
		if (rd_kafka_conf_set(conf, property[0], property[1], error, sizeof(error)))
			die(error);

	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));

	if (!rk)
		die(error);
	return rk;
}

/* Assign every partition from its beginning; returns the number of messages up to the present ends. */
int64_t
assign_all(rd_kafka_t *rk, const char *topic)
{
	const rd_kafka_metadata_t *metadata;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, nullptr);

	if (rd_kafka_metadata(rk, 0, rkt, &metadata, timeout_ms) || metadata->topic_cnt != 1)
		die("no metadata");

	rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(4);
	int64_t messages = 0;

	for (int p = 0; p < metadata->topics[0].partition_cnt; p++)
	{
		int64_t low;
		int64_t high;

		if (rd_kafka_query_watermark_offsets(rk, topic, p, &low, &high, timeout_ms))
			die("no offsets");
		rd_kafka_topic_partition_list_add(partitions, topic, p)->offset = low;
		messages += high - low;
	}
	rd_kafka_metadata_destroy(metadata);
	if (rd_kafka_assign(rk, partitions))
		die("no assignment");
	rd_kafka_topic_partition_list_destroy(partitions);
	rd_kafka_topic_destroy(rkt);
	return messages;
}

void
fold(const rd_kafka_message_t *message, simdjson::ondemand::parser &parser, std::vector<char> &padded,
	 int64_t pane_size, Groups &panes)
{
	if (message->len + simdjson::SIMDJSON_PADDING > padded.size())
		padded.resize((message->len + simdjson::SIMDJSON_PADDING) * 2);
	memcpy(padded.data(), message->payload, message->len);

	simdjson::ondemand::document document;
	simdjson::ondemand::object object;
	int64_t user_id;
	double amount;
	std::string_view ts;

	if (parser.iterate(padded.data(), message->len, padded.size()).get(document) ||
		document.get_object().get(object) || object["user_id"].get(user_id) || object["amount"].get(amount) ||
		object["ts"].get(ts))
		die("an event that is none");

	int64_t second = seconds_of(ts.data());

	panes.add({user_id, second - second % pane_size, 1, amount, amount, amount});
}

/* Every pane into the windows that it lies in. */
void
assemble(const Groups &panes, int64_t slide, int64_t size, Groups &windows)
{
	windows.reserve(panes.used * (size_t) ((size + slide - 1) / slide));
	panes.each(
		[&](const Group &pane)
		{
			Group group = pane;

			for (group.window_start -= pane.window_start % slide;
				 group.window_start > pane.window_start - size; group.window_start -= slide)
				windows.add(group);
		});
}

Group
totals(const Groups &groups, double &mean)
{
	Group sums = {};

	groups.each(
		[&](const Group &group)
		{
			sums.count += group.count;
			sums.sum += group.sum;
			sums.min += group.min;
			sums.max += group.max;
			mean += group.sum / (double) group.count;
		});
	return sums;
}

double
cpu_seconds(const rusage &usage)
{
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

} // namespace

int
main(int argc, char **argv)
{
	int64_t slide = argc == 5 ? atoll(argv[3]) : 0;
	int64_t size = argc == 5 ? atoll(argv[4]) : 0;

	if (slide <= 0 || size < slide)
		die("usage: bare_limit BOOTSTRAP TOPIC SLIDE SIZE");

	auto start = std::chrono::steady_clock::now();
	rd_kafka_t *rk = connect_to(argv[1]);
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
	int64_t expected = assign_all(rk, argv[2]);
	int64_t events = 0;
	std::vector<rd_kafka_message_t *> messages(batch_size);
	std::vector<char> padded(4096);
	simdjson::ondemand::parser parser;
	int64_t pane_size = std::gcd(slide, size);
	Groups panes;
	Groups windows;
	const Groups &groups = slide == size ? panes : windows;

	while (events < expected)
	{
		ssize_t n = rd_kafka_consume_batch_queue(queue, timeout_ms, messages.data(), batch_size);

		if (n <= 0)
			die("the topic ended early");
		for (ssize_t i = 0; i < n; i++)
		{
			if (messages[i]->err)
				die(rd_kafka_message_errstr(messages[i]));
			fold(messages[i], parser, padded, pane_size, panes);
			rd_kafka_message_destroy(messages[i]);
		}
		events += n;
	}

	if (slide != size)
		assemble(panes, slide, size, windows);

	std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
	rusage usage;
	double mean = 0;

	getrusage(RUSAGE_SELF, &usage);

	Group sums = totals(groups, mean);

	printf(
		"events=%lld groups=%zu n=%lld total=%.2f low=%.2f high=%.2f mean=%.6f seconds=%.2f cpu_seconds=%.2f "
		"rss_kb=%ld\n",
		(long long) events, groups.used, (long long) sums.count, sums.sum, sums.min, sums.max, mean,
		seconds.count(), cpu_seconds(usage), usage.ru_maxrss);
	rd_kafka_queue_destroy(queue);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return 0;
}
