#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "base/npy.h"
#include "data/image/transform.h"
#include "support/support.h"

/// Pixels of Pillow and torchvision ($EDGECLIP_PARITY/preprocess): equal, not close.
namespace edgeclip {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string stem;
  fs::path file;
  bool upright = false, cmyk = false;
  Json kinds;
};

std::vector<Case> cases_of(const fs::path& folder) {
  std::vector<Case> cases;
  const Json manifest = read_json(folder / "manifest.json");
  for (const auto& one : manifest.at("images")) {
    Case c;
    c.stem = one.at("stem").get<std::string>();
    c.file = folder / one.at("file").get<std::string>();
    c.upright = one.at("exif_applied").get<bool>();
    c.cmyk = one.at("file_mode") == "CMYK";
    c.kinds = one.at("kinds");
    cases.push_back(std::move(c));
  }
  return cases;
}

bool has(const Case& c, const char* kind) {
  return std::find(c.kinds.begin(), c.kinds.end(), Json(kind)) != c.kinds.end();
}

Image from_npy(const fs::path& file) {
  const Tensor pixels = read_npy(file);
  Image image(static_cast<int>(pixels.dim(1)), static_cast<int>(pixels.dim(0)));
  std::copy_n(pixels.data<std::uint8_t>(), image.rgb.size(), image.rgb.begin());
  return image;
}

int largest_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i)
    largest = std::max(largest, std::abs(int{a.rgb[i]} - int{b.rgb[i]}));
  return largest;
}

ImageTransform transform_of(const std::string& kind) {
  ImageTransform t;
  if (kind == "clip224" || kind == "imagenet224") {
    t.width = t.height = 224;
    t.resize = "shortest_crop";
    t.shortest = kind == "clip224" ? 224 : 256;
    t.filter = kind == "clip224" ? "bicubic" : "bilinear";
  } else {
    t.width = 128;
    t.height = 384;
    t.filter = kind == "resize384x128_bicubic" ? "bicubic" : "bilinear";
  }
  return t;
}

TEST(PreprocessGolden, EveryCaseFromDecodedPixelsAndFromTheFile) {
  EDGECLIP_REQUIRE_PARITY(folder, "preprocess");
  int compared = 0;
  for (const Case& c : cases_of(folder)) {
    SCOPED_TRACE(c.stem);
    ReadOptions options;
    options.upright = c.upright;
    const Image decoded = from_npy(folder / "decoded" / (c.stem + ".npy")),
                read = read_image(c.file, options);
    EXPECT_LE(largest_difference(decoded, read), c.cmyk ? 1 : 0);
    for (const char* kind : {"clip224", "imagenet224", "resize384x128_bicubic", "resize384x128_bilinear"}) {
      if (!has(c, kind)) continue;
      SCOPED_TRACE(kind);
      ImageTransform t = transform_of(kind);
      const Image expected = from_npy(folder / kind / (c.stem + ".npy"));
      EXPECT_EQ(largest_difference(transform_geometry(decoded, t), expected), 0);
      t.exif = c.upright ? "apply" : "ignore";
      if (!c.cmyk) {
        EXPECT_EQ(largest_difference(load_image(c.file, t), expected), 0);
      }
      ++compared;
    }
    if (has(c, "clip224_normalized")) {
      const Tensor expected = read_npy(folder / "clip224_normalized" / (c.stem + ".npy"));
      std::vector<float> pixels(static_cast<std::size_t>(expected.elements()));
      transform_image(decoded, transform_of("clip224"), pixels.data());
      double worst = 0;
      for (std::size_t i = 0; i < pixels.size(); ++i)
        worst = std::max(worst, std::abs(double{pixels[i]} - double{expected.data<float>()[i]}));
      EXPECT_LE(worst, 1e-6);
      ++compared;
    }
  }
  EXPECT_GE(compared, 60);
}

}  // namespace
}  // namespace edgeclip
