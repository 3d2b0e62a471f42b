/*
 * group_order.h
 *		Groups in the order of the index over their keys, so that its pages are visited once.
 */
#ifndef STREAMBATCH_GROUP_ORDER_H
#define STREAMBATCH_GROUP_ORDER_H

#include "query/analyse.h"

/* A group to be sorted. */
typedef struct KeyedGroup
{
	Datum first; /* the first key of the order, or its abbreviation: most comparisons need no other */
	bool first_null;
	Datum *keys; /* all of them, and behind them whether they are null */
	void *group;
} KeyedGroup;

typedef struct GroupOrder GroupOrder;

/* The order of a definition's groups, for one sort. In the current context, as what it allocates in sorting. */
extern GroupOrder *group_order_create(const ViewDef *def);

/* Fill in what a group with these keys is compared by. */
extern void group_order_prepare(GroupOrder *order, KeyedGroup *group);

extern void group_order_sort(GroupOrder *order, KeyedGroup *groups, int64 n);

#endif /* STREAMBATCH_GROUP_ORDER_H */
