/*
 * drift_sql.h
 *		The SQL that reads the values of a view's groups, to compare them with others; see print_sql.h.
 */
#ifndef STREAMBATCH_DRIFT_SQL_H
#define STREAMBATCH_DRIFT_SQL_H

#include "query/refresh_sql.h"

/* Of which rows the values are. */
typedef enum DriftRows
{
	DRIFT_BEFORE, /* what a refresh replaces: of its panes, batch rows and stream rows up to the epoch $6 */
	DRIFT_BATCH,  /* of its panes, the batch rows */
	DRIFT_ALL	  /* all of both layers */
} DriftRows;

typedef struct DriftKey
{
	int key;		  /* among the view's keys */
	const char *name; /* of the output column; otherwise that of the state tables */
} DriftKey;

/*
 * What can be compared: the keys, NULL if one of them cannot be sorted; and the output columns with aggregates, as
 * TargetEntry *, unless they need the start or end of a window of several panes, or GROUPING(). Of grouping
 * sets, the finest groups are compared.
 */
extern DriftKey *sql_drift_keys(const ViewDef *def);
extern List *sql_drift_outputs(const ViewDef *def);

/*
 * The values of groups (per pane): the given keys, then the given outputs; ordered by the keys. sample: only of one of so
 * many groups, by a hash of the keys in this order: a power of 2; 1 unless sql_drift_can_sample().
 */
extern char *sql_drift_values(const ViewDef *def, int32 id, const DriftKey *keys, const List *outputs,
							  DriftRows rows, PaneRange panes, int sample);
extern bool sql_drift_can_sample(const ViewDef *def);

#endif /* STREAMBATCH_DRIFT_SQL_H */
