/*
 * insert.h
 *		INSERT INTO a stream: rows become messages.
 */
#ifndef STREAMBATCH_INSERT_H
#define STREAMBATCH_INSERT_H

#include "foreign/fdwapi.h"

/* Fill in the wrapper's routines for modification. */
extern void insert_set_routines(FdwRoutine *routine);

#endif /* STREAMBATCH_INSERT_H */
