#include "media/age/age_keys.h"
#include "base/assert.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#define RECIPIENT_PREFIX "age"
#define IDENTITY_PREFIX  "AGE-SECRET-KEY-"
#define SSH_BEGIN        "-----BEGIN "
#define SSH_END          "-----END "

int mr_age_keys_create(struct mr_age_keys **out)
{
    *out = NULL;
    if (sodium_init() < 0) /* does something only once; without it the memory below would not be guarded */
        return MR_EINTERNAL;
    struct mr_age_keys *keys = sodium_malloc(sizeof(*keys));
    if (keys == NULL)
        return MR_EMEMORY;
    sodium_memzero(keys, sizeof(*keys));
    *out = keys;
    return MR_OK;
}

void mr_age_keys_free(struct mr_age_keys **keys)
{
    sodium_free(*keys); /* wipes */
    *keys = NULL;
}

static int add_identity(struct mr_age_keys *keys, struct mr_slice text, const char *name, size_t line,
                        struct mr_fault *fault)
{
    if (keys->count == MR_AGE_IDENTITIES_MAX)
        return mr_fault_limit(fault, MR_EPARAM, "identities", MR_AGE_IDENTITIES_MAX, keys->count + 1);
    struct mr_age_identity *identity = &keys->identities[keys->count];
    if (!mr_age_bech32_decode(identity->secret, IDENTITY_PREFIX, text))
        return mr_fault_set(fault, MR_EPARAM, "%s: line %zu is not an identity (" IDENTITY_PREFIX "1...).", name, line);
    crypto_scalarmult_base(identity->recipient, identity->secret);
    keys->count++;
    return MR_OK;
}

static bool line_begins_with(struct mr_slice line, const char *start)
{
    size_t len = strlen(start);
    return line.len >= len && memcmp(line.at, start, len) == 0;
}

/* An identity that age may read, and we do not. Of a private key of ssh it is the first line. */
static bool is_of_another_kind(struct mr_slice line)
{
    return line_begins_with(line, "AGE-SECRET-KEY-PQ-1") || line_begins_with(line, "AGE-PLUGIN-") ||
           line_begins_with(line, "ssh-") || line_begins_with(line, SSH_BEGIN);
}

static void skip_ssh_key(struct mr_slice *text, size_t *number)
{
    bool is_over = false;
    while (text->at != NULL && !is_over) {
        struct mr_slice line = mr_slice_cut(text, '\n');
        is_over = line_begins_with(line, SSH_END);
        ++*number;
    }
}

int mr_age_keys_add(struct mr_age_keys *keys, struct mr_slice text, const char *name, struct mr_fault *fault)
{
    size_t before = keys->count;
    for (size_t number = 1; text.at != NULL; number++) {
        struct mr_slice line = mr_slice_cut(&text, '\n');
        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        line = mr_slice_trim(line);
        if (line.len == 0 || line.at[0] == '#')
            continue;
        if (is_of_another_kind(line)) {
            keys->others++;
            if (line_begins_with(line, SSH_BEGIN))
                skip_ssh_key(&text, &number);
            continue;
        }
        int err = add_identity(keys, line, name, number, fault);
        if (err != MR_OK)
            return err;
    }
    if (keys->count == before)
        return mr_fault_set(fault, MR_EPARAM, "%s: there is no identity (" IDENTITY_PREFIX "1...)%s.", name,
                            keys->others > 0 ? "; post-quantum ones, those of plugins and of ssh are not supported"
                                             : "");
    return MR_OK;
}

/* Fill `out` from the file. Returns how much, or -1 with errno. */
static ssize_t read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = 0;
    ssize_t got;
    while (len < size && ((got = read(fd, out + len, size - len)) > 0 || (got < 0 && errno == EINTR)))
        len += got > 0 ? (size_t)got : 0;
    int error = errno;
    close(fd);
    errno = error;
    return len < size && got < 0 ? -1 : (ssize_t)len;
}

int mr_age_keys_load(struct mr_age_keys *keys, const char *path, struct mr_fault *fault)
{
    const size_t size = MR_AGE_KEYS_FILE_MAX + 1;
    char *text = sodium_malloc(size);
    if (text == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    int err;
    ssize_t len = read_file(path, text, size);
    if (len < 0)
        err = mr_fault_set(fault, MR_EIO, "%s: %s", path, strerror(errno));
    else if ((size_t)len == size)
        err = mr_fault_set(fault, MR_EPARAM, "%s: a file of identities has at most %d bytes.", path,
                           MR_AGE_KEYS_FILE_MAX);
    else
        err = mr_age_keys_add(keys, (struct mr_slice){.at = text, .len = (size_t)len}, path, fault);
    sodium_free(text);
    return err;
}

void mr_age_keys_recipient(const struct mr_age_keys *keys, size_t index, char out[MR_AGE_RECIPIENT_SIZE])
{
    MR_ASSERT(index < keys->count);
    mr_age_bech32_encode(out, RECIPIENT_PREFIX, keys->identities[index].recipient);
}

int mr_age_recipient_read(uint8_t recipient[MR_AGE_BECH32_KEY], struct mr_slice text, struct mr_fault *fault)
{
    if (mr_age_bech32_decode(recipient, RECIPIENT_PREFIX, text))
        return MR_OK;
    return mr_fault_set(fault, MR_EPARAM,
                        "recipient must be an X25519 key of age (" RECIPIENT_PREFIX
                        "1...); keys of plugins, of ssh and post-quantum ones are not supported.");
}
