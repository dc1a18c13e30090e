/* Properties of the file of presets, on any bytes:
 *  - it is read, or refused with a fault that has the number of a line;
 *  - what is read has good names, each once, and operations that may stand in a query;
 *  - it reads as the same when it is written again with the canonical operations. */
#include "app/presets.h"
#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>

static struct mr_presets presets, again;

static void write_presets(FILE *out)
{
    char canonical[MR_IMAGE_CANONICAL_SIZE];
    for (size_t i = 0; i < presets.count; i++) {
        const struct mr_preset *preset = &presets.presets[i];
        MR_ASSERT(strlen(preset->name) > 0 && strpbrk(preset->name, " \t\r\n#/&=?%") == NULL);
        MR_ASSERT(mr_image_ops_check(&preset->ops, NULL) == MR_OK);
        MR_ASSERT(mr_image_ops_canonical(&preset->ops, canonical, sizeof(canonical)) < sizeof(canonical));
        fprintf(out, " %s\t%s \r\n", preset->name, canonical[0] != '\0' ? canonical : "ixlib=none");
        for (size_t j = 0; j < i; j++)
            MR_ASSERT(strcmp(presets.presets[j].name, preset->name) != 0);
    }
}

static void check_same(const struct mr_preset *a, const struct mr_preset *b)
{
    char one[MR_IMAGE_CANONICAL_SIZE], other[MR_IMAGE_CANONICAL_SIZE];
    mr_image_ops_canonical(&a->ops, one, sizeof(one));
    mr_image_ops_canonical(&b->ops, other, sizeof(other));
    MR_ASSERT(strcmp(one, other) == 0 && strcmp(a->name, b->name) == 0);
}

static void check_written_again(void)
{
    char *written;
    size_t len;
    FILE *out = open_memstream(&written, &len);
    MR_ASSERT(presets.count <= MR_PRESETS_MAX);
    write_presets(out);
    fclose(out);
    MR_ASSERT(mr_presets_parse(&again, (struct mr_slice){.at = written, .len = len}, "again", NULL) == MR_OK);
    MR_ASSERT(again.count == presets.count);
    for (size_t i = 0; i < presets.count; i++)
        check_same(&presets.presets[i], &again.presets[i]);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_fault fault = {0};
    if (mr_presets_parse(&presets, (struct mr_slice){.at = (const char *)data, .len = size}, "file", &fault) == MR_OK) {
        check_written_again();
    } else {
        MR_ASSERT(fault.error == MR_EPARAM);
        MR_ASSERT(strstr(fault.detail, "file: line ") == fault.detail);
    }
    return 0;
}
