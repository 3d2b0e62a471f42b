/*
 * cut.h
 *		A cut through a stream: the positions below which its events are meant.
 */
#ifndef STREAMBATCH_CUT_H
#define STREAMBATCH_CUT_H

#include "utils/array.h"

/* Next offset of partition i at index i; -1 where nothing of it has been read. */
typedef struct Cut
{
	int n;
	int64 *offsets;
} Cut;

/*
 * The cut that the stored positions are at. Current context. With the stream's row locked it is the cut of
 * everything committed.
 */
extern Cut *cut_read(Oid stream);

/* As bigint[], with a null where nothing has been read. Current context. */
extern ArrayType *cut_array(const Cut *cut);

#endif /* STREAMBATCH_CUT_H */
