/*
 * definition_text.h
 *		What a worker depends on in the definition of its stream, as a text to compare.
 */
#ifndef STREAMBATCH_DEFINITION_TEXT_H
#define STREAMBATCH_DEFINITION_TEXT_H

/*
 * The columns, options and owner of a foreign table, the options and owner of its server, and the options of the
 * user mapping that its owner uses. Equal texts: a worker started with one need not restart for the other.
 * Contains secrets. Allocated in the current context; NULL if there is no such table. Takes no lock; needs a
 * transaction.
 */
extern char *definition_text(Oid relid);

#endif /* STREAMBATCH_DEFINITION_TEXT_H */
