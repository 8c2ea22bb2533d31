// Attention over a flat layout of tokens: packed examples, shared prefixes and cached keys are all one thing here, a
// list of blocks that says which keys each run of queries sees. No padding, no mask tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "base/matmul_precision.h"
#include "ops/backend.h"

namespace lora::ops {

struct KeyRange {
  int64_t begin, end;  // rows of k and v
};

// Query rows [q_begin, q_end) see all keys of `context`, and causally their own: query q_begin + i sees key rows
// self_begin … self_begin + i. Of these, in this order, a window leaves the last.
struct AttentionBlock {
  int64_t q_begin, q_end;
  int64_t self_begin;
  std::vector<KeyRange> context;  // ancestors, in order of position
};

// Blocks of one tree share keys only among themselves, so trees can be differentiated in parallel.
struct AttentionLayout {
  std::vector<AttentionBlock> blocks;
  std::vector<size_t> tree_begin;  // index into blocks of each tree's first block, ascending, first is 0
};

// The layout in which only the query rows `rows` (ascending, each once) are left: query i of it is query rows[i] of
// `layout`. Keys stay where they are.
AttentionLayout queries_of(const AttentionLayout& layout, const std::vector<int64_t>& rows);

struct AttentionShape {
  int64_t num_heads, num_kv_heads, head_dim;
  double scale;        // of q . k, usually 1 / sqrt(head_dim)
  double softcap = 0;  // scores s become softcap * tanh(s / softcap) before the softmax; 0: not capped
  int64_t window = 0;  // a query sees itself and the window - 1 keys before it; 0: all
};

// softmax(scale * q k^T) v for each head; query head h reads key head h / (num_heads / num_kv_heads).
// q: (Tq, num_heads * head_dim); k, v: (Tk, num_kv_heads * head_dim); result: (Tq, num_heads * head_dim).
// Every query row stands in exactly one block. Saves q, k, v and one number a query and head; the
// probabilities are computed again in the backward pass (arXiv 2205.14135). With kMedium q, k and v are kept as bfloat16
// (kept_rows.h), and where vectors multiply pairs of these, so are all products' factors; sums and the softmax are floats.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const AttentionLayout& layout, const AttentionShape& shape, Backend backend,
                     MatmulPrecision precision = MatmulPrecision::kHighest);

// What the backward pass holds meanwhile beside gradients, at most, for a memory plan: numbers of each thread, in a pass of
// `queries` tokens of which the last sees `keys`; and how many sums each gradient of k and v is gathered in.
int64_t attention_room(const AttentionShape& shape, int64_t queries, int64_t keys, MatmulPrecision precision);
int64_t attention_sums(int64_t threads);
// Numbers (float) that are rounded or restored for its products, of so many rows of q and of k and v: in the forward pass, or in the
// backward pass.
int64_t attention_copies(const AttentionShape& shape, int64_t queries, int64_t keys,
                         MatmulPrecision precision, bool backward);

}  // namespace lora::ops
