/*
 * dirty_marks.h
 *		Dirty marks: what changes of an archive leave behind, and what a refresh makes of them.
 */
#ifndef STREAMBATCH_DIRTY_MARKS_H
#define STREAMBATCH_DIRTY_MARKS_H

#include "batch/chunk.h"
#include "batch/computation.h"

/* Marked panes before a time. */
typedef struct DirtyPanes
{
	bool all; /* all panes: there are too many of them, or it is not known which ones */
	int n;
	TimestampTz *panes; /* starts, ascending */
} DirtyPanes;

extern DirtyPanes dirty_marks_panes(const Computation *c, TimestampTz before);

/*
 * Replace marks without a limit, which stand for all panes, by marks of those panes that have rows in a layer or, below a
 * cut that closed an epoch, events in the archive.
 */
extern void dirty_marks_narrow(const Computation *c, const Cut *cut, int64 closed_epoch);

/*
 * Remove the marks of a chunk's panes, before they are computed (rule 6 in worker/flush.c). Returns what was removed; and
 * mark the part of it that has been kept instead. Current context.
 */
extern TimeRanges dirty_marks_clear(const Computation *c, const Chunk *chunk);
extern void dirty_marks_put_back(const Computation *c, TimeRanges cleared, TimeRanges kept);

/*
 * A table with rows has become a partition of an archive, or of a tracked table: mark what a statement that inserts the rows
 * does.
 */
extern void dirty_marks_of_partition(Oid partition);

/* Mark all of a view. */
extern void dirty_marks_all(int32 view_id);

#endif /* STREAMBATCH_DIRTY_MARKS_H */
