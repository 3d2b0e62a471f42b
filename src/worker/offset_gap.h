/*
 * offset_gap.h
 *		Gaps: offsets that the log no longer contains, because of retention or truncation.
 */
#ifndef STREAMBATCH_OFFSET_GAP_H
#define STREAMBATCH_OFFSET_GAP_H

#include "worker/worker_state.h"

/*
 * Called if the consumer's state is CONSUMER_OUT_OF_RANGE: continue after the gap, or stop, according to the
 * option on_gap. No transaction may be open. Does nothing if no broker answers in time; call it again then.
 */
extern void offset_gap_handle(Worker *w);

#endif /* STREAMBATCH_OFFSET_GAP_H */
