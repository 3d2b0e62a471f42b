/*
 * worker_start.h
 *		Finding out where a worker begins to read.
 */
#ifndef STREAMBATCH_WORKER_START_H
#define STREAMBATCH_WORKER_START_H

#include "worker/worker_state.h"

/*
 * Load the stored positions, or store the first ones, and assign them to the consumer. Returns once brokers
 * have told what it takes; until then it looks at the catalog once a second, and leaves where there is nothing
 * to begin for.
 */
extern void worker_start(Worker *w);

#endif /* STREAMBATCH_WORKER_START_H */
