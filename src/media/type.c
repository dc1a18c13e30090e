#include "media/type.h"
#include "base/macros.h"
#include "base/utf8.h"
#include "media/scan/identify.h"
#include <stdint.h>

/* ---- what begins with a magic number ---- */

static bool has_at(struct mr_slice file, size_t offset, const char *magic, size_t len)
{
    return offset <= file.len && len <= file.len - offset && memcmp(file.at + offset, magic, len) == 0;
}

static const char *magic_type(struct mr_slice file)
{
    static const struct {
        const char *magic, *type;
        uint8_t len, offset;
    } rows[] = {
        {"%PDF-", "application/pdf", 5, 0},
        {"PK\x03\x04", "application/zip", 4, 0},
        {"PK\x05\x06", "application/zip", 4, 0}, /* without a file in it */
        {"\x1f\x8b\x08", "application/gzip", 3, 0},
        {"\x28\xb5\x2f\xfd", "application/zstd", 4, 0},
        {"\x2a\x4d\x18", "application/zstd", 3, 1}, /* a frame to skip, checked below */
        {"age-encryption.org/v1\n", "application/octet-stream", 22, 0},
        {"-----BEGIN AGE ENCRYPTED FILE-----", "application/octet-stream", 34, 0},
        {"fLaC\0", "audio/flac", 5, 0},
        {"fLaC\x80", "audio/flac", 5, 0},
        {"ID3\x02", "audio/mpeg", 4, 0}, /* with its version: a text may begin so far */
        {"ID3\x03", "audio/mpeg", 4, 0},
        {"ID3\x04", "audio/mpeg", 4, 0},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        bool is_skippable = rows[i].offset > 0;
        if (has_at(file, rows[i].offset, rows[i].magic, rows[i].len) &&
            (!is_skippable || ((uint8_t)file.at[0] & 0xf0) == 0x50))
            return rows[i].type;
    }
    if (has_at(file, 0, "RIFF", 4) && has_at(file, 8, "WAVE", 4))
        return "audio/wav";
    return NULL;
}

/* ---- containers of sound and film ---- */

/* ISO/IEC 14496-12: brands of the first box, the major one first. */
static const char *brand_type(const char *brand)
{
    static const struct {
        char brand[5];
        const char *type;
    } rows[] = {
        {"M4A ", "audio/mp4"},  {"M4B ", "audio/mp4"}, {"qt  ", "video/quicktime"}, {"isom", "video/mp4"},
        {"iso2", "video/mp4"},  {"iso4", "video/mp4"}, {"iso5", "video/mp4"},       {"iso6", "video/mp4"},
        {"mp41", "video/mp4"},  {"mp42", "video/mp4"}, {"avc1", "video/mp4"},       {"dash", "video/mp4"},
        {"M4V ", "video/mp4"},  {"MSNV", "video/mp4"}, {"3gp4", "video/3gpp"},      {"3gp5", "video/3gpp"},
        {"3gp6", "video/3gpp"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++)
        if (memcmp(brand, rows[i].brand, 4) == 0)
            return rows[i].type;
    return NULL;
}

/* What the first brand says that is known here, as far as they are at hand. */
static const char *box_type(struct mr_slice file)
{
    const uint8_t *bytes = (const uint8_t *)file.at;
    uint32_t box_len = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    size_t end = MR_MIN(file.len, (size_t)box_len);
    for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) { /* a version stands behind the major one */
        const char *type = brand_type(file.at + at);
        if (type != NULL)
            return type;
    }
    return NULL;
}

static const char *iso_type(struct mr_slice file)
{
    if (file.len < 8 || (uint8_t)file.at[0] >= '\t') /* "The wide road": no box of a file's beginning is as long */
        return NULL;
    if (has_at(file, 4, "ftyp", 4))
        return box_type(file);
    if (has_at(file, 4, "moov", 4) || has_at(file, 4, "mdat", 4) || has_at(file, 4, "wide", 4))
        return "video/quicktime"; /* older than brands */
    return NULL;
}

/* Matroska (RFC 9559): its DocType, element 0x4282, stands in the EBML header. */
static const char *matroska_type(struct mr_slice file)
{
    if (!has_at(file, 0, "\x1a\x45\xdf\xa3", 4))
        return NULL;
    for (size_t at = 4; at < file.len; at++) {
        if (has_at(file, at, "\x42\x82\x84webm", 7))
            return "video/webm";
        if (has_at(file, at, "\x42\x82\x88matroska", 11))
            return "video/x-matroska";
    }
    return NULL;
}

/* The first packet names the codec; it begins behind the page's header and one segment length. */
static const char *ogg_type(struct mr_slice file)
{
    if (!has_at(file, 0, "OggS\0", 5))
        return NULL;
    if (has_at(file, 28, "\x01vorbis", 7) || has_at(file, 28, "OpusHead", 8) || has_at(file, 28, "\177FLAC", 5) ||
        has_at(file, 28, "Speex   ", 8))
        return "audio/ogg";
    return has_at(file, 28, "\x80theora", 7) ? "video/ogg" : "application/ogg";
}

/* ---- sound that begins with a frame ---- */

/* The length of the frame of MPEG layer III (ISO/IEC 11172-3, 13818-3) that begins here; 0: none does. */
static size_t mp3_frame_len(const uint8_t *at)
{
    static const uint16_t kbits[2][15] = {{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
                                          {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}};
    static const uint16_t hertz[3] = {44100, 48000, 32000};
    unsigned version = at[1] >> 3 & 3, layer = at[1] >> 1 & 3, bitrate = at[2] >> 4, rate = at[2] >> 2 & 3;
    bool is_mpeg1 = version == 3;
    if (at[0] != 0xff || (at[1] & 0xe0) != 0xe0 || version == 1 || layer != 1 || bitrate == 0 || bitrate == 15 ||
        rate == 3)
        return 0;
    unsigned divisor = is_mpeg1 ? 1 : version == 2 ? 2 : 4;
    return (is_mpeg1 ? 144u : 72u) * 1000u * kbits[is_mpeg1][bitrate] / (hertz[rate] / divisor) + (at[2] >> 1 & 1);
}

/* The same of AAC in ADTS (ISO/IEC 13818-7). */
static size_t adts_frame_len(const uint8_t *at)
{
    if (at[0] != 0xff || (at[1] & 0xf6) != 0xf0 || (at[2] >> 2 & 15) > 12)
        return 0;
    size_t len = (size_t)(at[3] & 3) << 11 | (size_t)at[4] << 3 | at[5] >> 5;
    return len > 7 ? len : 0;
}

/* A frame, and another one behind it as far as that can be seen: two octets alone begin many other files. */
static bool begins_with_frames(struct mr_slice file, size_t (*frame_len)(const uint8_t *at))
{
    enum { FRAME_HEAD = 6 };
    const uint8_t *bytes = (const uint8_t *)file.at;
    size_t len = file.len >= FRAME_HEAD ? frame_len(bytes) : 0;
    if (len == 0)
        return false;
    return len + FRAME_HEAD > file.len || frame_len(bytes + len) > 0;
}

/* ---- texts ---- */

/* Behind the BOM and white space, as a browser would look at it. */
static struct mr_slice without_white_space(struct mr_slice text)
{
    if (has_at(text, 0, "\xef\xbb\xbf", 3))
        text = (struct mr_slice){text.at + 3, text.len - 3};
    while (text.len > 0 && text.at[0] != '\0' && strchr(" \t\r\n\f", text.at[0]) != NULL)
        text = (struct mr_slice){text.at + 1, text.len - 1};
    return text;
}

static bool begins_nocase(struct mr_slice text, const char *tag)
{
    size_t len = strlen(tag);
    return text.len >= len && strncasecmp(text.at, tag, len) == 0;
}

/* A tag ends where its name does. */
static bool begins_with_tag(struct mr_slice text, const char *tag)
{
    size_t len = strlen(tag);
    return begins_nocase(text, tag) && text.len > len && text.at[len] != '\0' && strchr(" \t\r\n\f/>", text.at[len]);
}

/* The tags that the WHATWG's MIME Sniffing Standard (section 7.1) knows a page by, and some more. */
static bool is_html(struct mr_slice text)
{
    static const char *const tags[] = {
        "<!doctype html", "<html",  "<head", "<body", "<script", "<iframe", "<h1",   "<div", "<font", "<table", "<a",
        "<style",         "<title", "<b",    "<br",   "<p",      "<meta",   "<link", "<img", "<form",
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(tags); i++)
        if (begins_with_tag(text, tags[i]))
            return true;
    return begins_nocase(text, "<!--");
}

static bool holds_tag(struct mr_slice text, const char *tag)
{
    for (mr_slice_cut(&text, '<'); text.at != NULL; mr_slice_cut(&text, '<'))
        if (begins_with_tag((struct mr_slice){text.at - 1, text.len + 1}, tag))
            return true;
    return false;
}

/* A prefix of its namespace (<svg:svg>) hides it from none of these. */
static const char *markup_type(struct mr_slice file)
{
    struct mr_slice text = without_white_space(file);
    bool is_xml = begins_nocase(text, "<?xml"), is_comment = begins_nocase(text, "<!--");
    if (text.len == 0 || text.at[0] != '<')
        return NULL;
    if (begins_with_tag(text, "<svg") || begins_with_tag(text, "<svg:svg") || begins_with_tag(text, "<!doctype svg") ||
        ((is_xml || is_comment) && (holds_tag(text, "<svg") || holds_tag(text, "<svg:svg"))))
        return "image/svg+xml";
    if (is_html(text))
        return "text/html";
    return is_xml ? "application/xml" : NULL;
}

/* A character of which the end is not there yet. */
static bool is_cut_character(struct mr_slice text)
{
    unsigned char first = (unsigned char)text.at[0];
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    for (size_t i = 1; i < text.len; i++)
        if (((unsigned char)text.at[i] & 0xc0) != 0x80)
            return false;
    return first >= 0xc2 && first <= 0xf4 && text.len < len;
}

/* UTF-8 as far as it reaches, without the controls that no text has. */
static bool is_plain_text(struct mr_slice text, bool is_cut)
{
    while (text.len > 0) {
        unsigned char c = (unsigned char)text.at[0];
        size_t len = mr_utf8_length(text);
        if (len == 0)
            return is_cut && is_cut_character(text);
        if (c == 0x7f || (c < 0x20 && (c == '\0' || strchr("\t\n\r\f", c) == NULL)))
            return false;
        text = (struct mr_slice){text.at + len, text.len - len};
    }
    return true;
}

/* ---- all together ---- */

static const char *picture_type(struct mr_slice file)
{
    enum mr_image_format format = mr_image_sniff(file.at, file.len);
    if (format == MR_IMAGE_HEIF && has_at(file, 8, "hei", 3))
        return "image/heic";
    return format != MR_IMAGE_UNKNOWN ? mr_image_media_type(format) : NULL;
}

static const char *sound_type(struct mr_slice file)
{
    if (begins_with_frames(file, mp3_frame_len))
        return "audio/mpeg";
    return begins_with_frames(file, adts_frame_len) ? "audio/aac" : NULL;
}

const char *mr_media_type_of(const void *bytes, size_t len)
{
    static const char *(*const judges[])(struct mr_slice file) = {
        picture_type, magic_type, iso_type, matroska_type, ogg_type, sound_type, markup_type,
    };
    bool is_cut = len >= MR_MEDIA_TYPE_BYTES;
    struct mr_slice file = {bytes, is_cut ? MR_MEDIA_TYPE_BYTES : len};
    if (file.len == 0)
        return NULL;
    for (size_t i = 0; i < MR_ARRAY_SIZE(judges); i++) {
        const char *type = judges[i](file);
        if (type != NULL)
            return type;
    }
    return is_plain_text(file, is_cut) ? "text/plain; charset=utf-8" : NULL;
}

bool mr_media_type_is_inline(struct mr_slice type)
{
    static const char *const types[] = {"image/jpeg", "image/png", "image/webp", "image/gif",
                                        "image/avif", "video/mp4", "video/webm", "text/plain"};
    struct mr_slice name = mr_slice_trim(mr_slice_cut(&type, ';'));
    for (size_t i = 0; i < MR_ARRAY_SIZE(types); i++)
        if (mr_slice_is_nocase(name, types[i]))
            return true;
    return begins_nocase(name, "audio/");
}
