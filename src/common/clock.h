/*
 * clock.h
 *		The clock of every wait: cadence, back-off, timeouts.
 *
 * The system clock may be set back or ahead at any time, so it decides only what is shown to users and what
 * concerns event times (max_future, watermark).
 */
#ifndef STREAMBATCH_CLOCK_H
#define STREAMBATCH_CLOCK_H

#include <time.h>

/* Microseconds since a fixed time in the past, the same for all processes of the machine until it restarts. */
static inline int64
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Whether at least this many milliseconds have passed since a clock_now(). */
static inline bool
clock_passed(int64 since, int64 ms)
{
	return clock_now() - since >= ms * 1000;
}

#endif /* STREAMBATCH_CLOCK_H */
