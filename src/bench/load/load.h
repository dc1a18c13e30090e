/* load.h -- `millrace-bench load`: options, one run, its report. */
#ifndef MR_BENCH_LOAD_H
#define MR_BENCH_LOAD_H

/* argv[0] is "load". Returns the exit status: 0 measured (also when the run is marked invalid), 1 could not, 2 wrong
 * options. */
int mr_load_main(int argc, char *const *argv, char *const *environment);

#endif
