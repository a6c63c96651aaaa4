#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/atomic_output.h"
#include "base/rng.h"
#include "data/dataset/write_dataset.h"
#include "data/image/image.h"
#include "train/train.h"

namespace edgeclip::test {

/// A prepared dataset of 24 two-coloured "people": small enough for seconds, real enough to be learned.  Each
/// has two images and captions in split "train" and, if with_val, one in "val".
inline void write_tiny_dataset(const std::filesystem::path& directory, bool with_val = true) {
  struct Colour {
    const char* name;
    std::array<int, 3> rgb;
  };
  const std::vector<Colour> colours = {{"red", {200, 30, 30}},
                                       {"green", {30, 180, 40}},
                                       {"blue", {30, 50, 200}},
                                       {"white", {240, 240, 240}},
                                       {"black", {20, 20, 20}}};
  AtomicDirectory out(directory, "dataset.json");
  std::filesystem::create_directories(out.work() / "crops");
  Rng rng(7);
  std::vector<Pair> pairs;
  std::int64_t id = 0;
  for (const Colour& upper : colours)
    for (const Colour& lower : colours) {
      if (id == 24) break;
      for (int view = 0; view < (with_val ? 3 : 2); ++view) {
        Image image(16, 32);
        for (int y = 0; y < image.height; ++y)
          for (int x = 0; x < image.width; ++x)
            for (int c = 0; c < 3; ++c) {
              const int value =
                  (y < 16 ? upper : lower).rgb[static_cast<std::size_t>(c)] + rng.range(-15, 15);
              image.row(y)[3 * x + c] = static_cast<std::uint8_t>(std::min(255, std::max(0, value)));
            }
        const std::string name = fmt::format("crops/{:02}_{}.png", id, view);
        write_png(out.work() / name, image);
        const char* const garment = view == 1 ? "coat" : "shirt";
        pairs.push_back(
            {view == 2 ? "val" : "train", id, name,
             fmt::format("a person in a {} {} and {} trousers", upper.name, garment, lower.name)});
      }
      ++id;
    }
  write_dataset(out.work(), {.pairs = pairs, .tokenizer = "train:60", .context_length = 24});
  out.commit();
}

/// Options of a model and a training that fit the tiny dataset.
inline TrainOptions tiny_train_options() {
  TrainOptions options;
  VisionConfig& vision = options.model.vision;
  vision.image_height = 32;
  vision.image_width = 16;
  vision.hidden_size = 32;
  vision.num_hidden_layers = 2;
  vision.num_attention_heads = 2;
  vision.intermediate_size = {64};
  TextConfig& text = options.model.text;
  text.hidden_size = 32;
  text.num_hidden_layers = 2;
  text.num_attention_heads = 2;
  text.intermediate_size = {64};
  text.max_position_embeddings = 24;
  options.model.projection_dim = 16;
  options.batch = 12;
  options.epochs = 8;
  options.optimizer.lr = 3e-3;
  options.precision = "fp32";
  options.seed = 3;
  return options;
}

}  // namespace edgeclip::test
