/* DESIGN: what is kept of the metadata is listed; what nobody listed is dropped. libvips' savers write nothing but what
 * its fields hold, and merge the fields "exif-..." with the block "exif-data": an entry of the block without a field is
 * dropped, unless libexif has no name for it. So the block itself is filtered too. */
#include "media/image/exif_harmless.h"
#include "media/image/image_run.h"

#include "base/macros.h"

#include <stdlib.h>
#include <string.h>

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

/* A PNG's text, by its keyword: "png-comment-N-KEYWORD". Programs put whole EXIF blocks, XMP and positions into texts.
 */
static bool is_harmless_text(const char *field)
{
    static const char start[] = "png-comment-";
    static const char *const keywords[] = {"Author", "Copyright", "Software"};
    if (!starts_with(field, start))
        return false;
    const char *keyword = strchr(field + sizeof(start) - 1, '-');
    return keyword != NULL && is_one_of(keyword + 1, keywords, MR_ARRAY_SIZE(keywords));
}

/* The profile is that of the new pixels (mr_run_to_srgb). XMP holds positions, places and previews under names that
 * every program makes for itself, so it is dropped whole; so are IPTC and Photoshop's blocks. */
static bool is_harmless(const char *field)
{
    static const char *const fields[] = {VIPS_META_ICC_NAME, VIPS_META_EXIF_NAME, VIPS_META_RESOLUTION_UNIT};
    return is_one_of(field, fields, MR_ARRAY_SIZE(fields)) || is_harmless_text(field) || mr_exif_is_harmless(field);
}

/* Not even with the position: thumbnails (EXIF's directory 1) show the image as it was, and the image is upright now.
 */
static bool is_outdated(const char *field)
{
    static const char *const fields[] = {"jpeg-thumbnail-data", VIPS_META_ORIENTATION, "exif-ifd0-Orientation"};
    return is_one_of(field, fields, MR_ARRAY_SIZE(fields)) || starts_with(field, "exif-ifd1-");
}

static bool is_kept(const struct mr_run *run, const char *field)
{
    static const char *const timing[] = {"delay", "loop", VIPS_META_PAGE_HEIGHT};
    if (is_one_of(field, timing, MR_ARRAY_SIZE(timing)))
        return run->plan.frames > 1; /* it is no metadata */
    if (run->keeps_profile && strcmp(field, VIPS_META_ICC_NAME) == 0)
        return true;
    if (run->ops->strip)
        return false;
    return run->ops->gps ? !is_outdated(field) : is_harmless(field);
}

static int filter_exif(struct mr_run *run)
{
    const void *block;
    size_t len;
    if (vips_image_get_typeof(run->image, VIPS_META_EXIF_NAME) == 0 ||
        vips_image_get_blob(run->image, VIPS_META_EXIF_NAME, &block, &len) != 0)
        return MR_OK;
    uint8_t *copy;
    size_t copy_len;
    if (mr_exif_copy_harmless(&copy, &copy_len, (struct mr_view){.at = block, .len = len}) != MR_OK)
        return mr_fault_set(run->fault, MR_EMEMORY, NULL);
    if (copy == NULL)
        vips_image_remove(run->image, VIPS_META_EXIF_NAME);
    else
        vips_image_set_blob_copy(run->image, VIPS_META_EXIF_NAME, copy, copy_len);
    free(copy);
    return MR_OK;
}

int mr_run_drop_metadata(struct mr_run *run)
{
    VipsImage *next = NULL;
    int failed = vips_copy(run->image, &next, NULL); /* its header is ours to change */
    int err = mr_run_step(run, failed, next);
    if (err != MR_OK)
        return err;
    char **fields = vips_image_get_fields(run->image);
    for (char **field = fields; *field != NULL; field++)
        if (!is_kept(run, *field))
            vips_image_remove(run->image, *field); /* those that are no metadata, such as the width, stay */
    g_strfreev(fields);
    return run->ops->strip || run->ops->gps ? MR_OK : filter_exif(run);
}
