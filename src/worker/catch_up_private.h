/*
 * catch_up_private.h
 *		A suspended view that is catching up. Only for catch_up.c and catch_up_log.c.
 */
#ifndef STREAMBATCH_CATCH_UP_PRIVATE_H
#define STREAMBATCH_CATCH_UP_PRIVATE_H

#include "common/compat.h"
#include "worker/catch_up.h"

typedef struct LeftOut
{
	int32 partition;
	int64 offset;
} LeftOut;

struct CatchUp
{
	List *attempts;
	MemoryContext context; /* all below; reset when the view is active, or is given up for now */
	ViewRow row;
	Stream *stream;
	int32 topic_epoch; /* of the stream, and so of positions */
	WorkerView *view;  /* NULL: no view is being caught up */
	const char *name;
	DecodedBatch decoded;
	DeadLetters dead_letters;
	Positions positions; /* stored: suspended_at */
	int64 *seen;	   /* of the current messages, by partition: after the last one, also of those left out */
	LeftOut *left_out; /* sorted */
	int nleft_out;
	Consumer *consumer;
	bool *reading; /* by partition: assigned to the consumer */
	bool archive;  /* the log no longer has all events */
	bool compare;  /* combining with stored states has failed */
	char taken[DECODED_BATCH_MAX];
};

/* Whether the stream has stored events of the partition that the view lacks. */
static inline bool
catch_up_is_missing(const Worker *w, const CatchUp *c, int partition)
{
	const Position *stream = &w->positions.items[partition];

	return stream->stored && c->positions.items[partition].next_offset < stream->stored_offset;
}

/* Raise that the log no longer has what the view has missed, and no archive has it either. */
pg_noreturn extern void catch_up_log_gone(void);

/* Read which messages are to be left out; in the current context. */
extern void catch_up_log_prepare(CatchUp *c);

/*
 * Take messages that the view lacks into c->decoded, until consumer_release(), and note in c->seen how far they go.
 * Returns false if none have come yet, or, with c->archive set, if the log no longer has them all.
 */
extern bool catch_up_log_take(Worker *w, CatchUp *c);

#endif /* STREAMBATCH_CATCH_UP_PRIVATE_H */
