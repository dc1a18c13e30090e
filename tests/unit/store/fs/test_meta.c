#include "dies.h"
#include "store/fs/meta.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include <cmocka.h>

#define ID "01M8K7ZZZZ0123456789ABCDEF"

/* ---- made by hand, as the format has it ---- */

struct file {
    char *bytes;
    size_t len;
};

static struct file file_of(const char *lengths, struct mr_slice body)
{
    struct file file;
    FILE *out = open_memstream(&file.bytes, &file.len);
    assert_non_null(out);
    fprintf(out, "millrace-object 1 %s %016llx\n", lengths, (unsigned long long)XXH3_64bits(body.at, body.len));
    fwrite(body.at, 1, body.len, out);
    fclose(out);
    return file;
}

static int decode(struct mr_meta *meta, const struct file *file, struct mr_fault *fault)
{
    return mr_meta_decode(meta, ID, (struct mr_slice){file->bytes, file->len}, fault);
}

/* The head alone, with a right line, and a payload of that many zeros. */
static struct file file_with_head(const char *head, size_t payload)
{
    char lengths[64];
    size_t len = strlen(head);
    char *body = calloc(1, len + payload + 1);
    memcpy(body, head, len);
    snprintf(lengths, sizeof(lengths), "%zu 0 %zu", len, payload);
    struct file file = file_of(lengths, (struct mr_slice){body, len + payload});
    free(body);
    return file;
}

static void assert_refused(const struct file *file, const char *says)
{
    struct mr_meta meta;
    struct mr_fault fault = {.error = MR_OK};
    char *exact = malloc(file->len + (file->len == 0)); /* the address sanitizer sees the end */
    memcpy(exact, file->bytes, file->len);
    int err = mr_meta_decode(&meta, ID, (struct mr_slice){exact, file->len}, &fault);
    free(exact);
    assert_int_equal(err, MR_EIO);
    assert_int_equal(fault.error, MR_EIO);
    if (strstr(fault.detail, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", fault.detail, says);
    assert_null(meta.object.name);
    mr_meta_free(&meta);
}

/* ---- an object with all there is ---- */

static void fill(struct mr_meta *meta, const char *payload, size_t len)
{
    assert_int_equal(mr_meta_init(meta), MR_OK);
    struct mr_object *object = &meta->object;
    memcpy(object->id, ID, sizeof(object->id));
    object->rev = 7;
    assert_int_equal(mr_object_set_name(object, MR_SLICE("\xc3\xa4 \"b\".jpg"), NULL), MR_OK);
    assert_int_equal(mr_object_set_type(object, MR_SLICE("image/jpeg"), NULL), MR_OK);
    object->created_ms = 1796000000123;
    object->changed_ms = 1796000000456;
    object->has_sha256 = object->has_focal = object->is_image = true;
    for (size_t i = 0; i < sizeof(object->sha256); i++)
        object->sha256[i] = (uint8_t)(i * 9);
    object->focal_x = 0.25;
    object->focal_y = 0.875;
    free(object->tags);
    free(object->meta);
    object->tags = strdup("[\"a\",\"b\"]");
    object->meta = strdup("{\"camera\":{\"f\":2.8,\"iso\":[100,200]},\"\":null}");
    object->size = len;
    meta->payload = (struct mr_slice){payload, len};
    meta->private_part = MR_SLICE("age-encryption.org/v1\n\0\xff");
    meta->unknown = strdup("\"later\":{\"x\":[1.5]},\"flag\":true");
}

static struct file encode(const struct mr_meta *meta)
{
    struct file file;
    struct mr_fault fault = {.error = MR_OK};
    int err = mr_meta_encode(meta, &file.bytes, &file.len, &fault);
    assert_int_equal(err, MR_OK);
    return file;
}

static void assert_same(const struct mr_meta *a, const struct mr_meta *b)
{
    assert_string_equal(a->object.id, b->object.id);
    assert_int_equal(a->object.rev, b->object.rev);
    assert_string_equal(a->object.name, b->object.name);
    assert_string_equal(a->object.type, b->object.type);
    assert_int_equal(a->object.size, b->object.size);
    assert_int_equal(a->object.created_ms, b->object.created_ms);
    assert_int_equal(a->object.changed_ms, b->object.changed_ms);
    assert_int_equal(a->object.has_sha256, b->object.has_sha256);
    assert_memory_equal(a->object.sha256, b->object.sha256, sizeof(a->object.sha256));
    assert_int_equal(a->object.has_focal, b->object.has_focal);
    assert_true(a->object.focal_x == b->object.focal_x && a->object.focal_y == b->object.focal_y);
    assert_int_equal(a->object.is_image, b->object.is_image);
    assert_string_equal(a->object.tags, b->object.tags);
    assert_string_equal(a->object.meta, b->object.meta);
    assert_int_equal(a->segment_count, b->segment_count);
    if (a->segment_count > 0)
        assert_memory_equal(a->segments, b->segments, a->segment_count * sizeof(*a->segments));
    assert_true(mr_slice_equal(a->payload, b->payload));
    assert_true(mr_slice_equal(a->private_part, b->private_part));
    assert_true((a->unknown == NULL) == (b->unknown == NULL));
    if (a->unknown != NULL)
        assert_string_equal(a->unknown, b->unknown);
}

static void assert_round_trip(const struct mr_meta *meta)
{
    struct mr_meta again;
    struct file file = encode(meta);
    assert_int_equal(decode(&again, &file, NULL), MR_OK);
    assert_same(meta, &again);
    struct file rewritten = encode(&again);
    assert_int_equal(rewritten.len, file.len);
    assert_memory_equal(rewritten.bytes, file.bytes, file.len);
    mr_meta_free(&again);
    free(file.bytes);
    free(rewritten.bytes);
}

static void what_is_encoded_is_decoded_and_encoded_the_same(void **state)
{
    (void)state;
    struct mr_meta meta;
    fill(&meta, "the\0payload\n", 12);
    assert_round_trip(&meta);
    mr_meta_free(&meta);
    fill(&meta, "", 0);
    free(meta.unknown);
    meta.unknown = NULL;
    meta.private_part = MR_SLICE("");
    meta.object.has_sha256 = meta.object.has_focal = meta.object.is_image = false;
    memset(meta.object.sha256, 0, sizeof(meta.object.sha256));
    meta.object.focal_x = meta.object.focal_y = 0;
    assert_round_trip(&meta);
    mr_meta_free(&meta);
}

static void a_shell_can_cut_it(void **state)
{
    (void)state;
    struct mr_meta meta;
    fill(&meta, "payload", 7);
    struct file file = encode(&meta);
    unsigned head, private_part, payload;
    unsigned line;
    assert_int_equal(
        sscanf(file.bytes, "millrace-object 1 %u %u %u %*16[0-9a-f]%n", &head, &private_part, &payload, (int *)&line),
        3);
    assert_int_equal(file.bytes[line], '\n');
    assert_int_equal(file.bytes[line + head], '\n');
    assert_memory_equal(file.bytes + line + 1, "{\"id\":\"" ID "\",\"rev\":7,", 34);
    assert_int_equal(private_part, meta.private_part.len);
    assert_memory_equal(file.bytes + file.len - payload, "payload", 7);
    mr_meta_free(&meta);
    free(file.bytes);
}

static void members_of_a_later_version_are_kept(void **state)
{
    (void)state;
    struct file file = file_with_head("{\"later\":[1,{\"a\":null}],\"id\":\"" ID
                                      "\",\"rev\":1,\"name\":\"\",\"type\":\"a/b\",\"size\":3,"
                                      "\"state\":\"held\",\"created_ms\":1,\"changed_ms\":2,\"is_image\":false,"
                                      "\"tags\":[],\"meta\":{},\"segments\":[],\"z\":0.1}\n",
                                      3);
    struct mr_meta meta, again;
    assert_int_equal(decode(&meta, &file, NULL), MR_OK);
    assert_string_equal(meta.unknown, "\"later\":[1,{\"a\":null}],\"state\":\"held\",\"z\":0.1");
    meta.object.rev++;
    struct file rewritten = encode(&meta);
    assert_int_equal(decode(&again, &rewritten, NULL), MR_OK);
    assert_int_equal(again.object.rev, 2);
    assert_string_equal(again.unknown, meta.unknown);
    mr_meta_free(&meta);
    mr_meta_free(&again);
    free(file.bytes);
    free(rewritten.bytes);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct mr_meta meta;
    fill(&meta, "some bytes of payload", 21);
    struct file file = encode(&meta);
    for (size_t len = 0; len < file.len; len++)
        assert_refused(&(struct file){file.bytes, len}, "damaged");
    char *longer = calloc(1, file.len + 1);
    memcpy(longer, file.bytes, file.len);
    assert_refused(&(struct file){longer, file.len + 1}, "length");
    mr_meta_free(&meta);
    free(longer);
    free(file.bytes);
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct mr_meta meta;
    fill(&meta, "some bytes of payload", 21);
    struct file file = encode(&meta);
    for (size_t i = 0; i < file.len * 8; i++) {
        file.bytes[i / 8] ^= (char)(1 << i % 8);
        assert_refused(&file, "The metadata of an object is ");
        file.bytes[i / 8] ^= (char)(1 << i % 8);
    }
    mr_meta_free(&meta);
    free(file.bytes);
}

static void a_line_that_is_not_as_it_is_written_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *says;
    } table[] = {
        {"", "does not begin"},
        {"millrace-object", "does not begin"},
        {"Millrace-object 1 2 0 0 2d06800538d394c2\n{}", "does not begin"},
        {"millrace-object 2 2 0 0 2d06800538d394c2\n{}", "version 2"},
        {"millrace-object 0 2 0 0 2d06800538d394c2\n{}", "version 0"},
        {"millrace-object 4294967295 what comes then", "version 4294967295"},
        {"millrace-object 4294967296 2 0 0 2d06800538d394c2\n{}", "first line"},
        {"millrace-object -1 2 0 0 2d06800538d394c2\n{}", "first line"},
        {"millrace-object 1", "first line"},
        {"millrace-object 1 ", "first line"},
        {"millrace-object 1 2 0", "first line"},
        {"millrace-object 1 2 0 0 ", "length"},
        {"millrace-object 1 2 0 0 2d06800538d394c2\n{}}", "length"},
        {"millrace-object 1 3 0 0 2d06800538d394c2\n{}", "length"},
        {"millrace-object 1 16385 0 0 2d06800538d394c2\n{}", "first line"},
        {"millrace-object 1 2 16385 0 2d06800538d394c2\n{}", "first line"},
        {"millrace-object 1 2 0 32769 2d06800538d394c2\n{}", "first line"},
        {"millrace-object 1 2 0 18446744073709551616 2d06800538d394c2\n{}", "first line"},
        {"millrace-object 1  2 0 0 2d06800538d394c2\n{}", "first line"},
        {"millrace-object 1\t2 0 0 2d06800538d394c2\n{}", "first line"},
        {"millrace-object 1 2 0 0 0000000000000000\n{}", "checksum"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++)
        assert_refused(&(struct file){(char *)(uintptr_t)table[i].bytes, strlen(table[i].bytes)}, table[i].says);
}

/* Other spellings of a line that is right. */
static void a_line_has_one_spelling(void **state)
{
    (void)state;
    struct mr_meta meta;
    fill(&meta, "", 0);
    struct file file = encode(&meta);
    char *newline = memchr(file.bytes, '\n', file.len);
    size_t line = (size_t)(newline - file.bytes);
    for (size_t i = line - 16; i < line; i++) {
        if (file.bytes[i] < 'a')
            continue;
        file.bytes[i] ^= 0x20;
        assert_refused(&file, "checksum");
        file.bytes[i] ^= 0x20;
    }
    *newline = ' ';
    assert_refused(&file, "checksum");
    *newline = '\n';
    char *zero = calloc(1, file.len + 1);
    size_t at = sizeof("millrace-object ") - 1;
    memcpy(zero, file.bytes, at);
    zero[at] = '0';
    memcpy(zero + at + 1, file.bytes + at, file.len - at);
    assert_refused(&(struct file){zero, file.len + 1}, "checksum");
    free(zero);
    free(file.bytes);
    mr_meta_free(&meta);
}

static void a_line_that_lies_about_its_parts_is_refused(void **state)
{
    (void)state;
    struct mr_meta meta;
    fill(&meta, "abcdef", 6);
    struct file file = encode(&meta);
    size_t line = (size_t)((char *)memchr(file.bytes, '\n', file.len) - file.bytes) + 1;
    struct mr_slice body = {file.bytes + line, file.len - line};
    size_t head = (size_t)((char *)memchr(body.at, '\n', body.len) - body.at) + 1;
    size_t private_part = meta.private_part.len;
    const struct {
        size_t lengths[3];
        const char *says;
    } table[] = {
        {{head - 1, private_part + 1, 6}, "no line of JSON"},
        {{head + 1, private_part - 1, 6}, "no line of JSON"},
        {{0, private_part + head, 6}, "no line of JSON"},
        {{1, private_part + head - 1, 6}, "no line of JSON"},
        {{head, private_part + 6, 0}, "\"size\""},
        {{head, private_part - 1, 7}, "\"size\""},
        {{head + private_part + 6, 0, 0}, "no line of JSON"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        char lengths[64];
        snprintf(lengths, sizeof(lengths), "%zu %zu %zu", table[i].lengths[0], table[i].lengths[1],
                 table[i].lengths[2]);
        struct file lie = file_of(lengths, body);
        assert_refused(&lie, table[i].says);
        free(lie.bytes);
    }
    free(file.bytes);
    mr_meta_free(&meta);
}

#define HEAD(id, rev, size, rest)                                                  \
    "{\"id\":" id ",\"rev\":" rev ",\"name\":\"\",\"type\":\"a/b\",\"size\":" size \
    ",\"created_ms\":1,\"changed_ms\":2,"                                          \
    "\"is_image\":false,\"tags\":[],\"meta\":{}" rest "}\n"
#define GOOD ",\"segments\":[]"

static void a_head_with_a_wrong_member_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *head, *says;
    } table[] = {
        {"{}\n", "\"id\""},
        {"\n", "no line of JSON"},
        {"[]\n", "no line of JSON"},
        {" {}\n", "no line of JSON"},
        {"{}", "no line of JSON"},
        {"{}{}\n", "cannot be read"},
        {"{\"id\":1,\"id\":1}\n", "cannot be read"},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n", "cannot be read"},
        {HEAD("\"01m8k7zzzz0123456789abcdef\"", "1", "0", GOOD), "\"id\""},
        {HEAD("\"01M8K7ZZZZ0123456789ABCDEE\"", "1", "0", GOOD), "another object"},
        {HEAD("\"" ID "\"", "0", "0", GOOD), "\"rev\""},
        {HEAD("\"" ID "\"", "-1", "0", GOOD), "\"rev\""},
        {HEAD("\"" ID "\"", "1.0", "0", GOOD), "\"rev\""},
        {HEAD("\"" ID "\"", "\"1\"", "0", GOOD), "\"rev\""},
        {HEAD("\"" ID "\"", "9223372036854775808", "0", GOOD), "cannot be read"},
        {HEAD("\"" ID "\"", "1", "-1", GOOD), "\"size\""},
        {HEAD("\"" ID "\"", "1", "1", GOOD), "\"size\""},
        {HEAD("\"" ID "\"", "1", "0", ""), "\"segments\""},
        {HEAD("\"" ID "\"", "1", "0", ",\"segments\":{}"), "\"segments\""},
        {HEAD("\"" ID "\"", "1", "0", GOOD ",\"sha256\":\"00\""), "\"sha256\""},
        {HEAD("\"" ID "\"", "1", "0", GOOD ",\"sha256\":null"), "\"sha256\""},
        {HEAD("\"" ID "\"", "1", "0",
              GOOD ",\"sha256\":\"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\""),
         "\"sha256\""},
        {HEAD("\"" ID "\"", "1", "0",
              GOOD ",\"sha256\":\"gfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\""),
         "\"sha256\""},
        {HEAD("\"" ID "\"", "1", "0", GOOD ",\"focal\":null"), "\"focal\""},
        {HEAD("\"" ID "\"", "1", "0", GOOD ",\"focal\":{\"x\":0.5}"), "\"focal\""},
        {HEAD("\"" ID "\"", "1", "0", GOOD ",\"focal\":{\"x\":0.5,\"y\":1.5}"), "\"focal\""},
        {HEAD("\"" ID "\"", "1", "0", GOOD ",\"focal\":{\"x\":0.5,\"y\":1,\"z\":0}"), "\"focal\""},
        {"{\"id\":\"" ID "\",\"rev\":1,\"name\":\"a/b\",\"type\":\"a/b\"}\n", "\"name\""},
        {"{\"id\":\"" ID "\",\"rev\":1,\"name\":\"a\",\"type\":\"a\\n\"}\n", "\"type\""},
        {"{\"id\":\"" ID "\",\"rev\":1,\"name\":\"a\",\"type\":\"a\",\"size\":0,\"created_ms\":-1}\n",
         "\"created_ms\""},
        {"{\"id\":\"" ID "\",\"rev\":1,\"name\":\"a\",\"type\":\"a\",\"size\":0,\"created_ms\":1,\"changed_ms\":1,"
         "\"is_image\":0}\n",
         "\"is_image\""},
        {"{\"id\":\"" ID "\",\"rev\":1,\"name\":\"a\",\"type\":\"a\",\"size\":0,\"created_ms\":1,\"changed_ms\":1,"
         "\"is_image\":true,\"tags\":{}}\n",
         "\"tags\""},
        {"{\"id\":\"" ID "\",\"rev\":1,\"name\":\"a\",\"type\":\"a\",\"size\":0,\"created_ms\":1,\"changed_ms\":1,"
         "\"is_image\":true,\"tags\":[],\"meta\":[]}\n",
         "\"meta\""},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct file file = file_with_head(table[i].head, 0);
        assert_refused(&file, table[i].says);
        free(file.bytes);
    }
}

static void segments_must_fit_the_object(void **state)
{
    (void)state;
    static const struct {
        const char *size, *segments;
        size_t payload;
        bool is_right;
    } table[] = {
        {"0", "[]", 0, true},
        {"5", "[]", 5, true},
        {"5", "[[1,5,5,0]]", 0, true},
        {"5", "[[1,3,3,0],[2,2,2,0]]", 0, true},
        {"5", "[[7,3,3,0],[4294967295,4100,2,4096]]", 0, true},
        {"9223372036854775807", "[[1,9223372036854775807,9223372036854775807,0]]", 0, true},
        {"5", "[[1,5,5,0]]", 5, false}, /* inline, too */
        {"5", "[]", 4, false},
        {"5", "[[1,4,4,0]]", 0, false}, /* less than the object */
        {"5", "[[1,6,6,0]]", 0, false}, /* more */
        {"5", "[[1,5,5,0],[2,1,1,0]]", 0, false},
        {"5", "[[0,5,5,0]]", 0, false}, /* no number */
        {"5", "[[4294967296,5,5,0]]", 0, false},
        {"5", "[[2,3,3,0],[1,2,2,0]]", 0, false}, /* out of order */
        {"5", "[[1,3,3,0],[1,2,2,0]]", 0, false}, /* twice */
        {"5", "[[1,5,5,1]]", 0, false},           /* no room for the room */
        {"5", "[[1,4,5,0]]", 0, false},
        {"5", "[[1,4,4,5],[2,1,1,0]]", 0, false},
        {"5", "[[1,5,5]]", 0, false},
        {"5", "[[1,5,5,0,0]]", 0, false},
        {"5", "[[1,-5,5,0]]", 0, false},
        {"5", "[[1,5.0,5,0]]", 0, false},
        {"5", "[[\"1\",5,5,0]]", 0, false},
        {"5", "[{\"1\":5}]", 0, false},
        {"5", "[1,5,5,0]", 0, false},
        {"4", "[[1,9223372036854775807,9223372036854775807,0],[2,9,9,0]]", 0, false}, /* their sum overflows */
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        char head[512];
        struct mr_meta meta;
        struct mr_fault fault;
        snprintf(head, sizeof(head), HEAD("\"" ID "\"", "1", "%s", ",\"segments\":%s"), table[i].size,
                 table[i].segments);
        struct file file = file_with_head(head, table[i].payload);
        int err = decode(&meta, &file, &fault);
        if (err != (table[i].is_right ? MR_OK : MR_EIO))
            fail_msg("size %s of segments %s: %d", table[i].size, table[i].segments, err);
        mr_meta_free(&meta);
        free(file.bytes);
    }
}

/* ---- bounds ---- */

static void add_segments(struct mr_meta *meta, size_t count)
{
    meta->payload = MR_SLICE("");
    meta->segments = calloc(count, sizeof(*meta->segments));
    meta->segment_count = count;
    meta->object.size = 0;
    for (size_t i = 0; i < count; i++) {
        meta->segments[i] = (struct mr_meta_segment){.number = (uint32_t)(9000 + i),
                                                     .stored = (UINT64_C(1) << 40) + 4096,
                                                     .plain = UINT64_C(1) << 40,
                                                     .room = 4096};
        meta->object.size += UINT64_C(1) << 40;
    }
}

static void as_many_segments_as_there_may_be_fit(void **state)
{
    (void)state;
    struct mr_meta meta;
    fill(&meta, "", 0);
    add_segments(&meta, MR_META_SEGMENTS_MAX);
    assert_round_trip(&meta);
    mr_meta_free(&meta);
    fill(&meta, "", 0);
    add_segments(&meta, MR_META_SEGMENTS_MAX + 1);
    char *out;
    size_t len;
    assert_dies(mr_meta_encode(&meta, &out, &len, NULL));
    mr_meta_free(&meta);
}

static char *text_of(const char *before, size_t len, const char *behind)
{
    char *text = malloc(len + 1);
    size_t before_len = strlen(before), behind_len = strlen(behind);
    memset(text, 'x', len);
    memcpy(text, before, before_len);
    memcpy(text + len - behind_len, behind, behind_len + 1);
    return text;
}

/* With an inline payload, or one segment, whatever users may set fits. */
static void the_largest_object_fits(void **state)
{
    (void)state;
    static char payload[MR_META_PAYLOAD_MAX];
    char text[256];
    struct mr_meta meta;
    fill(&meta, payload, sizeof(payload));
    memset(text, '"', sizeof(text));
    assert_int_equal(mr_object_set_name(&meta.object, (struct mr_slice){text, MR_OBJECT_NAME_MAX}, NULL), MR_OK);
    assert_int_equal(mr_object_set_type(&meta.object, (struct mr_slice){text, MR_OBJECT_TYPE_MAX}, NULL), MR_OK);
    free(meta.object.meta);
    free(meta.object.tags);
    meta.object.meta = text_of("{\"a\":\"", MR_OBJECT_META_MAX, "\"}");
    meta.object.tags = text_of("[\"", MR_OBJECT_TAGS_MAX, "\"]");
    meta.object.created_ms = meta.object.changed_ms = INT64_MAX;
    meta.object.rev = INT64_MAX;
    assert_round_trip(&meta);
    mr_meta_free(&meta);
}

static void texts_of_members_have_a_longest_one(void **state)
{
    (void)state;
    struct mr_meta meta;
    fill(&meta, "", 0);
    free(meta.object.meta);
    meta.object.meta = text_of("{\"a\":\"", MR_OBJECT_META_MAX + 1, "\"}");
    struct file file = encode(&meta);
    assert_refused(&file, "\"meta\"");
    mr_meta_free(&meta);
    free(file.bytes);
    fill(&meta, "", 0);
    free(meta.object.tags);
    meta.object.tags = text_of("[\"", MR_OBJECT_TAGS_MAX + 1, "\"]");
    file = encode(&meta);
    assert_refused(&file, "\"tags\"");
    mr_meta_free(&meta);
    free(file.bytes);
}

static void a_head_above_16_kib_is_not_written(void **state)
{
    (void)state;
    struct mr_meta meta;
    struct mr_fault fault;
    char *out;
    size_t len;
    fill(&meta, "", 0);
    struct file file = encode(&meta);
    size_t head = (size_t)strtoul(file.bytes + sizeof("millrace-object 1 ") - 1, NULL, 10);
    size_t unknown = strlen(meta.unknown) + MR_META_HEAD_MAX - head;
    free(meta.unknown);
    meta.unknown = text_of("\"a\":\"", unknown, "\"");
    assert_round_trip(&meta);
    free(meta.unknown);
    meta.unknown = text_of("\"a\":\"", unknown + 1, "\"");
    assert_int_equal(mr_meta_encode(&meta, &out, &len, &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "metadata");
    assert_int_equal(fault.limit, MR_META_HEAD_MAX);
    assert_int_equal(fault.value, MR_META_HEAD_MAX + 1);
    mr_meta_free(&meta);
    free(file.bytes);
}

static void a_file_above_64_kib_is_not_written(void **state)
{
    (void)state;
    static char bytes[MR_META_PAYLOAD_MAX];
    struct mr_meta meta;
    struct mr_fault fault;
    char *out;
    size_t len;
    fill(&meta, bytes, sizeof(bytes));
    meta.private_part = (struct mr_slice){bytes, MR_META_PRIVATE_MAX};
    free(meta.unknown);
    meta.unknown = text_of("\"a\":\"", 1000, "\"");
    struct file file = encode(&meta);
    size_t unknown = 1000 + MR_META_MAX - file.len;
    free(meta.unknown);
    meta.unknown = text_of("\"a\":\"", unknown - 1, "\""); /* the head's length has one more digit then */
    assert_round_trip(&meta);
    free(meta.unknown);
    meta.unknown = text_of("\"a\":\"", unknown, "\"");
    assert_int_equal(mr_meta_encode(&meta, &out, &len, &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "object");
    assert_int_equal(fault.limit, MR_META_MAX);
    assert_int_equal(fault.value, MR_META_MAX + 1);
    mr_meta_free(&meta);
    free(file.bytes);
}

static void a_long_head_is_not_for_a_loop(void **state)
{
    (void)state;
    struct mr_meta meta;
    for (size_t more = 0; more < 2; more++) {
        static char payload[MR_META_PAYLOAD_MAX];
        fill(&meta, payload, sizeof(payload)); /* its length does not count */
        struct file file = encode(&meta);
        size_t head = (size_t)strtoul(file.bytes + sizeof("millrace-object 1 ") - 1, NULL, 10);
        assert_true(mr_meta_is_quick((struct mr_slice){file.bytes, file.len}));
        free(file.bytes);
        size_t unknown = strlen(meta.unknown) + MR_META_QUICK_MAX - head;
        free(meta.unknown);
        meta.unknown = text_of("\"a\":\"", unknown + more, "\"");
        file = encode(&meta);
        assert_int_equal(mr_meta_is_quick((struct mr_slice){file.bytes, file.len}), more == 0);
        mr_meta_free(&meta);
        free(file.bytes);
    }
    assert_true(mr_meta_is_quick(MR_SLICE(""))); /* and is then refused */
}

static void what_the_caller_must_bound_is_asserted(void **state)
{
    (void)state;
    static char bytes[MR_META_PAYLOAD_MAX + 1];
    struct mr_meta meta;
    char *out;
    size_t len;
    fill(&meta, bytes, sizeof(bytes));
    assert_dies(mr_meta_encode(&meta, &out, &len, NULL));
    meta.payload.len = 5;
    assert_dies(mr_meta_encode(&meta, &out, &len, NULL)); /* the size is another */
    meta.object.size = 5;
    meta.private_part = (struct mr_slice){bytes, MR_META_PRIVATE_MAX + 1};
    assert_dies(mr_meta_encode(&meta, &out, &len, NULL));
    meta.private_part = MR_SLICE("");
    meta.object.created_ms = -1;
    assert_dies(mr_meta_encode(&meta, &out, &len, NULL));
    mr_meta_free(&meta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded_and_encoded_the_same),
        cmocka_unit_test(a_shell_can_cut_it),
        cmocka_unit_test(members_of_a_later_version_are_kept),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(a_line_that_is_not_as_it_is_written_is_refused),
        cmocka_unit_test(a_line_has_one_spelling),
        cmocka_unit_test(a_line_that_lies_about_its_parts_is_refused),
        cmocka_unit_test(a_head_with_a_wrong_member_is_refused),
        cmocka_unit_test(segments_must_fit_the_object),
        cmocka_unit_test(as_many_segments_as_there_may_be_fit),
        cmocka_unit_test(the_largest_object_fits),
        cmocka_unit_test(texts_of_members_have_a_longest_one),
        cmocka_unit_test(a_head_above_16_kib_is_not_written),
        cmocka_unit_test(a_file_above_64_kib_is_not_written),
        cmocka_unit_test(a_long_head_is_not_for_a_loop),
        cmocka_unit_test(what_the_caller_must_bound_is_asserted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
