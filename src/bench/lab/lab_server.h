/* lab_server.h -- a server that the lab starts, watches and stops: a child process, with children of its own where
 * it has them. One thread. */
#ifndef MR_BENCH_LAB_SERVER_H
#define MR_BENCH_LAB_SERVER_H

#include "base/error.h"
#include "bench/lab/lab_result.h"
#include <stddef.h>
#include <sys/types.h>

#define MR_LAB_WORDS_MAX 8

struct mr_lab_server {
    pid_t pid;     /* read-only */
    char url[128]; /* read-only: http://127.0.0.1:PORT */
    char log[256]; /* private */
};

/* Start words[0] with the further words (a NULL ends them; the server's standard error goes to the file `log`) and wait
 * until it says that it listens. It ends with us. MR_OK or MR_EIO. */
int mr_lab_server_start(struct mr_lab_server *server, char *const *words, const char *log, struct mr_fault *fault);
/* Raise usage->rss_bytes and ->threads to what the server's processes have right now. Takes well under a millisecond.
 */
void mr_lab_server_sample(const struct mr_lab_server *server, struct mr_lab_usage *usage);
/* Processor time of the server's processes so far, seconds. */
double mr_lab_server_cpu(const struct mr_lab_server *server);
/* Let it drain, for 10 s, and fill in usage's context switches: of all processes, from start to end. MR_OK, or MR_EIO
 * when it did not end by itself or not well. */
int mr_lab_server_stop(struct mr_lab_server *server, struct mr_lab_usage *usage, struct mr_fault *fault);

#endif
