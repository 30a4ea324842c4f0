// test_lookup.c - names become addresses, and a resolver that hangs holds nobody up. The resolver
// is the test's own (linked with --wrap=getaddrinfo).
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/lookup.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool hangs;
static int asked, answered;

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **res);
void __wrap_freeaddrinfo(struct addrinfo *res);

// a name with an address of IPv6 before two of IPv4
static struct addrinfo *addresses(void) {
  static struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  static struct sockaddr_in four[2] = {{.sin_family = AF_INET}, {.sin_family = AF_INET}};
  inet_pton(AF_INET6, "fd00::7", &six.sin6_addr);
  inet_pton(AF_INET, "10.0.0.1", &four[0].sin_addr);
  inet_pton(AF_INET, "10.0.0.2", &four[1].sin_addr);
  static struct addrinfo list[3];
  list[0] = (struct addrinfo){.ai_family = AF_INET6, .ai_addr = (void *)&six, .ai_next = &list[1]};
  list[1] =
      (struct addrinfo){.ai_family = AF_INET, .ai_addr = (void *)&four[0], .ai_next = &list[2]};
  list[2] = (struct addrinfo){.ai_family = AF_INET, .ai_addr = (void *)&four[1]};
  return list;
}

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **res) {
  (void)service, (void)hints;
  pthread_mutex_lock(&lock);
  asked++;
  pthread_cond_broadcast(&changed);
  while (hangs) {
    pthread_cond_wait(&changed, &lock);
  }
  answered++;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  *res = addresses();
  return strcmp(node, "learner") == 0 ? 0 : EAI_NONAME;
}

void __wrap_freeaddrinfo(struct addrinfo *res) {
  (void)res;
}

static void wait_for(const int *count, int n) {
  pthread_mutex_lock(&lock);
  while (*count < n) {
    pthread_cond_wait(&changed, &lock);
  }
  pthread_mutex_unlock(&lock);
}

static enum lookup_state wait_answer(const char *host, int turn, char *address, const char **why) {
  struct lookup *l = lookup_start(host, turn);
  enum lookup_state state;
  while ((state = lookup_poll(l, address, why)) == LOOKUP_PENDING) {
    usleep(1000);
  }
  lookup_drop(l);
  return state;
}

Test(lookup, digits_ask_nobody) {
  static const char *const hosts[][2] = {
      {"127.0.0.1", "127.0.0.1"}, {"[::1]", "[::1]"}, {"localhost", "127.0.0.1"}};
  for (int i = 0; i < 3; i++) {
    char address[LOOKUP_ADDRESS];
    const char *why;
    struct lookup *l = lookup_start(hosts[i][0], 0);
    cr_assert_eq(lookup_poll(l, address, &why), LOOKUP_FOUND);
    cr_assert_str_eq(address, hosts[i][1]);
    lookup_drop(l);
  }
  cr_assert_eq(asked, 0);
}

Test(lookup, addresses_take_turns) {
  static const char *const turns[] = {"10.0.0.1", "10.0.0.2", "[fd00::7]", "10.0.0.1"};
  for (int i = 0; i < 4; i++) {
    char address[LOOKUP_ADDRESS];
    const char *why;
    cr_assert_eq(wait_answer("learner", i, address, &why), LOOKUP_FOUND);
    cr_assert_str_eq(address, turns[i]);
  }
}

Test(lookup, a_name_that_is_none_says_why) {
  char address[LOOKUP_ADDRESS];
  const char *why = NULL;
  cr_assert_eq(wait_answer("nowhere", 0, address, &why), LOOKUP_UNKNOWN);
  cr_assert_str_eq(why, gai_strerror(EAI_NONAME));
}

Test(lookup, a_resolver_that_hangs_holds_nobody_up) {
  char address[LOOKUP_ADDRESS];
  const char *why;
  hangs = true;
  struct lookup *l = lookup_start("learner", 0), *other = lookup_start("learner", 0);
  wait_for(&asked, 2);
  cr_assert_eq(lookup_poll(l, address, &why), LOOKUP_PENDING);
  lookup_drop(l);  // its thread goes on, and cleans up
  pthread_mutex_lock(&lock);
  hangs = false;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  wait_for(&answered, 2);
  while (lookup_poll(other, address, &why) == LOOKUP_PENDING) {
    usleep(1000);
  }
  lookup_drop(other);
}
