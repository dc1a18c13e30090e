#include "supervisor/listeners.h"
#include "base/assert.h"
#include "base/console.h"
#include "supervisor/systemd.h"
#include <stdio.h>

// clang-format off
const struct mr_option mr_listen_options[] = {
    MR_OPTION_LIST(mr_listen_settings, "listen", "HOST:PORT|unix:PATH", addresses, "address to listen on, repeatable (" MR_DEFAULT_LISTEN ")"),
    MR_OPTION_ROW(mr_listen_settings, "open", BOOL, 0, 0, NULL, NULL, open,        "serve without keys where others can reach it"),
    MR_OPTION_END,
};
// clang-format on

static bool may_be_public(const struct mr_listen_settings *settings)
{
    return settings->open || settings->has_keys;
}

static int refuse_reachable(const char *address, struct mr_fault *fault)
{
    return mr_fault_set(
        fault, MR_EPARAM,
        "%s can be reached from other machines: name keys with --api-keys, or add --open to serve without", address);
}

int mr_listeners_check(const struct mr_listen_settings *settings, struct mr_fault *fault)
{
    for (size_t i = 0; i < settings->addresses.count; i++) {
        bool is_loopback;
        int err = mr_listener_check(settings->addresses.values[i], &is_loopback, fault);
        if (err == MR_OK && !is_loopback && !may_be_public(settings))
            err = refuse_reachable(settings->addresses.values[i], fault);
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

/* How it is opened: address, or fd where that is NULL. */
struct wanted {
    const char *address;
    int fd;
    unsigned loops;
    bool may_be_public;
};

static int open_listener(struct mr_listeners *listeners, const struct wanted *wanted, struct mr_fault *fault)
{
    MR_ASSERT(listeners->count < MR_LISTENERS_MAX);
    struct mr_listener *listener = &listeners->at[listeners->count];
    int err = wanted->address != NULL ? mr_listener_open(listener, wanted->address, wanted->loops, fault)
                                      : mr_listener_adopt(listener, wanted->fd, wanted->loops, fault);
    if (err != 0)
        return err;
    listeners->count++;
    return listener->is_loopback || wanted->may_be_public ? MR_OK : refuse_reachable(listener->url, fault);
}

int mr_listeners_open(struct mr_listeners *out, const struct mr_listen_settings *settings, unsigned loops,
                      unsigned passed, struct mr_fault *fault)
{
    const struct mr_option_list *addresses = &settings->addresses;
    struct wanted wanted = {.loops = loops, .may_be_public = may_be_public(settings)};
    int err = MR_OK;
    out->count = 0;
    for (size_t i = 0; i < addresses->count && err == 0; i++) {
        wanted.address = addresses->values[i];
        err = open_listener(out, &wanted, fault);
    }
    if (addresses->count > 0)
        return err;
    for (unsigned i = 0; i < passed && err == 0; i++) {
        wanted.fd = MR_SYSTEMD_FIRST_FD + (int)i;
        err = open_listener(out, &wanted, fault);
    }
    wanted.address = MR_DEFAULT_LISTEN;
    return passed > 0 ? err : open_listener(out, &wanted, fault);
}

void mr_listeners_unlink(struct mr_listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        mr_listener_unlink(&listeners->at[i]);
}

void mr_listeners_close(struct mr_listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        mr_listener_close(&listeners->at[i]);
    listeners->count = 0;
}

void mr_listeners_announce(const struct mr_listeners *listeners)
{
    char line[sizeof("listening on \n") + sizeof(listeners->at[0].url)];
    for (unsigned i = 0; i < listeners->count; i++) {
        snprintf(line, sizeof(line), "listening on %s\n", listeners->at[i].url);
        mr_console_say(line, 0);
    }
    mr_systemd_notify("READY=1");
}
