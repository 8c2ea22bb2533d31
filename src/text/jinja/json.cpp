// json.dumps, as Transformers' filter "tojson" calls it.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "text/jinja/builtins.h"
#include "text/jinja/python_text.h"

namespace lora::jinja {
namespace {

class Writer {
 public:
  Writer(Runtime& runtime, const JsonOptions& options) : runtime_(runtime), options_(options) {}

  void write(const Value& value, size_t level) {
    runtime_.budget().step();
    switch (value.kind()) {
      case Kind::kNone:
        out.append("null");
        break;
      case Kind::kBool:
        out.append(value.as_bool() ? "true" : "false");
        break;
      case Kind::kInt:
        out.append(std::to_string(value.as_integer()));
        break;
      case Kind::kFloat:
        out.append(real(value.as_real()));
        break;
      case Kind::kString:
        runtime_.budget().work(value.text().size());
        string(value.text());
        break;
      case Kind::kList:
      case Kind::kTuple:
        list(value.items(), level);
        break;
      case Kind::kDict:
        dict(value.dict(), level);
        break;
      default:
        throw Failure("Object of type " + type_name(value) + " is not JSON serializable");
    }
    runtime_.budget().check_size(out.size());
  }

  Text out;

 private:
  static std::string real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return real_to_string(value);
  }

  void line(size_t level) {
    if (!options_.indent) return;
    out.append("\n");
    runtime_.budget().check_size(out.size() + level * options_.indent->size());
    for (size_t i = 0; i < level; ++i) out.append(*options_.indent);
  }

  void list(const std::vector<Value>& items, size_t level) {
    out.append("[");
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out.append(options_.item_separator);
      line(level + 1);
      write(items[i], level + 1);
    }
    if (!items.empty()) line(level);
    out.append("]");
  }

  void dict(const DictObject& object, size_t level) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : object.items) entries.push_back(&entry);
    if (options_.sort_keys)
      std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
        return less(runtime_.budget(), a->first, b->first);
      });
    out.append("{");
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out.append(options_.item_separator);
      line(level + 1);
      key(entries[i]->first);
      out.append(options_.key_separator);
      write(entries[i]->second, level + 1);
    }
    if (!entries.empty()) line(level);
    out.append("}");
  }

  void key(const Value& value) {
    if (value.is_string())
      string(value.text());
    else if (value.is_number() || value.is_none()) {
      out.append("\"");
      write(value, 0);
      out.append("\"");
    } else
      throw Failure("keys of JSON must be str, int, float, bool or None, not " + type_name(value));
  }

  void string(const Text& text) {
    out.append("\"");
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      const char32_t c = next_character(text.bytes, at);
      char escape[16] = "";
      static constexpr std::string_view kShort = "\"\\\n\r\t\b\f", kLetters = "\"\\nrtbf";
      const size_t known = c < 0x80 ? kShort.find(static_cast<char>(c)) : std::string_view::npos;
      if (known != std::string_view::npos && c != 0)
        std::snprintf(escape, sizeof escape, "\\%c", kLetters[known]);
      else if (c < 0x20 || (options_.ensure_ascii && c >= 0x7F && c < 0x10000))
        std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      else if (options_.ensure_ascii && c >= 0x10000)
        std::snprintf(escape, sizeof escape, "\\u%04x\\u%04x",
                      0xD800 + static_cast<unsigned>((c - 0x10000) >> 10),
                      0xDC00 + static_cast<unsigned>((c - 0x10000) & 0x3FF));
      if (escape[0])
        out.append_as(escape, text, begin);
      else
        out.append(text, begin, at);
    }
    out.append("\"");
  }

  Runtime& runtime_;
  const JsonOptions& options_;
};

}  // namespace

Text to_json(Runtime& runtime, const Value& value, const JsonOptions& options) {
  Writer writer(runtime, options);
  writer.write(value, 0);
  return std::move(writer.out);
}

}  // namespace lora::jinja
