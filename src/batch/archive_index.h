/*
 * archive_index.h
 *		The archive's block range indexes.
 */
#ifndef STREAMBATCH_ARCHIVE_INDEX_H
#define STREAMBATCH_ARCHIVE_INDEX_H

/*
 * Summarize the pages that were filled since the last vacuum, so that a chunk reads only the blocks of its
 * panes. Runs as the archive's owner. Does nothing if the archive cannot be locked at once.
 */
extern void archive_index_summarise(Oid archive);

#endif /* STREAMBATCH_ARCHIVE_INDEX_H */
