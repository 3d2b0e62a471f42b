/*
 * transition.h
 *		An aggregate taken into our own hands: advanced, stored, combined and finalised as PostgreSQL's nodeAgg.c does it.
 *
 * A transition state is stored as its own type, which anybody can read; a state of type internal as
 * streambatch._state: what the aggregate's serialisation function makes of it, sealed with the aggregate and
 * its argument types. Nobody but these functions can make a value of that type, so that deserialisation
 * functions, which believe what they read, see nothing else.
 */
#ifndef STREAMBATCH_TRANSITION_H
#define STREAMBATCH_TRANSITION_H

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
	FunctionCallInfo call; /* of the transition function; its arguments from 1 on are the caller's to fill */
	int nargs;			   /* inputs, without the state */
	bool byval;
	int16 len;
	bool initial_null;
	Datum initial;
	Oid collation;
	Oid type;
	AggState *agg; /* what the aggregate's functions are shown as their caller */
	bool has_final;
	FmgrInfo final;
	int nfinal; /* arguments of the final function, with the state */
	bool sealed;
	FmgrInfo combine;
	FmgrInfo serialise;
	FmgrInfo deserialise;
	int ntag; /* the aggregate and its argument types */
	Oid *tag;
} Transition;

/* What can be done with an aggregate's transition state. */
typedef struct TransitionShape
{
	Oid type;
	Oid stored; /* the type of a stored state; InvalidOid where it has no serialisation functions */
	bool combinable;
} TransitionShape;

extern void transition_shape(const Aggref *aggref, TransitionShape *shape);

/* The type streambatch._state. */
extern Oid transition_sealed_type(void);

/*
 * A call of an aggregate over arguments of these types, to be taken into our hands; its args are not filled.
 * Raises for what is no plain aggregate, or does not take such arguments.
 */
extern Aggref *transition_aggref(Oid aggregate, int nargs, Oid *types, Oid collation);

/*
 * Raises insufficient_privilege where the current user may not call the aggregate, or its owner may not call
 * the functions that it is made of.
 */
extern void transition_check_execute(Oid aggregate);

/*
 * Prepare to run it; partial: to store and combine its transition states, too. Allocates in the current
 * context, and runs the type's input function on the initial value. States live in the memory of aggcontext,
 * which the caller may exchange (agg->curaggcontext); tmpcontext is the one that the caller resets for each
 * row. Call transition_check_execute() first.
 */
extern void transition_init(Transition *t, const Aggref *aggref, bool partial, ExprContext *aggcontext,
							ExprContext *tmpcontext);

/* The state before the first row. */
extern void transition_start(const Transition *t, TransitionValue *state);

/* The slow half of transition_advance(): make a result that is not in the state's place the state's own. */
extern void transition_keep(const Transition *t, TransitionValue *state, Datum value, bool isnull);

/* The final value. It may be part of the state, and allocates in the current context. */
extern Datum transition_final(Transition *t, const TransitionValue *state, bool *isnull);

/* The state to be stored. It may be part of the state, and allocates in the current context. */
extern Datum transition_store(Transition *t, const TransitionValue *state, bool *isnull);

/* Combine a stored state into one in memory. Raises for a state that another aggregate has sealed. */
extern void transition_absorb(Transition *t, TransitionValue *state, Datum stored, bool isnull);

/* Two stored states made one, neither of them null. In the current context; uses aggcontext in between. */
extern Datum transition_combine(Transition *t, Datum a, Datum b, bool *isnull);

/*
 * Advance by one row, whose arguments are in the call. For a strict function the caller has looked that
 * none is null. Inline, for it is most of the worker's work.
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
