// libFuzzer: the JSON reader and the chat JSONL reader never crash and never read outside the text.
// What the reader accepts, nlohmann's parser accepts too, with the same value; offsets lie inside the text.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "data/chat_jsonl.h"
#include "data/json_reader.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_places(const lora::JsonPlace& place, size_t begin, size_t end) {
  require(begin <= place.begin && place.begin < place.end && place.end <= end);
  for (const lora::JsonPlace& child : place.children) check_places(child, place.begin, place.end);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  // A copy of exactly this size, so that a read past its end is seen.
  const std::string text(reinterpret_cast<const char*>(data), size);
  const lora::JsonText parsed = lora::read_json(text);
  if (parsed.ok()) {
    require(nlohmann::json::parse(text) == parsed.value);
    check_places(parsed.place, 0, size);
  } else {
    require(parsed.problem->offset <= size);
    lora::position_of(text, parsed.problem->offset);
  }
  try {
    for (const lora::Conversation& row : lora::parse_chat_jsonl(text, "fuzz", lora::RowKind::kPrompt)) {
      const auto again = lora::parse_chat_jsonl(lora::chat_jsonl_line(row), "again", lora::RowKind::kPrompt);
      require(again.size() == 1 && again[0].messages == row.messages && again[0].golden == row.golden);
    }
  } catch (const lora::Error& error) {
    require(error.parts().where.starts_with("fuzz:"));
  }
  return 0;
}
