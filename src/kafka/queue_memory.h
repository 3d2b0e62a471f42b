/*
 * queue_memory.h
 *		How much memory a client's queue of fetched messages may take. Private to kafka/.
 */
#ifndef STREAMBATCH_QUEUE_MEMORY_H
#define STREAMBATCH_QUEUE_MEMORY_H

#include "common/compat.h"

#define QUEUE_MIN_KB 1024

/*
 * The size of the queue, in kB: the wanted one, halved as consumer_halve_queue() demands, or less if the process
 * may not have so much memory; 0 if not even QUEUE_MIN_KB fit.
 */
extern int queue_memory_fit(int wanted_kb);

/* A queue has been freed: give its memory back to the system, which may lie below other memory of the process. */
extern void queue_memory_release(void);

/* Raise out_of_memory: nothing fits. */
pg_noreturn extern void queue_memory_raise(void);

#endif /* STREAMBATCH_QUEUE_MEMORY_H */
