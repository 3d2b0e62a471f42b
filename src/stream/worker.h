/*
 * worker.h
 *		The background worker of one stream.
 */
#ifndef WORKER_H
#define WORKER_H

#include "fmgr.h"

/* Entry point; main_arg is the number of the stream's slot. */
extern PGDLLEXPORT void streambatch_worker_main(Datum main_arg);

#endif /* WORKER_H */
