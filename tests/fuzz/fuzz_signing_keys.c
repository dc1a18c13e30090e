/* Properties of the file of signing keys, on any bytes:
 *  - it is read, or refused with a fault that has the number of a line, or says that there is no key;
 *  - no fault holds a long word of the file, which may be a key;
 *  - what is read has good kids, each kid and key once, and reads as the same when it is written again. */
#include "base/assert.h"
#include "keys/signing_keys.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define WORD_MAX 17 /* the shortest that is too long for a message */

static struct mr_signing_keys keys, again;

static void check_fault(const struct mr_fault *fault)
{
    MR_ASSERT(fault->error == MR_EPARAM);
    MR_ASSERT(strstr(fault->detail, "file: line ") == fault->detail ||
              strcmp(fault->detail, "file: there is no key in it") == 0);
    for (const char *at = fault->detail; *at != '\0';) {
        size_t len = strcspn(at, " ");
        MR_ASSERT(len < WORD_MAX + 3); /* quotes and a comma around it */
        at += len + (at[len] == ' ');
    }
}

static void check_written_again(void)
{
    char *written, secret[44];
    size_t len;
    FILE *out = open_memstream(&written, &len);
    for (size_t i = 0; i < keys.count; i++) {
        MR_ASSERT(mr_signing_key_is_kid(mr_slice_of(keys.keys[i].kid)));
        sodium_bin2base64(secret, sizeof(secret), keys.keys[i].secret, sizeof(keys.keys[i].secret),
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        fprintf(out, "\t%s  %s \r\n", keys.keys[i].kid, secret);
    }
    fclose(out);
    MR_ASSERT(mr_signing_keys_parse(&again, (struct mr_slice){.at = written, .len = len}, "again", NULL) == MR_OK);
    MR_ASSERT(again.count == keys.count && keys.count > 0 && keys.count <= MR_SIGNING_KEYS_MAX);
    for (size_t i = 0; i < keys.count; i++) {
        MR_ASSERT(strcmp(again.keys[i].kid, keys.keys[i].kid) == 0);
        MR_ASSERT(memcmp(again.keys[i].secret, keys.keys[i].secret, sizeof(keys.keys[i].secret)) == 0);
        for (size_t j = 0; j < i; j++)
            MR_ASSERT(strcmp(keys.keys[j].kid, keys.keys[i].kid) != 0 &&
                      memcmp(keys.keys[j].secret, keys.keys[i].secret, sizeof(keys.keys[i].secret)) != 0);
    }
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_fault fault = {0};
    if (mr_signing_keys_parse(&keys, (struct mr_slice){.at = (const char *)data, .len = size}, "file", &fault) == MR_OK)
        check_written_again();
    else
        check_fault(&fault);
    return 0;
}
