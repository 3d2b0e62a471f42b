/*
 * worker_state.h
 *		The worker of one stream, as the files that it is made of share it. Private to them: worker.c,
 *		worker_state.c, worker_start.c, worker_loop.c, flush_transaction.c, housekeeping.c, offset_gap.c.
 */
#ifndef STREAMBATCH_WORKER_STATE_H
#define STREAMBATCH_WORKER_STATE_H

#include "common/slots.h"
#include "worker/archive_writer.h"
#include "worker/definition.h"

#define HOUSEKEEPING_MS 1000
#define ANSWER_MS 800 /* how long a broker may keep us from looking at the catalog: less than a second */

typedef struct Worker
{
	int slot;
	MemoryContext context; /* lives as long as the process */
	Definition d;
	Consumer *consumer;
	Positions positions;
	ArchiveWriter *archive; /* while a transaction is open; NULL: the stream has no archive */
	StreamCounts counts;	/* of the open transaction */
	bool in_transaction;
	TimestampTz transaction_start;
	TimestampTz last_flush_end;
	int64 flush_cost; /* microseconds that the last flush took */
	int careful;	  /* batches left to be small and flushed one by one */
	TimestampTz last_housekeeping;
	TimestampTz last_partitions;   /* when their number was last looked at */
	uint64 requests;			   /* of the slot, as of the last load */
	char taken[DECODED_BATCH_MAX]; /* of each row of the micro-batch: what became of it */
} Worker;

/* Begin a transaction; leaves its memory context current. */
extern void worker_begin_transaction(void);

/* Leave for good, or until somebody asks again, in this state. Does not return. */
extern void worker_leave(Worker *w, WorkerState state) pg_attribute_noreturn();

/* Stop with an error that only a person can mend, logged and shown in stat_stream. Does not return. */
extern void worker_stop(Worker *w, const WorkerError *error) pg_attribute_noreturn();

/*
 * Leave where options, columns or secrets are not those any more that the process began with: a new one begins
 * with them, at the stored positions.
 */
extern void worker_check_definition(Worker *w);

/* Load all that the catalog says, in a transaction of its own; leave where there is nothing to run for. */
extern void worker_load(Worker *w);

/* Abort the transaction, if there is one, and drop all that is not stored. The consumer is not told. */
extern void worker_forget(Worker *w);

/* The same, and read on from the stored positions. */
extern void worker_rewind(Worker *w);

/* The same, and load what the catalog says now. */
extern void worker_reload(Worker *w);

/* Note in the slot why brokers cannot be read; true where they can. */
extern bool worker_check_consumer(Worker *w);

/* Wait for messages, the latch, or the timeout. Interrupts and changed settings are heard. */
extern void worker_idle(Worker *w, int timeout_ms);

#endif /* STREAMBATCH_WORKER_STATE_H */
