#include "bench/lab/lab_machine.h"
#include "base/macros.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <uv.h>
#include <vips/vips.h>
#include <zlib.h>

/* "model name : AMD EPYC" of /proc/cpuinfo, or the architecture where there is none. */
static void find_processor(char *out, size_t size, const struct utsname *system)
{
    char line[256];
    snprintf(out, size, "%s", system->machine);
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "model name", 10) != 0)
            continue;
        const char *name = strchr(line, ':') + 2;
        snprintf(out, size, "%.*s", (int)strcspn(name, "\n"), name);
        break;
    }
    if (file != NULL)
        fclose(file);
}

void mr_lab_machine_describe(struct mr_lab_result *result)
{
    char processor[128];
    struct utsname system;
    struct sysinfo info;
    uname(&system);
    sysinfo(&info);
    find_processor(processor, sizeof(processor), &system);
    snprintf(result->machine, sizeof(result->machine), "%s, %u cores, %.0f GiB, %s %s", processor,
             uv_available_parallelism(), (double)info.totalram * info.mem_unit / (double)MR_GIB, system.sysname,
             system.release);
    snprintf(result->version, sizeof(result->version), "%s", MILLRACE_VERSION);
    snprintf(result->libraries, sizeof(result->libraries), "libuv %s, libvips %s, libsodium %s, zlib %s",
             uv_version_string(), vips_version_string(), sodium_version_string(), zlibVersion());
    double load = 0;
    result->load_average = getloadavg(&load, 1) == 1 ? load : 0;
}
