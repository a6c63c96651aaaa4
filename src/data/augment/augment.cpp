#include "data/augment/augment.h"

#include <optional>

namespace edgeclip {

namespace {

/// Each augmentation has a stream of its own, so that switching one on leaves the others' draws as they were.
enum Stream : std::uint64_t { kResizedCrop = 1, kPadCrop, kColorJitter, kGreyscale, kErasing };

}  // namespace

void AugmentOptions::validate(const std::string& where) const {
  flip.validate(where + "flip.");
  resized_crop.validate(where + "resized_crop.");
  pad_crop.validate(where + "pad_crop.");
  color_jitter.validate(where + "color_jitter.");
  greyscale.validate(where + "greyscale.");
  erasing.validate(where + "erasing.");
  tokens.validate(where + "tokens.");
}

bool AugmentOptions::changes_images() const {
  return flip.probability > 0 || resized_crop.probability > 0 || pad_crop.pixels > 0 || color_jitter.on() ||
         greyscale.probability > 0 || erasing.probability > 0;
}

Image ImageAugmenter::read(const std::filesystem::path& path) const {
  return draws_parts() ? read_image(path, read_options(transform_, /*whole=*/true))
                       : load_image(path, transform_);
}

bool ImageAugmenter::augment(const Image& image, bool flip, Rng rng, float* out) const {
  const std::uint64_t seed = rng.next();
  const int width = transform_.width, height = transform_.height;
  bool augmented = flip;
  std::optional<Image> changed;  // a copy is made for what changes pixels only
  if (draws_parts()) {
    Rng draw = Rng::stream(seed, kResizedCrop);
    if (draw.chance(options_.resized_crop.probability)) {
      const Region part = draw_resized_crop(image.width, image.height, static_cast<double>(width) / height,
                                            options_.resized_crop, draw);
      augmented = true;
      changed = resize_image(crop(image, part.x, part.y, part.width, part.height), width, height,
                             transform_.filter);
    } else {
      changed = transform_geometry(image, transform_);
    }
  }
  const auto current = [&]() -> const Image& { return changed ? *changed : image; };
  const auto editable = [&]() -> Image& {
    if (!changed) changed = image;
    return *changed;
  };
  if (const int most = options_.pad_crop.pixels; most > 0) {
    Rng draw = Rng::stream(seed, kPadCrop);
    const int dx = draw.range(-most, most), dy = draw.range(-most, most);
    augmented = augmented || dx != 0 || dy != 0;
    changed = shift(current(), dx, dy, options_.pad_crop.fill);
  }
  if (options_.color_jitter.on()) {
    Rng draw = Rng::stream(seed, kColorJitter);
    if (jitter_colors(editable(), options_.color_jitter, draw)) augmented = true;
  }
  if (options_.greyscale.probability > 0 &&
      Rng::stream(seed, kGreyscale).chance(options_.greyscale.probability)) {
    augmented = true;
    make_greyscale(editable());
  }
  normalize_pixels(current(), transform_, flip, out);
  if (options_.erasing.probability > 0) {
    Rng draw = Rng::stream(seed, kErasing);
    if (erase_region(out, height, width, options_.erasing, draw)) augmented = true;
  }
  return augmented;
}

}  // namespace edgeclip
