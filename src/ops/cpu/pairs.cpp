#include "ops/cpu/pairs.h"

#include "ops/cpu/bfloat16_pairs.h"

#if defined(__x86_64__) && defined(__linux__)

#include <algorithm>
#include <array>
#include <vector>

namespace lora::ops::cpu::pairs {
namespace {

using bfloat16::rounded;
using bfloat16::rounded_pairs;
using bfloat16::some;
using bfloat16::turn;

// Pairs of a row that are multiplied at a time: with as many of kBlockRows rows they stay in a second-level cache.
constexpr int64_t kPass = 512;
// A panel: rows of a pair (rows 2i and 2i + 1 of the matrix) of each of its columns.
constexpr int64_t kVectors = kColumns / 16;
// The nearest cache is told to fetch the panel so many pairs ahead of where it is read.
constexpr int64_t kAhead = 16;

int64_t pairs_of(int64_t numbers) {
  return (numbers + 1) / 2;
}

int64_t panels_of(int64_t columns) {
  return (columns + kColumns - 1) / kColumns;
}

// What is added up at a time of one factor: its pairs begin … end - 1, in the room's rows from `place` on.
struct Slice {
  const PanelFactor<float>* factor;
  int64_t begin, end, place;

  const float* panel(int64_t which) const {
    return factor->panels + (which * pairs_of(factor->k) + begin) * kColumns;
  }
};

// A pass over c: what is added up at a time, of all factors side by side.
struct Pass {
  std::vector<Slice> slices;
  int64_t pairs = 0;
  float* left = nullptr;  // (m, pairs)
};

[[LORA_BFLOAT16]] void lay_out_rows(const Slice& slice, int64_t m, int64_t stride, float* left) {
  const PanelFactor<float>& factor = *slice.factor;
  for (int64_t i = 0; i < m; ++i) {
    const float* from = factor.a + i * factor.a_stride + 2 * slice.begin;
    float* to = left + i * stride + slice.place;
    const int64_t pairs = slice.end - slice.begin, numbers = factor.k - 2 * slice.begin;
    for (int64_t p = 0; p < pairs; p += 16)
      _mm512_mask_storeu_epi32(
          to + p, static_cast<__mmask16>((1u << std::min<int64_t>(pairs - p, 16)) - 1),
          rounded(some(from + 2 * p, numbers - 2 * p), some(from + 2 * p + 16, numbers - 2 * p - 16)));
  }
}

// What is fetched while a group of rows is summed up: its part of a panel, the next one.
struct Fetched {
  int64_t panel, group, step;  // step: numbers a pair
};

// c (M rows, a panel wide) = or += what the pass adds to it.
template <int M>
[[LORA_BFLOAT16]] void sum_up(const Pass& pass, const float* left, int64_t panel, const Fetched& fetched,
                              bool accumulate, float* c, int64_t c_stride) {
  __m512 sums[M][kVectors];
  for (int i = 0; i < M; ++i)
    for (int v = 0; v < kVectors; ++v)
      sums[i][v] = accumulate ? _mm512_loadu_ps(c + i * c_stride + 16 * v) : _mm512_setzero_ps();
  for (const Slice& slice : pass.slices) {
    const float *a = left + slice.place, *w = slice.panel(panel);
    const int64_t pairs = slice.end - slice.begin;
    const float* next = slice.panel(fetched.panel) + fetched.group * pairs * fetched.step;
    for (int64_t p = 0; p < pairs; ++p, w += kColumns, next += fetched.step) {
      _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T0);
      __m512bh columns[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        _mm_prefetch(reinterpret_cast<const char*>(w + kAhead * kColumns + 16 * v), _MM_HINT_T0);
        columns[v] = reinterpret_cast<__m512bh>(_mm512_loadu_ps(w + 16 * v));
      }
      for (int i = 0; i < M; ++i) {
        const auto pair = reinterpret_cast<__m512bh>(_mm512_set1_ps(a[i * pass.pairs + p]));
        for (int v = 0; v < kVectors; ++v) sums[i][v] = _mm512_dpbf16_ps(sums[i][v], pair, columns[v]);
      }
    }
  }
  for (int i = 0; i < M; ++i)
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_ps(c + i * c_stride + 16 * v, sums[i][v]);
}

// `rows` rows, at most M.
template <int M>
void sum_up_of(int64_t rows, const Pass& pass, const float* left, int64_t panel, const Fetched& fetched,
               bool accumulate, float* c, int64_t c_stride) {
  if constexpr (M > 0) {
    if (rows == M) return sum_up<M>(pass, left, panel, fetched, accumulate, c, c_stride);
    sum_up_of<M - 1>(rows, pass, left, panel, fetched, accumulate, c, c_stride);
  }
}

void add_pass(const Pass& pass, int64_t m, int64_t n, bool accumulate, float* c, int64_t c_stride) {
  const int64_t groups = (m + kRows - 1) / kRows, step = (kColumns + groups - 1) / groups;
  std::array<float, static_cast<size_t>(kRows * kColumns)> edge{};
  for (int64_t panel = 0, panels = panels_of(n); panel < panels; ++panel) {
    const int64_t columns = std::min(kColumns, n - panel * kColumns);
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t row = m * g / groups, rows = m * (g + 1) / groups - row;
      const float* left = pass.left + row * pass.pairs;
      float* to = c + row * c_stride + panel * kColumns;
      const Fetched fetched{std::min(panel + 1, panels - 1), g, step};
      if (columns == kColumns) {
        sum_up_of<kRows>(rows, pass, left, panel, fetched, accumulate, to, c_stride);
        continue;
      }
      for (int64_t i = 0; accumulate && i < rows; ++i)
        std::copy_n(to + i * c_stride, columns, edge.data() + i * kColumns);
      sum_up_of<kRows>(rows, pass, left, panel, fetched, accumulate, edge.data(), kColumns);
      for (int64_t i = 0; i < rows; ++i) std::copy_n(edge.data() + i * kColumns, columns, to + i * c_stride);
    }
  }
}

bool has_pairs() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512bf16");
}

}  // namespace

bool available() {
  static const bool is = has_pairs();  // to ask the processor takes long
  return is;
}

int64_t panel_numbers(int64_t k, int64_t n) {
  return panels_of(n) * pairs_of(k) * kColumns;
}

int64_t room_numbers(int64_t m) {
  return m * kPass;
}

[[LORA_BFLOAT16]] void pack_turned(const float* w, int64_t w_stride, int64_t rows, int64_t k, float scale,
                                   int64_t column, float* panels) {
  const __m512 factor = _mm512_set1_ps(scale);
  float* to = panels + column / kColumns * pairs_of(k) * kColumns + column % kColumns;
  for (int64_t p = 0; p < pairs_of(k); p += 16, to += 16 * kColumns) {
    __m512i pairs[16];
    for (int64_t i = 0; i < kStep; ++i) {
      const float* from = w + std::min(i, rows - 1) * w_stride + 2 * p;
      const int64_t exist = i < rows ? k - 2 * p : 0;
      pairs[i] = rounded(_mm512_mul_ps(some(from, exist), factor),
                         _mm512_mul_ps(some(from + 16, exist - 16), factor));
    }
    if (pairs_of(k) - p >= 16) {
      turn(pairs, reinterpret_cast<char*>(to), kColumns * 4);
      continue;
    }
    alignas(64) std::array<float, 16 * 16> turned;
    turn(pairs, reinterpret_cast<char*>(turned.data()), 64);
    for (int64_t i = 0; i < pairs_of(k) - p; ++i) std::copy_n(turned.data() + i * 16, 16, to + i * kColumns);
  }
}

[[LORA_BFLOAT16]] void pack_rows(const float* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row,
                                 int64_t k, float* panels) {
  for (int64_t pair = 0; pair < pairs_of(rows); ++pair) {
    const float* from = w + 2 * pair * w_stride;
    const bool whole = 2 * pair + 1 < rows;
    float* to = panels + (row / 2 + pair) * kColumns;
    for (int64_t column = 0; column < n; column += 16)
      _mm512_store_si512(to + column / kColumns * pairs_of(k) * kColumns + column % kColumns,
                         rounded_pairs(some(from + column, n - column),
                                       some(from + (whole ? w_stride : 0) + column, whole ? n - column : 0)));
  }
}

void product(std::span<const PanelFactor<float>> factors, int64_t m, int64_t n, bool accumulate, float* c,
             int64_t c_stride, float* room) {
  if (m == 0) return;
  int64_t all = 0;
  for (const PanelFactor<float>& factor : factors) all += pairs_of(factor.k);
  const int64_t passes = (all + kPass - 1) / kPass;
  for (int64_t i = 0; i < passes; ++i) {
    const int64_t begin = all * i / passes, end = all * (i + 1) / passes;
    Pass pass{{}, end - begin, room};
    int64_t before = 0;
    for (const PanelFactor<float>& factor : factors) {
      const int64_t first = std::max(begin - before, int64_t{0}),
                    last = std::min(end - before, pairs_of(factor.k));
      if (first < last) {
        pass.slices.push_back({&factor, first, last, before + first - begin});
        lay_out_rows(pass.slices.back(), m, pass.pairs, room);
      }
      before += pairs_of(factor.k);
    }
    add_pass(pass, m, n, accumulate || i > 0, c, c_stride);
  }
}

}  // namespace lora::ops::cpu::pairs

#else

// Never called: there are no such vectors.
namespace lora::ops::cpu::pairs {

bool available() {
  return false;
}
int64_t panel_numbers(int64_t, int64_t) {
  return 0;
}
int64_t room_numbers(int64_t) {
  return 0;
}
void pack_turned(const float*, int64_t, int64_t, int64_t, float, int64_t, float*) {}
void pack_rows(const float*, int64_t, int64_t, int64_t, int64_t, int64_t, float*) {}
void product(std::span<const PanelFactor<float>>, int64_t, int64_t, bool, float*, int64_t, float*) {}

}  // namespace lora::ops::cpu::pairs

#endif
