#include "text/jinja/json_value.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "text/jinja/failure.h"

namespace lora::jinja {
namespace {

// Builds values as the parser meets them. Python's json module keeps the order of keys; a key that comes twice keeps
// its first place and its last value, which is what DictObject does.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::optional<uint32_t> source, const Limits& limits) : source_(source), limits_(limits) {}

  bool null() override { return put(Value::none()); }
  bool boolean(bool value) override { return put(Value::boolean(value)); }
  bool number_integer(number_integer_t value) override { return put(Value::integer(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) throw Failure("an integer beyond 64 bits");
    return put(Value::integer(static_cast<int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    if (text.find_first_of(".eE") == std::string::npos) throw Failure("an integer beyond 64 bits");
    return put(Value::real(value));
  }
  bool string(string_t& value) override { return put(marked(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(true); }
  bool start_array(size_t) override { return open(false); }
  bool key(string_t& value) override {
    open_.back().keys.push_back(marked(std::move(value)));
    return true;
  }
  bool end_object() override {
    Level level = std::move(open_.back());
    open_.pop_back();
    std::vector<std::pair<Value, Value>> items;
    for (size_t i = 0; i < level.keys.size(); ++i)
      items.emplace_back(std::move(level.keys[i]), std::move(level.values[i]));
    return put(Value(Kind::kDict, std::make_shared<DictObject>(std::move(items))));
  }
  bool end_array() override {
    Level level = std::move(open_.back());
    open_.pop_back();
    return put(Value(Kind::kList, std::make_shared<ListObject>(std::move(level.values), nullptr)));
  }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) override {
    throw Failure(error.what());
  }

  Value result;

 private:
  struct Level {
    bool is_object;
    std::vector<Value> keys, values;
  };

  bool open(bool is_object) {
    if (open_.size() >= limits_.nesting - 10)
      throw Failure("JSON nested more than " + std::to_string(limits_.nesting - 10) + " deep");
    open_.push_back({is_object, {}, {}});
    return true;
  }
  bool put(Value value) {
    if (open_.empty())
      result = std::move(value);
    else
      open_.back().values.push_back(std::move(value));
    return true;
  }
  Value marked(std::string text) const {
    Text out(std::move(text));
    if (source_) out.mark_all(*source_);
    return Value::string(std::move(out));
  }

  std::optional<uint32_t> source_;
  const Limits& limits_;
  std::vector<Level> open_;
};

}  // namespace

Value value_from_json(const std::string& json, std::optional<uint32_t> source, const Limits& limits) {
  Builder builder(source, limits);
  nlohmann::json::sax_parse(json, &builder);
  return std::move(builder.result);
}

}  // namespace lora::jinja
