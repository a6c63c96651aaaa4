#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/image/image.h"

/// Drawn pedestrians with captions: unlimited training data with known truth.
namespace edgeclip {

/// What a caption may speak of.  Values are words from the tables in attributes.cpp.
struct Attributes {
  std::string gender, hair_length, hair_colour, hat, hat_colour;
  std::string upper, upper_colour, upper_pattern, lower, lower_colour, shoe_colour;
  std::string bag, bag_colour, carry;
};

struct Pedestrian {
  Attributes attributes;
  std::vector<Image> images;            ///< the same person in other poses, scales, lights and backgrounds
  std::vector<std::string> captions;    ///< composed from the attributes in varied wording
};

struct PedestrianOptions {
  std::uint64_t seed = 0;
  int images_per_person = 1;
  int captions_per_image = 2;
  int height = 128, width = 64;         ///< pixels of the crops
};

/// Person i of seed s: a pure function of (s, i) and the options.  Two persons of one seed never share all attributes
/// that captions name (up to max_distinct_people()).  Thread-safe.
Pedestrian draw_pedestrian(std::int64_t i, const PedestrianOptions& options);

/// People of `reserved_for_test` descriptions: the description space is cut in two disjoint halves by a hash, so that a
/// description used for split "test" never occurs in "train".
struct SynthesizeOptions {
  std::string out;
  int people = 2000;                    ///< of all splits together
  int test_people = 500;                ///< of these, how many are split "test" (descriptions pairwise different)
  int val_people = 100;
  int context_length = 77;
  std::string tokenizer = "train:2000";
  PedestrianOptions draw;
};

/// Writes a prepared dataset; returns the report.
Json synthesize_dataset(const SynthesizeOptions& options);

}  // namespace edgeclip
