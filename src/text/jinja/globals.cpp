// Functions that a template finds without having set them: Jinja's, and the two of Transformers.
#include <ctime>
#include <map>

#include "text/jinja/builtins.h"

namespace lora::jinja {
namespace {

using Function = Value (*)(Runtime&, const Value&, const Arguments&);

Value global_range(Runtime& runtime, const Value&, const Arguments& arguments) {
  if (!arguments.keyword.empty()) throw Failure("range() takes no keyword arguments");
  const Bound bound("range", arguments, {"start", "stop", "step"});
  const bool one = !bound.get(1);
  const int64_t start = one ? 0 : index_of(bound.need(0));
  const int64_t stop = index_of(bound.need(one ? 0 : 1)), step = bound.integer(2, 1);
  if (step == 0) throw Failure("range() arg 3 must not be zero");
  const int64_t most = runtime.budget().limits().range_items;
  auto range = std::make_shared<RangeObject>();
  range->start = start;
  range->step = step;
  if (step > 0 ? start < stop : start > stop) {
    // In unsigned arithmetic, where the distance cannot overflow.
    const uint64_t span = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                   : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
    const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
    const uint64_t count = (span - 1) / stride + 1;
    if (count > static_cast<uint64_t>(most))
      Budget::exceeded("range() of more than " + std::to_string(most) + " numbers");
    range->count = static_cast<int64_t>(count);
    // One past the last number is computed too, when a range is printed.
    int64_t past = 0;
    if (__builtin_mul_overflow(range->count, step, &past) || __builtin_add_overflow(past, start, &past))
      throw Failure("an integer beyond 64 bits is not supported");
  }
  return Value(Kind::kRange, std::move(range));
}

// dict(mapping or pairs, name=value, …), also what namespace() takes.
std::vector<std::pair<Value, Value>> pairs(Runtime& runtime, const Arguments& arguments) {
  std::vector<std::pair<Value, Value>> out;
  if (arguments.positional.size() > 1) throw Failure("dict expected at most 1 argument");
  for (const Value& given : arguments.positional) {
    if (given.is_undefined()) throw Failure(given.what_is_undefined());
    if (given.is_dict()) {
      out = given.dict().items;
      continue;
    }
    for (const Value& pair : runtime.iterate(given)) {
      const std::vector<Value> both = runtime.iterate(pair);
      if (both.size() != 2) throw Failure("an element of dict()'s argument has not two items");
      out.emplace_back(both[0], both[1]);
    }
  }
  for (const auto& [name, value] : arguments.keyword)
    out.emplace_back(make_string(runtime.budget(), name), value);
  return out;
}

Value global_dict(Runtime& runtime, const Value&, const Arguments& arguments) {
  return make_dict(runtime.budget(), pairs(runtime, arguments));
}

Value global_namespace(Runtime& runtime, const Value&, const Arguments& arguments) {
  const Value dict = global_dict(runtime, Value(), arguments);
  std::vector<std::pair<std::string, Value>> attributes;
  for (const auto& [key, value] : dict.dict().items) {
    const std::string& name = text_of(key, "the name of an attribute").bytes;
    if (name.starts_with("_")) throw Failure("a namespace takes no attribute that begins with _");
    attributes.emplace_back(name, value);
  }
  return runtime.make_namespace(std::move(attributes));
}

Value global_raise_exception(Runtime& runtime, const Value&, const Arguments& arguments) {
  const Bound bound("raise_exception", arguments, {"message"});
  Failure failure(to_text(runtime.budget(), bound.need(0)).bytes);
  failure.raised = true;
  throw failure;
}

Value global_strftime_now(Runtime& runtime, const Value&, const Arguments& arguments) {
  const Bound bound("strftime_now", arguments, {"format"});
  std::string format = text_of(bound.need(0), "format").bytes;
  if (format.size() > 200) Budget::exceeded("a format of more than 200 bytes");
  // Python's own, before the C library sees the rest. The clock counts whole seconds and has no zone.
  for (size_t at = 0; (at = format.find('%', at)) != std::string::npos && at + 1 < format.size();) {
    const char c = format[at + 1];
    if (c == 'f')
      format.replace(at, 2, "000000");
    else if (c == 'z' || c == 'Z')
      format.erase(at, 2);
    else
      at += 2;
  }
  if (format.empty()) return Value::string(Text());
  char buffer[4096];
  const size_t size = std::strftime(buffer, sizeof buffer, format.c_str(), &runtime.now());
  return make_string(runtime.budget(), std::string(buffer, size));
}

// joiner(", ")(): nothing the first time, the text afterwards.
Value global_joiner(Runtime& runtime, const Value&, const Arguments& arguments) {
  const Bound bound("joiner", arguments, {"sep"});
  const Text text = bound.get(0) ? text_of(*bound.get(0), "sep") : Text(", ");
  return make_function(
      runtime.budget(), "joiner",
      [used = std::make_shared<bool>(false)](Runtime&, const Value& self, const Arguments&) {
        return std::exchange(*used, true) ? self : Value::string(Text());
      },
      make_string(runtime.budget(), text));
}

const std::map<std::string, Function, std::less<>>& table() {
  static const std::map<std::string, Function, std::less<>> functions = {
      {"dict", global_dict},           {"joiner", global_joiner},
      {"namespace", global_namespace}, {"raise_exception", global_raise_exception},
      {"range", global_range},         {"strftime_now", global_strftime_now},
  };
  return functions;
}

}  // namespace

std::optional<Value> find_global(Runtime& runtime, const std::string& name) {
  if (name == "self") throw Failure("the variable self is not supported");
  if (name == "cycler" || name == "lipsum") throw Failure("the function " + name + "() is not supported");
  const auto found = table().find(name);
  if (found == table().end()) return std::nullopt;
  return make_function(runtime.budget(), name, found->second);
}

}  // namespace lora::jinja
