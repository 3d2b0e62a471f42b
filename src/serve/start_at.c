/*
 * start_at.c
 *		streambatch.start_at(): where a stream begins to read a partition that another server has read before.
 *
 * The position is stored like one that was read up to: only the first message from there on is the stream's.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "common/catalog_stream.h"
#include "common/compat.h"
#include "common/export.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "serve/stream_setup.h"
#include "stream/stream.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/* No topic has more. What is kept for each partition up to the last one takes memory. */
#define MAX_PARTITION 100000

static void check_unread(const Stream *stream, int32 partition);

STREAMBATCH_FUNCTION(streambatch_start_at);

Datum
streambatch_start_at(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	ProgressRow row = {.partition = PG_GETARG_INT32(1), .next_offset = PG_GETARG_INT64(2)};
	Stream *stream = stream_open(relid);
	StreamRow locked;

	if (!compat_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE, stream->name);
	if (row.partition < 0 || row.next_offset < 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("partition and offset must not be negative"),
			 errhint(
				 "Use the values of partition and next_offset of streambatch.stat_partition on the other server.")));
	if (row.partition > MAX_PARTITION)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("partition must not be greater than %d", MAX_PARTITION)));
	stream_setup(relid, &locked);
	if (!catalog_lock_stream(relid, &locked))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("stream \"%s\" was dropped", stream->name)));
	check_unread(stream, row.partition);
	row.log_end = row.next_offset;
	catalog_put_progress(relid, &row, 1);
	catalog_set_first_offset(relid, row.partition, row.next_offset);
	PG_RETURN_VOID();
}

static void
check_unread(const Stream *stream, int32 partition)
{
	int n;
	ProgressRow *rows = catalog_progress(stream->relid, &n, NULL);

	for (int i = 0; i < n; i++)
	{
		if (rows[i].partition == partition)
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" has read partition %d up to offset %lld", stream->name, partition,
						(long long) rows[i].next_offset),
				 errhint(
					 "Use start_at before the stream names the partition in its option \"partitions\", or for a new stream before its first hybrid view.")));
	}
}
