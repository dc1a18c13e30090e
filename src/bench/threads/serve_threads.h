/* serve_threads.h -- `millrace-bench serve-threads`: the service with a thread for each connection and blocking I/O, to
 * be measured against the loop. Takes the options of `millrace`; listens, answers and ends as it does. */
#ifndef MR_BENCH_SERVE_THREADS_H
#define MR_BENCH_SERVE_THREADS_H

/* Exit status: 0 drained, 1 could not start or was cut, 2 an option is wrong. */
int mr_serve_threads_main(int argc, char *const *argv, char *const *environment);

#endif
