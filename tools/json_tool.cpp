// The JSON reader for tests/parity/test_json.py: a text a line on standard input, in hex; on standard output
// a line "ok COMPACT_JSON" or "bad KIND_NUMBER LINE:COLUMN MESSAGE". Not for users. With the argument --rfc
// only the grammar counts: duplicate keys are let through, and the fast reader (JsonTape) must agree; a line "differs" says
// that it does not.
#include <fmt/format.h>

#include <iostream>
#include <string>
#include <string_view>

#include "data/json_reader.h"
#include "data/json_tape.h"

int main(int argc, char** argv) {
  lora::JsonOptions options;
  const bool rfc = argc > 1 && std::string_view(argv[1]) == "--rfc";
  options.refuse_duplicate_keys = !rfc;
  lora::JsonTape tape;
  for (std::string hex; std::getline(std::cin, hex);) {
    std::string text;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
      text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    const lora::JsonText parsed = lora::read_json(text, options);
    if (rfc && tape.read(text) != parsed.ok()) {
      std::cout << "differs\n";
    } else if (parsed.ok()) {
      std::cout << "ok " << parsed.value.dump(-1, ' ', true) << '\n';
    } else {
      const lora::TextPosition at = lora::position_of(text, parsed.problem->offset);
      std::cout << fmt::format("bad {} {}:{} {}\n", static_cast<int>(parsed.problem->kind), at.line,
                               at.column, parsed.problem->found);
    }
  }
}
