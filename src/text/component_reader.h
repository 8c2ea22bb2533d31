// The components of a tokenizer.json (normalizer, pre_tokenizer, decoder, post_processor) -> steps. What is not known is
// an Error naming it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "text/vocabulary.h"

namespace lora {

class ComponentReader {
 public:
  // `where` names the file in errors. The steps go into `data`, which must outlive this.
  ComponentReader(std::string where, VocabularyData& data) : where_(std::move(where)), data_(data) {}

  // Each: null, or a component as Hugging Face `tokenizers` writes it. Errors: kInput; nlohmann's own where the layout
  // is not as expected.
  void normalizer(const nlohmann::json& component);
  void pre_tokenizer(const nlohmann::json& component);
  void decoder(const nlohmann::json& component);
  void post_processor(const nlohmann::json& component);

  [[noreturn]] void refuse(const std::string& part, const std::string& found,
                           const std::string& expected = "") const;

  // Records a part in VocabularyData::pipeline.
  void note(const std::string& part, const nlohmann::json& component);

 private:
  [[noreturn]] void unknown(const std::string& part, const nlohmann::json& component) const;
  SplitBehavior behavior(const nlohmann::json& component) const;
  PrependScheme prepend_scheme(const nlohmann::json& component) const;
  std::string replacement(const nlohmann::json& component) const;
  void read_normalizer(const nlohmann::json& component, int depth);
  void read_pre_tokenizer(const nlohmann::json& component, int depth);
  void read_decoder(const nlohmann::json& component, int depth);
  void read_post_processor(const nlohmann::json& component, int depth);
  void too_deep(const std::string& part, int depth) const;
  void choose_decoding();
  bool has_every_byte() const;

  std::string where_;
  VocabularyData& data_;
};

}  // namespace lora
