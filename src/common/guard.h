/*
 * guard.h
 *		Running as another role under fixed settings.
 *
 * Generated SQL is planned and run with search_path = pg_catalog, pg_temp and the settings stored when the stream
 * or view was created, as the owner of the object, in a security-restricted operation. A guard must be left in
 * the (sub)transaction that it was entered in; on an error, the (sub)transaction's abort leaves it.
 */
#ifndef STREAMBATCH_GUARD_H
#define STREAMBATCH_GUARD_H

#include "utils/array.h"

typedef struct Guard
{
	Oid user;
	int sec_context;
	int setting_level;
} Guard;

/*
 * Switch to a role (InvalidOid: keep the current one) and to the given settings (name, value, …; NULL: none
 * besides search_path and extra_float_digits).
 */
extern void guard_enter(Guard *guard, Oid role, ArrayType *settings);
extern void guard_leave(const Guard *guard);

/* The owner of a relation; InvalidOid if it does not exist. */
extern Oid guard_owner_of(Oid relid);

/*
 * The current values of the settings that text conversion depends on, as the text[] that guard_enter() takes.
 * Current context.
 */
extern ArrayType *guard_note_settings(void);

#endif /* STREAMBATCH_GUARD_H */
