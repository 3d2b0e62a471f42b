/*
 * catalog_view.h
 *		Hybrid views in the extension's tables (see catalog_stream.h for what these functions have in common).
 */
#ifndef STREAMBATCH_CATALOG_VIEW_H
#define STREAMBATCH_CATALOG_VIEW_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/array.h"

typedef struct ViewRow
{
	Oid view;
	int32 id;
	Oid stream;
	int64 epoch;
	Interval max_staleness;
	Interval allowed_lateness;
	bool suspended; /* not folded, because its query fails */
	ArrayType *settings;
	ArrayType *suspended_at; /* of a suspended view: bigint[], next offset of each partition that it lacks */
	int32 suspended_epoch;	 /* topic epoch of these */
} ViewRow;

extern int32 catalog_next_view_id(void);
extern void catalog_insert_view(const ViewRow *row);
/* The query as written. Does nothing where the extension has no place for it yet. */
extern void catalog_set_view_query(Oid view, const char *query);
/* From when on a view without history is complete; infinity: not known. Likewise. */
extern void catalog_set_complete_from(Oid view, TimestampTz from);
/* Raises an error if the relation is not a hybrid view. */
extern void catalog_require_view(Oid view, ViewRow *row);
/* The query as written, and the error of a suspended view. NULL: not known, or none. Current context. */
extern char *catalog_query_of(Oid view);
extern char *catalog_view_error(Oid view);
/* What its batch layer is computed from (batch/batch_source.h); NULL: by default. Current context. */
extern char *catalog_source_of(Oid view);
extern void catalog_set_source(Oid view, const char *source);
extern bool catalog_view(Oid view, ViewRow *row); /* false: it is none */
extern List *catalog_views_of(Oid stream);		  /* of ViewRow *, in the order of their ids */
extern List *catalog_all_views(void);			  /* likewise */
extern Oid catalog_view_of_id(int32 id);		  /* InvalidOid: none */

extern int64 catalog_raise_epoch(Oid view); /* returns the epoch that it closed */
/*
 * Suspend a view at the stored positions, up to which it has all events. With the stream's row locked, and before
 * new positions are stored.
 */
extern void catalog_suspend_view(Oid view, int sqlerrcode, const char *message);
extern void catalog_set_view_error(Oid view, int sqlerrcode, const char *message); /* of a suspended view */
/* A suspended view has all events up to these positions (bigint[]). */
extern void catalog_advance_view(Oid view, ArrayType *suspended_at, int32 topic_epoch);
/* A suspended view has all events up to the stored positions. With the stream's row locked. */
extern void catalog_resume_view(Oid view);

/* What ALTER ROLE … SET says of a setting for a role in this database, or NULL; in the current context. */
extern char *catalog_role_setting(Oid role, const char *name);

#endif /* STREAMBATCH_CATALOG_VIEW_H */
