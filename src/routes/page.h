/* page.h -- GET / and what belongs to it: the page for people (assets/). A client that does not ask for HTML at / gets
 * a few lines of text. */
#ifndef MR_ROUTES_PAGE_H
#define MR_ROUTES_PAGE_H

#include "app/resource.h"

extern const struct mr_resource mr_page_resource;

#endif
