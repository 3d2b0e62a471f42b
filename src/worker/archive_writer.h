/*
 * archive_writer.h
 *		The archive: the table that keeps every event of a stream.
 */
#ifndef STREAMBATCH_ARCHIVE_WRITER_H
#define STREAMBATCH_ARCHIVE_WRITER_H

#include "worker/decoded_batch.h"

typedef struct ArchiveWriter ArchiveWriter;

/*
 * How rows of this archive can be written, for a transaction: opens and locks the table, in the current
 * context.
 */
extern ArchiveWriter *archive_writer_open(const Stream *stream, Oid archive);
extern void archive_writer_close(ArchiveWriter *writer);

/*
 * Append the micro-batch's rows. Rows that the archive's own rules refuse become dead letters of the stream
 * and leave the batch. As the stream's owner; in subtransactions. Needs an active snapshot.
 */
extern void archive_writer_write(ArchiveWriter *writer, DecodedBatch *decoded, DeadLetters *dead_letters,
								 StreamCounts *counts);

#endif /* STREAMBATCH_ARCHIVE_WRITER_H */
