/*
 * definition.h
 *		What a stream's worker works by: everything that follows from the catalog and the foreign table.
 */
#ifndef STREAMBATCH_DEFINITION_H
#define STREAMBATCH_DEFINITION_H

#include "worker/decoded_batch.h"
#include "worker/worker_view.h"

typedef struct DefinitionWatch DefinitionWatch;

typedef struct Definition
{
	Oid relid;
	DefinitionWatch *watch; /* whether what the process began with was altered */
	MemoryContext context;	/* owns all below; reset at each load */
	Stream *stream;
	StreamRow row;		 /* with the generation that the views were loaded at */
	List *views;		 /* of WorkerView *, those that are not suspended */
	int64 max_staleness; /* microseconds; the least of the views' */
	DecodedBatch decoded;
	DeadLetters dead_letters;
} Definition;

typedef enum DefinitionResult
{
	DEFINITION_LOADED,
	DEFINITION_PAUSED,
	DEFINITION_GONE /* dropped, or nothing to run for */
} DefinitionResult;

/* Once in a process: notice from now on when the foreign table, its server or a user mapping is altered. */
extern void definition_init(Definition *d, Oid relid);

/* Load it anew, in a transaction of its own. Positions and consumer are not concerned. */
extern DefinitionResult definition_load(Definition *d);

/* Whether options, columns or secrets are not those any more that the process began with. */
extern bool definition_changed(const Definition *d);

/*
 * Whether the catalog still says what was loaded, as the row just read has it. In a transaction, with a
 * snapshot.
 */
extern bool definition_current(const Definition *d, StreamRow *row);

#endif /* STREAMBATCH_DEFINITION_H */
