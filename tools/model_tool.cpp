// The decoder and the trainer from the command line, for comparison with other programs (tests/parity):
//   model_tool JOB.json
// The file holds a job, or an array of jobs, done one after another; one that fails answers {"error": …} and the rest
// goes on. A job is an object:
//   what            "logits", "gradients", "steps", "cost", "generate", "dropout" or "weights"
//   model           a GGUF file or a Hugging Face folder
//   adapter         a folder in PEFT's format; or new_adapter {r, lora_alpha, lora_dropout, use_rslora, target_modules,
//                   seed}; or neither: the base alone
//   examples        [{"ids":[…],"supervised":[0|1, …]}, …]
//   share_prefixes  (true), max_tokens (512), recompute ("none"), reference (false): see ForestOptions and ops::Backend
//   float32_matmul_precision ("highest")
//   dtype           ("float32") or "float64": what is computed in and written
//   base            ("packed") as the file has it, "dense", or "4bit": see BaseStorage
//   mask_seed       (0) for gradients
//   batches         for steps: indices into examples, a list for each step; with learning_rate, lr_scheduler_type,
//                   warmup_steps, weight_decay, max_grad_norm, optim, loraplus_lr_ratio
//   prompts         for generate, greedily: [[id, …], …]; with max_new_tokens (16), batch_size (32), stop_ids ([]);
//                   with_base (false): the base is asked the same in the same batch
//   mask_seeds      for dropout: one set of masks each
//   save_adapter    a folder to write the adapter to when all is done
//   out             the safetensors file to write:
//     logits     "logits.E" (S, vocab): what example E asks of its supervised tokens, from one forest of all examples
//     gradients  "layers.0.self_attn.q_proj.lora_A", …: of the mean nll over all supervised tokens
//     dropout    "masks.layers.0.self_attn.q_proj.E" (seeds, T, in) and, where the module reads hidden_size numbers,
//                "outputs.…" (seeds, T, out): the module applied to the embeddings of example E
//     weights    "model.layers.0.self_attn.q_proj.weight", …: of the linear layers, unpacked
// Counts, losses, gradient norms, learning rates and generated ids go to standard output as JSON. No tokenizer: ids in, ids out.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "deploy/peft.h"
#include "files/checkpoint.h"
#include "generate/generator.h"
#include "model/decoder.h"
#include "train/schedule.h"
#include "train/step.h"
#include "train/step_cost.h"

namespace {

using namespace lora;
using nlohmann::json;

// Tensors on their way to a safetensors file.
class Output {
 public:
  void add(const std::string& name, const at::Tensor& tensor) {
    const bool wide = tensor.scalar_type() == at::kDouble;
    alive_.push_back(tensor.detach().to(wide ? at::kDouble : at::kFloat).contiguous());
    const at::Tensor& t = alive_.back();
    infos_.push_back({name,
                      wide ? DType::kF64 : DType::kF32,
                      t.sizes().vec(),
                      {static_cast<const std::byte*>(t.const_data_ptr()), t.nbytes()}});
  }
  void write(const std::string& path) const { write_safetensors(path, infos_, {{"format", "pt"}}); }

 private:
  std::vector<at::Tensor> alive_;
  std::vector<TensorInfo> infos_;
};

class Job {
 public:
  explicit Job(json options) : options_(std::move(options)), dtype_(parse_dtype(options_)), decoder_(open()) {
    for (const json& e : options_.value("examples", json::array()))
      examples_.push_back({e.at("ids"), e.at("supervised"), examples_.size() + 1});
    forests_ = {.share_prefixes = options_.value("share_prefixes", true),
                .max_tokens = options_.value("max_tokens", int64_t{512}),
                .split_length = decoder_.config().long_rope_length(),
                .recompute = recompute_named(options_.value("recompute", "none")).value()};
    if (options_.contains("adapter")) {
      adapter_ = load_peft(options_["adapter"].get<std::string>(), decoder_.config(), dtype_);
    } else if (options_.contains("new_adapter")) {
      const json& c = options_["new_adapter"];
      adapter_ = Adapter::create(
          decoder_.config(),
          {c.at("r"), c.at("lora_alpha"), c.value("lora_dropout", 0.0), c.value("use_rslora", false),
           parse_target_modules(c.value("target_modules", std::vector<std::string>{"all-linear"}))},
          c.value("seed", uint64_t{0}), dtype_);
    }
  }

  json run() {
    const std::string what = options_.at("what");
    json answer;
    if (what == "logits")
      answer = logits();
    else if (what == "gradients")
      answer = gradients();
    else if (what == "steps")
      answer = steps();
    else if (what == "cost")
      answer = cost();
    else if (what == "generate")
      answer = generated();
    else if (what == "dropout")
      answer = dropout();
    else if (what == "weights")
      answer = weights();
    else
      throw Error::input({.where = "what",
                          .found = what,
                          .expected = "logits, gradients, steps, cost, generate, dropout or weights"});
    if (options_.contains("out")) output_.write(options_["out"]);
    if (options_.contains("save_adapter")) {
      const std::filesystem::path folder = options_["save_adapter"].get<std::string>();
      std::filesystem::create_directories(folder);
      save_peft(folder, adapter(), nullptr);
    }
    return answer;
  }

 private:
  static at::ScalarType parse_dtype(const json& options) {
    const std::string name = options.value("dtype", "float32");
    if (name == "float32") return at::kFloat;
    if (name == "float64") return at::kDouble;
    throw Error::input({.where = "dtype", .found = name, .expected = "float32 or float64"});
  }

  static BaseStorage parse_storage(const json& options) {
    const std::string name = options.value("base", "packed");
    if (name == "packed") return BaseStorage::kPacked;
    if (name == "dense") return BaseStorage::kDense;
    if (name == "4bit") return BaseStorage::kFourBit;
    throw Error::input({.where = "base", .found = name, .expected = "packed, dense or 4bit"});
  }

  Decoder open() const {
    const Checkpoint checkpoint = Checkpoint::open(options_.at("model").get<std::string>());
    const ModelConfig config = read_model_config(checkpoint);
    const bool reference = options_.value("reference", false);
    ModelWeights weights = load_weights(checkpoint, config, dtype_, parse_storage(options_));
    weights.set_precision(precision_named(options_.value("float32_matmul_precision", "highest")).value());
    return {config, std::move(weights), reference ? ops::Backend::kReference : ops::Backend::kFused};
  }

  Adapter& adapter() {
    if (!adapter_)
      throw Error::input({.where = "job", .found = "this asks for an adapter, and none is given"});
    return *adapter_;
  }

  std::vector<const Example*> members(const std::vector<size_t>& indices) const {
    std::vector<const Example*> chosen;
    for (const size_t i : indices) chosen.push_back(&examples_.at(i));
    return chosen;
  }
  std::vector<const Example*> all() const {
    std::vector<const Example*> chosen;
    for (const Example& e : examples_) chosen.push_back(&e);
    return chosen;
  }

  json logits() {
    const c10::NoGradGuard no_grad;
    const Forest forest = build_forest(all(), forests_.share_prefixes, forests_.split_length);
    const at::Tensor every = decoder_.logits(forest, adapter_ ? &*adapter_ : nullptr);
    for (size_t e = 0; e < examples_.size(); ++e) {
      std::vector<int64_t> rows;
      for (size_t i = 0; i < forest.rows.size(); ++i)
        if (forest.row_examples[i] == static_cast<int64_t>(e)) rows.push_back(forest.rows[i]);
      output_.add("logits." + std::to_string(e), every.index_select(0, at::tensor(rows, at::kLong)));
    }
    return {{"tokens", forest.num_tokens}, {"unique_tokens", forest.unique_tokens()}};
  }

  json gradients() {
    const StepResult r =
        accumulate_gradients(decoder_, adapter(), all(), forests_, options_.value("mask_seed", uint64_t{0}));
    for (const Adapter::Entry& entry : adapter().entries())
      output_.add(entry.name, entry.gradient / static_cast<double>(r.supervised_tokens));
    return {
        {"loss", r.loss},     {"grad_norm", r.grad_norm},         {"forests", deal(all(), forests_).size()},
        {"tokens", r.tokens}, {"unique_tokens", r.unique_tokens}, {"supervised_tokens", r.supervised_tokens}};
  }

  json steps() {
    const auto batches = options_.at("batches").get<std::vector<std::vector<size_t>>>();
    const Schedule schedule{parse_lr_scheduler(options_.value("lr_scheduler_type", "linear")),
                            options_.at("learning_rate"), options_.value("warmup_steps", int64_t{0}),
                            static_cast<int64_t>(batches.size())};
    const std::unique_ptr<Optimizer> optimizer = make_optimizer(
        options_.value("optim", "adamw"), adapter(), {.weight_decay = options_.value("weight_decay", 0.0)},
        options_.value("loraplus_lr_ratio", 1.0));
    json losses, norms, rates;
    for (size_t i = 0; i < batches.size(); ++i) {
      const double rate = schedule.at(static_cast<int64_t>(i));
      const StepResult r = train_step(decoder_, adapter(), *optimizer, members(batches[i]), forests_, rate,
                                      options_.value("max_grad_norm", 0.0), i);
      losses.push_back(r.loss);
      norms.push_back(r.grad_norm);
      rates.push_back(rate);
    }
    return {{"losses", losses}, {"grad_norms", norms}, {"learning_rates", rates}};
  }

  // What a step on all examples must compute, in FLOPs.
  json cost() {
    const ModelConfig& model = decoder_.config();
    const StepSize size =
        step_size(model, build_forest(all(), forests_.share_prefixes, forests_.split_length));
    const StepCost cost = step_cost(model, adapter().num_parameters(), size);
    return {{"frozen", cost.frozen},
            {"adapter", cost.adapter},
            {"attention", cost.attention},
            {"head", cost.head},
            {"total", cost.total()},
            {"attended_keys", size.attended_keys},
            {"unique_tokens", size.unique_tokens}};
  }

  json generated() {
    const auto prompts = options_.at("prompts").get<std::vector<std::vector<int32_t>>>();
    GenerateOptions options;  // greedy unless told otherwise
    options.max_new_tokens = options_.value("max_new_tokens", int64_t{16});
    options.batch_size = options_.value("batch_size", int64_t{32});
    options.stop_ids = options_.value("stop_ids", std::vector<int32_t>());
    std::vector<GenerationPrompt> asked;
    for (const auto& ids : prompts) asked.push_back({ids, adapter_ ? &*adapter_ : nullptr});
    if (options_.value("with_base", false))
      for (const auto& ids : prompts) asked.push_back({ids, nullptr});
    json answers = json::array(), of_base = json::array();
    for (const Answer& answer : generate(decoder_, asked, options))
      (answers.size() < prompts.size() ? answers : of_base).push_back(answer.ids);
    return {{"answers", answers}, {"base_answers", of_base}};
  }

  json dropout() {
    const c10::NoGradGuard no_grad;
    const auto seeds = options_.at("mask_seeds").get<std::vector<uint64_t>>();
    for (size_t e = 0; e < examples_.size(); ++e) {
      const Forest forest = build_forest({&examples_[e]}, false);
      const at::Tensor keys =
          at::tensor(std::vector<int64_t>(forest.path_keys.begin(), forest.path_keys.end()), at::kLong);
      const at::Tensor x = decoder_.weights().embedding.gather(at::tensor(forest.ids, at::kLong), dtype_);
      for (const Adapter::Entry& entry : adapter().entries())
        if (entry.is_A) add_module(entry, e, seeds, keys, x);
    }
    return {{"seeds", seeds.size()}};
  }

  json weights() {
    const std::vector<BlockWeights>& blocks = decoder_.weights().blocks;
    for (size_t layer = 0; layer < blocks.size(); ++layer)
      for (const Module module : decoder_.config().modules)
        output_.add(module_full_path(static_cast<int64_t>(layer), module) + ".weight",
                    blocks[layer].module(module).weight.to_dense(dtype_));
    return {{"bytes", decoder_.weights().bytes()}};
  }

  void add_module(const Adapter::Entry& entry, size_t example, const std::vector<uint64_t>& seeds,
                  const at::Tensor& keys, const at::Tensor& x) {
    const std::string name =
        entry.name.substr(0, entry.name.rfind('.')) + "." + std::to_string(example);  // without ".lora_A"
    const auto [out, in] = module_shape(decoder_.config(), entry.module);
    const LinearWeights& linear =
        decoder_.weights().blocks[static_cast<size_t>(entry.layer)].module(entry.module);
    std::vector<at::Tensor> masks, outputs;
    for (const uint64_t seed : seeds) {
      const auto term = adapter().term(entry.layer, entry.module, seed);
      masks.push_back(ops::dropout_mask(keys, term->dropout_key, term->dropout, in, x.options()));
      if (in == x.size(1))
        outputs.push_back(ops::linear_residual(
            x, at::zeros({x.size(0), out}), {linear.weight, linear.bias, term}, keys, ops::Backend::kFused));
    }
    output_.add("masks." + name, at::stack(masks));
    if (!outputs.empty()) output_.add("outputs." + name, at::stack(outputs));
  }

  json options_;
  at::ScalarType dtype_;
  Decoder decoder_;
  std::optional<Adapter> adapter_;
  std::vector<Example> examples_;
  ForestOptions forests_;
  Output output_;
};

json run_or_error(const json& job) {
  try {
    return Job(job).run();
  } catch (const std::exception& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: model_tool JOB.json; see the head of tools/model_tool.cpp\n";
    return 2;
  }
  try {
    const json file = json::parse(read_file(argv[1]));
    json answer;
    if (file.is_array())
      for (const json& job : file) answer.push_back(run_or_error(job));
    else
      answer = Job(file).run();
    std::cout << answer << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
