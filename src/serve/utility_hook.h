/*
 * utility_hook.h
 *		Hook on utility commands: stops workers for DROP DATABASE and similar commands, and makes REASSIGN OWNED
 *		include the internal objects of hybrid views.
 */
#ifndef STREAMBATCH_UTILITY_HOOK_H
#define STREAMBATCH_UTILITY_HOOK_H

/* Called from _PG_init. */
extern void utility_hook_install(void);

#endif /* STREAMBATCH_UTILITY_HOOK_H */
