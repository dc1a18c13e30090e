/* Properties of the key file, on any bytes:
 *  - it is read, or refused with a fault that has the number of a line;
 *  - no fault holds a long word of the file, which may be a key;
 *  - what is read has good names and rights, each name and hash once, and reads as the same when it is written again.
 */
#include "base/assert.h"
#include "keys/api_keys.h"
#include <stdio.h>
#include <stdlib.h>

#define WORD_MAX 17 /* the shortest that is too long for a message */

static struct mr_api_keys keys, again;

/* The faults' own text has no such words but for these. */
static bool is_ours(const char *at, size_t len)
{
    static const char *const ours[] = {"hexadecimal"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(ours); i++)
        if (len == strlen(ours[i]) && memcmp(at, ours[i], len) == 0)
            return true;
    return false;
}

static void check_fault(const struct mr_fault *fault)
{
    MR_ASSERT(fault->error == MR_EPARAM);
    MR_ASSERT(strstr(fault->detail, "file: line ") == fault->detail);
    for (const char *at = fault->detail; *at != '\0';) {
        size_t len = strcspn(at, " ");
        MR_ASSERT(len < WORD_MAX + 3 || is_ours(at, len)); /* quotes and a comma around it */
        at += len + (at[len] == ' ');
    }
}

static void write_again(const struct mr_api_key *key, FILE *out)
{
    char words[MR_RIGHTS_SIZE];
    MR_ASSERT(mr_api_key_is_name(mr_slice_of(key->name)) && key->rights != 0);
    mr_rights_write(key->rights, words);
    fprintf(out, "%s sha256:", key->name);
    for (size_t i = 0; i < sizeof(key->hash); i++)
        fprintf(out, "%02x", key->hash[i]);
    fprintf(out, " %s\n", words);
}

static void check_same(void)
{
    MR_ASSERT(again.count == keys.count);
    for (size_t i = 0; i < keys.count; i++) {
        MR_ASSERT(strcmp(again.keys[i].name, keys.keys[i].name) == 0);
        MR_ASSERT(memcmp(again.keys[i].hash, keys.keys[i].hash, sizeof(keys.keys[i].hash)) == 0);
        MR_ASSERT(again.keys[i].rights == keys.keys[i].rights);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_fault fault = {0};
    struct mr_slice text = {.at = (const char *)data, .len = size};
    if (mr_api_keys_parse(&keys, text, "file", &fault) != MR_OK) {
        check_fault(&fault);
        return 0;
    }
    char *written;
    size_t len;
    FILE *out = open_memstream(&written, &len);
    for (size_t i = 0; i < keys.count; i++)
        write_again(&keys.keys[i], out);
    fclose(out);
    MR_ASSERT(mr_api_keys_parse(&again, (struct mr_slice){.at = written, .len = len}, "again", &fault) == MR_OK);
    check_same();
    (void)mr_api_keys_find(&keys, text);
    free(written);
    return 0;
}
