/* passphrase.h -- a secret line out of a file. Blocking. */
#ifndef MR_COMMAND_PASSPHRASE_H
#define MR_COMMAND_PASSPHRASE_H

#include "base/error.h"
#include "base/slice.h"

/* Read the first line of the file into memory that is kept from swap and core files. MR_EIO, MR_EMEMORY; MR_EPARAM: it
 * is empty or longer than a kibibyte. */
int mr_passphrase_read(struct mr_slice *out, const char *path, struct mr_fault *fault);
/* Wipe and free. */
void mr_passphrase_free(struct mr_slice *passphrase);

#endif
