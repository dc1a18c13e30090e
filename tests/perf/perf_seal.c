/* perf_seal -- the floor that POST /pipe/encrypt and /pipe/decrypt are measured against: the least that a program with
 * blocking sockets and threads needs to receive a body, seal or open it, and send it on.
 *
 *      perf_seal [WORKERS]      POST /seal, POST /open; both need a Content-Length
 *
 * Sealed as the payload of an age file is: chunks of 64 KiB with ChaCha20-Poly1305, a counter and a mark on the last
 * one as the nonce. The key is fixed, and there is no header. One thread receives into a ring, WORKERS threads compute
 * in place, one sends in order; they meet at one mutex. One connection at a time, no limits, no timeouts, no log; what
 * it does not expect ends it. Says where it listens on standard error; ends on SIGTERM. */
#include "base/assert.h"
#include "base/macros.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAIN_MAX   (64 * MR_KIB)
#define TAG         crypto_aead_chacha20poly1305_ietf_ABYTES
#define SEALED_MAX  (PLAIN_MAX + TAG)
#define SLOTS       32
#define WORKERS_MAX 64

struct slot {
    size_t len;
    bool is_done;
    unsigned char bytes[SEALED_MAX];
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t can_receive, can_work, can_send;
    unsigned long received, taken, sent, total; /* chunks */
    int socket;
    bool opens; /* else it seals */
    struct slot slots[SLOTS];
} ring = {.mutex = PTHREAD_MUTEX_INITIALIZER,
          .can_receive = PTHREAD_COND_INITIALIZER,
          .can_work = PTHREAD_COND_INITIALIZER,
          .can_send = PTHREAD_COND_INITIALIZER};

static const unsigned char key[crypto_aead_chacha20poly1305_ietf_KEYBYTES] = "the same for every connection..";

static void compute(struct slot *slot, unsigned long number)
{
    unsigned char nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0};
    for (int i = 0; i < 8; i++)
        nonce[10 - i] = (unsigned char)(number >> (8 * i));
    nonce[11] = number + 1 == ring.total;
    unsigned long long len;
    if (ring.opens)
        MR_ASSERT(crypto_aead_chacha20poly1305_ietf_decrypt(slot->bytes, &len, NULL, slot->bytes, slot->len, NULL, 0,
                                                            nonce, key) == 0);
    else
        crypto_aead_chacha20poly1305_ietf_encrypt(slot->bytes, &len, slot->bytes, slot->len, NULL, 0, NULL, nonce, key);
    slot->len = len;
}

static void *work(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&ring.mutex);
    for (;;) {
        while (ring.taken == ring.received && ring.taken < ring.total)
            pthread_cond_wait(&ring.can_work, &ring.mutex);
        if (ring.taken == ring.total)
            break;
        unsigned long number = ring.taken++;
        struct slot *slot = &ring.slots[number % SLOTS];
        pthread_mutex_unlock(&ring.mutex);
        compute(slot, number);
        pthread_mutex_lock(&ring.mutex);
        slot->is_done = true;
        if (number == ring.sent)
            pthread_cond_signal(&ring.can_send);
    }
    pthread_mutex_unlock(&ring.mutex);
    return NULL;
}

/* False: the client is gone. */
static bool send_all(const void *bytes, size_t len)
{
    for (const char *at = bytes; len > 0;) {
        ssize_t n = send(ring.socket, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static void *send_chunks(void *unused)
{
    (void)unused;
    for (unsigned long number = 0; number < ring.total; number++) {
        struct slot *slot = &ring.slots[number % SLOTS];
        pthread_mutex_lock(&ring.mutex);
        while (!slot->is_done)
            pthread_cond_wait(&ring.can_send, &ring.mutex);
        pthread_mutex_unlock(&ring.mutex);
        MR_ASSERT(send_all(slot->bytes, slot->len));
        pthread_mutex_lock(&ring.mutex);
        slot->is_done = false;
        ring.sent++;
        pthread_cond_signal(&ring.can_receive);
        pthread_mutex_unlock(&ring.mutex);
    }
    return NULL;
}

static void receive_chunks(size_t len)
{
    size_t chunk_max = ring.opens ? SEALED_MAX : PLAIN_MAX;
    for (unsigned long number = 0; number < ring.total; number++) {
        struct slot *slot = &ring.slots[number % SLOTS];
        pthread_mutex_lock(&ring.mutex);
        while (number - ring.sent == SLOTS)
            pthread_cond_wait(&ring.can_receive, &ring.mutex);
        pthread_mutex_unlock(&ring.mutex);
        slot->len = MR_MIN(len, chunk_max);
        len -= slot->len;
        MR_ASSERT(recv(ring.socket, slot->bytes, slot->len, MSG_WAITALL) == (ssize_t)slot->len);
        pthread_mutex_lock(&ring.mutex);
        ring.received++;
        pthread_cond_signal(&ring.can_work);
        pthread_mutex_unlock(&ring.mutex);
    }
}

/* The body is left in the socket. False: the client went. */
static bool read_head(char *head, size_t size)
{
    size_t len = 0;
    while (len + 1 < size && recv(ring.socket, head + len, 1, 0) == 1) {
        head[++len] = '\0';
        if (len >= 4 && strcmp(head + len - 4, "\r\n\r\n") == 0)
            return true;
    }
    return false;
}

static void answer(const char *head, unsigned worker_count)
{
    const char *length = strstr(head, "\r\nContent-Length:");
    MR_ASSERT(length != NULL);
    size_t len = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    ring.opens = strstr(head, " /open ") != NULL;
    size_t chunk_max = ring.opens ? SEALED_MAX : PLAIN_MAX;
    ring.received = ring.taken = ring.sent = 0;
    ring.total = (len + chunk_max - 1) / chunk_max;

    char reply[128];
    int reply_len =
        snprintf(reply, sizeof(reply), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                 ring.opens ? len - ring.total * TAG : len + ring.total * TAG);
    MR_ASSERT(send_all(reply, (size_t)reply_len));

    pthread_t sender, workers[WORKERS_MAX];
    MR_ASSERT(pthread_create(&sender, NULL, send_chunks, NULL) == 0);
    for (unsigned i = 0; i < worker_count; i++)
        MR_ASSERT(pthread_create(&workers[i], NULL, work, NULL) == 0);
    receive_chunks(len);
    pthread_mutex_lock(&ring.mutex);
    pthread_cond_broadcast(&ring.can_work); /* those that wait for a chunk that will not come */
    pthread_mutex_unlock(&ring.mutex);
    for (unsigned i = 0; i < worker_count; i++)
        pthread_join(workers[i], NULL);
    pthread_join(sender, NULL);
}

int main(int argc, char **argv)
{
    unsigned workers = (unsigned)(argc > 1 ? strtoul(argv[1], NULL, 10) : (unsigned long)sysconf(_SC_NPROCESSORS_ONLN));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof(address);
    static char head[16 * 1024];

    MR_ASSERT(sodium_init() >= 0 && workers >= 1 && workers <= WORKERS_MAX);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    MR_ASSERT(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 16) == 0);
    MR_ASSERT(getsockname(listener, (struct sockaddr *)&address, &address_len) == 0);
    fprintf(stderr, "listening on http://127.0.0.1:%u\n", ntohs(address.sin_port));
    while ((ring.socket = accept(listener, NULL, NULL)) >= 0) {
        if (read_head(head, sizeof(head)))
            answer(head, workers);
        close(ring.socket);
    }
    return 1;
}
