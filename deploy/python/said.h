// said.h - what a call of the library has to say, kept for its caller instead of printed.
#ifndef PYTHON_SAID_H
#define PYTHON_SAID_H

// At the start of every call that can fail: forgets what the thread's last call said.
void said_begin(void);

// What was logged on this thread since said_begin, a line each, as errors or as warnings; "" for
// nothing. Valid until the next said_begin.
const char *said_errors(void);
const char *said_warnings(void);

#endif
