/* machine.h -- what this process may use of the machine that it runs on: memory and cores, after its cgroups.
 *
 * Both versions of cgroups are read, and the limits of a group's ancestors count too (cgroups(7)). In a container the
 * path of the group may be the host's and not exist, or lead out of the container's own ("/.."): then the limit of the
 * mount itself counts. Reads files: for start-up only, but for mr_machine_read_throttling(). */
#ifndef MR_BASE_MACHINE_H
#define MR_BASE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_machine {
    uint64_t memory;     /* bytes: the smallest limit, else the RAM */
    unsigned cores;      /* that threads can run on at a time: online, allowed by the affinity, and of the quota its
                            whole cores; at least 1 */
    unsigned milliquota; /* CPU time per time that the cgroups grant, in thousandths of a core; 0: all */
};

void mr_machine_read(struct mr_machine *out);
/* The same with the files looked up under `root` (a directory, "" for the real ones): for the tests. */
void mr_machine_read_in(struct mr_machine *out, const char *root);

/* The path of the file in which the kernel counts how long the group with the smallest CPU quota was stopped. False:
 * there is no quota, or the path is longer. */
bool mr_machine_find_throttling(char *out, size_t size);
bool mr_machine_find_throttling_in(char *out, size_t size, const char *root);
/* That time since the group was made, ns, all its cores together. Reads the file, which lies in memory: microseconds.
 * False: it is not there, or does not say. */
bool mr_machine_read_throttling(const char *path, uint64_t *ns);

#endif
