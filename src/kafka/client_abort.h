/*
 * client_abort.h
 *		Errors in librdkafka's threads that would end the process. Private to kafka/.
 */
#ifndef STREAMBATCH_CLIENT_ABORT_H
#define STREAMBATCH_CLIENT_ABORT_H

#include <librdkafka/rdkafka.h>

/* From now on, survive an abort() in another thread than this one, such as those of the client to be created. */
extern void client_abort_catch(rd_kafka_conf_t *conf);

/* Whether a thread has aborted: librdkafka must not be called any more, and the process should end. */
extern bool client_aborted(void);

/*
 * Raise out_of_memory if a thread has aborted: FATAL in a session. Call it often enough while waiting: the process
 * must have ended within a few seconds.
 */
extern void client_abort_check(void);

#endif /* STREAMBATCH_CLIENT_ABORT_H */
