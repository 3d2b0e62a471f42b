/*
 * transition.h
 *		Running an aggregate outside of the executor: its states are advanced, stored, combined and finalised as in nodeAgg.c.
 *
 * A transition state is stored as its own type; a state of type internal is stored as streambatch._state: the
 * output of the aggregate's serialisation function, with a header that identifies the functions that read it and the
 * aggregate's argument types ("sealed", state_header.h). Only these functions, and a superuser who restores a dump, can
 * create a value of that type, because deserialisation functions do not validate their input.
 */
#ifndef STREAMBATCH_TRANSITION_H
#define STREAMBATCH_TRANSITION_H

#include "aggregate/state_header.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"

/* A transition state in memory. */
typedef struct TransitionValue
{
	Datum value;
	bool isnull;
	bool
		untouched; /* no initial value, no input yet: the first value of a strict function becomes the state */
} TransitionValue;

typedef struct Transition
{
	FmgrInfo function;
	FunctionCallInfo call; /* for the transition function; the caller fills the arguments from 1 on */
	int nargs;			   /* without the state */
	bool byval;
	int16 len;
	bool initial_null;
	Datum initial;
	Oid collation;
	Oid type;
	AggState *agg; /* passed to the aggregate's functions as context */
	bool has_final;
	FmgrInfo final;
	int nfinal; /* arguments of the final function, including the state */
	bool sealed;
	FmgrInfo combine;
	FmgrInfo serialise;
	FmgrInfo deserialise;
	Oid aggregate;
	StateHeader header; /* of sealed states */
} Transition;

/* Properties of an aggregate's transition state. */
typedef struct TransitionShape
{
	Oid type;
	Oid stored; /* the type of a stored state; InvalidOid if it has no serialisation functions */
	bool combinable;
} TransitionShape;

extern void transition_shape(const Aggref *aggref, TransitionShape *shape);

/* The type streambatch._state. */
extern Oid transition_sealed_type(void);

/*
 * A call of an aggregate with arguments of these types, for transition_init(); its args are not filled. Raises
 * if it is not a plain aggregate or does not accept such arguments.
 */
extern Aggref *transition_aggref(Oid aggregate, int nargs, Oid *types, Oid collation);

/*
 * Raises insufficient_privilege if the current user may not execute the aggregate, or its owner may not execute
 * its support functions.
 */
extern void transition_check_execute(Oid aggregate);

/*
 * Prepare to run an aggregate; partial: also to store and combine its transition states. Allocates in the
 * current context, and calls the type's input function for the initial value. States live in the memory of
 * aggcontext, which the caller may replace (agg->curaggcontext); the caller resets tmpcontext for each row.
 * Call transition_check_execute() first.
 */
extern void transition_init(Transition *t, const Aggref *aggref, bool partial, ExprContext *aggcontext,
							ExprContext *tmpcontext);

/* The state before the first row. */
extern void transition_start(const Transition *t, TransitionValue *state);

/* The slow path of transition_advance(): copy a result that is not in place into the state's memory. */
extern void transition_keep(const Transition *t, TransitionValue *state, Datum value, bool isnull);

/* The final value. It may point into the state; otherwise it is allocated in the current context. */
extern Datum transition_final(Transition *t, const TransitionValue *state, bool *isnull);

/* The state to be stored. It may point into the state; otherwise it is allocated in the current context. */
extern Datum transition_store(Transition *t, const TransitionValue *state, bool *isnull);

/* Combine a stored state into one in memory. Raises for a sealed state of another aggregate. */
extern void transition_absorb(Transition *t, TransitionValue *state, Datum stored, bool isnull);

/*
 * Combine two stored states that are not null. The result is in the current context; aggcontext is used
 * temporarily.
 */
extern Datum transition_combine(Transition *t, Datum a, Datum b, bool *isnull);

/*
 * Advance by one row, whose arguments are in the call. For a strict function the caller has checked that none
 * is null. Inline, because the worker spends most of its time here.
 */
static inline void
transition_advance(Transition *t, TransitionValue *state)
{
	FunctionCallInfo call = t->call;
	Datum result;

	if (t->function.fn_strict && (state->untouched || state->isnull))
	{
		if (state->untouched)
			transition_keep(t, state, call->args[1].value, false);
		return;
	}
	call->args[0].value = state->value;
	call->args[0].isnull = state->isnull;
	call->isnull = false;
	result = FunctionCallInvoke(call);
	if (t->byval || DatumGetPointer(result) == DatumGetPointer(state->value))
	{
		state->value = result;
		state->isnull = call->isnull;
		state->untouched = false;
	}
	else
		transition_keep(t, state, result, call->isnull);
}

#endif /* STREAMBATCH_TRANSITION_H */
