/* DESIGN. A stored hash is compared in constant time, and all of them always are. Even a comparison that leaked would
 * not help: what a client chooses is the key, and it cannot choose a key for the first bytes of its hash to be those of
 * another one without computing as many hashes as for guessing. SHA-256 without salt and stretching is enough for keys
 * of 256 random bits. */
#include "keys/api_keys.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"
#include "keys/word.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_PREFIX "sha256:"

_Static_assert(MR_API_KEY_HASH == crypto_hash_sha256_BYTES, "SHA-256");

static int wrong_line(struct mr_fault *fault, const char *why)
{
    return mr_fault_set(fault, MR_EPARAM, "%s", why);
}

/* ---- a line ---- */

/* Cut the next word off; empty at the end of the line. */
static struct mr_slice next_word(struct mr_slice *rest)
{
    *rest = mr_slice_trim(*rest);
    struct mr_slice word = {.at = rest->at, .len = 0};
    while (word.len < rest->len && word.at[word.len] != ' ' && word.at[word.len] != '\t')
        word.len++;
    rest->at += word.len;
    rest->len -= word.len;
    return word;
}

bool mr_api_key_is_name(struct mr_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !mr_number_is_digit(c) && c != '-' && c != '_' && c != '.' && c != '@')
            return false;
    }
    bool is_key = name.len >= sizeof(MR_API_KEY_PREFIX) - 1 &&
                  memcmp(name.at, MR_API_KEY_PREFIX, sizeof(MR_API_KEY_PREFIX) - 1) == 0;
    return name.len > 0 && name.len <= MR_API_KEY_NAME_MAX && !is_key;
}

static bool parse_hash(struct mr_slice word, uint8_t out[MR_API_KEY_HASH])
{
    const size_t prefix = sizeof(HASH_PREFIX) - 1;
    if (word.len != prefix + 2 * (size_t)MR_API_KEY_HASH || memcmp(word.at, HASH_PREFIX, prefix) != 0)
        return false;
    const char *digits = word.at + prefix;
    for (size_t i = 0; i < MR_API_KEY_HASH; i++) {
        int high = mr_number_hex_value(digits[2 * i]), low = mr_number_hex_value(digits[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Each of what stands behind the rights. */
static int parse_further(struct mr_slice rest, struct mr_fault *fault)
{
    struct mr_slice word = next_word(&rest);
    if (word.len == 0)
        return MR_OK;
    struct mr_slice shown = mr_word_to_show(mr_slice_cut(&word, '='));
    return mr_fault_set(fault, MR_EPARAM, "\"%.*s\" behind the rights is not known", MR_SLICE_ARG(shown));
}

static int parse_line(struct mr_api_key *out, struct mr_slice line, struct mr_fault *fault)
{
    struct mr_slice name = next_word(&line), hash = next_word(&line), rights = next_word(&line);
    if (rights.len == 0)
        return wrong_line(fault, "a line has a name, sha256:HEX and rights");
    if (!mr_api_key_is_name(name))
        return wrong_line(fault, "a name has 1 to 64 letters, digits, '-', '_', '.' and '@', and is no key");
    if (!parse_hash(hash, out->hash))
        return wrong_line(fault, "behind the name stands sha256: and 64 hexadecimal digits, the hash of the key");
    memcpy(out->name, name.at, name.len);
    out->name[name.len] = '\0';
    int err = mr_rights_parse(rights, &out->rights, fault);
    return err == MR_OK ? parse_further(line, fault) : err;
}

/* ---- all lines ---- */

static int check_unique(const struct mr_api_keys *keys, const struct mr_api_key *key, struct mr_fault *fault)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].name, key->name) == 0)
            return wrong_line(fault, "the name stands in a line above already");
        if (memcmp(keys->keys[i].hash, key->hash, sizeof(key->hash)) == 0)
            return wrong_line(fault, "the hash stands in a line above already");
    }
    return MR_OK;
}

static int add_line(struct mr_api_keys *keys, struct mr_slice line, struct mr_fault *fault)
{
    if (line.len > MR_API_KEYS_LINE_MAX)
        return mr_fault_set(fault, MR_EPARAM, "a line has at most %d bytes", MR_API_KEYS_LINE_MAX);
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    line = mr_slice_trim(line);
    if (line.len == 0 || line.at[0] == '#')
        return MR_OK;
    if (keys->count == MR_API_KEYS_MAX)
        return mr_fault_set(fault, MR_EPARAM, "a file has at most %d keys", MR_API_KEYS_MAX);
    struct mr_api_key *key = &keys->keys[keys->count];
    int err = parse_line(key, line, fault);
    if (err == MR_OK)
        err = check_unique(keys, key, fault);
    if (err == MR_OK)
        keys->count++;
    return err;
}

int mr_api_keys_parse(struct mr_api_keys *out, struct mr_slice text, const char *name, struct mr_fault *fault)
{
    struct mr_fault why;
    out->count = 0;
    for (size_t number = 1; text.at != NULL; number++) {
        int err = add_line(out, mr_slice_cut(&text, '\n'), &why);
        if (err != MR_OK)
            return mr_fault_set(fault, err, "%.100s: line %zu: %s", name, number, why.detail);
    }
    return MR_OK;
}

/* ---- the file ---- */

/* Can only the operator have written it, and no stranger read it? */
static int check_file(int fd, const char *path, struct mr_fault *fault)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return mr_fault_set(fault, MR_EIO, "%.100s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return mr_fault_set(fault, MR_EPARAM, "%.100s: it is no regular file", path);
    if ((info.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
        return mr_fault_set(fault, MR_EPARAM,
                            "%.100s: mode %04o: others must not read or write it, nor its group write it (chmod 640)",
                            path, (unsigned)info.st_mode & 07777u);
    if (info.st_size > MR_API_KEYS_FILE_MAX)
        return mr_fault_set(fault, MR_EPARAM, "%.100s: a key file has at most %d bytes", path, MR_API_KEYS_FILE_MAX);
    return MR_OK;
}

/* Fill `out` from the file. Returns how much, or -1 with errno. */
static ssize_t fill_from(int fd, char *out, size_t size)
{
    size_t len = 0;
    ssize_t got;
    while (len < size && ((got = read(fd, out + len, size - len)) > 0 || (got < 0 && errno == EINTR)))
        len += got > 0 ? (size_t)got : 0;
    return len < size && got < 0 ? -1 : (ssize_t)len;
}

static int read_and_parse(struct mr_api_keys *out, int fd, const char *path, struct mr_fault *fault)
{
    const size_t size = MR_API_KEYS_FILE_MAX + 1;
    char *text = malloc(size);
    if (text == NULL)
        return mr_fault_set(fault, MR_EMEMORY, "%.100s: %s", path, mr_error_text(MR_EMEMORY));
    ssize_t len = fill_from(fd, text, size);
    int err;
    if (len < 0)
        err = mr_fault_set(fault, MR_EIO, "%.100s: %s", path, strerror(errno));
    else if ((size_t)len == size) /* it has grown meanwhile */
        err = mr_fault_set(fault, MR_EPARAM, "%.100s: a key file has at most %d bytes", path, MR_API_KEYS_FILE_MAX);
    else
        err = mr_api_keys_parse(out, (struct mr_slice){.at = text, .len = (size_t)len}, path, fault);
    sodium_memzero(text, len < 0 ? 0 : (size_t)len); /* a key may stand in a wrong place */
    free(text);
    return err;
}

int mr_api_keys_load(struct mr_api_keys *out, const char *path, struct mr_fault *fault)
{
    out->count = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is refused, not waited for */
    if (fd < 0)
        return mr_fault_set(fault, MR_EIO, "%.100s: %s", path, strerror(errno));
    int err = check_file(fd, path, fault);
    if (err == MR_OK)
        err = read_and_parse(out, fd, path, fault);
    close(fd);
    return err;
}

/* ---- keys ---- */

/* Looks at all bytes, by the word: 1,024 keys take 1 us. With sodium_memcmp(), which reads byte by byte, it was 49. */
static bool is_same_hash(const uint8_t a[MR_API_KEY_HASH], const uint8_t b[MR_API_KEY_HASH])
{
    uint64_t differs = 0;
    for (size_t i = 0; i < MR_API_KEY_HASH; i += sizeof(uint64_t)) {
        uint64_t one, other;
        memcpy(&one, a + i, sizeof(one));
        memcpy(&other, b + i, sizeof(other));
        differs |= one ^ other;
    }
    return differs == 0;
}

const struct mr_api_key *mr_api_keys_find(const struct mr_api_keys *keys, struct mr_slice key)
{
    uint8_t hash[MR_API_KEY_HASH];
    const struct mr_api_key *found = NULL;
    if (key.len == 0 || key.len > MR_API_KEY_MAX)
        return NULL;
    crypto_hash_sha256(hash, (const unsigned char *)key.at, key.len);
    for (size_t i = 0; i < keys->count; i++)
        found = is_same_hash(keys->keys[i].hash, hash) ? &keys->keys[i] : found;
    return found;
}

int mr_api_key_make(char out[MR_API_KEY_SIZE])
{
    uint8_t secret[32];
    const size_t prefix = sizeof(MR_API_KEY_PREFIX) - 1;
    _Static_assert(sodium_base64_ENCODED_LEN(sizeof(secret), sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 44,
                   "43, NUL");
    if (sodium_init() < 0)
        return MR_EINTERNAL;
    randombytes_buf(secret, sizeof(secret));
    memcpy(out, MR_API_KEY_PREFIX, prefix);
    sodium_bin2base64(out + prefix, MR_API_KEY_SIZE - prefix, secret, sizeof(secret),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof(secret));
    return MR_OK;
}

void mr_api_key_line(char out[MR_API_KEY_LINE_SIZE], struct mr_slice name, struct mr_slice key, uint32_t rights)
{
    uint8_t hash[MR_API_KEY_HASH];
    char digits[2 * MR_API_KEY_HASH + 1], words[MR_RIGHTS_SIZE];
    MR_ASSERT(mr_api_key_is_name(name) && rights != 0);
    crypto_hash_sha256(hash, (const unsigned char *)key.at, key.len);
    sodium_bin2hex(digits, sizeof(digits), hash, sizeof(hash));
    mr_rights_write(rights, words);
    int len = snprintf(out, MR_API_KEY_LINE_SIZE, "%.*s " HASH_PREFIX "%s %s", MR_SLICE_ARG(name), digits, words);
    MR_ASSERT(len > 0 && (size_t)len < MR_API_KEY_LINE_SIZE);
}
