// What the fields of like answers have in common, and in what one answer differs: keys that nearly all have, keys that
// nobody else has, types. Works on interned shapes, so that a million rows of few shapes cost little.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/answer_shape.h"

namespace lora {

// Every different shape once. A shape is a sorted list of fields (path and type); values are not part of it.
class ShapeTable {
 public:
  using Field = uint32_t;  // path id * 8 + type

  // Beyond `kMostFieldsKept` fields in all (data of very many shapes) new shapes become the empty one.
  static constexpr size_t kMostFieldsKept = 8'000'000;

  uint32_t intern(const AnswerShape& shape);
  std::span<const Field> fields(uint32_t shape) const;
  uint32_t path_id(std::string_view path);  // interned when new
  const std::string& path(uint32_t id) const { return paths_[id]; }
  static uint32_t path_of(Field field) { return field / 8; }
  static FieldType type_of(Field field) { return static_cast<FieldType>(field % 8); }

  // Top-level keys ("[]." left out), as path ids, sorted.
  std::vector<uint32_t> keys(uint32_t shape) const;
  // Path id of what a field stands in, UINT32_MAX at the top.
  uint32_t parent(uint32_t path) const { return parents_[path]; }
  bool is_item(uint32_t path) const { return paths_[path].ends_with("[]"); }

 private:
  std::unordered_map<std::string, uint32_t> path_ids_;
  std::vector<std::string> paths_;
  std::vector<uint32_t> parents_;
  std::unordered_multimap<uint64_t, uint32_t> by_hash_;
  std::vector<Field> fields_;
  std::vector<std::pair<size_t, size_t>> shapes_;  // begin and size in fields_
};

// Answers with about the same keys: indices into `shapes`, the largest first. Two key sets are alike when they share at
// least half of their union, counted against the commonest set of the cluster.
std::vector<std::vector<size_t>> cluster_by_keys(const ShapeTable& table, std::span<const uint32_t> shapes);

class ShapeNorm {
 public:
  // Of answers that belong together, at least 10 of them for anything to be a norm.
  ShapeNorm(const ShapeTable& table, std::span<const uint32_t> shapes);

  struct Difference {
    std::string words;  // `lacks the key "city"`, `has the key "name" where …`, `"year" is a string where …`
    std::string new_key;   // the key that the others do not have, or empty
    bool of_keys = false;  // missing or added; otherwise a type
  };
  std::vector<Difference> differences(uint32_t shape) const;
  std::string keys_in_words() const;  // `the keys company, city`: those that nearly all have

 private:
  struct Path {
    size_t present = 0;      // answers that have it
    size_t with_parent = 0;  // answers that could have it
    size_t types[6] = {};    // answers, by type
    bool required = false, rare = false;
  };
  const Path* find(uint32_t path) const;

  const ShapeTable& table_;
  size_t n_;
  std::unordered_map<uint32_t, Path> paths_;
};

}  // namespace lora
