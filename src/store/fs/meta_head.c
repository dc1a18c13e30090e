#include "store/fs/meta_internal.h"
#include "store/json_in.h"
#include <sodium.h>
#include <stdlib.h>

enum { SHA256_HEX_LEN = 2 * MR_OBJECT_SHA256_LEN };

static const char *const known_members[] = {
    "id",     "rev",   "name",     "type", "size", "created_ms", "changed_ms",
    "sha256", "focal", "is_image", "tags", "meta", "segments",
};

/* ---- writing ---- */

static void write_segments(struct mr_json *json, const struct mr_meta *meta)
{
    mr_json_open(json, "segments", '[');
    for (size_t i = 0; i < meta->segment_count; i++) {
        const struct mr_meta_segment *segment = &meta->segments[i];
        mr_json_open(json, NULL, '[');
        mr_json_integer(json, NULL, segment->number);
        mr_json_integer(json, NULL, segment->stored);
        mr_json_integer(json, NULL, segment->plain);
        mr_json_integer(json, NULL, segment->room);
        mr_json_close(json);
    }
    mr_json_close(json);
}

static void write_optional(struct mr_json *json, const struct mr_object *object)
{
    if (object->has_sha256) {
        char hex[SHA256_HEX_LEN + 1];
        sodium_bin2hex(hex, sizeof(hex), object->sha256, sizeof(object->sha256));
        mr_json_text(json, "sha256", hex);
    }
    if (object->has_focal) {
        mr_json_open(json, "focal", '{');
        mr_json_number(json, "x", object->focal_x);
        mr_json_number(json, "y", object->focal_y);
        mr_json_close(json);
    }
}

static void write_members(struct mr_json *json, const struct mr_meta *meta)
{
    const struct mr_object *object = &meta->object;
    mr_json_text(json, "id", object->id);
    mr_json_integer(json, "rev", object->rev);
    mr_json_text(json, "name", object->name);
    mr_json_text(json, "type", object->type);
    mr_json_integer(json, "size", object->size);
    mr_json_integer(json, "created_ms", (uint64_t)object->created_ms);
    mr_json_integer(json, "changed_ms", (uint64_t)object->changed_ms);
    write_optional(json, object);
    mr_json_bool(json, "is_image", object->is_image);
    mr_json_raw(json, "tags", mr_slice_of(object->tags));
    mr_json_raw(json, "meta", mr_slice_of(object->meta));
    write_segments(json, meta);
    if (meta->unknown != NULL)
        mr_json_raw(json, NULL, mr_slice_of(meta->unknown));
}

int mr_meta_head_write(const struct mr_meta *meta, char **head, size_t *len, struct mr_fault *fault)
{
    struct mr_json json;
    *head = NULL;
    FILE *file = open_memstream(head, len);
    if (file == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    mr_json_begin(&json, file);
    mr_json_open(&json, NULL, '{');
    write_members(&json, meta);
    mr_json_close(&json);
    fputc('\n', file);
    bool has_failed = ferror(file) != 0;
    has_failed = fclose(file) != 0 || has_failed;
    int err = MR_OK;
    if (has_failed)
        err = mr_fault_set(fault, MR_EMEMORY, NULL);
    else if (*len > MR_META_HEAD_MAX)
        err = mr_fault_limit(fault, MR_EPARAM, "metadata", MR_META_HEAD_MAX, *len);
    if (err != MR_OK)
        free(*head);
    return err;
}

/* ---- reading ---- */

/* The head while its members are read. The first one that is missing or wrong stays, and ends nothing. */
struct head {
    json_t *json;
    const char *wrong;
    int err; /* MR_EMEMORY, or MR_OK */
};

static void find_wrong(struct head *head, const char *name)
{
    if (head->wrong == NULL)
        head->wrong = name;
}

static uint64_t read_integer(struct head *head, const char *name, uint64_t min)
{
    const json_t *member = json_object_get(head->json, name);
    if (json_is_integer(member) && json_integer_value(member) >= (json_int_t)min)
        return (uint64_t)json_integer_value(member);
    find_wrong(head, name);
    return 0;
}

static struct mr_slice read_string(struct head *head, const char *name)
{
    const json_t *member = json_object_get(head->json, name);
    if (json_is_string(member))
        return (struct mr_slice){json_string_value(member), json_string_length(member)};
    find_wrong(head, name);
    return MR_SLICE("");
}

/* Replace the text *out by that of a member that is an object or array. */
static void read_json(struct head *head, const char *name, json_type type, size_t max, char **out)
{
    const json_t *member = json_object_get(head->json, name);
    if (member == NULL || json_typeof(member) != type) {
        find_wrong(head, name);
        return;
    }
    bool is_empty = json_array_size(member) + json_object_size(member) == 0;
    if (is_empty && *out != NULL && strcmp(*out, type == JSON_ARRAY ? "[]" : "{}") == 0)
        return; /* as it began: most have no tags and no metadata */
    char *text = mr_json_in_text(member);
    if (text == NULL) {
        head->err = MR_EMEMORY;
        return;
    }
    if (strlen(text) > max)
        find_wrong(head, name);
    free(*out);
    *out = text;
}

static void note_set(struct head *head, const char *name, int err)
{
    if (err == MR_EMEMORY)
        head->err = err;
    else if (err != MR_OK)
        find_wrong(head, name);
}

bool mr_meta_sha256_read(uint8_t sha256[MR_OBJECT_SHA256_LEN], struct mr_slice hex)
{
    char again[SHA256_HEX_LEN + 1] = "";
    if (hex.len == SHA256_HEX_LEN &&
        sodium_hex2bin(sha256, MR_OBJECT_SHA256_LEN, hex.at, hex.len, NULL, NULL, NULL) == 0)
        sodium_bin2hex(again, sizeof(again), sha256, MR_OBJECT_SHA256_LEN);
    return mr_slice_is(hex, again); /* in lower case */
}

static void read_sha256(struct head *head, struct mr_object *object)
{
    if (json_object_get(head->json, "sha256") == NULL)
        return;
    object->has_sha256 = mr_meta_sha256_read(object->sha256, read_string(head, "sha256"));
    if (!object->has_sha256)
        find_wrong(head, "sha256");
}

static void read_focal(struct head *head, struct mr_object *object)
{
    const json_t *focal = json_object_get(head->json, "focal");
    if (focal == NULL)
        return;
    const json_t *x = json_object_get(focal, "x"), *y = json_object_get(focal, "y");
    object->focal_x = json_number_value(x);
    object->focal_y = json_number_value(y);
    object->has_focal = json_is_number(x) && json_is_number(y) && object->focal_x >= 0 && object->focal_x <= 1 &&
                        object->focal_y >= 0 && object->focal_y <= 1 && json_object_size(focal) == 2;
    if (!object->has_focal)
        find_wrong(head, "focal");
}

static void read_object(struct head *head, struct mr_object *object)
{
    struct mr_slice id = read_string(head, "id");
    if (mr_ulid_is_valid(id))
        memcpy(object->id, id.at, MR_ULID_LEN);
    else
        find_wrong(head, "id");
    object->rev = read_integer(head, "rev", 1);
    note_set(head, "name", mr_object_set_name(object, read_string(head, "name"), NULL));
    note_set(head, "type", mr_object_set_type(object, read_string(head, "type"), NULL));
    object->size = read_integer(head, "size", 0);
    object->created_ms = (int64_t)read_integer(head, "created_ms", 0);
    object->changed_ms = (int64_t)read_integer(head, "changed_ms", 0);
    read_sha256(head, object);
    read_focal(head, object);
    const json_t *is_image = json_object_get(head->json, "is_image");
    object->is_image = json_is_true(is_image);
    if (!json_is_boolean(is_image))
        find_wrong(head, "is_image");
    read_json(head, "tags", JSON_ARRAY, MR_OBJECT_TAGS_MAX, &object->tags);
    read_json(head, "meta", JSON_OBJECT, MR_OBJECT_META_MAX, &object->meta);
}

/* The number at `index`, if it is one of at most `max`. */
static bool read_element(const json_t *array, size_t index, uint64_t max, uint64_t *out)
{
    const json_t *element = json_array_get(array, index);
    *out = (uint64_t)json_integer_value(element);
    return json_is_integer(element) && json_integer_value(element) >= 0 && *out <= max;
}

/* rest: bytes of the payload that are in no segment before. */
static bool take_segment(struct mr_meta_segment *out, const json_t *row, uint32_t after, uint64_t *rest)
{
    uint64_t number, stored, plain, room;
    if (!json_is_array(row) || json_array_size(row) != 4 || !read_element(row, 0, UINT32_MAX, &number) ||
        !read_element(row, 1, INT64_MAX, &stored) || !read_element(row, 2, *rest, &plain) ||
        !read_element(row, 3, UINT32_MAX, &room))
        return false;
    if (number <= after || room > stored || plain > stored - room)
        return false;
    *rest -= plain;
    *out =
        (struct mr_meta_segment){.number = (uint32_t)number, .room = (uint32_t)room, .stored = stored, .plain = plain};
    return true;
}

static void read_segments(struct head *head, struct mr_meta *meta)
{
    const json_t *rows = json_object_get(head->json, "segments");
    size_t count = json_array_size(rows);
    bool is_right = json_is_array(rows) && count <= MR_META_SEGMENTS_MAX && (count == 0 || meta->payload.len == 0);
    uint64_t rest = meta->object.size;
    if (is_right && count > 0) {
        meta->segments = calloc(count, sizeof(*meta->segments));
        if (meta->segments == NULL) {
            head->err = MR_EMEMORY;
            return;
        }
        meta->segment_count = count;
        for (size_t i = 0; is_right && i < count; i++)
            is_right = take_segment(&meta->segments[i], json_array_get(rows, i),
                                    i > 0 ? meta->segments[i - 1].number : 0, &rest);
    }
    if (!is_right || rest != meta->payload.len)
        find_wrong(head, is_right ? "size" : "segments");
}

/* What remains of the head is a text of members without the braces. */
static void keep_unknown(struct head *head, struct mr_meta *meta)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(known_members); i++)
        json_object_del(head->json, known_members[i]);
    if (json_object_size(head->json) == 0)
        return;
    char *text = mr_json_in_text(head->json);
    if (text == NULL) {
        head->err = MR_EMEMORY;
        return;
    }
    size_t len = strlen(text);
    memmove(text, text + 1, len - 2);
    text[len - 2] = '\0';
    meta->unknown = text;
}

int mr_meta_head_read(struct mr_meta *meta, struct mr_slice text, struct mr_fault *fault)
{
    struct head head = {.wrong = NULL};
    if (text.len < 2 || text.at[0] != '{' || memcmp(text.at + text.len - 2, "}\n", 2) != 0)
        return mr_meta_refuse(fault, "its head is no line of JSON");
    int err = mr_json_in_read(&head.json, text, fault);
    if (err == MR_EREQUEST)
        return mr_meta_refuse(fault, "its head cannot be read as JSON");
    if (err != MR_OK)
        return err;
    read_object(&head, &meta->object);
    read_segments(&head, meta);
    keep_unknown(&head, meta);
    json_decref(head.json);
    if (head.err != MR_OK)
        return mr_fault_set(fault, (enum mr_error)head.err, NULL);
    if (head.wrong == NULL)
        return MR_OK;
    return mr_fault_set(fault, MR_EIO, "The metadata of an object is damaged: its member \"%s\" is missing or wrong.",
                        head.wrong);
}
