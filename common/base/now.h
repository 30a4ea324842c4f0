// now.h - clocks for durations; what o'clock it is, nobody needs.
#ifndef COMMON_BASE_NOW_H
#define COMMON_BASE_NOW_H

// Seconds of a clock that never goes back, from an unspecified start.
double now_s(void);

// Seconds of CPU that this thread has used: other work on the machine does not count.
double now_cpu_s(void);

#endif
