// onnx.c - the few messages that a network of dense layers needs, written field by field.
//
// Protobuf puts a message's length before it, so each message is written to a stream of its own
// first. protobuf-c would need a struct for every message and a pointer for every entry.
#include "deploy/export/onnx.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/nn/policy.h"

enum { IR_VERSION = 8, OPSET = 17, FLOAT = 1, ATTRIBUTE_INT = 2, MAX_INPUTS = 3 };
enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

// ---- protobuf ----

// a message that is being written
struct message {
  FILE *f;
  char *data;
  size_t n;
};

static void open_message(struct message *m) {
  m->f = open_memstream(&m->data, &m->n);
  CHECK(m->f != NULL);
}

static void put_varint(FILE *f, uint64_t x) {
  for (; x >= 0x80; x >>= 7) {
    fputc((int)(0x80 | (x & 0x7f)), f);
  }
  fputc((int)x, f);
}

static void put_int(FILE *f, int field, int64_t x) {
  put_varint(f, (uint64_t)field << 3 | WIRE_VARINT);
  put_varint(f, (uint64_t)x);
}

static void put_bytes(FILE *f, int field, const void *data, size_t n) {
  put_varint(f, (uint64_t)field << 3 | WIRE_BYTES);
  put_varint(f, n);
  fwrite(data, 1, n, f);
}

static void put_text(FILE *f, int field, const char *text) {
  put_bytes(f, field, text, strlen(text));
}

// into the message around it
static void close_message(FILE *f, int field, struct message *m) {
  CHECK(fclose(m->f) == 0);
  put_bytes(f, field, m->data, m->n);
  free(m->data);
}

// ---- the graph ----

// TensorProto: dims 1, data_type 2, name 8, raw_data 9; GraphProto.initializer 5
static void put_tensor(FILE *graph, const struct st_tensor *t) {
  struct message m;
  open_message(&m);
  for (int i = 0; i < t->rank; i++) {
    put_int(m.f, 1, t->shape[i]);
  }
  put_int(m.f, 2, FLOAT);
  put_text(m.f, 8, t->name);
  put_bytes(m.f, 9, t->data, st_bytes(t));
  close_message(graph, 5, &m);
}

static void put_number(FILE *graph, const char *name, float x) {
  struct st_tensor t = {.dtype = ST_F32, .data = &x};
  snprintf(t.name, sizeof t.name, "%s", name);
  put_tensor(graph, &t);
}

// NodeProto: input 1, output 2, name 3, op_type 4, attribute 5; AttributeProto: name 1, i 3,
// type 20; GraphProto.node 1. attribute: NULL for none, else an integer.
static void put_node(FILE *graph, const char *op, const char *const inputs[MAX_INPUTS],
                     const char *output, const char *attribute, int value) {
  struct message m, a;
  open_message(&m);
  for (int i = 0; i < MAX_INPUTS && inputs[i] != NULL; i++) {
    put_text(m.f, 1, inputs[i]);
  }
  put_text(m.f, 2, output);
  put_text(m.f, 3, output);
  put_text(m.f, 4, op);
  if (attribute != NULL) {
    open_message(&a);
    put_text(a.f, 1, attribute);
    put_int(a.f, 3, value);
    put_int(a.f, 20, ATTRIBUTE_INT);
    close_message(m.f, 5, &a);
  }
  close_message(graph, 1, &m);
}

// ValueInfoProto: name 1, type 2, doc_string 3; TypeProto.tensor_type 1; Tensor: elem_type 1,
// shape 2; TensorShapeProto.dim 1; Dimension: dim_value 1, dim_param 2
static void put_value(FILE *graph, int field, const char *name, int width, const char *words) {
  struct message value, type, tensor, shape, batch, numbers;
  open_message(&value);
  put_text(value.f, 1, name);
  open_message(&type);
  open_message(&tensor);
  put_int(tensor.f, 1, FLOAT);
  open_message(&shape);
  open_message(&batch);
  put_text(batch.f, 2, "batch");
  close_message(shape.f, 1, &batch);
  open_message(&numbers);
  put_int(numbers.f, 1, width);
  close_message(shape.f, 1, &numbers);
  close_message(tensor.f, 2, &shape);
  close_message(type.f, 1, &tensor);
  close_message(value.f, 2, &type);
  put_text(value.f, 3, words);
  close_message(graph, field, &value);
}

// y = x W^T + b of the layer whose tensors are weight and the one behind it
static void put_layer(FILE *graph, const struct st_tensor *weight, const char *x, const char *y) {
  const char *const inputs[MAX_INPUTS] = {x, weight[0].name, weight[1].name};
  put_node(graph, "Gemm", inputs, y, "transB", 1);
}

static void put_nodes(FILE *graph, const struct sheet *s) {
  char x[64] = "observation", y[64], z[64];
  if (s->task->goal > 0) {
    const char *const both[MAX_INPUTS] = {"observation", "goal"};
    put_node(graph, "Concat", both, "input", "axis", 1);
    snprintf(x, sizeof x, "input");
  }
  // the last four tensors are those of mean and log_std
  const int head = s->ntensor - 4;
  for (int i = 0; i < head; i += 2) {
    snprintf(z, sizeof z, "actor.net.%d", i);
    snprintf(y, sizeof y, "actor.net.%d", i + 1);
    put_layer(graph, &s->tensor[i], x, z);
    put_node(graph, "Relu", (const char *const[MAX_INPUTS]){z}, y, NULL, 0);
    snprintf(x, sizeof x, "%s", y);
  }
  put_layer(graph, &s->tensor[head], x, "mean");
  put_layer(graph, &s->tensor[head + 2], x, "actor.log_std");
  put_node(graph, "Tanh", (const char *const[MAX_INPUTS]){"mean"}, "action", NULL, 0);
  put_node(graph, "Clip",
           (const char *const[MAX_INPUTS]){"actor.log_std", "log_std.low", "log_std.high"},
           "log_std", NULL, 0);
}

// GraphProto: name 2, input 11, output 12; ModelProto.graph 7
static void put_graph(FILE *model, const struct sheet *s) {
  struct message m;
  open_message(&m);
  put_nodes(m.f, s);
  put_text(m.f, 2, "policy");
  for (int i = 0; i < s->ntensor; i++) {
    put_tensor(m.f, &s->tensor[i]);
  }
  put_number(m.f, "log_std.low", policy_log_std(-INFINITY));
  put_number(m.f, "log_std.high", policy_log_std(INFINITY));
  put_value(m.f, 11, "observation", s->task->obs, "sensor readings x their scales; see metadata");
  if (s->task->goal > 0) {
    put_value(m.f, 11, "goal", s->task->goal, "what is to be reached, scaled as the readings are");
  }
  put_value(m.f, 12, "action", s->task->act, sheet_rule(s->task));
  put_value(m.f, 12, "mean", s->task->act, "action before tanh");
  put_value(m.f, 12, "log_std", s->task->act,
            "log standard deviation before tanh, for who wants to explore");
  close_message(model, 7, &m);
}

// StringStringEntryProto: key 1, value 2; ModelProto.metadata_props 14
static void put_meta(FILE *model, const char *key, const char *value) {
  struct message m;
  open_message(&m);
  put_text(m.f, 1, key);
  put_text(m.f, 2, value);
  close_message(model, 14, &m);
}

// ModelProto: ir_version 1, producer_name 2, producer_version 3, doc_string 6, opset_import 8;
// OperatorSetIdProto.version 2
void onnx_write(FILE *out, const struct sheet *s) {
  put_int(out, 1, IR_VERSION);
  put_text(out, 2, "telos");
  put_text(out, 3, TELOS_VERSION);
  put_text(out, 6,
           "A policy of telos. Actions are in [-1, 1] and not yet control: the metadata say how "
           "one becomes the other.");
  put_graph(out, s);
  struct message opset;
  open_message(&opset);
  put_int(opset.f, 2, OPSET);
  close_message(out, 8, &opset);
  char number[32], *text = sheet_text(s);
  put_meta(out, "sheet", text);
  free(text);
  put_meta(out, "task", json_string_value(json_object_get(s->json, "task")));
  snprintf(number, sizeof number, "%.17g", sheet_control_hz(s->task));
  put_meta(out, "control_hz", number);
  put_meta(out, "action_rule", sheet_rule(s->task));
}
