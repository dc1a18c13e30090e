/* Any bytes as ID.meta. The checksum would stop nearly all of them, so the first octet says how they are meant:
 *  - even: as they are;
 *  - odd: as the parts, with a first line that is right. The next four octets are the lengths of the private part and
 * of the payload, which are cut from the end. What is decoded is within its bounds, and encodes to what decodes to the
 * same. What is read as a usual head is what the general reading makes of it. */
#include "base/assert.h"
#include "base/utf8.h"
#include "store/fs/meta_internal.h"
#include <stdlib.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_object(const struct mr_object *object)
{
    struct mr_slice name = mr_slice_of(object->name);
    MR_ASSERT(mr_ulid_is_valid(mr_slice_of(object->id)));
    MR_ASSERT(object->rev > 0 && object->created_ms >= 0 && object->changed_ms >= 0);
    MR_ASSERT(name.len <= MR_OBJECT_NAME_MAX);
    for (size_t length; name.len > 0; name.at += length, name.len -= length) {
        length = mr_utf8_length(name);
        MR_ASSERT(length > 0 && *name.at != '/' && *name.at != 0x7f && (unsigned char)*name.at >= 0x20);
    }
    MR_ASSERT(strlen(object->type) <= MR_OBJECT_TYPE_MAX && object->type[0] != '\0');
    for (const char *at = object->type; *at != '\0'; at++)
        MR_ASSERT(*at >= ' ' && *at <= '~');
    MR_ASSERT(strlen(object->meta) <= MR_OBJECT_META_MAX && object->meta[0] == '{');
    MR_ASSERT(strlen(object->tags) <= MR_OBJECT_TAGS_MAX && object->tags[0] == '[');
}

static void check_payload(const struct mr_meta *meta)
{
    uint64_t plain = meta->payload.len;
    uint32_t number = 0;
    MR_ASSERT(meta->segment_count <= MR_META_SEGMENTS_MAX && (meta->segment_count == 0 || plain == 0));
    for (size_t i = 0; i < meta->segment_count; i++) {
        const struct mr_meta_segment *segment = &meta->segments[i];
        MR_ASSERT(segment->number > number && segment->plain <= segment->stored);
        MR_ASSERT(segment->room <= segment->stored - segment->plain);
        number = segment->number;
        plain += segment->plain;
    }
    MR_ASSERT(plain == meta->object.size);
}

/* The second encoding is the last word: white space, order and digits of the first bytes may have been others. */
static void check_again(const struct mr_meta *meta)
{
    struct mr_meta again;
    char *first, *second;
    size_t first_len, second_len;
    int err = mr_meta_encode(meta, &first, &first_len, NULL);
    MR_ASSERT(err == MR_OK || err == MR_EPARAM);
    if (err != MR_OK)
        return;
    MR_ASSERT(first_len <= MR_META_MAX);
    MR_ASSERT(mr_meta_decode(&again, meta->object.id, (struct mr_slice){first, first_len}, NULL) == MR_OK);
    MR_ASSERT(mr_slice_equal(again.payload, meta->payload) && mr_slice_equal(again.private_part, meta->private_part));
    MR_ASSERT(strcmp(again.object.meta, meta->object.meta) == 0 && strcmp(again.object.tags, meta->object.tags) == 0);
    MR_ASSERT((again.unknown == NULL) == (meta->unknown == NULL));
    MR_ASSERT(meta->unknown == NULL || strcmp(meta->unknown, again.unknown) == 0);
    MR_ASSERT(mr_meta_encode(&again, &second, &second_len, NULL) == MR_OK);
    MR_ASSERT(first_len == second_len && memcmp(first, second, first_len) == 0);
    mr_meta_free(&again);
    free(first);
    free(second);
}

static char *head_of(const struct mr_meta *meta)
{
    char *text;
    size_t len;
    int err = mr_meta_head_write(meta, &text, &len, NULL);
    MR_ASSERT(err == MR_OK || err == MR_EPARAM);
    return err == MR_OK ? text : NULL;
}

static void check_usual(struct mr_slice bytes)
{
    struct mr_slice parts[MR_META_PARTS];
    struct mr_meta usual, general;
    if (mr_meta_cut(bytes, parts, NULL) != MR_OK)
        return;
    MR_ASSERT(mr_meta_init(&usual) == MR_OK && mr_meta_init(&general) == MR_OK);
    usual.payload = general.payload = parts[2];
    if (mr_meta_usual_read(&usual, parts[0])) {
        MR_ASSERT(mr_meta_head_read(&general, parts[0], NULL) == MR_OK);
        char *expected = head_of(&general), *found = head_of(&usual);
        MR_ASSERT((expected == NULL) == (found == NULL));
        MR_ASSERT(expected == NULL || strcmp(expected, found) == 0);
        free(expected);
        free(found);
    }
    mr_meta_free(&usual);
    mr_meta_free(&general);
}

static void check(struct mr_slice bytes)
{
    struct mr_meta meta;
    struct mr_fault fault = {.error = MR_OK};
    int err = mr_meta_decode(&meta, NULL, bytes, &fault);
    MR_ASSERT(err == (int)fault.error && (err == MR_OK || (err == MR_EIO && fault.detail[0] != '\0')));
    MR_ASSERT((meta.object.name == NULL) == (err != MR_OK));
    check_usual(bytes);
    if (err == MR_OK) {
        check_object(&meta.object);
        check_payload(&meta);
        check_again(&meta);
    }
    mr_meta_free(&meta);
}

static void check_parts(const uint8_t *data, size_t size)
{
    if (size < 4)
        return;
    size_t private_part = (size_t)data[0] << 8 | data[1], payload = (size_t)data[2] << 8 | data[3];
    data += 4;
    size -= 4;
    if (private_part + payload > size)
        private_part = payload = 0;
    char *bytes = malloc(100 + size);
    int line = snprintf(bytes, 100, "millrace-object 1 %zu %zu %zu %016llx\n", size - private_part - payload,
                        private_part, payload, (unsigned long long)XXH3_64bits(data, size));
    memcpy(bytes + line, data, size);
    bytes = realloc(bytes, (size_t)line + size); /* exact: the address sanitizer sees the end */
    check((struct mr_slice){bytes, (size_t)line + size});
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        check((struct mr_slice){(const char *)data + 1, size - 1});
    else
        check_parts(data + 1, size - 1);
    return 0;
}
