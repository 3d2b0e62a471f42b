/*
 * insert.h
 *		INSERT INTO a stream: rows become messages.
 */
#ifndef STREAMBATCH_INSERT_H
#define STREAMBATCH_INSERT_H

#include "foreign/fdwapi.h"

/* Set the callbacks for INSERT in the wrapper's FdwRoutine. */
extern void insert_set_routines(FdwRoutine *routine);

#endif /* STREAMBATCH_INSERT_H */
