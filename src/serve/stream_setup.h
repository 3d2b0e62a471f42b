/*
 * stream_setup.h
 *		Setting up a stream when it is first used: its catalog row, its archive, and the request for its worker.
 */
#ifndef STREAMBATCH_STREAM_SETUP_H
#define STREAMBATCH_STREAM_SETUP_H

#include "common/catalog_stream.h"
#include "stream/stream.h"

/*
 * Create the stream's row and its archive, unless the row exists. The archive is created as the stream's owner,
 * or is an existing table with the stream's columns. Locks the foreign table until the end of the transaction if
 * it creates the row, so that concurrent sessions wait. Raises if the relation with the archive's name cannot be
 * used. The row is allocated in the current context.
 */
extern void stream_setup(Oid relid, StreamRow *row);

/* Raises unless a table can be the archive of the stream, as at its first use. */
extern void stream_setup_check_archive(const Stream *stream, Oid archive);

/*
 * Raises configuration_limit_exceeded if the stream's owner has as many other running streams as
 * streambatch.max_streams_per_role allows, and this one is not running.
 */
extern void stream_check_limit(Oid relid);

/*
 * When the transaction commits: start a worker; make a running worker read its catalog row; restart a worker that
 * stopped with an error.
 */
extern void stream_want_at_commit(Oid relid);
extern void stream_nudge_at_commit(Oid relid);
extern void stream_retry_at_commit(Oid relid);

/* Raise a WARNING if no worker can run, no broker answers, or the topic does not exist. */
extern void stream_setup_warn(Oid relid);

#endif /* STREAMBATCH_STREAM_SETUP_H */
