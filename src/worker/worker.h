/*
 * worker.h
 *		The background worker of one stream.
 */
#ifndef STREAMBATCH_WORKER_H
#define STREAMBATCH_WORKER_H

#include "fmgr.h"

/* Entry point; main_arg is the number of the stream's slot. */
extern PGDLLEXPORT void streambatch_worker_main(Datum main_arg);

#endif /* STREAMBATCH_WORKER_H */
