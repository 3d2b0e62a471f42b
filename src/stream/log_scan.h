/*
 * log_scan.h
 *		Reads a stream's log once, between fixed offsets, as rows.
 */
#ifndef STREAMBATCH_LOG_SCAN_H
#define STREAMBATCH_LOG_SCAN_H

#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "stream/log_range.h"
#include "stream/log_slice.h"
#include "stream/stream.h"

typedef struct LogScan LogScan;

/*
 * Begin reading the messages of the range that are now in the log, with the user mapping of the role. The columns
 * in attnums are decoded, the others are NULL. Allocated in the current context, which also frees the connection.
 * Waits for the broker; raises an error if it does not respond within a few seconds, or if the topic does not
 * exist. slice: only its messages; NULL: all. Raises also if the log does not hold all of them.
 */
extern LogScan *log_scan_begin(const Stream *stream, Oid role, const Bitmapset *attnums,
							   const LogRange *range, const LogSlice *slice);

/* Store the next row in the slot, as a virtual tuple valid until the next call; false at the end. */
extern bool log_scan_next(LogScan *scan, TupleTableSlot *slot);

/* Close the connection. Raises a WARNING if messages were skipped. */
extern void log_scan_end(LogScan *scan);

/* The numbers of messages taken so far, and of those skipped because they could not be decoded. */
extern void log_scan_counts(const LogScan *scan, int64 *messages, int64 *undecodable);

#endif /* STREAMBATCH_LOG_SCAN_H */
