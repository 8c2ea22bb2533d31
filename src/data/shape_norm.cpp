#include "data/shape_norm.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/hash.h"

namespace lora {
namespace {

// A norm is what at most this share of the answers departs from, and at least one may.
constexpr double kMissingShare = 0.03, kExtraShare = 0.01, kOtherTypeShare = 0.03;
constexpr size_t kLeastAnswers = 10;
constexpr size_t kNamedKeys = 6;

size_t few(size_t n, double share) {
  return std::max<size_t>(1, static_cast<size_t>(share * static_cast<double>(n)));
}

std::string shown(std::string_view path) {
  return fmt::format("\"{}\"", path.starts_with("[].") ? path.substr(3) : path);
}

size_t shared(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  size_t n = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == b[j])
      ++n, ++i, ++j;
    else if (a[i] < b[j])
      ++i;
    else
      ++j;
  }
  return n;
}

}  // namespace

uint32_t ShapeTable::path_id(std::string_view path) {
  const auto [at, is_new] = path_ids_.try_emplace(std::string(path), static_cast<uint32_t>(paths_.size()));
  if (!is_new) return at->second;
  const uint32_t id = at->second;
  paths_.emplace_back(path);
  parents_.push_back(UINT32_MAX);
  std::string_view up = path;
  if (up.ends_with("[]"))
    up.remove_suffix(2);
  else
    up = up.substr(0, up.rfind('.') == std::string_view::npos ? 0 : up.rfind('.'));
  if (!up.empty() && up != path) {
    const uint32_t parent = path_id(up);
    parents_[id] = parent;
  }
  return id;
}

uint32_t ShapeTable::intern(const AnswerShape& shape) {
  if (shapes_.empty()) shapes_.push_back({0, 0});
  std::vector<Field> fields;
  fields.reserve(shape.fields.size());
  const bool full = fields_.size() >= kMostFieldsKept || paths_.size() >= 200'000;
  if (!full)
    for (const AnswerField& f : shape.fields)
      fields.push_back(path_id(f.path) * 8 + static_cast<uint32_t>(f.type));
  std::sort(fields.begin(), fields.end());
  uint64_t hash = fields.size();
  for (const Field f : fields) hash = mix64(hash, f);
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto at = begin; at != end; ++at)
    if (std::ranges::equal(this->fields(at->second), fields)) return at->second;
  if (fields.empty()) return 0;
  const auto id = static_cast<uint32_t>(shapes_.size());
  shapes_.push_back({fields_.size(), fields.size()});
  fields_.insert(fields_.end(), fields.begin(), fields.end());
  by_hash_.emplace(hash, id);
  return id;
}

std::span<const ShapeTable::Field> ShapeTable::fields(uint32_t shape) const {
  const auto [begin, size] = shapes_[shape];
  return std::span(fields_).subspan(begin, size);
}

std::vector<uint32_t> ShapeTable::keys(uint32_t shape) const {
  std::vector<uint32_t> keys;
  for (const Field field : fields(shape)) {
    std::string_view path = paths_[path_of(field)];
    if (path.starts_with("[].")) path.remove_prefix(3);
    if (path.ends_with("[]") || path.find('.') != std::string_view::npos) continue;
    keys.push_back(path_of(field));
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::vector<std::vector<size_t>> cluster_by_keys(const ShapeTable& table, std::span<const uint32_t> shapes) {
  std::map<std::vector<uint32_t>, std::vector<size_t>> by_keys;
  std::unordered_map<uint32_t, const std::vector<uint32_t>*> known;
  for (size_t i = 0; i < shapes.size(); ++i) {
    auto& keys = known[shapes[i]];
    if (keys == nullptr) keys = &by_keys.try_emplace(table.keys(shapes[i])).first->first;
    by_keys[*keys].push_back(i);
  }
  std::vector<std::pair<const std::vector<uint32_t>*, std::vector<size_t>*>> sets;
  for (auto& [keys, members] : by_keys) sets.push_back({&keys, &members});
  std::stable_sort(sets.begin(), sets.end(),
                   [](const auto& a, const auto& b) { return a.second->size() > b.second->size(); });
  std::vector<std::vector<size_t>> clusters;
  std::vector<bool> taken(sets.size());
  // Beyond this many centres the data has no schema; the rest stay clusters of their own.
  for (size_t c = 0, centres = 0; c < sets.size(); ++c) {
    if (taken[c]) continue;
    clusters.push_back(std::move(*sets[c].second));
    if (++centres > 50) continue;
    for (size_t d = c + 1; d < sets.size(); ++d) {
      if (taken[d]) continue;
      const size_t common = shared(*sets[c].first, *sets[d].first);
      if (common * 2 < sets[c].first->size() + sets[d].first->size() - common) continue;
      taken[d] = true;
      clusters.back().insert(clusters.back().end(), sets[d].second->begin(), sets[d].second->end());
    }
  }
  for (auto& cluster : clusters) std::sort(cluster.begin(), cluster.end());
  std::stable_sort(clusters.begin(), clusters.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return clusters;
}

ShapeNorm::ShapeNorm(const ShapeTable& table, std::span<const uint32_t> shapes)
    : table_(table), n_(shapes.size()) {
  std::unordered_map<uint32_t, size_t> counts;
  for (const uint32_t shape : shapes) ++counts[shape];
  for (const auto& [shape, count] : counts) {
    uint32_t last = UINT32_MAX;
    for (const auto field : table.fields(shape)) {
      Path& path = paths_[ShapeTable::path_of(field)];
      path.types[static_cast<size_t>(ShapeTable::type_of(field))] += count;
      if (ShapeTable::path_of(field) != last) path.present += count;
      last = ShapeTable::path_of(field);
    }
  }
  std::unordered_map<uint32_t, size_t> rare_children;  // of each parent: answers with a rare child, at most
  for (auto& [id, path] : paths_) {
    const uint32_t up = table.parent(id);
    const Path* parent = up == UINT32_MAX ? nullptr : find(up);
    path.with_parent = parent != nullptr ? parent->types[static_cast<size_t>(FieldType::kObject)] : n_;
    if (table.is_item(id) || path.with_parent < kLeastAnswers) continue;
    path.required =
        path.with_parent - std::min(path.present, path.with_parent) <= few(path.with_parent, kMissingShare);
    path.rare = path.present <= few(path.with_parent, kExtraShare);
    if (path.rare) rare_children[up] += path.present;
  }
  // An object whose keys are data ("scores": {"Rosa": 3}) has no norm.
  for (auto& [id, path] : paths_) {
    const auto at = rare_children.find(table.parent(id));
    if (at != rare_children.end() && at->second > std::max<size_t>(3, path.with_parent / 20))
      path.rare = false;
  }
}

const ShapeNorm::Path* ShapeNorm::find(uint32_t path) const {
  const auto at = paths_.find(path);
  return at == paths_.end() ? nullptr : &at->second;
}

std::vector<ShapeNorm::Difference> ShapeNorm::differences(uint32_t shape) const {
  std::vector<Difference> out;
  if (n_ < kLeastAnswers) return out;
  const auto fields = table_.fields(shape);
  std::unordered_map<uint32_t, std::vector<FieldType>> has;
  for (const auto field : fields) has[ShapeTable::path_of(field)].push_back(ShapeTable::type_of(field));
  const auto parent_here = [&](uint32_t id) {
    const uint32_t up = table_.parent(id);
    if (up == UINT32_MAX) return true;
    const auto at = has.find(up);
    return at != has.end() && std::ranges::count(at->second, FieldType::kObject) > 0;
  };
  std::vector<uint32_t> missing, added;
  for (const auto& [id, path] : paths_) {
    if (path.required && !has.contains(id) && parent_here(id)) missing.push_back(id);
    if (path.rare && has.contains(id)) {
      const uint32_t up = table_.parent(id);
      const Path* parent = up == UINT32_MAX ? nullptr : find(up);
      if (parent == nullptr || !parent->rare) added.push_back(id);
    }
  }
  const auto by_name = [&](uint32_t a, uint32_t b) { return table_.path(a) < table_.path(b); };
  std::sort(missing.begin(), missing.end(), by_name);
  std::sort(added.begin(), added.end(), by_name);
  if (missing.size() == 1 && added.size() == 1 && table_.parent(missing[0]) == table_.parent(added[0])) {
    out.push_back({fmt::format("has the key {} where the others have {}", shown(table_.path(added[0])),
                               shown(table_.path(missing[0]))),
                   table_.path(added[0]), true});
  } else {
    for (const uint32_t id : missing)
      out.push_back({fmt::format("lacks the key {}, which {} of {} have", shown(table_.path(id)),
                                 find(id)->present, find(id)->with_parent),
                     "", true});
    for (const uint32_t id : added)
      out.push_back({fmt::format("has the key {}, which {}", shown(table_.path(id)),
                                 find(id)->present == 1 ? "no other has"
                                                        : fmt::format("only {} have", find(id)->present)),
                     table_.path(id), true});
  }
  for (const auto& [id, types] : has) {
    const Path* path = find(id);
    if (path == nullptr) continue;
    const size_t nulls = path->types[0];
    size_t total = 0, commonest = 1;
    for (size_t t = 1; t < 6; ++t) {
      total += path->types[t];
      if (path->types[t] > path->types[commonest]) commonest = t;
    }
    (void)nulls;
    for (const FieldType type : types) {
      const auto t = static_cast<size_t>(type);
      if (t == 0 || t == commonest || total < kLeastAnswers || path->types[t] > few(total, kOtherTypeShare))
        continue;
      out.push_back({fmt::format("{} is {} in {} of {} answers and {} in the others", shown(table_.path(id)),
                                 field_type_name(type), path->types[t], total,
                                 field_type_name(static_cast<FieldType>(commonest))),
                     "", false});
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.words < b.words; });
  return out;
}

std::string ShapeNorm::keys_in_words() const {
  std::vector<std::string_view> keys;
  for (const auto& [id, path] : paths_)
    if (path.required && table_.parent(id) == UINT32_MAX)
      keys.push_back(table_.path(id));
    else if (path.required && table_.path(id).starts_with("[].") &&
             table_.path(id).find('.', 3) == std::string::npos)
      keys.push_back(std::string_view(table_.path(id)).substr(3));
  std::sort(keys.begin(), keys.end());
  if (keys.empty()) return "";
  std::string out = keys.size() == 1 ? "the key " : "the keys ";
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i == kNamedKeys && keys.size() > kNamedKeys + 1)
      return out + fmt::format(" and {} more", keys.size() - i);
    if (i > 0) out += ", ";
    out += keys[i];
  }
  return out;
}

}  // namespace lora
