/*
 * archive_triggers.h
 *		The triggers by which changes of an archive are noticed (batch/dirty_marks.c).
 *
 * They are statement triggers, so each relation that a statement can name needs them: the archive, its partitions and
 * its other children. A worker that appends with multi-inserts fires none.
 */
#ifndef STREAMBATCH_ARCHIVE_TRIGGERS_H
#define STREAMBATCH_ARCHIVE_TRIGGERS_H

#include "commands/trigger.h"
#include "nodes/pg_list.h"
#include "utils/reltrigger.h"

/* The names of the transition tables. */
#define ARCHIVE_TRIGGERS_OLD "streambatch_old"
#define ARCHIVE_TRIGGERS_NEW "streambatch_new"

/*
 * Create the triggers of an archive, or a part of one, and of its children, where they are missing; foreign tables cannot
 * have them. Locks those that have none in ShareRowExclusiveLock. Does nothing in the objects of version 0.1.0, nor while a
 * dump is being restored, and for anything but an archive.
 */
extern void archive_triggers_add(Oid relation);

/* The same for a table that hybrid views join and track. */
extern void archive_triggers_add_tracked(Oid relation);

/* Drop them, if there are any. Locks those that have some in AccessExclusiveLock. */
extern void archive_triggers_remove(Oid relation);

/* Whether there are no other triggers. */
extern bool archive_triggers_are_all(const TriggerDesc *triggers);

/*
 * Between begin and end, also after an error, statements on a table that are run directly, not by triggers, are ours: what
 * they change needs no mark. archive_triggers_is_own(): whether a trigger has been fired by such a statement.
 */
extern void archive_triggers_begin_own(Oid relation);
extern void archive_triggers_end_own(void);
extern bool archive_triggers_is_own(const TriggerData *trigger);

#endif /* STREAMBATCH_ARCHIVE_TRIGGERS_H */
