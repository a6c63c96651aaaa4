#include "retrieval/search/queries.h"

#include <gtest/gtest.h>

#include <cmath>

#include "retrieval/encode.h"
#include "retrieval/fake_encoder.h"
#include "retrieval/gallery_support.h"
#include "support/support.h"

namespace edgeclip {
namespace {

class QueriesTest : public testing::Test {
 protected:
  QueriesTest() {
    write_png(dir_ / "red_blue.png", test::two_colours(255, 0, 0, 0, 0, 255));
    galleries_ = GallerySet({gallery_in_memory(manifest_for(encoder_), {{"a.png"}, {"b.png"}},
                                               Tensor::from<float>({2, 6}, {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}))});
  }
  std::vector<float> query(const QueryParts& parts) {
    const Queries queries = encode_queries(encoder_, parts, galleries_);
    EXPECT_EQ(queries.names.size(), static_cast<std::size_t>(queries.rows.dim(0)));
    const float* row = queries.rows.data<float>();
    return {row, row + 6};
  }
  std::vector<float> of_image() {
    const Tensor row = encode_image_files(encoder_, {dir_ / "red_blue.png"});
    return {row.data<float>(), row.data<float>() + 6};
  }
  test::TempDir dir_;
  test::FakeEncoder encoder_;
  GallerySet galleries_;
};

TEST_F(QueriesTest, OneKindAloneIsWhatTheEncoderGives) {
  QueryParts parts;
  parts.texts = {"red blue", "green"};
  const Queries queries = encode_queries(encoder_, parts, galleries_);
  EXPECT_EQ(queries.names, parts.texts);
  const float half = std::sqrt(0.5F);
  EXPECT_EQ(std::vector<float>(queries.rows.data<float>(), queries.rows.data<float>() + 6), (std::vector<float>{half, 0, 0, 0, 0, half}));
  QueryParts image;
  image.image = dir_ / "red_blue.png";
  EXPECT_EQ(query(image), of_image());
}

TEST_F(QueriesTest, ATextAndAnImageAreWeighed) {
  QueryParts parts;
  parts.texts = {"green"};
  parts.image = dir_ / "red_blue.png";
  parts.image_weight = 0;
  QueryParts text;
  text.texts = parts.texts;
  const auto near = [](const std::vector<float>& a, const std::vector<float>& b) {
    for (std::size_t d = 0; d < a.size(); ++d) EXPECT_NEAR(a[d], b[d], 1e-6);
  };
  near(query(parts), query(text));
  parts.image_weight = 0.25;
  std::vector<float> sum;
  float squares = 0;
  for (std::size_t d = 0; d < 6; ++d) {
    sum.push_back(0.75F * query(text)[d] + 0.25F * of_image()[d]);
    squares += sum.back() * sum.back();
  }
  for (float& x : sum) x /= std::sqrt(squares);
  near(query(parts), sum);
}

TEST_F(QueriesTest, WhatIsNotLookedForIsTakenOff) {
  QueryParts parts;
  parts.texts = {"red blue"};
  parts.not_texts = {"red"};
  const auto with = query(parts);
  EXPECT_LT(with[1], 0) << "below: red";
  EXPECT_GT(with[5], with[0]) << "the blue of it stays, the red does not";
  parts.not_texts = {"red blue"};
  parts.not_weight = 1;
  EXPECT_NE(test::invalid_input_of([&] { query(parts); }).find("nothing is left of the query \"red blue\""), std::string::npos);
}

TEST_F(QueriesTest, MarksMoveIt) {
  QueryParts parts;
  parts.texts = {"grey"};
  const auto plain = query(parts);
  parts.right = {0};
  parts.wrong = {1};
  const auto moved = query(parts);
  EXPECT_GT(moved[0], plain[0]);
  EXPECT_LT(moved[5], plain[5]);
  EXPECT_NEAR(moved[0] / moved[2], (plain[0] + 0.75) / plain[2], 1e-5) << "Rocchio's weights";
  EXPECT_NEAR(moved[5] / moved[2], (plain[5] - 0.15) / plain[2], 1e-5);
  parts.right = {7};
  EXPECT_NE(test::invalid_input_of([&] { query(parts); }).find("no item 7"), std::string::npos);
}

TEST_F(QueriesTest, NamesWhatIsWrong) {
  EXPECT_NE(test::invalid_input_of([&] { query({}); }).find("nothing to look for"), std::string::npos);
  QueryParts parts;
  parts.image = dir_ / "none.png";
  EXPECT_NE(test::invalid_input_of([&] { query(parts); }).find("none.png"), std::string::npos);
  parts = {};
  parts.texts = {"red"};
  parts.right = {0};
  galleries_ = GallerySet({galleries_.galleries()[0], galleries_.galleries()[0]});
  EXPECT_NE(test::invalid_input_of([&] { query(parts); }).find("one gallery"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
