/*
 * watermark.c
 *		The watermark of a stream (see watermark.h).
 *
 *		watermark = min over partitions that are not idle of (greatest event time seen) - max_out_of_orderness
 *
 * A partition is idle if it has been read to its end and no message has arrived for idle_timeout; it does not
 * hold back the others. If all are idle, everything that was sent has been seen, and the greatest event time
 * of all is used. While a partition that is not idle has had no event time yet, the stream has no watermark.
 *
 * Event times beyond now() + max_future never get here: they are dead letters (decoded_batch.c). The value
 * computed here may move back, when an idle partition becomes active; the stored watermark never does
 * (catalog_flushed()).
 *
 * With max_out_of_orderness '5 s': partition 0 has seen 12:00:40, partition 1 has seen 12:00:20: 12:00:15.
 * Partition 1 stays silent for idle_timeout: 12:00:35. Partition 0 does, too: 12:00:35.
 */
#include "postgres.h"

#include "utils/timestamp.h"
#include "worker/watermark.h"

static bool is_idle(const Position *p, const Stream *stream, TimestampTz now);

bool
watermark_compute(const Positions *positions, const Stream *stream, TimestampTz *watermark)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz least = DT_NOEND;	   /* of those that are not idle */
	TimestampTz greatest = DT_NOBEGIN; /* of all */

	for (int i = 0; i < positions->n; i++)
	{
		const Position *p = &positions->items[i];

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
	*watermark = (least != DT_NOEND ? least : greatest) - stream->max_out_of_orderness;
	return true;
}

static bool
is_idle(const Position *p, const Stream *stream, TimestampTz now)
{
	return p->at_end && now - p->last_message > stream->idle_timeout;
}
