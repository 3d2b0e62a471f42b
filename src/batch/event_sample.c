/*
 * event_sample.c
 *		The times of a sample of an archive's events (see event_sample.h).
 */
#include "postgres.h"

#include "access/table.h"
#include "batch/event_sample.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* An archive of so many pages is read as a whole; of a larger one, so many pages, and one of a thousand more. */
#define SMALL_PAGES 1000
#define SAMPLE_PAGES 150

static double sample_percent(Oid archive);
static double count_pages(Oid archive);

void
event_sample_read(const Computation *c, const Cut *cut, TimestampTz from, TimestampTz to, double *weight,
				  BatchRowReceiver receive, void *arg)
{
	const BatchParameters parameters = {.cut = cut, .from = from, .to = to};
	double percent = sample_percent(c->archive);
	Guard guard;

	*weight = percent > 0 ? 100 / percent : 1;
	batch_statement_begin(&guard, c);
	batch_statement_read(c, sql_event_times(c->def, &c->source, percent), &parameters, receive, arg);
	batch_statement_end(&guard);
}

bool
event_sample_possible(Oid archive)
{
	return count_pages(archive) >= 0;
}

/* How much of the archive's pages to read; 0: all. */
static double
sample_percent(Oid archive)
{
	double pages = count_pages(archive);

	return pages > SMALL_PAGES ? 100 * SAMPLE_PAGES / pages + 0.1 : 0;
}

/* The pages of the archive and its parts; -1: not known, since some are elsewhere. */
static double
count_pages(Oid archive)
{
	double pages = 0;
	ListCell *lc;

	foreach (lc, find_all_inheritors(archive, AccessShareLock, NULL))
	{
		char kind = get_rel_relkind(lfirst_oid(lc));

		if (RELKIND_HAS_STORAGE(kind))
		{
			Relation relation = table_open(lfirst_oid(lc), NoLock);

			pages += RelationGetNumberOfBlocks(relation);
			table_close(relation, NoLock);
		}
		else if (kind != RELKIND_PARTITIONED_TABLE)
			return -1;
	}
	return pages;
}
