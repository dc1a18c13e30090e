/* DESIGN: libvips for a server: parallelism comes from jobs and not from inside one, nothing is cached between jobs,
 * and of all the loaders that it knows only those of the formats that we scan can be called. What it logs is counted or
 * dropped, never printed: a hostile client writes those texts.
 *
 * Orc, the run-time code generator of libvips before 8.15, is switched off. In Orc 0.4.33 (Debian 12) orc_code_free
 * takes its piece out of the list of code memory without the lock under which orc_code_allocate_codemem walks that
 * list, and each vips_resize compiles a program and frees it: two jobs at once can corrupt the heap. Without it no
 * memory is both writable and executable either. Newer versions use Highway, which generates nothing. */
#include "media/image/image_setup.h"
#include "base/number.h"
#include "media/image/decoder_memory.h"
#include "media/image/image.h"

#include "base/assert.h"
#include "base/macros.h"

#include <libheif/heif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#include <vips/vector.h> /* needs vips.h before it */

/* name: as in GET /version; loader: the class that may be called, NULL: none; codec: what libheif must have for it;
 * own_decoder: read without libvips */
static const struct {
    enum mr_image_format format;
    const char *name, *loader, *load_operation, *save_operation;
    enum heif_compression_format codec;
    bool own_decoder;
} formats[] = {
    {MR_IMAGE_JPEG, "jpg", "VipsForeignLoadJpeg", "jpegload_source", "jpegsave_target", 0, false},
    {MR_IMAGE_PNG, "png", "VipsForeignLoadPng", "pngload_source", "pngsave_target", 0, false},
    {MR_IMAGE_WEBP, "webp", "VipsForeignLoadWebp", "webpload_buffer", "webpsave_target", 0, false},
    {MR_IMAGE_GIF, "gif", NULL, NULL, "gifsave_target", 0, true},
    {MR_IMAGE_AVIF, "avif", "VipsForeignLoadHeif", "heifload_buffer", "heifsave_target", heif_compression_AV1, false},
    {MR_IMAGE_HEIF, "heif", "VipsForeignLoadHeif", "heifload_buffer", NULL, heif_compression_HEVC, false},
    {MR_IMAGE_JXL, "jxl", NULL, NULL, "jxlsave_target", 0, false},
    {MR_IMAGE_TIFF, "tiff", "VipsForeignLoadTiff", "tiffload_source", "tiffsave_target", 0, false},
};

static char readable[64], writable[64], version[32];
static bool is_unreadable[MR_IMAGE_FORMAT_COUNT], is_unwritable[MR_IMAGE_FORMAT_COUNT];
static guint log_handler;
static _Thread_local uint64_t jpeg_warnings;

static void on_vips_log(const char *domain, GLogLevelFlags level, const char *message, void *data)
{
    (void)domain, (void)level, (void)data;
    static const char start[] = "read gave ";
    if (message == NULL || strncmp(message, start, sizeof(start) - 1) != 0)
        return;
    struct mr_slice rest = mr_slice_of(message + sizeof(start) - 1);
    uint64_t count;
    if (mr_number_next(&rest, UINT32_MAX, &count))
        jpeg_warnings += count;
}

uint64_t mr_image_take_jpeg_warnings(void)
{
    uint64_t count = jpeg_warnings;
    jpeg_warnings = 0;
    return count;
}

static void append_word(char *list, size_t size, const char *word)
{
    size_t len = strlen(list);
    snprintf(list + len, size - len, "%s%s", len > 0 ? " " : "", word);
}

static bool has_operation(const char *name)
{
    return name != NULL && vips_type_find("VipsOperation", name) != 0;
}

/* libvips' operations for HEIF are there whatever libheif can do: its codecs may be plugins that are not installed. */
static bool can_load(size_t i)
{
    return formats[i].own_decoder || (has_operation(formats[i].load_operation) &&
                                      (formats[i].codec == 0 || heif_have_decoder_for_format(formats[i].codec)));
}

static bool can_save(size_t i)
{
    return has_operation(formats[i].save_operation) &&
           (formats[i].codec == 0 || heif_have_encoder_for_format(formats[i].codec));
}

static void allow_loaders(void)
{
    vips_block_untrusted_set(TRUE);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    vips_operation_block_set("VipsForeignSaveJxl", FALSE); /* what it reads are our pixels */
    readable[0] = writable[0] = '\0';
    for (size_t i = 0; i < MR_ARRAY_SIZE(formats); i++) {
        is_unreadable[formats[i].format] = !can_load(i);
        is_unwritable[formats[i].format] = !can_save(i);
        if (can_load(i)) {
            if (formats[i].loader != NULL)
                vips_operation_block_set(formats[i].loader, FALSE);
            append_word(readable, sizeof(readable), formats[i].name);
        }
        if (can_save(i))
            append_word(writable, sizeof(writable), formats[i].name);
    }
}

bool mr_image_can_read(enum mr_image_format format)
{
    return !is_unreadable[format];
}

bool mr_image_can_write(enum mr_image_format format)
{
    return !is_unwritable[format];
}

int mr_image_setup(void)
{
    MR_ASSERT(mr_decoder_memory_is_zeroed());
    if (VIPS_INIT("millrace") != 0)
        return MR_EINTERNAL;
    heif_init(NULL); /* counted: libvips has its own */
    GLogLevelFlags all = G_LOG_LEVEL_MASK | G_LOG_FLAG_RECURSION;
    log_handler = g_log_set_handler("VIPS", all, on_vips_log, NULL);
    g_log_set_default_handler(on_vips_log, NULL); /* GObject's complaints about what a file says are no better */
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    if (vips_version(0) == 8 && vips_version(1) < 15)
        vips_vector_set_enabled(FALSE);
    allow_loaders();
    snprintf(version, sizeof(version), "%d.%d.%d", vips_version(0), vips_version(1), vips_version(2));
    return MR_OK;
}

void mr_image_teardown(void)
{
    heif_deinit();
    vips_shutdown();
    g_log_remove_handler("VIPS", log_handler);
    g_log_set_default_handler(g_log_default_handler, NULL);
}

void mr_image_thread_end(void)
{
    vips_thread_shutdown();
}

const char *mr_image_library_version(void)
{
    return version;
}

const char *mr_image_readable(void)
{
    return readable;
}

const char *mr_image_writable(void)
{
    return writable;
}

uint32_t mr_image_writable_bits(void)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < MR_ARRAY_SIZE(formats); i++)
        if (mr_image_can_write(formats[i].format))
            bits |= MR_IMAGE_BIT(formats[i].format);
    return bits;
}
