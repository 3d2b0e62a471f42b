/*
 * launcher.h
 *		The launcher: a background worker that starts the workers of streams.
 */
#ifndef STREAMBATCH_LAUNCHER_H
#define STREAMBATCH_LAUNCHER_H

#include "fmgr.h"

/* Called from _PG_init while shared libraries are preloaded. */
extern void launcher_register(void);

extern PGDLLEXPORT void streambatch_launcher_main(Datum main_arg);
extern PGDLLEXPORT void streambatch_scanner_main(Datum main_arg);

#endif /* STREAMBATCH_LAUNCHER_H */
