// The shell of a report: one HTML file that works offline, with light, dark and print styles, readable without
// JavaScript and on a phone. Escaping for everything that comes out of data. Not a template language.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

// Text for an element or a quoted attribute. Ill-formed UTF-8 becomes U+FFFD; control characters become their pictures
// (U+2400 …), and marks that override the direction of writing are named, so that no text can hide or reorder others.
std::string html_text(std::string_view text);

// The same without the escapes of HTML: for text that a script puts into an element.
std::string visible_text(std::string_view text);

// Data for a script, to stand in <script type="application/json">: JSON in which nothing can end the element.
std::string script_json(std::string_view json);

// The same inside <bdi>, for text that may be written from right to left.
std::string html_data(std::string_view text);

// 12345678 as "12,345,678"; 0.1234 as "12 %", below 10 % with one decimal.
std::string grouped_number(size_t number);
std::string percent(double share);

struct HtmlSection {
  std::string id;     // for the table of contents, a-z and '-'
  std::string title;  // plain text
  std::string body;   // HTML
};

// A whole page. `verdict` is HTML and stands on top; `script` is JavaScript and `style` more CSS of the program's own,
// never data.
std::string html_page(std::string_view title, std::string_view subtitle, std::string_view verdict,
                      const std::vector<HtmlSection>& sections, std::string_view script = {},
                      std::string_view style = {});

// A small figure in a card: caption, what it shows in words (also for screen readers), and the picture.
std::string html_card(std::string_view caption, std::string_view picture, std::string_view note = {});

}  // namespace lora
