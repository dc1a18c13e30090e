/* The same tests over the mutex and condition variable that stand in where there is no futex. */
#define MR_PARKING_PORTABLE 1
#include "workers/test_parking.c"
