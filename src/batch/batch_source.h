/*
 * batch_source.h
 *		What the batch layer of a hybrid view is computed from.
 *
 *		'archive'	the stream's archive: its rows below the cut
 *		'log'		the stream's topic: the messages below the cut, except dead letters
 *		a relation	any other relation with the columns of the stream. If it also has the archive's columns for partition and
 *					offset, its rows below the cut; otherwise all its rows: a pane computed from it stands for all events
 *					so far, that is, for those below the cut, which the stream layer no longer counts
 */
#ifndef STREAMBATCH_BATCH_SOURCE_H
#define STREAMBATCH_BATCH_SOURCE_H

#include "batch/computation.h"
#include "common/catalog_stream.h"
#include "stream/stream.h"

#define BATCH_SOURCE_ARCHIVE "archive"
#define BATCH_SOURCE_LOG "log"

/*
 * A source as the catalog stores it: the name of a relation is qualified. Raises if there is no such relation, or it
 * cannot be one for a view of this owner. Current context.
 */
extern const char *batch_source_parse(Oid stream, Oid owner, const char *source);

/*
 * Set the source of a computation. NULL: what is stored for the view, or the archive, or if there is none the log.
 * Raises if it cannot be read, or lacks columns. Current context.
 */
extern void batch_source_open(Computation *c, Stream *stream, const StreamRow *row, const char *source);

/*
 * Lock the source, and check whether it has a column for the topic epoch. Needed in each transaction, because another
 * session may add the column.
 */
extern void batch_source_lock(Computation *c);

/*
 * The cut to compute for: what is read of the log. incomplete: even if it no longer holds all events. Raises if it cannot
 * hold them. The cut must remain.
 */
extern void batch_source_cut(Computation *c, const Cut *cut, bool incomplete);

/* The event time before which retain() has removed events from the source; -infinity: none. */
extern TimestampTz batch_source_complete_from(const Computation *c);

/* For messages. */
extern const char *batch_source_name(const Computation *c);

#endif /* STREAMBATCH_BATCH_SOURCE_H */
