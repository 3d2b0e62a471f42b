/*
 * view_parts.h
 *		The parts of a hybrid view in streambatch_state, whose names end with its id.
 */
#ifndef STREAMBATCH_VIEW_PARTS_H
#define STREAMBATCH_VIEW_PARTS_H

#include "nodes/parsenodes.h"

/* A part of this kind ("stream", "batch", …); InvalidOid: there is none. */
extern Oid view_part(int32 id, const char *kind);

/* Drop the state tables and the views over them, with what depends on them if the behaviour is CASCADE. */
extern void view_parts_drop(int32 id, DropBehavior behavior);

/* Drop the tables that engines outside write the view's batches to. */
extern void view_parts_drop_staging(int32 id, DropBehavior behavior);

/* Give the states, the stored query and the merged view of one id the names of another. */
extern void view_parts_rename(int32 from, int32 to);

/* Drop the stored query, although it is a part of the relation "whole"; InvalidOid: it is of none. */
extern void view_parts_drop_query(int32 id, Oid whole);

#endif /* STREAMBATCH_VIEW_PARTS_H */
