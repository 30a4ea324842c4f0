// test_csv.c - columns by name.
#include <criterion/criterion.h>
#include <math.h>

#include "common/base/csv.h"

Test(csv, columns_in_their_order) {
  struct csv at = {"a,b,c\nx,y", "1.5,,-2e3\n7,8"};
  char name[CSV_NAME];
  double value;
  cr_assert(csv_next(&at, name, &value) && value == 1.5);
  cr_assert_str_eq(name, "a");
  cr_assert(csv_next(&at, name, &value) && isnan(value));
  cr_assert(csv_next(&at, name, &value) && value == -2000.0);
  cr_assert_str_eq(name, "c");
  cr_assert_not(csv_next(&at, name, &value));
}

Test(csv, numbers_by_name) {
  static const char header[] = "steps,score,word,score_ci95";
  static const char row[] = "100,2.5,left";
  cr_assert_eq(csv_number(header, row, "score"), 2.5);
  cr_assert_eq(csv_number(header, row, "steps"), 100.0);
  cr_assert(isnan(csv_number(header, row, "word")), "no number");
  cr_assert(isnan(csv_number(header, row, "score_ci95")), "the row is short");
  cr_assert(isnan(csv_number(header, row, "sco")), "no such column");
  cr_assert(isnan(csv_number(header, "1x,2", "steps")) && isnan(csv_number("", "", "steps")));
}
