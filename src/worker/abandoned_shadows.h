/*
 * abandoned_shadows.h
 *		Dropping what a rebuild has left that was interrupted.
 */
#ifndef STREAMBATCH_ABANDONED_SHADOWS_H
#define STREAMBATCH_ABANDONED_SHADOWS_H

#include "nodes/pg_list.h"

/*
 * Drop those of the shadows (common/catalog_shadow.h) with these ids that no session works on, in a transaction of its
 * own. Returns whether there were any.
 */
extern bool abandoned_shadows_drop(const List *ids);

#endif /* STREAMBATCH_ABANDONED_SHADOWS_H */
