/*
 * cut.h
 *		A cut through a stream: one offset per partition. The events below it are an exact prefix of the topic.
 */
#ifndef STREAMBATCH_CUT_H
#define STREAMBATCH_CUT_H

#include "utils/array.h"

/* The next offset of partition i is at index i; -1 if the partition has not been read. */
typedef struct Cut
{
	int32 topic_epoch; /* events of earlier ones are below the cut (stream/topic_epoch.c) */
	int n;
	int64 *offsets;
} Cut;

/*
 * The cut at the stored positions. With the stream's row locked, it contains all events that are committed.
 * Current context.
 */
extern Cut *cut_read(Oid stream);

/* The reverse of cut_array(), in the current context. */
extern Cut *cut_of_array(ArrayType *array, int32 topic_epoch);

extern bool cut_equal(const Cut *a, const Cut *b);

/* Whether nothing is below the cut. */
extern bool cut_is_empty(const Cut *cut);

/* As bigint[], with a null for a partition that has not been read. Current context. */
extern ArrayType *cut_array(const Cut *cut);

#endif /* STREAMBATCH_CUT_H */
