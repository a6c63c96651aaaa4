#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/atomic_output.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/threads.h"
#include "data/dataset/write_dataset.h"
#include "data/synthetic/attributes.h"
#include "data/synthetic/pedestrian.h"

namespace edgeclip {
namespace {

struct Chosen {
  std::int64_t person;
  const char* split;
};

/// Persons 0, 1, 2, ... of the seed in turn: those with a description reserved for test go to "test", the
/// others fill "val", then "train", until every split is full.
std::vector<Chosen> choose_people(const SynthesizeOptions& options) {
  std::vector<Chosen> chosen;
  int test = 0, other = 0;
  const int others = options.people - options.test_people;
  for (std::int64_t i = 0; i < max_distinct_people() && (test < options.test_people || other < others); ++i) {
    if (synthetic::reserved_for_test(synthetic::description_number(options.draw.seed, i))) {
      if (test < options.test_people) chosen.push_back({i, "test"}), ++test;
    } else if (other < others) {
      chosen.push_back({i, other < options.val_people ? "val" : "train"}), ++other;
    }
  }
  if (test < options.test_people || other < others)
    invalid_input(
        "people: there are {} test and {} other people with different descriptions, {} and {} were asked "
        "for; ask for fewer",
        test, other, options.test_people, others);
  return chosen;
}

}  // namespace

void SynthesizeOptions::validate(const std::string& where) const {
  draw.validate(where + "draw.");
  if (out.empty()) invalid_input("{}out: no folder is given", where);
  if (test_people < -1 || val_people < -1 || people < 1)
    invalid_input("{}people must be at least 1, test_people and val_people 0, or -1 for their usual parts",
                  where);
  // In 64 bits: the sum of two large counts must not wrap.
  if (std::int64_t{std::max(test_people, 0)} + std::max(val_people, 0) > people)
    invalid_input(
        "{}test_people + val_people: {} is more than people ({}); raise --people, or lower --test-people and "
        "--val-people",
        where, std::int64_t{std::max(test_people, 0)} + std::max(val_people, 0), people);
  if (context_length < 4)
    invalid_input("{}context_length: {} is too short for a caption", where, context_length);
}

void SynthesizeOptions::settle() {
  const int least = people >= 4 ? 1 : 0;
  const auto part = [&](int share, int taken) {
    return std::min(std::max(people / share, least), std::max(people - std::max(taken, 0), 0));
  };
  if (test_people < 0) test_people = part(4, val_people);
  if (val_people < 0) val_people = part(20, test_people);
}

Json synthesize_dataset(const SynthesizeOptions& asked) {
  asked.validate("");
  SynthesizeOptions options = asked;
  options.settle();
  const std::vector<Chosen> chosen = choose_people(options);
  AtomicDirectory directory(options.out, "dataset.json", {options.overwrite});
  const auto folder = directory.work() / "images";
  std::filesystem::create_directory(folder);
  std::vector<std::vector<std::string>> captions(chosen.size());
  const auto file_name = [&](std::size_t k, int image) {
    return fmt::format("images/{:06}_{}.png", chosen[k].person, image);
  };
  {
    Progress progress("drawing", static_cast<std::int64_t>(chosen.size()), "people");
    parallel_for(static_cast<std::int64_t>(chosen.size()), [&](std::int64_t at) {
      const auto k = static_cast<std::size_t>(at);
      Pedestrian person = draw_pedestrian(chosen[k].person, options.draw);
      for (int image = 0; image < options.draw.images_per_person; ++image)
        write_png(directory.work() / file_name(k, image), person.images[static_cast<std::size_t>(image)],
                  Flush::kWithFolder);
      captions[k] = std::move(person.captions);
      progress.advance();
    });
  }
  std::vector<Pair> pairs;
  Json people = {{"train", 0}, {"val", 0}, {"test", 0}};
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    people[chosen[k].split] = people[chosen[k].split].get<int>() + 1;
    for (std::size_t c = 0; c < captions[k].size(); ++c)
      pairs.push_back({chosen[k].split, chosen[k].person,
                       file_name(k, static_cast<int>(c) / options.draw.captions_per_image), captions[k][c],
                       -1});
  }
  const Json source = {{"kind", "synthetic"},
                       {"seed", options.draw.seed},
                       {"images_per_person", options.draw.images_per_person},
                       {"captions_per_image", options.draw.captions_per_image},
                       {"height", options.draw.height},
                       {"width", options.draw.width}};
  const auto images = chosen.size() * static_cast<std::size_t>(options.draw.images_per_person);
  NewDataset dataset;
  dataset.pairs = std::move(pairs);
  dataset.image_sizes.assign(images, {options.draw.width, options.draw.height});
  dataset.tokenizer = options.tokenizer;
  dataset.context_length = options.context_length;
  dataset.source = source;
  write_dataset(directory.work(), dataset);
  directory.commit(Flush::kWithFolder);
  return {{"out", options.out},
          {"people", people},
          {"images", images},
          {"captions", dataset.pairs.size()},
          {"source", source}};
}

}  // namespace edgeclip
