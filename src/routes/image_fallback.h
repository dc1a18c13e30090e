/* image_fallback.h -- what is shown where an image cannot be made because of its picture: the original, if the address
 * says ?fallback=original, else an image of the file that --image-fallback names. Never instead of a refusal for want
 * of room, of a right, or of the file. For images.c alone, on the request's loop. */
#ifndef MR_ROUTES_IMAGE_FALLBACK_H
#define MR_ROUTES_IMAGE_FALLBACK_H

#include "app/app.h"
#include "http/request.h"
#include "store/store.h"

extern const char *const mr_image_fallback_words[];

/* The row of the parameter. */
#define MR_IMAGE_FALLBACK_PARAM                                                                           \
    {                                                                                                     \
        .name = "fallback", .type = MR_PARAM_CHOICE, .choices = mr_image_fallback_words,                  \
        .text = "original: where the image cannot be made of the file, the response is the file as it is" \
    }

/* RFC 9211: it is none of the images that are kept under this address. */
#define MR_IMAGE_FALLBACK_STATUS "millrace; fwd=miss; detail=fallback"

struct mr_image_fallback {
    bool wants_original;
    bool is_used;        /* the image is one of the other file, */
    struct mr_fault why; /* since of the one that was asked for none can be made */
};

/* The value of the parameter: MR_OK or MR_EPARAM. */
int mr_image_fallback_read(struct mr_image_fallback *fallback, struct mr_slice value, struct mr_fault *fault);

/* Respond with the original, which `reader` has open, if it is wanted, is the right thing to do, and is of a type that
 * a browser may show as an image. False: nothing was done. varies: with Accept it might have been made. */
bool mr_image_fallback_respond(const struct mr_image_fallback *fallback, struct mr_request *request,
                               struct mr_store_reader *reader, const struct mr_fault *fault,
                               struct mr_slice cache_control, bool varies);
/* True: an image of the other file, app->variants->fallback, is to be made. */
bool mr_image_fallback_begin(struct mr_image_fallback *fallback, const struct mr_app *app,
                             const struct mr_fault *fault);
/* What the client is told when that cannot be made either: what is wrong with its own file, but for want of room. */
const struct mr_fault *mr_image_fallback_fault(const struct mr_image_fallback *fallback, const struct mr_fault *fault);

/* Cache-Control of what is shown instead: soon the file may be another's. usual: that of images, which may allow less.
 * expires: of a signed address, or 0. In the request's arena. */
struct mr_slice mr_image_fallback_cache_control(struct mr_request *request, const char *usual, uint64_t expires);
void mr_image_fallback_count(const struct mr_request *request);

#endif
