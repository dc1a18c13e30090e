/* Properties of what proxies say of clients, on any bytes; each line is a field: Forwarded if its first byte is even,
 * else X-Forwarded-For.
 *  - a peer that is not trusted is the client itself;
 *  - else the client is the peer, or stands in a field as an address;
 *  - what is preferred is a part of the field. */
#include "base/assert.h"
#include "base/macros.h"
#include "http/forwarded.h"
#include "http/prefer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_fields(struct mr_head *head, struct mr_slice text)
{
    while (text.at != NULL && head->header_count < 8) {
        struct mr_slice line = mr_slice_cut(&text, '\n');
        struct mr_header *header = &head->headers[head->header_count];
        if (line.len == 0)
            continue;
        header->name = (unsigned char)line.at[0] % 2 == 0 ? MR_SLICE("Forwarded") : MR_SLICE("X-Forwarded-For");
        header->value = mr_slice_trim((struct mr_slice){.at = line.at + 1, .len = line.len - 1});
        head->header_count++;
    }
}

static bool stands_in(const struct mr_head *head, const struct mr_peer *client)
{
    for (unsigned i = 0; i < head->header_count; i++) {
        struct mr_slice value = head->headers[i].value;
        for (size_t from = 0; from < value.len; from++) {
            for (size_t len = 1; len <= 64 && from + len <= value.len; len++) {
                struct mr_peer peer;
                if (mr_peer_parse(&peer, (struct mr_slice){.at = value.at + from, .len = len}) &&
                    mr_peer_is_same(&peer, client))
                    return true;
            }
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mr_head head;
    static struct mr_trust trust = {.count = 1, .networks = {{.is_unix = true}}};
    if (size > 400)
        return 0;
    head.header_count = 0;
    read_fields(&head, (struct mr_slice){.at = (const char *)data, .len = size});
    struct mr_peer unix_peer = {.kind = MR_PEER_UNIX}, stranger;
    MR_ASSERT(mr_peer_parse(&stranger, MR_SLICE("192.0.2.1")));
    struct mr_client client = mr_forwarded_client(&head, &stranger, &trust);
    MR_ASSERT(mr_peer_is_same(&client.peer, &stranger) && !client.is_behind_trusted);
    client = mr_forwarded_client(&head, &unix_peer, &trust);
    MR_ASSERT(client.is_behind_trusted);
    MR_ASSERT(client.peer.kind == MR_PEER_UNIX || stands_in(&head, &client.peer));
    for (unsigned i = 0; i < head.header_count; i++)
        head.headers[i].name = MR_SLICE("Prefer");
    struct mr_slice wanted = mr_prefer_find(&head, "respond");
    MR_ASSERT(wanted.at == NULL || wanted.len <= size);
    return 0;
}
