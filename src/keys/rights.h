/* rights.h -- what an API key may allow, as bits and as words: "upload,read". Pure functions; any thread. */
#ifndef MR_KEYS_RIGHTS_H
#define MR_KEYS_RIGHTS_H

#include "base/error.h"
#include "base/slice.h"
#include <stdint.h>

enum mr_right {
    MR_RIGHT_PIPE = 1u << 0,    /* run stages */
    MR_RIGHT_UPLOAD = 1u << 1,  /* store files */
    MR_RIGHT_READ = 1u << 2,    /* get a file or an image by its id */
    MR_RIGHT_LIST = 1u << 3,    /* see which files there are */
    MR_RIGHT_EDIT = 1u << 4,    /* change what is known of a file */
    MR_RIGHT_DELETE = 1u << 5,  /* delete files */
    MR_RIGHT_METRICS = 1u << 6, /* see the numbers of the server */
    MR_RIGHT_ADMIN = 1u << 7,   /* try loads and offloads (--lab); it contains no other right */
};

#define MR_RIGHTS_SIZE 56 /* bytes of all words with their commas, and a NUL */

/* The words, by the number of their bit; ends with NULL. */
extern const char *const mr_right_names[];

/* Read one or more words with commas between them. MR_OK, or MR_EPARAM: the fault's detail names the word, unless it
 * may be a key that stands in a wrong place. */
int mr_rights_parse(struct mr_slice words, uint32_t *out, struct mr_fault *fault);
/* Write the words of the bits in their order, with commas. */
void mr_rights_write(uint32_t rights, char out[MR_RIGHTS_SIZE]);

#endif
