/*
 * event_sample.h
 *		The times of a sample of an archive's events.
 *
 * The number of events by time is not known, and to count them would take another pass over the archive. So some of its
 * pages are read; in a small archive the sample is all of it.
 */
#ifndef STREAMBATCH_EVENT_SAMPLE_H
#define STREAMBATCH_EVENT_SAMPLE_H

#include "batch/batch_statement.h"

/*
 * Read the times of a sample of the events below the cut in [from, to), ascending, as timestamptz. Returns through
 * "weight", before the first one, how many events each stands for.
 */
extern void event_sample_read(const Computation *c, const Cut *cut, TimestampTz from, TimestampTz to,
							  double *weight, BatchRowReceiver receive, void *arg);

/* Whether pages of an archive can be read without the others: it is no foreign table, nor has one as a part. */
extern bool event_sample_possible(Oid archive);

#endif /* STREAMBATCH_EVENT_SAMPLE_H */
