// candidates.c - the verb's --help is read as a person would: a line "  --name WHAT  text" is an
// option, with a value if WHAT is there. So what is not documented is not offered.
#include "deploy/launch/candidates.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/config/bundle.h"
#include "common/config/table.h"
#include "common/task/task.h"
#include "deploy/launch/verbs.h"

enum { MAX_OPTIONS = 64, MAX_WORD = 256 };

struct option_row {
  char name[MAX_WORD];  // with its dashes
  char what[MAX_WORD];  // stands for its value; "": it takes none
  char help[MAX_WORD];
};

struct option_rows {
  struct option_row v[MAX_OPTIONS];
  int n;
};

struct place {
  FILE *out;
  const char *last;  // the word as far as it is typed
  size_t kept;       // its bytes that stay, "--rule=" or "odac," before what is completed
};

static void offer(const struct place *p, const char *word, const char *end, const char *help) {
  const char *typed = p->last + p->kept;
  if (strncmp(word, typed, strlen(typed)) == 0) {
    fprintf(p->out, "%.*s%s%s%s%s\n", (int)p->kept, p->last, word, end, help[0] ? "\t" : "", help);
  }
}

// ---- options of a verb ----

// the option that word names, "--rule" or, up to its '=', "--rule=odac"; NULL: none
static struct option_row *find_option(struct option_rows *rows, const char *word) {
  const size_t n = strcspn(word, "=");
  for (int i = 0; i < rows->n; i++) {
    if (strlen(rows->v[i].name) == n && strncmp(rows->v[i].name, word, n) == 0) {
      return &rows->v[i];
    }
  }
  return NULL;
}

// copies the word at p, up to one of the ends, into out; returns what is behind it
static const char *take(char out[MAX_WORD], const char *p, const char *ends) {
  const size_t n = strcspn(p, ends);
  snprintf(out, MAX_WORD, "%.*s", (int)n, p);
  return p + n;
}

// row is the one behind the last: a new option, or one more word for the value of an earlier one
static void keep(struct option_rows *rows, const struct option_row *row) {
  struct option_row *earlier = find_option(rows, row->name);
  if (earlier == NULL) {
    rows->n++;
  } else if (islower((unsigned char)earlier->what[0])) {
    const size_t used = strlen(earlier->what);
    snprintf(earlier->what + used, MAX_WORD - used, "|%s", row->what);
  }
}

// "  --name WHAT  text", "  --name  text" and "  --name, --other" add their options
static void read_line(struct option_rows *rows, const char *line) {
  const char *p = line + strspn(line, " ");
  while (strncmp(p, "--", 2) == 0 && rows->n < MAX_OPTIONS) {
    struct option_row *row = &rows->v[rows->n];
    *row = (struct option_row){.what = ""};
    p = take(row->name, p, " ,\n");
    if (p[0] == ' ' && p[1] != ' ') {
      p = take(row->what, p + 1, " \n");
    }
    if (p[0] == ',') {
      p += 1 + strspn(p + 1, " ");
    } else {
      take(row->help, p + strspn(p, " "), "\n");
    }
    keep(rows, row);
  }
}

// prints the verb's help into fd: in a process of its own, since verbs end with it
static void print_verb_help(const struct verb *verb, int fd) {
  char name[MAX_WORD], option[] = "--help", *words[] = {name, option, NULL};
  snprintf(name, sizeof name, "%s", verb->name);
  if (dup2(fd, STDOUT_FILENO) >= 0) {
    exit(verb->run(2, words));
  }
  _exit(1);
}

static void read_options(struct option_rows *rows, const struct verb *verb) {
  int ends[2];
  rows->n = 0;
  if (pipe(ends) != 0) {
    return;
  }
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    print_verb_help(verb, ends[1]);
  }
  close(ends[1]);
  FILE *in = fdopen(ends[0], "r");
  char *line = NULL;
  size_t room = 0;
  while (in != NULL && getline(&line, &room, in) > 0) {
    read_line(rows, line);
  }
  free(line);
  if (in != NULL) {
    fclose(in);
  } else {
    close(ends[0]);
  }
  if (child > 0) {
    waitpid(child, NULL, 0);
  }
}

// ---- the kinds ----

static void offer_task(void *ctx, const char *name, const char *path) {
  (void)path;
  offer(ctx, name, "", "");
}

static void offer_rules(const struct place *p) {
  const struct named_rule *rule;
  for (int i = 0; (rule = config_rule_at(i)) != NULL; i++) {
    offer(p, rule->bundle.name, "", rule->bundle.help);
  }
}

static void offer_presets(const struct place *p) {
  const struct bundle *preset;
  for (int i = 0; (preset = config_preset_at(i)) != NULL; i++) {
    offer(p, preset->name, "", preset->help);
  }
}

static void offer_verbs(const struct place *p) {
  for (const struct verb *v = verbs; v->name != NULL; v++) {
    offer(p, v->name, "", v->help);
  }
}

// group.name= and, behind the '=', what it can be
static void offer_settings(struct place p) {
  static const char *const truth[] = {"true", "false", NULL};
  const size_t length = strcspn(p.last, "=");
  for (int i = 0; i < CONFIG_ROWS; i++) {
    const struct config_row *row = &config_rows[i];
    char key[2 * CONFIG_KEY_BYTES];
    snprintf(key, sizeof key, "%s.%s", row->group, row->name);
    if (p.last[length] == '\0') {
      offer(&p, key, "=", row->help);
      continue;
    }
    const char *const *words = row->type == ROW_BOOL ? truth : row->words;
    p.kept = length + 1;
    if (strlen(key) == length && strncmp(key, p.last, length) == 0) {
      for (; words != NULL && *words != NULL; words++) {
        offer(&p, *words, "", "");
      }
    }
  }
}

static void offer_kinds(const struct place *p, const char *kinds);

// what: one of the alternatives
static void offer_kind(struct place p, const char *what) {
  if (strcmp(what, "TASK") == 0) {
    task_list(offer_task, &p);
  } else if (strcmp(what, "RULE") == 0) {
    offer_rules(&p);
  } else if (strcmp(what, "RULE,..") == 0) {
    const char *comma = strrchr(p.last + p.kept, ',');
    p.kept = comma != NULL ? (size_t)(comma + 1 - p.last) : p.kept;
    offer_rules(&p);
  } else if (strcmp(what, "PRESET") == 0) {
    offer_presets(&p);
  } else if (strcmp(what, "VERB") == 0) {
    offer_verbs(&p);
  } else if (strcmp(what, "SETTING") == 0) {
    offer_settings(p);
  } else if (strcmp(what, "WHICH") == 0) {
    offer_kinds(&p, "best|last");
  } else if (strcmp(what, "RUN") == 0 || strcmp(what, "FOLDER") == 0) {
    fputs("@folders\n", p.out);
  } else if (strncmp(what, "FILE", 4) == 0 || strcmp(what, "PATH") == 0) {
    fputs("@files\n", p.out);
  } else if (islower((unsigned char)what[0])) {
    offer(&p, what, "", "");
  }
}

static void offer_kinds(const struct place *p, const char *kinds) {
  char what[MAX_WORD];
  while (*kinds != '\0') {
    kinds = take(what, kinds, "|");
    kinds += *kinds == '|';
    offer_kind(*p, what);
  }
}

// ---- the command line ----

// words (n): those behind the verb
static void offer_behind(struct place *p, const struct verb *verb, char *const *words, int n) {
  struct option_rows *rows = must_alloc(1, sizeof *rows);
  const struct option_row *open = NULL;  // the option whose value the next word is
  int operands = 0;
  bool only_operands = false;  // behind --
  read_options(rows, verb);
  for (int i = 0; i < n - 1; i++) {
    const bool dashes = words[i][0] == '-' && !only_operands;
    const struct option_row *option = dashes && open == NULL ? find_option(rows, words[i]) : NULL;
    only_operands = only_operands || (open == NULL && strcmp(words[i], "--") == 0);
    operands += open == NULL && !dashes;
    open =
        option != NULL && option->what[0] != '\0' && strchr(words[i], '=') == NULL ? option : NULL;
  }
  const char *equals = strchr(p->last, '=');
  if (open != NULL) {
    offer_kinds(p, open->what);
  } else if (p->last[0] == '-' && !only_operands && equals != NULL) {
    const struct option_row *option = find_option(rows, p->last);
    p->kept = (size_t)(equals + 1 - p->last);
    offer_kinds(p, option != NULL ? option->what : "");
  } else if (p->last[0] == '-' && !only_operands) {
    for (int i = 0; i < rows->n; i++) {
      offer(p, rows->v[i].name, "", rows->v[i].help);
    }
  } else {
    offer_kinds(p, operands == 0 ? verb->first : verb->other);
  }
  free(rows);
}

void candidates_print(FILE *out, char *const *words, int n) {
  struct place p = {.out = out, .last = words[n - 1]};
  const struct verb *verb = verbs_find(words[0]);
  if (n == 1) {
    offer_verbs(&p);
    offer_kinds(&p, "help");
    offer(&p, "--help", "", "");
    offer(&p, "--version", "", "");
  } else if (strcmp(words[0], "help") == 0 && n == 2) {
    offer_verbs(&p);
  } else if (verb != NULL) {
    offer_behind(&p, verb, words + 1, n - 1);
  }
}
