/*
 * topic_check.c
 *		Whether the topic is the one that the stream's positions are of (see topic_check.h).
 *
 * A topic that is deleted and created again keeps its name, but its offsets start at 0 again. To continue at the stored
 * positions would mix two topics. So each partition's row contains a fingerprint of the last message that was taken
 * (fingerprint.h). Reading starts with that message instead of the next one whenever the topic may have been recreated:
 * when the worker starts; when no broker was reachable, or the topic did not exist; when librdkafka had to ask for
 * metadata (kafka/metadata_watch.c); and when a broker has reported an offset as out of range. Then
 *
 *		the same message arrives			it is dropped, and reading continues after it
 *		another message at that offset		the topic has changed
 *		a message at a greater offset		the message was removed by retention or compaction: nothing to compare
 *		none, the log ends before the position			the topic has changed
 *		none, the log starts after that message			nothing to compare; if it starts after the position too, that
 *														is a gap (offset_gap.c)
 *
 * If the topic has fewer partitions than there are positions, it has changed as well.
 *
 * All partitions of a topic are recreated together. So one verified partition proves that the topic is the same, and
 * then all others whose own message has been verified, or that have none, can be read. Until then no message is used.
 * Messages that were fetched before an interruption, but not taken, are not used either, nor those that are taken
 * together with the notification of it: they are read again after the verification.
 *
 * A broker that has just become leader may report for a moment that a log ends earlier than it does, and metadata may
 * be incomplete. The worker stops only after CONFIRMATIONS responses, at intervals of a second.
 *
 * The stop is stored and lasts, because the log may grow beyond the positions, or retention may remove the message to
 * compare with. The next topic epoch ends it (stream/topic_epoch.c): reset() begins one, or the worker if the option
 * names another topic.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/catalog_topic.h"
#include "common/clock.h"
#include "common/subtransaction.h"
#include "stream/topic_epoch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/fingerprint.h"
#include "worker/flush_transaction.h"
#include "worker/stream_errors.h"
#include "worker/topic_check.h"

#define CONFIRMATIONS 3
#define QUESTION_MS 1000
#define LOCK_TIMEOUT "500" /* milliseconds; less than a deadlock_timeout */

static void leave_stopped(Worker *w);
static void begin_epoch(void *arg);
static void stop_without_epoch(Worker *w, ErrorData *error);
static void stop(Worker *w, const char *change);
static void verify(Worker *w, Position *p, const Message *message);
static bool may_ask(Worker *w);
static void look_for_topic(Worker *w);

void
topic_check_option(Worker *w)
{
	ErrorData *error;

	if (strcmp(w->d.row.topic, w->d.stream->topic) == 0)
	{
		if (w->d.row.stop_lasts)
			leave_stopped(w);
		return;
	}
	worker_begin_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	/* a session that reads the archive must not make the worker block others, or a DROP; it is tried again */
	SetConfigOption("lock_timeout", LOCK_TIMEOUT, PGC_SUSET, PGC_S_OVERRIDE);
	error = subtransaction_run(begin_epoch, w, w->context);
	if (error != NULL)
		stop_without_epoch(w, error);
	PopActiveSnapshot();
	CommitTransactionCommand();
	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	ereport(LOG, (errmsg("stream \"%s\" reads topic \"%s\" instead of \"%s\"", w->d.stream->name,
						 w->d.stream->topic, w->d.row.topic)));
	worker_load(w);
}

bool
topic_check_interrupted(Worker *w)
{
	const ConsumerState *state = consumer_state(w->consumer);
	uint64 interruptions = consumer_interruptions(w->consumer);
	bool refused = state->error == CONSUMER_OUT_OF_RANGE || state->error == CONSUMER_UNKNOWN_TOPIC;

	if (interruptions == w->interruptions && !refused)
		return false;
	if (interruptions != w->interruptions)
		positions_doubt(&w->positions);
	w->interruptions = interruptions;
	/* no message has been read yet: at the first start, librdkafka looks for brokers and leaders */
	if (!refused && positions_verified(&w->positions))
		return false;
	w->d.decoded.nmessages = 0;
	consumer_release(w->consumer);
	if (refused)
	{
		/* until it is known where to continue: positions must not move past dropped messages */
		consumer_stop(w->consumer);
		return true;
	}
	/* these are messages of the old topic, perhaps the last ones */
	if (w->in_transaction)
		flush_transaction_end(w);
	positions_assign(&w->positions, w->consumer);
	return true;
}

void
topic_check_messages(Worker *w)
{
	Positions *positions = &w->positions;
	Message *messages = w->d.decoded.messages;
	bool trusted = positions_trusted(positions);
	int kept = 0;

	for (int i = 0; i < w->d.decoded.nmessages; i++)
	{
		const Message *message = &messages[i];
		Position *p = &positions->items[message->partition];

		if (p->unverified)
		{
			verify(w, p, message);
			trusted = positions_trusted(positions);
		}
		if (message->offset < p->next_offset)
			continue;
		positions->held |= !trusted;
		if (kept != i)
			messages[kept] = *message;
		kept++;
	}
	w->d.decoded.nmessages = positions->held ? 0 : kept;
	if (positions->held && trusted)
		positions_assign(positions, w->consumer);
}

bool
topic_check_partitions(Worker *w, int count)
{
	int known = positions_known(&w->positions);

	if (count >= known)
	{
		w->doubts = 0;
		return true;
	}
	if (++w->doubts >= CONFIRMATIONS)
		stop(w, psprintf(ngettext("it has %d partition, but %d were read",
								  "it has %d partitions, but %d were read", count),
						 count, known));
	return false;
}

LogRange
topic_check_range(Worker *w, int32 partition, int64 *low, int64 *high)
{
	const Position *p = &w->positions.items[partition];

	if ((w->doubts > 0 && !may_ask(w)) || !consumer_query_range(w->consumer, partition, low, high, ANSWER_MS))
		return RANGE_UNKNOWN;
	if (p->next_offset <= *high)
	{
		w->doubts = 0;
		return p->next_offset >= 0 && p->next_offset < *low ? RANGE_GONE : RANGE_HOLDS;
	}
	if (++w->doubts >= CONFIRMATIONS)
		stop(w, psprintf("partition %d was read up to offset %lld, but its log ends at %lld", partition,
						 (long long) p->next_offset, (long long) *high));
	return RANGE_UNKNOWN;
}

void
topic_check_gone(Worker *w)
{
	Positions *positions = &w->positions;
	int32 *partitions = palloc(positions->n * sizeof(int32));
	int64 *lows = palloc(positions->n * sizeof(int64));
	int n = 0;

	for (int i = 0; i < positions->n; i++)
	{
		if (!positions->items[i].unverified)
			continue;
		partitions[n] = i;
		lows[n++] = CONSUMER_BEGINNING;
	}
	if (n > 0 && consumer_query_offsets(w->consumer, partitions, lows, n, ANSWER_MS))
	{
		for (int i = 0; i < n; i++)
		{
			Position *p = &positions->items[partitions[i]];

			p->unverified = p->last.offset >= lows[i];
		}
	}
	pfree(partitions);
	pfree(lows);
}

bool
topic_check_run(Worker *w)
{
	Position *p;
	int64 low;
	int64 high;

	if (consumer_state(w->consumer)->error == CONSUMER_UNKNOWN_TOPIC)
	{
		look_for_topic(w);
		return false;
	}
	if (w->positions.held && positions_trusted(&w->positions))
		positions_assign(&w->positions, w->consumer);
	p = positions_short(&w->positions);
	if (p == NULL)
		return true;
	if (topic_check_range(w, p->partition, &low, &high) == RANGE_HOLDS)
	{
		p->is_short = false;
		p->unverified = p->last.known;
		positions_assign(&w->positions, w->consumer);
	}
	return false;
}

static void
leave_stopped(Worker *w)
{
	WorkerError error;
	bool stopped;

	worker_begin_transaction();
	stopped = catalog_stop(w->d.relid, &error);
	CommitTransactionCommand();
	if (stopped)
		slots_set_error(w->slot, &error);
	worker_leave(w, WORKER_ERROR);
}

static void
begin_epoch(void *arg)
{
	const Worker *w = arg;

	topic_epoch_begin(w->d.stream, false);
}

/* The archive cannot store events of another topic. After a system error, the next worker tries again. */
static void
stop_without_epoch(Worker *w, ErrorData *error)
{
	const Stream *stream = w->d.stream;
	const char *archive = get_rel_name(w->d.row.archive);
	WorkerError stop;

	if (dead_letters_is_system_error(error->sqlerrcode))
		ReThrowError(error);
	stream_error_raised(
		error->sqlerrcode,
		psprintf("topic \"%s\" cannot be read after \"%s\": %s", stream->topic, w->d.row.topic,
				 error->message),
		error->hint != NULL
			? error->hint
			: psprintf(
				  "Archive \"%s\" needs a column kafka_epoch integer NOT NULL DEFAULT 0. Add it, and then use SELECT streambatch.resume('%s').",
				  archive != NULL ? archive : "?", quote_identifier(stream->name)),
		&stop);
	worker_stop(w, &stop, false);
}

static void
stop(Worker *w, const char *change)
{
	WorkerError error;

	stream_error_topic_changed(w->d.stream, change, &error);
	worker_stop(w, &error, true);
}

/* The first message of an unverified partition. */
static void
verify(Worker *w, Position *p, const Message *message)
{
	if (message->offset == p->last.offset && message->broken == NULL)
	{
		if (!fingerprint_matches(&p->last, message))
			stop(w, psprintf("partition %d has another message at offset %lld than the one that was read",
							 p->partition, (long long) p->last.offset));
		w->positions.same_topic = true;
	}
	p->unverified = false;
}

/* Whether it is time for the next question to brokers. */
static bool
may_ask(Worker *w)
{
	int64 now = clock_now();

	if (now - w->last_question < QUESTION_MS * INT64CONST(1000))
		return false;
	w->last_question = now;
	return true;
}

/* The topic did not exist: when it does, verify it, and continue. */
static void
look_for_topic(Worker *w)
{
	int count;

	if (!may_ask(w))
		return;
	count = consumer_partition_count(w->consumer, ANSWER_MS);
	if (count > 0 && topic_check_partitions(w, count))
	{
		positions_grow(&w->positions, count);
		positions_doubt(&w->positions);
		worker_rewind(w);
	}
	else
		(void) worker_check_consumer(w);
}
