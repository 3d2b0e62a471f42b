/*
 * changed_panes.h
 *		The panes that the batch layer covers, and that have events since, or whose archived events have been changed.
 *
 * A late event leaves a stream row in its pane, whose epoch the next cut closes. A correction leaves a dirty mark
 * (dirty_marks.h). So the changed panes are those with stream rows of closed epochs, and those marked; all other panes
 * that are covered hold every event below the new cut already.
 *
 * A pane whose events have left the archive keeps its value: it is not computed from the late events alone. They have
 * left it if retain() has removed events of it, which is known beforehand; or as gone_panes.h says, which is known when its
 * groups have been computed. Its stream rows and its mark remain, and the next refresh finds it again.
 */
#ifndef STREAMBATCH_CHANGED_PANES_H
#define STREAMBATCH_CHANGED_PANES_H

#include "batch/dirty_marks.h"
#include "executor/tuptable.h"
#include "utils/tuplestore.h"

typedef struct ChangedPanes
{
	int64 npanes; /* to compute */
	int64 nkept;
	int nchunks;
	TimestampTz first; /* the start of the first one to compute, and the end of the last one */
	TimestampTz end;
	StreamWindow *window;
	bool keep_gone; /* of those to compute, find more to keep */
	int64 max_gaps; /* between the panes of a list */
	Tuplestorestate
		*store; /* start, number of events, whether it is kept, epoch of its coverage; ascending */
	TupleTableSlot *slot;
	bool at_end;
	/* the chunk at hand */
	TimestampTz *panes;
	Coverage *kept;
	TimestampTz advanced; /* the end of the chunk before */
} ChangedPanes;

/*
 * Find the changed panes before a time, for a cut that closed an epoch, with the ranges that are covered. Current
 * context, which must outlive the transaction.
 */
extern ChangedPanes *changed_panes_open(const Computation *c, const Cut *cut, int64 closed_epoch,
										TimestampTz before, const Coverage *covered, int ncovered,
										bool force);

/* The next chunk, valid until the next call. Returns false after the last one. */
extern bool changed_panes_next(ChangedPanes *p, Chunk *chunk);

/* Begin with the first chunk again. */
extern void changed_panes_rewind(ChangedPanes *p);

extern void changed_panes_close(ChangedPanes *p);

#endif /* STREAMBATCH_CHANGED_PANES_H */
