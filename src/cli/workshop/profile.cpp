#include "model/profile.h"

#include <algorithm>

#include "base/process_metrics.h"
#include "cli/runtime/options_command.h"
#include "cli/workshop/workshop_commands.h"
#include "model/checkpoint.h"
#include "model/config/token_merging.h"

namespace edgeclip {

namespace {

struct Options {
  std::string checkpoint, model_config;
  int batch = 1, tokens = 0, depth = 4, vocabulary = 0;
  std::vector<int> token_merging;
  double token_budget = 0;

  template <class Visitor>
  void fields(Visitor& v) {
    v("checkpoint", checkpoint, "checkpoint to profile");
    v("model_config", model_config,
      "instead of a checkpoint: a JSON file with an architecture under \"model\", profiled on random "
      "weights");
    v("batch", batch, "images, and captions, of one pass");
    v("tokens", tokens, "tokens per caption; 0: the context length");
    v("token_merging", token_merging, "tokens that each layer of the image tower merges, in the place of the checkpoint's; as of export");
    v("token_budget", token_budget, "instead: the part of the image tower's multiply-accumulates that is left; as of export");
    v("depth", depth,
      "the table adds up modules whose names agree in so many parts (4: blocks); 0: every row");
    v("vocabulary", vocabulary, "number of token ids, instead of --model-config's; 0: the file's own");
  }
  void validate(const std::string& where) const {
    if (batch < 1) invalid_input("{}batch: must be at least 1, is {}", where, batch);
    if (tokens < 0) invalid_input("{}tokens: must be at least 0, is {}", where, tokens);
    if (depth < 0) invalid_input("{}depth: must be at least 0, is {}", where, depth);
    if (vocabulary < 0) invalid_input("{}vocabulary: must be at least 0, is {}", where, vocabulary);
  }
};

DualEncoder model_of(const Options& options) {
  if (!options.checkpoint.empty())
    return load_checkpoint(options.checkpoint, "", [&](ModelConfig& config) {
             choose_token_merging(config, options.token_merging, options.token_budget, options.checkpoint);
           }).model;
  const std::string& file = options.model_config;
  ModelConfig config;
  options_from_json(json_at(read_json(file), "model", file), config, file + ": model");
  if (options.vocabulary > 0) config.text.vocab_size = options.vocabulary;
  choose_token_merging(config, options.token_merging, options.token_budget, file);
  config.validate(file + ": model.");
  const double needed = least_weight_bytes(config);
  const double limit = std::min(64e9, static_cast<double>(usable_memory_bytes()));
  if (needed > limit)
    invalid_input(
        "{}: model: its weights take at least {:.1f} GB, more than the {:.1f} GB that profile builds", file,
        needed / 1e9, limit / 1e9);
  return DualEncoder(config);
}

/// The first `depth` parts of a dotted name; all of it if depth is 0.
std::string upper_name(const std::string& name, int depth) {
  std::size_t dot = std::string::npos;
  for (int i = 0; i < depth; ++i) {
    dot = name.find('.', i == 0 ? 0 : dot + 1);
    if (dot == std::string::npos) break;
  }
  return name.substr(0, dot);
}

/// Rows whose upper names agree stand together, since modules run one after the other.
std::vector<ModuleProfile> grouped(const std::vector<ModuleProfile>& rows, int depth) {
  std::vector<ModuleProfile> groups;
  for (const ModuleProfile& row : rows) {
    const std::string name = upper_name(row.name, depth);
    if (groups.empty() || groups.back().name != name) groups.emplace_back().name = name;
    ModuleProfile& sum = groups.back();
    sum.parameters += row.parameters;
    sum.trainable += row.trainable;
    sum.macs += row.macs;
    sum.bytes += row.bytes;
  }
  return groups;
}

std::string table_of(const ModelProfile& profile, int depth) {
  std::vector<ModuleProfile> rows = grouped(profile.rows, depth);
  rows.push_back(profile.total);
  std::size_t width = 6;
  for (const ModuleProfile& row : rows) width = std::max(width, row.name.size());
  std::string text = fmt::format("{:<{}} {:>12} {:>12} {:>10} {:>7} {:>9}\n", "module", width, "parameters",
                                 "trainable", "MMACs", "of MACs", "MB");
  for (const ModuleProfile& row : rows)
    text +=
        fmt::format("{:<{}} {:>12} {:>12} {:>10.2f} {:>6.1f}% {:>9.2f}\n", row.name, width, row.parameters,
                    row.trainable, row.macs / 1e6, 100.0 * row.macs / profile.total.macs, row.bytes / 1e6);
  return text;
}

std::string megabytes(const std::map<std::string, std::int64_t>& bytes_of) {
  std::string text;
  for (const auto& [type, bytes] : bytes_of)
    text += fmt::format("{}{} {:.2f} MB", text.empty() ? "" : ", ", type, bytes / 1e6);
  return text;
}

std::string summary_of(const ModelProfile& profile) {
  const auto pass = [](const char* what, const std::string& input, std::int64_t macs) {
    return fmt::format("{:<10} {:.2f} MMACs, {:.2f} MFLOPs for {}\n", what, macs / 1e6,
                       kFlopsPerMac * macs / 1e6, input);
  };
  return fmt::format("{:<10} {}, of which {} trainable\n", "parameters", profile.total.parameters,
                     profile.total.trainable) +
         pass("image", fmt::format("a batch of {}", profile.batch), profile.image_macs) +
         pass("text", fmt::format("a batch of {}, {} tokens each", profile.batch, profile.tokens),
              profile.text_macs) +
         fmt::format("{:<10} {}\n{:<10} {}\n", "held as", megabytes(profile.stored), "weights as",
                     megabytes(profile.as_type)) +
         "MACs of matrix products alone: convolutions, linear layers, attention; 1 MAC = 2 FLOPs\n";
}

class ProfileCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "profile"; }
  const char* summary() const override { return "Counts parameters, MACs, FLOPs and bytes per module"; }
  const char* example() const override { return "profile --checkpoint run/best"; }

 protected:
  Json execute(const Options& options) override {
    const bool built = options.checkpoint.empty();
    if (built == options.model_config.empty())
      invalid_input("give one of --checkpoint and --model-config; see \"{} profile --help\"", program_name());
    if (!built && options.vocabulary > 0)
      invalid_input("--vocabulary: goes with --model-config; a checkpoint has its own");
    const DualEncoder model = model_of(options);
    const int context = model->config.text.max_position_embeddings;
    const ModelProfile profile =
        profile_model(model, options.batch, options.tokens > 0 ? options.tokens : context);
    const VisionConfig& vision = model->config.vision;
    print(table_of(profile, options.depth) + "\n" + summary_of(profile));
    if (merges_tokens(vision)) print(fmt::format("merged     {} tokens in each layer of the image tower\n", fmt::join(vision.token_merging, ", ")));
    Json report =
        built ? Json{{"model_config", options.model_config}} : Json{{"checkpoint", options.checkpoint}};
    report.update(to_json(profile));
    if (merges_tokens(vision)) report["token_merging"] = vision.token_merging;
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> profile_command() { return std::make_unique<ProfileCommand>(); }

}  // namespace edgeclip
