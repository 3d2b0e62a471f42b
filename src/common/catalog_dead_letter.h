/*
 * catalog_dead_letter.h
 *		Dead letters in the extension's tables; see catalog_stream.h.
 *
 * A dead letter of a stream is a message that neither its archive nor any view contains; one of a view is
 * an event that only this view lacks. A discarded one remains as a position without content, so that whatever reads
 * the log or the archive again leaves it out.
 */
#ifndef STREAMBATCH_CATALOG_DEAD_LETTER_H
#define STREAMBATCH_CATALOG_DEAD_LETTER_H

#include "datatype/timestamp.h"
#include "utils/array.h"

typedef struct DeadLetter
{
	Oid view; /* InvalidOid: of the stream */
	int32 partition;
	int64 offset;
	bool has_timestamp;
	TimestampTz timestamp;
	bytea *key; /* NULL: none */
	bytea *payload;
	struct varlena *headers; /* jsonb */
	int sqlerrcode;
	const char *message;
	const char *detail; /* NULL: none */
} DeadLetter;

/* Which dead letters of a stream a user names; discarded ones are not among them. */
typedef struct DeadLetterFilter
{
	Oid stream;
	Oid view; /* InvalidOid: those of the stream */
	bool has_partition;
	int32 partition;
	bool has_offset;
	int64 offset;
} DeadLetterFilter;

extern void catalog_insert_dead_letters(Oid stream, const char *topic, int32 topic_epoch,
										const DeadLetter *dead_letters, int n);

/* Positions of all dead letters of a view as int[], int[] and bigint[]; returns their number. */
extern int64 catalog_view_dead_letters(Oid view, Datum *topic_epochs, Datum *partitions, Datum *offsets);
/* Positions in the log of a topic epoch of all dead letters of a stream itself and, if valid, a view: int[], bigint[]. */
extern void catalog_log_dead_letters(Oid stream, Oid view, int32 topic_epoch, Datum *partitions,
									 Datum *offsets);

/* The number of a stream's dead letters, with those of its views, without discarded ones. */
extern int64 catalog_count_dead_letters(Oid stream);

/*
 * Read those of the current topic epoch, ordered by position, and lock them; in the current context. The error is
 * not read.
 */
extern DeadLetter *catalog_lock_dead_letters(const DeadLetterFilter *filter, int *n);

/* Delete one, or replace its error, or all that pass: the latter returns their number. */
extern void catalog_delete_dead_letter(const DeadLetterFilter *filter, const DeadLetter *dead_letter);
extern void catalog_replace_error(const DeadLetterFilter *filter, const DeadLetter *dead_letter);
extern int64 catalog_discard_dead_letters(const DeadLetterFilter *filter);

#endif /* STREAMBATCH_CATALOG_DEAD_LETTER_H */
