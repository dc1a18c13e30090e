/* localhost.h -- the names that mean this machine wherever they are resolved (RFC 6761, section 6.3). Any thread. */
#ifndef MR_NET_LOCALHOST_H
#define MR_NET_LOCALHOST_H

#include "base/slice.h"
#include <stdbool.h>

/* Is it `localhost`, `localhost.` or `*.localhost`, in any case of its letters? */
bool mr_localhost_is(struct mr_slice name);

#endif
