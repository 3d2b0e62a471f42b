/*
 * guc.h
 *		The extension's settings.
 */
#ifndef STREAMBATCH_GUC_H
#define STREAMBATCH_GUC_H

typedef enum ServeLayer
{
	SERVE_MERGED,
	SERVE_BATCH,
	SERVE_STREAM
} ServeLayer;

extern int guc_serve;			  /* a ServeLayer */
extern int guc_work_mem_kb;		  /* memory of one worker's fold */
extern int guc_prefetch_kb;		  /* memory of one worker's queue of fetched messages */
extern char *guc_allowed_brokers; /* NULL or empty: any */
extern bool guc_autostart;
extern int guc_refresh_chunk_rows; /* events that one transaction of a refresh computes from, about */

extern void guc_define(void);

#endif /* STREAMBATCH_GUC_H */
