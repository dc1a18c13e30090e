#include "base/macros.h"
#include "media/age/age_keys.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A key while it is made: all of it in one piece of guarded memory. */
struct draft {
    uint8_t secret[MR_AGE_BECH32_KEY];
    uint8_t recipient[MR_AGE_BECH32_KEY];
    char secret_text[MR_AGE_BECH32_SIZE("AGE-SECRET-KEY-")];
    char recipient_text[MR_AGE_RECIPIENT_SIZE];
    char file[256];
};

static size_t write_draft(struct draft *draft)
{
    char created[32];
    struct tm utc;
    time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &utc);

    randombytes_buf(draft->secret, sizeof(draft->secret));
    crypto_scalarmult_base(draft->recipient, draft->secret);
    mr_age_bech32_encode(draft->secret_text, "AGE-SECRET-KEY-", draft->secret);
    mr_age_bech32_encode(draft->recipient_text, "age", draft->recipient);

    /* Not by printf(), which may keep a copy. */
    const char *parts[] = {"# created: ",      created, "\n# public key: ", draft->recipient_text, "\n",
                           draft->secret_text, "\n"};
    size_t len = 0;
    for (size_t i = 0; i < MR_ARRAY_SIZE(parts); i++) {
        size_t part = strlen(parts[i]);
        memcpy(draft->file + len, parts[i], part);
        len += part;
    }
    return len;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, text, len);
        if (written < 0 && errno != EINTR)
            return false;
        text += written > 0 ? written : 0;
        len -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* The entry of the file, too, must be on the disk. */
static bool sync_directory_of(const char *path)
{
    char copy[PATH_MAX];
    if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy)) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return synced;
}

/* Into the new file, and close it. On failure it is gone again. */
static bool fill_file(int fd, const char *path, const char *text, size_t len)
{
    bool good = fchmod(fd, S_IRUSR | S_IWUSR) == 0 && write_all(fd, text, len) && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && good) {
        error = errno;
        good = false;
    }
    if (good && !sync_directory_of(path)) {
        error = errno;
        good = false;
    }
    if (!good)
        unlink(path);
    errno = error;
    return good;
}

static int write_identity(const char *path, struct draft *draft, struct mr_fault *fault)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 && errno == EEXIST)
        return mr_fault_set(fault, MR_EPARAM, "%s: is there already, and is not overwritten.", path);
    if (fd < 0 || !fill_file(fd, path, draft->file, write_draft(draft)))
        return mr_fault_set(fault, MR_EIO, "%s: %s", path, strerror(errno));
    return MR_OK;
}

static struct draft *new_draft(void)
{
    return sodium_init() < 0 ? NULL : sodium_malloc(sizeof(struct draft));
}

int mr_age_keygen(const char *path, char recipient[MR_AGE_RECIPIENT_SIZE], struct mr_fault *fault)
{
    struct draft *draft = new_draft();
    if (draft == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    int err = write_identity(path, draft, fault);
    if (err == MR_OK)
        memcpy(recipient, draft->recipient_text, MR_AGE_RECIPIENT_SIZE);
    sodium_free(draft);
    return err;
}

int mr_age_keygen_to(int fd, const char *name, char recipient[MR_AGE_RECIPIENT_SIZE], struct mr_fault *fault)
{
    struct draft *draft = new_draft();
    if (draft == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    int err = MR_OK;
    if (!write_all(fd, draft->file, write_draft(draft)))
        err = mr_fault_set(fault, MR_EIO, "%s: %s", name, strerror(errno));
    memcpy(recipient, draft->recipient_text, MR_AGE_RECIPIENT_SIZE);
    sodium_free(draft);
    return err;
}
