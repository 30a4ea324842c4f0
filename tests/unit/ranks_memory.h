// ranks_memory.h - ranks (learner/ranks/ranks.h) that are threads of one process: for tests of what
// is said between them, without mpirun. Linking ranks_memory.c takes the place of the library.
#ifndef TESTS_UNIT_RANKS_MEMORY_H
#define TESTS_UNIT_RANKS_MEMORY_H

// The caller becomes rank 0 of n; the others are threads that call work, whose results join
// collects: exit_code[1 .. n - 1]. After that the caller is alone again, and no message is left
// over (CHECK).
enum { RANKS_MEMORY_MOST = 16 };
void ranks_memory_start(int n, int (*work)(void));
void ranks_memory_join(int exit_code[RANKS_MEMORY_MOST]);

#endif
