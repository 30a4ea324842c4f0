// telos_policy.c - a policy file, and the action that an actor takes when it does not explore.
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/nn/policy.h"
#include "common/nn/policy_file.h"
#include "common/nn/rowmlp.h"
#include "deploy/launch/policy_source.h"
#include "deploy/python/said.h"
#include "deploy/python/telos_env.h"

struct telos_policy {
  struct policy_file file;
  struct weights_along along;
};

struct telos_policy *telos_policy_load(const char *what, const char *checkpoint) {
  CHECK(what);
  said_begin();
  char *path = NULL;
  struct telos_policy *policy = must_alloc(1, sizeof *policy);
  enum err err = policy_source_file(&path, what, checkpoint);
  if (err == ERR_OK) {
    err = policy_file_read(&policy->file, path);
  }
  free(path);
  if (err != ERR_OK) {
    free(policy);
    return NULL;
  }
  policy->along = weights_along(policy->file.weights, policy->file.goal);
  return policy;
}

void telos_policy_free(struct telos_policy *policy) {
  if (policy) {
    policy_file_release(&policy->file);
    free(policy);
  }
}

struct telos_policy_info telos_policy_info(const struct telos_policy *policy) {
  return (struct telos_policy_info){.task = telos_policy_meta(policy, "task"),
                                    .obs = policy->file.obs,
                                    .act = policy->file.act,
                                    .goal = policy->file.goal,
                                    .members = policy->along.members};
}

const char *telos_policy_meta(const struct telos_policy *policy, const char *key) {
  return policy_file_meta(&policy->file, key);
}

// the first layer's biases with a member's context (width 1); NULL: the policy's own
static const float *member_bias(float *bias, const struct telos_policy *policy, int member) {
  const struct weights *w = policy->file.weights;
  const int width = w->width[1];
  if (policy->along.members == 0) {
    return NULL;
  }
  const float *own = w->data + (size_t)width * (size_t)w->width[0];
  const float *shift = policy->along.mean + (size_t)member * (size_t)width;
  for (int j = 0; j < width; j++) {
    bias[j] = own[j] + shift[j];
  }
  return bias;
}

static int check_member(const struct telos_policy *policy, int member) {
  const int members = policy->along.members;
  if (members > 0 && (member < 0 || member >= members)) {
    log_error("the policy is for a family of %d tasks; say which one: member 0 to %d", members,
              members - 1);
    return -1;
  }
  return 0;
}

int telos_policy_act(const struct telos_policy *policy, float *actions, const float *obs,
                     const float *desired, size_t rows, int member) {
  const struct policy_file *file = &policy->file;
  const struct weights *w = file->weights;
  const size_t nobs = (size_t)file->obs, ngoal = (size_t)file->goal, nact = (size_t)file->act;
  CHECK(actions && obs && (desired || ngoal == 0));
  said_begin();
  if (check_member(policy, member) != 0) {
    return -1;
  }
  float *input = must_alloc(nobs + ngoal, sizeof *input);
  float *head = must_alloc(2 * nact, sizeof *head);
  float *first = must_alloc((size_t)w->width[1], sizeof *first);
  float *scratch = must_alloc(rowmlp_scratch(w->width, w->nlayer), sizeof *scratch);
  const float *bias = member_bias(first, policy, member);
  for (size_t i = 0; i < rows; i++) {
    memcpy(input, obs + i * nobs, nobs * sizeof *input);
    if (ngoal > 0) {
      memcpy(input + nobs, desired + i * ngoal, ngoal * sizeof *input);
    }
    rowmlp_forward(head, w->data, w->width, w->nlayer, input, bias, scratch);
    policy_act(actions + i * nact, head, NULL, file->act);
  }
  free(input);
  free(head);
  free(first);
  free(scratch);
  return 0;
}
