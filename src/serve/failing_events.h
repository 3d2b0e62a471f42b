/*
 * failing_events.h
 *		Events of the archive that a new hybrid view cannot process.
 */
#ifndef STREAMBATCH_FAILING_EVENTS_H
#define STREAMBATCH_FAILING_EVENTS_H

#include "common/catalog_view.h"
#include "worker/archive_reader.h"

/*
 * Run the fold query of a view over events of the archive, which is locked, and record those for which it raises an error of the data as dead letters
 * of the view. Returns their number. Raises any other error.
 */
extern int failing_events_record(const ViewRow *row, Oid archive, const ArchiveSlice *slice);

#endif /* STREAMBATCH_FAILING_EVENTS_H */
