// bounded.h - a call that may hang, such as a look-up of a name, waited for no longer than one
// wants.
#ifndef COMMON_BASE_BOUNDED_H
#define COMMON_BASE_BOUNDED_H

#include <stdbool.h>

// Runs run(ctx) in a thread of its own and waits for its end, ms at most. False: it still runs, and
// has ctx and what is in it until the process ends. The thread receives no signals.
bool bounded_run(void (*run)(void *ctx), void *ctx, int ms);

#endif
