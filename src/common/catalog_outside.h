/*
 * catalog_outside.h
 *		Batches that are computed outside of PostgreSQL, in the extension's tables (see catalog_stream.h for what these
 *		functions have in common).
 */
#ifndef STREAMBATCH_CATALOG_OUTSIDE_H
#define STREAMBATCH_CATALOG_OUTSIDE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* The kind of their runs. */
#define OUTSIDE_RUN "outside"

typedef struct OutsideRun
{
	int64 id;
	int32 view_id;
	Oid view;
	bool open; /* neither published nor abandoned */
	int64 cut_epoch;
	int32 topic_epoch;
	TimestampTz cut_at;
	TimestampTz from;
	TimestampTz to;
} OutsideRun;

/* Positions that belong to no event of the view: [from, to) of a partition. */
typedef struct LeftOut
{
	int32 topic_epoch;
	int32 partition;
	int64 from;
	int64 to;
} LeftOut;

/* The batch of this id; lock: until the end of the transaction. False: there is none. */
extern bool catalog_outside_run(int64 id, bool lock, OutsideRun *run);

/*
 * The positions of all dead letters of the view and of its stream, discarded ones too, and the gaps of the stream, in
 * order; next to each other they are one range. Current context.
 */
extern LeftOut *catalog_left_out(Oid stream, Oid view, int *n);

/* The Oids of the staging tables of a hybrid view's open batches. Current context. */
extern List *catalog_staging_tables(int32 view_id);

#endif /* STREAMBATCH_CATALOG_OUTSIDE_H */
