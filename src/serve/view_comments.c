/*
 * view_comments.c
 *		Comments on the objects of a hybrid view (see view_comments.h).
 *
 * They name nothing that can be renamed. They are stored directly, without COMMENT, which is the same for every
 * owner, and calls no event trigger.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/comment.h"
#include "common/catalog_view.h"
#include "common/export.h"
#include "common/view_parts.h"
#include "fmgr.h"
#include "serve/view_comments.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Kinds of objects in streambatch_state, and their comments. */
static const char *const parts[][2] = {
	{"query", "internal: the query of a hybrid view"},
	{"stream", "internal: stream layer of a hybrid view: states of the events since the last cut"},
	{"batch", "internal: batch layer of a hybrid view: states of the events up to the last cut"},
	{"merged", "internal: the states of both layers of a hybrid view, merged per group"},
	{"cuts",
	 "internal: ranges of time that the batch layer of a hybrid view covers, and the times of their cuts"},
	{"clock", "internal: last flush and watermark of the stream of a hybrid view"},
};

/* The last columns of <view>_layers, and their comments. */
static const char *const layers_end[] = {
	"when the stream was last flushed; NULL: the stream layer has no events of the group",
	"when the cut of the batch layer was taken, of several panes the earliest; NULL: the batch layer has no events of the group",
	"which layer the hybrid view used: stream, batch or merged",
	"whether every value of the group is exact; false: one comes from a sketch",
	"whether the watermark has passed the end of the window by allowed_lateness; false without a window",
};

static void comment_layers(Oid view, Oid layers);
static int count_columns(Oid relid);
static void comment(Oid relid, int column, const char *text);

STREAMBATCH_FUNCTION(streambatch_comment_view);

/* For an update of the extension: comments on a view that an earlier version made. */
Datum
streambatch_comment_view(PG_FUNCTION_ARGS)
{
	ViewRow row;

	catalog_require_view(PG_GETARG_OID(0), &row);
	view_comments_add(row.id, row.view, PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

void
view_comments_add(int32 id, Oid view, Oid layers)
{
	comment(
		view, 0,
		"hybrid view: the results of an aggregate query over a stream, kept up to date by pg_streambatch; "
		"streambatch.query() returns the query, streambatch.stat_view shows its state");
	if (OidIsValid(layers))
		comment_layers(view, layers);
	view_comments_add_parts(id);
}

void
view_comments_add_parts(int32 id)
{
	for (int i = 0; i < lengthof(parts); i++)
	{
		Oid part = view_part(id, parts[i][0]);

		if (OidIsValid(part))
			comment(part, 0, parts[i][1]);
	}
}

/* Keys, three columns for each other column of the view, and the last ones (query/serving_sql.c). */
static void
comment_layers(Oid view, Oid layers)
{
	static const char *const values[] = {
		"over the events in the stream layer only; NULL: it has none of the group",
		"over the events in the batch layer only; NULL: it has none of the group",
		"over the events of both layers",
	};
	int n = count_columns(layers) - lengthof(layers_end);
	int nvalues = (n - count_columns(view)) / 2 * lengthof(values);

	comment(layers, 0,
			"the groups of a hybrid view, with the results of each layer by itself, and how recent they are");
	for (int i = 0; i < n; i++)
		comment(layers, i + 1,
				i < n - nvalues ? "column of the hybrid view"
								: values[(i - (n - nvalues)) % lengthof(values)]);
	for (int i = 0; i < lengthof(layers_end); i++)
		comment(layers, n + i + 1, layers_end[i]);
}

static int
count_columns(Oid relid)
{
	int n = 0;
	char *name;

	while ((name = get_attname(relid, n + 1, true)) != NULL)
	{
		pfree(name);
		n++;
	}
	return n;
}

static void
comment(Oid relid, int column, const char *text)
{
	LockRelationOid(relid, ShareUpdateExclusiveLock);
	if (GetComment(relid, RelationRelationId, column) == NULL)
		CreateComments(relid, RelationRelationId, column, text);
}
