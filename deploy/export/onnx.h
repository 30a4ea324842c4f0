// onnx.h - a policy as an ONNX model: IR version 8, operator set 17.
//
//   inputs    observation (batch x obs), goal (batch x goal; absent for a task without goals)
//   outputs   action (batch x act) = tanh(mean), in [-1, 1];  mean;
//             log_std = clip(o, -20, 2), eq. (1) of policy.h
//
// The batch is free. Tensors have the names of policy_file.h. metadata_props has the sheet, whole
// as JSON under "sheet", and a few of its values by themselves.
//
// ONNX files are protobuf; the field numbers are those of onnx.proto (github.com/onnx/onnx).
#ifndef EXPORT_ONNX_H
#define EXPORT_ONNX_H

#include <stdio.h>

#include "deploy/export/sheet.h"

void onnx_write(FILE *out, const struct sheet *s);

#endif
