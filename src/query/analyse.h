/*
 * analyse.h
 *		What a hybrid view is: its query taken apart into keys, window, states and results.
 */
#ifndef STREAMBATCH_ANALYSE_H
#define STREAMBATCH_ANALYSE_H

#include "aggregate/rules.h"
#include "nodes/parsenodes.h"
#include "window/query_window.h"

/* As many keys as an index has columns, with the epoch and the pane beside them; the others are compared. */
#define ANALYSE_INDEXED_KEYS (INDEX_MAX_KEYS - 2)

/* A column of the state tables that groups are told apart by. */
typedef struct KeyDef
{
	Node *expr;
	const char *column; /* k1, k2, … or pane */
	Oid type;
	int32 typmod;
	Oid collation;
	bool indexed; /* it is a column of the index over keys */
	bool grouped; /* the query groups by it; a pane that it does not group by is stored all the same */
} KeyDef;

/* An expression that the query groups by: a stored key, or one that follows from its window's start and end. */
typedef struct GroupDef
{
	Node *expr;
	int key;			/* index of the stored key; -1: computed when windows are assembled from panes */
	const char *column; /* in the merged view: the key's, or g1, g2, … */
} GroupDef;

typedef struct ViewDef
{
	Query *query; /* a copy of our own */
	Oid stream;
	int varno; /* the stream's place in the query's range table */
	bool
		joined; /* tables are looked up: rows of the fold query may come in any order, and many of one event */
	bool has_window;
	StreamWindow window;
	int pane; /* index of the pane among the keys; -1 without window */
	int nkeys;
	KeyDef *keys;
	int ngroups;
	GroupDef *groups;
	int nstates;
	StateDef *states; /* stored as s1, s2, … */
	int nresults;
	ResultDef *results; /* one for each different aggregate */
	int session_first;	/* states that hold a session's first and last event time; -1: no session */
	int session_last;
} ViewDef;

/*
 * Take a query apart. Raises, with the reason and what to do instead, for what a hybrid view cannot be. The
 * result lives in the current context and depends on nothing but the query.
 */
extern ViewDef *analyse_query(const Query *query);

/*
 * The same for the query kept as the view streambatch_state.query_<id>, as the hybrid view's owner, whom it
 * may call functions as. Raises undefined_table where it is gone. It locks what view_relations_read() lists, which
 * whoever holds other locks has taken with them before.
 */
extern ViewDef *analyse_stored(int32 view_id, Oid owner);

/* Parse and analyse SQL text, which must be one SELECT, in the caller's settings. */
extern Query *analyse_parse(const char *sql);

#endif /* STREAMBATCH_ANALYSE_H */
