/*
 * state_header.c
 *		The header of stored transition states, and their text form (see state_header.h).
 *
 * The text form exists for pg_dump: hash in hexadecimal, argument types as an array of names, bytes in hexadecimal:
 *
 *		5f0c33a1e2b4d697 {numeric} \x0000000000000002…
 *
 * The functions that read a state trust its bytes, so only a superuser can enter one. A superuser who evaluates what
 * somebody else has written, such as a view, already runs functions of that user.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "aggregate/state_header.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/compat.h"
#include "common/export.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define FIXED_WORDS 4	  /* 0, the hash, the number of types */
#define OLD_FIXED_WORDS 2 /* of version 0.1.0: the aggregate, the number of types */
#define MAX_TYPES FUNC_MAX_ARGS
#define HASH_DIGITS 16

static uint64 hash_functions(Oid aggregate);
static uint64 hash_function(Oid function, uint64 seed);
static StateHeader make_header(uint64 hash, int ntypes, const Oid *types);
static StateHeader read_header(const struct varlena *value, Size *stored);
static void correct_oids(const StateHeader *header, bytea *value);
static bool is_of(const StateHeader *header, Oid aggregate);
static void put_oid(bytea *value, int position, Oid oid);
pg_noreturn static void invalid_text(const char *text);

STREAMBATCH_FUNCTION(streambatch_state_in);
STREAMBATCH_FUNCTION(streambatch_state_out);

StateHeader
state_header_make(Oid aggregate, List *types)
{
	Oid oids[MAX_TYPES];
	int n = 0;
	ListCell *lc;
	StateHeader result;

	foreach (lc, types)
		oids[n++] = lfirst_oid(lc);
	result = make_header(hash_functions(aggregate), n, oids);
	result.aggregate = aggregate;
	return result;
}

struct varlena *
state_header_seal(const StateHeader *header, const char *bytes, Size size)
{
	struct varlena *result = palloc(VARHDRSZ + header->size + size);

	SET_VARSIZE(result, VARHDRSZ + header->size + size);
	memcpy(VARDATA(result), header->words, header->size);
	memcpy(VARDATA(result) + header->size, bytes, size);
	return result;
}

bool
state_header_fits(const StateHeader *header, const struct varlena *value, Size *size)
{
	const char *bytes = VARDATA_ANY(value);
	Size length = VARSIZE_ANY_EXHDR(value);
	Size old = header->size - (FIXED_WORDS - OLD_FIXED_WORDS) * sizeof(uint32);
	const uint32 *rest = header->words + FIXED_WORDS - OLD_FIXED_WORDS;

	*size = header->size;
	if (length >= header->size && memcmp(bytes, header->words, header->size) == 0)
		return true;
	*size = old;
	/* number and types are the same in both, after what identifies the aggregate */
	return length >= old && memcmp(bytes, &header->aggregate, sizeof(Oid)) == 0 &&
		   memcmp(bytes + sizeof(Oid), rest + 1, old - sizeof(Oid)) == 0;
}

Datum
streambatch_state_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	const char *bytes = strrchr(text, ' ');
	char digits[HASH_DIGITS + 1];
	char *end;
	uint64 hash;
	ArrayType *types;
	bytea *value;
	StateHeader header;

	if (!superuser())
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot accept a value of type %s", "streambatch._state"),
			 errdetail("Aggregates do not validate their states, so a state cannot be entered as text."),
			 errhint("Only a superuser can restore a dump of hybrid views whose states have this type.")));
	if (strlen(text) < HASH_DIGITS || text[HASH_DIGITS] != ' ' || bytes == text + HASH_DIGITS)
		invalid_text(text);
	strlcpy(digits, text, sizeof(digits));
	errno = 0;
	hash = strtou64(digits, &end, 16);
	if (errno != 0 || *end != '\0')
		invalid_text(text);
	types = DatumGetArrayTypeP(OidInputFunctionCall(
		F_ARRAY_IN, pnstrdup(text + HASH_DIGITS + 1, bytes - text - HASH_DIGITS - 1), REGTYPEOID, -1));
	if (ARR_NDIM(types) > 1 || ARR_HASNULL(types) ||
		ArrayGetNItems(ARR_NDIM(types), ARR_DIMS(types)) > MAX_TYPES)
		invalid_text(text);
	value = DatumGetByteaPP(DirectFunctionCall1(byteain, CStringGetDatum(bytes + 1)));
	header = make_header(hash, ArrayGetNItems(ARR_NDIM(types), ARR_DIMS(types)), (Oid *) ARR_DATA_PTR(types));
	correct_oids(&header, value);
	PG_RETURN_POINTER(state_header_seal(&header, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

Datum
streambatch_state_out(PG_FUNCTION_ARGS)
{
	const struct varlena *value = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	Size stored;
	StateHeader header = read_header(value, &stored);
	int ntypes = (int) header.words[FIXED_WORDS - 1];
	Datum types[MAX_TYPES];
	ArrayType *array;
	bytea *bytes = palloc(VARSIZE_ANY_EXHDR(value) - stored + VARHDRSZ);

	for (int i = 0; i < ntypes; i++)
		types[i] = ObjectIdGetDatum(header.words[FIXED_WORDS + i]);
	array = construct_array(types, ntypes, REGTYPEOID, sizeof(Oid), true, TYPALIGN_INT);
	SET_VARSIZE(bytes, VARSIZE_ANY_EXHDR(value) - stored + VARHDRSZ);
	memcpy(VARDATA(bytes), VARDATA_ANY(value) + stored, VARSIZE_ANY_EXHDR(value) - stored);
	PG_RETURN_CSTRING(psprintf("%08x%08x %s %s", header.words[1], header.words[2],
							   OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(array)),
							   DatumGetCString(DirectFunctionCall1(byteaout, PointerGetDatum(bytes)))));
}

/* A hash of the functions whose code defines what the bytes of an aggregate's states mean. */
static uint64
hash_functions(Oid aggregate)
{
	HeapTuple tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Form_pg_aggregate form;
	uint64 hash = 0;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggregate);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	hash = hash_function(form->aggcombinefn, hash);
	hash = hash_function(form->aggserialfn, hash);
	hash = hash_function(form->aggdeserialfn, hash);
	ReleaseSysCache(tuple);
	return hash;
}

/* By library and symbol: functions that take arguments of type internal are written in C. */
static uint64
hash_function(Oid function, uint64 seed)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	const int columns[] = {Anum_pg_proc_probin, Anum_pg_proc_prosrc};

	/* an aggregate that cannot combine its states has none that are stored */
	if (!HeapTupleIsValid(tuple))
		return seed;
	for (int i = 0; i < lengthof(columns); i++)
	{
		bool isnull;
		Datum column = SysCacheGetAttr(PROCOID, tuple, columns[i], &isnull);
		const char *name = isnull ? "" : TextDatumGetCString(column);
		const char *slash = strrchr(name, '/');

		name = slash != NULL ? slash + 1 : name;
		seed = hash_bytes_extended((const unsigned char *) name, (int) strlen(name), seed);
	}
	ReleaseSysCache(tuple);
	return seed;
}

static StateHeader
make_header(uint64 hash, int ntypes, const Oid *types)
{
	StateHeader result = {InvalidOid, (FIXED_WORDS + ntypes) * sizeof(uint32)};

	result.words = palloc(result.size);
	result.words[0] = 0;
	result.words[1] = (uint32) (hash >> 32);
	result.words[2] = (uint32) hash;
	result.words[3] = (uint32) ntypes;
	for (int i = 0; i < ntypes; i++)
		result.words[FIXED_WORDS + i] = types[i];
	return result;
}

/* The header of a value, in its present form; stored: the size of the one that the value has. */
static StateHeader
read_header(const struct varlena *value, Size *stored)
{
	Size length = VARSIZE_ANY_EXHDR(value);
	uint32 words[FIXED_WORDS + MAX_TYPES] = {0};
	bool old;
	int fixed;
	uint32 ntypes;

	memcpy(words, VARDATA_ANY(value), Min(length, sizeof(words)));
	old = words[0] != 0;
	fixed = old ? OLD_FIXED_WORDS : FIXED_WORDS;
	ntypes = words[fixed - 1];
	*stored = (fixed + ntypes) * sizeof(uint32);
	if (ntypes > MAX_TYPES || length < *stored)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("value of type %s is damaged", "streambatch._state")));
	return make_header(old ? hash_functions(words[0]) : ((uint64) words[1] << 32 | words[2]), (int) ntypes,
					   words + fixed);
}

/* From version 16 on, the states of array_agg() begin with the OIDs of types, which are others in this database. */
static void
correct_oids(const StateHeader *header, bytea *value)
{
	Oid type = header->words[FIXED_WORDS - 1] > 0 ? header->words[FIXED_WORDS] : InvalidOid;

	if (is_of(header, F_ARRAY_AGG_ANYNONARRAY))
		put_oid(value, 0, type);
	else if (is_of(header, F_ARRAY_AGG_ANYARRAY))
	{
		put_oid(value, 0, get_element_type(type));
		put_oid(value, 1, type);
	}
}

static bool
is_of(const StateHeader *header, Oid aggregate)
{
	uint64 hash = hash_functions(aggregate);

	return header->words[1] == (uint32) (hash >> 32) && header->words[2] == (uint32) hash;
}

static void
put_oid(bytea *value, int position, Oid oid)
{
	uint32 sent = pg_hton32(oid);

	if (VARSIZE_ANY_EXHDR(value) >= (position + 1) * sizeof(sent))
		memcpy(VARDATA_ANY(value) + position * sizeof(sent), &sent, sizeof(sent));
}

static void
invalid_text(const char *text)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					errmsg("invalid input syntax for type %s: \"%.40s\"", "streambatch._state", text)));
}
