/*
 * offset_gap.h
 *		Offsets that the log does not hold any more: retention or truncation was faster than the worker.
 */
#ifndef STREAMBATCH_OFFSET_GAP_H
#define STREAMBATCH_OFFSET_GAP_H

#include "worker/worker_state.h"

/*
 * The consumer's state is CONSUMER_OUT_OF_RANGE: go on behind the gap, or stop, as the stream's option on_gap
 * says. No transaction may be open. Does nothing where no broker tells in time: to be called again.
 */
extern void offset_gap_handle(Worker *w);

#endif /* STREAMBATCH_OFFSET_GAP_H */
