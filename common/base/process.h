// process.h - a process among others: its parent, its pipes.
#ifndef COMMON_BASE_PROCESS_H
#define COMMON_BASE_PROCESS_H

#include "common/base/err.h"

// Be sent SIGTERM when the parent ends, however it ends (kill -9 included). parent is the process
// that started us: ERR_INTERRUPTED when it is gone already. Linux only; main thread.
NODISCARD enum err process_follow_parent(long parent);

// SIGINT and SIGTERM no longer do anything: for the last steps of a process whose result is
// settled.
void process_ignore_stop(void);

// A closed pipe or socket is an error code of write(), not the end of the process.
void process_ignore_sigpipe(void);

// Gives freed memory that malloc keeps for what comes next back to the system: after work that took
// more than what follows will.
void process_return_memory(void);

// As many open files and sockets as the system lets this process have.
void process_raise_files(void);

#endif
