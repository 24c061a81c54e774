/* A wall clock that is wrong by CLOCK_STEP seconds; the steady clocks stay right. For LD_PRELOAD: nobody but a test sets a
 * machine's clock. In C, because Rust code of this project may not be unsafe. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static long step(void) {
    const char *text = getenv("CLOCK_STEP");
    return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) {
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = real(clock, out);
    if (result == 0 && clock == CLOCK_REALTIME) {
        out->tv_sec += step();
    }
    return result;
}
