/*
 * settings.h
 *		The extension's settings.
 */
#ifndef STREAMBATCH_SETTINGS_H
#define STREAMBATCH_SETTINGS_H

typedef enum ServeLayer
{
	SERVE_MERGED,
	SERVE_BATCH,
	SERVE_STREAM
} ServeLayer;

extern int setting_serve;			  /* a ServeLayer */
extern int setting_work_mem_kb;		  /* memory of one worker's fold */
extern int setting_prefetch_kb;		  /* memory of one worker's queue of fetched messages */
extern char *setting_allowed_brokers; /* NULL or empty: any */
extern bool setting_autostart;
extern int
	setting_refresh_chunk_rows; /* approximate number of events that a refresh reads in one transaction */

extern void settings_define(void);

#endif /* STREAMBATCH_SETTINGS_H */
