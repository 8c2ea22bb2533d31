// The processor's unit for matrix tiles (AMX): how its tiles are configured and let go. What is multiplied on them is in tiles.cpp and
// small_tiles.cpp, in functions that are compiled for LORA_TILES.
#pragma once

#if defined(__x86_64__) && defined(__linux__)

#include <immintrin.h>

#include <array>
#include <cstdint>

// What a function that works on tiles, or makes them, may use.
#define LORA_TILES gnu::target("avx512f,avx512bw,avx512bf16,amx-tile,amx-bf16")

namespace lora::ops::cpu::tile_unit {

// The shapes of its eight tiles, as the processor reads them: 16 rows of 64 bytes, if nothing else is asked for.
struct alignas(64) Shapes {
  uint8_t palette = 1, start_row = 0;
  std::array<uint8_t, 14> reserved{};
  std::array<uint16_t, 16> row_bytes{64, 64, 64, 64, 64, 64, 64, 64};
  std::array<uint8_t, 16> rows{16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Shapes) == 64);

// All tiles become zeros of these shapes. (As an instruction: of _tile_loadconfig compilers believe that it reads a few bytes only. And of
// loads of tiles they don't believe that these read memory at all: what tiles are loaded with is written before this.)
inline void configure(const Shapes& shapes) {
  asm volatile("ldtilecfg %0" : : "m"(shapes) : "memory");
}

[[LORA_TILES]] inline void release() {
  _tile_release();
}

}  // namespace lora::ops::cpu::tile_unit

#endif
