/*
 * micro_batch.c
 *		Provides a micro-batch to queries of the worker (see micro_batch.h).
 *
 * The scan is registered in the query environment, like the transition tables of a trigger, so that only the
 * intended query can access it. It has no name in SQL; the foreign scan of its stream looks it up.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "stream/micro_batch.h"

#define RELATION_NAME "streambatch micro-batch"

void
micro_batch_register(MicroBatchScan *scan)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	int rc;

	relation->md.name = RELATION_NAME;
	relation->md.reliddesc = scan->stream;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->reldata = scan;
	rc = SPI_register_relation(relation);
	if (rc != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register a micro-batch: %s", SPI_result_code_string(rc));
}

MicroBatchScan *
micro_batch_lookup(QueryEnvironment *environment, Oid stream)
{
	EphemeralNamedRelation relation = get_ENR(environment, RELATION_NAME);

	return relation != NULL && relation->md.reliddesc == stream ? relation->reldata : NULL;
}
