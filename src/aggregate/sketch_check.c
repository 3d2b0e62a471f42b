/*
 * sketch_check.c
 *		Sketches against the formats of the extensions hll and tdigest (see sketch_check.h).
 *
 * The owner of a hybrid view can write its state tables, and anybody can call the functions that unite sketches.
 * Values of these types can hold any bytes: bytea is cast to hll as it is, and the receive function of tdigest
 * looks at nothing. The extensions' code then copies more hashes than there is room for, walks through as many
 * centroids as a digest claims to have, divides by the logarithm of a negative count until a buffer overflows, and
 * never comes to the end of a NaN. So nothing is handed to it but what sketch.c could have made, with the
 * parameters of sketch.h: that bounds memory and work, too.
 *
 * hll (https://github.com/aggregateknowledge/hll-storage-spec/blob/v1.0.0/STORAGE.md): three bytes and the content
 *
 *		1		version (1) << 4 | kind
 *		1		(bits of a register - 1) << 5 | binary logarithm of the number of registers
 *		1		sparse allowed (1) << 6 | limit of hashes kept as they are (63: as long as they take less space)
 *		kind	1, empty: nothing
 *				2, explicit: hashes of 8 bytes, most significant first, ascending as signed numbers
 *				3, sparse: registers that are not zero, ascending, each its number and its value in 17 bits;
 *				   the last byte is filled up with zeros
 *				4, full: all registers, each its value in 5 bits
 *
 * tdigest (version 1.4 of the extension), in the byte order of the machine: see Digest. Centroids come in the order of
 * their means, but for rounding: the mean of two may come out a little beyond that of the next.
 */
#include "postgres.h"

#include <math.h>

#include "aggregate/sketch.h"
#include "aggregate/sketch_check.h"
#include "common/compat.h"
#include "common/int.h"
#include "fmgr.h"
#include "port/pg_bswap.h"

#define HLL_HEADER 3
#define HLL_PARAMETERS ((SKETCH_HLL_REGWIDTH - 1) << 5 | SKETCH_HLL_LOG2M)
#define HLL_LIMITS (1 << 6 | 63)
#define HLL_FULL_SIZE ((SKETCH_HLL_REGWIDTH << SKETCH_HLL_LOG2M) / BITS_PER_BYTE)
#define HLL_MAX_HASHES (HLL_FULL_SIZE / sizeof(uint64))
#define HLL_SPARSE_BITS (SKETCH_HLL_LOG2M + SKETCH_HLL_REGWIDTH)

typedef enum HllKind
{
	HLL_EMPTY = 1,
	HLL_EXPLICIT,
	HLL_SPARSE,
	HLL_FULL
} HllKind;

/* the only flag there is: centroids have means, not sums */
#define DIGEST_FLAGS 1
/* centroids of a digest that was not compacted yet */
#define DIGEST_MAX_CENTROIDS (10 * SKETCH_TDIGEST_COMPRESSION)
/* how far rounding may take a mean, as a share of it */
#define DIGEST_ROUNDING 1e-6

typedef struct Centroid
{
	float8 mean;
	int64 count;
} Centroid;

typedef struct Digest
{
	int32 size; /* of a varlena */
	int32 flags;
	int64 count;
	int32 compression;
	int32 ncentroids;
	Centroid centroids[FLEXIBLE_ARRAY_MEMBER];
} Digest;

static void check_hashes(const uint8 *hashes, Size size);
static void check_registers(const uint8 *registers, Size size);
static uint32 sparse_register(const uint8 *registers, Size at);
static int64 check_centroids(const char *centroids, int n);
pg_noreturn static void refuse(const char *type, const char *reason);

Datum
sketch_check_hll(Datum sketch, int64 *count)
{
	struct varlena *value = PG_DETOAST_DATUM(sketch);
	const uint8 *bytes = (uint8 *) VARDATA(value);
	Size size = VARSIZE(value) - VARHDRSZ;

	if (size < HLL_HEADER || bytes[0] >> 4 != 1)
		refuse("hll", "Its header is not one of version 1.");
	if (bytes[1] != HLL_PARAMETERS || bytes[2] != HLL_LIMITS)
		refuse("hll", "It was made with other parameters than those of hybrid views.");
	bytes += HLL_HEADER;
	size -= HLL_HEADER;
	switch ((HllKind) (bytes[-HLL_HEADER] & 15))
	{
		case HLL_EMPTY:
			if (size != 0)
				refuse("hll", "An empty one has no content.");
			break;
		case HLL_EXPLICIT:
			check_hashes(bytes, size);
			break;
		case HLL_SPARSE:
			check_registers(bytes, size);
			break;
		case HLL_FULL:
			if (size != HLL_FULL_SIZE)
				refuse("hll", "Its size is not that of all registers.");
			break;
		default:
			refuse("hll", "Its kind is unknown.");
	}
	return PointerGetDatum(value);
}

bool
sketch_hll_is_list(Datum sketch)
{
	int64 unused = 0;
	const uint8 *bytes = (uint8 *) VARDATA(DatumGetPointer(sketch_check_hll(sketch, &unused)));

	return (bytes[0] & 15) == HLL_EMPTY || (bytes[0] & 15) == HLL_EXPLICIT;
}

Datum
sketch_check_tdigest(Datum sketch, int64 *count)
{
	struct varlena *value = PG_DETOAST_DATUM(sketch);
	Digest digest;

	if (VARSIZE(value) < offsetof(Digest, centroids))
		refuse("tdigest", "It is shorter than its header.");
	memcpy(&digest, value, offsetof(Digest, centroids));
	if (digest.flags != DIGEST_FLAGS || digest.compression != SKETCH_TDIGEST_COMPRESSION)
		refuse("tdigest", "It was made with other parameters than those of hybrid views.");
	if (digest.ncentroids <= 0 || digest.ncentroids > DIGEST_MAX_CENTROIDS ||
		VARSIZE(value) != offsetof(Digest, centroids) + digest.ncentroids * sizeof(Centroid))
		refuse("tdigest", "Its number of centroids does not fit its size, or is out of range.");
	if (check_centroids((char *) value + offsetof(Digest, centroids), digest.ncentroids) != digest.count)
		refuse("tdigest", "Its count is not the sum of its centroids' counts.");
	/* neither overflows: each is at most SKETCH_TDIGEST_MAX_COUNT */
	*count += digest.count;
	if (*count > SKETCH_TDIGEST_MAX_COUNT)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("a t-digest cannot hold more than %lld values",
							   (long long) SKETCH_TDIGEST_MAX_COUNT)));
	return PointerGetDatum(value);
}

static void
check_hashes(const uint8 *hashes, Size size)
{
	int64 before = 0;

	if (size % sizeof(int64) != 0 || size / sizeof(int64) > HLL_MAX_HASHES)
		refuse("hll", "Its content is not a list of hashes, or they are too many.");
	for (Size at = 0; at < size; at += sizeof(int64))
	{
		int64 hash;

		memcpy(&hash, hashes + at, sizeof(hash));
		hash = (int64) pg_ntoh64((uint64) hash);
		if (at > 0 && hash <= before)
			refuse("hll", "Its hashes are not in ascending order.");
		before = hash;
	}
}

static void
check_registers(const uint8 *registers, Size size)
{
	Size n = size * BITS_PER_BYTE / HLL_SPARSE_BITS;
	Size rest = size * BITS_PER_BYTE - n * HLL_SPARSE_BITS;
	int64 before = -1;

	if (rest >= BITS_PER_BYTE || (rest > 0 && (registers[size - 1] & ((1 << rest) - 1)) != 0))
		refuse("hll", "Its content is not a list of registers.");
	for (Size i = 0; i < n; i++)
	{
		uint32 entry = sparse_register(registers, i);
		int64 number = entry >> SKETCH_HLL_REGWIDTH;

		/* ascending, there are no more of them than of all registers */
		if (number <= before || (entry & ((1 << SKETCH_HLL_REGWIDTH) - 1)) == 0)
			refuse("hll", "Its registers are not in ascending order, or one of them is zero.");
		before = number;
	}
}

/* An entry of a sparse list: number and value of a register. Its 17 bits lie in three bytes, wherever they begin. */
static uint32
sparse_register(const uint8 *registers, Size at)
{
	Size bit = at * HLL_SPARSE_BITS;
	const uint8 *byte = registers + bit / BITS_PER_BYTE;
	uint32 bits = (uint32) byte[0] << 16 | (uint32) byte[1] << 8 | byte[2];

	StaticAssertStmt(HLL_SPARSE_BITS == 2 * BITS_PER_BYTE + 1, "an entry lies in three bytes");
	return bits >> (3 * BITS_PER_BYTE - HLL_SPARSE_BITS - bit % BITS_PER_BYTE) & ((1 << HLL_SPARSE_BITS) - 1);
}

/* How many values the centroids stand for. */
static int64
check_centroids(const char *centroids, int n)
{
	Centroid before = {0};
	int64 count = 0;

	for (int i = 0; i < n; i++)
	{
		Centroid c;
		float8 size;

		memcpy(&c, centroids + i * sizeof(Centroid), sizeof(c));
		size = fabs(c.mean);
		/* written so that NaN is refused, too */
		if (!(size <= SKETCH_TDIGEST_LIMIT * (1 + DIGEST_ROUNDING)))
			refuse("tdigest", "The mean of a centroid is out of range.");
		if (i > 0 && c.mean < before.mean - DIGEST_ROUNDING * Max(size, fabs(before.mean)))
			refuse("tdigest", "Its centroids are not in ascending order.");
		if (c.count <= 0 || c.count > SKETCH_TDIGEST_MAX_COUNT - count)
			refuse("tdigest", "The count of a centroid is out of range.");
		count += c.count;
		before = c;
	}
	return count;
}

static void
refuse(const char *type, const char *reason)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid sketch of type %s", type),
		 errdetail("%s", reason),
		 errhint(
			 "CALL streambatch.refresh('…', \"full\" => true) computes the sketches of a hybrid view again.")));
}
