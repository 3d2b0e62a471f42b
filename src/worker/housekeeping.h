/*
 * housekeeping.h
 *		What a worker does once a second, whether messages come or not.
 */
#ifndef STREAMBATCH_HOUSEKEEPING_H
#define STREAMBATCH_HOUSEKEEPING_H

#include "worker/worker_state.h"

/* Do it if a second has passed, or if the latch was set. No transaction may be open. */
extern void housekeeping_run(Worker *w);

#endif /* STREAMBATCH_HOUSEKEEPING_H */
