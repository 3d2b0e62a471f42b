/*
 * state_header.h
 *		The header of a value of type streambatch._state, and the type's input and output functions.
 *
 * The header says which functions can read the bytes after it, and keeps its meaning when the aggregate is renamed,
 * when functions get other OIDs (pg_upgrade), and in a dump, where the types stand by name:
 *
 *		0, a hash of the C functions that combine, serialise and deserialise the state (8 bytes), number of argument
 *		types, their OIDs
 *
 * The states that version 0.1.0 has written begin with the OID of the aggregate instead of 0 and the hash.
 */
#ifndef STREAMBATCH_STATE_HEADER_H
#define STREAMBATCH_STATE_HEADER_H

#include "nodes/pg_list.h"

typedef struct StateHeader
{
	Oid aggregate;
	Size size;
	uint32 *words;
} StateHeader;

/* The header of an aggregate's states, in the current context; types: of its arguments. */
extern StateHeader state_header_make(Oid aggregate, List *types);

/* A value with the header before the bytes, in the current context. */
extern struct varlena *state_header_seal(const StateHeader *header, const char *bytes, Size size);

/* Whether a detoasted value has this header, or the one that version 0.1.0 wrote; size: of what it has. */
extern bool state_header_fits(const StateHeader *header, const struct varlena *value, Size *size);

#endif /* STREAMBATCH_STATE_HEADER_H */
