/*
 * group_order.h
 *		Sorting groups in the order of the index on their keys, so that its pages are visited once.
 */
#ifndef STREAMBATCH_GROUP_ORDER_H
#define STREAMBATCH_GROUP_ORDER_H

#include "query/analyse.h"

/* A group to be sorted. */
typedef struct KeyedGroup
{
	Datum first; /* the first key of the order, or its abbreviation; decides most comparisons */
	bool first_null;
	Datum *keys; /* all keys, followed by their null flags */
	void *group;
} KeyedGroup;

typedef struct GroupOrder GroupOrder;

/* Create the order of a view's groups, for one sort, in the current context; sorting allocates there, too. */
extern GroupOrder *group_order_create(const ViewDef *def);

/* Set first and first_null of a group whose keys are set. */
extern void group_order_prepare(GroupOrder *order, KeyedGroup *group);

extern void group_order_sort(GroupOrder *order, KeyedGroup *groups, int64 n);

#endif /* STREAMBATCH_GROUP_ORDER_H */
