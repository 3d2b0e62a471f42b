/*
 * analyse.h
 *		The definition of a hybrid view: its query split into keys, window, states and results.
 */
#ifndef STREAMBATCH_ANALYSE_H
#define STREAMBATCH_ANALYSE_H

#include "aggregate/rules.h"
#include "nodes/parsenodes.h"
#include "window/query_window.h"

/* Columns of an index, less epoch and pane. Further keys are not indexed but compared. */
#define ANALYSE_INDEXED_KEYS (INDEX_MAX_KEYS - 2)

/* A key column of the state tables. */
typedef struct KeyDef
{
	Node *expr;
	const char *column; /* k1, k2, … or pane */
	Oid type;
	int32 typmod;
	Oid collation;
	bool indexed; /* part of the index over keys */
	bool grouped; /* the query groups by it; a pane is stored even if not */
} KeyDef;

/* An expression that the query groups by: a stored key, or one computed from the window's start and end. */
typedef struct GroupDef
{
	Node *expr;
	int key;			/* index of the stored key; -1: computed when windows are assembled from panes */
	const char *column; /* in the merged view: the key's, or g1, g2, … */
	bool constant;		/* in grouping sets; elsewhere in the query the same constant is not this key */
} GroupDef;

typedef struct ViewDef
{
	Query *query; /* a private copy */
	Oid stream;
	int varno;	 /* index of the stream in the query's range table */
	bool joined; /* tables are joined: the fold query may return rows in any order, and several per event */
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
	List *groupings;	/* the different calls of GROUPING() */
	int session_first;	/* states that hold a session's first and last event time; -1: no session */
	int session_last;
} ViewDef;

/*
 * Analyse a query. Raises, with reason and hint, if it cannot be a hybrid view. The result is allocated in the
 * current context, and depends only on the query.
 */
extern ViewDef *analyse_query(const Query *query);

/*
 * The query stored as the view streambatch_state.query_<id>, which is locked. Raises undefined_table if it does
 * not exist.
 */
extern Query *analyse_load(int32 view_id);

/*
 * analyse_query() of that query. Functions in it are executed as the owner of the hybrid view. Locks the relations
 * that view_relations_read() lists; a caller that holds other locks must have taken these together with them.
 */
extern ViewDef *analyse_stored(int32 view_id, Oid owner);

/* Parse and analyse SQL text, which must be a single SELECT, under the caller's settings. */
extern Query *analyse_parse(const char *sql);

#endif /* STREAMBATCH_ANALYSE_H */
