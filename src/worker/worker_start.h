/*
 * worker_start.h
 *		Determining where a worker starts reading.
 */
#ifndef STREAMBATCH_WORKER_START_H
#define STREAMBATCH_WORKER_START_H

#include "worker/worker_state.h"

/*
 * Load the stored positions, or store the first ones, and assign them to the consumer. Returns once brokers
 * have answered; until then it checks the catalog once a second, and exits if no worker is needed any more.
 */
extern void worker_start(Worker *w);

#endif /* STREAMBATCH_WORKER_START_H */
