#include "retrieval/evaluate/training_data.h"

#include <gtest/gtest.h>

namespace edgeclip {
namespace {

/// Persons 1 and 2 are trained on; 2 is in the test split as well, with 3.
Dataset split_dataset() {
  Dataset dataset;
  dataset.name = "camera";
  dataset.info = {{"files", {{"manifest.csv", "abc"}}}, {"counts", {{"pairs", 4}}}};
  dataset.images = {{"train", 1, "a.png", -1, {}},
                    {"train", 2, "b.png", -1, {}},
                    {"test", 2, "c.png", -1, {}},
                    {"test", 3, "d.png", -1, {}}};
  return dataset;
}

Json training_on(const std::string& name, const std::string& hash) {
  return {{"command", "train"}, {"dataset", {{"name", name}, {"hash", hash}}}};
}

TEST(TrainingOverlap, IsToldByTheModelsHistory) {
  const Dataset dataset = split_dataset();
  const auto trained_here = [&](const Json& history) {
    return training_overlap(dataset, "test", {2, 3}, history).trained_here;
  };
  const std::string hash = dataset_hash(dataset);
  EXPECT_EQ(trained_here(Json::array({training_on("moved", hash), {{"command", "export"}}})), true);
  EXPECT_EQ(trained_here(Json::array({training_on("elsewhere", "x")})), false);
  EXPECT_EQ(trained_here(Json::array({training_on("camera", "x")})), std::nullopt) << "prepared otherwise";
  EXPECT_EQ(trained_here(Json::array({{{"command", "import"}}, training_on("elsewhere", "x")})), std::nullopt)
      << "by others, on what they had";
  EXPECT_EQ(trained_here(Json::array({{{"command", "train"}}})), std::nullopt) << "an older entry";
  for (const Json& none : {Json(), Json::array(), Json("text"), Json::array({3, {{"command", 5}}})})
    EXPECT_EQ(trained_here(none), std::nullopt);
}

TEST(TrainingOverlap, CountsImagesOfTheSplitAndPersonsOfTheQueries) {
  const Dataset dataset = split_dataset();
  const auto images = [&](const char* split) {
    return training_overlap(dataset, split, {2, 3}, nullptr).images;
  };
  EXPECT_EQ(images("test"), 0);
  EXPECT_EQ(images("train"), 2);
  EXPECT_EQ(images("all"), 2);
  const TrainingOverlap overlap = training_overlap(dataset, "test", {2, 3}, nullptr);
  EXPECT_EQ(overlap.identities, 1);
  EXPECT_EQ(to_json(overlap), Json({{"trained_here", nullptr}, {"images", 0}, {"identities", 1}}));
}

TEST(TrainingOverlap, IsWarnedOf) {
  const Dataset dataset = split_dataset();
  const Json here = Json::array({training_on("camera", dataset_hash(dataset))}),
             elsewhere = Json::array({training_on("elsewhere", "x")});
  const auto warning = [&](const char* split, const std::set<std::int64_t>& ids, const Json& history) {
    return training_warning(training_overlap(dataset, split, ids, history), dataset, split);
  };
  EXPECT_NE(warning("train", {1, 2}, here)
                .find("which the model was trained on; what is measured on them says nothing"),
            std::string::npos);
  EXPECT_NE(warning("all", {1, 2, 3}, nullptr)
                .find("split \"all\" of camera holds 2 images of the training split; what is measured"),
            std::string::npos);
  EXPECT_NE(warning("train", {1, 2}, elsewhere).find("cannot be held against"), std::string::npos);
  EXPECT_NE(warning("test", {2, 3}, here)
                .find("1 of 2 people asked for in split \"test\" of camera are in the training split"),
            std::string::npos);
  EXPECT_EQ(warning("test", {3}, here), "");
  EXPECT_EQ(warning("test", {2, 3}, elsewhere), "");
  EXPECT_EQ(warning("test", {2, 3}, nullptr), "");
}

}  // namespace
}  // namespace edgeclip
