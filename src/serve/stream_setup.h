/*
 * stream_setup.h
 *		A stream's start: its row, its archive, and the wish for its worker.
 */
#ifndef STREAMBATCH_STREAM_SETUP_H
#define STREAMBATCH_STREAM_SETUP_H

#include "common/catalog_stream.h"

/*
 * Make sure that a stream has its row and its archive (created as its owner, or an existing table that fits).
 * Of several sessions one does, and the others wait for the end of its transaction.
 * Raises where the archive's name is taken by something that does not fit.
 */
extern void stream_setup(Oid relid, StreamRow *row);

/*
 * When this transaction commits: a worker is wanted / the worker should look at its catalog row / one that has
 * stopped with an error is tried again.
 */
extern void stream_want_at_commit(Oid relid);
extern void stream_nudge_at_commit(Oid relid);
extern void stream_retry_at_commit(Oid relid);

/* Warn where no worker can run, or the broker does not know the topic. */
extern void stream_setup_warn(Oid relid);

#endif /* STREAMBATCH_STREAM_SETUP_H */
