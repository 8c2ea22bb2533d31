#include <algorithm>

#include "text/jinja/builtins.h"

namespace lora::jinja {

Bound::Bound(const std::string& function, const Arguments& arguments,
             std::initializer_list<const char*> parameters)
    : function_(function), parameters_(parameters.begin(), parameters.end()), values_(parameters.size()) {
  if (arguments.positional.size() > values_.size())
    throw Failure(function + "() takes at most " + std::to_string(values_.size()) + " arguments, not " +
                  std::to_string(arguments.positional.size()));
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.keyword) {
    const auto found = std::find(parameters_.begin(), parameters_.end(), name);
    if (found == parameters_.end()) throw Failure(function + "() takes no argument '" + name + "'");
    const Value*& place = values_[static_cast<size_t>(found - parameters_.begin())];
    if (place) throw Failure(function + "() got two values for the argument '" + name + "'");
    place = &value;
  }
}

const Value& Bound::need(size_t index) const {
  if (!values_[index]) throw Failure(function_ + "() lacks the argument '" + parameters_[index] + "'");
  return *values_[index];
}

int64_t Bound::integer(size_t index, int64_t otherwise) const {
  return values_[index] ? index_of(*values_[index]) : otherwise;
}

const Text* Bound::string(size_t index) const {
  if (!values_[index] || values_[index]->is_none()) return nullptr;
  return &text_of(*values_[index], parameters_[index].c_str());
}

}  // namespace lora::jinja
