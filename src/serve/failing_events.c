/*
 * failing_events.c
 *		Events of the archive that a new hybrid view cannot process (see failing_events.h).
 *
 * A statement that computes states of the whole archive tells at most the first event that it fails on. The
 * worker's fold query finds them all in one pass: what a stream's history does to a view that is created today is
 * what it would have done to one that was there from the beginning.
 */
#include "postgres.h"

#include "common/catalog_stream.h"
#include "common/guard.h"
#include "miscadmin.h"
#include "serve/failing_events.h"
#include "utils/snapmgr.h"
#include "worker/fold_query.h"

int
failing_events_record(const ViewRow *row, Oid archive, const ArchiveSlice *slice)
{
	Stream *stream = stream_open(row->stream);
	char *taken = palloc(DECODED_BATCH_MAX);
	DeadLetters dead_letters;
	DecodedBatch decoded;
	WorkerView *view;
	ArchiveReader *reader;
	int n = 0;

	view = worker_view_open(row);
	decoded_batch_init(&decoded, stream, NULL);
	decoded.careful = true;
	dead_letters_init(&dead_letters, CurrentMemoryContext);
	PushActiveSnapshot(GetTransactionSnapshot());
	reader = archive_reader_open(stream, archive, view->owner, slice);
	while (archive_reader_next(reader, &decoded))
	{
		CHECK_FOR_INTERRUPTS();
		fold_query_run(view, &decoded, taken, &dead_letters);
		if (view->failure != NULL)
			ReThrowError(view->failure);
		/* the states are not needed */
		worker_view_stored(view);
		catalog_insert_dead_letters(row->stream, stream->topic, decoded.batch.topic_epoch, dead_letters.items,
									dead_letters.n);
		n += dead_letters.n;
		dead_letters_clear(&dead_letters);
	}
	archive_reader_close(reader);
	PopActiveSnapshot();
	worker_view_close(view);
	return n;
}
