// quality_batches RUN OUT: what a run saw, batch by batch, for a peer that is to see the same.
//   images.npy (steps, B) int64, rows of images.txt; mirrored.npy (steps, B) uint8; tokens.npy (steps, B, T) int32, padded;
//   right.npy (steps, B, B) uint8, which pairs of the batch are of one person; images.txt: a path per line
// Images may be changed by flips alone: a peer's other changes would not be the same to the pixel.
#include <algorithm>
#include <cstdio>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "base/npy.h"
#include "data/dataset/loader.h"
#include "train/trainer.h"

namespace {

namespace fs = std::filesystem;
using namespace edgeclip;

void write_batches(const fs::path& run, const fs::path& out) {
  const Json record = read_json(run / "run.json");
  TrainOptions options;
  options_from_json(record.at("options"), options, (run / "run.json").string());
  AugmentOptions others = options.augment;
  others.flip = {};
  if (others.changes_images()) invalid_input("{}: changes images by more than flips", run.string());
  const Dataset dataset = open_dataset_with_images(record.at("data").get<std::string>());
  Loader loader(dataset, options.image, loader_options(options));

  const std::int64_t per_epoch = loader.batches_per_epoch(), rows = loader_options(options).rows();
  const std::int64_t steps = options.steps > 0 ? options.steps : options.epochs * per_epoch;
  const std::int64_t length = dataset.context_length;
  Tensor images(DType::i64, {steps, rows}), tokens(DType::i32, {steps, rows, length});
  Tensor mirrored(DType::u8, {steps, rows}), right(DType::u8, {steps, rows, rows});
  const int pad = dataset.tokenizer->pad_id();
  std::fill_n(tokens.data<std::int32_t>(), steps * rows * length, pad);
  for (std::int64_t step = 0; step < steps; ++step) {
    if (step % per_epoch == 0) loader.start_epoch(step / per_epoch);
    const Batch batch = loader.next().value();
    const std::int64_t longest = batch.tokens.dim(1);
    for (std::int64_t i = 0; i < rows; ++i) {
      const auto row = static_cast<std::size_t>(i);
      images.data<std::int64_t>()[step * rows + i] = batch.images[row];
      mirrored.data<std::uint8_t>()[step * rows + i] = static_cast<std::uint8_t>(batch.image_augmented[row]);
      std::copy_n(batch.tokens.data<std::int32_t>() + i * longest, longest,
                  tokens.data<std::int32_t>() + (step * rows + i) * length);
      for (std::int64_t j = 0; j < rows; ++j)
        right.data<std::uint8_t>()[(step * rows + i) * rows + j] = batch.ids[row] == batch.ids[static_cast<std::size_t>(j)];
    }
  }
  fs::create_directories(out);
  write_npy(out / "images.npy", images);
  write_npy(out / "mirrored.npy", mirrored);
  write_npy(out / "tokens.npy", tokens);
  write_npy(out / "right.npy", right);
  std::ofstream paths(out / "images.txt");
  for (const ImageItem& item : dataset.images) paths << dataset.image_path(item.path).string() << '\n';
  if (!paths.flush()) throw std::runtime_error((out / "images.txt").string() + ": cannot be written");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: quality_batches RUN OUT\n");
    return 2;
  }
  try {
    write_batches(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quality_batches: %s\n", error.what());
    return 2;
  }
  return 0;
}
