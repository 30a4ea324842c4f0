// main.c - telos-actor: reads the command line, then serves the learner (actor/client.h).
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/client.h"
#include "common/base/cpu.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/options.h"
#include "common/base/process.h"
#include "proto/version.h"

struct arguments {
  struct client_options client;
  long parent;  // 0: none
};

enum { MAX_PATIENCE_S = 86400 };

static const char help[] =
    "Examples:\n"
    "  telos-actor --connect tcp://127.0.0.1:5555\n"
    "  telos-actor --connect tcp://learner.example:5555 --keys keys --threads 8\n"
    "  telos-actor --connect tcp://[::1]:5555 --name rack3/a\n"
    "\n"
    "Usage: telos-actor --connect tcp://HOST:PORT [options]\n"
    "\n"
    "An actor computes the episodes that a learner asks for. Configuration, task and\n"
    "policy come from the learner. Any number of actors may join and leave at any\n"
    "time: the result of training does not depend on them.\n"
    "\n"
    "  --connect ENDPOINT  the learner, tcp://HOST:PORT\n"
    "  --threads N         rollout threads; default: the cores this process may use\n"
    "  --name TEXT         shown in the learner's log; default: host:pid\n"
    "  --keys FOLDER       encrypt, with these keys (telos keys); default beyond this\n"
    "                      machine: keys\n"
    "  --key NAME          our key in it; default: the only one, or actor\n"
    "  --insecure          no encryption, whatever ENDPOINT is: who can listen to the\n"
    "                      network reads all, who can write to it is believed\n"
    "  --patience SECONDS  wait for the learner's first answer; default: 60\n"
    "  --attached          keys come on standard input, and its end is ours (used by\n"
    "                      telos train --hosts)\n"
    "  --parent PID        stop when this parent process ends (used by telos)\n"
    "  --http [ADDR:]PORT  answer /healthz and /readyz there, on loopback unless ADDR\n"
    "                      says otherwise; 0: the system chooses the port\n"
    "  --debug             log more\n"
    "  --help, --version\n"
    "\n"
    "An actor reconnects by itself. It gives up when no learner answers for\n"
    "--patience, later for wire.patience.\n"
    "Exit codes: 0 learner done; 64 usage; 65 unstable simulation; 69 no learner, or\n"
    "the port of --http is in use; 75 asked to stop, or parent gone; 77 refused by the audit, or "
    "for its key; 78 keys\n"
    "that cannot be used, other protocol, MuJoCo version or task; 130, 143 second\n"
    "signal.\n";

// The learner refuses names that are long or would steer a terminal.
static enum err parse_name(const char **out, const char *text) {
  bool printable = text[0] != '\0' && strlen(text) <= CLIENT_MAX_NAME;
  for (const char *c = text; *c != '\0'; c++) {
    printable = printable && (unsigned char)*c >= ' ' && *c != 0x7f;
  }
  if (!printable) {
    log_error("--name: expected 1 to %d printable characters", CLIENT_MAX_NAME);
    return ERR_USAGE;
  }
  *out = text;
  return ERR_OK;
}

static enum err parse_arguments(struct arguments *a, int argc, char **argv) {
  static const struct option options[] = {
      {"connect", required_argument, NULL, 'c'}, {"threads", required_argument, NULL, 't'},
      {"name", required_argument, NULL, 'n'},    {"keys", required_argument, NULL, 'k'},
      {"key", required_argument, NULL, 'K'},     {"insecure", no_argument, NULL, 'i'},
      {"parent", required_argument, NULL, 'p'},  {"patience", required_argument, NULL, 'P'},
      {"http", required_argument, NULL, 'H'},    {"attached", no_argument, NULL, 'a'},
      {"debug", no_argument, NULL, 'd'},         {"help", no_argument, NULL, 'h'},
      {"version", no_argument, NULL, 'v'},       {NULL, 0, NULL, 0},
  };
  enum err err = ERR_OK;
  uint64_t n = 0;
  opterr = 0;  // one line in our own words
  for (int c; err == ERR_OK && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
    switch (c) {
      case 'c':
        a->client.endpoint = optarg;
        break;
      case 't':
        err = number_option(&n, "--threads", optarg, 1, CLIENT_MAX_THREADS);
        a->client.threads = (int)n;
        break;
      case 'n':
        err = parse_name(&a->client.name, optarg);
        break;
      case 'k':
        a->client.keys = optarg;
        break;
      case 'K':
        a->client.key = optarg;
        break;
      case 'i':
        a->client.insecure = true;
        break;
      case 'a':
        a->client.attached = true;
        break;
      case 'H':
        a->client.http = optarg;
        break;
      case 'P':
        err = number_option(&n, "--patience", optarg, 1, MAX_PATIENCE_S);
        a->client.patience_ms = 1000 * (int64_t)n;
        break;
      case 'p':
        err = number_option(&n, "--parent", optarg, 1, INT32_MAX);
        a->parent = (long)n;
        break;
      case 'd':
        log_set_level(LOG_DEBUG);
        break;
      case 'h':
        fputs(help, stdout);
        exit(0);
      case 'v':
        version_print(stdout, "telos-actor", "row kernel AVX2/FMA");
        exit(0);
      default:
        options_complain(c, options, argv, "telos-actor", NULL);
        return ERR_USAGE;
    }
  }
  if (err == ERR_OK && optind < argc) {
    log_error("%s: unexpected argument; see telos-actor --help", argv[optind]);
    err = ERR_USAGE;
  } else if (err == ERR_OK && a->client.endpoint == NULL) {
    log_error("--connect is needed; see telos-actor --help");
    err = ERR_USAGE;
  } else if (err == ERR_OK && (a->client.insecure || a->client.attached) &&
             (a->client.keys != NULL || a->client.key != NULL)) {
    log_error("--keys and --key do not go with --insecure or --attached; see telos-actor --help");
    err = ERR_USAGE;
  }
  return err;
}

int main(int argc, char **argv) {
  // before anything that the compiler may have vectorised
  enum err err = cpu_require();
  if (err != ERR_OK) {
    return err_exit_code(err);
  }
  log_set_name("actor");
  struct arguments a = {.parent = 0};
  err = parse_arguments(&a, argc, argv);
  process_ignore_sigpipe();
  if (err == ERR_OK && a.parent != 0) {
    err = process_follow_parent(a.parent);
  }
  if (err == ERR_OK) {
    if (a.client.threads == 0) {
      const int cores = cpu_cores();
      a.client.threads = cores < CLIENT_MAX_THREADS ? cores : CLIENT_MAX_THREADS;
    }
    err = client_run(&a.client);
    process_ignore_stop();
  }
  return err_exit_code(err);
}
