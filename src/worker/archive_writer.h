/*
 * archive_writer.h
 *		Writing to the archive, the table that keeps every event of a stream.
 */
#ifndef STREAMBATCH_ARCHIVE_WRITER_H
#define STREAMBATCH_ARCHIVE_WRITER_H

#include "worker/decoded_batch.h"

typedef struct ArchiveWriter ArchiveWriter;

/*
 * Open and lock the archive, to be written in the current transaction. Allocates in the current context.
 * Raises an error if the table was dropped, does not fit the stream, or the stream's owner may not insert.
 */
extern ArchiveWriter *archive_writer_open(const Stream *stream, Oid archive, int32 topic_epoch);
extern void archive_writer_close(ArchiveWriter *writer);

/*
 * Append the rows of the micro-batch. Rows that the archive rejects become dead letters of the stream and are
 * removed from the micro-batch. Runs as the stream's owner, in subtransactions. Needs an active snapshot.
 */
extern void archive_writer_write(ArchiveWriter *writer, DecodedBatch *decoded, DeadLetters *dead_letters,
								 StreamCounts *counts);

#endif /* STREAMBATCH_ARCHIVE_WRITER_H */
