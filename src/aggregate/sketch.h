/*
 * sketch.h
 *		Sketches: compact summaries of many values, by the extensions hll and tdigest.
 */
#ifndef STREAMBATCH_SKETCH_H
#define STREAMBATCH_SKETCH_H

/*
 * HyperLogLog: 2^12 registers of 5 bits, at most 2.5 kB; up to 320 distinct values are stored as 64-bit hashes.
 * t-digest: compression 200, 1.7 kB. States of this size stay in the row of a state table; larger ones would be
 * rewritten out of line at every flush.
 */
#define SKETCH_HLL_LOG2M 12
#define SKETCH_HLL_REGWIDTH 5
#define SKETCH_TDIGEST_COMPRESSION 200

/* What a t-digest holds: values up to this, whose sums are finite; and so many that float8 counts them exactly. */
#define SKETCH_TDIGEST_LIMIT 1e285
#define SKETCH_TDIGEST_MAX_COUNT (INT64CONST(1) << 53)

/*
 * The sketch type of the extension of the same name, "hll" or "tdigest"; InvalidOid if it is not installed.
 */
extern Oid sketch_type(const char *name);

/* The schema of a sketch type, which is the extension's. */
extern Oid sketch_namespace(Oid type);

#endif /* STREAMBATCH_SKETCH_H */
