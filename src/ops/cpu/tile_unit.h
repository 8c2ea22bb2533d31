// The processor's unit for matrix tiles (AMX): its instructions, with the names of tiles, which are parts of them, as template arguments.
// (The compilers' own intrinsics don't say that loading tiles reads memory, nor how much of it a configuration is.) What is multiplied on
// them is in tiles.cpp and small_tiles.cpp.
#pragma once

#if defined(__x86_64__) && defined(__linux__)

#include <array>
#include <cstdint>

namespace lora::ops::cpu::tile_unit {

// The shapes of its eight tiles, as the processor reads them: 16 rows of 64 bytes, if nothing else is asked for.
struct alignas(64) Shapes {
  uint8_t palette = 1, start_row = 0;
  std::array<uint8_t, 14> reserved{};
  std::array<uint16_t, 16> row_bytes{64, 64, 64, 64, 64, 64, 64, 64};
  std::array<uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Shapes) == 64);
inline constexpr Shapes kWhole;

// All tiles become zeros of these shapes.
inline void configure(const Shapes& shapes) {
  asm volatile("ldtilecfg %0" : : "m"(shapes));
}
// Nobody works on tiles any more: the system need not keep them.
inline void release() {
  asm volatile("tilerelease");
}

// Rows `stride` bytes apart.
template <int Tile>
void load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(Tile) : "memory");
}
template <int Tile>
void store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(Tile) : "memory");
}
template <int Tile>
void zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(Tile));
}
// Sum, of floats, += Left times Right, both of pairs of bfloat16: rows of Right are columns of pairs of Left.
template <int Sum, int Left, int Right>
void multiply() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(Left), "i"(Right));
}

}  // namespace lora::ops::cpu::tile_unit

#endif
