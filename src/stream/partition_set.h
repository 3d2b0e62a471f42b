/*
 * partition_set.h
 *		The partitions that a stream reads: its option "partitions".
 */
#ifndef STREAMBATCH_PARTITION_SET_H
#define STREAMBATCH_PARTITION_SET_H

typedef struct PartitionRange
{
	int32 first;
	int32 last; /* PG_INT32_MAX: without end */
} PartitionRange;

typedef struct PartitionSet
{
	int n;
	PartitionRange ranges[FLEXIBLE_ARRAY_MEMBER]; /* sorted, disjoint */
} PartitionSet;

/*
 * Parse the option's value, as '0-3', '0,2,5-7' or '4-'. Raises fdw_invalid_attribute_value, with a hint, if it is not a
 * list of numbers and ranges, or names a partition twice. Allocated in the current context.
 */
extern PartitionSet *partition_set_parse(const char *value);

/* A copy in the current context; NULL of NULL. */
extern PartitionSet *partition_set_copy(const PartitionSet *set);

/* Whether a partition is in a set; NULL: all are. */
extern bool partition_set_has(const PartitionSet *set, int32 partition);

/*
 * The first partition that is named but does not exist in a topic of so many partitions; -1 if there is none. Of a
 * range without end only the first must exist.
 */
extern int32 partition_set_missing(const PartitionSet *set, int count);

/* The first partition that is in both sets; -1 if there is none. */
extern int32 partition_set_common(const PartitionSet *a, const PartitionSet *b);

#endif /* STREAMBATCH_PARTITION_SET_H */
