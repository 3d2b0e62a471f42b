/*
 * origin.h
 *		The type streambatch._origin: the origin of a window where it is written as a literal.
 */
#ifndef STREAMBATCH_ORIGIN_H
#define STREAMBATCH_ORIGIN_H

/* An origin as a value of a window's type: timestamptz, timestamp or date. */
extern Datum origin_datum(Datum origin, Oid type);

#endif /* STREAMBATCH_ORIGIN_H */
