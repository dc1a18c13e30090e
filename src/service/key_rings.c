#include "service/key_rings.h"
#include "app/presets.h"
#include "keys/api_keys.h"
#include "keys/signing_keys.h"

static int open_ring(struct mr_key_ring **out, const struct mr_key_kind *kind, const char *option, const char *file,
                     struct mr_fault *fault)
{
    struct mr_fault why;
    int err = file != NULL ? mr_key_ring_open(out, kind, file, &why) : MR_OK;
    return err == MR_OK ? MR_OK : mr_fault_set(fault, err, "--%s: %s", option, why.detail);
}

int mr_key_rings_open(struct mr_key_rings *out, const struct mr_config *config, struct mr_fault *fault)
{
    *out = (struct mr_key_rings){.api = NULL};
    int err = open_ring(&out->api, &mr_api_key_kind, "api-keys", config->app.api_keys, fault);
    if (err == MR_OK)
        err = open_ring(&out->signing, &mr_signing_key_kind, "signing-keys", config->signing.keys, fault);
    if (err == MR_OK)
        err = open_ring(&out->presets, &mr_preset_kind, "presets", config->fence.presets, fault);
    if (err != MR_OK)
        mr_key_rings_close(out);
    return err;
}

void mr_key_rings_reload(const struct mr_key_rings *rings)
{
    if (rings->api != NULL)
        mr_key_ring_reload(rings->api);
    if (rings->signing != NULL)
        mr_key_ring_reload(rings->signing);
    if (rings->presets != NULL)
        mr_key_ring_reload(rings->presets);
}

void mr_key_rings_close(struct mr_key_rings *rings)
{
    mr_key_ring_close(&rings->api);
    mr_key_ring_close(&rings->signing);
    mr_key_ring_close(&rings->presets);
}
