/*
 * positions.c
 *		The worker's position in each partition (see positions.h).
 */
#include "postgres.h"

#include "common/clock.h"
#include "utils/memutils.h"
#include "worker/fingerprint.h"
#include "worker/positions.h"

static bool is_changed(const Position *p);

bool
positions_grow(Positions *positions, int count)
{
	bool more = false;

	if (count > positions->allocated)
	{
		int allocated = Max(count, 16);

		positions->items = positions->items ? repalloc(positions->items, allocated * sizeof(Position))
											: palloc(allocated * sizeof(Position));
		positions->allocated = allocated;
	}
	for (; positions->n < count; positions->n++)
	{
		Position *p = &positions->items[positions->n];

		memset(p, 0, sizeof(*p));
		p->partition = positions->n;
		p->read = partition_set_has(positions->named, p->partition);
		more |= p->read;
		p->next_offset = -1;
		p->log_end = -1;
		p->last_message = clock_now();
	}
	return more;
}

void
positions_load(Positions *positions, Oid stream, int count)
{
	int n;
	ProgressRow *rows = catalog_progress(stream, &n, NULL);

	positions->n = 0;
	positions_grow(positions, n > 0 ? Max(count, rows[n - 1].partition + 1) : count);
	for (int i = 0; i < n; i++)
	{
		Position *p = &positions->items[rows[i].partition];

		p->stored = true;
		p->stored_offset = p->next_offset = rows[i].next_offset;
		p->log_end = rows[i].log_end;
		p->stored_has_event_time = p->has_event_time = rows[i].has_event_time;
		p->stored_event_time = p->max_event_time = rows[i].max_event_time;
		p->stored_last = p->last = rows[i].last;
	}
	pfree(rows);
	positions_doubt(positions);
}

void
positions_store_ends(Positions *positions, Oid stream, int count, const int64 *ends)
{
	positions_load(positions, stream, count);
	for (int i = 0; i < count; i++)
	{
		Position *p = &positions->items[i];

		/* start_at() may have set it */
		if (p->read && p->next_offset < 0)
			p->next_offset = ends[i];
	}
	positions_write(positions, stream);
}

int
positions_known(const Positions *positions)
{
	int n = positions->n;

	while (n > 0 && positions->items[n - 1].next_offset < 0)
		n--;
	return n;
}

void
positions_doubt(Positions *positions)
{
	for (int i = 0; i < positions->n; i++)
		positions->items[i].unverified = positions->items[i].read && positions->items[i].last.known;
	positions->same_topic = false;
}

bool
positions_trusted(const Positions *positions)
{
	return positions->same_topic || positions_verified(positions);
}

bool
positions_verified(const Positions *positions)
{
	for (int i = 0; i < positions->n; i++)
	{
		if (positions->items[i].unverified)
			return false;
	}
	return true;
}

Position *
positions_short(Positions *positions)
{
	for (int i = 0; i < positions->n; i++)
	{
		if (positions->items[i].is_short)
			return &positions->items[i];
	}
	return NULL;
}

void
positions_assign(Positions *positions, Consumer *consumer)
{
	PartitionPosition *at = palloc((positions->n + 1) * sizeof(PartitionPosition));
	int n = 0;

	for (int i = 0; i < positions->n; i++)
	{
		const Position *p = &positions->items[i];

		if (!p->read)
			continue;
		at[n].partition = p->partition;
		at[n++].offset = p->unverified		   ? p->last.offset
						 : p->next_offset >= 0 ? p->next_offset
											   : CONSUMER_BEGINNING;
	}
	consumer_assign(consumer, at, n);
	positions->held = false;
	pfree(at);
}

void
positions_took(Positions *positions, const Message *message)
{
	Position *p = &positions->items[message->partition];

	Assert(message->offset >= p->next_offset);
	p->next_offset = message->offset + 1;
	p->at_end = false;
}

/* The last message of a partition is the one just before its position. */
void
positions_note_last(Positions *positions, const Message *messages, int n)
{
	for (int i = n - 1; i >= 0; i--)
	{
		Position *p = &positions->items[messages[i].partition];

		if (messages[i].offset + 1 == p->next_offset && messages[i].broken == NULL)
			p->last = fingerprint_of(&messages[i]);
	}
}

void
positions_event_time(Positions *positions, int32 partition, TimestampTz time)
{
	Position *p = &positions->items[partition];

	if (!p->has_event_time || time > p->max_event_time)
	{
		p->has_event_time = true;
		p->max_event_time = time;
	}
}

bool
positions_poll(Positions *positions, Consumer *consumer)
{
	int64 now = clock_now();
	bool moved = false;

	for (int i = 0; i < positions->n; i++)
	{
		Position *p = &positions->items[i];
		int64 position;
		int64 log_end;
		bool at_end;

		if (!p->read)
			continue;
		consumer_position(consumer, p->partition, &position, &log_end, &at_end);
		if (p->next_offset != p->stored_offset || !at_end)
			p->last_message = now;
		p->log_end = Max(log_end, p->log_end);
		p->at_end = at_end && !positions->held;
		/* at the end, all between was control records or removed by compaction */
		if (p->at_end && position > p->next_offset)
			p->next_offset = position;
		p->is_short = at_end && position < p->next_offset;
		/* read to the end: there is no message to compare with */
		if (at_end && !p->is_short)
			p->unverified = false;
		if (p->at_end && (p->next_offset != p->stored_offset || !p->stored))
			moved = true;
	}
	return moved;
}

void
positions_rewind(Positions *positions)
{
	for (int i = 0; i < positions->n; i++)
	{
		Position *p = &positions->items[i];

		p->next_offset = p->stored ? p->stored_offset : -1;
		p->last = p->stored_last;
		p->unverified = p->unverified && p->last.known;
		p->is_short = false;
		p->has_event_time = p->stored_has_event_time;
		p->max_event_time = p->stored_event_time;
		p->at_end = false;
	}
}

void
positions_stored(Positions *positions)
{
	for (int i = 0; i < positions->n; i++)
	{
		Position *p = &positions->items[i];

		if (p->next_offset < 0)
			continue;
		p->stored = true;
		p->stored_offset = p->next_offset;
		p->stored_last = p->last;
		p->stored_has_event_time = p->has_event_time;
		p->stored_event_time = p->max_event_time;
	}
}

void
positions_check(const Positions *positions, Oid stream)
{
	int n;
	ProgressRow *rows = catalog_progress(stream, &n, NULL);
	int r = 0;

	for (int i = 0; i < positions->n; i++)
	{
		const Position *p = &positions->items[i];
		bool stored;

		if (!p->read)
			continue;
		while (r < n && rows[r].partition < p->partition)
			r++;
		stored = r < n && rows[r].partition == p->partition;
		if (stored != p->stored || (stored && rows[r].next_offset != p->stored_offset))
			ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
							errmsg("position of partition %d was changed by another process", p->partition)));
	}
	pfree(rows);
}

void
positions_write(const Positions *positions, Oid stream)
{
	ProgressRow *rows = palloc((positions->n + 1) * sizeof(ProgressRow));
	int n = 0;

	for (int i = 0; i < positions->n; i++)
	{
		const Position *p = &positions->items[i];

		if (p->next_offset < 0 || !is_changed(p))
			continue;
		if (p->stored && p->next_offset < p->stored_offset)
			elog(ERROR, "position of partition %d would move back from %lld to %lld", p->partition,
				 (long long) p->stored_offset, (long long) p->next_offset);
		rows[n].partition = p->partition;
		rows[n].next_offset = p->next_offset;
		rows[n].last = p->last;
		rows[n].log_end = Max(p->log_end, p->next_offset);
		rows[n].has_event_time = p->has_event_time;
		rows[n].max_event_time = p->max_event_time;
		n++;
	}
	if (n > 0)
		catalog_put_progress(stream, rows, n);
	pfree(rows);
}

bool
positions_all_at_end(const Positions *positions)
{
	for (int i = 0; i < positions->n; i++)
	{
		if (positions->items[i].read && !positions->items[i].at_end)
			return false;
	}
	return positions->n > 0;
}

/* Whether the stored row differs. The log's end alone does not count: it is stored when the position moves. */
static bool
is_changed(const Position *p)
{
	return !p->stored || p->next_offset != p->stored_offset ||
		   p->has_event_time != p->stored_has_event_time || p->max_event_time != p->stored_event_time;
}
