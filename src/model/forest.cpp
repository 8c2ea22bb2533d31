#include "model/forest.h"

#include "base/hash.h"

namespace lora {

uint64_t next_path_key(uint64_t before, int64_t id) {
  return mix64(before, static_cast<uint64_t>(id));
}

}  // namespace lora
