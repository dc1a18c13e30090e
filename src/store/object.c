#include "store/object.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/utf8.h"
#include <sodium.h>
#include <stdlib.h>

int mr_object_init(struct mr_object *object)
{
    *object = (struct mr_object){
        .name = strdup(""),
        .type = strdup("application/octet-stream"),
        .tags = strdup("[]"),
        .meta = strdup("{}"),
    };
    if (object->name != NULL && object->type != NULL && object->tags != NULL && object->meta != NULL)
        return MR_OK;
    mr_object_free(object);
    return MR_EMEMORY;
}

int mr_object_copy(struct mr_object *to, const struct mr_object *from)
{
    *to = *from;
    to->name = strdup(from->name);
    to->type = strdup(from->type);
    to->tags = strdup(from->tags);
    to->meta = strdup(from->meta);
    if (to->name != NULL && to->type != NULL && to->tags != NULL && to->meta != NULL)
        return MR_OK;
    mr_object_free(to);
    return MR_EMEMORY;
}

void mr_object_free(struct mr_object *object)
{
    free(object->name);
    free(object->type);
    free(object->tags);
    free(object->meta);
    *object = (struct mr_object){.name = NULL};
}

/* Write what `name` becomes, which is not longer. False: it is not UTF-8, or has a '/'. */
static bool clean_name(char *out, struct mr_slice name)
{
    for (size_t length; name.len > 0; name.at += length, name.len -= length) {
        uint32_t point;
        length = mr_utf8_decode(name, &point);
        if (length == 0 || point == '/')
            return false;
        bool is_control = point < 0x20 || (point >= 0x7f && point < 0xa0);
        if (!is_control)
            memcpy(out, name.at, length);
        else
            *out = '_';
        out += is_control ? 1 : length;
    }
    *out = '\0';
    return true;
}

int mr_object_set_name(struct mr_object *object, struct mr_slice name, struct mr_fault *fault)
{
    if (name.len > MR_OBJECT_NAME_MAX)
        return mr_fault_limit(fault, MR_EPARAM, "name", MR_OBJECT_NAME_MAX, name.len);
    char *clean = malloc(name.len + 1);
    if (clean == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    if (!clean_name(clean, name)) {
        free(clean);
        return mr_fault_set(fault, MR_EPARAM, "A name is UTF-8 without \"/\".");
    }
    free(object->name);
    object->name = clean;
    return MR_OK;
}

int mr_object_set_type(struct mr_object *object, struct mr_slice type, struct mr_fault *fault)
{
    if (type.len > MR_OBJECT_TYPE_MAX)
        return mr_fault_limit(fault, MR_EPARAM, "type", MR_OBJECT_TYPE_MAX, type.len);
    bool is_plain = type.len > 0;
    for (size_t i = 0; i < type.len; i++)
        is_plain = is_plain && type.at[i] >= ' ' && type.at[i] <= '~';
    if (!is_plain)
        return mr_fault_set(fault, MR_EPARAM, "A type is visible ASCII.");
    char *copy = malloc(type.len + 1);
    if (copy == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    memcpy(copy, type.at, type.len);
    copy[type.len] = '\0';
    free(object->type);
    object->type = copy;
    return MR_OK;
}

static void write_focal(const struct mr_object *object, struct mr_json *json)
{
    if (!object->has_focal) {
        mr_json_text(json, "focal", NULL);
        return;
    }
    mr_json_open(json, "focal", '{');
    mr_json_number(json, "x", object->focal_x);
    mr_json_number(json, "y", object->focal_y);
    mr_json_close(json);
}

static void write_digest(const struct mr_object *object, struct mr_json *json)
{
    mr_json_open(json, "digest", '{');
    if (object->has_sha256) {
        char base64[sodium_base64_ENCODED_LEN(MR_OBJECT_SHA256_LEN, sodium_base64_VARIANT_ORIGINAL)];
        sodium_bin2base64(base64, sizeof(base64), object->sha256, sizeof(object->sha256),
                          sodium_base64_VARIANT_ORIGINAL);
        mr_json_text(json, "sha-256", base64);
    }
    mr_json_close(json);
}

void mr_object_json(const struct mr_object *object, struct mr_json *json)
{
    char created[25];
    mr_clock_iso_date(created, MR_MIN((uint64_t)object->created_ms, UINT64_MAX / MR_NS_PER_MS) * MR_NS_PER_MS);
    mr_json_text(json, "id", object->id);
    mr_json_text(json, "name", object->name);
    mr_json_text(json, "type", object->type);
    mr_json_integer(json, "size", object->size);
    mr_json_text(json, "created", created);
    mr_json_text(json, "expires", NULL);
    mr_json_text(json, "state", "released");
    mr_json_raw(json, "tags", mr_slice_of(object->tags));
    mr_json_raw(json, "meta", mr_slice_of(object->meta));
    write_focal(object, json);
    write_digest(object, json);
}
