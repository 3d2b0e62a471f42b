/*
 * archive_index.h
 *		The archive's block range indexes.
 */
#ifndef STREAMBATCH_ARCHIVE_INDEX_H
#define STREAMBATCH_ARCHIVE_INDEX_H

/*
 * Bring them up to date, so that a chunk reads the blocks of its panes and not the whole table: pages that
 * were filled since the last vacuum are in no summary yet. As the archive's owner. Where somebody is in the
 * way it does nothing.
 */
extern void archive_index_summarise(Oid archive);

#endif /* STREAMBATCH_ARCHIVE_INDEX_H */
