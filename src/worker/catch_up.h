/*
 * catch_up.h
 *		Suspended views come back: they get the events that they have missed, and are active again.
 */
#ifndef STREAMBATCH_CATCH_UP_H
#define STREAMBATCH_CATCH_UP_H

#include "worker/worker_state.h"

typedef struct CatchUp CatchUp;

/*
 * Between two transactions of the worker: do a part of the work for one suspended view, if one is due to be tried.
 * Returns how long, in milliseconds, the worker may wait before it calls again. Raises nothing: what fails is shown
 * with the view, and tried again later.
 */
extern int catch_up_run(Worker *w);

#endif /* STREAMBATCH_CATCH_UP_H */
