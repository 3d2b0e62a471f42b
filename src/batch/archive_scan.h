/*
 * archive_scan.h
 *		A scan of the blocks of a table in which times of many ranges may be.
 */
#ifndef STREAMBATCH_ARCHIVE_SCAN_H
#define STREAMBATCH_ARCHIVE_SCAN_H

/*
 * Install the hook by which the planner considers this scan, for a table with a block range index of least and greatest
 * times, where a condition is streambatch._in_ranges(column, from_times, to_times) with constant arrays.
 */
extern void archive_scan_install(void);

#endif /* STREAMBATCH_ARCHIVE_SCAN_H */
