/*
 * analyse.h
 *		What a hybrid view is: its query taken apart into keys, window, states and results.
 */
#ifndef ANALYSE_H
#define ANALYSE_H

#include "define/rules.h"
#include "define/window.h"
#include "nodes/parsenodes.h"

/* As many as an index has columns, with the epoch and the pane beside them. */
#define ANALYSE_MAX_KEYS (INDEX_MAX_KEYS - 2)

/* A column of the state tables that groups are told apart by. */
typedef struct KeyDef
{
	Node *expr;
	const char *column; /* k1, k2, … or pane */
	Oid type;
	int32 typmod;
	Oid collation;
	bool grouped; /* the query groups by it; a pane that it does not group by is stored all the same */
} KeyDef;

typedef struct ViewDef
{
	Query *query; /* a copy of our own; its stream is variable number 1 */
	Oid stream;
	bool has_window;
	StreamWindow window;
	int pane; /* index of the pane among the keys; -1 without window */
	int nkeys;
	KeyDef *keys;
	int nstates;
	StateDef *states; /* stored as s1, s2, … */
	int nresults;
	ResultDef *results; /* one for each different aggregate */
} ViewDef;

/*
 * Take a query apart. Raises, with the reason and what to do instead, for what a hybrid view cannot be. The
 * result lives in the current context and depends on nothing but the query.
 */
extern ViewDef *analyse_query(const Query *query);

/*
 * The same for the query kept as the view streambatch_state.query_<id>, as the hybrid view's owner, whom it
 * may call functions as. Raises undefined_table where it is gone.
 */
extern ViewDef *analyse_stored(int32 view_id, Oid owner);

/* Parse and analyse SQL text, which must be one SELECT, in the caller's settings. */
extern Query *analyse_parse(const char *sql);

#endif /* ANALYSE_H */
