/*
 * archive_reader.h
 *		Reading events back from the archive, as micro-batches.
 */
#ifndef STREAMBATCH_ARCHIVE_READER_H
#define STREAMBATCH_ARCHIVE_READER_H

#include "worker/decoded_batch.h"

typedef struct ArchiveReader ArchiveReader;

/*
 * Which events: those at listed positions (int[] and bigint[]) of the topic epoch to_epoch, or those from one vector
 * of positions on below another (bigint[], next offset of partition i at index i + 1; each of a topic epoch). Rows
 * without a position are never among them.
 */
typedef struct ArchiveSlice
{
	bool listed;
	Datum partitions;
	Datum offsets;
	ArrayType *from;
	ArrayType *to;
	int32 from_epoch;
	int32 to_epoch;
} ArchiveSlice;

/*
 * Begin to read as a role, which needs SELECT on the archive. Scans all of it. Connects to SPI until
 * archive_reader_close(), in the order of a stack. Lives in the current context. The archive must be locked.
 */
extern ArchiveReader *archive_reader_open(const Stream *stream, Oid archive, Oid role,
										  const ArchiveSlice *slice);

/*
 * Replace the rows of a batch by the next ones, all of one topic epoch, which is set in the batch; false: there are
 * none. Their messages have a position alone.
 * Values are in the batch's context until decoded_batch_clear().
 */
extern bool archive_reader_next(ArchiveReader *reader, DecodedBatch *decoded);

extern void archive_reader_close(ArchiveReader *reader);

#endif /* STREAMBATCH_ARCHIVE_READER_H */
