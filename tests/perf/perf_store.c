/* perf_store -- the floor that uploads are measured against: the least that a program with blocking sockets and a
 * thread for each connection needs to keep a body in a file.
 *
 *      perf_store DIRECTORY [hash] [durable]        PUT /NAME with a Content-Length; 201 when it is kept
 *
 * It receives, hashes (SHA-256 of libcrypto) if asked to, writes a file of a temporary name and renames it; durable:
 * with fdatasync before the rename and fsync of the directory behind it. No limits, no timeouts, no log, nothing but
 * PUT; what it does not expect ends the connection. Says where it listens on standard error; ends on SIGTERM. */
#define _GNU_SOURCE 1 /* strcasestr */
#include "base/assert.h"
#include "base/macros.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER (256 * MR_KIB)

static int directory;
static bool hashes, is_durable;
static atomic_ulong number; /* relaxed: of temporary names */

struct upload {
    int socket, file;
    size_t held; /* bytes in the buffer: the begin of the next request or body */
    char name[128], temporary[32];
    EVP_MD_CTX *digest;
    char buffer[BUFFER + 1];
};

/* Returns the length of the head, 0: the connection is over. */
static size_t receive_head(struct upload *upload, size_t *body)
{
    const char *end = NULL;
    for (;;) {
        upload->buffer[upload->held] = '\0';
        end = strstr(upload->buffer, "\r\n\r\n");
        if (end != NULL)
            break;
        ssize_t got = recv(upload->socket, upload->buffer + upload->held, BUFFER - upload->held, 0);
        if (got <= 0)
            return 0;
        upload->held += (size_t)got;
    }
    const char *length = strcasestr(upload->buffer, "\r\nContent-Length:");
    if (length == NULL || length > end || sscanf(upload->buffer, "PUT /%127[^ /]", upload->name) != 1)
        return 0;
    *body = strtoul(length + sizeof("\r\nContent-Length:") - 1, NULL, 10);
    return (size_t)(end + 4 - upload->buffer);
}

static void keep_bytes(struct upload *upload, const char *bytes, size_t len)
{
    if (hashes)
        MR_ASSERT(EVP_DigestUpdate(upload->digest, bytes, len) == 1);
    for (size_t done = 0; done < len;) {
        ssize_t written = write(upload->file, bytes + done, len - done);
        MR_ASSERT(written > 0);
        done += (size_t)written;
    }
}

static bool keep_body(struct upload *upload, size_t head, size_t body)
{
    size_t first = MR_MIN(upload->held - head, body);
    keep_bytes(upload, upload->buffer + head, first);
    upload->held -= head + first;
    memmove(upload->buffer, upload->buffer + head + first, upload->held);
    for (size_t left = body - first; left > 0;) {
        ssize_t got = recv(upload->socket, upload->buffer, MR_MIN(left, (size_t)BUFFER), 0);
        if (got <= 0)
            return false;
        keep_bytes(upload, upload->buffer, (size_t)got);
        left -= (size_t)got;
    }
    return true;
}

static void commit_file(struct upload *upload)
{
    if (is_durable)
        MR_ASSERT(fdatasync(upload->file) == 0);
    MR_ASSERT(close(upload->file) == 0);
    MR_ASSERT(renameat(directory, upload->temporary, directory, upload->name) == 0);
    if (is_durable)
        MR_ASSERT(fsync(directory) == 0);
}

static void respond(struct upload *upload)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char response[256] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
    if (hashes) {
        MR_ASSERT(EVP_DigestFinal_ex(upload->digest, digest, NULL) == 1);
        snprintf(response, sizeof(response), "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nX-Digest: %02x%02x\r\n\r\n",
                 digest[0], digest[1]);
    }
    MR_ASSERT(send(upload->socket, response, strlen(response), 0) == (ssize_t)strlen(response));
}

static bool serve_one(struct upload *upload)
{
    size_t body, head = receive_head(upload, &body);
    if (head == 0)
        return false;
    snprintf(upload->temporary, sizeof(upload->temporary), ".%lu",
             atomic_fetch_add_explicit(&number, 1, memory_order_relaxed));
    upload->file = openat(directory, upload->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    MR_ASSERT(upload->file >= 0);
    if (hashes)
        MR_ASSERT(EVP_DigestInit_ex(upload->digest, EVP_sha256(), NULL) == 1);
    if (!keep_body(upload, head, body))
        return false;
    commit_file(upload);
    respond(upload);
    return true;
}

static void *serve(void *context)
{
    struct upload *upload = context;
    while (serve_one(upload))
        ;
    close(upload->socket);
    EVP_MD_CTX_free(upload->digest);
    free(upload);
    return NULL;
}

static void begin_connection(int fd)
{
    pthread_t thread;
    int on = 1;
    struct upload *upload = malloc(sizeof(*upload));
    MR_ASSERT(fd >= 0 && upload != NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    upload->socket = fd;
    upload->held = 0;
    upload->digest = EVP_MD_CTX_new();
    MR_ASSERT(upload->digest != NULL && pthread_create(&thread, NULL, serve, upload) == 0);
    pthread_detach(thread);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MR_ASSERT(argc > 1);
    directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 2; i < argc; i++) {
        hashes |= strcmp(argv[i], "hash") == 0;
        is_durable |= strcmp(argv[i], "durable") == 0;
    }
    MR_ASSERT(directory >= 0 && listener >= 0 && bind(listener, (struct sockaddr *)&address, len) == 0 &&
              listen(listener, 1024) == 0 && getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    signal(SIGPIPE, SIG_IGN);
    fprintf(stderr, "listening on http://127.0.0.1:%u\n", ntohs(address.sin_port));
    for (;;)
        begin_connection(accept(listener, NULL, NULL));
}
