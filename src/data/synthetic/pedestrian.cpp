#include "data/synthetic/pedestrian.h"

#include <algorithm>

#include "base/error.h"
#include "data/synthetic/attributes.h"
#include "data/synthetic/caption.h"
#include "data/synthetic/figure.h"
#include "data/synthetic/scene.h"

namespace edgeclip {
namespace {

using namespace synthetic;

constexpr int kOversampling = 3;

/// The picture's own random stream: image k does not depend on how many images there are.
Rng image_stream(std::uint64_t seed, std::int64_t i, int k) {
  return Rng::stream(seed, static_cast<std::uint64_t>(i), 0x1000 + static_cast<std::uint64_t>(k));
}

/// Scene, person and camera are laid out for crops of 64 x 128 and scaled to the size asked for.
Image draw_image(const Attributes& attributes, const Wardrobe& wardrobe, const Pose& pose,
                 const PedestrianOptions& options, Rng& rng) {
  Canvas canvas(options.width * kOversampling, options.height * kOversampling, rng);
  const auto width = static_cast<float>(canvas.image.cols), height = static_cast<float>(canvas.image.rows);
  Frame frame;
  frame.height = height * static_cast<float>(rng.uniform(0.82, 0.99));
  frame.height = std::min(frame.height, width * 2.2f);
  frame.foot_x = width * static_cast<float>(0.5 + rng.uniform(-0.09, 0.09));
  frame.foot_y = height - (height - frame.height) * static_cast<float>(rng.uniform(0.1, 0.9));
  frame.lean = static_cast<float>(rng.uniform(-0.05, 0.05));
  draw_background(canvas, rng);
  if (rng.chance(0.10)) {  // somebody else, half outside of the picture
    const std::uint64_t seed = rng.next();
    const Attributes other = draw_attributes(seed, rng.below(1 << 20));
    Frame beside = frame;
    beside.foot_x = rng.chance(0.5) ? width * static_cast<float>(rng.uniform(-0.12, 0.02))
                                    : width * static_cast<float>(rng.uniform(0.98, 1.12));
    beside.foot_y -= frame.height * static_cast<float>(rng.uniform(0.0, 0.25));
    const Wardrobe clothes = draw_wardrobe(other, rng);
    draw_figure(canvas, other, clothes, draw_pose(rng), beside);
  }
  draw_shadow(canvas, frame, rng);
  draw_figure(canvas, attributes, wardrobe, pose, frame);
  draw_occluder(canvas, frame, rng);
  return photograph(canvas, options.width, options.height, rng);
}

}  // namespace

std::int64_t max_distinct_people() { return description_count(); }

void PedestrianOptions::validate(const std::string& where) const {
  if (images_per_person < 1 || images_per_person > 1000)
    invalid_input("{}images_per_person: {} is not within 1..1000", where, images_per_person);
  if (captions_per_image < 1 || captions_per_image > 16)
    invalid_input("{}captions_per_image: {} is not within 1..16", where, captions_per_image);
  if (height < 16 || height > 1024 || width < 8 || width > 1024)
    invalid_input("{}height, width: {} x {} is not within 16 x 8 .. 1024 x 1024", where, height, width);
}

Pedestrian draw_pedestrian(std::int64_t i, const PedestrianOptions& options) {
  EDGECLIP_CHECK(i >= 0, "person {}", i);
  options.validate("");
  Pedestrian person;
  person.attributes = draw_attributes(options.seed, i);
  Rng wardrobe_rng = Rng::stream(options.seed, static_cast<std::uint64_t>(i), 0xC107);
  const Wardrobe wardrobe = draw_wardrobe(person.attributes, wardrobe_rng);
  for (int k = 0; k < options.images_per_person; ++k) {
    Rng rng = image_stream(options.seed, i, k);
    const Pose pose = draw_pose(rng);
    Rng words =
        Rng::stream(options.seed, static_cast<std::uint64_t>(i), 0xCA9000 + static_cast<std::uint64_t>(k));
    const auto first = static_cast<std::ptrdiff_t>(person.captions.size());
    for (int c = 0; c < options.captions_per_image;) {
      std::string caption = write_caption(person.attributes, pose.front(), words);
      if (std::find(person.captions.begin() + first, person.captions.end(), caption) != person.captions.end())
        continue;
      person.captions.push_back(std::move(caption));
      ++c;
    }
    person.images.push_back(draw_image(person.attributes, wardrobe, pose, options, rng));
  }
  return person;
}

}  // namespace edgeclip
