/*
 * value_list.h
 *		Lists of values: the state of a percentile while its values are few, from which it is computed exactly.
 */
#ifndef STREAMBATCH_VALUE_LIST_H
#define STREAMBATCH_VALUE_LIST_H

/* The most values of a list; as many as an hll of this size holds. */
#define VALUE_LIST_MAX 320

/* Whether a list can have values of this type: double precision, bigint or numeric. */
extern bool value_list_takes(Oid type);

/* Whether bytes are a list, and not a t-digest. */
extern bool value_list_is(Datum bytes);

/* A list of values of such a type, as bytea; 0 if it would be too long. */
extern Datum value_list_make(Oid type, const Datum *values, int n);

/*
 * Read a list into an array of VALUE_LIST_MAX, and return the number of values. Raises invalid_binary_representation
 * for bytes that value_list_make() cannot have made, or values that a t-digest cannot hold.
 */
extern int value_list_read(Datum list, Oid *type, Datum *values);

/* A value as a t-digest takes it, and back as a value of a type that percentiles are taken of. */
extern float8 value_list_to_float8(Oid type, Datum value);
extern Datum value_list_from_float8(float8 value, Oid type);

extern void value_list_sort(Oid type, Datum *values, int n, bool descending);

/* A percentile of sorted values as percentile_disc() and percentile_cont() compute it. */
extern Datum value_list_percentile(Oid type, const Datum *values, int n, float8 fraction, bool discrete,
								   Oid result);

#endif /* STREAMBATCH_VALUE_LIST_H */
