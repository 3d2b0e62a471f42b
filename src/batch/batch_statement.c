/*
 * batch_statement.c
 *		Running a statement of the batch layer (see batch_statement.h).
 */
#include "postgres.h"

#include "batch/batch_statement.h"
#include "catalog/pg_type.h"
#include "utils/timestamp.h"

void
batch_statement_begin(Guard *guard, const Computation *c)
{
	guard_enter(guard, c->owner, c->view.settings);
	SPI_connect();
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
	/* as constants, so that the planner can use the values */
	const ParamExternData all[] = {
		{p->cut ? PointerGetDatum(cut_array(p->cut)) : 0, p->cut == NULL, PARAM_FLAG_CONST, INT8ARRAYOID},
		{TimestampTzGetDatum(p->from), false, PARAM_FLAG_CONST, TIMESTAMPTZOID},
		{TimestampTzGetDatum(p->to), false, PARAM_FLAG_CONST, TIMESTAMPTZOID},
		{c->dead_partitions, false, PARAM_FLAG_CONST, INT4ARRAYOID},
		{c->dead_offsets, false, PARAM_FLAG_CONST, INT8ARRAYOID},
		{Int64GetDatum(p->epoch), false, PARAM_FLAG_CONST, INT8OID},
		{p->later ? PointerGetDatum(cut_array(p->later)) : 0, p->later == NULL, PARAM_FLAG_CONST,
		 INT8ARRAYOID},
		{c->dead_epochs, false, PARAM_FLAG_CONST, INT4ARRAYOID},
		{p->cut ? Int32GetDatum(p->cut->topic_epoch) : 0, p->cut == NULL, PARAM_FLAG_CONST, INT4OID},
		{p->later ? Int32GetDatum(p->later->topic_epoch) : 0, p->later == NULL, PARAM_FLAG_CONST, INT4OID}};
	ParamListInfo list = makeParamList(lengthof(all));

	memcpy(list->params, all, sizeof(all));
	return list;
}

uint64
batch_statement_execute(const Computation *c, const char *sql, const BatchParameters *parameters,
						bool read_only)
{
	SPIExecuteOptions options = {.params = batch_statement_parameters(c, parameters), .read_only = read_only};
	int rc = SPI_execute_extended(sql, &options);

	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
	return SPI_processed;
}
