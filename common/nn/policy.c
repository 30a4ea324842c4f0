// policy.c - sample, density and gradient of the tanh-Gaussian policy.
//
// The functions of (2) and (3) share one exponential, t = exp(-2 |u|) in [0, 1]:
//   tanh u = sign(u) (1 - t) / (1 + t)
//   log(1 - tanh^2 u) = 2 (log 2 - u - softplus(-2u)) = 2 (log 2 - |u| - log(1 + t))
// The right-hand sides overflow for no u and cancel for none; the error is that of rounding t,
// about 1e-7, near u = 0 too. Three cheap library calls per element then make a sample, where tanh
// and log1p would cost as much as a layer of a small network.
#include "common/nn/policy.h"

#include <math.h>
#include <stdbool.h>

#include "common/base/check.h"

static const float LOG_STD_MIN = -20.0f, LOG_STD_MAX = 2.0f;
static const float LOG_2 = 0.693147181f;
static const float ACT_MAX = 0.999f;  // of eq. (6)
static const float HALF_LOG_2PI = 0.918938533f;

// a NaN comes through
float policy_log_std(float o) {
  return o < LOG_STD_MIN ? LOG_STD_MIN : o > LOG_STD_MAX ? LOG_STD_MAX : o;
}

float policy_inward(float o, float ds) {
  const bool outward = (o < LOG_STD_MIN && ds > 0) || (o > LOG_STD_MAX && ds < 0);
  return outward ? 0.0f : ds;
}

// tanh u, given t = exp(-2 |u|)
static float squash(float u, float t) {
  return copysignf((1.0f - t) / (1.0f + t), u);
}

void policy_sample(float *a, float *logp, const float *head, const float *eps, int B, int act) {
  CHECK(a && logp && head && eps && B >= 1 && act >= 1);
  for (int b = 0; b < B; b++, head += 2 * act, eps += act, a += act) {
    float sum = 0.0f;
    for (int i = 0; i < act; i++) {
      // eq. (2)
      float s = policy_log_std(head[act + i]);
      float u = head[i] + expf(s) * eps[i];
      float t = expf(-2.0f * fabsf(u));
      a[i] = squash(u, t);
      // eq. (3)
      float log_jacobian = 2.0f * (LOG_2 - fabsf(u) - logf(1.0f + t));
      sum += -0.5f * (eps[i] * eps[i]) - s - HALF_LOG_2PI - log_jacobian;
    }
    logp[b] = sum;
  }
}

void policy_backward(float *dhead, const float *head, const float *a, const float *eps,
                     const float *da, float temperature, float scale, int B, int act) {
  CHECK(dhead && head && a && eps && da && B >= 1 && act >= 1);
  for (int b = 0; b < B; b++) {
    for (int i = 0; i < act; i++) {
      // eq. (4); slope = dJ/du without the log pi term
      float slope = (1.0f - a[i] * a[i]) * da[i];
      dhead[i] = scale * (temperature * 2.0f * a[i] + slope);
      // eq. (5); where eq. (1) clips, only what leads back
      float o = head[act + i];
      float e = expf(policy_log_std(o)) * eps[i];
      float ds = temperature * (2.0f * a[i] * e - 1.0f) + slope * e;
      dhead[act + i] = scale * policy_inward(o, ds);
    }
    dhead += 2 * act;
    head += 2 * act;
    a += act;
    eps += act;
    da += act;
  }
}

// clip(a, +-0.999) of eq. (6); a NaN comes through
static float clip_action(float a) {
  return a < -ACT_MAX ? -ACT_MAX : a > ACT_MAX ? ACT_MAX : a;
}

// -log of the density at a = tanh(u), when u is z deviations exp(s) from its mean
static float surprise(float z, float s, float a) {
  return 0.5f * z * z + s + HALF_LOG_2PI + logf(1.0f - a * a);
}

void policy_density(float *logp, const float *head, const float *a, int B, int act) {
  CHECK(logp && head && a && B >= 1 && act >= 1);
  for (int b = 0; b < B; b++, head += 2 * act, a += act) {
    float sum = 0.0f;
    for (int i = 0; i < act; i++) {
      const float x = clip_action(a[i]), s = policy_log_std(head[act + i]);
      const float z = (atanhf(x) - head[i]) * expf(-s);
      sum -= surprise(z, s, x);
    }
    logp[b] = sum;
  }
}

double policy_fit(float *dhead, const float *head, const float *a, const float *weight, float scale,
                  int B, int act) {
  CHECK(dhead && head && a && weight && B >= 1 && act >= 1);
  double sum = 0;
  for (int b = 0; b < B; b++, dhead += 2 * act, head += 2 * act, a += act) {
    const float w = scale * weight[b];
    for (int i = 0; i < act && w != 0.0f; i++) {
      const float x = clip_action(a[i]);
      const float s = policy_log_std(head[act + i]), inverse = expf(-s);
      const float z = (atanhf(x) - head[i]) * inverse;
      sum += (double)(w * surprise(z, s, x));
      dhead[i] -= w * z * inverse;
      dhead[act + i] += policy_inward(head[act + i], w * (1.0f - z * z));
    }
  }
  return sum;
}

void policy_act(float *a, const float *head, const float *eps, int act) {
  CHECK(a && head && act >= 1);
  for (int i = 0; i < act; i++) {
    float u = head[i];
    if (eps) {
      u += expf(policy_log_std(head[act + i])) * eps[i];
    }
    a[i] = squash(u, expf(-2.0f * fabsf(u)));
  }
}
