/* wire.h -- the bytes of a request that is sent again and again: one head, one body. For start-up; any thread. Where
 * the path has "{n}" each request has a number of its own there, so that no two ask for the same. */
#ifndef MR_BENCH_WIRE_H
#define MR_BENCH_WIRE_H

#include "bench/load/target.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_WIRE_DIGITS 6

struct mr_wire {
    char *head;
    size_t head_len;
    size_t number_at; /* in the head: MR_WIRE_DIGITS digits; 0: it has no number */
    char *body;
    size_t body_len;
    bool is_head; /* HEAD: the answer has no body, whatever its fields say */
};

/* Build the request. header_lines: "Name: value"; one that names Host, User-Agent or Content-Length stands instead of
 * ours. body_file: NULL for none. MR_OK, MR_EPARAM (a header line) or MR_EIO (the file). */
int mr_wire_build(struct mr_wire *out, const struct mr_target *target, const char *method, char *const *header_lines,
                  size_t header_count, const char *body_file, struct mr_fault *fault);
/* Write the next number into the head; from 999999 on it begins again. */
void mr_wire_number(struct mr_wire *wire, uint64_t number);
void mr_wire_free(struct mr_wire *wire);

#endif
