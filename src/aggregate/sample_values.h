/*
 * sample_values.h
 *		Sample values of any type.
 */
#ifndef STREAMBATCH_SAMPLE_VALUES_H
#define STREAMBATCH_SAMPLE_VALUES_H

#define SAMPLES_MAX 6

/* Up to SAMPLES_MAX values of a type, none where none is known. Allocates in the current context. */
extern int samples_of(Oid type, Datum *values);

/* Raise again an error that is nobody's data's: a cancelled query, a server that stops. */
extern void samples_reject_error(ErrorData *error);

#endif /* STREAMBATCH_SAMPLE_VALUES_H */
