/*
 * housekeeping.h
 *		Periodic work of a worker, done once a second.
 */
#ifndef STREAMBATCH_HOUSEKEEPING_H
#define STREAMBATCH_HOUSEKEEPING_H

#include "worker/worker_state.h"

/* Run it if a second has passed or the latch was set. No transaction may be open. */
extern void housekeeping_run(Worker *w);

#endif /* STREAMBATCH_HOUSEKEEPING_H */
