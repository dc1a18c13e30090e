/* Properties of the multipart parser on any bytes: a line with the parameters of the Content-Type, then the body.
 *  - fed whole, byte by byte, and in slices between pauses, a body gives the same parts and the same outcome;
 *  - a byte costs at most three steps, whatever the boundary is;
 *  - all content that was handed over stands in the body. */
#include "http/multipart_events.h"

static int parse_body(struct mr_slice type, struct mr_slice body, size_t slice_len, struct events *events)
{
    struct mr_multipart multipart;
    struct mr_fault fault = {0};
    int err = mr_multipart_init(&multipart, type, 20, &events_receiver, events, &fault);
    if (err == MR_OK)
        err = events_feed(&multipart, body, slice_len, &fault);
    if (err == MR_OK)
        err = mr_multipart_finish(&multipart, &fault);
    MR_ASSERT(fault.error == err && (err == MR_OK || err == MR_EMULTIPART || err == MR_EPARTS));
    MR_ASSERT(events->pause_every > 0 || multipart.steps <= 3 * (uint64_t)body.len);
    MR_ASSERT(err != MR_OK || !events->is_open);
    mr_multipart_free(&multipart);
    return err;
}

static void check_same(struct mr_slice type, struct mr_slice body, size_t slice_len, unsigned pause_every,
                       const struct events *whole, int err)
{
    struct events events = {.pause_every = pause_every};
    MR_ASSERT(parse_body(type, body, slice_len, &events) == err);
    MR_ASSERT(events.len == whole->len && (events.len == 0 || memcmp(events.text, whole->text, events.len) == 0));
    free(events.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char type[300] = "multipart/form-data; boundary=";
    struct mr_slice body = {(const char *)data, size}, line = mr_slice_cut(&body, '\n');
    size_t begin = strlen(type);
    if (line.len > sizeof(type) - begin || body.at == NULL)
        return 0;
    memcpy(type + begin, line.at, line.len);
    struct mr_slice content_type = {type, begin + line.len};
    struct events whole = {.len = 0};
    int err = parse_body(content_type, body, SIZE_MAX, &whole);
    MR_ASSERT(whole.len <= 20 * 6 + body.len);
    check_same(content_type, body, 1, 0, &whole, err);
    check_same(content_type, body, 1 + size % 7, 1, &whole, err);
    check_same(content_type, body, SIZE_MAX, 2, &whole, err);
    free(whole.text);
    return 0;
}
