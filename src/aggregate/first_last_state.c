/*
 * first_last_state.c
 *		The states of first(x ORDER BY key) and last(x ORDER BY key) in a hybrid view: streambatch._first_state() and related functions.
 *
 * A state is a bytea. States compare bytewise as the events are ordered:
 *
 *		1+8	the key: 0 and a whole number whose sign bit is turned, most significant byte first; or 1 for NULL, which
 *			comes after all others, as ORDER BY has it
 *		1+8	topic epoch and partition of the message (stream/stream.h), likewise
 *		1+8	offset, likewise
 *		1	0 for a NULL value, or 1 and
 *		…	the value, as its type's send function writes it
 *
 * Two states are therefore combined by comparing bytes, whatever the type: first keeps the smaller, last the
 * greater. Rows of equal rank (without a position, or of one event joined to several rows) are ordered by
 * value, so that the result does not depend on the order of arrival.
 *
 * Send and receive functions convert text between server and client encoding. Stored values must not depend on
 * the session, so they are called with the client encoding set to the server's.
 *
 * Any user can call these functions with arbitrary bytes. Only their length is relied on, and it is checked;
 * receive functions validate their input, as they do for COPY. Some raise internal errors for what is invalid.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/export.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define RANK_SIZE 27
#define STATE_MIN (RANK_SIZE + 1)

/* The send or receive function of the value's type; kept with the calling function. */
typedef struct ValueIO
{
	FmgrInfo function;
	Oid type;
	Oid ioparam;
} ValueIO;

static Datum add(FunctionCallInfo fcinfo, bool last);
static void make_rank(FunctionCallInfo fcinfo, char *rank);
static int64 key_number(Oid type, Datum key);
static char *put_number(char *to, int64 number, bool isnull);
static bytea *make_state(FunctionCallInfo fcinfo, const char *rank);
static bytea *send_value(const ValueIO *io, Datum value);
static void use_client_encoding(int encoding);
static const ValueIO *value_io(FmgrInfo *caller, int argument, bool send);
static bytea *state_argument(Datum argument);
static int compare(const bytea *a, const bytea *b);
static Datum combine(Datum a, Datum b, bool last);
static Datum merge(FunctionCallInfo fcinfo, bool last);
static Datum receive_value(const ValueIO *io, StringInfo bytes);
pg_noreturn static void raise_receive_error(Oid type, MemoryContext context);

STREAMBATCH_FUNCTION(streambatch_first_add);
STREAMBATCH_FUNCTION(streambatch_last_add);
STREAMBATCH_FUNCTION(streambatch_first_combine);
STREAMBATCH_FUNCTION(streambatch_last_combine);
STREAMBATCH_FUNCTION(streambatch_first_merge);
STREAMBATCH_FUNCTION(streambatch_last_merge);
STREAMBATCH_FUNCTION(streambatch_rank_value);

Datum
streambatch_first_add(PG_FUNCTION_ARGS)
{
	return add(fcinfo, false);
}

Datum
streambatch_last_add(PG_FUNCTION_ARGS)
{
	return add(fcinfo, true);
}

Datum
streambatch_first_combine(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(combine(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), false));
}

Datum
streambatch_last_combine(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(combine(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), true));
}

Datum
streambatch_first_merge(PG_FUNCTION_ARGS)
{
	return merge(fcinfo, false);
}

Datum
streambatch_last_merge(PG_FUNCTION_ARGS)
{
	return merge(fcinfo, true);
}

/* The value of a state; the type is that of the third argument, a NULL. */
Datum
streambatch_rank_value(PG_FUNCTION_ARGS)
{
	const bytea *state;
	StringInfoData bytes;
	Datum value;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = state_argument(PG_GETARG_DATUM(0));
	if (VARDATA_ANY(state)[RANK_SIZE] == 0)
		PG_RETURN_NULL();
	/* receive functions expect a zero-terminated, writable buffer */
	initStringInfo(&bytes);
	appendBinaryStringInfo(&bytes, VARDATA_ANY(state) + STATE_MIN, VARSIZE_ANY_EXHDR(state) - STATE_MIN);
	value = receive_value(value_io(fcinfo->flinfo, 2, false), &bytes);
	if (bytes.cursor != bytes.len)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("state of first or last does not contain a value of type %s",
							   format_type_be(get_fn_expr_argtype(fcinfo->flinfo, 2)))));
	PG_RETURN_DATUM(value);
}

/*
 * Transition function: keep the state, or replace it by that of the row. Usually last replaces it, and first
 * does not.
 */
static Datum
add(FunctionCallInfo fcinfo, bool last)
{
	char rank[RANK_SIZE];
	const bytea *state;
	bytea *taken;
	int c;

	make_rank(fcinfo, rank);
	if (PG_ARGISNULL(0))
		PG_RETURN_BYTEA_P(make_state(fcinfo, rank));
	state = state_argument(PG_GETARG_DATUM(0));
	c = memcmp(rank, VARDATA_ANY(state), RANK_SIZE);
	if (last ? c < 0 : c > 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	taken = make_state(fcinfo, rank);
	c = compare(taken, state);
	if (last ? c <= 0 : c >= 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_BYTEA_P(taken);
}

/* The rank of a row, from the arguments (state, value, key, partition, offset). */
static void
make_rank(FunctionCallInfo fcinfo, char *rank)
{
	int64 key = PG_ARGISNULL(2) ? 0 : key_number(get_fn_expr_argtype(fcinfo->flinfo, 2), PG_GETARG_DATUM(2));

	rank = put_number(rank, key, PG_ARGISNULL(2));
	rank = put_number(rank, PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3), PG_ARGISNULL(3));
	(void) put_number(rank, PG_ARGISNULL(4) ? 0 : PG_GETARG_INT64(4), PG_ARGISNULL(4));
}

/* The key as an integer. */
static int64
key_number(Oid type, Datum key)
{
	switch (getBaseType(type))
	{
		case INT2OID:
			return DatumGetInt16(key);
		case INT4OID:
		case DATEOID:
			return DatumGetInt32(key);
		case INT8OID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return DatumGetInt64(key);
		default:
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("type %s is not supported as the sort key of first or last",
								   format_type_be(type))));
	}
}

/* Write a number such that bytes sort as numbers do, and NULL last. */
static char *
put_number(char *to, int64 number, bool isnull)
{
	uint64 bits = isnull ? 0 : pg_hton64((uint64) number ^ (UINT64CONST(1) << 63));

	*to++ = isnull ? 1 : 0;
	memcpy(to, &bits, sizeof(bits));
	return to + sizeof(bits);
}

static bytea *
make_state(FunctionCallInfo fcinfo, const char *rank)
{
	bytea *value = PG_ARGISNULL(1) ? NULL : send_value(value_io(fcinfo->flinfo, 1, true), PG_GETARG_DATUM(1));
	Size size = VARHDRSZ + STATE_MIN + (value ? VARSIZE(value) - VARHDRSZ : 0);
	bytea *state = palloc(size);

	SET_VARSIZE(state, size);
	memcpy(VARDATA(state), rank, RANK_SIZE);
	VARDATA(state)[RANK_SIZE] = value ? 1 : 0;
	if (value)
		memcpy(VARDATA(state) + STATE_MIN, VARDATA(value), VARSIZE(value) - VARHDRSZ);
	return state;
}

static bytea *
send_value(const ValueIO *io, Datum value)
{
	FmgrInfo *function = unconstify(FmgrInfo *, &io->function);
	int client = pg_get_client_encoding();
	bytea *result;

	if (client == GetDatabaseEncoding())
		return SendFunctionCall(function, value);
	use_client_encoding(GetDatabaseEncoding());
	PG_TRY();
	{
		result = SendFunctionCall(function, value);
	}
	PG_FINALLY();
	{
		use_client_encoding(client);
	}
	PG_END_TRY();
	return result;
}

static void
use_client_encoding(int encoding)
{
	if (pg_get_client_encoding() == encoding)
		return;
	/* the server's encoding or one that was in use: no conversion is looked up */
	if (SetClientEncoding(encoding) < 0)
		elog(ERROR, "could not set the client encoding");
}

static const ValueIO *
value_io(FmgrInfo *caller, int argument, bool send)
{
	ValueIO *io = caller->fn_extra;
	Oid type = get_fn_expr_argtype(caller, argument);
	Oid function;
	bool varlena;

	if (io != NULL && io->type == type)
		return io;
	if (!OidIsValid(type))
		elog(ERROR, "could not determine input data type");
	io = MemoryContextAllocZero(caller->fn_mcxt, sizeof(ValueIO));
	if (send)
		getTypeBinaryOutputInfo(type, &function, &varlena);
	else
		getTypeBinaryInputInfo(type, &function, &io->ioparam);
	fmgr_info_cxt(function, &io->function, caller->fn_mcxt);
	io->type = type;
	caller->fn_extra = io;
	return io;
}

/* A state argument, detoasted. Raises if it is too short. */
static bytea *
state_argument(Datum argument)
{
	bytea *state = DatumGetByteaPP(argument);

	if (VARSIZE_ANY_EXHDR(state) < STATE_MIN)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid length of a state of first or last: %zu bytes",
							   (Size) VARSIZE_ANY_EXHDR(state))));
	return state;
}

static int
compare(const bytea *a, const bytea *b)
{
	Size alen = VARSIZE_ANY_EXHDR(a);
	Size blen = VARSIZE_ANY_EXHDR(b);
	int c = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(alen, blen));

	return c != 0 ? c : (alen > blen) - (alen < blen);
}

static Datum
combine(Datum a, Datum b, bool last)
{
	int c = compare(state_argument(a), state_argument(b));

	return (last ? c >= 0 : c <= 0) ? a : b;
}

/* Transition function of the merge: (state, another, NULL of the value's type). */
static Datum
merge(FunctionCallInfo fcinfo, bool last)
{
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	if (PG_ARGISNULL(0))
		PG_RETURN_BYTEA_P(state_argument(PG_GETARG_DATUM(1)));
	PG_RETURN_DATUM(combine(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), last));
}

/* What the type's receive function makes of bytes, which may be anything. */
static Datum
receive_value(const ValueIO *io, StringInfo bytes)
{
	FmgrInfo *function = unconstify(FmgrInfo *, &io->function);
	MemoryContext context = CurrentMemoryContext;
	int client = pg_get_client_encoding();
	Datum result = (Datum) 0;

	use_client_encoding(GetDatabaseEncoding());
	PG_TRY();
	{
		result = ReceiveFunctionCall(function, bytes, io->ioparam, -1);
	}
	PG_CATCH();
	{
		use_client_encoding(client);
		raise_receive_error(io->type, context);
	}
	PG_END_TRY();
	use_client_encoding(client);
	return result;
}

/* Raise the error at hand; as one of the bytes where it speaks of a broken message, or of the server. */
static void
raise_receive_error(Oid type, MemoryContext context)
{
	ErrorData *error;

	if (geterrcode() != ERRCODE_INTERNAL_ERROR && geterrcode() != ERRCODE_PROTOCOL_VIOLATION)
		PG_RE_THROW();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("state of first or last does not contain a value of type %s", format_type_be(type)),
			 errdetail_internal("%s", error->message)));
}
