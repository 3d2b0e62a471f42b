/*
 * states_view.h
 *		<view>_states, through which other servers read the states of a hybrid view, when the view is rebuilt.
 */
#ifndef STREAMBATCH_STATES_VIEW_H
#define STREAMBATCH_STATES_VIEW_H

#include "common/catalog_view.h"
#include "query/analyse.h"

/* Raises feature_not_supported if the states of a definition cannot be sent to another server. */
extern void states_view_check(const ViewDef *def);

/*
 * Replace the view of states of a hybrid view, which is locked, by one of its parts that have this id now, under the
 * settings of the row, with the same name and privileges. Raises if other views depend on it.
 */
extern void states_view_replace(Oid states, int32 id, const ViewRow *row, Oid view);

#endif /* STREAMBATCH_STATES_VIEW_H */
