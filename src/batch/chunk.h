/*
 * chunk.h
 *		Panes that are computed in one transaction.
 */
#ifndef STREAMBATCH_CHUNK_H
#define STREAMBATCH_CHUNK_H

#include "batch/time_ranges.h"

typedef struct Chunk
{
	/* the panes: all in [from, to); or, if there is a list, those, the first and last of which begin and end there */
	TimestampTz from;
	TimestampTz to;
	int npanes;
	const TimestampTz *panes; /* starts, ascending; NULL: all */
	bool contiguous;		  /* the listed ones are all in [from, to) */
	/* of a range without beginning or end, about where the events begin and end; equal: not known */
	TimestampTz events_from;
	TimestampTz events_to;
	/* after a chunk of changed panes, those around them, which have not changed, are as of the same cut, too */
	bool changed;
	int64 covered_epoch; /* all changed ones are covered as of the cut that closed it */
	TimestampTz advance_from;
	TimestampTz advance_to;
	TimeRanges kept; /* except those that are not computed, because their events have left the archive */
	bool keep_gone;	 /* find more of those */
} Chunk;

#endif /* STREAMBATCH_CHUNK_H */
