/*
 * log_scan.h
 *		Reading a stream's log once, from and to fixed offsets, as rows.
 */
#ifndef STREAMBATCH_LOG_SCAN_H
#define STREAMBATCH_LOG_SCAN_H

#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "stream/log_range.h"
#include "stream/stream.h"

typedef struct LogScan LogScan;

/*
 * Begin to read the messages of the range that the log holds at this moment, as the user mapping of the role
 * allows. The columns in attnums are decoded, the others NULL. Lives in the current context, which frees the
 * connection too. Waits for the broker; raises when it does not answer within a few seconds, and when there
 * is no such topic.
 */
extern LogScan *log_scan_begin(const Stream *stream, Oid role, const Bitmapset *attnums,
							   const LogRange *range);

/* Store the next row in the slot, as a virtual tuple valid until the next call; false at the end. */
extern bool log_scan_next(LogScan *scan, TupleTableSlot *slot);

/* Close the connection and, if messages were left out, say so in a WARNING. */
extern void log_scan_end(LogScan *scan);

/* How many messages were taken so far, and how many left out because they did not decode. */
extern void log_scan_counts(const LogScan *scan, int64 *messages, int64 *undecodable);

#endif /* STREAMBATCH_LOG_SCAN_H */
