/*
 * input_function.c
 *		Calls input functions (see input_function.h).
 *
 * The settings are pinned by assigning their variables for the duration of one call, because a GUC nest level
 * costs more than most calls. Only the input function runs meanwhile, and the variables are restored even if it
 * raises an error.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "message/input_function.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#define EXCERPT 60	/* bytes of a payload in an error message */
#define MESSAGE 200 /* bytes of a message that contains other text from the payload */

typedef struct Settings
{
	int date_style;
	int date_order;
	int interval_style;
	pg_tz *zone;
} Settings;

static Settings pin(pg_tz *zone);
static void restore(const Settings *settings);
static bool is_presentable(const char *text, size_t len);
static char *shorten(char *message, const char *text, size_t len);
static void clean(char *text);

void
input_init(InputFunction *input, Oid type, int32 typmod, bool pinned, pg_tz *zone)
{
	Oid function;

	getTypeInputInfo(type, &function, &input->ioparam);
	fmgr_info(function, &input->function);
	input->typmod = typmod;
	input->pinned = pinned;
	input->zone = zone;
}

Datum
input_call(InputFunction *input, const char *text, size_t len)
{
	MemoryContext context = CurrentMemoryContext;
	char small[256];
	char *copy = len < sizeof(small) ? small : palloc(len + 1);
	Settings settings = {0};
	Datum result;

	memcpy(copy, text, len);
	copy[len] = '\0';
	if (input->pinned)
		settings = pin(input->zone);
	PG_TRY();
	{
		result = InputFunctionCall(&input->function, copy, input->ioparam, input->typmod);
	}
	PG_CATCH();
	{
		ErrorData *error;

		if (input->pinned)
			restore(&settings);
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* "Perhaps you need a different datestyle setting": not useful, since DateStyle is pinned */
		if (input->pinned && error->hint != NULL && strstr(error->hint, "datestyle") != NULL)
			error->hint = NULL;
		if (is_presentable(text, len))
			ReThrowError(error);
		error->message = shorten(error->message, text, len);
		error->detail = shorten(error->detail, text, len);
		ReThrowError(error);
	}
	PG_END_TRY();
	if (input->pinned)
		restore(&settings);
	if (copy != small)
		pfree(copy);
	return result;
}

char *
input_excerpt(const char *text, size_t len)
{
	bool whole = len <= EXCERPT;
	char *result;

	if (!whole)
		len = pg_mbcliplen(text, Min(len, EXCERPT + 8), EXCERPT);
	result = psprintf("%.*s%s", (int) len, text, whole ? "" : "...");
	clean(result);
	return result;
}

static Settings
pin(pg_tz *zone)
{
	Settings old = {DateStyle, DateOrder, IntervalStyle, session_timezone};

	DateStyle = USE_ISO_DATES;
	DateOrder = DATEORDER_MDY;
	IntervalStyle = INTSTYLE_POSTGRES;
	session_timezone = zone;
	return old;
}

static void
restore(const Settings *settings)
{
	DateStyle = settings->date_style;
	DateOrder = settings->date_order;
	IntervalStyle = settings->interval_style;
	session_timezone = settings->zone;
}

/* Can an error message contain the text unchanged? */
static bool
is_presentable(const char *text, size_t len)
{
	if (len > EXCERPT)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
			return false;
	return true;
}

/* Replace the text in an error message by an excerpt, and truncate the message if it is still too long. */
static char *
shorten(char *message, const char *text, size_t len)
{
	char *copy;
	char *found;

	if (message == NULL)
		return NULL;
	copy = pnstrdup(text, len);
	found = len > 0 ? strstr(message, copy) : NULL;
	if (found != NULL)
		message =
			psprintf("%.*s%s%s", (int) (found - message), message, input_excerpt(text, len), found + len);
	pfree(copy);
	if (strlen(message) > MESSAGE)
		message = psprintf("%.*s...", pg_mbcliplen(message, strlen(message), MESSAGE), message);
	clean(message);
	return message;
}

/* Replace control characters by question marks. */
static void
clean(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char) *text < ' ' || *text == 0x7f)
			*text = '?';
}
