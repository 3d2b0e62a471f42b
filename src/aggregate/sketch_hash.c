/*
 * sketch_hash.c
 *		Hashes for a HyperLogLog (see sketch_hash.h).
 *
 * They are PostgreSQL's own, save where those hash different values alike: integers and times of eight bytes, which
 * are reduced to 32 bits first; numbers that differ in their sign; JSON documents that differ in their structure.
 */
#include "postgres.h"

#include "aggregate/sketch_hash.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

static Datum hash_numeric_sign(Numeric number);
static uint64 hash_jsonb(Jsonb *document);

void
sketch_hash_init(SketchHash *hash, Oid type, MemoryContext memory)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_HASH_EXTENDED_PROC);

	if (!OidIsValid(entry->hash_extended_proc))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify an extended hash function for type %s", format_type_be(type))));
	hash->type = type;
	/* these types' hash functions first reduce values to 32 bits: (1 << 32) + 1 and 0 would collide */
	hash->whole = type == INT8OID || type == TIMESTAMPOID || type == TIMESTAMPTZOID || type == TIMEOID ||
				  type == MONEYOID || type == PG_LSNOID || type == XID8OID;
	fmgr_info_cxt(entry->hash_extended_proc, &hash->function, memory);
}

Datum
sketch_hash(SketchHash *hash, Datum value, Oid collation)
{
	if (hash->whole)
	{
		int64 bits = DatumGetInt64(value);

		return hash_any_extended((unsigned char *) &bits, sizeof(bits), 0);
	}
	if (hash->type == NUMERICOID)
		return hash_numeric_sign(DatumGetNumeric(value));
	if (hash->type == JSONBOID)
		return UInt64GetDatum(hash_jsonb(DatumGetJsonbP(value)));
	return FunctionCall2Coll(&hash->function, collation, value, Int64GetDatum(0));
}

/* Hash of the shortest representation: PostgreSQL's own hash ignores the sign. */
static Datum
hash_numeric_sign(Numeric number)
{
	char *digits = numeric_normalize(number);
	Datum hash = hash_any_extended((unsigned char *) digits, strlen(digits), 0);

	pfree(digits);
	return hash;
}

/*
 * Hash of values and structure: PostgreSQL's own hash ignores structure, and is the same for 1 and [1], and for
 * {} and [].
 */
static uint64
hash_jsonb(Jsonb *document)
{
	JsonbIterator *iterator = JsonbIteratorInit(&document->root);
	JsonbIteratorToken token;
	JsonbValue value;
	uint64 hash = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		hash = hash_combine64(hash, token);
		if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
			JsonbHashScalarValueExtended(&value, &hash, 0);
		else if (token == WJB_BEGIN_ARRAY)
			hash = hash_combine64(hash, value.val.array.rawScalar);
	}
	return hash;
}
