// csource.h - a policy as one C file, without dependencies but the C library: C99, and C++ as well.
//
// Its network sums in the order of common/nn/rowmlp.c, so that with IEEE single precision and the
// expf of the same C library an action has the same bits as the actor's. Another expf may round
// its last bit otherwise; the action then differs by about 1e-7.
#ifndef EXPORT_CSOURCE_H
#define EXPORT_CSOURCE_H

#include <stdio.h>

#include "deploy/export/sheet.h"

void csource_write(FILE *out, const struct sheet *s);

#endif
