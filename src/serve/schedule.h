/*
 * schedule.h
 *		Refreshes as jobs of pg_cron.
 */
#ifndef STREAMBATCH_SCHEDULE_H
#define STREAMBATCH_SCHEDULE_H

#include "nodes/pg_list.h"

/* Remove the jobs of views that are dropped, given their ids. Whoever drops them need not own the jobs. */
extern void schedule_forget(const List *view_ids);

#endif /* STREAMBATCH_SCHEDULE_H */
