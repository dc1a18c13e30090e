#include "base/macros.h"
#include "media/type.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* On the heap, in as many bytes, for the sanitizers. */
static const char *type_of(struct mr_slice bytes)
{
    char *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes.at, bytes.len);
    const char *type = mr_media_type_of(copy, bytes.len);
    free(copy);
    return type;
}

struct row {
    struct mr_slice bytes;
    const char *type;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *type = type_of(rows[i].bytes);
        if (rows[i].type == NULL) {
            assert_null(type);
            continue;
        }
        assert_non_null(type);
        assert_string_equal(type, rows[i].type);
    }
}

#define B(text)                               \
    {                                         \
        .at = (text), .len = sizeof(text) - 1 \
    }

static void pictures_are_known(void **state)
{
    static const struct row rows[] = {
        {B("\xff\xd8\xff\xe0"), "image/jpeg"},
        {B("\x89PNG\r\n\x1a\n"), "image/png"},
        {B("GIF89a"), "image/gif"},
        {B("RIFF\x10\0\0\0WEBPVP8 "), "image/webp"},
        {B("II*\0\x08\0\0\0"), "image/tiff"},
        {B("MM\0*\0\0\0\x08"), "image/tiff"},
        {B("\0\0\0\x1c"
           "ftypavif\0\0\0\0avifmif1miaf"),
         "image/avif"},
        {B("\0\0\0\x1c"
           "ftypmif1\0\0\0\0avifmif1miaf"),
         "image/avif"},
        {B("\0\0\0\x18"
           "ftypheic\0\0\0\0mif1heic"),
         "image/heic"},
        {B("\0\0\0\x18"
           "ftypheix\0\0\0\0mif1heix"),
         "image/heic"},
        {B("\0\0\0\x18"
           "ftypmif1\0\0\0\0mif1heic"),
         "image/heif"},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows));
}

static void sound_and_film_are_known(void **state)
{
    static const struct row rows[] = {
        {B("\0\0\0\x20"
           "ftypisom\0\0\2\0isomiso2avc1mp41"),
         "video/mp4"},
        {B("\0\0\0\x18"
           "ftypmp42\0\0\0\0mp42isom"),
         "video/mp4"},
        {B("\0\0\0\x18"
           "ftypXXXX\0\0\0\0YYYYisom"),
         "video/mp4"},
        {B("\0\0\0\x14"
           "ftypXXXX\0\0\0\0YYYYisom"),
         NULL}, /* behind the box */
        {B("\0\0\0\x18"
           "ftypM4A \0\0\0\0M4A mp42"),
         "audio/mp4"},
        {B("\0\0\0\x14"
           "ftypqt  \0\0\2\0qt  "),
         "video/quicktime"},
        {B("\0\0\0\x08"
           "wide\0\0\0\0mdat"),
         "video/quicktime"},
        {B("\0\0\0\x18"
           "ftyp3gp4\0\0\0\0"),
         "video/3gpp"},
        {B("\0\0\0\x18"
           "ftypisom"),
         "video/mp4"},
        {B("\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webm"), "video/webm"},
        {B("\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska"), "video/x-matroska"},
        {B("\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01"), NULL},
        {B("OggS\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1e\x01vorbis"), "audio/ogg"},
        {B("OggS\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead"), "audio/ogg"},
        {B("OggS\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x33\x7f"
           "FLAC"),
         "audio/ogg"},
        {B("OggS\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x2a\x80theora"), "video/ogg"},
        {B("OggS\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x40"
           "fishead"),
         "application/ogg"},
        {B("fLaC\0\0\0\x22"), "audio/flac"},
        {B("RIFF\x24\0\0\0WAVEfmt "), "audio/wav"},
        {B("RIFF\x24\0\0\0ACONanih"), NULL},
        {B("ID3\x04\0\0\0\0\0\0"), "audio/mpeg"},
        {B("\xff\xfb\x90\x64\0\0\0\0"), "audio/mpeg"}, /* 417 octets: the next frame is not at hand */
        {B("\xff\xf1\x50\x80\x2e\x7f\xfc"), "audio/aac"},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows));
}

static void frame_has_another_one_behind_it(void **state)
{
    (void)state;
    char bytes[MR_MEDIA_TYPE_BYTES] = "\xff\xfb\x90\x64"; /* MPEG-1, layer III, 128 kbit/s, 44.1 kHz: 417 octets */
    assert_null(type_of((struct mr_slice){bytes, sizeof(bytes)}));
    memcpy(bytes + 417, "\xff\xfb\x92\x64", 4);
    assert_string_equal(type_of((struct mr_slice){bytes, sizeof(bytes)}), "audio/mpeg");
    memcpy(bytes, "\xff\xf3\x40\xc4", 4); /* MPEG-2, 32 kbit/s, 22.05 kHz: 104 octets */
    assert_null(type_of((struct mr_slice){bytes, sizeof(bytes)}));
    memcpy(bytes + 104, "\xff\xf3\x40\xc4", 4);
    assert_string_equal(type_of((struct mr_slice){bytes, sizeof(bytes)}), "audio/mpeg");
    memcpy(bytes, "\xff\xf1\x50\x80\x04\x1f\xfc", 7); /* 32 octets */
    assert_null(type_of((struct mr_slice){bytes, sizeof(bytes)}));
    memcpy(bytes + 32, "\xff\xf1\x50\x80\x04\x1f\xfc", 7);
    assert_string_equal(type_of((struct mr_slice){bytes, sizeof(bytes)}), "audio/aac");
}

static void documents_and_archives_are_known(void **state)
{
    static const struct row rows[] = {
        {B("%PDF-1.7\n"), "application/pdf"},
        {B("PK\x03\x04\x14\0"), "application/zip"},
        {B("PK\x05\x06\0\0"), "application/zip"},
        {B("PKZ"), "text/plain; charset=utf-8"},
        {B("\x1f\x8b\x08\0"), "application/gzip"},
        {B("\x28\xb5\x2f\xfd\x04"), "application/zstd"},
        {B("\x5e\x2a\x4d\x18\0\0\0\0"), "application/zstd"},
        {B("\x6e\x2a\x4d\x18\0\0\0\0"), NULL},
        {B("age-encryption.org/v1\n-> X25519 "), "application/octet-stream"},
        {B("-----BEGIN AGE ENCRYPTED FILE-----\n"), "application/octet-stream"},
        {B("age-encryption.org/v10\n"), "text/plain; charset=utf-8"},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows));
}

static void what_may_run_scripts_is_no_plain_text(void **state)
{
    static const struct row rows[] = {
        {B("<!DOCTYPE html>"), "text/html"},
        {B("<!doctype HTML PUBLIC"), "text/html"},
        {B("\xef\xbb\xbf \r\n\t<HTML>"), "text/html"},
        {B("<script>alert(1)</script>"), "text/html"},
        {B("<script src=x>"), "text/html"},
        {B("<img/src=x onerror=y>"), "text/html"},
        {B("<!-- x --><p>"), "text/html"},
        {B("<svg xmlns=\"http://www.w3.org/2000/svg\">"), "image/svg+xml"},
        {B("\n<SVG>"), "image/svg+xml"},
        {B("<svg:svg xmlns:svg=\"http://www.w3.org/2000/svg\">"), "image/svg+xml"},
        {B("<?xml version=\"1.0\"?>\n<!-- x -->\n<!DOCTYPE svg>\n<svg>"), "image/svg+xml"},
        {B("<!-- made by hand -->\n<svg width=\"1\">"), "image/svg+xml"},
        {B("<!DOCTYPE svg PUBLIC \"x\">"), "image/svg+xml"},
        {B("<?xml version=\"1.0\"?><rss>"), "application/xml"},
        {B("<?xml version=\"1.0\"?><svgx>"), "application/xml"},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows));
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++)
        assert_false(mr_media_type_is_inline(mr_slice_of(rows[i].type)));
}

#define TEXT "text/plain; charset=utf-8"

static void text_is_utf8_without_controls(void **state)
{
    static const struct row rows[] = {
        {B("a"), TEXT},
        {B("\tna\xc3\xafve\r\n\f\xf0\x9f\x93\xb7"), TEXT},
        {B("\xef\xbb\xbf"
           "a"),
         TEXT},
        {B("1 < 2"), TEXT},
        {B("<htmlx>"), TEXT},
        {B("{\"a\": 1}"), TEXT},
        {B("The wide road"), TEXT}, /* what it begins with is nearly something else */
        {B("The ftyp isom"), TEXT},
        {B("ID3 tags"), TEXT},
        {B("fLaC is a codec"), TEXT},
        {B(""), NULL},
        {B("a\0"), NULL},
        {B("a\x1b[1m"), NULL},
        {B("a\x7f"), NULL},
        {B("na\xefve"), NULL},
        {B("a\xc3"), NULL}, /* all of the file: nothing can follow */
        {B("\xff\xfe"
           "a\0"),
         NULL},
        {B("\xed\xa0\x80"), NULL},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows));
}

static void last_character_may_be_cut(void **state)
{
    (void)state;
    char bytes[MR_MEDIA_TYPE_BYTES + 4];
    for (size_t at = MR_MEDIA_TYPE_BYTES - 4; at <= MR_MEDIA_TYPE_BYTES; at++) {
        memset(bytes, 'a', sizeof(bytes));
        memcpy(bytes + at, "\xf0\x9f\x93\xb7", 4);
        assert_string_equal(type_of((struct mr_slice){bytes, at + 4}), TEXT);
        assert_string_equal(type_of((struct mr_slice){bytes, MR_MEDIA_TYPE_BYTES}), TEXT);
    }
    memset(bytes, 'a', sizeof(bytes));
    bytes[MR_MEDIA_TYPE_BYTES - 1] = '\x80';
    assert_null(type_of((struct mr_slice){bytes, MR_MEDIA_TYPE_BYTES}));
    bytes[MR_MEDIA_TYPE_BYTES - 1] = '\xc3';
    assert_string_equal(type_of((struct mr_slice){bytes, MR_MEDIA_TYPE_BYTES}), TEXT);
    bytes[MR_MEDIA_TYPE_BYTES - 2] = '\xe4'; /* Latin-1 */
    assert_null(type_of((struct mr_slice){bytes, MR_MEDIA_TYPE_BYTES}));
    bytes[MR_MEDIA_TYPE_BYTES - 2] = 'a';
    bytes[MR_MEDIA_TYPE_BYTES - 1] = '\xff';
    assert_null(type_of((struct mr_slice){bytes, MR_MEDIA_TYPE_BYTES}));
}

static void what_a_browser_may_show(void **state)
{
    static const char *const shown[] = {"image/jpeg", "image/png",  "image/webp",       "image/gif",
                                        "image/avif", "audio/mpeg", "audio/x-whatever", "video/mp4",
                                        "video/webm", TEXT,         "Image/JPEG ;x=y"};
    static const char *const kept[] = {
        "",           "image/svg+xml", "text/html",        "application/xml", "image/tiff",
        "image/heic", "text/css",      "text/javascript",  "application/pdf", "image/jpeg2",
        "audio",      "xaudio/mpeg",   "video/x-matroska", "text/plainx",     "image/jpeg,text/html"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(shown); i++)
        assert_true(mr_media_type_is_inline(mr_slice_of(shown[i])));
    for (size_t i = 0; i < MR_ARRAY_SIZE(kept); i++)
        assert_false(mr_media_type_is_inline(mr_slice_of(kept[i])));
    assert_false(mr_media_type_is_inline((struct mr_slice){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_known),
        cmocka_unit_test(sound_and_film_are_known),
        cmocka_unit_test(frame_has_another_one_behind_it),
        cmocka_unit_test(documents_and_archives_are_known),
        cmocka_unit_test(what_may_run_scripts_is_no_plain_text),
        cmocka_unit_test(text_is_utf8_without_controls),
        cmocka_unit_test(last_character_may_be_cut),
        cmocka_unit_test(what_a_browser_may_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
