/* DESIGN: libheif 1.15 and libde265 1.0.11 neither clear the planes that they allocate nor report that a slice or a
 * tile was missing: what was freed before, such as another request's pixels, would be seen in the image. libde265 takes
 * its planes from posix_memalign, libheif from C++'s operator new[]. The program defines both, and a definition in the
 * program stands before those in libraries.
 *
 * glibc's M_PERTURB, which fills whatever malloc gives and free gets, was tried: the loop frees and allocates bodies of
 * megabytes, and filled them. */
#define _GNU_SOURCE 1 /* RTLD_NEXT */
#include "media/image/decoder_memory.h"

#include "base/assert.h"
#include "base/macros.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef MR_SANITIZED

bool mr_decoder_memory_is_zeroed(void)
{
    return true;
}

#else

/* operator new[], and the one that does not throw. NOLINTBEGIN */
void *_Znam(size_t size);
void *_ZnamRKSt9nothrow_t(size_t size, const void *nothrow);
/* NOLINTEND */

__attribute__((visibility("default"))) int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
        return EINVAL;
    void *memory = aligned_alloc(alignment, size);
    if (memory == NULL)
        return ENOMEM;
    memset(memory, 0, size);
    *out = memory;
    return 0;
}

/* Out of memory, the C++ library's own throws. What was allocated is given back with free. */
__attribute__((visibility("default"))) void *_Znam(size_t size) /* NOLINT */
{
    void *memory = calloc(1, MR_MAX(size, (size_t)1));
    if (memory != NULL)
        return memory;
    void *(*next)(size_t) = NULL;
    void *found = dlsym(RTLD_NEXT, "_Znam");
    MR_ASSERT(found != NULL);
    memcpy(&next, &found, sizeof(next));
    return next(size);
}

/* That of libstdc++ calls the one above, and that of jemalloc does not. */
__attribute__((visibility("default"))) void *_ZnamRKSt9nothrow_t(size_t size, const void *nothrow) /* NOLINT */
{
    (void)nothrow;
    return calloc(1, MR_MAX(size, (size_t)1));
}

static bool is_first(const char *name, const void *own)
{
    return dlsym(RTLD_DEFAULT, name) == own;
}

bool mr_decoder_memory_is_zeroed(void)
{
    int (*aligned)(void **, size_t, size_t) = posix_memalign;
    void *(*array)(size_t) = _Znam, *(*quiet)(size_t, const void *) = _ZnamRKSt9nothrow_t;
    void *first, *second, *third;
    memcpy(&first, &aligned, sizeof(first));
    memcpy(&second, &array, sizeof(second));
    memcpy(&third, &quiet, sizeof(third));
    return is_first("posix_memalign", first) && is_first("_Znam", second) && is_first("_ZnamRKSt9nothrow_t", third);
}

#endif
