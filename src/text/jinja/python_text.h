// What Python's str does, on traced UTF-8 text: positions count characters (code points), case and classes are
// Unicode's. Bytes that are not UTF-8 count as one character each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/traced_text.h"

namespace lora::jinja {

// The character that starts at byte `position`, which moves behind it. Not UTF-8: 0xDC00 + byte.
char32_t next_character(std::string_view text, size_t& position);
void append_character(std::string& out, char32_t character);
size_t character_count(std::string_view text);
// Byte at which the character of this index starts; text.size() from the end on.
size_t byte_of_character(std::string_view text, size_t index);

bool is_space(char32_t c);      // str.isspace
bool is_printable(char32_t c);  // str.isprintable
bool is_word(char32_t c);       // \w of Python's re

// `chars`: what to take off; nullptr: white space.
Text strip(const Text& text, const std::string* chars, bool left, bool right);
// str.split and rsplit; `separator` nullptr: runs of white space. limit < 0: no limit. The separator is not empty.
std::vector<Text> split(const Text& text, const std::string* separator, int64_t limit);
std::vector<Text> rsplit(const Text& text, const std::string* separator, int64_t limit);
std::vector<Text> split_lines(const Text& text, bool keep_ends = false);
// str.replace. limit < 0: no limit.
Text replace(const Text& text, const std::string& from, const Text& to, int64_t limit);

Text upper(const Text& text);
Text lower(const Text& text);
Text capitalize(const Text& text);
Text title(const Text& text);        // str.title
Text title_words(const Text& text);  // Jinja's filter "title", which breaks words elsewhere

// str.isalpha() and its kin by their names: "alnum", "alpha", "ascii", "decimal", "digit", "lower", "numeric",
// "space", "title", "upper". nullopt: no such name.
std::optional<bool> is_class(std::string_view text, std::string_view name);

// &, <, >, " and ' as HTML entities.
Text escape_html(const Text& text);
// 'it' as Python's repr writes it.
Text quoted(const Text& text);

}  // namespace lora::jinja
