#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "base/error.h"
#include "base/signals.h"
#include "data/dataset/dataset.h"
#include "data/synthetic/attributes.h"
#include "data/synthetic/pedestrian.h"
#include "support/support.h"

namespace edgeclip {
namespace {

SynthesizeOptions small(const test::TempDir& dir) {
  SynthesizeOptions options;
  options.out = (dir / "people").string();
  options.people = 60;
  options.test_people = 20;
  options.val_people = 10;
  options.tokenizer = "train:300";
  options.draw.seed = 4;
  options.draw.images_per_person = 2;
  return options;
}

TEST(SyntheticSynthesize, WritesAPreparedDataset) {
  test::TempDir dir;
  const SynthesizeOptions options = small(dir);
  const Json report = synthesize_dataset(options);
  EXPECT_EQ(report["people"]["train"], 30);
  EXPECT_EQ(report["images"], 120);
  const Dataset dataset = open_dataset(options.out);
  EXPECT_EQ(dataset.pairs.size(), 60u * 2 * 2);
  EXPECT_EQ(dataset.split("train").size(), 60u);
  EXPECT_EQ(dataset.split("val").size(), 20u);
  EXPECT_EQ(dataset.split("test").size(), 40u);

  // A pair says which person of the seed it is, and the file holds that drawing.
  const Pair& pair = dataset.pairs.front();
  const Pedestrian person = draw_pedestrian(pair.id, options.draw);
  EXPECT_EQ(pair.caption, person.captions.front());
  EXPECT_EQ(read_image(dataset.image_path(pair.path)).rgb, person.images.front().rgb);
}

TEST(SyntheticSynthesize, TestDescriptionsAreDifferentAndOccurNowhereInTraining) {
  test::TempDir dir;
  SynthesizeOptions options = small(dir);
  std::set<std::int64_t> test_side, train_side;
  std::map<std::string, std::int64_t> owner;
  for (const std::uint64_t seed : {1ull, 2ull}) {  // across seeds as well
    options.draw.seed = seed;
    options.overwrite = true;
    synthesize_dataset(options);
    const Dataset dataset = open_dataset(options.out);
    std::set<std::int64_t> people, descriptions;
    owner.clear();
    for (const Pair& pair : dataset.pairs) {
      const std::int64_t number = synthetic::description_number(seed, pair.id);
      (pair.split == "test" ? test_side : train_side).insert(number);
      if (pair.split != "test") continue;
      people.insert(pair.id);
      descriptions.insert(number);
      EXPECT_TRUE(owner.emplace(pair.caption, pair.id).first->second == pair.id) << pair.caption;
    }
    EXPECT_EQ(people.size(), 20u);
    EXPECT_EQ(descriptions.size(), 20u);
  }
  for (const std::int64_t number : test_side) EXPECT_EQ(train_side.count(number), 0u);
}

TEST(SyntheticSynthesize, SplitsFollowTheNumberOfPeople) {
  const auto settled = [](int people, int test_people = -1, int val_people = -1) {
    SynthesizeOptions options;
    options.people = people;
    options.test_people = test_people;
    options.val_people = val_people;
    options.settle();
    return std::make_pair(options.test_people, options.val_people);
  };
  EXPECT_EQ(settled(2000), std::make_pair(500, 100));
  EXPECT_EQ(settled(30), std::make_pair(7, 1));
  EXPECT_EQ(settled(4), std::make_pair(1, 1));
  EXPECT_EQ(settled(3), std::make_pair(0, 0));
  EXPECT_EQ(settled(30, 30), std::make_pair(30, 0));
  EXPECT_EQ(settled(30, 0), std::make_pair(0, 1));
  EXPECT_EQ(settled(30, -1, 28), std::make_pair(2, 28));
  test::TempDir dir;
  SynthesizeOptions options = small(dir);
  options.people = 30;
  options.test_people = options.val_people = -1;
  const Json report = synthesize_dataset(options);
  EXPECT_EQ(report["people"], Json({{"train", 22}, {"val", 1}, {"test", 7}}));
}

TEST(SyntheticSynthesize, RefusesWhatItCannotDraw) {
  test::TempDir dir;
  SynthesizeOptions options = small(dir);
  options.people = 1000000;
  EXPECT_NE(test::invalid_input_of([&] { synthesize_dataset(options); }).find("ask for fewer"),
            std::string::npos);
  options = small(dir);
  options.test_people = options.val_people = 2000000000;
  EXPECT_NE(test::invalid_input_of([&] { synthesize_dataset(options); }).find("raise --people"),
            std::string::npos);
  options = small(dir);
  test::write_text(dir / "file", "x");
  options.out = (dir / "file").string() + "/below";
  test::invalid_input_of([&] { synthesize_dataset(options); });
  EXPECT_FALSE(std::filesystem::exists(dir / "people"));
}

TEST(SyntheticSynthesize, LeavesNothingWhenInterrupted) {
  test::TempDir dir;
  set_interrupted(true);
  EXPECT_THROW(synthesize_dataset(small(dir)), Interrupted);
  set_interrupted(false);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace edgeclip
