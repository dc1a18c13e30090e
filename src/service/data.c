#include "service/data.h"
#include <sys/mman.h>

int mr_data_open(struct mr_data *data, const struct mr_config *config, bool may_wait, struct mr_fault *fault)
{
    *data = (struct mr_data){.home = NULL};
    if (config->store.data == NULL)
        return MR_OK;
    // cppcheck-suppress invalidFunctionArg ; an anonymous mapping has no descriptor
    void *shared = mmap(NULL, mr_store_shared_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return mr_fault_set(fault, MR_EMEMORY, "cannot start: %s", mr_error_text(MR_EMEMORY));
    data->shared = shared;
    int err = mr_store_home_open(
        &data->home, &(struct mr_store_home_config){.settings = &config->store, .shared = shared, .may_wait = may_wait},
        fault);
    if (err != MR_OK) {
        mr_data_close(data);
        return err;
    }
    mr_variant_home_open(&data->variants,
                         &(struct mr_variant_home_config){.store = data->home,
                                                          .size_max = config->variants.cache_size,
                                                          .processes = (unsigned)config->cluster.processes});
    return MR_OK;
}

void mr_data_process_ended(const struct mr_data *data, unsigned process)
{
    if (data->variants != NULL)
        mr_variant_index_sweep(data->variants->index, process);
}

void mr_data_close(struct mr_data *data)
{
    mr_variant_home_close(&data->variants);
    mr_store_home_close(&data->home);
    if (data->shared != NULL)
        munmap(data->shared, mr_store_shared_size());
    data->shared = NULL;
}
