/* DESIGN: harmless are the tags that credit the author and describe the exposure. Free texts (ImageDescription,
 * UserComment, Windows' XP tags) may name the place, time zones narrow it down, serial numbers and owner names identify
 * a person, and what describes the pixels' layout or colours is wrong once the image is processed. */
#include "media/image/exif_harmless.h"

#include "base/assert.h"
#include "base/macros.h"

#include <stdlib.h>
#include <string.h>

enum {
    IFD0 = 0,
    EXIF_IFD = 2, /* libvips' number of the Exif directory */
    TAG_EXIF_IFD = 0x8769,
    TYPE_LONG = 4,
    ENTRY = 12,
    PREFIX = 6,        /* "Exif\0\0" */
    HEAD = 8,          /* byte order, 42, offset of the main directory */
    ENTRIES_MAX = 512, /* that are read of a directory */
    VALUE_MAX = 1024,  /* all of them fit into a JPEG segment */
};

/* Sorted by tag within each directory, as TIFF wants them. A tag with two names has one in libexif before 0.6.22. */
static const struct harmless {
    uint16_t tag;
    uint8_t directory;
    const char *name, *older_name;
} harmless[] = {
    {0x010F, IFD0, "Make", NULL},
    {0x0110, IFD0, "Model", NULL},
    {0x0131, IFD0, "Software", NULL},
    {0x0132, IFD0, "DateTime", NULL},
    {0x013B, IFD0, "Artist", NULL},
    {0x8298, IFD0, "Copyright", NULL},
    {0x829A, EXIF_IFD, "ExposureTime", NULL},
    {0x829D, EXIF_IFD, "FNumber", NULL},
    {0x8822, EXIF_IFD, "ExposureProgram", NULL},
    {0x8827, EXIF_IFD, "PhotographicSensitivity", "ISOSpeedRatings"},
    {0x9000, EXIF_IFD, "ExifVersion", NULL},
    {0x9003, EXIF_IFD, "DateTimeOriginal", NULL},
    {0x9004, EXIF_IFD, "DateTimeDigitized", NULL},
    {0x9201, EXIF_IFD, "ShutterSpeedValue", NULL},
    {0x9202, EXIF_IFD, "ApertureValue", NULL},
    {0x9203, EXIF_IFD, "BrightnessValue", NULL},
    {0x9204, EXIF_IFD, "ExposureBiasValue", NULL},
    {0x9205, EXIF_IFD, "MaxApertureValue", NULL},
    {0x9206, EXIF_IFD, "SubjectDistance", NULL},
    {0x9207, EXIF_IFD, "MeteringMode", NULL},
    {0x9208, EXIF_IFD, "LightSource", NULL},
    {0x9209, EXIF_IFD, "Flash", NULL},
    {0x920A, EXIF_IFD, "FocalLength", NULL},
    {0x9290, EXIF_IFD, "SubSecTime", "SubsecTime"},
    {0x9291, EXIF_IFD, "SubSecTimeOriginal", NULL},
    {0x9292, EXIF_IFD, "SubSecTimeDigitized", NULL},
    {0xA217, EXIF_IFD, "SensingMethod", NULL},
    {0xA300, EXIF_IFD, "FileSource", NULL},
    {0xA301, EXIF_IFD, "SceneType", NULL},
    {0xA401, EXIF_IFD, "CustomRendered", NULL},
    {0xA402, EXIF_IFD, "ExposureMode", NULL},
    {0xA403, EXIF_IFD, "WhiteBalance", NULL},
    {0xA404, EXIF_IFD, "DigitalZoomRatio", NULL},
    {0xA405, EXIF_IFD, "FocalLengthIn35mmFilm", NULL},
    {0xA406, EXIF_IFD, "SceneCaptureType", NULL},
    {0xA407, EXIF_IFD, "GainControl", NULL},
    {0xA408, EXIF_IFD, "Contrast", NULL},
    {0xA409, EXIF_IFD, "Saturation", NULL},
    {0xA40A, EXIF_IFD, "Sharpness", NULL},
    {0xA40C, EXIF_IFD, "SubjectDistanceRange", NULL},
    {0xA432, EXIF_IFD, "LensSpecification", NULL},
    {0xA433, EXIF_IFD, "LensMake", NULL},
    {0xA434, EXIF_IFD, "LensModel", NULL},
};

enum { TAGS = MR_ARRAY_SIZE(harmless) + 1 /* the pointer to the Exif directory */ };

struct source {
    struct mr_view tiff;
    bool big_endian;
};

struct value {
    uint32_t tag, type, count;
    struct mr_view bytes;
};

struct copy {
    uint8_t *at; /* the TIFF structure, behind the prefix */
    size_t len;
    bool big_endian;
};

static uint32_t read16(const struct source *source, size_t at)
{
    return source->big_endian ? mr_read_be16(source->tiff.at + at) : mr_read_le16(source->tiff.at + at);
}

static uint32_t read32(const struct source *source, size_t at)
{
    return source->big_endian ? mr_read_be32(source->tiff.at + at) : mr_read_le32(source->tiff.at + at);
}

static bool open_source(struct source *source, struct mr_view exif)
{
    if (mr_view_has(exif, 0, PREFIX) && memcmp(exif.at, "Exif\0\0", PREFIX) == 0)
        exif = mr_view_part(exif, PREFIX, exif.len - PREFIX);
    *source = (struct source){.tiff = exif};
    if (!mr_view_has(exif, 0, HEAD))
        return false;
    source->big_endian = memcmp(exif.at, "MM\0\x2A", 4) == 0;
    return source->big_endian || memcmp(exif.at, "II\x2A\0", 4) == 0;
}

/* The value of the entry at `at`; false if it is too long, of an unknown type, or outside of the data. */
static bool read_value(const struct source *source, size_t at, struct value *out)
{
    static const uint8_t sizes[] = {0, 1, 1, 2, 4, 8, 0, 1, 0, 4, 8};
    out->tag = read16(source, at);
    out->type = read16(source, at + 2);
    out->count = read32(source, at + 4);
    size_t size = out->type < MR_ARRAY_SIZE(sizes) ? sizes[out->type] : 0;
    if (size == 0 || out->count == 0 || out->count > VALUE_MAX / size)
        return false;
    size_t len = size * out->count;
    size_t offset = len <= 4 ? at + 8 : read32(source, at + 8);
    if (!mr_view_has(source->tiff, offset, len))
        return false;
    out->bytes = mr_view_part(source->tiff, offset, len);
    return true;
}

static bool find(const struct source *source, size_t directory, uint32_t tag, struct value *out)
{
    if (!mr_view_has(source->tiff, directory, 2))
        return false;
    uint32_t entries = MR_MIN(read16(source, directory), (uint32_t)ENTRIES_MAX);
    for (size_t at = directory + 2; entries > 0 && mr_view_has(source->tiff, at, ENTRY); at += ENTRY, entries--)
        if (read16(source, at) == tag)
            return read_value(source, at, out);
    return false;
}

static size_t find_harmless(struct value values[TAGS], const struct source *source, size_t directory, uint8_t number)
{
    size_t count = 0;
    for (size_t i = 0; i < MR_ARRAY_SIZE(harmless); i++)
        if (harmless[i].directory == number && find(source, directory, harmless[i].tag, &values[count]))
            count++;
    return count;
}

static void write16(const struct copy *copy, size_t at, uint32_t value)
{
    copy->at[at + (copy->big_endian ? 1 : 0)] = (uint8_t)value;
    copy->at[at + (copy->big_endian ? 0 : 1)] = (uint8_t)(value >> 8);
}

static void write32(const struct copy *copy, size_t at, uint32_t value)
{
    write16(copy, at + (copy->big_endian ? 2 : 0), value & 0xFFFF);
    write16(copy, at + (copy->big_endian ? 0 : 2), value >> 16);
}

/* Returns where the directory stands. The memory is zero already. */
static size_t write_directory(struct copy *copy, const struct value *values, size_t count)
{
    size_t directory = copy->len;
    copy->len += 2 + count * ENTRY + 4;
    write16(copy, directory, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct value *value = &values[i];
        size_t at = directory + 2 + i * ENTRY;
        write16(copy, at, value->tag);
        write16(copy, at + 2, value->type);
        write32(copy, at + 4, value->count);
        size_t offset = at + 8;
        if (value->bytes.len > 4) {
            offset = copy->len;
            write32(copy, at + 8, (uint32_t)offset);
            copy->len += value->bytes.len + (value->bytes.len & 1);
        }
        memcpy(copy->at + offset, value->bytes.at, value->bytes.len);
    }
    return directory;
}

static void write_all(struct copy *copy, struct value main[TAGS], size_t main_count, const struct value *more,
                      size_t more_count)
{
    memcpy(copy->at, copy->big_endian ? "MM\0\x2A" : "II\x2A\0", 4);
    copy->len = HEAD;
    uint8_t pointer[4] = {0};
    if (more_count > 0) {
        const struct copy inside = {.at = pointer, .big_endian = copy->big_endian};
        write32(&inside, 0, (uint32_t)write_directory(copy, more, more_count));
        main[main_count++] = (struct value){TAG_EXIF_IFD, TYPE_LONG, 1, {pointer, sizeof(pointer)}};
    }
    write32(copy, 4, (uint32_t)write_directory(copy, main, main_count));
}

int mr_exif_copy_harmless(uint8_t **out, size_t *len, struct mr_view exif)
{
    struct source source;
    struct value main[TAGS], more[TAGS], pointer;
    *out = NULL;
    *len = 0;
    if (!open_source(&source, exif))
        return MR_OK;
    size_t directory = read32(&source, 4);
    size_t main_count = find_harmless(main, &source, directory, IFD0), more_count = 0;
    if (find(&source, directory, TAG_EXIF_IFD, &pointer) && pointer.bytes.len == 4)
        more_count =
            find_harmless(more, &source, read32(&source, (size_t)(pointer.bytes.at - source.tiff.at)), EXIF_IFD);
    if (main_count + more_count == 0)
        return MR_OK;

    size_t size = PREFIX + HEAD + 2 * (2 + 4) + (size_t)TAGS * (ENTRY + VALUE_MAX);
    uint8_t *bytes = calloc(size, 1);
    if (bytes == NULL)
        return MR_EMEMORY;
    memcpy(bytes, "Exif\0\0", PREFIX);
    struct copy copy = {.at = bytes + PREFIX, .big_endian = source.big_endian};
    write_all(&copy, main, main_count, more, more_count);
    MR_ASSERT(PREFIX + copy.len <= size);
    *out = bytes;
    *len = PREFIX + copy.len;
    return MR_OK;
}

bool mr_exif_is_harmless(const char *field)
{
    static const char start[] = "exif-ifd";
    enum { DIRECTORY_AT = sizeof(start) - 1, NAME_AT = DIRECTORY_AT + 2 };
    if (strncmp(field, start, DIRECTORY_AT) != 0 || field[DIRECTORY_AT] == '\0' || field[DIRECTORY_AT + 1] != '-')
        return false;
    int directory = field[DIRECTORY_AT] - '0';
    const char *name = field + NAME_AT;
    for (size_t i = 0; i < MR_ARRAY_SIZE(harmless); i++) {
        const char *older = harmless[i].older_name;
        if (harmless[i].directory == directory &&
            (strcmp(name, harmless[i].name) == 0 || (older != NULL && strcmp(name, older) == 0)))
            return true;
    }
    return false;
}
