/*
 * partition_set.c
 *		The partitions that a stream reads (see partition_set.h).
 *
 * Servers that share a topic each name their own partitions, so what is read must be what was meant: a value that is
 * not understood, or that names a partition twice, is refused.
 *
 * Example: '0,2,5-' is {0, 0}, {2, 2}, {5, PG_INT32_MAX}. A topic of five partitions lacks partition 5.
 */
#include "postgres.h"

#include "common/compat.h"
#include "common/export.h"
#include "foreign/foreign.h"
#include "kafka/option_rule.h"
#include "parser/scansup.h"
#include "stream/partition_set.h"
#include "stream/stream.h"

static int count_items(const char *value);
static const char *parse_range(const char *value, const char *at, PartitionRange *range);
static const char *parse_number(const char *value, const char *at, int32 *number);
static const char *skip_space(const char *at);
static int compare_ranges(const void *a, const void *b);
pg_noreturn static void raise_invalid(const char *value, const char *detail);

STREAMBATCH_FUNCTION(streambatch_reads_partition);

/* streambatch._reads_partition(stream, partition): false also for what is no stream (any more) */
Datum
streambatch_reads_partition(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	const char *value;

	if (!stream_is_stream(relid))
		PG_RETURN_BOOL(false);
	value = option_value(GetForeignTable(relid)->options, "partitions");
	PG_RETURN_BOOL(value == NULL || partition_set_has(partition_set_parse(value), PG_GETARG_INT32(1)));
}

PartitionSet *
partition_set_parse(const char *value)
{
	int n = count_items(value);
	PartitionSet *set = palloc(offsetof(PartitionSet, ranges) + n * sizeof(PartitionRange));
	const char *at = value;

	set->n = n;
	for (int i = 0; i < n; i++)
		at = parse_range(value, at, &set->ranges[i]) + 1;
	qsort(set->ranges, n, sizeof(PartitionRange), compare_ranges);
	for (int i = 1; i < n; i++)
	{
		if (set->ranges[i].first <= set->ranges[i - 1].last)
			raise_invalid(value, psprintf("It names partition %d twice.", set->ranges[i].first));
	}
	return set;
}

PartitionSet *
partition_set_copy(const PartitionSet *set)
{
	Size size;
	PartitionSet *copy;

	if (set == NULL)
		return NULL;
	size = offsetof(PartitionSet, ranges) + set->n * sizeof(PartitionRange);
	copy = palloc(size);
	memcpy(copy, set, size);
	return copy;
}

bool
partition_set_has(const PartitionSet *set, int32 partition)
{
	for (int i = 0; set != NULL && i < set->n; i++)
	{
		if (partition >= set->ranges[i].first && partition <= set->ranges[i].last)
			return true;
	}
	return set == NULL;
}

int32
partition_set_missing(const PartitionSet *set, int count)
{
	for (int i = 0; set != NULL && i < set->n; i++)
	{
		const PartitionRange *range = &set->ranges[i];

		if (range->first >= count)
			return range->first;
		if (range->last >= count && range->last != PG_INT32_MAX)
			return count;
	}
	return -1;
}

/* Where a range of one begins that the other contains; -1: nowhere. */
int32
partition_set_common(const PartitionSet *a, const PartitionSet *b)
{
	int32 result = a == NULL && b == NULL ? 0 : -1;

	for (int pass = 0; pass < 2; pass++)
	{
		const PartitionSet *set = pass == 0 ? a : b;
		const PartitionSet *other = pass == 0 ? b : a;

		for (int i = 0; set != NULL && i < set->n; i++)
		{
			if (partition_set_has(other, set->ranges[i].first) &&
				(result < 0 || set->ranges[i].first < result))
				result = set->ranges[i].first;
		}
	}
	return result;
}

static int
count_items(const char *value)
{
	int n = 1;

	for (const char *at = value; *at != '\0'; at++)
		n += *at == ',';
	return n;
}

/* Parse a number or a range. Returns what follows it: a comma, or the end. */
static const char *
parse_range(const char *value, const char *at, PartitionRange *range)
{
	at = parse_number(value, at, &range->first);
	range->last = range->first;
	if (*at == '-')
	{
		const char *end = skip_space(at + 1);

		range->last = PG_INT32_MAX;
		at = *end == ',' || *end == '\0' ? end : parse_number(value, end, &range->last);
	}
	if (*at != ',' && *at != '\0')
		raise_invalid(value, NULL);
	if (range->last < range->first)
		raise_invalid(value, psprintf("The range %d-%d is empty.", range->first, range->last));
	return at;
}

/* With the white space around it. */
static const char *
parse_number(const char *value, const char *at, int32 *number)
{
	int64 result = 0;
	const char *start = skip_space(at);

	for (at = start; *at >= '0' && *at <= '9' && result < PG_INT32_MAX; at++)
		result = result * 10 + (*at - '0');
	if (at == start)
		raise_invalid(value, NULL);
	if (result >= PG_INT32_MAX)
		raise_invalid(value, "A number is too large.");
	*number = (int32) result;
	return skip_space(at);
}

static const char *
skip_space(const char *at)
{
	while (scanner_isspace(*at))
		at++;
	return at;
}

static int
compare_ranges(const void *a, const void *b)
{
	const PartitionRange *x = a;
	const PartitionRange *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void
raise_invalid(const char *value, const char *detail)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
		 errmsg("invalid value for option \"partitions\": \"%s\"", value),
		 detail != NULL ? errdetail("%s", detail) : 0,
		 errhint(
			 "Use numbers and ranges of partitions, as in partitions '0-3', partitions '0,2,5-7' or, for partition 4 and all that follow, partitions '4-'.")));
}
