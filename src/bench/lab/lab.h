/* lab.h -- `millrace-bench lab`: the same mixed load on each concurrency model in turn, and a report of it. */
#ifndef MR_BENCH_LAB_H
#define MR_BENCH_LAB_H

/* argv[0] is "lab". Returns the exit status: 0 measured and written, 1 could not, 2 wrong options, 130 interrupted. */
int mr_lab_main(int argc, char *const *argv, char *const *environment);

#endif
