/*
 * hooks.h
 *		What utility commands must wait for: DROP DATABASE and its like must find no worker in their way.
 */
#ifndef HOOKS_H
#define HOOKS_H

/* Called from _PG_init. */
extern void hooks_install(void);

#endif							/* HOOKS_H */
