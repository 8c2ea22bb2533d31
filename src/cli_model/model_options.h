// Options of commands that open a model: the model itself, an adapter, threads.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "run/session.h"

namespace lora::cli {

struct ModelOptions {
  std::string model, adapter;
  SessionOptions session;

  // The model, reading text as the adapter was taught to, over the weights that it was trained on.
  Session open() const {
    SessionOptions options = session;
    if (!adapter.empty()) {
      options.text = or_as_trained(options.text, adapter);
      options.load_in_4bit = options.load_in_4bit || trained_in_4bit(adapter);
    }
    return Session(model, options);
  }

  void add_to(CLI::App& command, bool with_adapter = true) {
    command.add_option("model", model, "GGUF file or Hugging Face folder")->required()->type_name("MODEL");
    if (with_adapter)
      command.add_option("--adapter", adapter, "folder of a LoRA adapter (PEFT's format)")->type_name("DIR");
    command.add_option("--threads", session.threads, "CPU threads; 0: all cores")->check(CLI::Range(0, 4096));
    command.add_option(
        "--chat-template,--chat_template", session.text.chat_template,
        "a template's file, or chatml, llama3, mistral, gemma, phi3, …; default: the adapter's, else the "
        "model's own");
    command.add_flag("--load-in-4bit,--load_in_4bit", session.load_in_4bit,
                     "quantize the base to NF4 when it is loaded; on for an adapter trained so");
    command
        .add_option_function<std::string>(
            "--float32-matmul-precision,--float32_matmul_precision",
            [this](const std::string& name) { session.precision = precision_named(name); },
            "bits of a number that count in products: highest (all 24; the default), high (16 at least), "
            "medium (8) or auto (as training: high for a quantized base)")
        ->check(CLI::IsMember({"auto", "highest", "high", "medium"}));
    command.add_option("--device", session.device,
                       "where the model computes: cpu, cuda or cuda:N; a GPU takes the plain operations");
    command.add_flag("--reference", session.reference, "plain operations in place of the fused ones");
  }
};

}  // namespace lora::cli
