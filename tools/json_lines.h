// What the tools of the text room share: JSON Lines in, one answer a line out.
#pragma once

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

namespace lora {

// answer(row) for each line of standard input, to standard output; a line that fails gives {"error":…}. Returns 0.
template <class Json = nlohmann::json, class Answer>
int for_each_line(Answer answer) {
  for (std::string line; std::getline(std::cin, line);) {
    Json out;
    try {
      out = answer(Json::parse(line));
    } catch (const std::exception& error) {
      out = {{"error", error.what()}};
    }
    std::cout << out.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  }
  return 0;
}

}  // namespace lora
