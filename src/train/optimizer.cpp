#include "train/optimizer.h"

#include "base/error.h"
#include "model/adapter.h"
#include "train/adamw.h"
#include "train/adamw_8bit.h"

namespace lora {

std::vector<ParameterRun> parameter_runs(const Adapter& adapter, double loraplus_lr_ratio) {
  std::vector<ParameterRun> runs;
  const auto* first = static_cast<const char*>(adapter.parameters().const_data_ptr());
  for (const Adapter::Entry& entry : adapter.entries()) {
    const int64_t bytes = static_cast<const char*>(entry.tensor.const_data_ptr()) - first;
    runs.push_back({bytes / static_cast<int64_t>(entry.tensor.element_size()), entry.tensor.numel(),
                    entry.is_A ? 1.0 : loraplus_lr_ratio});
  }
  return runs;
}

namespace {

bool is_adamw(const std::string& optim) {
  return optim == "adamw" || optim == "adamw_torch";
}
}  // namespace

bool is_adamw_8bit(const std::string& optim) {
  return optim == "adamw_8bit" || optim == "paged_adamw_8bit" || optim == "adamw_bnb_8bit";
}

bool optimizer_known(const std::string& optim) {
  return is_adamw(optim) || is_adamw_8bit(optim);
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& optim, const Adapter& adapter,
                                          const AdamWOptions& options, double loraplus_lr_ratio) {
  std::vector<ParameterRun> runs = parameter_runs(adapter, loraplus_lr_ratio);
  if (is_adamw(optim)) return std::make_unique<AdamW>(adapter.parameters(), options, std::move(runs));
  if (is_adamw_8bit(optim))
    return std::make_unique<AdamW8bit>(adapter.parameters(), options, std::move(runs));
  throw Error::input({.where = "optim",
                      .found = "there is no optimizer \"" + optim + "\"",
                      .expected = "adamw or adamw_8bit"});
}

}  // namespace lora
