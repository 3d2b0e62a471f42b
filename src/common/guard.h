/*
 * guard.h
 *		Running as somebody, under settings that mean the same for everybody.
 *
 * Generated SQL is planned and run under search_path = pg_catalog, pg_temp and with the settings that were
 * noted when the stream or view was created; as the role that it concerns, in a security-restricted
 * operation. A guard must be left in the (sub)transaction that it was entered in; on an error the
 * (sub)transaction's abort leaves it.
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
 * Become role (InvalidOid: stay who we are), with the given settings (name, value, …; NULL: none beside
 * search_path).
 */
extern void guard_enter(Guard *guard, Oid role, ArrayType *settings);
extern void guard_leave(const Guard *guard);

/* The owner of a relation; InvalidOid where it is gone. */
extern Oid guard_owner_of(Oid relid);

/*
 * The settings of this session that text conversion depends on, as the text[] that guard_enter() takes.
 * Current context.
 */
extern ArrayType *guard_note_settings(void);

#endif /* STREAMBATCH_GUARD_H */
