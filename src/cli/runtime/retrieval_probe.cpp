#include "cli/runtime/retrieval_probe.h"

#include "data/dataset/dataset.h"
#include "retrieval/encode.h"
#include "retrieval/evaluate/evaluate.h"

namespace edgeclip {

namespace {

constexpr int kBatch = 32;

/// One tower of a bundle that is none yet.
class TowerEncoder : public Encoder {
 public:
  TowerEncoder(const ModelCard& card, std::shared_ptr<const Tokenizer> tokenizer,
               const builder::RunTower& run)
      : card_(card), tokenizer_(std::move(tokenizer)), run_(run) {}
  const ModelCard& card() const override { return card_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return tokenizer_; }
  Tensor encode_images(const TensorView& pixels) override { return run_(pixels); }
  Tensor encode_tokens(const TensorView& tokens) override { return run_(tokens); }
  std::string model_hash() const override { return "a candidate"; }
  int max_batch() const override { return kBatch; }

 private:
  const ModelCard& card_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const builder::RunTower& run_;
};

}  // namespace

builder::OpenProbe retrieval_probe(const std::string& data, const std::string& image_root,
                                   const std::string& split, int images) {
  return [=](const Bundle& bundle) {
    const auto set = std::make_shared<const EvaluationSet>(
        evaluation_set(open_dataset_with_images(data, image_root), split, images));
    const auto card = std::make_shared<const ModelCard>(bundle.card);
    const auto tokenizer = load_tokenizer(bundle.tokenizer().string());
    builder::RetrievalProbe probe;
    probe.embed_images = [=](const builder::RunTower& run) {
      TowerEncoder encoder(*card, tokenizer, run);
      return encode_image_files(encoder, set->images, kBatch);
    };
    probe.embed_texts = [=](const builder::RunTower& run) {
      TowerEncoder encoder(*card, tokenizer, run);
      return encode_texts(encoder, set->captions, kBatch);
    };
    probe.score = [=](const Tensor& image_rows, const Tensor& text_rows) {
      const Evaluation found = evaluate_embeddings(*set, image_rows, text_rows, {});
      return builder::RetrievalScore{found.text_to_image.r1, found.text_to_image.map};
    };
    probe.images = static_cast<std::int64_t>(set->images.size());
    probe.captions = static_cast<std::int64_t>(set->captions.size());
    return probe;
  };
}

}  // namespace edgeclip
