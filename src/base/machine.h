/* machine.h -- what this process may use of the machine that it runs on: memory and cores, after its cgroups.
 *
 * Both versions of cgroups are read, and the limits of a group's ancestors count too (cgroups(7)). In a container the
 * path of the group may be the host's and not exist, or lead out of the container's own ("/.."): then the limit of the
 * mount itself counts. Reads files: for start-up only. */
#ifndef MR_BASE_MACHINE_H
#define MR_BASE_MACHINE_H

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

#endif
