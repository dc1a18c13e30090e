/* key_file.h -- a file of keys, one a line: what API keys, signing keys and presets (app/presets.h) have in common.
 *
 * Words of a line are separated by spaces and tabs. Empty lines and lines that begin with # are passed over. The file
 * is read as a whole or refused as a whole; a fault has the number of the line and no text that may be a key. Memory
 * that held the file is wiped.
 *
 * Others must not be able to read (but where there is nothing secret in it) or write the file, and its group must not
 * be able to write it. What counts is the mode of the file itself; symbolic links are followed. */
#ifndef MR_KEYS_KEY_FILE_H
#define MR_KEYS_KEY_FILE_H

#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stddef.h>

enum {
    MR_KEY_FILE_MAX = 1024 * 1024, /* bytes */
    MR_KEY_LINE_MAX = 1024,        /* bytes */
};

/* Which keys a file has. */
struct mr_key_kind {
    const char *label;    /* "API keys" */
    const char *counted;  /* the same in a word, for the log: "keys" */
    bool others_may_read; /* nothing in the file is secret */
    size_t size;          /* of the struct that holds all keys of a file */
    /* Read the text of a file, which faults call `name`. MR_OK, or MR_EPARAM, and *out is not complete. */
    int (*parse)(void *out, struct mr_slice text, const char *name, struct mr_fault *fault);
    size_t (*count)(const void *keys);
};

/* Call add() for each line that holds a key, without blanks around it. MR_OK, or the first error of add() with `name`
 * and the number of the line in front of its detail; MR_EPARAM: a line is too long. */
int mr_key_lines(struct mr_slice text, const char *name,
                 int (*add)(void *keys, struct mr_slice line, struct mr_fault *fault), void *keys,
                 struct mr_fault *fault);

/* Read a file into *out (kind->size bytes), with blocking calls. MR_OK; MR_EPARAM: what parse() refuses, and a file
 * that others may use (see above), that is too large or no regular file; MR_EIO, MR_EMEMORY. */
int mr_key_file_load(void *out, const struct mr_key_kind *kind, const char *path, struct mr_fault *fault);

#endif
