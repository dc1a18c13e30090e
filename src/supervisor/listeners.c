#include "supervisor/listeners.h"
#include "base/assert.h"
#include "supervisor/systemd.h"
#include <stdio.h>
#include <unistd.h>

static int add(struct mr_listeners *listeners, const struct mr_config *config, const char *address, int fd,
               struct mr_fault *fault)
{
    MR_ASSERT(listeners->count < MR_LISTENERS_MAX);
    struct mr_listener *listener = &listeners->at[listeners->count];
    unsigned loops = (unsigned)(config->processes * config->loops);
    int err = address != NULL ? mr_listener_open(listener, address, loops, fault)
                              : mr_listener_adopt(listener, fd, loops, fault);
    if (err != 0)
        return err;
    listeners->count++;
    if (!listener->is_loopback && !config->open)
        return mr_fault_set(fault, MR_EPARAM, "%s can be reached from other machines: add --open to allow that",
                            listener->url);
    return MR_OK;
}

int mr_listeners_open(struct mr_listeners *out, const struct mr_config *config, unsigned passed, struct mr_fault *fault)
{
    const struct mr_option_list *addresses = &config->listen;
    int err = MR_OK;
    out->count = 0;
    for (size_t i = 0; i < addresses->count && err == 0; i++)
        err = add(out, config, addresses->values[i], -1, fault);
    if (addresses->count > 0)
        return err;
    for (unsigned i = 0; i < passed && err == 0; i++)
        err = add(out, config, NULL, MR_SYSTEMD_FIRST_FD + (int)i, fault);
    return passed > 0 ? err : add(out, config, MR_DEFAULT_LISTEN, -1, fault);
}

void mr_listeners_close(struct mr_listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        mr_listener_close(&listeners->at[i]);
    listeners->count = 0;
}

void mr_listeners_announce(const struct mr_listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        dprintf(STDERR_FILENO, "listening on %s\n", listeners->at[i].url);
    mr_systemd_notify("READY=1");
}
