/*
 * log_ends.h
 *		Shared memory: the log ends of the partitions of streams, as their workers learn them.
 *
 * They are kept here and not only in the table of positions, so that the lag can be shown while nothing can be
 * written. One writer per slot (slots.h); values are read and written without a lock, each by itself.
 */
#ifndef STREAMBATCH_LOG_ENDS_H
#define STREAMBATCH_LOG_ENDS_H

/* Partitions per stream. For others, the lag is that of the last flush. */
#define LOG_ENDS_MAX 512

/* Called by slots.c, which owns the hooks. */
extern Size log_ends_size(int nslots);
extern void log_ends_startup(int nslots);

/* The slot is given to another stream. */
extern void log_ends_forget(int slot);

/* The topic has no more partitions than these. */
extern void log_ends_limit(int slot, int count);

/*
 * Set the log end (last stable offset) of a partition; start, the beginning of the log, is for a partition that
 * was never read. -1: not known. Of the worker's threads, the main one must be the first to set a partition; then
 * any other may, since this allocates nothing and raises nothing.
 */
extern void log_ends_set(int slot, int partition, int64 start, int64 end);

#endif /* STREAMBATCH_LOG_ENDS_H */
