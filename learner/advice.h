// advice.h - what a person who starts a learner by hand is told to type next. `telos train`, when
// it is our parent, says it in its own words.
//
// Commands run as they are printed: the other programs are named as this one was, and words are
// quoted for a shell.
#ifndef LEARNER_ADVICE_H
#define LEARNER_ADVICE_H

#include <stdbool.h>
#include <stdint.h>

// What was on the command line.
struct advice {
  const char *program;  // argv[0]
  const char *task, *run;
  const char *keys;  // NULL: not given
  bool insecure;
  uint64_t video_every;  // 0: not given
};

// How actors are started for a learner that listens on endpoint, tcp://HOST:PORT.
void advice_actors(const struct advice *a, const char *endpoint);

// How a stopped run goes on.
void advice_resume(const struct advice *a);

// What to do with a finished one.
void advice_done(const struct advice *a);

#endif
