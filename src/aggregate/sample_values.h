/*
 * sample_values.h
 *		Sample values of any type.
 */
#ifndef STREAMBATCH_SAMPLE_VALUES_H
#define STREAMBATCH_SAMPLE_VALUES_H

#define SAMPLES_MAX 6

/* Up to SAMPLES_MAX values of a type; none for some types. Allocates in the current context. */
extern int samples_of(Oid type, Datum *values);

/* Rethrow an error that no data caused: query cancellation or server shutdown. */
extern void samples_rethrow_cancel(ErrorData *error);

#endif /* STREAMBATCH_SAMPLE_VALUES_H */
