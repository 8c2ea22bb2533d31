// Rows of any format to chat JSON Lines (`lora check --convert`). Plain-text rows stay plain text.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "data/line_source.h"
#include "data/output_file.h"
#include "data/row_reader.h"

namespace lora {

struct ConvertReport {
  std::array<size_t, kRowFormats> formats{};  // rows written, by the format they had
  size_t rows_written = 0;
  size_t rows_left_out = 0;            // not readable
  std::vector<size_t> lines_left_out;  // the first 100 of them
};

// Reads `source` from its beginning and writes every readable row to `out`, without committing it.
// Errors: as LineSource and OutputFile.
ConvertReport convert_data(LineSource& source, const RowOptions& options, OutputFile& out);

std::string convert_in_words(const ConvertReport& report, std::string_view out_name);

}  // namespace lora
