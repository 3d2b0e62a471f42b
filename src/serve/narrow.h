/*
 * narrow.h
 *		Conditions on windows that are assembled from panes narrow down the panes that are read.
 */
#ifndef STREAMBATCH_NARROW_H
#define STREAMBATCH_NARROW_H

/* Called from _PG_init. */
extern void narrow_install(void);

#endif /* STREAMBATCH_NARROW_H */
