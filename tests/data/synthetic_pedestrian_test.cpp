#include "data/synthetic/pedestrian.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <tuple>

#include "data/synthetic/attributes.h"
#include "data/synthetic/caption.h"
#include "data/synthetic/figure.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using synthetic::description_number;
using synthetic::reserved_for_test;

auto description_of(const Attributes& a) {
  return std::tuple(a.gender, a.upper, a.upper_colour, a.upper_pattern, a.upper_colour2, a.lower,
                    a.lower_colour);
}

TEST(SyntheticPedestrian, IsAPureFunctionOfSeedIndexAndOptions) {
  PedestrianOptions options;
  options.seed = 5;
  options.images_per_person = 2;
  const Pedestrian a = draw_pedestrian(41, options), b = draw_pedestrian(41, options);
  ASSERT_EQ(a.images.size(), 2u);
  EXPECT_EQ(a.images[0].rgb, b.images[0].rgb);
  EXPECT_EQ(a.captions, b.captions);
  EXPECT_NE(a.images[0].rgb, a.images[1].rgb);
  options.images_per_person = 1;
  EXPECT_EQ(draw_pedestrian(41, options).images[0].rgb, a.images[0].rgb)
      << "image 0 depends on the number of images";
  options.seed = 6;
  EXPECT_NE(draw_pedestrian(41, options).captions, b.captions);
}

/// What compilers and libraries may not change: the words, and the light of the picture (OpenCV's versions
/// may draw an edge differently).
TEST(SyntheticPedestrian, IsTheSameEverywhere) {
  PedestrianOptions options;
  options.seed = 1;
  const Pedestrian person = draw_pedestrian(1, options);
  ASSERT_EQ(person.captions.size(), 2u);
  EXPECT_EQ(
      person.captions[0],
      "A woman with long black hair has on a puffer jacket with grey shoulders and a dark body, grey pants, "
      "brown shoes and a grey hat, and carries a yellow handbag.");
  EXPECT_EQ(person.captions[1],
            "The pedestrian wears gray pants, a puffer jacket, grey on top and black below, brown shoes, and "
            "a grey "
            "hat; she has long black hair and carries a yellow handbag.");
  const auto& rgb = person.images[0].rgb;
  EXPECT_NEAR(std::accumulate(rgb.begin(), rgb.end(), 0.0) / static_cast<double>(rgb.size()), 107.677, 0.5);
}

TEST(SyntheticPedestrian, HasTheSizesAndCountsAskedFor) {
  PedestrianOptions options;
  options.images_per_person = 3;
  options.captions_per_image = 4;
  options.height = 96;
  options.width = 48;
  const Pedestrian person = draw_pedestrian(0, options);
  ASSERT_EQ(person.images.size(), 3u);
  ASSERT_EQ(person.captions.size(), 12u);
  for (const Image& image : person.images) {
    EXPECT_EQ(image.height, 96);
    EXPECT_EQ(image.width, 48);
    EXPECT_EQ(image.rgb.size(), 96u * 48 * 3);
  }
}

TEST(SyntheticPedestrian, CaptionsOfAnImageDiffer) {
  PedestrianOptions options;
  options.captions_per_image = 16;
  for (std::int64_t i = 0; i < 20; ++i) {
    const auto captions = draw_pedestrian(i, options).captions;
    EXPECT_EQ(std::set<std::string>(captions.begin(), captions.end()).size(), 16u);
  }
}

TEST(SyntheticPedestrian, DescriptionNumbersAreABijectionForEverySeed) {
  ASSERT_GT(max_distinct_people(), 10000);
  for (const std::uint64_t seed : {0ull, 1ull, 0xFFFFFFFFFFFFFFFFull}) {
    std::set<std::int64_t> seen;
    for (std::int64_t i = 0; i < max_distinct_people(); ++i) {
      const std::int64_t number = description_number(seed, i);
      ASSERT_GE(number, 0);
      ASSERT_LT(number, max_distinct_people());
      seen.insert(number);
    }
    EXPECT_EQ(static_cast<std::int64_t>(seen.size()), max_distinct_people());
    EXPECT_EQ(description_number(seed, max_distinct_people()), description_number(seed, 0));
  }
  EXPECT_NE(description_number(1, 0), description_number(2, 0));
}

TEST(SyntheticPedestrian, DescriptionsArePairwiseDifferent) {
  std::set<decltype(description_of(Attributes()))> seen;
  for (std::int64_t n = 0; n < max_distinct_people(); ++n)
    seen.insert(description_of(synthetic::description(n)));
  EXPECT_EQ(static_cast<std::int64_t>(seen.size()), max_distinct_people());
}

TEST(SyntheticPedestrian, TestDescriptionsAreReservedWhateverTheSeed) {
  // The person of any seed with a reserved description is a test person: sides are a function of the
  // description alone.
  std::int64_t reserved = 0;
  for (std::int64_t n = 0; n < max_distinct_people(); ++n) reserved += reserved_for_test(n);
  const double share = static_cast<double>(reserved) / static_cast<double>(max_distinct_people());
  EXPECT_NEAR(share, 0.25, 0.02);
}

TEST(SyntheticPedestrian, ACaptionBelongsToOneDescription) {
  // Six wordings of every description there is: no text may be written for two descriptions.
  std::map<std::string, std::int64_t> owner;
  for (std::int64_t i = 0; i < max_distinct_people(); ++i) {
    const Attributes attributes = synthetic::draw_attributes(3, i);
    for (std::uint64_t k = 0; k < 6; ++k) {
      Rng rng = Rng::stream(9, static_cast<std::uint64_t>(i), k);
      const std::string text = synthetic::write_caption(attributes, k % 2 == 0, rng);
      const auto [it, inserted] = owner.emplace(text, i);
      ASSERT_TRUE(inserted || it->second == i) << text;
    }
  }
  EXPECT_GT(owner.size(), 6u * 10000u);
}

TEST(SyntheticPedestrian, CaptionsAreSentences) {
  for (std::int64_t i = 0; i < 3000; ++i) {
    const Attributes attributes = synthetic::draw_attributes(11, i);
    Rng rng(static_cast<std::uint64_t>(i));
    const std::string text = synthetic::write_caption(attributes, true, rng);
    ASSERT_TRUE(text[0] >= 'A' && text[0] <= 'Z') << text;
    ASSERT_EQ(text.back(), '.') << text;
    for (const char* wrong : {"  ", " ,", ",,", " .", " a a ", " a o", " a e", " a i", "none"})
      ASSERT_EQ(text.find(wrong), std::string::npos) << text;
    ASSERT_LT(text.size(), 260u) << text;
  }
}

TEST(SyntheticPedestrian, ColoursAreWhatTheirNamesSay) {
  Rng rng(1);
  for (int k = 0; k < 200; ++k) {
    const auto red = synthetic::draw_colour("red", rng), navy = synthetic::draw_colour("navy", rng);
    EXPECT_GT(red[0], 2 * std::max(red[1], red[2]));
    EXPECT_GT(navy[2], navy[0]);
    EXPECT_LT(synthetic::luma(navy), 60);
    EXPECT_GT(synthetic::luma(synthetic::draw_colour("white", rng)), 210);
    EXPECT_LT(synthetic::luma(synthetic::draw_colour("black", rng)), 40);
  }
}

TEST(SyntheticPedestrian, TheDrawnClothesHaveTheCaptionedColours) {
  // Without surroundings or camera: the middle of a plain garment shows its colour.
  int seen = 0;
  for (std::int64_t i = 0; seen < 60; ++i) {
    Attributes a = synthetic::draw_attributes(2, i);
    if (a.upper_pattern != "plain" || a.upper == "puffer jacket" || a.lower.empty()) continue;
    a.bag = a.carry = "none";
    a.inner_colour.clear();
    a.hair_length = "short";
    Rng rng(static_cast<std::uint64_t>(i));
    const auto wardrobe = synthetic::draw_wardrobe(a, rng);
    synthetic::Canvas canvas(192, 384, rng);
    canvas.image.setTo(cv::Scalar(0, 0, 0));
    synthetic::Pose pose;
    pose.turn = 180;
    synthetic::Frame frame{96, 380, 370, 0};
    synthetic::draw_figure(canvas, a, wardrobe, pose, frame);
    const auto at = frame.at(0.01f, 0.66f);
    const auto pixel = canvas.image.at<cv::Vec3b>(static_cast<int>(at.y), static_cast<int>(at.x));
    for (int c = 0; c < 3; ++c)
      EXPECT_NEAR(pixel[c], wardrobe.upper[c],
                  12 + 0.35 * wardrobe.upper[c] + (a.upper == "leather jacket" ? 60 : 0))
          << a.upper_colour << " " << a.upper;
    ++seen;
  }
}

TEST(SyntheticPedestrian, BadOptionsAreNamed) {
  PedestrianOptions options;
  options.captions_per_image = 0;
  EXPECT_NE(test::invalid_input_of([&] { draw_pedestrian(0, options); }).find("captions_per_image"),
            std::string::npos);
  options = {};
  options.height = 0;
  EXPECT_NE(test::invalid_input_of([&] { draw_pedestrian(0, options); }).find("height"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
