/*
 * catch_up_log.c
 *		What a suspended view has missed, from the log (see catch_up_private.h).
 *
 * By a consumer of its own, which reads the partitions that the view is behind in, up to the stream's stored
 * positions. Dead letters of the stream, which no view contains, are left out.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "worker/catch_up_private.h"

static int compare_left_out(const void *a, const void *b);
static void assign_missing(const Worker *w, CatchUp *c);
static int take(const Worker *w, CatchUp *c);
static bool note_ends(const Worker *w, CatchUp *c);
static void check_consumer(const Worker *w, CatchUp *c);

void
catch_up_log_prepare(CatchUp *c)
{
	Datum partitions;
	Datum offsets;
	Datum *partition;
	Datum *offset;

	catalog_log_dead_letters(c->stream->relid, InvalidOid, c->topic_epoch, &partitions, &offsets);
	deconstruct_array(DatumGetArrayTypeP(partitions), INT4OID, 4, true, TYPALIGN_INT, &partition, NULL,
					  &c->nleft_out);
	deconstruct_array(DatumGetArrayTypeP(offsets), INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &offset,
					  NULL, &c->nleft_out);
	c->left_out = MemoryContextAllocHuge(CurrentMemoryContext, (c->nleft_out + 1) * sizeof(LeftOut));
	for (int i = 0; i < c->nleft_out; i++)
	{
		c->left_out[i].partition = DatumGetInt32(partition[i]);
		c->left_out[i].offset = DatumGetInt64(offset[i]);
	}
	qsort(c->left_out, c->nleft_out, sizeof(LeftOut), compare_left_out);
}

bool
catch_up_log_take(Worker *w, CatchUp *c)
{
	int taken;

	assign_missing(w, c);
	taken = take(w, c);
	if (taken == 0)
		check_consumer(w, c);
	return !c->archive && (note_ends(w, c) || taken > 0);
}

void
catch_up_log_gone(void)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg(
			 "the log no longer contains the messages that the hybrid view has missed since it was suspended"),
		 errhint("Drop the hybrid view and create it again.")));
}

static int
compare_left_out(const void *a, const void *b)
{
	const LeftOut *x = a;
	const LeftOut *y = b;

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Have the consumer read what is missing, and no more. */
static void
assign_missing(const Worker *w, CatchUp *c)
{
	PartitionPosition *at = palloc((c->positions.n + 1) * sizeof(PartitionPosition));
	bool complete = true;
	int n = 0;

	if (c->consumer == NULL)
	{
		MemoryContext old;

		worker_begin_transaction();
		old = MemoryContextSwitchTo(c->context);
		c->consumer = consumer_open(c->stream->serverid, c->stream->topic, c->stream->owner, CONSUMER_SCAN);
		MemoryContextSwitchTo(old);
		CommitTransactionCommand();
		MemoryContextSwitchTo(w->context);
	}
	for (int i = 0; i < w->positions.n; i++)
	{
		if (!catch_up_is_missing(w, c, i))
			continue;
		complete &= c->reading[i];
		at[n].partition = i;
		at[n].offset =
			c->positions.items[i].next_offset >= 0 ? c->positions.items[i].next_offset : CONSUMER_BEGINNING;
		n++;
	}
	if (!complete)
	{
		memset(c->reading, false, c->positions.n * sizeof(bool));
		for (int i = 0; i < n; i++)
			c->reading[at[i].partition] = true;
		consumer_assign(c->consumer, at, n);
	}
	pfree(at);
}

/*
 * Take messages, and keep those that the view lacks. Returns how many were taken. What the stream itself has not
 * stored yet is read again later.
 */
static int
take(const Worker *w, CatchUp *c)
{
	Message *messages = c->decoded.messages;
	int n = consumer_take(c->consumer, messages, DECODED_BATCH_MAX, 0);
	int kept = 0;

	for (int i = 0; i < c->positions.n; i++)
		c->seen[i] = -1;
	for (int i = 0; i < n; i++)
	{
		const LeftOut at = {messages[i].partition, messages[i].offset};

		if (at.offset >= w->positions.items[at.partition].stored_offset)
		{
			c->reading[at.partition] = false;
			c->seen[at.partition] = w->positions.items[at.partition].stored_offset;
			continue;
		}
		c->seen[at.partition] = at.offset + 1;
		if (bsearch(&at, c->left_out, c->nleft_out, sizeof(LeftOut), compare_left_out) == NULL)
			messages[kept++] = messages[i];
	}
	c->decoded.nmessages = kept;
	return n;
}

/* A partition that was read to its end may end in control records. Returns whether a position moves. */
static bool
note_ends(const Worker *w, CatchUp *c)
{
	bool moved = false;

	for (int i = 0; i < w->positions.n; i++)
	{
		int64 position;
		int64 log_end;
		bool at_end;

		if (!c->reading[i])
			continue;
		consumer_position(c->consumer, i, &position, &log_end, &at_end);
		if (at_end && position >= w->positions.items[i].stored_offset &&
			c->seen[i] < w->positions.items[i].stored_offset)
		{
			c->seen[i] = w->positions.items[i].stored_offset;
			moved = true;
		}
	}
	return moved;
}

/* The archive is there for what the log no longer has. */
static void
check_consumer(const Worker *w, CatchUp *c)
{
	const ConsumerState *state = consumer_state(c->consumer);

	if (state->error != CONSUMER_OUT_OF_RANGE && state->error != CONSUMER_UNKNOWN_TOPIC)
		return;
	if (!OidIsValid(w->d.row.archive))
		catch_up_log_gone();
	consumer_close(c->consumer);
	c->consumer = NULL;
	c->archive = true;
}
