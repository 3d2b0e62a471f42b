/*
 * narrow.h
 *		Conditions on windows that are assembled from panes narrow down the panes that are read.
 */
#ifndef NARROW_H
#define NARROW_H

/* Called from _PG_init. */
extern void narrow_install(void);

#endif /* NARROW_H */
