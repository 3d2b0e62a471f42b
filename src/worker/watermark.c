/*
 * watermark.c
 *		The watermark of a stream (see watermark.h).
 *
 *		limit = min over partitions that are not idle of (greatest event time seen) - max_out_of_orderness
 *		watermark = the greatest that min(limit, the clock) has ever been
 *
 * A partition is idle if it has been read to its end and no message has arrived for idle_timeout; it does not
 * hold back the others. If all are idle, everything that was sent has been seen, and the greatest event time
 * of all is used. While a partition that is not idle has had no event time yet, the stream has no watermark.
 *
 * Event times beyond now() + max_future never get here: they are dead letters (decoded_batch.c). Those of the next
 * hours do, but one producer whose clock is ahead must not close the windows of all others: the watermark does not
 * pass the clock, and then moves with it. That needs no flush: a flush stores the limit, which may move back
 * when an idle partition becomes active, and the watermark as of the flush, which never does; whoever reads it
 * takes greatest(watermark, min(limit, now)), which is the watermark at that instant (catalog_stream.c, and
 * the views of the extension's script).
 *
 * With max_out_of_orderness '5 s': partition 0 has seen 12:00:40, partition 1 has seen 12:00:20: 12:00:15.
 * Partition 1 stays silent for idle_timeout: 12:00:35. Partition 0 does, too: 12:00:35. At 12:01, partition 0 sees
 * 18:00:00: 12:01, a second later 12:01:01. At 12:02, partition 1 sees 12:02:00: the limit is 12:01:55, and the
 * watermark stays at 12:02 until the limit passes that.
 */
#include "postgres.h"

#include "common/clock.h"
#include "utils/timestamp.h"
#include "worker/watermark.h"

static bool is_idle(const Position *p, const Stream *stream, int64 now);

bool
watermark_limit(const Positions *positions, const Stream *stream, TimestampTz *limit)
{
	int64 now = clock_now();
	TimestampTz least = DT_NOEND;	   /* of those that are not idle */
	TimestampTz greatest = DT_NOBEGIN; /* of all */

	for (int i = 0; i < positions->n; i++)
	{
		const Position *p = &positions->items[i];

		if (!p->read)
			continue;
		if (p->has_event_time)
			greatest = Max(greatest, p->max_event_time);
		if (is_idle(p, stream, now))
			continue;
		if (!p->has_event_time)
			return false;
		least = Min(least, p->max_event_time);
	}
	if (greatest == DT_NOBEGIN)
		return false;
	*limit = (least != DT_NOEND ? least : greatest) - stream->max_out_of_orderness;
	return true;
}

static bool
is_idle(const Position *p, const Stream *stream, int64 now)
{
	return p->at_end && now - p->last_message > stream->idle_timeout;
}
