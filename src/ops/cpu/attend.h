// Attention of a single query over cached keys, as generation asks it: bound by reading keys and values, so all query
// heads that share a key head are served while its rows are in the cache. One thread; float and double.
#pragma once

#include <cstdint>

namespace lora::ops::cpu {

// s[h * s_stride + j] = q_h . k_j for h < heads, j < n. q: (heads, head_dim), contiguous; k: n rows, `k_stride` apart.
void query_scores(const float* q, int64_t heads, int64_t head_dim, const float* k, int64_t k_stride,
                  int64_t n, float* s, int64_t s_stride);
void query_scores(const double* q, int64_t heads, int64_t head_dim, const double* k, int64_t k_stride,
                  int64_t n, double* s, int64_t s_stride);

// out_h += sum over j < n of p[h * p_stride + j] * v_j. out: (heads, head_dim), contiguous; v: n rows, `v_stride` apart.
void add_weighted_rows(const float* p, int64_t p_stride, int64_t heads, int64_t head_dim, const float* v,
                       int64_t v_stride, int64_t n, float* out);
void add_weighted_rows(const double* p, int64_t p_stride, int64_t heads, int64_t head_dim, const double* v,
                       int64_t v_stride, int64_t n, double* out);

}  // namespace lora::ops::cpu
