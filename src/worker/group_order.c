/*
 * group_order.c
 *		Sorting groups by their keys (see group_order.h).
 *
 * The order is that of the index: its keys, then the pane. It matters for speed only, so keys that are not in
 * the index are not compared.
 */
#include "postgres.h"

#include "utils/sortsupport.h"
#include "utils/typcache.h"
#include "worker/group_order.h"

struct GroupOrder
{
	int nkeys; /* of a group */
	int n;	   /* of the order */
	int *keys;
	SortSupport sort;
};

static void
append_key(GroupOrder *order, const ViewDef *def, int k)
{
	SortSupport sort = &order->sort[order->n];

	sort->ssup_cxt = CurrentMemoryContext;
	sort->ssup_collation = def->keys[k].collation;
	sort->abbreviate = order->n == 0;
	PrepareSortSupportFromOrderingOp(lookup_type_cache(def->keys[k].type, TYPECACHE_LT_OPR)->lt_opr, sort);
	order->keys[order->n++] = k;
}

GroupOrder *
group_order_create(const ViewDef *def)
{
	GroupOrder *order = palloc0(sizeof(GroupOrder));

	order->nkeys = def->nkeys;
	order->keys = palloc0((def->nkeys + 1) * sizeof(int));
	order->sort = palloc0((def->nkeys + 1) * sizeof(SortSupportData));
	for (int k = 0; k < def->nkeys; k++)
	{
		if (k != def->pane && def->keys[k].indexed)
			append_key(order, def, k);
	}
	if (def->pane >= 0)
		append_key(order, def, def->pane);
	return order;
}

static const bool *
nulls_of(const GroupOrder *order, const KeyedGroup *group)
{
	return (const bool *) (group->keys + order->nkeys);
}

void
group_order_prepare(GroupOrder *order, KeyedGroup *group)
{
	int k = order->keys[0];

	if (order->n == 0)
		return;
	group->first = group->keys[k];
	group->first_null = nulls_of(order, group)[k];
	if (order->sort[0].abbrev_converter != NULL && !group->first_null)
		group->first = order->sort[0].abbrev_converter(group->first, &order->sort[0]);
}

/* Compare groups whose first keys, or their abbreviations, are equal. */
static int
compare_all(const KeyedGroup *x, const KeyedGroup *y, const GroupOrder *order)
{
	const bool *x_nulls = nulls_of(order, x);
	const bool *y_nulls = nulls_of(order, y);

	for (int i = order->sort[0].abbrev_converter != NULL ? 0 : 1; i < order->n; i++)
	{
		int k = order->keys[i];
		int c = i == 0 ? ApplySortAbbrevFullComparator(x->keys[k], x_nulls[k], y->keys[k], y_nulls[k],
													   &order->sort[i])
					   : ApplySortComparator(x->keys[k], x_nulls[k], y->keys[k], y_nulls[k], &order->sort[i]);

		if (c != 0)
			return c;
	}
	return 0;
}

static inline int
compare(const KeyedGroup *x, const KeyedGroup *y, const GroupOrder *order)
{
	int c = ApplySortComparator(x->first, x->first_null, y->first, y->first_null, &order->sort[0]);

	return c != 0 ? c : compare_all(x, y, order);
}

#define ST_SORT sort_groups
#define ST_ELEMENT_TYPE KeyedGroup
#define ST_COMPARE(a, b, order) compare(a, b, order)
#define ST_COMPARE_ARG_TYPE GroupOrder
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

void
group_order_sort(GroupOrder *order, KeyedGroup *groups, int64 n)
{
	if (order->n > 0)
		sort_groups(groups, n, order);
}
