/* sniffer.h -- looks at the first bytes of a stream and, when they ask for it, puts another stage in between (the armor
 * around what decrypt reads); from then on it only passes things on. Everything here is called on the loop. */
#ifndef MR_PIPE_SNIFFER_H
#define MR_PIPE_SNIFFER_H

#include "pipe/transform.h"

struct mr_sniffer;

/* config: for the transform of the stage in between; its ops, stage and in are the sniffer's to set. sniff: as in
 * struct mr_stage_ops. MR_OK or MR_EMEMORY. */
int mr_sniffer_create(struct mr_sniffer **out, const struct mr_transform_config *config,
                      const struct mr_stage_ops *(*sniff)(const unsigned char *bytes, size_t len), struct mr_stream *in,
                      struct mr_fault *fault);
/* Also from inside callbacks; clears *sniffer. */
void mr_sniffer_destroy(struct mr_sniffer **sniffer);
/* Become the receiver of `in`. */
void mr_sniffer_attach(struct mr_sniffer *sniffer);
struct mr_stream *mr_sniffer_out(struct mr_sniffer *sniffer);

#endif
