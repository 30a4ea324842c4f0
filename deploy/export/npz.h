// npz.h - a policy for NumPy: the tensors of policy_file.h under their names, and the sheet.
//
//   p = numpy.load("policy.npz");  p["actor.mean.weight"];  json.loads(p["sheet"].item())
//
// A zip archive of .npy files, stored as they are, without times: equal policies are equal files.
// Format: APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.12 and 4.3.16; NumPy's npy format, version 1.
#ifndef EXPORT_NPZ_H
#define EXPORT_NPZ_H

#include <stdio.h>

#include "deploy/export/sheet.h"

// out: a stream in memory, at its start.
void npz_write(FILE *out, const struct sheet *s);

#endif
