/*
 * sketch_hash.h
 *		Hashes of 64 bits for a HyperLogLog: values that are equal have one, whatever the type.
 */
#ifndef STREAMBATCH_SKETCH_HASH_H
#define STREAMBATCH_SKETCH_HASH_H

#include "fmgr.h"

typedef struct SketchHash
{
	Oid type;
	bool whole; /* hash all eight bytes of the value */
	FmgrInfo function;
} SketchHash;

/* For values of a base type. Raises undefined_function for a type without a hash function. */
extern void sketch_hash_init(SketchHash *hash, Oid type, MemoryContext memory);

extern Datum sketch_hash(SketchHash *hash, Datum value, Oid collation);

#endif /* STREAMBATCH_SKETCH_HASH_H */
