/*
 * complete_from.h
 *		From when on a hybrid view without its history is complete.
 */
#ifndef STREAMBATCH_COMPLETE_FROM_H
#define STREAMBATCH_COMPLETE_FROM_H

#include "common/catalog_view.h"
#include "query/analyse.h"

/*
 * Record, and say in a NOTICE, from when on a view is complete that was created without the events that its stream
 * has received. archive: InvalidOid if there is none. With the stream's row locked.
 */
extern void complete_from_record(const ViewRow *row, ViewDef *def, Oid archive);

#endif /* STREAMBATCH_COMPLETE_FROM_H */
