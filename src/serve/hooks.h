/*
 * hooks.h
 *		Utility commands: DROP DATABASE and its like must find no worker in their way, REASSIGN OWNED takes a hybrid view as a whole.
 */
#ifndef HOOKS_H
#define HOOKS_H

/* Called from _PG_init. */
extern void hooks_install(void);

#endif /* HOOKS_H */
