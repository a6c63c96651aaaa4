#include "data/augment/augment.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "encode.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using test::invalid_input_of;
using test::picture;
using test::TempDir;

TEST(Flip, SidesAreWordsInAnyCase) {
  EXPECT_TRUE(names_side("a bag in her Left hand"));
  EXPECT_TRUE(names_side("RIGHT."));
  EXPECT_TRUE(names_side("the leftmost of two"));
  EXPECT_TRUE(names_side("a right-handed man"));
  EXPECT_TRUE(names_side("the \xE2\x80\x9Cleft\xE2\x80\x9D one"));  // curly quotes
  EXPECT_TRUE(names_side("his left\xC2\xA0hand"));                  // a hard space
  for (const char* no : {"", "a bright coat", "cleft", "leftover bags", "the rights of", "upright",
                         "l\xC3\xA9"
                         "ft"})
    EXPECT_FALSE(names_side(no)) << no;
}

TEST(Flip, SwapsSidesAndKeepsTheRest) {
  EXPECT_EQ(swap_sides("Left arm, right leg; LEFT-hand side."), "Right arm, left leg; RIGHT-hand side.");
  EXPECT_EQ(swap_sides("leftmost Righthand rightwards"), "rightmost Lefthand leftwards");
  EXPECT_EQ(swap_sides("a bright red caf\xC3\xA9, leftover"), "a bright red caf\xC3\xA9, leftover");
  EXPECT_EQ(swap_sides(""), "");
  EXPECT_EQ(swap_sides("left\xE2\x80\x93right. "), "right\xE2\x80\x93left. ");
  EXPECT_EQ(swap_sides(swap_sides("his left and Right")), "his left and Right");
}

TEST(Crops, ShiftMovesAndFills) {
  const Image image = picture(5, 4, 1);
  const Image black = shift(image, 2, -1, "black"), edge = shift(image, 2, -1, "edge");
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 5; ++x)
      for (int c = 0; c < 3; ++c) {
        const bool inside = y - 1 >= 0 && x + 2 < 5;
        const int old = image.row(std::max(y - 1, 0))[3 * std::min(x + 2, 4) + c];
        EXPECT_EQ(black.row(y)[3 * x + c], inside ? old : 0);
        EXPECT_EQ(edge.row(y)[3 * x + c], old);
      }
  EXPECT_EQ(shift(image, 0, 0, "black").rgb, image.rgb);
  const auto far = shift(image, 9, 9, "black");
  EXPECT_TRUE(std::all_of(far.rgb.begin(), far.rgb.end(), [](int v) { return v == 0; }));
}

TEST(Crops, PartsHaveTheAreaAndProportionsAskedFor) {
  ResizedCropOptions options;
  options.scale_min = 0.2;
  options.scale_max = 0.5;
  options.ratio_min = 0.8;
  options.ratio_max = 1.25;
  Rng rng(3);
  double smallest = 1, largest = 0, left = 0;
  for (int i = 0; i < 2000; ++i) {
    const Region part = draw_resized_crop(100, 200, 0.5, options, rng);  // a tall tower: half as wide as high
    ASSERT_TRUE(part.x >= 0 && part.y >= 0 && part.x + part.width <= 100 && part.y + part.height <= 200);
    const double area = part.width * part.height / 20000.0, ratio = 2.0 * part.width / part.height;
    EXPECT_GT(area, 0.19);
    EXPECT_LT(area, 0.51);
    EXPECT_GT(ratio, 0.78);
    EXPECT_LT(ratio, 1.28);
    smallest = std::min(smallest, area);
    largest = std::max(largest, area);
    left += part.x == 0 ? 0.0 : static_cast<double>(part.x) / (100 - part.width);
  }
  EXPECT_LT(smallest, 0.22);  // the whole range is drawn
  EXPECT_GT(largest, 0.48);
  EXPECT_NEAR(left / 2000, 0.5, 0.05);
}

TEST(Crops, FallsBackToTheCentre) {
  ResizedCropOptions options;
  options.scale_min = options.scale_max = 1;
  options.ratio_min = options.ratio_max = 1;
  Rng rng(1);
  const Region part = draw_resized_crop(300, 100, 1, options, rng);  // no square of that area fits
  EXPECT_EQ(part.width, 100);
  EXPECT_EQ(part.height, 100);
  EXPECT_EQ(part.x, 100);
  EXPECT_EQ(part.y, 0);
}

TEST(Erasing, OverwritesOneRectangle) {
  ErasingOptions options;
  options.probability = 1;
  Rng rng(5);
  for (int i = 0; i < 50; ++i) {
    std::vector<float> pixels(3 * 40 * 20, 1.0f);
    erase_region(pixels.data(), 40, 20, options, rng);
    int top = 40, bottom = -1, left = 20, right = -1, erased = 0;
    for (int y = 0; y < 40; ++y)
      for (int x = 0; x < 20; ++x) {
        const float red = pixels[static_cast<std::size_t>(y * 20 + x)];
        for (int c = 1; c < 3; ++c) ASSERT_EQ(pixels[static_cast<std::size_t>((c * 40 + y) * 20 + x)], red);
        if (red != 0) continue;
        ++erased;
        top = std::min(top, y), bottom = std::max(bottom, y), left = std::min(left, x),
        right = std::max(right, x);
      }
    ASSERT_GT(erased, 0);
    EXPECT_EQ(erased, (bottom - top + 1) * (right - left + 1));
    EXPECT_LT(erased, 0.36 * 800);
  }
  options.fill = "noise";
  std::vector<float> pixels(3 * 40 * 20, 100.0f);
  erase_region(pixels.data(), 40, 20, options, rng);
  std::set<float> values(pixels.begin(), pixels.end());
  EXPECT_GT(values.size(), 10u);
  options.probability = 0;
  const auto before = pixels;
  erase_region(pixels.data(), 40, 20, options, rng);
  EXPECT_EQ(pixels, before);
}

/// begin 1, end 2, mask 9; or no begin.
class Marks : public Tokenizer {
 public:
  explicit Marks(std::int32_t begin = 1) : begin_(begin) {}
  std::vector<std::int32_t> encode(std::string_view) const override { return {}; }
  std::string decode(const std::vector<std::int32_t>&) const override { return ""; }
  std::string piece(std::int32_t) const override { return ""; }
  int vocab_size() const override { return 200; }
  std::int32_t begin_id() const override { return begin_; }
  std::int32_t end_id() const override { return 2; }
  std::int32_t pad_id() const override { return 0; }
  std::int32_t mask_id() const override { return 9; }
  void save(const std::filesystem::path&) const override {}

 private:
  std::int32_t begin_;
};

TEST(Tokens, EndsStayAndRatesAreMet) {
  TokenAugmentOptions options;
  options.drop = 0.25;
  options.mask = 0.5;
  Rng rng(2);
  std::int64_t kept = 0, masked = 0;
  for (int i = 0; i < 400; ++i) {
    std::vector<std::int32_t> row = {1};
    for (int t = 0; t < 20; ++t) row.push_back(100 + t);
    row.push_back(2);
    augment_tokens(row, options, Marks(), rng);
    ASSERT_GE(row.size(), 3u);
    EXPECT_EQ(row.front(), 1);
    EXPECT_EQ(row.back(), 2);
    std::int32_t last = 99;
    for (std::size_t t = 1; t + 1 < row.size(); ++t) {
      ++kept;
      if (row[t] == 9) {
        ++masked;
        continue;
      }
      EXPECT_GT(row[t], last);  // in order, from the caption
      last = row[t];
    }
  }
  EXPECT_NEAR(static_cast<double>(kept) / 8000, 0.75, 0.02);
  EXPECT_NEAR(static_cast<double>(masked) / static_cast<double>(kept), 0.5, 0.02);
  options.drop = 1;
  std::vector<std::int32_t> row = {1, 7, 8, 2}, none = {1, 2};
  augment_tokens(row, options, Marks(), rng);
  EXPECT_EQ(row.size(), 3u);
  augment_tokens(none, options, Marks(), rng);
  EXPECT_EQ(none, (std::vector<std::int32_t>{1, 2}));
  std::vector<std::int32_t> bare = {7, 2}, empty = {2};
  augment_tokens(bare, options, Marks(-1), rng);
  EXPECT_EQ(bare, (std::vector<std::int32_t>{7, 2}));
  augment_tokens(empty, options, Marks(-1), rng);
  EXPECT_EQ(empty, (std::vector<std::int32_t>{2}));
}

struct Scene {
  TempDir dir;
  ImageTransform transform;
  AugmentOptions options;
  Scene() {
    transform.height = 16;
    transform.width = 8;
    write_png(dir / "a.png", picture(12, 20, 7));
  }
  std::vector<float> pixels(bool flip, std::uint64_t seed) const {
    const ImageAugmenter augmenter(options, transform);
    std::vector<float> out(3 * 16 * 8);
    augmenter.augment(augmenter.read(dir / "a.png"), flip, Rng(seed), out.data());
    return out;
  }
};

TEST(ImageAugmenter, NothingOnIsThePlainTransform) {
  const Scene scene;
  std::vector<float> plain(3 * 16 * 8);
  normalize_pixels(load_image(scene.dir / "a.png", scene.transform), scene.transform, false, plain.data());
  EXPECT_EQ(scene.pixels(false, 1), plain);
  EXPECT_NE(scene.pixels(true, 1), plain);
}

TEST(ImageAugmenter, EachPartChangesPixelsAndIsAFunctionOfTheSeed) {
  using Switch = void (*)(AugmentOptions&);
  const Switch switches[] = {
      [](AugmentOptions& o) { o.resized_crop.probability = 1; },
      [](AugmentOptions& o) { o.pad_crop.pixels = 3; },
      [](AugmentOptions& o) { o.color_jitter.brightness = 0.5; },
      [](AugmentOptions& o) { o.color_jitter.hue = 0.5; },
      [](AugmentOptions& o) { o.greyscale.probability = 1; },
      [](AugmentOptions& o) { o.erasing.probability = 1; },
  };
  const auto plain = Scene().pixels(false, 1);
  for (const auto& on : switches) {
    Scene scene;
    on(scene.options);
    EXPECT_NE(scene.pixels(false, 1), plain);
    EXPECT_EQ(scene.pixels(false, 1), scene.pixels(false, 1));
    if (scene.options.greyscale.probability == 0) {
      EXPECT_NE(scene.pixels(false, 1), scene.pixels(false, 2));
    }
  }
}

TEST(ImageAugmenter, SwitchingOneOnLeavesTheOthersDraws) {
  Scene erased, both;
  erased.options.erasing.probability = both.options.erasing.probability = 1;
  both.options.color_jitter.saturation = 0.9;
  const auto a = erased.pixels(false, 4), b = both.pixels(false, 4);
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] == 0) {
      EXPECT_EQ(b[i], 0);
    }
}

TEST(AugmentOptions, BadValuesNameTheKey) {
  const auto message = [](void (*change)(AugmentOptions&)) {
    AugmentOptions options;
    change(options);
    return invalid_input_of([&] { options.validate("augment."); });
  };
  EXPECT_EQ(message([](AugmentOptions& o) { o.flip.probability = 1.5; }),
            "augment.flip.probability: must be a probability from 0 to 1, is 1.5");
  EXPECT_EQ(message([](AugmentOptions& o) { o.erasing.area_min = 0.5; }),
            "augment.erasing.area_min and area_max: 0 < min <= max <= 1 is needed, found 0.5 and 0.33");
  EXPECT_NE(message([](AugmentOptions& o) { o.color_jitter.hue = 0.7; }).find("color_jitter.hue"),
            std::string::npos);
  EXPECT_NE(message([](AugmentOptions& o) { o.pad_crop.pixels = -1; }).find("pad_crop.pixels"),
            std::string::npos);
  EXPECT_NE(message([](AugmentOptions& o) { o.tokens.drop = std::nan(""); }).find("tokens.drop"),
            std::string::npos);
}

}  // namespace
}  // namespace edgeclip
