/* Moves the wall clock of a process, and of those that it starts, by WALL_CLOCK_SHIFT seconds.
 *
 * What asks for the time of day gets another one. Monotonic clocks, sleeps and timed waits stay true, and so
 * do the times that the kernel writes to files. Preloaded by _wall_clock.py, in tests only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

typedef int (*clock_reader)(clockid_t, struct timespec *);

static clock_reader machine;
static time_t shift;

__attribute__((constructor)) static void begin(void) {
    const char *seconds = getenv("WALL_CLOCK_SHIFT");
    shift = seconds ? atol(seconds) : 0;
    machine = (clock_reader)dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!machine) begin(); /* another library's constructor came first */
    int failed = machine(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
