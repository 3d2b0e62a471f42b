/*
 * lag.h
 *		What the statistics show as log ends of the stream's partitions, and so as its lag.
 */
#ifndef STREAMBATCH_LAG_H
#define STREAMBATCH_LAG_H

#include "worker/worker_state.h"

/* Report the log ends, at most once a second. Sends no request. */
extern void lag_report(Worker *w);

/* Ask brokers for the log ends and report them, unless they take too long. Quick only while nothing is read. */
extern void lag_ask(Worker *w);

#endif /* STREAMBATCH_LAG_H */
