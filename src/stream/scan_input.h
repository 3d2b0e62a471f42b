/*
 * scan_input.h
 *		What a scan of a stream reads instead of the log, for a query of the worker or the batch layer.
 */
#ifndef STREAMBATCH_SCAN_INPUT_H
#define STREAMBATCH_SCAN_INPUT_H

#include "utils/queryenvironment.h"

#define SCAN_INPUT_MICRO_BATCH "streambatch micro-batch"	/* a MicroBatchScan (micro_batch.h) */
#define SCAN_INPUT_LOG_SLICE "streambatch slice of the log" /* a LogSlice (log_slice.h) */

/*
 * Make queries of the current SPI connection use the input when they scan its stream. The caller owns it, and must
 * keep it until SPI_finish(). Functions called by such a query have SPI connections of their own, and do not use it.
 */
extern void scan_input_register(const char *kind, Oid stream, void *input);

/* The input of a stream in a query environment, or NULL: read the log. */
extern void *scan_input_lookup(QueryEnvironment *environment, const char *kind, Oid stream);

#endif /* STREAMBATCH_SCAN_INPUT_H */
