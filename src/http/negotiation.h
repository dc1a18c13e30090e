/* negotiation.h -- what a client says that it takes (RFC 9110, section 12). Pure functions; any thread. */
#ifndef MR_HTTP_NEGOTIATION_H
#define MR_HTTP_NEGOTIATION_H

#include "http/head.h"

/* Does Accept name the media type `type` ("image/avif")? Ranges do not count: clients send them for whatever
 * they can show, and for what they cannot. A type with a weight of zero is refused, also if it is named again. */
bool mr_negotiation_names(const struct mr_head *head, const char *type);
/* Does Accept-Encoding name the coding ("gzip"), and not refuse it? */
bool mr_negotiation_takes_coding(const struct mr_head *head, const char *coding);

/* "0", "0.0", "0.00": not acceptable (RFC 9110, section 12.4.2). */
bool mr_negotiation_is_zero(struct mr_slice weight);

#endif
