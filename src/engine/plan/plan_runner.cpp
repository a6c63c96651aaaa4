#include <algorithm>
#include <cstring>
#include <mutex>

#include "engine/plan/plan.h"
#include "engine/plan/plan_json.h"

namespace edgeclip::engine {

namespace {

/// One tower: a session, and contexts that are lent to one call at a time.
class Tower {
 public:
  Tower(const PlanInfo& info, const char* file)
      : session_(read_plan_graph(info.directory / file, /*checked=*/true), session_options(info)),
        where_((info.directory / file).string()),
        width_(info.card.embedding_dim),
        max_batch_(info.batches.back()) {
    const Graph& graph = session_.graph();
    if (graph.inputs.size() != 1 || graph.outputs.size() != 1)
      invalid_input("{}: a tower has one input and one output, this one {} and {}; build the plan again",
                    where_, graph.inputs.size(), graph.outputs.size());
  }

  /// Rows of `input` through the graph, at most max_batch_ at once.
  Tensor encode(const TensorView& input) {
    const std::int64_t rows = input.shape[0];
    Tensor result(DType::f32, {rows, width_});
    if (rows == 0) return result;
    const std::size_t row_bytes = input.bytes() / static_cast<std::size_t>(rows);
    Lease context(*this);
    for (std::int64_t done = 0; done < rows; done += max_batch_) {
      TensorView part = input;
      part.shape[0] = std::min<std::int64_t>(rows - done, max_batch_);
      part.data = input.data + static_cast<std::size_t>(done) * row_bytes;
      const std::vector<Tensor> outputs = context->run({part});
      if (outputs[0].dtype() != DType::f32 || outputs[0].shape() != Shape{part.shape[0], width_})
        invalid_input("{}: gives {} {}, plan.json says embeddings of {}; build the plan again", where_,
                      dtype_name(outputs[0].dtype()), shape_string(outputs[0].shape()), width_);
      std::memcpy(result.data<float>() + done * width_, outputs[0].raw(), outputs[0].bytes());
    }
    return result;
  }

 private:
  static SessionOptions session_options(const PlanInfo& info) {
    SessionOptions options;
    options.memory_pool_mb = info.memory_pool_mb;
    return options;
  }

  class Lease {
   public:
    explicit Lease(Tower& tower) : tower_(tower) {
      {
        std::lock_guard lock(tower_.mutex_);
        if (!tower_.idle_.empty()) {
          context_ = std::move(tower_.idle_.back());
          tower_.idle_.pop_back();
        }
      }
      if (context_) return;
      context_ = std::make_unique<Context>(tower_.session_);
      std::lock_guard lock(tower_.mutex_);
      tower_.idle_.reserve(tower_.contexts_ + 1);  // the destructor must not have to ask for memory
      ++tower_.contexts_;
    }
    ~Lease() {
      std::lock_guard lock(tower_.mutex_);
      tower_.idle_.push_back(std::move(context_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Context* operator->() { return context_.get(); }

   private:
    Tower& tower_;
    std::unique_ptr<Context> context_;
  };

  const Session session_;
  const std::string where_;
  const std::int64_t width_, max_batch_;
  std::mutex mutex_;
  std::size_t contexts_ = 0;  ///< lent and idle
  std::vector<std::unique_ptr<Context>>
      idle_;  ///< the most recently used last: its shapes and arena are warm
};

}  // namespace

struct PlanRunner::State {
  explicit State(const std::filesystem::path& directory)
      : info(open_plan_info(directory)),
        tokenizer(load_tokenizer((directory / "tokenizer").string())),
        image(info, kImagePlan),
        text(info, kTextPlan) {}

  const PlanInfo info;
  const std::shared_ptr<const Tokenizer> tokenizer;
  Tower image, text;
};

PlanRunner::PlanRunner(const std::filesystem::path& directory) : state_(std::make_unique<State>(directory)) {}
PlanRunner::~PlanRunner() = default;

const PlanInfo& PlanRunner::info() const { return state_->info; }
std::shared_ptr<const Tokenizer> PlanRunner::tokenizer() const { return state_->tokenizer; }

Tensor PlanRunner::encode_images(const TensorView& pixels) {
  const ImageTransform& image = state_->info.card.image;
  if (pixels.dtype != DType::f32 || pixels.shape.size() != 4 || pixels.shape[1] != 3 ||
      pixels.shape[2] != image.height || pixels.shape[3] != image.width)
    invalid_input("pixels: expected (B, 3, {}, {}) float32, given {} {}", image.height, image.width,
                  shape_string(pixels.shape), dtype_name(pixels.dtype));
  return state_->image.encode(pixels);
}

Tensor PlanRunner::encode_tokens(const TensorView& tokens) {
  const int longest = state_->info.card.context_length;
  if ((tokens.dtype != DType::i32 && tokens.dtype != DType::i64) || tokens.shape.size() != 2 ||
      (tokens.shape[0] > 0 && (tokens.shape[1] < 1 || tokens.shape[1] > longest)))
    invalid_input("tokens: expected (B, T) int32 or int64 with 1 to {} tokens, given {} {}", longest,
                  shape_string(tokens.shape), dtype_name(tokens.dtype));
  return state_->text.encode(tokens);
}

}  // namespace edgeclip::engine
