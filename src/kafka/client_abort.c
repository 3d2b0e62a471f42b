/*
 * client_abort.c
 *		Errors in librdkafka's threads that would end the process (see client_abort.h).
 *
 * librdkafka calls abort() if malloc() fails. The postmaster takes a process that died of a signal for corrupted
 * shared memory, and restarts the server. But the thread that aborts has never touched shared memory. So the
 * handler of SIGABRT keeps it from continuing, and wakes up the main thread, which raises an error and exits in
 * the usual way, without calling librdkafka again: the thread may hold its locks. If the main thread waits for
 * such a lock already, or for any other reason has not exited after EXIT_SECONDS, the process aborts after all.
 *
 * An abort() of the main thread, as of a failed Assert, is none of this and has its usual effect.
 *
 * librdkafka starts its threads with all signals blocked, and since glibc 2.41 abort() runs no handler of a blocked
 * signal. So each thread unblocks this one.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "kafka/client_abort.h"
#include "miscadmin.h"
#include "storage/latch.h"

#define EXIT_SECONDS 5

static pthread_t main_thread;
static volatile sig_atomic_t aborted = false;

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *arg, char *errstr,
								  size_t size);
static rd_kafka_resp_err_t on_thread_start(rd_kafka_t *rk, rd_kafka_thread_type_t type, const char *name,
										   void *arg);
static void on_abort(int signo);

void
client_abort_catch(rd_kafka_conf_t *conf)
{
	struct sigaction action = {.sa_handler = on_abort};

	(void) rd_kafka_conf_interceptor_add_on_new(conf, "streambatch_abort", on_new, NULL);
	if (pthread_equal(main_thread, pthread_self()))
		return;
	main_thread = pthread_self();
	sigemptyset(&action.sa_mask);
	sigaction(SIGABRT, &action, NULL);
}

bool
client_aborted(void)
{
	return aborted;
}

void
client_abort_check(void)
{
	if (aborted)
		ereport(MyBackendType == B_BG_WORKER ? ERROR : FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory while reading or writing a topic"),
				 errdetail("A thread of librdkafka has aborted."),
				 errhint("Reduce streambatch.prefetch, or give the server more memory.")));
}

static rd_kafka_resp_err_t
on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *arg, char *errstr, size_t size)
{
	return rd_kafka_interceptor_add_on_thread_start(rk, "streambatch_abort", on_thread_start, NULL);
}

/* Runs in the thread that starts. */
static rd_kafka_resp_err_t
on_thread_start(rd_kafka_t *rk, rd_kafka_thread_type_t type, const char *name, void *arg)
{
	sigset_t abort_only;

	sigemptyset(&abort_only);
	sigaddset(&abort_only, SIGABRT);
	pthread_sigmask(SIG_UNBLOCK, &abort_only, NULL);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Runs in the thread that aborts. */
static void
on_abort(int signo)
{
	int save_errno = errno;

	if (!pthread_equal(main_thread, pthread_self()))
	{
		struct timespec rest = {EXIT_SECONDS, 0};

		aborted = true;
		SetLatch(MyLatch);
		while (nanosleep(&rest, &rest) != 0)
			;
	}
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
	errno = save_errno;
}
