/*
 * user_code.c
 *		Running code of users in the worker (see user_code.h).
 *
 * A worker runs functions of roles that do not own its stream. They may take as long as they like, and so a timer
 * looks at them ten times a second. It cancels what runs, as pg_cancel_backend() does,
 *
 * - when its time limit is reached: the view is suspended;
 * - when somebody waits, and it has run for GIVE_WAY_TICKS. Whoever has paused, dropped or changed something says so
 *	 in the worker's slot; for whoever still waits for a lock of this worker the launcher does, which the timer tells
 *	 that this worker is busy (lock_waiters.c). The transaction is rolled back, and its messages are read again.
 *
 * A function can catch that and go on. Then it is cancelled again, and in the end the process is terminated, which
 * nothing can catch; at the time limit the slot then names the view, for the next worker to suspend.
 *
 * All of it relies on CHECK_FOR_INTERRUPTS: code that never calls it, as a loop in PL/Perl, is not ended by anything
 * but a crash.
 */
#include "postgres.h"

#include <signal.h>

#include "common/slots.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "worker/user_code.h"

#define TICK_MS 100
#define GIVE_WAY_TICKS 3 /* code that is as quick as this is left to end */
#define REPEAT_TICKS 5	 /* between two cancels */
#define MAX_CANCELS 3

static TimeoutId timer;
static int my_slot = -1;
static bool timer_runs = false;

/* Shared with the signal handler. */
static volatile sig_atomic_t active = false;
static volatile sig_atomic_t ticks;	 /* since it began, or came to something */
static volatile sig_atomic_t limit;	 /* in ticks; 0: none */
static volatile sig_atomic_t reason; /* a UserCodeEnd */
static volatile sig_atomic_t since;	 /* ticks since it was cancelled first */
static volatile Oid running;		 /* the view */

static void on_tick(void);
static void cancel(void);

void
user_code_init(int slot)
{
	my_slot = slot;
	timer = RegisterTimeout(USER_TIMEOUT, on_tick);
}

void
user_code_begin(Oid view, int limit_ms)
{
	/* in a session: its own statement_timeout and cancel are enough */
	if (my_slot < 0)
		return;
	ticks = 0;
	limit = (limit_ms + TICK_MS - 1) / TICK_MS;
	reason = USER_CODE_ENDED;
	since = 0;
	running = view;
	active = true;
	if (timer_runs)
		return;
	enable_timeout_every(timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TICK_MS), TICK_MS);
	timer_runs = true;
}

UserCodeEnd
user_code_end(void)
{
	if (!active)
		return reason;
	active = false;
	if (ticks >= GIVE_WAY_TICKS)
		slots_set_busy(my_slot, false);
	/* a cancel that came too late is nobody's */
	if (reason != USER_CODE_ENDED)
		QueryCancelPending = false;
	return reason;
}

char *
user_code_limit_message(int limit_ms)
{
	return psprintf("the query was canceled because it ran for more than %d ms "
					"(streambatch.view_timeout, or statement_timeout of the view's owner)",
					limit_ms);
}

void
user_code_progress(void)
{
	if (ticks > 0 && reason == USER_CODE_ENDED)
		ticks = Min(ticks, GIVE_WAY_TICKS);
}

void
user_code_rest(void)
{
	if (timer_runs)
		disable_timeout(timer, false);
	timer_runs = false;
}

bool
user_code_raised(const ErrorData *error)
{
	if (error->funcname == NULL)
		return false;
	/* where RAISE in PL/pgSQL raises; in this category the server itself raises only where it is interrupted */
	return strcmp(error->funcname, "exec_stmt_raise") == 0 ||
		   (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION &&
			strcmp(error->funcname, "ProcessInterrupts") != 0);
}

/* In a signal handler. */
static void
on_tick(void)
{
	if (!active)
		return;
	ticks++;
	if (ticks == GIVE_WAY_TICKS)
		slots_set_busy(my_slot, true);
	if (reason != USER_CODE_ENDED)
		cancel();
	else if (limit > 0 && ticks >= limit)
	{
		reason = USER_CODE_EXCEEDED;
		cancel();
	}
	else if (ticks >= GIVE_WAY_TICKS && slots_must_give_way(my_slot))
	{
		reason = USER_CODE_GAVE_WAY;
		cancel();
	}
}

static void
cancel(void)
{
	int n = since++;

	if (n % REPEAT_TICKS != 0)
		return;
	if (n / REPEAT_TICKS < MAX_CANCELS)
		QueryCancelPending = true;
	else
	{
		if (reason == USER_CODE_EXCEEDED)
			slots_blame(my_slot, running);
		ProcDiePending = true;
	}
	InterruptPending = true;
	SetLatch(MyLatch);
}
