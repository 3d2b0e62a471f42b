/*
 * topic_epoch.h
 *		Topic epochs: which topic the positions of a stream belong to.
 */
#ifndef STREAMBATCH_TOPIC_EPOCH_H
#define STREAMBATCH_TOPIC_EPOCH_H

#include "stream/stream.h"

/*
 * Begin a stream's next topic epoch, for the topic that its option names: at the beginning of the topic, or at its
 * option "start". Locks the archive, if it must be altered, and then the stream's row, until the end of the
 * transaction. Raises, with the statement that helps, if the archive cannot store rows of another topic epoch.
 */
extern void topic_epoch_begin(const Stream *stream, bool at_beginning);

/*
 * The name of the archive's column for the topic epoch, which needs no quotes; NULL if it has none, so that all rows
 * are of topic epoch 0. Valid as long as the archive is locked.
 */
extern const char *topic_epoch_column(const Stream *stream, Oid archive);

/* Raise if the archive has no such column, but rows of this topic epoch need one; or if its type is wrong. */
extern void topic_epoch_check_archive(const Stream *stream, Oid archive, int32 topic_epoch);

/*
 * The comment of an archive that we created: the topic, and the topic epoch, that its last positions are of. An
 * archive outlives its stream, and another stream may adopt it. Current context.
 */
extern char *topic_epoch_comment(const Stream *stream, int32 topic_epoch);

/* Whether a comment is one of these. *topic_epoch: -1 if it names another topic than the stream's. */
extern bool topic_epoch_read_comment(const Stream *stream, const char *comment, int32 *topic_epoch);

#endif /* STREAMBATCH_TOPIC_EPOCH_H */
