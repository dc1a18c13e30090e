/* DESIGN: a reader walks over the lines and stops at the first one that is wrong or has not wholly arrived. It keeps
 * nothing from call to call: a header is a few hundred bytes, and reading it again is cheaper than remembering where in
 * it one was. */
#include "media/age/age_header.h"
#include "base/assert.h"
#include "base/base64.h"
#include "base/macros.h"
#include "base/number.h"
#include <sodium.h>
#include <stdio.h>

#define VERSION "age-encryption.org/v1"
#define MARK    "---"

enum {
    LINE_BYTES = 48,   /* bytes in a full line of a body */
    LINE_COLUMNS = 64, /* characters of it */
    ARGUMENTS = 3,     /* of the known types, at most */
};

struct reader {
    struct mr_slice rest;
    bool starved;    /* the line asked for has not wholly arrived */
    const char *why; /* what is wrong, to stand behind "The age header is malformed: " */
};

struct arguments {
    struct mr_slice at[ARGUMENTS];
    size_t count; /* all of them */
};

struct body {
    uint8_t line[LINE_BYTES]; /* the first one */
    size_t len;               /* of all */
};

static bool wrong(struct reader *reader, const char *why)
{
    reader->why = why;
    return false;
}

static bool cut_line(struct reader *reader, struct mr_slice *line)
{
    struct mr_slice rest = reader->rest;
    *line = mr_slice_cut(&rest, '\n');
    reader->starved = rest.at == NULL;
    if (!reader->starved)
        reader->rest = rest;
    return !reader->starved;
}

static bool starts_with(struct mr_slice text, struct mr_slice start)
{
    return text.len >= start.len && memcmp(text.at, start.at, start.len) == 0;
}

static bool is_visible(struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '!' || text.at[i] > '~')
            return false;
    return text.len > 0;
}

/* "-> TYPE ARGUMENT..." */
static bool read_arguments(struct reader *reader, struct arguments *out)
{
    struct mr_slice line;
    if (!cut_line(reader, &line))
        return false;
    if (!starts_with(line, MR_SLICE("-> ")))
        return wrong(reader, "a line begins neither a stanza nor the MAC.");
    line.at += 3;
    line.len -= 3;
    for (out->count = 0; line.at != NULL; out->count++) {
        struct mr_slice argument = mr_slice_cut(&line, ' ');
        if (!is_visible(argument))
            return wrong(reader, "an argument of a stanza is empty or has a character that may not be there.");
        if (out->count < ARGUMENTS)
            out->at[out->count] = argument;
    }
    return true;
}

/* Full lines and one that is shorter. */
static bool read_body(struct reader *reader, struct body *out)
{
    struct mr_slice line;
    out->len = 0;
    do {
        uint8_t bytes[LINE_BYTES];
        size_t len;
        if (!cut_line(reader, &line))
            return false;
        if (line.len > LINE_COLUMNS || !mr_base64_decode(bytes, &len, line, MR_BASE64_BARE))
            return wrong(reader, "the body of a stanza is not lines of 64 columns of canonical base64.");
        if (out->len == 0)
            memcpy(out->line, bytes, len);
        out->len += len;
    } while (line.len == LINE_COLUMNS);
    return true;
}

static bool decode_exactly(uint8_t *out, size_t len, struct mr_slice text)
{
    size_t decoded;
    return text.len == MR_BASE64_LEN(len) && mr_base64_decode(out, &decoded, text, MR_BASE64_BARE);
}

/* Digits, the first not 0. */
static bool read_work_factor(uint32_t *out, struct mr_slice text)
{
    uint64_t value;
    if (!mr_number_is_digits(text) || text.at[0] == '0')
        return false;
    *out = mr_number_parse(text, UINT32_MAX, &value) ? (uint32_t)value : UINT32_MAX;
    return true;
}

static bool is_x25519(struct mr_age_stanza *out, const struct arguments *arguments)
{
    return arguments->count == 2 && decode_exactly(out->share, MR_AGE_SHARE, arguments->at[1]);
}

static bool is_scrypt(struct mr_age_stanza *out, const struct arguments *arguments)
{
    return arguments->count == 3 && decode_exactly(out->salt, MR_AGE_SALT, arguments->at[1]) &&
           read_work_factor(&out->work_factor, arguments->at[2]);
}

static bool read_stanza(struct reader *reader, struct mr_age_stanza *out)
{
    struct arguments arguments;
    struct body body;
    *out = (struct mr_age_stanza){0};
    if (!read_arguments(reader, &arguments) || !read_body(reader, &body))
        return false;
    if (mr_slice_is(arguments.at[0], "X25519"))
        out->type = MR_AGE_X25519;
    else if (mr_slice_is(arguments.at[0], "scrypt"))
        out->type = MR_AGE_SCRYPT;
    else if (mr_slice_is(arguments.at[0], "mlkem768x25519") || mr_slice_is(arguments.at[0], "mlkem768p256tag"))
        out->type = MR_AGE_HYBRID;
    if (out->type == MR_AGE_OTHER || out->type == MR_AGE_HYBRID)
        return true;
    if (!(out->type == MR_AGE_X25519 ? is_x25519(out, &arguments) : is_scrypt(out, &arguments)))
        return wrong(reader, "the arguments of a stanza are not those of its type.");
    if (body.len != MR_AGE_BODY)
        return wrong(reader, "the body of a stanza has not the length of a wrapped file key.");
    memcpy(out->body, body.line, MR_AGE_BODY);
    return true;
}

static bool is_at_mark(const struct reader *reader)
{
    return starts_with(reader->rest, MR_SLICE(MARK));
}

/* All of them, up to the MAC. */
static bool read_stanzas(struct reader *reader, struct mr_slice *out)
{
    size_t count = 0;
    bool by_passphrase = false;
    out->at = reader->rest.at;
    while (!is_at_mark(reader)) {
        struct mr_age_stanza stanza;
        if (!read_stanza(reader, &stanza))
            return false;
        count++;
        by_passphrase |= stanza.type == MR_AGE_SCRYPT;
        if (by_passphrase && count > 1)
            return wrong(reader, "a passphrase stanza is not the only one.");
    }
    out->len = (size_t)(reader->rest.at - out->at);
    return count > 0 || wrong(reader, "it has no stanza.");
}

/* "--- MAC" */
static bool read_end(struct reader *reader, uint8_t mac[MR_AGE_MAC])
{
    struct mr_slice line;
    if (!cut_line(reader, &line))
        return false;
    if (!starts_with(line, MR_SLICE(MARK " ")))
        return wrong(reader, "the line of the MAC is not one.");
    line.at += sizeof(MARK " ") - 1;
    line.len -= sizeof(MARK " ") - 1;
    return decode_exactly(mac, MR_AGE_MAC, line) || wrong(reader, "the MAC is not 32 bytes of canonical base64.");
}

static bool read_all(struct reader *reader, struct mr_age_header *out)
{
    const char *start = reader->rest.at;
    struct mr_slice line;
    if (!cut_line(reader, &line) || !read_stanzas(reader, &out->stanzas))
        return false;
    out->covered = (struct mr_slice){.at = start, .len = (size_t)(reader->rest.at - start) + sizeof(MARK) - 1};
    if (!read_end(reader, out->mac))
        return false;
    out->len = (size_t)(reader->rest.at - start);
    return true;
}

/* The first line, or as much of it as there is. */
static int check_version(struct mr_slice input, bool last, struct mr_fault *fault)
{
    static const struct mr_slice version = {VERSION "\n", sizeof(VERSION)};
    static const struct mr_slice any_version = {"age-encryption.org/", sizeof("age-encryption.org/") - 1};
    size_t len = MR_MIN(input.len, version.len);
    if ((len == version.len || !last) && (len == 0 || memcmp(input.at, version.at, len) == 0))
        return MR_OK;
    if (starts_with(input, any_version))
        return mr_fault_set(fault, MR_EFORMAT, "The age file is not of version 1.");
    return mr_fault_set(fault, MR_EFORMAT, "The body is not an age file.");
}

int mr_age_header_read(struct mr_age_header *out, struct mr_slice input, bool last, struct mr_fault *fault)
{
    out->len = 0;
    int err = check_version(input, last, fault);
    if (err != MR_OK)
        return err;
    bool is_cut = input.len >= MR_AGE_HEADER_MAX;
    struct reader reader = {.rest = {.at = input.at, .len = MR_MIN(input.len, (size_t)MR_AGE_HEADER_MAX)}};
    if (read_all(&reader, out))
        return MR_OK;
    if (!reader.starved)
        return mr_fault_set(fault, MR_ECORRUPT, "The age header is malformed: %s", reader.why);
    if (is_cut)
        return mr_fault_limit(fault, MR_ECORRUPT, "age-header", MR_AGE_HEADER_MAX, input.len);
    if (last)
        return mr_fault_set(fault, MR_ECORRUPT, "The age header is cut short.");
    return MR_OK;
}

bool mr_age_header_next(struct mr_slice *rest, struct mr_age_stanza *out)
{
    struct reader reader = {.rest = *rest};
    if (rest->len == 0)
        return false;
    bool good = read_stanza(&reader, out);
    MR_ASSERT(good); /* it was read before */
    *rest = reader.rest;
    return true;
}

static void sign(uint8_t mac[MR_AGE_MAC], struct mr_slice covered, const uint8_t file_key[MR_AGE_FILE_KEY])
{
    uint8_t key[MR_AGE_KEY];
    mr_age_hkdf(key, file_key, MR_AGE_FILE_KEY, NULL, 0, "header");
    crypto_auth_hmacsha256(mac, (const uint8_t *)covered.at, covered.len, key);
    sodium_memzero(key, sizeof(key));
}

bool mr_age_header_is_signed(const struct mr_age_header *header, const uint8_t file_key[MR_AGE_FILE_KEY])
{
    uint8_t mac[MR_AGE_MAC];
    sign(mac, header->covered, file_key);
    return sodium_memcmp(mac, header->mac, sizeof(mac)) == 0;
}

static char *put(char *at, struct mr_slice text)
{
    memcpy(at, text.at, text.len);
    return at + text.len;
}

static char *put_base64(char *at, const uint8_t *bytes, size_t len)
{
    return at + mr_base64_encode(at, bytes, len, MR_BASE64_BARE);
}

size_t mr_age_stanza_write(char out[MR_AGE_STANZA_TEXT_MAX], const struct mr_age_stanza *stanza)
{
    char *at = out;
    MR_ASSERT(stanza->type == MR_AGE_X25519 || stanza->type == MR_AGE_SCRYPT);
    if (stanza->type == MR_AGE_X25519) {
        at = put(at, MR_SLICE("-> X25519 "));
        at = put_base64(at, stanza->share, MR_AGE_SHARE);
    } else {
        char factor[16];
        snprintf(factor, sizeof(factor), " %u", stanza->work_factor);
        at = put(at, MR_SLICE("-> scrypt "));
        at = put_base64(at, stanza->salt, MR_AGE_SALT);
        at = put(at, mr_slice_of(factor));
    }
    *at++ = '\n';
    at = put_base64(at, stanza->body, MR_AGE_BODY); /* shorter than a full line: the only one */
    *at++ = '\n';
    return (size_t)(at - out);
}

size_t mr_age_header_write(char *out, const struct mr_age_stanza *stanzas, size_t count,
                           const uint8_t file_key[MR_AGE_FILE_KEY])
{
    uint8_t mac[MR_AGE_MAC];
    char *end = put(out, MR_SLICE(VERSION "\n"));
    for (size_t i = 0; i < count; i++)
        end += mr_age_stanza_write(end, &stanzas[i]);
    end = put(end, MR_SLICE(MARK));
    sign(mac, (struct mr_slice){.at = out, .len = (size_t)(end - out)}, file_key);
    *end++ = ' ';
    end = put_base64(end, mac, sizeof(mac));
    *end++ = '\n';
    return (size_t)(end - out);
}
