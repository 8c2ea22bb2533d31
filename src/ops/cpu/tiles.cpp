#include "ops/cpu/tiles.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <type_traits>
#include <vector>

#include "ops/cpu/bfloat16_pairs.h"
#include "ops/cpu/tile_unit.h"

namespace lora::ops::cpu::tiles {
namespace {

using bfloat16::rounded_pairs;
using bfloat16::some;
using bfloat16::turn;

// A tile: 16 rows of 16 pairs. Of a left factor a row is 32 numbers, number i and 16 + i a pair; of a right one, rows i and 16 + i
// of 16 columns. (Tiles ask for pairs of the same two, whichever.)
constexpr int64_t kTileBytes = 1024;
// How many bfloat16 a float is the sum of, and how many are taken for it.
constexpr int kAllParts = 3, kHighParts = 2, kMediumParts = 1;
// A block, 32 by 32 numbers of a factor: for each part, two tiles; behind those of a right factor, how many parts are not all 0. (And
// so that blocks don't compete for the same places of a cache.)
constexpr int64_t kRows = 32;
template <int Parts>
constexpr int64_t kPartsBytes = 2 * Parts * kTileBytes;
template <int Parts>
constexpr int64_t kBlockBytes = kPartsBytes<Parts> + 64;
// Blocks of a row of the left factor that are laid out and added up at a time: so many stay in a second-level cache.
template <int Parts>
constexpr int64_t kPass = Parts == kMediumParts ? 60 : 30;
constexpr int64_t kAhead = 1;

int64_t blocks_of(int64_t numbers) {
  return (numbers + 31) / 32;
}

// Two times 16 floats, as the bfloat16 they are the sums of: pair i of a part is of number i of both.
template <int Parts>
struct Split {
  __m512i part[Parts];
};

template <int Parts>
[[LORA_BFLOAT16]] inline Split<Parts> split(__m512 first, __m512 second) {
  // The upper half of a float is a bfloat16. Halves are rounded away from zero, which matters to no sum.
  const __m512i half = _mm512_set1_epi32(0x8000), upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  Split<Parts> s;
  for (int p = 0; p + 1 < Parts; ++p) {
    const __m512i a = _mm512_add_epi32(_mm512_castps_si512(first), half),
                  b = _mm512_add_epi32(_mm512_castps_si512(second), half);
    first = _mm512_sub_ps(first, _mm512_castsi512_ps(_mm512_and_si512(a, upper)));
    second = _mm512_sub_ps(second, _mm512_castsi512_ps(_mm512_and_si512(b, upper)));
    s.part[p] = _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srli_epi32(a, 16), b);
  }
  s.part[Parts - 1] = rounded_pairs(first, second);  // of three parts, exact
  return s;
}

// What comes kAhead blocks later: 32 numbers. Processors don't follow so many rows by themselves.
[[LORA_BFLOAT16]] inline void fetch_ahead(const float* from) {
  _mm_prefetch(reinterpret_cast<const char*>(from + kAhead * kDepth), _MM_HINT_T0);
  _mm_prefetch(reinterpret_cast<const char*>(from + kAhead * kDepth + 16), _MM_HINT_T0);
}

// What all bits of each part are together tells how many parts are needed.
template <int Parts>
[[LORA_BFLOAT16]] inline void add_bits(const Split<Parts>& s, __m512i* bits) {
  for (int p = 0; p < Parts; ++p) bits[p] = _mm512_or_si512(bits[p], s.part[p]);
}

template <int Parts>
[[LORA_BFLOAT16]] inline int parts_of(const __m512i* bits) {
  int parts = Parts;
  while (parts > 1 && !_mm512_test_epi32_mask(bits[parts - 1], bits[parts - 1])) --parts;
  return parts;
}

template <int Parts>
char* right_block(float* panels, int64_t panel, int64_t k, int64_t block) {
  return reinterpret_cast<char*>(panels) + (panel * blocks_of(k) + block) * kBlockBytes<Parts>;
}

// Tiles 0 to 3 are sums: rows 0 and 16, columns 0 and 16; 4 and 5 rows of the left factor, 6 and 7 columns of the right one.
template <int RowTiles>
inline void load_left(const char* left, int part) {
  tile_unit::load<4>(left + part * 2 * kTileBytes, 64);
  if constexpr (RowTiles == 2) tile_unit::load<5>(left + (part * 2 + 1) * kTileBytes, 64);
}

inline void load_right(const char* right, int part) {
  tile_unit::load<6>(right + part * 2 * kTileBytes, 64);
  tile_unit::load<7>(right + (part * 2 + 1) * kTileBytes, 64);
}

template <int RowTiles>
inline void multiply() {
  tile_unit::multiply<0, 4, 6>();
  tile_unit::multiply<1, 4, 7>();
  if constexpr (RowTiles == 2) {
    tile_unit::multiply<2, 5, 6>();
    tile_unit::multiply<3, 5, 7>();
  }
}

// Products of parts whose ranks add up to Parts - 1 at most, in orders that load few tiles anew.
template <int RowTiles, int Parts>
inline void multiply_block(const char* left, const char* right) {
  const int parts = *reinterpret_cast<const int*>(right + kPartsBytes<Parts>);
  if constexpr (Parts == kAllParts) {
    load_left<RowTiles>(left, 0);
    load_right(right, 0);
    multiply<RowTiles>();
    if (parts > 2) {
      load_right(right, 2);
      multiply<RowTiles>();
    }
    if (parts > 1) {
      load_right(right, 1);
      multiply<RowTiles>();
      load_left<RowTiles>(left, 1);
      multiply<RowTiles>();
      load_right(right, 0);
    } else {
      load_left<RowTiles>(left, 1);
    }
    multiply<RowTiles>();
    load_left<RowTiles>(left, 2);
    multiply<RowTiles>();
  } else if constexpr (Parts == kMediumParts) {
    load_left<RowTiles>(left, 0);
    load_right(right, 0);
    multiply<RowTiles>();
  } else {
    load_left<RowTiles>(left, 1);
    load_right(right, 0);
    multiply<RowTiles>();
    load_left<RowTiles>(left, 0);
    multiply<RowTiles>();
    if (parts > 1) {
      load_right(right, 1);
      multiply<RowTiles>();
    }
  }
}

// Blocks of one factor that belong to a pass.
struct Slice {
  const PanelFactor<float>* factor;
  int64_t begin, end;
};

// A pass over c: what is added up at a time, of all left factors side by side.
struct Pass {
  std::vector<Slice> slices;
  int64_t blocks = 0;
  char* left = nullptr;  // groups of kRows rows, `blocks` blocks each
};

// Lays out 16 rows of the left factor, those that exist, of a slice.
template <int Parts>
[[LORA_BFLOAT16]] void lay_out_rows(const Slice& slice, int64_t row, int64_t rows, char* to) {
  const auto& [a, a_stride, k, panels] = *slice.factor;
  for (int64_t block = slice.begin; block < slice.end; ++block, to += kBlockBytes<Parts>) {
    for (int64_t i = 0; i < kTileRows; ++i) {
      const float* from = a + (row + std::min(i, rows - 1)) * a_stride + block * kDepth;
      const int64_t exist = i < rows ? k - block * kDepth : 0;
      fetch_ahead(from);
      const Split<Parts> s = split<Parts>(some(from, exist), some(from + 16, exist - 16));
      for (int p = 0; p < Parts; ++p) _mm512_store_si512(to + p * 2 * kTileBytes + i * 64, s.part[p]);
    }
  }
}

// 16 * RowTiles rows of c, 32 columns.
template <int RowTiles, int Parts>
void sum_up(const Pass& pass, int64_t group, int64_t panel, bool accumulate, float* c, int64_t c_stride) {
  const int64_t stride = c_stride * static_cast<int64_t>(sizeof(float));
  float* below = c + kTileRows * c_stride;
  if (accumulate) {
    tile_unit::load<0>(c, stride);
    tile_unit::load<1>(c + 16, stride);
    if constexpr (RowTiles == 2) {
      tile_unit::load<2>(below, stride);
      tile_unit::load<3>(below + 16, stride);
    }
  } else {
    tile_unit::zero<0>();
    tile_unit::zero<1>();
    tile_unit::zero<2>();
    tile_unit::zero<3>();
  }
  const char* left = pass.left + group * pass.blocks * kBlockBytes<Parts>;
  for (const auto& [factor, begin, end] : pass.slices) {
    const char* right = reinterpret_cast<const char*>(factor->panels) +
                        (panel * blocks_of(factor->k) + begin) * kBlockBytes<Parts>;
    for (int64_t i = begin; i < end; ++i, left += kBlockBytes<Parts>, right += kBlockBytes<Parts>)
      multiply_block<RowTiles, Parts>(left, right);
  }
  tile_unit::store<0>(c, stride);
  tile_unit::store<1>(c + 16, stride);
  if constexpr (RowTiles == 2) {
    tile_unit::store<2>(below, stride);
    tile_unit::store<3>(below + 16, stride);
  }
}

// `rows` rows and `columns` columns of c exist.
template <int Parts>
void tiles_of(const Pass& pass, int64_t group, int64_t panel, int64_t rows, int64_t columns, bool accumulate,
              float* c, int64_t c_stride) {
  const auto sum = [&](float* to, int64_t stride) {
    rows <= kTileRows ? sum_up<1, Parts>(pass, group, panel, accumulate, to, stride)
                      : sum_up<2, Parts>(pass, group, panel, accumulate, to, stride);
  };
  if (columns == kColumns && rows % kTileRows == 0) return sum(c, c_stride);
  std::array<float, static_cast<size_t>(kRows * kColumns)> edge{};
  if (accumulate)
    for (int64_t i = 0; i < rows; ++i) std::copy_n(c + i * c_stride, columns, edge.data() + i * kColumns);
  sum(edge.data(), kColumns);
  for (int64_t i = 0; i < rows; ++i) std::copy_n(edge.data() + i * kColumns, columns, c + i * c_stride);
}

template <int Parts>
[[LORA_BFLOAT16]] void turned(const float* w, int64_t w_stride, int64_t rows, int64_t k, float scale,
                              int64_t column, float* panels) {
  const __m512 factor = _mm512_set1_ps(scale);
  for (int64_t block = 0; block < blocks_of(k); ++block) {
    char* to = right_block<Parts>(panels, column / kColumns, k, block);
    const int64_t numbers = k - block * kDepth;
    __m512i seen[Parts];
    for (__m512i& bits : seen) bits = _mm512_setzero_si512();
    for (int64_t half = 0; half < 2; ++half) {
      __m512i parts[Parts][kTileRows];
      for (int64_t i = 0; i < kTileRows; ++i) {
        const int64_t row = half * kTileRows + i;
        const float* from = w + std::min(row, rows - 1) * w_stride + block * kDepth;
        const int64_t exist = row < rows ? numbers : 0;
        fetch_ahead(from);
        const Split<Parts> s = split<Parts>(_mm512_mul_ps(some(from, exist), factor),
                                            _mm512_mul_ps(some(from + 16, exist - 16), factor));
        for (int p = 0; p < Parts; ++p) parts[p][i] = s.part[p];
        add_bits(s, seen);
      }
      for (int p = 0; p < Parts; ++p) turn(parts[p], to + (p * 2 + half) * kTileBytes, 64);
    }
    *reinterpret_cast<int*>(to + kPartsBytes<Parts>) = parts_of<Parts>(seen);
  }
}

template <int Parts>
[[LORA_BFLOAT16]] void by_rows(const float* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row,
                               int64_t k, float* panels) {
  for (int64_t panel = 0; panel < blocks_of(n); ++panel) {
    char* to = right_block<Parts>(panels, panel, k, row / kDepth);
    __m512i seen[Parts];
    for (__m512i& bits : seen) bits = _mm512_setzero_si512();
    for (int64_t pair = 0; pair < kTileRows; ++pair)
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t columns = n - panel * kColumns - half * 16;
        const float* from = w + pair * w_stride + panel * kColumns + half * 16;
        if (half == 0) {
          fetch_ahead(from);
          fetch_ahead(from + kTileRows * w_stride);
        }
        const Split<Parts> s =
            split<Parts>(some(from, pair < rows ? columns : 0),
                         some(from + kTileRows * w_stride, pair + kTileRows < rows ? columns : 0));
        for (int p = 0; p < Parts; ++p)
          _mm512_store_si512(to + (p * 2 + half) * kTileBytes + pair * 64, s.part[p]);
        add_bits(s, seen);
      }
    *reinterpret_cast<int*>(to + kPartsBytes<Parts>) = parts_of<Parts>(seen);
  }
}

template <int Parts>
void sum_of_products(std::span<const PanelFactor<float>> factors, int64_t m, int64_t n, bool accumulate,
                     float* c, int64_t c_stride, float* room) {
  int64_t all = 0;
  for (const PanelFactor<float>& factor : factors) all += blocks_of(factor.k);
  const int64_t passes = (all + kPass<Parts> - 1) / kPass<Parts>;
  tile_unit::configure(tile_unit::kWhole);
  for (int64_t i = 0; i < passes; ++i) {
    const int64_t begin = all * i / passes, end = all * (i + 1) / passes;
    Pass pass{{}, end - begin, reinterpret_cast<char*>(room)};
    int64_t before = 0;
    for (const PanelFactor<float>& factor : factors) {
      const int64_t blocks = blocks_of(factor.k), first = std::max(begin - before, int64_t{0}),
                    last = std::min(end - before, blocks);
      if (first < last) {
        pass.slices.push_back({&factor, first, last});
        for (int64_t row = 0; row < m; row += kTileRows)
          lay_out_rows<Parts>(pass.slices.back(), row, std::min(kTileRows, m - row),
                              pass.left +
                                  (row / kRows * pass.blocks + before + first - begin) * kBlockBytes<Parts> +
                                  row % kRows / kTileRows * kTileBytes);
      }
      before += blocks;
    }
    for (int64_t panel = 0; panel < blocks_of(n); ++panel)
      for (int64_t group = 0; group < blocks_of(m); ++group)
        tiles_of<Parts>(pass, group, panel, std::min(kRows, m - group * kRows),
                        std::min(kColumns, n - panel * kColumns), accumulate || i > 0,
                        c + group * kRows * c_stride + panel * kColumns, c_stride);
  }
  tile_unit::release();
}

// body(std::integral_constant<int, Parts>) with the parts that numbers of a precision are taken for.
template <class Body>
auto with_parts(MatmulPrecision precision, const Body& body) {
  switch (precision) {
    case MatmulPrecision::kHigh:
      return body(std::integral_constant<int, kHighParts>{});
    case MatmulPrecision::kMedium:
      return body(std::integral_constant<int, kMediumParts>{});
    default:
      return body(std::integral_constant<int, kAllParts>{});
  }
}

template <int Parts>
constexpr int64_t kBlockNumbers = kBlockBytes<Parts> / static_cast<int64_t>(sizeof(float));

bool has_amx() {
  constexpr unsigned kBfloat16 = 1u << 22, kTile = 1u << 24;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBfloat16) != 0 && (d & kTile) != 0;
}

bool has_tiles() {
  constexpr long kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512bf16") && has_amx() &&
         syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}

// To ask the processor takes long.
std::atomic<bool>& usable() {
  static std::atomic<bool> is = has_tiles();
  return is;
}

}  // namespace

bool available() {
  return usable();
}

void switch_off(bool off) {
  usable() = !off && has_tiles();
}

int64_t panel_numbers(int64_t k, int64_t n, MatmulPrecision precision) {
  return with_parts(precision,
                    [&](auto parts) { return blocks_of(n) * blocks_of(k) * kBlockNumbers<parts>; });
}

int64_t room_numbers(int64_t m, MatmulPrecision precision) {
  return with_parts(precision,
                    [&](auto parts) { return blocks_of(m) * kPass<parts> * kBlockNumbers<parts>; });
}

void pack_turned(const float* w, int64_t w_stride, int64_t rows, int64_t k, float scale, int64_t column,
                 MatmulPrecision precision, float* panels) {
  with_parts(precision, [&](auto parts) { turned<parts>(w, w_stride, rows, k, scale, column, panels); });
}

void pack_rows(const float* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
               MatmulPrecision precision, float* panels) {
  with_parts(precision, [&](auto parts) { by_rows<parts>(w, w_stride, rows, n, row, k, panels); });
}

void product(std::span<const PanelFactor<float>> factors, int64_t m, int64_t n, bool accumulate, float* c,
             int64_t c_stride, MatmulPrecision precision, float* room) {
  with_parts(precision,
             [&](auto parts) { sum_of_products<parts>(factors, m, n, accumulate, c, c_stride, room); });
}

}  // namespace lora::ops::cpu::tiles

#else

#include <algorithm>

// Never called: there are no tiles.
namespace lora::ops::cpu::tiles {

bool available() {
  return false;
}
void switch_off(bool) {}
int64_t panel_numbers(int64_t, int64_t, MatmulPrecision) {
  return 0;
}
int64_t room_numbers(int64_t, MatmulPrecision) {
  return 0;
}
void pack_turned(const float*, int64_t, int64_t, int64_t, float, int64_t, MatmulPrecision, float*) {}
void pack_rows(const float*, int64_t, int64_t, int64_t, int64_t, int64_t, MatmulPrecision, float*) {}
void product(std::span<const PanelFactor<float>>, int64_t, int64_t, bool, float*, int64_t, MatmulPrecision,
             float*) {}

}  // namespace lora::ops::cpu::tiles

#endif
