/*
 * produce.h
 *		INSERT INTO a stream: rows become messages.
 */
#ifndef STREAMBATCH_PRODUCE_H
#define STREAMBATCH_PRODUCE_H

#include "foreign/fdwapi.h"

/* Fill in the wrapper's routines for modification. */
extern void produce_set_routines(FdwRoutine *routine);

#endif /* STREAMBATCH_PRODUCE_H */
