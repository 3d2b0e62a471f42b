/*
 * stream.h
 *		A stream: the options and columns of a foreign table.
 */
#ifndef STREAMBATCH_STREAM_H
#define STREAMBATCH_STREAM_H

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "message/layout.h"
#include "stream/partition_set.h"

typedef enum StreamStart
{
	START_EARLIEST,
	START_LATEST
} StreamStart;

typedef struct Stream
{
	Oid relid;
	Oid serverid;
	Oid owner;
	const char *schema;
	const char *name;
	const char *topic;
	const PartitionSet *partitions; /* to read; NULL: all */
	StreamStart start;
	TupleDesc desc;
	MessageLayout layout;		/* its columns, by attnum - 1 */
	AttrNumber event_time;		/* 0: the stream declares none */
	int64 max_out_of_orderness; /* microseconds */
	int64 max_future;			/* microseconds */
	int64 idle_timeout;			/* microseconds */
	bool on_gap_skip;
	const char *archive_schema; /* NULL: archive 'none' */
	const char *archive_name;
} Stream;

/*
 * The position of an event, in expressions over a stream: attribute numbers that no table can have, so queries
 * cannot refer to them. The layers replace them when they evaluate or deparse such an expression. Both are bigint.
 */
#define STREAM_PARTITION_ATTNUM (MaxHeapAttributeNumber + 1)
#define STREAM_OFFSET_ATTNUM (MaxHeapAttributeNumber + 2)

/*
 * The value of the first: the partition, with the topic epoch (topic_epoch.h) in its upper half, so that later topic
 * epochs rank later. STREAM_RANK_SQL is the same in SQL.
 */
static inline int64
stream_partition_rank(int32 topic_epoch, int32 partition)
{
	return ((int64) topic_epoch << 32) + partition;
}

#define STREAM_RANK_SQL "((%s::pg_catalog.int8 OPERATOR(pg_catalog.<<) 32) OPERATOR(pg_catalog.+) %s)"

/*
 * Open the stream of a foreign table, allocated in the current context. Raises wrong_object_type for any other
 * relation. The table remains locked (AccessShareLock) until the end of the transaction: lock it before the
 * objects of its views, as DROP … CASCADE does.
 */
extern Stream *stream_open(Oid relid);

/* True if relid is a foreign table of the wrapper streambatch_kafka. */
extern bool stream_is_stream(Oid relid);

/*
 * For a stream that names a partition that its topic, of count partitions, does not have: the message, and a hint.
 * Palloc'd.
 */
extern char *stream_no_partition_message(const Stream *stream, int32 partition, int count);
extern char *stream_no_partition_hint(const Stream *stream);

/* Raises undefined_object if the stream names a partition that its topic, of count partitions, does not have. */
extern void stream_check_partitions(const Stream *stream, int count);

/* The first column with this metadata role, or 0. */
extern AttrNumber stream_meta_column(const Stream *stream, MessageMeta meta);

/*
 * The names of the archive's columns for a message's position: the stream's own metadata columns, or
 * kafka_partition and kafka_offset. Raises duplicate_column if a field of the payload has such a name.
 */
extern void stream_position_columns(const Stream *stream, const char **partition, const char **offset);

/* A column of an archive that does not match the stream; allocated in the current context. */
typedef struct ArchiveMisfit
{
	const char *column;
	const char *wanted; /* the required type */
	const char *has;	/* the actual type; NULL: the column does not exist */
} ArchiveMisfit;

/*
 * Whether a table has all columns of the stream and the position columns, with the same types, with or without
 * their modifiers. If not, *misfit is set to the first column that does not match.
 */
extern bool stream_archive_fits(const Stream *stream, Oid archive, ArchiveMisfit *misfit);

/*
 * Raises feature_not_supported if rows of the archive are written to a foreign table, also one that is a partition:
 * it commits by itself, so that after a crash it would contain the same events twice.
 */
extern void stream_check_local(const Stream *stream, Oid archive);

/* Raises undefined_table if the archive of a stream has been dropped. */
extern void stream_require_archive(const char *stream, Oid archive);

/*
 * Raises insufficient_privilege if a table is not the stream's owner's: whoever owns it could attach code to it,
 * which the worker would run as the stream's owner.
 */
extern void stream_check_archive_owner(const Stream *stream, Oid archive);

/*
 * Raises an error, with the statement to fix it as hint, if the archive does not match the stream, or does not
 * belong to the stream's owner, or no longer exists.
 */
extern void stream_check_archive(const Stream *stream, Oid archive);

#endif /* STREAMBATCH_STREAM_H */
