/*
 * refresh.h
 *		Computing what a refresh computes.
 */
#ifndef STREAMBATCH_REFRESH_H
#define STREAMBATCH_REFRESH_H

#include "batch/refresh_run.h"

/*
 * Take a cut, and compute what the run has requested, in transactions of its own. The caller holds the view's right to
 * refresh and the stream's past (locks.h), and has filled in the run up to its context; its row is recorded there. The
 * view is not suspended.
 */
extern void refresh_compute(Run *run, ViewRow *row);

#endif /* STREAMBATCH_REFRESH_H */
