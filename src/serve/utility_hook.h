/*
 * utility_hook.h
 *		Utility commands: DROP DATABASE and its like must find no worker in their way, REASSIGN OWNED takes a hybrid view as a whole.
 */
#ifndef STREAMBATCH_UTILITY_HOOK_H
#define STREAMBATCH_UTILITY_HOOK_H

/* Called from _PG_init. */
extern void utility_hook_install(void);

#endif /* STREAMBATCH_UTILITY_HOOK_H */
