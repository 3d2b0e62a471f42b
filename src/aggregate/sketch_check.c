/*
 * sketch_check.c
 *		Whether a value of a sketch type is one that its extension can take (see sketch_check.h).
 *
 * Anybody can write down values of the types hll and tdigest, and the owner of a view can put them into its states.
 * The extensions look at the sizes of what they read, but not at all that they rely on: a mean that is NaN keeps
 * tdigest in a loop that nothing ends; counts that make the sum lose its lowest bits let it write behind its array of
 * centroids, and so does, to hll, a threshold of explicit values that its memory does not hold. So only sketches of
 * the very parameters that hybrid views use are taken, with the contents that those allow.
 *
 * The layouts are those of tdigest 1.0 to 1.4 (struct tdigest_t in tdigest.c) and of hll's storage specification,
 * version 1 (github.com/aggregateknowledge/hll-storage-spec).
 */
#include "postgres.h"

#include <math.h>

#include "aggregate/sketch.h"
#include "aggregate/sketch_check.h"
#include "common/int.h"
#include "fmgr.h"

/* Its greatest absolute value times the greatest count is a finite float8; as sketch.c takes them. */
#define MEAN_MAX 1e285

/* Above this, the compaction of tdigest would compare positions that a float8 cannot tell apart. */
#define COUNT_MAX (INT64CONST(1) << 50)

/* As tdigest stores a digest. */
typedef struct Centroid
{
	double mean;
	int64 count;
} Centroid;

typedef struct Digest
{
	int32 header;
	int32 flags; /* 1: centroids have means; 0: they have sums */
	int64 count;
	int compression;
	int ncentroids;
	Centroid centroids[FLEXIBLE_ARRAY_MEMBER];
} Digest;

#define CENTROIDS_MAX (10 * SKETCH_TDIGEST_COMPRESSION)

/* As hll stores a set: three bytes, and then what the type in the first one says. */
#define HLL_HEADER 3
#define HLL_VERSION 1
#define HLL_REGISTERS_SIZE ((SKETCH_HLL_REGWIDTH * (1 << SKETCH_HLL_LOG2M) + 7) / 8)
#define HLL_PARAMETERS ((SKETCH_HLL_REGWIDTH - 1) << 5 | SKETCH_HLL_LOG2M)
#define HLL_THRESHOLDS 0x7f /* sparse sets, and explicit ones as long as they are smaller */

typedef enum HllType
{
	HLL_EMPTY = 1,
	HLL_EXPLICIT,
	HLL_SPARSE,
	HLL_COMPRESSED
} HllType;

static bool is_digest(const Digest *digest);
static bool is_hll(const uint8 *bytes, Size size);
static void refuse(const char *type) pg_attribute_noreturn();

int64
sketch_check_tdigest(Datum sketch)
{
	Digest *digest = (Digest *) PG_DETOAST_DATUM(sketch);
	int64 count;

	if (!is_digest(digest))
		refuse("tdigest");
	count = digest->count;
	if ((Pointer) digest != DatumGetPointer(sketch))
		pfree(digest);
	return count;
}

void
sketch_check_hll(Datum sketch)
{
	struct varlena *set = PG_DETOAST_DATUM_PACKED(sketch);

	if (!is_hll((const uint8 *) VARDATA_ANY(set), VARSIZE_ANY_EXHDR(set)))
		refuse("hll");
	if ((Pointer) set != DatumGetPointer(sketch))
		pfree(set);
}

int64
sketch_add_counts(int64 a, int64 b)
{
	int64 sum = a + b;

	if (sum > COUNT_MAX)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("a t-digest cannot hold more than %lld values", (long long) COUNT_MAX)));
	return sum;
}

static bool
is_digest(const Digest *digest)
{
	int64 count = 0;

	if (VARSIZE(digest) < offsetof(Digest, centroids) || (digest->flags != 0 && digest->flags != 1) ||
		digest->compression != SKETCH_TDIGEST_COMPRESSION || digest->ncentroids < 1 ||
		digest->ncentroids > CENTROIDS_MAX ||
		VARSIZE(digest) != offsetof(Digest, centroids) + digest->ncentroids * sizeof(Centroid))
		return false;
	for (int i = 0; i < digest->ncentroids; i++)
	{
		const Centroid *c = &digest->centroids[i];

		/* also false for NaN */
		if (!(fabs(c->mean) <= MEAN_MAX) || c->count < 1 || c->count > COUNT_MAX - count)
			return false;
		count += c->count;
	}
	return digest->count == count;
}

static bool
is_hll(const uint8 *bytes, Size size)
{
	Size content = size - HLL_HEADER;

	if (size < HLL_HEADER || bytes[0] >> 4 != HLL_VERSION || bytes[1] != HLL_PARAMETERS ||
		bytes[2] != HLL_THRESHOLDS)
		return false;
	switch (bytes[0] & 0xf)
	{
		case HLL_EMPTY:
			return content == 0;
		case HLL_EXPLICIT:
			/* hll itself compares their order */
			return content % sizeof(uint64) == 0 && content <= HLL_REGISTERS_SIZE;
		case HLL_SPARSE:
			return content <= HLL_REGISTERS_SIZE;
		case HLL_COMPRESSED:
			return content == HLL_REGISTERS_SIZE;
		default:
			return false;
	}
}

static void
refuse(const char *type)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("a value of type %s is not a sketch as hybrid views store it", type),
					errhint("CALL streambatch.refresh(…) with full => true replaces damaged states.")));
}
