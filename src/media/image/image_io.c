/* DESIGN: two classes of libvips' object system. The source has a read and a seek of its own, because libvips copies
 * from a source that lies in memory without a call. The target is libvips' target in memory with a check before each
 * write. */
#include "media/image/image_io.h"

#include "base/macros.h"

#include <errno.h>
#include <string.h>

struct source {
    VipsSource parent;
    struct mr_run *run; /* borrowed */
    size_t at;          /* of the next byte to be read; at most input_len() */
};

struct target {
    VipsTarget parent;
    struct mr_run *run; /* borrowed */
};

static void *source_parent_class, *target_parent_class;

/* What a file lacks that was cut behind its last pixel. */
static struct mr_view tail_of(const struct mr_run *run)
{
    const struct mr_image_mending *mending = &run->scan.mending;
    return (struct mr_view){.at = (const uint8_t *)mending->tail, .len = mending->tail_len};
}

static size_t input_len(const struct mr_run *run)
{
    return run->input.len + tail_of(run).len;
}

static gint64 copy_input(VipsSource *base, void *buffer, size_t len)
{
    struct source *source = (struct source *)base;
    struct mr_view part = source->run->input;
    size_t at = source->at;
    if (at >= part.len) {
        at -= part.len;
        part = tail_of(source->run);
    }
    size_t count = MR_MIN(len, part.len - at);
    if (count > 0)
        memcpy(buffer, part.at + at, count);
    source->at += count;
    return (gint64)count;
}

static gint64 source_read(VipsSource *base, void *buffer, size_t len)
{
    struct mr_run *run = ((struct source *)base)->run;
    MR_RUN_TAKE_OVER(run);
    gint64 count = -1;
    if (mr_run_is_stopped(run))
        errno = ECANCELED;
    else
        count = copy_input(base, buffer, len);
    MR_RUN_HAND_ON(run);
    return count;
}

static gint64 move_to(struct source *source, gint64 offset, int whence)
{
    gint64 len = (gint64)input_len(source->run);
    gint64 from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (gint64)source->at : len;
    if (offset < -from || offset > len - from) {
        errno = EINVAL;
        return -1;
    }
    source->at = (size_t)(from + offset);
    return from + offset;
}

static gint64 source_seek(VipsSource *base, gint64 offset, int whence)
{
    struct source *source = (struct source *)base;
    MR_RUN_TAKE_OVER(source->run);
    gint64 at = move_to(source, offset, whence);
    MR_RUN_HAND_ON(source->run);
    return at;
}

static void init_source_class(void *class, void *data)
{
    (void)data;
    VipsSourceClass *source = class;
    VIPS_OBJECT_CLASS(class)->nickname = "millrace_source";
    source_parent_class = g_type_class_peek_parent(class);
    source->read = source_read;
    source->seek = source_seek;
}

static gint64 target_write(VipsTarget *base, const void *bytes, size_t len)
{
    struct mr_run *run = ((struct target *)base)->run;
    MR_RUN_TAKE_OVER(run);
    gint64 count = -1;
    if (mr_run_is_stopped(run))
        errno = ECANCELED;
    else
        count = VIPS_TARGET_CLASS(target_parent_class)->write(base, bytes, len);
    MR_RUN_HAND_ON(run);
    return count;
}

static void init_target_class(void *class, void *data)
{
    (void)data;
    VipsTargetClass *target = class;
    VIPS_OBJECT_CLASS(class)->nickname = "millrace_target";
    target_parent_class = g_type_class_peek_parent(class);
    target->write = target_write;
}

/* g_once_init_enter: two workers may ask for the first time at once. */
static GType source_type(void)
{
    static gsize type;
    if (g_once_init_enter(&type))
        g_once_init_leave(&type,
                          g_type_register_static_simple(VIPS_TYPE_SOURCE, "MillraceSource", sizeof(VipsSourceClass),
                                                        init_source_class, sizeof(struct source), NULL, 0));
    return type;
}

static GType target_type(void)
{
    static gsize type;
    if (g_once_init_enter(&type))
        g_once_init_leave(&type,
                          g_type_register_static_simple(VIPS_TYPE_TARGET, "MillraceTarget", sizeof(VipsTargetClass),
                                                        init_target_class, sizeof(struct target), NULL, 0));
    return type;
}

VipsSource *mr_image_source_create(struct mr_run *run)
{
    struct source *source = g_object_new(source_type(), NULL);
    source->run = run;
    MR_RUN_HAND_ON(run);
    if (vips_object_build(VIPS_OBJECT(source)) != 0)
        VIPS_UNREF(source);
    return (VipsSource *)source;
}

VipsTarget *mr_image_target_create(struct mr_run *run)
{
    struct target *target = g_object_new(target_type(), "memory", TRUE, NULL);
    target->run = run;
    MR_RUN_HAND_ON(run);
    if (vips_object_build(VIPS_OBJECT(target)) != 0)
        VIPS_UNREF(target);
    return (VipsTarget *)target;
}

void *mr_image_target_take(VipsTarget *target, size_t *len)
{
    VipsArea *blob = NULL; /* savers end the target, which moves the bytes into it */
    g_object_get(target, "blob", &blob, NULL);
    void *bytes = blob->data;
    *len = blob->length;
    blob->free_fn = NULL; /* as libvips' own functions that save to a buffer do */
    vips_area_unref(blob);
    return bytes;
}
