/*
 * batch_statement.c
 *		Running a statement of the batch layer (see batch_statement.h).
 */
#include "postgres.h"

#include "batch/batch_statement.h"
#include "catalog/pg_type.h"
#include "stream/scan_input.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

typedef struct RowReceiver
{
	DestReceiver pub;
	BatchRowReceiver receive;
	void *arg;
} RowReceiver;

static uint64 execute(const Computation *c, const char *sql, const BatchParameters *parameters,
					  bool read_only, DestReceiver *dest);
static bool receive_row(TupleTableSlot *slot, DestReceiver *self);
static void start_rows(DestReceiver *self, int operation, TupleDesc desc);
static void end_rows(DestReceiver *self);
static ParamExternData array_parameter(Datum value, Oid type);

void
batch_statement_begin(Guard *guard, const Computation *c)
{
	guard_enter(guard, c->owner, c->view.settings);
	SPI_connect();
	if (c->slice != NULL)
		scan_input_register(SCAN_INPUT_LOG_SLICE, c->slice->stream, c->slice);
}

void
batch_statement_end(const Guard *guard)
{
	SPI_finish();
	guard_leave(guard);
}

ParamListInfo
batch_statement_parameters(const Computation *c, const BatchParameters *p)
{
	const PaneList *panes = p->panes;
	/* as constants, so that the planner can use the values */
	const ParamExternData all[] = {
		array_parameter(p->cut ? PointerGetDatum(cut_array(p->cut)) : 0, INT8ARRAYOID),
		{TimestampTzGetDatum(p->from), false, PARAM_FLAG_CONST, TIMESTAMPTZOID},
		{TimestampTzGetDatum(p->to), false, PARAM_FLAG_CONST, TIMESTAMPTZOID},
		{c->dead_partitions, false, PARAM_FLAG_CONST, INT4ARRAYOID},
		{c->dead_offsets, false, PARAM_FLAG_CONST, INT8ARRAYOID},
		{Int64GetDatum(p->epoch), false, PARAM_FLAG_CONST, INT8OID},
		array_parameter(p->other ? PointerGetDatum(cut_array(p->other)) : 0, INT8ARRAYOID),
		{c->dead_epochs, false, PARAM_FLAG_CONST, INT4ARRAYOID},
		{p->cut ? Int32GetDatum(p->cut->topic_epoch) : 0, p->cut == NULL, PARAM_FLAG_CONST, INT4OID},
		{p->other ? Int32GetDatum(p->other->topic_epoch) : 0, p->other == NULL, PARAM_FLAG_CONST, INT4OID},
		{0, true, PARAM_FLAG_CONST, BOOLOID}, /* $11: failing_row.c replaces it */
		array_parameter(panes ? panes->array : 0,
						c->def->has_window ? get_array_type(c->def->window.type) : TIMESTAMPTZARRAYOID),
		array_parameter(panes ? panes->read_from : 0, TIMESTAMPTZARRAYOID),
		array_parameter(panes ? panes->read_to : 0, TIMESTAMPTZARRAYOID)};
	ParamListInfo list = makeParamList(lengthof(all) + p->nkeys);

	memcpy(list->params, all, sizeof(all));
	for (int i = 0; i < p->nkeys; i++)
		list->params[lengthof(all) + i] = p->keys[i];
	return list;
}

uint64
batch_statement_execute(const Computation *c, const char *sql, const BatchParameters *parameters,
						bool read_only)
{
	return execute(c, sql, parameters, read_only, NULL);
}

void
batch_statement_read(const Computation *c, const char *sql, const BatchParameters *parameters,
					 BatchRowReceiver receive, void *arg)
{
	RowReceiver receiver = {{receive_row, start_rows, end_rows, end_rows, DestNone}, receive, arg};

	batch_statement_send(c, sql, parameters, &receiver.pub);
}

void
batch_statement_read_as_of(const Computation *c, const char *sql, const BatchParameters *parameters,
						   bool active, BatchRowReceiver receive, void *arg)
{
	RowReceiver receiver = {{receive_row, start_rows, end_rows, end_rows, DestNone}, receive, arg};

	(void) execute(c, sql, parameters, active, &receiver.pub);
}

void
batch_statement_send(const Computation *c, const char *sql, const BatchParameters *parameters,
					 DestReceiver *dest)
{
	/* not read-only: some see what the transaction has written */
	(void) execute(c, sql, parameters, false, dest);
}

static uint64
execute(const Computation *c, const char *sql, const BatchParameters *parameters, bool read_only,
		DestReceiver *dest)
{
	SPIExecuteOptions options = {
		.params = batch_statement_parameters(c, parameters), .read_only = read_only, .dest = dest};
	volatile int rc = 0;

	/* what is read of a list is little, and estimated to be much: not worth compiling for */
	if (parameters->panes != NULL)
		(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	log_slice_plan(c->slice);
	PG_TRY();
	{
		rc = SPI_execute_extended(sql, &options);
	}
	PG_FINALLY();
	{
		log_slice_plan(NULL);
	}
	PG_END_TRY();
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
	return SPI_processed;
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;

	receiver->receive(slot, receiver->arg);
	return true;
}

static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
end_rows(DestReceiver *self)
{
}

static ParamExternData
array_parameter(Datum value, Oid type)
{
	return (ParamExternData){value, DatumGetPointer(value) == NULL, PARAM_FLAG_CONST, type};
}
