// test_keyfile.c - certificates as CZMQ, pyzmq and people write them, and files that hold secrets.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/keyfile.h"
#include "proto/keyring.h"
#include "tests/unit/capture.h"

// the pair of RFC 26's example, which zmq_curve(7) shows
#define PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
#define OTHER "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static char folder[64];

static void set_up(void) {
  snprintf(folder, sizeof folder, "/tmp/telos-keyfile-XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
}

static void tear_down(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  cr_assert_eq(system(command), 0);
}

TestSuite(keyfile, .init = set_up, .fini = tear_down);

static const char *in_folder(const char *name) {
  static char path[2][PATH_MAX];
  static int next;
  next = !next;
  snprintf(path[next], PATH_MAX, "%s/%s", folder, name);
  return path[next];
}

static void write_file(const char *path, const char *text, mode_t mode) {
  FILE *f = fopen(path, "w");
  cr_assert_not_null(f);
  cr_assert_eq(fwrite(text, 1, strlen(text), f), strlen(text));
  cr_assert(fclose(f) == 0 && chmod(path, mode) == 0);
}

Test(keyfile, what_others_write) {
  static const char *const sound[] = {
      // CZMQ's zcert_save
      "#   ****  Generated on 2024-01-31 12:00:00 by CZMQ  ****\n"
      "#   ZeroMQ CURVE **Secret** Certificate\n"
      "#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\n"
      "metadata\n    name = \"rack3\"\n    email = \"a@b.c\"\n"
      "curve\n    public-key = \"" PUBLIC "\"\n    secret-key = \"" SECRET "\"\n",
      // pyzmq's create_certificates
      "metadata\ncurve\n    public-key = \"" PUBLIC "\"\n    secret-key = \"" SECRET "\"\n",
      // without the last newline, with those of Windows, single quotes, comments
      "curve\r\n    secret-key='" SECRET "'\r\n    public-key =   '" PUBLIC "'  # ours",
      // other sections, before and behind, also of these names
      "a\n    b\n        public-key = \"x\"\n    public-key = \"y\"\ncurve # here\n\n"
      "    public-key = \"" PUBLIC
      "\"\n    deeper\n        secret-key = \"z\"\n"
      "    secret-key = \"" SECRET "\"\nother\n    secret-key = \"z\"\n",
  };
  for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
    struct keyfile k;
    struct keyfile_fault fault = {0, "none"};
    cr_assert(keyfile_parse(&k, &fault, sound[i], strlen(sound[i])), "%zu: line %d: %s", i,
              fault.line, fault.what);
    cr_assert_str_eq(k.public_key, PUBLIC);
    cr_assert_str_eq(k.secret_key, SECRET);
  }
}

Test(keyfile, faults_and_their_lines) {
  static const struct {
    const char *text;
    int line;
    const char *what;
  } cases[] = {
      {"", 0, "no public-key"},
      {"metadata\n    name = \"x\"\n", 0, "no public-key"},
      {"public-key = \"" PUBLIC "\"\n", 0, "no public-key"},
      {"other\n    public-key = \"" PUBLIC "\"\n", 0, "no public-key"},
      {"curve = \"x\"\n    public-key = \"" PUBLIC "\"\n", 0, "no public-key"},
      {"curve\n    public-key = \"" PUBLIC "\"\n    public-key = \"" PUBLIC "\"\n", 3, "twice"},
      {"curve\n    public-key = \"" PUBLIC "x\"\n", 2, "40 characters"},
      {"curve\n    public-key\n", 2, "40 characters"},
      {"curve\n    public-key = \"~ne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"\n", 2, "Z85"},
      {"curve\n    public-key = \"#####################################$$$\"\n", 2, "Z85"},
      {"curve\n    public-key = \"" PUBLIC "\n", 2, "quote"},
      {"curve\n    public-key = \"" PUBLIC "\" x\n", 2, "quote"},
      {"curve\n  public-key = \"" PUBLIC "\"\n", 2, "four spaces"},
      {"curve\n        public-key = \"" PUBLIC "\"\n", 2, "below nothing"},
      {"    public-key = \"" PUBLIC "\"\n", 1, "below nothing"},
      {"curve\n\tpublic-key = \"" PUBLIC "\"\n", 2, "expected"},
      {"curve\n    = \"" PUBLIC "\"\n", 2, "expected"},
      {"{\"curve\": 1}\n", 1, "expected"},
      {"curve\n    public-key = \"" OTHER "\"\n    secret-key = \"" SECRET "\"\n", 0, "no pair"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct keyfile k = {.public_key = "as it was"};
    struct keyfile_fault fault = {-1, ""};
    cr_assert(!keyfile_parse(&k, &fault, cases[i].text, strlen(cases[i].text)), "%zu", i);
    cr_assert_eq(fault.line, cases[i].line, "%zu: line %d: %s", i, fault.line, fault.what);
    cr_assert(strstr(fault.what, cases[i].what) != NULL, "%zu: %s", i, fault.what);
    cr_assert_str_eq(k.public_key, "as it was");
  }
}

Test(keyfile, a_pair_on_disk) {
  struct keyfile made, read;
  struct stat st;
  keyfile_generate(&made);
  umask(0);
  cr_assert_eq(keyfile_create(in_folder("a.key_secret"), &made, "a", true), ERR_OK);
  cr_assert_eq(stat(in_folder("a.key_secret"), &st), 0);
  cr_assert_eq(st.st_mode & 07777, 0600);
  cr_assert_eq(keyfile_create(in_folder("a.key"), &made, "a", false), ERR_OK);
  cr_assert_eq(stat(in_folder("a.key"), &st), 0);
  cr_assert_eq(st.st_mode & 07777, 0644);
  cr_assert_eq(keyfile_read_secret(&read, in_folder("a.key_secret")), ERR_OK);
  cr_assert_str_eq(read.public_key, made.public_key);
  cr_assert_str_eq(read.secret_key, made.secret_key);
  cr_assert_eq(keyfile_read_public(&read, in_folder("a.key")), ERR_OK);
  cr_assert_str_eq(read.public_key, made.public_key);
  cr_assert_str_empty(read.secret_key);
  // a secret file tells its public key, too, and keeps the rest
  cr_assert_eq(keyfile_read_public(&read, in_folder("a.key_secret")), ERR_OK);
  cr_assert_str_empty(read.secret_key);
  // what is there stays
  capture_begin();
  cr_assert_eq(keyfile_create(in_folder("a.key_secret"), &made, "a", true), ERR_CONFIG);
  cr_assert(strstr(capture_end(), "is there already") != NULL);
  // a public file is no secret one
  capture_begin();
  cr_assert_eq(keyfile_read_secret(&read, in_folder("b.key")), ERR_CONFIG);
  cr_assert(strstr(capture_end(), "No such file") != NULL);
  cr_assert_eq(chmod(in_folder("a.key"), 0600), 0);
  capture_begin();
  cr_assert_eq(keyfile_read_secret(&read, in_folder("a.key")), ERR_CONFIG);
  cr_assert(strstr(capture_end(), "it has no secret-key") != NULL);
}

// as `telos keys` (0600), Kubernetes (0440, 0400) and people leave them
Test(keyfile, who_may_read_a_secret) {
  static const struct {
    mode_t mode;
    const char *complaint;
  } cases[] = {{0600, NULL},        {0400, NULL},        {0440, NULL},        {0640, NULL},
               {0604, "everybody"}, {0644, "everybody"}, {0444, "everybody"}, {0602, "everybody"},
               {0666, "everybody"}, {0620, "its group"}, {0660, "its group"}};
  const char *text = "curve\n    public-key = \"" PUBLIC "\"\n    secret-key = \"" SECRET "\"\n";
  write_file(in_folder("s"), text, 0600);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct keyfile k;
    cr_assert_eq(chmod(in_folder("s"), cases[i].mode), 0);
    capture_begin();
    const enum err err = keyfile_read_secret(&k, in_folder("s"));
    const char *said = capture_end();
    cr_assert_eq(err, cases[i].complaint == NULL ? ERR_OK : ERR_CONFIG, "%04o", cases[i].mode);
    if (cases[i].complaint == NULL) {
      cr_assert_str_empty(said);
    } else {
      char mode[32];
      snprintf(mode, sizeof mode, "has mode %04o", cases[i].mode);
      cr_assert(strstr(said, mode) != NULL && strstr(said, cases[i].complaint) != NULL, "%s", said);
      cr_assert(strchr(said, '\n') == said + strlen(said) - 1, "more than one line: %s", said);
      cr_assert_null(strstr(said, SECRET));
    }
  }
}

Test(keyfile, what_is_no_file_of_keys) {
  struct keyfile k;
  char *large = malloc(KEYFILE_MAX_BYTES + 2);
  cr_assert_not_null(large);
  memset(large, '#', KEYFILE_MAX_BYTES + 1);
  large[KEYFILE_MAX_BYTES + 1] = '\0';
  write_file(in_folder("large"), large, 0600);
  free(large);
  cr_assert_eq(mkdir(in_folder("folder"), 0700), 0);
  cr_assert_eq(mkfifo(in_folder("pipe"), 0600), 0);
  write_file(in_folder("wrong"), "curve\n    public-key = \"x\"\n", 0600);
  static const char *const names[][2] = {
      {"large", "larger"}, {"folder", "no file"}, {"pipe", "no file"}, {"wrong", "wrong:2: "}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    capture_begin();
    cr_assert_eq(keyfile_read_public(&k, in_folder(names[i][0])), ERR_CONFIG, "%s", names[i][0]);
    const char *said = capture_end();
    cr_assert(strstr(said, names[i][1]) != NULL, "%s", said);
  }
}

// ---- names and folders ----

Test(keyfile, names) {
  char name[KEY_MAX_NAME + 1] = "";
  static const char *const good[] = {"a", "rack3", "a.b-c_d", "0",
                                     "0123456789012345678901234567890123456789"};
  static const char *const bad[] = {
      "", ".a", "-a", "a/b", "a b", "..", "a\n", "01234567890123456789012345678901234567890"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    cr_assert(keyring_name_is_good(good[i]), "%s", good[i]);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    cr_assert(!keyring_name_is_good(bad[i]), "%s", bad[i]);
  }
  cr_assert(keyring_name(name, "x/y/rack3.key", ".key"));
  cr_assert_str_eq(name, "rack3");
  cr_assert(!keyring_name(name, "rack3.key_secret", ".key"));
  cr_assert(!keyring_name(name, ".key", ".key"));
  cr_assert(!keyring_name(name, "x/..data.key", ".key"));
  cr_assert_str_eq(name, "rack3");
}

static void make_pair(const char *name) {
  struct keyfile k;
  char path[PATH_MAX];
  keyfile_generate(&k);
  cr_assert_eq(keyring_path(path, folder, name, KEYRING_SECRET), ERR_OK);
  cr_assert_eq(keyfile_create(path, &k, name, true), ERR_OK);
  cr_assert_eq(keyring_path(path, folder, name, KEYRING_SUFFIX), ERR_OK);
  cr_assert_eq(keyfile_create(path, &k, name, false), ERR_OK);
}

// which key an actor takes, and what it says when it cannot tell
static const char *chosen(const char *name) {
  static struct curve_actor actor;
  capture_begin();
  const enum err err = keyring_read_actor(&actor, folder, name);
  const char *said = capture_end();
  cr_assert_eq(err == ERR_OK, said[0] == '\0', "%s", said);
  return err == ERR_OK ? actor.name : said;
}

Test(keyfile, which_key_is_an_actors) {
  make_pair("learner");
  cr_assert(strstr(chosen(NULL), "no key of an actor") != NULL);
  make_pair("rack3");
  cr_assert_str_eq(chosen(NULL), "rack3");
  make_pair("rack4");
  cr_assert(strstr(chosen(NULL), "keys of 2 actors; --key NAME") != NULL);
  cr_assert_str_eq(chosen("rack4"), "rack4");
  cr_assert(strstr(chosen("rack5"), "rack5.key_secret") != NULL);
  cr_assert(strstr(chosen("../rack4"), "--key ../rack4: expected a name") != NULL);
  make_pair("actor");
  cr_assert_str_eq(chosen(NULL), "actor");
  cr_assert_eq(unlink(in_folder("learner.key")), 0);
  cr_assert(strstr(chosen(NULL), "learner.key: No such file") != NULL);
}
