/*
 * queue_memory.c
 *		How much memory a client's queue of fetched messages may take (see queue_memory.h).
 *
 * librdkafka ends the process if malloc() fails, and the postmaster then restarts the server, over and over if the
 * queue fills again. So the queue must fit into what a limit of the address space (ulimit -v) leaves: after
 * streambatch.work_mem and OTHER_KB, for the stacks of librdkafka's threads and a response that is being
 * decompressed, a third of it. The other two thirds are for responses, which stay in memory as long as one of
 * their messages, and for fragmentation. A response that does not fit all the same is caught by client_abort.c.
 *
 * malloc() would reserve 64 MB of addresses for each thread, and keep freed responses there; so it may not, either. Nor
 * should it without a limit: it makes the memory of such a thread usable page by page, with a system call for each, and we,
 * who free the messages, wait for the thread's lock meanwhile. A sixth of the time of a scan goes with it.
 *
 * A limit of 700 MB, of which a backend uses 250 MB before: (700 - 250 - 64 - 64) / 3 = 107 MB.
 */
#include "postgres.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/settings.h"
#include "kafka/consumer.h"
#include "kafka/queue_memory.h"

#define OTHER_KB (64 * 1024)
#define LARGE_BYTES (1024 * 1024) /* what is larger goes back to the system when it is freed */

static int halvings = 0;

static int64 address_space_kb(void);

void
consumer_halve_queue(int times)
{
	halvings = Min(times, 20);
}

int
queue_memory_fit(int wanted_kb)
{
	struct rlimit limit;
	int64 free_kb;
	int64 fit_kb;

	wanted_kb = Max(wanted_kb >> halvings, QUEUE_MIN_KB);
	(void) mallopt(M_ARENA_MAX, 1);
	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return wanted_kb;
	(void) mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	free_kb = (int64) (limit.rlim_cur / 1024) - address_space_kb();
	fit_kb = (free_kb - OTHER_KB - setting_work_mem_kb) / 3;
	if (fit_kb < QUEUE_MIN_KB)
		return 0;
	return (int) Max(Min(fit_kb >> halvings, wanted_kb), QUEUE_MIN_KB);
}

void
queue_memory_release(void)
{
	(void) malloc_trim(0);
}

void
queue_memory_raise(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("not enough memory to read a topic"),
			 errdetail("The limit of the process's address space leaves no room for a queue of messages."),
			 errhint("Raise the limit (ulimit -v) of the server, or reduce streambatch.work_mem.")));
}

/* What this process uses now; 0 if the system does not say. */
static int64
address_space_kb(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lld", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}
