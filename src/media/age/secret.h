/* secret.h -- private to media: memory for the secrets of a stage. It is kept from swap and from core files, lies
 * between guard pages (sodium_malloc()), and holds zeros when it is taken and after it was given back.
 *
 * A block costs eleven system calls to make and to free, which stop all threads of the process for a moment: a fifth of
 * what encrypting a small body costs. So some are kept for whoever comes next. Any thread; never waits. */
#ifndef MR_MEDIA_SECRET_H
#define MR_MEDIA_SECRET_H

#include <stddef.h>

enum { MR_SECRET_MAX = 3 * 1024 }; /* bytes of a block: with sodium_malloc()'s canary it fits in one page */

/* `size` bytes, MR_SECRET_MAX at most, all zero; NULL: there is no memory. Whoever has it gives it back. */
void *mr_secret_take(size_t size);

/* Wipe it, all of it, and keep or free it. */
void mr_secret_give_back(void *secret);

#endif
