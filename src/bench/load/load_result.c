#include "bench/load/load_result.h"
#include <string.h>

void mr_load_result_free(struct mr_load_result *result)
{
    mr_timeline_free(&result->timeline);
    memset(result, 0, sizeof(*result));
}
