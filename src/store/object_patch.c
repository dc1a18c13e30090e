#include "base/macros.h"
#include "base/param.h"
#include "store/json_in.h"
#include "store/object.h"
#include <stdlib.h>

/* ---- the merge (RFC 7396, section 2), as deep as json_in.h lets a text be ---- */

/* *result becomes what `target` (borrowed; NULL: it is not there) is after the patch, or NULL: it is removed.
 * False: there is no memory, and *result is NULL. */
static bool merge_value(json_t **result, json_t *target, json_t *patch)
{
    const char *name;
    json_t *value, *member;
    bool is_good = true;
    *result = NULL;
    if (!json_is_object(patch)) {
        *result = json_is_null(patch) ? NULL : json_incref(patch);
        return true;
    }
    json_t *merged = json_is_object(target) ? json_copy(target) : json_object();
    json_object_foreach(patch, name, value)
    {
        is_good = is_good && merge_value(&member, json_object_get(merged, name), value);
        if (is_good && member == NULL)
            json_object_del(merged, name);
        else if (is_good)
            is_good = json_object_set_new(merged, name, member) == 0;
    }
    if (is_good && merged != NULL) {
        *result = merged;
        return true;
    }
    json_decref(merged);
    return false;
}

/* *merged becomes the object that `text` is, with the patch, which is an object or null: {} then. */
static int merge_text(json_t **merged, const char *text, json_t *patch, struct mr_fault *fault)
{
    json_t *target = json_loads(json_is_null(patch) ? "{}" : text, 0, NULL);
    *merged = NULL;
    if (target == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    bool is_good = true;
    if (json_is_null(patch))
        *merged = json_incref(target);
    else
        is_good = merge_value(merged, target, patch);
    json_decref(target);
    return is_good ? MR_OK : mr_fault_set(fault, MR_EMEMORY, NULL);
}

/* ---- what each member does to the draft of the object ---- */

static int patch_name(struct mr_object *draft, json_t *patch, struct mr_fault *fault)
{
    if (json_is_null(patch))
        return mr_object_set_name(draft, MR_SLICE(""), fault);
    if (!json_is_string(patch))
        return mr_fault_set(fault, MR_EPARAM, "\"name\" is a string or null.");
    return mr_object_set_name(draft, (struct mr_slice){json_string_value(patch), json_string_length(patch)}, fault);
}

static int set_meta(struct mr_object *draft, const json_t *meta, struct mr_fault *fault)
{
    char *text = mr_json_in_text(meta);
    if (text == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    size_t len = strlen(text);
    if (len > MR_OBJECT_META_MAX) {
        free(text);
        return mr_fault_limit(fault, MR_EPARAM, "meta", MR_OBJECT_META_MAX, len);
    }
    free(draft->meta);
    draft->meta = text;
    return MR_OK;
}

static int patch_meta(struct mr_object *draft, json_t *patch, struct mr_fault *fault)
{
    json_t *merged;
    if (!json_is_object(patch) && !json_is_null(patch))
        return mr_fault_set(fault, MR_EPARAM, "\"meta\" is an object or null.");
    int err = merge_text(&merged, draft->meta, patch, fault);
    if (err != MR_OK)
        return err;
    err = set_meta(draft, merged, fault);
    json_decref(merged);
    return err;
}

static int set_focal(struct mr_object *draft, const json_t *focal, struct mr_fault *fault)
{
    const json_t *x = json_object_get(focal, "x"), *y = json_object_get(focal, "y");
    double at_x = json_number_value(x), at_y = json_number_value(y);
    if (json_object_size(focal) != 2 || !json_is_number(x) || !json_is_number(y) || at_x < 0 || at_x > 1 || at_y < 0 ||
        at_y > 1)
        return mr_fault_set(fault, MR_EPARAM, "\"focal\" is null, or has \"x\" and \"y\", two numbers from 0 to 1.");
    draft->has_focal = true;
    draft->focal_x = at_x;
    draft->focal_y = at_y;
    return MR_OK;
}

static int patch_focal(struct mr_object *draft, json_t *patch, struct mr_fault *fault)
{
    char text[80] = "{}";
    json_t *merged;
    if (json_is_null(patch)) {
        draft->has_focal = false;
        draft->focal_x = draft->focal_y = 0;
        return MR_OK;
    }
    if (!json_is_object(patch))
        return set_focal(draft, NULL, fault);
    if (draft->has_focal)
        snprintf(text, sizeof(text), "{\"x\":%.17g,\"y\":%.17g}", draft->focal_x, draft->focal_y);
    int err = merge_text(&merged, text, patch, fault);
    if (err != MR_OK)
        return err;
    err = set_focal(draft, merged, fault);
    json_decref(merged);
    return err;
}

static const struct patchable {
    const char *name;
    int (*patch)(struct mr_object *draft, json_t *patch, struct mr_fault *fault);
} patchables[] = {{"name", patch_name}, {"meta", patch_meta}, {"focal", patch_focal}};

/* ---- all of them ---- */

static int patch_member(struct mr_object *draft, const char *name, json_t *value, struct mr_fault *fault)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(patchables); i++)
        if (strcmp(patchables[i].name, name) == 0)
            return patchables[i].patch(draft, value, fault);
    struct mr_slice shown = mr_param_sent_name(mr_slice_of(name));
    return mr_fault_set(fault, MR_EPARAM, "\"%.*s\" is none of the members that can be changed: name, meta, focal.",
                        MR_SLICE_ARG(shown));
}

static int patch_draft(struct mr_object *draft, json_t *patch, struct mr_fault *fault)
{
    const char *name;
    json_t *value;
    int err = MR_OK;
    json_object_foreach(patch, name, value)
    {
        err = patch_member(draft, name, value, fault);
        if (err != MR_OK)
            break;
    }
    return err;
}

int mr_object_patch(struct mr_object *object, struct mr_slice text, struct mr_fault *fault)
{
    struct mr_object draft;
    json_t *patch;
    if (text.len > MR_OBJECT_PATCH_MAX)
        return mr_fault_limit(fault, MR_EBODY, "patch", MR_OBJECT_PATCH_MAX, text.len);
    int err = mr_json_in_read(&patch, text, fault);
    if (err != MR_OK)
        return err;
    if (mr_object_copy(&draft, object) == MR_OK) {
        err = patch_draft(&draft, patch, fault);
        mr_object_free(err == MR_OK ? object : &draft);
        if (err == MR_OK)
            *object = draft;
    } else {
        err = mr_fault_set(fault, MR_EMEMORY, NULL);
    }
    json_decref(patch);
    return err;
}
