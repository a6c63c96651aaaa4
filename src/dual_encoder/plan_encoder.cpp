#include "dual_encoder/plan_encoder.h"

#include <algorithm>

#include "base/artifact.h"
#include "base/threads.h"
#include "data/text/tokenizer.h"
#include "dual_encoder/tower.h"
#include "kernels/thread_pool.h"

namespace edgeclip {

namespace {

constexpr const char* kImageGraph = "image";
constexpr const char* kTextGraph = "text";

std::string plan_json(const engine::PlanInfo& plan) { return (plan.directory / "plan.json").string(); }

/// Of both towers, which share one pool if there is a limit for all.
engine::SessionOptions session_options(const engine::PlanInfo& plan, const PlanEncoderOptions& options) {
  if (options.memory_pool_mb != 0) engine::check_memory_pool_mb(options.memory_pool_mb, "--memory-pool-mb");
  engine::SessionOptions session;
  session.memory_pool_mb = plan.memory_pool_mb;
  session.threads = options.threads;
  session.executor = kernels::shared_pool(options.threads > 0 ? options.threads : thread_count());
  session.log = options.log;
  session.packed_cache = options.packed_cache;
  if (options.memory_pool_mb > 0)
    session.pool = std::make_shared<engine::MemoryPool>(options.memory_pool_mb << 20);
  return session;
}

/// The plan's tokenizer, its files compared with their checksums first.
std::shared_ptr<const Tokenizer> open_tokenizer(const engine::PlanInfo& plan) {
  Json files = Json::object();
  for (const auto& [name, entry] : plan.json.at("files").items())
    if (name.rfind("tokenizer/", 0) == 0) files[name] = entry;
  check_file_table(plan.directory, files, plan_json(plan));
  return load_tokenizer((plan.directory / "tokenizer").string());
}

}  // namespace

ModelCard dual_encoder_card(const engine::PlanInfo& plan) {
  ModelCard card;
  options_from_json(plan.card, card, plan_json(plan) + ": card");
  if (card.task != "dual_encoder")
    invalid_input(
        "{}: is a plan of task \"{}\"; images and texts are encoded by one of task \"dual_encoder\", which "
        "build makes of a bundle",
        plan.directory.string(), card.task);
  for (const char* graph : {kImageGraph, kTextGraph})
    if (!plan.has(graph))
      invalid_input("{}: graphs: there is no \"{}\"; build the plan again", plan_json(plan), graph);
  if (plan.batches.empty())
    invalid_input("{}: batches: there are none; build the plan again", plan_json(plan));
  return card;
}

struct PlanEncoder::State {
  State(const std::filesystem::path& directory, const PlanEncoderOptions& options)
      : info(engine::open_plan_info(directory)),
        card(dual_encoder_card(info)),
        tokenizer(open_tokenizer(info)),
        session(session_options(info, options)),
        memory_pool_mb(options.memory_pool_mb),
        image(info, kImageGraph, card.embedding_dim, session),
        text(info, kTextGraph, card.embedding_dim, session) {}

  const engine::PlanInfo info;
  const ModelCard card;
  const std::shared_ptr<const Tokenizer> tokenizer;
  const engine::SessionOptions session;
  const std::int64_t memory_pool_mb;
  Tower image, text;
};

PlanEncoder::PlanEncoder(const std::filesystem::path& plan, const PlanEncoderOptions& options)
    : state_(std::make_unique<State>(plan, options)) {}
PlanEncoder::~PlanEncoder() = default;

const ModelCard& PlanEncoder::card() const { return state_->card; }
std::shared_ptr<const Tokenizer> PlanEncoder::tokenizer() const { return state_->tokenizer; }
std::string PlanEncoder::model_hash() const { return state_->info.model_hash; }
std::string PlanEncoder::precision() const { return state_->info.precision; }
int PlanEncoder::max_batch() const { return state_->info.batches.back(); }
kernels::Executor* PlanEncoder::executor() const { return state_->session.executor.get(); }
int PlanEncoder::most_calls() const {
  // The plan says what one context may take.
  return state_->memory_pool_mb > 0 ? static_cast<int>(std::max<std::int64_t>(1, state_->memory_pool_mb / state_->info.memory_pool_mb)) : 0;
}
const engine::PlanInfo& PlanEncoder::info() const { return state_->info; }

Tensor PlanEncoder::encode_images(const TensorView& pixels) {
  const ImageTransform& image = state_->card.image;
  if (pixels.dtype != DType::f32 || pixels.shape.size() != 4 || pixels.shape[1] != 3 ||
      pixels.shape[2] != image.height || pixels.shape[3] != image.width)
    invalid_input("pixels: expected (B, 3, {}, {}) float32, given {} {}", image.height, image.width,
                  shape_string(pixels.shape), dtype_name(pixels.dtype));
  return state_->image.encode(pixels);
}

Tensor PlanEncoder::encode_tokens(const TensorView& tokens) {
  const int longest = state_->card.context_length;
  if ((tokens.dtype != DType::i32 && tokens.dtype != DType::i64) || tokens.shape.size() != 2 ||
      (tokens.shape[0] > 0 && (tokens.shape[1] < 1 || tokens.shape[1] > longest)))
    invalid_input("tokens: expected (B, T) int32 or int64 with 1 to {} tokens, given {} {}", longest,
                  shape_string(tokens.shape), dtype_name(tokens.dtype));
  return state_->text.encode(tokens);
}

}  // namespace edgeclip
