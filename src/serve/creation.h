/*
 * creation.h
 *		The steps of making a hybrid view.
 */
#ifndef STREAMBATCH_CREATION_H
#define STREAMBATCH_CREATION_H

#include "common/catalog_stream.h"
#include "common/catalog_view.h"
#include "query/analyse.h"

typedef struct Creation
{
	char *name; /* qualified and quoted */
	char *layers;
	Oid namespace;
	char *relname;
	Oid owner;
	ViewRow row;
	Query *query;
	ViewDef *def;
	char *definition; /* the query, printed with every name qualified */
} Creation;

/* Analyse the query. Raises what create_view() raises if it cannot be a hybrid view. Needs layers and row.settings. */
extern void creation_analyse(Creation *c, const char *sql);

/*
 * Check that the owner may read what the query reads, and the stream's archive; stream may be NULL. fresh: the archive
 * was made in this transaction.
 */
extern void creation_check_privileges(const Creation *c, const StreamRow *stream, bool fresh);

/* Create the objects in streambatch_state. */
extern void creation_create_parts(const Creation *c);

/* Run a command through SPI, which is connected. */
extern void creation_execute(const char *sql);

/* The allowed lateness as an SQL literal that does not depend on IntervalStyle. */
extern char *creation_lateness(const Creation *c);

/* Make a relation an internal part of a view, with which it is dropped. */
extern void creation_make_part(Oid object, Oid view);

/* A query as it was written, without white space around it and semicolons behind it. May change the string. */
extern char *creation_trim(char *sql);

#endif /* STREAMBATCH_CREATION_H */
