#include "retrieval/evaluate/evaluate.h"

#include <gtest/gtest.h>

#include "retrieval/encode.h"
#include "retrieval/fake_encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

/// Three people in flat colours, the third's caption wrong, one caption said of two images.
Dataset colour_dataset(const test::TempDir& dir) {
  Dataset dataset;
  dataset.name = "colours";
  dataset.image_root = dir.path();
  const auto add = [&](std::int64_t id, const std::string& path, int r, int g, int b,
                       const std::vector<std::string>& captions) {
    write_png(dir / path, test::two_colours(r, g, b, r, g, b));
    ImageItem image{"test", id, path, -1, {}};
    for (const auto& caption : captions) {
      image.rows.push_back(static_cast<std::int64_t>(dataset.pairs.size()));
      dataset.pairs.push_back({"test", id, path, caption, -1});
    }
    dataset.images.push_back(image);
  };
  add(1, "red.png", 255, 0, 0, {"a red person", "somebody in red"});
  add(2, "green.png", 0, 255, 0, {"a green person"});
  add(3, "blue.png", 0, 0, 255, {"a red person"});
  return dataset;
}

TEST(Evaluate, MeasuresBothDirections) {
  test::TempDir dir;
  const Dataset dataset = colour_dataset(dir);
  test::FakeEncoder encoder;
  EvaluateOptions options;
  options.batch = 2;
  const Evaluation e = evaluate(encoder, dataset, options);
  EXPECT_EQ(e.queries, 4);
  EXPECT_EQ(e.gallery, 3);
  // Captions 1 to 3 find their image first.  The last one finds red first; green and blue tie at 0 and keep
  // their order.
  EXPECT_DOUBLE_EQ(e.text_to_image.r1, 75);
  EXPECT_DOUBLE_EQ(e.text_to_image.r5, 100);
  EXPECT_NEAR(e.text_to_image.map, 100 * (3 + 1.0 / 3) / 4, 1e-9);
  // red.png's own two captions come first; blue.png scores 0 with every caption, so gallery order puts its
  // own last of four.
  EXPECT_NEAR(e.image_to_text.r1, 100 * 2.0 / 3, 1e-9);
  EXPECT_NEAR(e.image_to_text.map, 100 * (1 + 1 + 1.0 / 4) / 3, 1e-9);
  EXPECT_NEAR(e.chance.r1, 100.0 / 3, 1e-9);
  EXPECT_EQ(encoder.texts_encoded, 3) << "each distinct caption is encoded once";
  for (const auto batch : encoder.batches) EXPECT_LE(batch, 2);
}

TEST(Evaluate, ShowsExamplesOfWhatWasFound) {
  test::TempDir dir;
  const Dataset dataset = colour_dataset(dir);
  test::FakeEncoder encoder;
  EvaluateOptions options;
  EXPECT_TRUE(evaluate(encoder, dataset, options).examples.empty());
  options.examples = 3;
  options.example_results = 2;
  const auto examples = evaluate(encoder, dataset, options).examples;
  ASSERT_EQ(examples.size(), 3u);
  EXPECT_EQ(examples[0].caption, "a red person");
  EXPECT_EQ(examples[0].first_right, 1);
  ASSERT_EQ(examples[0].hits.size(), 2u);
  EXPECT_EQ(examples[0].hits[0].path, (dir / "red.png").string());
  EXPECT_TRUE(examples[0].hits[0].right);
  EXPECT_FALSE(examples[0].hits[1].right);
  EXPECT_GT(examples[0].hits[0].score, examples[0].hits[1].score);
  options.examples = 100;
  EXPECT_EQ(evaluate(encoder, dataset, options).examples.size(), 3u) << "each caption once";
  const Json json = to_json(examples);
  EXPECT_EQ(json[0]["results"][1]["rank"], 2);
  EXPECT_EQ(json[0]["results"][1]["right"], false);
}

TEST(Evaluate, CanRestrictTheQueriesToSomeIdentities) {
  test::TempDir dir;
  const Dataset dataset = colour_dataset(dir);
  test::FakeEncoder encoder;
  EvaluateOptions options;
  options.only_ids = {3};
  const Evaluation e = evaluate(encoder, dataset, options);
  EXPECT_EQ(e.queries, 1);
  EXPECT_EQ(e.gallery, 3);
  EXPECT_DOUBLE_EQ(e.text_to_image.r1, 0);
  EXPECT_NEAR(e.text_to_image.map, 100.0 / 3, 1e-9);
  options.only_ids = {77};
  test::invalid_input_of([&] { evaluate(encoder, dataset, options); });
}

TEST(Evaluate, ReportHasTheKeysOfTheContract) {
  const Json json = to_json(Evaluation{});
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"queries", "gallery", "text_to_image", "image_to_text", "chance",
                                            "image_ms"}));
  keys.clear();
  for (const auto& [key, value] : json["text_to_image"].items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"R@1", "R@5", "R@10", "mAP", "mINP"}));
}

TEST(Evaluate, NamesAMissingImageAndAnUnknownSplit) {
  test::TempDir dir;
  const Dataset dataset = colour_dataset(dir);
  test::FakeEncoder encoder;
  EvaluateOptions options;
  options.split = "tset";
  EXPECT_NE(test::invalid_input_of([&] { evaluate(encoder, dataset, options); }).find("test"),
            std::string::npos);
  std::filesystem::remove(dir / "green.png");
  EXPECT_NE(test::invalid_input_of([&] { evaluate(encoder, dataset, {}); }).find("green.png"),
            std::string::npos);
}

TEST(Encode, TextsInOrderWithDuplicatesAndPieces) {
  test::FakeEncoder encoder;
  encoder.largest_batch = 2;
  const Tensor rows = encode_texts(encoder, {"red", "green", "red", "blue"}, 100);
  ASSERT_EQ(rows.shape(), Shape({4, 6}));
  for (int k = 0; k < 6; ++k) EXPECT_EQ(rows.data<float>()[k], rows.data<float>()[12 + k]);
  EXPECT_EQ(encoder.texts_encoded, 3);
  EXPECT_EQ(encode_texts(encoder, {}).shape(), Shape({0, 6}));
}

TEST(Encode, RefusesTextsThatAreNone) {
  test::FakeEncoder encoder;
  EXPECT_NE(test::invalid_input_of([&] {
              encode_texts(encoder, {"red", "\xff\xfe"});
            }).find("text 2"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { encode_texts(encoder, {" "}); }).find("blank"), std::string::npos);
}

TEST(Encode, RefusesAModelThatGivesNaN) {
  test::TempDir dir;
  test::FakeEncoder encoder;
  encoder.gives_nan = true;
  EXPECT_NE(test::invalid_input_of([&] {
              encode_image_files(encoder, test::write_images(dir / "i", 2));
            }).find("not finite"),
            std::string::npos);
}

}  // namespace
}  // namespace edgeclip
