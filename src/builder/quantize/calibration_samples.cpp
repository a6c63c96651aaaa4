#include "builder/quantize/calibration_samples.h"

#include <algorithm>

#include "data/dataset/loader.h"

namespace edgeclip::builder {

namespace {

/// Images of a split, evenly spread over it.
class DatasetSamples : public CalibrationSamples {
 public:
  DatasetSamples(std::shared_ptr<const Dataset> dataset, const CalibrationOptions& options,
                 std::int64_t batch)
      : dataset_(std::move(dataset)), batch_(batch) {
    const std::vector<std::int64_t> split = dataset_->split(options.split);
    const auto n = static_cast<std::int64_t>(split.size()),
               count = std::min<std::int64_t>(n, options.samples);
    for (std::int64_t i = 0; i < count; ++i)
      chosen_.push_back(static_cast<std::size_t>(split[static_cast<std::size_t>(i * n / count)]));
  }
  std::int64_t samples() const override { return static_cast<std::int64_t>(chosen_.size()); }
  std::int64_t batches() const override { return (samples() + batch_ - 1) / batch_; }
  std::string name(std::int64_t i, std::optional<std::int64_t> row) const override {
    const std::int64_t first = i * batch_ + row.value_or(0),
                       last = row ? first : std::min((i + 1) * batch_, samples()) - 1;
    const auto path = [&](std::int64_t k) {
      return dataset_->images.at(chosen_.at(static_cast<std::size_t>(k))).path;
    };
    if (first == last) return fmt::format("{}: image {}", dataset_->directory.string(), path(first));
    return fmt::format("{}: images {} to {}", dataset_->directory.string(), path(first), path(last));
  }

 protected:
  /// Calls `each(place among the chosen, image)` for those of batch i.
  template <class Each>
  void for_each(std::int64_t i, Each each) const {
    for (std::int64_t k = i * batch_; k < std::min((i + 1) * batch_, samples()); ++k)
      each(static_cast<std::size_t>(k), dataset_->images.at(chosen_[static_cast<std::size_t>(k)]));
  }
  const std::shared_ptr<const Dataset> dataset_;

 private:
  const std::int64_t batch_;
  std::vector<std::size_t> chosen_;
};

class DatasetImages : public DatasetSamples {
 public:
  DatasetImages(std::shared_ptr<const Dataset> dataset, const CalibrationOptions& options,
                const ImageTransform& transform, std::int64_t batch)
      : DatasetSamples(std::move(dataset), options, batch), transform_(transform) {}
  std::vector<Tensor> batch(std::int64_t i) const override {
    std::vector<std::filesystem::path> paths;
    for_each(i,
             [&](std::size_t, const ImageItem& item) { paths.push_back(dataset_->image_path(item.path)); });
    return {load_pixels(paths, transform_)};
  }

 private:
  const ImageTransform transform_;
};

class DatasetTexts : public DatasetSamples {
 public:
  DatasetTexts(std::shared_ptr<const Dataset> dataset, const CalibrationOptions& options,
               std::shared_ptr<const Tokenizer> tokenizer, int context_length)
      : DatasetSamples(std::move(dataset), options, kCalibrationBatch),
        tokenizer_(std::move(tokenizer)),
        context_length_(context_length) {}
  std::vector<Tensor> batch(std::int64_t i) const override {
    std::vector<std::string> captions;
    for_each(i, [&](std::size_t k, const ImageItem& item) {
      const std::int64_t row = item.rows.at(k % item.rows.size());
      captions.push_back(dataset_->pairs.at(static_cast<std::size_t>(row)).caption);
    });
    return {tokenizer_->encode_batch(captions, context_length_)};
  }

 private:
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const int context_length_;
};

}  // namespace

std::unique_ptr<CalibrationSamples> dataset_images(std::shared_ptr<const Dataset> dataset,
                                                   const CalibrationOptions& options,
                                                   const ImageTransform& transform, std::int64_t batch) {
  return std::make_unique<DatasetImages>(std::move(dataset), options, transform, batch);
}

std::unique_ptr<CalibrationSamples> dataset_texts(std::shared_ptr<const Dataset> dataset,
                                                  const CalibrationOptions& options,
                                                  std::shared_ptr<const Tokenizer> tokenizer,
                                                  int context_length) {
  return std::make_unique<DatasetTexts>(std::move(dataset), options, std::move(tokenizer), context_length);
}

}  // namespace edgeclip::builder
