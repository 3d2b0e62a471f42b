/*
 * hooks.h
 *		Utility commands: DROP DATABASE and its like must find no worker in their way, REASSIGN OWNED takes a hybrid view as a whole.
 */
#ifndef STREAMBATCH_HOOKS_H
#define STREAMBATCH_HOOKS_H

/* Called from _PG_init. */
extern void hooks_install(void);

#endif /* STREAMBATCH_HOOKS_H */
