/* replaced.h -- included ahead of the sources under test: what they get from the system comes from machine.c. */
#ifndef EXPLORE_REPLACED_H
#define EXPLORE_REPLACED_H

#define malloc        machine_malloc
#define calloc        machine_calloc
#define aligned_alloc machine_aligned_alloc
#define free          machine_free
#define sched_yield   machine_yield
#define syscall       machine_syscall

/* A worker that searches before it sleeps only looks more often: nothing new to see, and many more states. */
#define MR_SEARCH_LOOKS 0

#endif
