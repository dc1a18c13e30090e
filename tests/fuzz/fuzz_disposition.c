/* Properties of names of files, on any bytes:
 *  - what is read of a field lies in it, and is not longer than it;
 *  - a cleaned name is UTF-8, short, has no control and no slash, and is clean already;
 *  - a cleaned name that a response's field has is read as the same name. */
#include "base/assert.h"
#include "base/utf8.h"
#include "http/disposition.h"
#include "http/fields.h"

static void check_clean(struct mr_slice raw)
{
    char name[MR_DISPOSITION_NAME_MAX], again[MR_DISPOSITION_NAME_MAX];
    size_t len = mr_disposition_clean_name(name, raw), point_len;
    MR_ASSERT(len <= MR_DISPOSITION_NAME_MAX);
    for (size_t at = 0; at < len; at += point_len) {
        uint32_t point = 0;
        point_len = mr_utf8_decode((struct mr_slice){name + at, len - at}, &point);
        MR_ASSERT(point_len > 0 && point >= 0x20 && point != 0x7f && point != '/' && point != '\\');
    }
    MR_ASSERT(mr_disposition_clean_name(again, (struct mr_slice){name, len}) == len);
    MR_ASSERT(memcmp(again, name, len) == 0);
}

static void check_written(struct mr_slice raw)
{
    char name[MR_DISPOSITION_NAME_MAX], field[16 + 4 * MR_DISPOSITION_NAME_MAX + 100] = "form-data";
    size_t len = mr_disposition_clean_name(name, raw);
    struct mr_arena arena = {0};
    struct mr_fields fields;
    struct mr_disposition out;
    mr_fields_init(&fields, &arena);
    mr_fields_content_disposition(&fields, true, (struct mr_slice){name, len});
    struct mr_slice value = mr_fields_find(&fields, "Content-Disposition");
    value.at += strlen("attachment");
    value.len -= strlen("attachment");
    memcpy(field + 9, value.at, value.len);
    MR_ASSERT(mr_disposition_parse(field, 9 + value.len, &out));
    MR_ASSERT(mr_slice_equal(out.filename, (struct mr_slice){name, len}));
    mr_arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char copy[4096];
    struct mr_disposition out;
    if (size > sizeof(copy))
        return 0;
    memcpy(copy, data, size);
    if (mr_disposition_parse(copy, size, &out)) {
        MR_ASSERT(out.name.at == NULL || (out.name.at >= copy && out.name.at + out.name.len <= copy + size));
        MR_ASSERT(out.filename.at == NULL ||
                  (out.filename.at >= copy && out.filename.at + out.filename.len <= copy + size));
        check_clean(out.filename);
    }
    check_clean((struct mr_slice){(const char *)data, size});
    check_written((struct mr_slice){(const char *)data, size});
    return 0;
}
