/*
 * worker_loop.h
 *		The main loop of a worker: take, decode, archive and fold messages; flush.
 */
#ifndef STREAMBATCH_WORKER_LOOP_H
#define STREAMBATCH_WORKER_LOOP_H

#include "worker/worker_state.h"

/* Run until the process ends. */
pg_noreturn extern void worker_loop(Worker *w);

#endif /* STREAMBATCH_WORKER_LOOP_H */
