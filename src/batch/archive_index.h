/*
 * archive_index.h
 *		The archive's indexes over the event time.
 */
#ifndef STREAMBATCH_ARCHIVE_INDEX_H
#define STREAMBATCH_ARCHIVE_INDEX_H

#include "access/attnum.h"

/*
 * Summarize the pages that were filled since the last vacuum, so that a chunk reads only the blocks of its
 * panes. Runs as the archive's owner. Does nothing if the archive cannot be locked at once.
 */
extern void archive_index_summarise(Oid archive);

/* Whether the archive, a table, has an index over a column. */
extern bool archive_index_exists(Oid archive, AttrNumber column);

/*
 * The block range index of least and greatest times over a column, by which a scan finds the blocks of many ranges
 * (archive_scan.c); InvalidOid if there is none.
 */
extern Oid archive_index_blocks(Oid archive, AttrNumber column);

/*
 * How many ranges of a column, the event time, are worth reading one by one with a B-tree, which is descended for each; 0 if
 * there is none, or the column's values are not in the order of the rows.
 */
extern int archive_index_reads(Oid archive, AttrNumber column);

#endif /* STREAMBATCH_ARCHIVE_INDEX_H */
