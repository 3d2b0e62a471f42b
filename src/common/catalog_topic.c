/*
 * catalog_topic.c
 *		The topic of a stream's positions, and what has stopped its worker (see catalog_topic.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/catalog_statement.h"
#include "common/catalog_topic.h"
#include "utils/builtins.h"

void
catalog_set_topic(Oid stream, const char *topic)
{
	static Statement s = {
		"UPDATE streambatch._stream SET topic = $2 WHERE stream = $1", 2, {REGCLASSOID, TEXTOID}};
	Datum values[2] = {ObjectIdGetDatum(stream), CStringGetTextDatum(topic)};

	statement_run_only(&s, values, NULL);
}

void
catalog_set_topic_epoch(Oid stream, int32 topic_epoch)
{
	static Statement s = {
		"UPDATE streambatch._stream SET topic_epoch = $2 WHERE stream = $1", 2, {REGCLASSOID, INT4OID}};
	Datum values[2] = {ObjectIdGetDatum(stream), Int32GetDatum(topic_epoch)};

	statement_run_only(&s, values, NULL);
}

void
catalog_begin_topic_epoch(Oid stream, const char *topic, bool at_beginning)
{
	static Statement forget = {"DELETE FROM streambatch._progress WHERE stream = $1", 1, {REGCLASSOID}};
	static Statement begin = {
		"UPDATE streambatch._stream SET topic = $2, topic_epoch = topic_epoch + 1, started = $3, "
		"  generation = generation + 1, stop_sqlstate = NULL, stop_message = NULL, stop_hint = NULL, stop_lasts = false "
		"WHERE stream = $1",
		3,
		{REGCLASSOID, TEXTOID, BOOLOID}};
	Datum values[3] = {ObjectIdGetDatum(stream), CStringGetTextDatum(topic), BoolGetDatum(at_beginning)};

	statement_run_only(&forget, values, NULL);
	statement_run_only(&begin, values, NULL);
}

bool
catalog_store_stop(Oid stream, int32 topic_epoch, const WorkerError *stop, bool lasts)
{
	static Statement s = {
		"UPDATE streambatch._stream SET stop_sqlstate = $3, stop_message = $4, stop_hint = $5, stop_lasts = $6 "
		"WHERE stream = $1 AND topic_epoch = $2 RETURNING true",
		6,
		{REGCLASSOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, BOOLOID}};
	Datum values[6] = {ObjectIdGetDatum(stream),
					   Int32GetDatum(topic_epoch),
					   CStringGetTextDatum(unpack_sql_state(stop->sqlerrcode)),
					   CStringGetTextDatum(stop->message),
					   CStringGetTextDatum(stop->hint),
					   BoolGetDatum(lasts)};
	Datum stored;

	return statement_run_value(&s, values, &stored);
}

bool
catalog_stop(Oid stream, WorkerError *stop)
{
	static Statement s = {
		"SELECT stop_sqlstate, stop_message, stop_hint FROM streambatch._stream WHERE stream = $1 AND stop_sqlstate IS NOT NULL",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};
	StatementCall call;
	bool found;

	memset(stop, 0, sizeof(*stop));
	statement_run(&call, &s, values, NULL);
	found = call.nrows == 1;
	if (found)
	{
		const char *state = statement_get_text(&call, 0, 1);

		stop->sqlerrcode = MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
		strlcpy(stop->message, statement_get_text(&call, 0, 2), sizeof(stop->message));
		strlcpy(stop->hint, statement_get_text(&call, 0, 3), sizeof(stop->hint));
	}
	statement_finish(&call);
	return found;
}

void
catalog_clear_stop(Oid stream)
{
	static Statement s = {
		"UPDATE streambatch._stream SET stop_sqlstate = NULL, stop_message = NULL, stop_hint = NULL "
		"WHERE stream = $1 AND NOT stop_lasts",
		1,
		{REGCLASSOID}};
	Datum values[1] = {ObjectIdGetDatum(stream)};

	statement_run_only(&s, values, NULL);
}
