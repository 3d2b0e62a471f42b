/*
 * definition.h
 *		The definition of a worker's stream: everything read from the catalog and the foreign table.
 */
#ifndef STREAMBATCH_DEFINITION_H
#define STREAMBATCH_DEFINITION_H

#include "worker/decoded_batch.h"
#include "worker/worker_view.h"

typedef struct DefinitionWatch DefinitionWatch;

typedef struct Definition
{
	Oid relid;
	DefinitionWatch *watch; /* whether the foreign table, server or user mapping was altered */
	MemoryContext context;	/* owns all below; reset by each load */
	Stream *stream;
	StreamRow row;		 /* with the generation of the loaded views */
	List *views;		 /* of WorkerView *, without suspended views */
	List *failed;		 /* of FailedView *: their queries cannot be analysed; the next flush suspends them */
	List *suspended;	 /* of ViewRow * */
	List *shadows;		 /* ids */
	bool apart;			 /* views do not share folds; set by the worker before a load */
	int64 max_staleness; /* microseconds; the least of the views' */
	DecodedBatch decoded;
	DeadLetters dead_letters;
} Definition;

typedef enum DefinitionResult
{
	DEFINITION_LOADED,
	DEFINITION_PAUSED,
	DEFINITION_UNNEEDED /* dropped, or no worker is needed */
} DefinitionResult;

/* Called once per process: from now on, detect changes of the foreign table, its server and user mappings. */
extern void definition_init(Definition *d, Oid relid);

/* Load or reload the definition, in its own transaction. Does not change positions or consumer. */
extern DefinitionResult definition_load(Definition *d);

/* Whether options, columns, secrets or the topic epoch have changed since the process started. */
extern bool definition_changed(const Definition *d);

/* Read the stream's row; false if the loaded definition is outdated. Needs a transaction and a snapshot. */
extern bool definition_current(const Definition *d, StreamRow *row);

#endif /* STREAMBATCH_DEFINITION_H */
