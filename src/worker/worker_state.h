/*
 * worker_state.h
 *		The state of a stream's worker, shared by the files that implement it and private to them: worker.c,
 *		worker_state.c, worker_start.c, worker_loop.c, flush_transaction.c, housekeeping.c, offset_gap.c.
 */
#ifndef STREAMBATCH_WORKER_STATE_H
#define STREAMBATCH_WORKER_STATE_H

#include "common/compat.h"
#include "common/slots.h"
#include "portability/instr_time.h"
#include "worker/archive_writer.h"
#include "worker/definition.h"

#define HOUSEKEEPING_MS 1000
#define CAREFUL_BATCHES 64 /* after an error: others are often not far */
/* Maximum wait for a broker; less than a second, so that the catalog is checked in time. */
#define ANSWER_MS 800

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
	int64 transaction_start; /* by clock.h, like all times below */
	int64 last_flush_end;
	struct CatchUp *catch_up; /* catch_up.c; NULL: no view was suspended yet */
	int64 flush_cost;		  /* microseconds that the last flush took */
	int careful;			  /* number of micro-batches that will still be folded in careful mode */
	int64 last_housekeeping;
	instr_time last_lag;		   /* when log ends were last reported */
	int64 last_partitions;		   /* when their number was last checked */
	uint64 interruptions;		   /* the consumer's, when positions were last assigned (topic_check.c) */
	int64 last_question;		   /* when topic_check.c last asked a broker */
	int doubts;					   /* number of successive responses that the topic is not what it was */
	uint64 requests;			   /* the slot's counter at the last load */
	char taken[DECODED_BATCH_MAX]; /* what became of each row of the micro-batch (fold_query.h) */
} Worker;

/* Begin a transaction; leaves its memory context current. */
extern void worker_begin_transaction(void);

/* Exit in this state, until a worker is requested again. Does not return. */
pg_noreturn extern void worker_leave(Worker *w, WorkerState state);

/*
 * Stop with an error that only a user can fix; it is logged, stored, and shown in stat_stream. lasts: the stream stays
 * stopped until the next topic epoch. Does not return.
 */
pg_noreturn extern void worker_stop(Worker *w, const WorkerError *error, bool lasts);

/*
 * Exit if options, columns or secrets have changed since the process started: a new worker starts with them,
 * at the stored positions.
 */
extern void worker_check_definition(Worker *w);

/* Load the definition, in a transaction of its own; exit if no worker is needed. */
extern void worker_load(Worker *w);

/* Abort the open transaction, if any, and drop everything not stored. Does not change the consumer. */
extern void worker_forget(Worker *w);

/* The same, and read again from the stored positions. */
extern void worker_rewind(Worker *w);

/* The same, and reload the definition. */
extern void worker_reload(Worker *w);

/* Report an error of the consumer in the slot. Returns true if there is none. */
extern bool worker_check_consumer(Worker *w);

/* Wait for messages, the latch, or the timeout. Processes interrupts and reloads settings. */
extern void worker_idle(Worker *w, int timeout_ms);

#endif /* STREAMBATCH_WORKER_STATE_H */
