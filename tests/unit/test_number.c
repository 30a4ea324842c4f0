// test_number.c - decimals in each notation, what is no number, and the way back from a double.
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/number.h"
#include "tests/unit/capture.h"

Test(number, whole_numbers_in_each_notation) {
  static const struct {
    const char *text;
    int64_t value;
  } good[] = {{"0", 0},
              {"-0", 0},
              {"1e6", 1000000},
              {"1_000_000", 1000000},
              {"1000000.0", 1000000},
              {"+12", 12},
              {"-12", -12},
              {"1.5e3", 1500},
              {"0001", 1},
              {"1E+2", 100},
              {"12000e-3", 12},
              {".5e1", 5},
              {"1_0.5e1", 105},
              {"0e99999", 0},
              {"9223372036854775807", INT64_MAX},
              {"-9223372036854775807", -INT64_MAX}};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    int64_t value = 77;
    cr_expect(number_parse_int(&value, good[i].text), "%s", good[i].text);
    cr_expect_eq(value, good[i].value, "%s", good[i].text);
    uint64_t size = 77;
    cr_expect_eq(number_parse_uint(&size, good[i].text), good[i].value >= 0, "%s", good[i].text);
    cr_expect_eq(size, good[i].value >= 0 ? (uint64_t)good[i].value : 77, "%s", good[i].text);
  }
}

// what does not fit is never taken for another number
Test(number, whole_numbers_that_do_not_fit) {
  static const char *const large[] = {"9223372036854775808",
                                      "18446744073709551615",
                                      "18446744073709551616",
                                      "4027301413585e20",
                                      "1e64",
                                      "99999999999999999999"};
  for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
    int64_t value = 0;
    cr_expect(number_parse_int(&value, large[i]));
    cr_expect_eq(value, INT64_MAX, "%s", large[i]);
    char negative[64];
    snprintf(negative, sizeof negative, "-%s", large[i]);
    cr_expect(number_parse_int(&value, negative));
    cr_expect_eq(value, -INT64_MAX, "%s", negative);
    uint64_t size = 77;
    cr_expect_not(number_parse_uint(&size, negative));
    cr_expect_eq(number_parse_uint(&size, large[i]), i < 2, "%s", large[i]);
    cr_expect_eq(size, i == 0 ? 9223372036854775808u : i == 1 ? UINT64_MAX : 77);
  }
}

Test(number, what_is_no_number) {
  static const char *const bad[] = {
      "",     " ",   "1 ",  " 1",    "0x10", "nan",    "inf",   "1e", "e5", "1_",  "_1",    "1__0",
      "1_e3", "--1", "+-1", "1.2.3", "1e5x", "12 000", "1,000", "-",  ".",  "1e+", "1e1.5", "٣"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t value = 77;
    uint64_t size = 77;
    double real = 77;
    cr_expect_not(number_parse_int(&value, bad[i]), "%s", bad[i]);
    cr_expect_not(number_parse_uint(&size, bad[i]), "%s", bad[i]);
    cr_expect_not(number_parse_real(&real, bad[i]), "%s", bad[i]);
    cr_expect(value == 77 && size == 77 && real == 77, "%s", bad[i]);
  }
  int64_t value;
  cr_expect_not(number_parse_int(&value, "1.5"));
  cr_expect_not(number_parse_int(&value, "1e-3"));
}

Test(number, length_has_an_end) {
  char text[256] = "0.";
  double value;
  memset(text + 2, '3', NUMBER_DIGITS);
  cr_expect(number_parse_real(&value, text));
  cr_expect_eq(value, 1.0 / 3);
  text[2 + NUMBER_DIGITS] = '3';
  cr_expect_not(number_parse_real(&value, text));
}

Test(number, reals_are_the_nearest_doubles) {
  static const struct {
    const char *text;
    double value;
  } good[] = {
      {"0.1", 0.1},       {"1e-1", 0.1},
      {".1", 0.1},        {"0.1000000000000000055511151231257827021181583404541015625", 0.1},
      {"1_0.0e-2", 0.1},  {"0.30000000000000004", 0.1 + 0.2},
      {"1e-400", 0.0},    {"-2.5", -2.5},
      {"1e999", INFINITY}};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    double value = 77;
    cr_expect(number_parse_real(&value, good[i].text), "%s", good[i].text);
    cr_expect_eq(value, good[i].value, "%s", good[i].text);
  }
}

Test(number, a_real_comes_back_with_its_bits_and_few_digits) {
  static const struct {
    double value;
    const char *text;
  } cases[] = {{0.1, "0.1"},
               {1.0 / 3, "0.3333333333333333"},
               {0.1 + 0.2, "0.30000000000000004"},
               {40000, "40000"},
               {-0.0, "-0"},
               {5e-324, "4.94065645841247e-324"},
               {-DBL_MAX, "-1.7976931348623157e+308"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[NUMBER_TEXT];
    double back;
    number_format_real(text, cases[i].value);
    cr_expect_str_eq(text, cases[i].text);
    cr_expect(number_parse_real(&back, text));
    cr_expect(back == cases[i].value && signbit(back) == signbit(cases[i].value), "%s", text);
  }
}

Test(number, options) {
  uint64_t value = 77;
  cr_expect_eq(number_option(&value, "--seed", "18446744073709551615", 0, UINT64_MAX), ERR_OK);
  cr_expect_eq(value, UINT64_MAX);
  cr_expect_eq(number_option(&value, "--steps", "2e4", 1, 1000000), ERR_OK);
  cr_expect_eq(value, 20000);
  static const char *const bad[] = {"0", "257", "two", "", "-1", "1.5", "1e30"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char line[128];
    capture_begin();
    const enum err err = number_option(&value, "--actors", bad[i], 1, 256);
    snprintf(line, sizeof line, "E telos: --actors %s: expected a whole number from 1 to 256\n",
             bad[i]);
    cr_expect_str_eq(capture_end(), line);
    cr_expect_eq(err, ERR_USAGE);
    cr_expect_eq(value, 20000);
  }
}
