/*
 * sketch_extension.h
 *		The functions of the extensions hll and tdigest, and memory to call them in.
 */
#ifndef STREAMBATCH_SKETCH_EXTENSION_H
#define STREAMBATCH_SKETCH_EXTENSION_H

#include "aggregate/sketch_hash.h"
#include "fmgr.h"
#include "nodes/execnodes.h"

/* An argument of an extension's function. */
typedef struct Parameter
{
	const char *type; /* name of a type of the extension; NULL: oid */
	Oid oid;
	int64 value; /* the constant that is passed; not for the item */
} Parameter;

#define MAX_PARAMETERS 6

/* Description of an extension's sketches. */
typedef struct SketchKind
{
	const char *name; /* of the extension and of its type */
	bool hashed;	  /* takes hashes; otherwise float8 values */
	int buffer;		  /* maximum number of buffered items */
	const char *add;  /* transition function for an item; absorb: for a sketch */
	int nadd;
	Parameter parameters[MAX_PARAMETERS]; /* of add, after the state */
	const char *absorb;
	const char *pack; /* final function */
	const char *absorb_quantile;
	const char *quantile;
	const char *cardinality;
	Datum (*check)(Datum sketch, int64 *count); /* before another function sees a sketch */
} SketchKind;

/* An extension's functions and memory to run them in; cached in the calling function's fn_extra. */
typedef struct Sketches
{
	const SketchKind *kind;
	Oid type;
	bool bytes; /* sketches are of type bytea: t-digests, or lists of values */
	Oid value;	/* type of the values that are added to sketches; 0 if none are */
	SketchHash hash;
	FmgrInfo add;
	FmgrInfo absorb;
	FmgrInfo pack;
	FmgrInfo absorb_quantile;
	FmgrInfo quantile;
	FmgrInfo cardinality;
	AggState *agg; /* passed to the functions as context when no aggregate calls them */
} Sketches;

/*
 * The functions for the sketch type of an argument; value: number of the argument that is added to sketches, or
 * -1.
 */
extern Sketches *sketch_functions(FmgrInfo *caller, int argument, int value);

/* Call one of the extension's functions for an aggregate; 0 for a state is NULL. */
extern Datum sketch_call(FmgrInfo *function, Node *aggregate, Datum state, int nargs, const Datum *args);

/* Add items, hashes or float8 values, to a state of the extension. */
extern Datum sketch_add_items(Sketches *s, Node *aggregate, Datum state, const Datum *items, int n);

/* Switch to memory for calls without an aggregate; returns the previous context. */
extern MemoryContext sketch_begin(Sketches *s);

/* Copy a packed sketch to other memory, and end the work. */
extern Datum sketch_end(Sketches *s, Datum packed, MemoryContext memory);

#endif /* STREAMBATCH_SKETCH_EXTENSION_H */
