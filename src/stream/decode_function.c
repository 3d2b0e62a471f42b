/*
 * decode_function.c
 *		streambatch.decode: decodes one payload as a stream would.
 *
 * For checking payloads and repairing dead letters: SELECT * FROM streambatch.decode(NULL::events, payload). The
 * decoder is created at the first call of a query and kept for later calls.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/export.h"
#include "fmgr.h"
#include "funcapi.h"
#include "message/decode.h"
#include "stream/stream.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

typedef struct DecodeCall
{
	Stream *stream;
	Decoder *decoder;
} DecodeCall;

static DecodeCall *prepare_call(FunctionCallInfo fcinfo);

STREAMBATCH_FUNCTION(streambatch_decode);

Datum
streambatch_decode(PG_FUNCTION_ARGS)
{
	DecodeCall *call = fcinfo->flinfo->fn_extra;
	Message message = {0};
	bytea *payload;
	Datum *values;
	bool *isnull;

	if (call == NULL)
		call = prepare_call(fcinfo);
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();

	payload = PG_GETARG_BYTEA_PP(1);
	message.partition = -1;
	message.offset = -1;
	message.payload = VARDATA_ANY(payload);
	message.payload_len = VARSIZE_ANY_EXHDR(payload);
	if (!PG_ARGISNULL(2))
	{
		bytea *key = PG_GETARG_BYTEA_PP(2);

		message.key = VARDATA_ANY(key);
		message.key_len = VARSIZE_ANY_EXHDR(key);
	}

	values = palloc(call->stream->desc->natts * sizeof(Datum));
	isnull = palloc(call->stream->desc->natts * sizeof(bool));
	decoder_decode(call->decoder, &message, values, isnull);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(call->stream->desc, values, isnull)));
}

/* Create the decoder for the row type of the first argument, in fn_mcxt. */
static DecodeCall *
prepare_call(FunctionCallInfo fcinfo)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Oid relid = OidIsValid(type) ? get_typ_typrelid(type) : InvalidOid;
	MemoryContext old;
	DecodeCall *call;

	if (!OidIsValid(relid) || !stream_is_stream(relid))
		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("type %s is not the row type of a stream",
					OidIsValid(type) ? format_type_be(type) : "unknown"),
			 errhint(
				 "Pass a NULL of the stream's row type, as in streambatch.decode(NULL::events, payload).")));
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	call = palloc0(sizeof(DecodeCall));
	call->stream = stream_open(relid);
	call->decoder = decoder_create(&call->stream->layout, NULL);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = call;
	return call;
}
