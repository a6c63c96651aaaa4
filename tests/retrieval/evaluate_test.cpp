#include "retrieval/evaluate/evaluate.h"

#include <gtest/gtest.h>

#include "base/npy.h"
#include "base/threads.h"
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

TEST(Evaluate, OwnImagesAloneAreRightIfAsked) {
  test::TempDir dir;
  Dataset dataset = colour_dataset(dir);
  for (ImageItem& image : dataset.images) image.id = 1;  // all of one person
  for (Pair& pair : dataset.pairs) pair.id = 1;
  test::FakeEncoder encoder;
  EXPECT_DOUBLE_EQ(evaluate(encoder, dataset, {}).text_to_image.r1, 100);
  EvaluateOptions options;
  options.relevance = Relevance::kImage;
  const Evaluation e = evaluate(encoder, dataset, options);
  EXPECT_DOUBLE_EQ(e.text_to_image.r1, 75) << "as with three persons of an image each";
  EXPECT_NEAR(e.image_to_text.map, 100 * (1 + 1 + 1.0 / 4) / 3, 1e-9);
  EXPECT_NEAR(e.chance.r1, 100.0 / 3, 1e-9);
  EXPECT_EQ(e.outcomes.text_to_image[0].relevant, 1);
  EXPECT_EQ(e.outcomes.image_to_text[0].relevant, 2);
}

/// The evaluation of five captions an image, by embeddings whose products are the scores of the golden file: images are unit axes.
TEST(EvaluateGolden, FiveCaptionsOfAnImage) {
  EDGECLIP_REQUIRE_PARITY(folder, "metrics");
  const Json expected = read_json(folder / "expected.json")["five_captions"];
  const Tensor similarity = read_npy(folder / "five_captions.similarity.npy"), owner = read_npy(folder / "five_captions.caption_owner.npy");
  const std::int64_t images = similarity.dim(0), captions = similarity.dim(1);
  Tensor axes(DType::f32, {images, images}), texts(DType::f32, {captions, images});
  EvaluationSet set;
  for (std::int64_t i = 0; i < images; ++i) {
    axes.data<float>()[i * images + i] = 1;
    for (std::int64_t c = 0; c < captions; ++c) texts.data<float>()[c * images + i] = similarity.data<float>()[i * captions + c];
    set.images.emplace_back(std::to_string(i));
    set.image_names.push_back(std::to_string(i));
    set.image_ids.push_back(i % 3);
  }
  for (std::int64_t c = 0; c < captions; ++c) {
    const std::int64_t image = owner.data<std::int64_t>()[c];
    set.captions.push_back(std::to_string(c));
    set.caption_images.push_back(image);
    set.caption_ids.push_back(image % 3);
  }
  EvaluateOptions options;
  options.relevance = Relevance::kImage;
  const Json found = to_json(evaluate_embeddings(set, axes, texts, options));
  for (const char* recall : {"R@1", "R@5", "R@10"}) {
    EXPECT_NEAR(found["text_to_image"][recall].get<double>(), expected[std::string("T2I_") + recall].get<double>(), 1e-6);
    EXPECT_NEAR(found["image_to_text"][recall].get<double>(), expected[std::string("I2T_") + recall].get<double>(), 1e-6);
  }
}

TEST(Evaluate, KeepsEveryQueryWithWhatWasFoundFirst) {
  test::TempDir dir;
  const Dataset dataset = colour_dataset(dir);
  test::FakeEncoder encoder;
  EvaluateOptions options;
  options.results = 2;
  options.only_ids = {1, 3};
  const QueryOutcomes outcomes = evaluate(encoder, dataset, options).outcomes;
  ASSERT_EQ(outcomes.text_to_image.size(), 3u);
  const QueryOutcome& last = outcomes.text_to_image[2];
  EXPECT_EQ(last.number, 3) << "of all captions of the split";
  EXPECT_EQ(last.query, "a red person");
  EXPECT_EQ(last.id, 3);
  EXPECT_EQ(last.gallery, 3);
  EXPECT_EQ(last.metrics.first_rank, 3);
  ASSERT_EQ(last.results.size(), 2u);
  EXPECT_EQ(last.results[0].item, "red.png") << "as the dataset names it";
  EXPECT_FALSE(last.results[0].right);
  EXPECT_EQ(outcomes.image_to_text[0].results[0].item, "a red person");
  EXPECT_TRUE(outcomes.image_to_text[0].results[0].right);
  const QueryOutcomes before = evaluation_queries(evaluation_set(dataset, "test"), options);
  require_same_queries(before, "before", outcomes, "after");
  EXPECT_EQ(before.text_to_image[2].metrics.first_rank, 0);
}

TEST(Evaluate, ShowsTheWorstQueries) {
  test::TempDir dir;
  const Dataset dataset = colour_dataset(dir);
  test::FakeEncoder encoder;
  EvaluateOptions options;
  options.worst = 2;
  options.worst_results = 1;
  const auto worst = evaluate(encoder, dataset, options).worst;
  ASSERT_EQ(worst.size(), 2u);
  EXPECT_EQ(worst[0].number, 3);
  EXPECT_NEAR(worst[0].ap, 1.0 / 3, 1e-12);
  EXPECT_EQ(worst[0].found.first_right, 3);
  ASSERT_EQ(worst[0].found.hits.size(), 1u);
  EXPECT_EQ(worst[0].found.hits[0].path, (dir / "red.png").string());
  EXPECT_EQ(worst[0].right.path, (dir / "blue.png").string());
  EXPECT_EQ(worst[1].number, 0) << "all others do equally well, so in order";
  options.worst = 100;
  const Json json = to_json(evaluate(encoder, dataset, options).worst);
  EXPECT_EQ(json.size(), 4u);
  EXPECT_EQ(json[0]["right"]["path"], (dir / "blue.png").string());
  EXPECT_EQ(json[0]["first_right"], 3);
}

TEST(Evaluate, GivesTheSameWithAnyNumberOfThreads) {
  test::TempDir dir;
  const Dataset dataset = colour_dataset(dir);
  EvaluateOptions options;
  options.bootstrap.resamples = 200;
  options.results = 3;
  const int threads = thread_count();
  std::vector<std::string> found;
  for (const int n : {1, 3}) {
    set_thread_count(n);
    test::FakeEncoder encoder;
    Json json = to_json(evaluate(encoder, dataset, options));
    json.erase("image_ms");
    found.push_back(json.dump());
  }
  set_thread_count(threads);
  EXPECT_EQ(found[0], found[1]);
  EXPECT_NE(found[0].find("\"confidence_intervals\":{\"level\":0.95,\"resamples\":200,\"seed\":0,\"identities\":3,"), std::string::npos) << found[0];
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
