// hosts.h - machines on which `telos train` starts actors by ssh: who they are, and what is said to
// them.
//
// On each runs
//
//   ssh HOST sh -c '.. exec telos-actor --attached --connect tcp://ADDRESS:PORT ..'
//
// with its standard input from us: keys come on it, so that none lies on the other machine, and its
// end, whatever ended us, is the actor's end. ADDRESS is the one by which that machine sees this
// one, as ssh tells it there (SSH_CONNECTION), unless it is given.
#ifndef LAUNCH_HOSTS_H
#define LAUNCH_HOSTS_H

#include <stdbool.h>

#include "common/base/err.h"
#include "proto/curve.h"

enum {
  HOSTS_MAX = 256,
  HOSTS_MAX_NAME = 255,
  HOSTS_MAX_WORDS = 32,  // of the ssh command
};

struct host {
  char name[HOSTS_MAX_NAME + 1];  // as ssh knows it: HOST or USER@HOST
  int threads;                    // 0: the cores of that machine
};

struct hosts {
  int n;
  struct host v[HOSTS_MAX];
  // as given, borrowed; NULL: not
  const char *ssh;      // command, split at blanks; ssh
  const char *bin;      // folder of telos-actor there; PATH's, else the folder of this program
  const char *address;  // of this machine
};

// HOST[:THREADS],.. ERR_USAGE (logged): it is no such list.
NODISCARD enum err hosts_parse(struct hosts *h, const char *list);

// The words of the command that starts an actor on host i, up to a NULL; port: of the learner.
// Freed with hosts_free_command.
char **hosts_command(const struct hosts *h, int i, const char *port, bool insecure);
void hosts_free_command(char **words);

// The line that goes to its standard input first. keys: NULL for none. Freed with free().
char *hosts_greeting(const struct curve_actor *keys);

#endif
