/*
 * serve_setting.c
 *		The layers that a session reads, according to the setting streambatch.serve.
 */
#include "postgres.h"

#include "common/export.h"
#include "common/settings.h"
#include "fmgr.h"
#include "utils/builtins.h"

STREAMBATCH_FUNCTION(streambatch_serves);

/* streambatch._serves(layer): whether this session reads the layer. The planner evaluates the condition once. */
Datum
streambatch_serves(PG_FUNCTION_ARGS)
{
	char *layer = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool batch = strcmp(layer, "batch") == 0;

	PG_RETURN_BOOL(setting_serve == SERVE_MERGED || setting_serve == (batch ? SERVE_BATCH : SERVE_STREAM));
}
