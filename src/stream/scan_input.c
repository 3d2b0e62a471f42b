/*
 * scan_input.c
 *		What a scan of a stream reads instead of the log (see scan_input.h).
 *
 * It is registered in the query environment, like the transition tables of a trigger, so that only the intended
 * query can access it. It has no name in SQL; the foreign scan of its stream looks it up.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "stream/scan_input.h"

void
scan_input_register(const char *kind, Oid stream, void *input)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	int rc;

	relation->md.name = pstrdup(kind);
	relation->md.reliddesc = stream;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->reldata = input;
	rc = SPI_register_relation(relation);
	if (rc != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register a %s: %s", kind, SPI_result_code_string(rc));
}

void *
scan_input_lookup(QueryEnvironment *environment, const char *kind, Oid stream)
{
	EphemeralNamedRelation relation = get_ENR(environment, kind);

	return relation != NULL && relation->md.reliddesc == stream ? relation->reldata : NULL;
}
