/*
 * sketch.h
 *		Sketches: what the extensions hll and tdigest keep of many values in little space.
 */
#ifndef STREAMBATCH_SKETCH_H
#define STREAMBATCH_SKETCH_H

/*
 * HyperLogLog: 2^12 registers of 5 bits, 2.5 kB at most; up to 320 different values are kept as they are (their hashes of 64
 * bits). t-digest: compression 200, 1.7 kB. Smaller states stay in the row of a state table; larger ones are
 * written anew out of line at every flush.
 */
#define SKETCH_HLL_LOG2M 12
#define SKETCH_HLL_REGWIDTH 5
#define SKETCH_TDIGEST_COMPRESSION 200

/*
 * The type of this name of the extension of the same name, "hll" or "tdigest"; InvalidOid where the extension
 * is not there.
 */
extern Oid sketch_type(const char *name);

/* The schema that the extension is in. */
extern Oid sketch_namespace(Oid type);

#endif /* STREAMBATCH_SKETCH_H */
