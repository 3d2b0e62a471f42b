/*
 * catalog_topic.h
 *		The topic of a stream's positions, and what has stopped its worker, in the extension's own tables; see
 *		catalog_stream.h.
 */
#ifndef STREAMBATCH_CATALOG_TOPIC_H
#define STREAMBATCH_CATALOG_TOPIC_H

#include "common/slots.h"

/* Set the topic of a stream that has no positions yet. The row must be locked. */
extern void catalog_set_topic(Oid stream, const char *topic);

/* Set the topic epoch of a new stream: that of the positions in an existing archive. */
extern void catalog_set_topic_epoch(Oid stream, int32 topic_epoch);

/*
 * Begin the next topic epoch, for this topic, at its beginning or at the stream's option "start": delete all
 * positions, clear the stop, raise the generation. The row must be locked.
 */
extern void catalog_begin_topic_epoch(Oid stream, const char *topic, bool at_beginning);

/*
 * Store what has stopped the worker. lasts: until the next topic epoch begins; other stops end with the next start of
 * the worker. Stores nothing and returns false if the topic epoch has changed.
 */
extern bool catalog_store_stop(Oid stream, int32 topic_epoch, const WorkerError *stop, bool lasts);

/* Read it; false if there is none. */
extern bool catalog_stop(Oid stream, WorkerError *stop);

/* Clear it, unless it lasts. */
extern void catalog_clear_stop(Oid stream);

#endif /* STREAMBATCH_CATALOG_TOPIC_H */
