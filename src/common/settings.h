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

/* Of which groups a refresh compares the values with those that were served. */
typedef enum DriftTracking
{
	DRIFT_OF_SAMPLE,
	DRIFT_OF_ALL,
	DRIFT_OFF
} DriftTracking;

extern int setting_serve;			  /* a ServeLayer */
extern int setting_work_mem_kb;		  /* memory of one worker's fold */
extern int setting_prefetch_kb;		  /* memory of one worker's queue of fetched messages */
extern char *setting_allowed_brokers; /* NULL or empty: any */
extern bool setting_autostart;
extern int setting_max_dead_letters; /* a stream with so many stops at the next one; 0: no limit */
extern int
	setting_refresh_chunk_rows;		/* approximate number of events that a refresh reads in one transaction */
extern int setting_track_drift;		/* a DriftTracking */
extern int setting_view_timeout_ms; /* of a view's query over one batch; 0: none */
extern int setting_max_streams_per_role; /* -1: half of max_worker_processes; 0: any number */

extern void settings_define(void);

/*
 * In a background process: switch off the time limits of sessions, whatever the configuration, database or role
 * says. Before connecting, which is a transaction, too.
 */
extern void settings_end_timeouts(void);

#endif /* STREAMBATCH_SETTINGS_H */
