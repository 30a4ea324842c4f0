// hosts.c - words for ssh. What the other machine's shell reads is POSIX, whatever the user's is.
#include "deploy/launch/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/client.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/number.h"
#include "common/base/shell.h"
#include "deploy/launch/commands.h"

// one HOST[:THREADS] of n bytes
static bool parse_host(struct host *h, const char *text, size_t n) {
  char word[HOSTS_MAX_NAME + 16];
  if (n == 0 || n >= sizeof word) {
    return false;
  }
  snprintf(word, sizeof word, "%.*s", (int)n, text);
  char *colon = strchr(word, ':');
  int64_t threads = 0;
  if (colon != NULL) {
    *colon = '\0';
    if (!number_parse_int(&threads, colon + 1) || threads < 1 || threads > CLIENT_MAX_THREADS) {
      return false;
    }
  }
  // a name that begins with '-' would be an option of ssh
  if (word[0] == '\0' || word[0] == '-' || strlen(word) > HOSTS_MAX_NAME ||
      strpbrk(word, " \t'\"\\;&|<>()$`") != NULL) {
    return false;
  }
  *h = (struct host){.threads = (int)threads};
  snprintf(h->name, sizeof h->name, "%s", word);
  return true;
}

enum err hosts_parse(struct hosts *h, const char *list) {
  h->n = 0;
  for (const char *p = list;; p++) {
    const size_t n = strcspn(p, ",");
    if (h->n == HOSTS_MAX) {
      log_error("--hosts: more than %d machines", HOSTS_MAX);
      return ERR_USAGE;
    }
    if (!parse_host(&h->v[h->n], p, n)) {
      log_error(
          "--hosts %.200s: expected HOST or HOST:THREADS, with commas between them, for example "
          "a,b:8 (threads 1 to %d)",
          list, CLIENT_MAX_THREADS);
      return ERR_USAGE;
    }
    h->n++;
    p += n;
    if (*p == '\0') {
      return ERR_OK;
    }
  }
}

static char *script(const struct hosts *h, int i, const char *port, bool insecure) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  CHECK(out != NULL);
  if (h->bin != NULL) {
    fputs("p=", out);
    shell_quote(out, h->bin);
    fputs("/telos-actor; ", out);
  } else {
    fputs("p=$(command -v telos-actor) || p=", out);
    shell_quote(out, commands_program_dir());
    fputs("/telos-actor; ", out);
  }
  fputs(
      "if ! [ -x \"$p\" ]; then echo \"E telos: no program $p on $(hostname); install telos there, "
      "or "
      "say --remote-bin FOLDER\" >&2; exit 78; fi; ",
      out);
  if (h->address != NULL) {
    fputs("a=", out);
    shell_quote(out, h->address);
    fputs("; ", out);
  } else {
    fputs("a=${SSH_CONNECTION%% *}; ", out);
  }
  fputs("case $a in *:*) a=\"[$a]\";; esac; exec \"$p\" --attached --connect \"tcp://$a:", out);
  fprintf(out, "%s\" --name ", port);
  shell_quote(out, h->v[i].name);
  if (h->v[i].threads > 0) {
    fprintf(out, " --threads %d", h->v[i].threads);
  }
  fputs(insecure ? " --insecure" : "", out);
  CHECK(fclose(out) == 0);
  return text;
}

char **hosts_command(const struct hosts *h, int i, const char *port, bool insecure) {
  static const char *const options[] = {
      "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3",
      "--"};
  const int noptions = (int)(sizeof options / sizeof *options);
  char **words = must_alloc(HOSTS_MAX_WORDS + (size_t)noptions + 3, sizeof *words);
  int n = 0;
  for (const char *p = h->ssh != NULL ? h->ssh : "ssh"; n < HOSTS_MAX_WORDS;) {
    p += strspn(p, " ");
    const size_t length = strcspn(p, " ");
    if (length == 0) {
      break;
    }
    words[n] = strndup(p, length);
    CHECK(words[n++] != NULL);
    p += length;
  }
  for (int k = 0; k < noptions; k++) {
    words[n] = strdup(options[k]);
    CHECK(words[n++] != NULL);
  }
  words[n] = strdup(h->v[i].name);
  CHECK(words[n++] != NULL);
  char *text = script(h, i, port, insecure);
  char sh[] = "sh", c[] = "-c";
  words[n++] = shell_join((char *[]){sh, c, text}, 3);
  free(text);
  return words;
}

void hosts_free_command(char **words) {
  for (int i = 0; words[i] != NULL; i++) {
    free(words[i]);
  }
  free(words);
}

char *hosts_greeting(const struct curve_actor *keys) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  CHECK(out != NULL);
  if (keys == NULL) {
    fputs("none\n", out);
  } else {
    fprintf(out, "keys %s %s %s\n", keys->learner.public_key, keys->own.public_key,
            keys->own.secret_key);
  }
  CHECK(fclose(out) == 0);
  return text;
}
