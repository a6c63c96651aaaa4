#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/options.h"
#include "data/image/image.h"

/// Drawn pedestrians with captions: unlimited training data with known truth.
namespace edgeclip {

/// What a caption may speak of.  Values are words from the tables in attributes.cpp.
struct Attributes {
  std::string gender, hair_length, hair_colour, hat, hat_colour;
  std::string upper, upper_colour, upper_pattern, lower, lower_colour, shoe_colour;
  std::string bag, bag_colour, carry;
  std::string upper_colour2;  ///< the lower part of a "two-coloured" garment, else ""
  std::string inner_colour;   ///< the shirt below an open jacket or coat, else ""
};

struct Pedestrian {
  Attributes attributes;
  std::vector<Image> images;          ///< the same person in other poses, scales, lights and backgrounds
  std::vector<std::string> captions;  ///< captions_per_image for each image in turn, composed from the
                                      ///< attributes in varied wording, distinct within an image
};

struct PedestrianOptions {
  std::uint64_t seed = 0;
  int images_per_person = 1;
  int captions_per_image = 2;
  int height = 128, width = 64;  ///< pixels of the crops

  template <class Visitor>
  void fields(Visitor& v) {
    v("seed", seed, "person i is a pure function of (seed, i) and these options");
    v("images_per_person", images_per_person, "pictures of each person, 1 to 1000");
    v("captions_per_image", captions_per_image, "sentences of each picture, 1 to 16");
    v("height", height, "rows of a picture, pixels, 16 to 1024");
    v("width", width, "columns of a picture, pixels, 8 to 1024");
  }
  void validate(const std::string& where) const;
};

/// How many persons of one seed have pairwise different descriptions (gender, upper garment with colour and
/// pattern, lower garment with colour: what every caption names).  Person max_distinct_people() shares its
/// description with person 0.
std::int64_t max_distinct_people();

/// Person i of seed s: a pure function of (s, i) and the options.  Two persons of one seed never share all
/// attributes that captions name (up to max_distinct_people()).  Thread-safe.
Pedestrian draw_pedestrian(std::int64_t i, const PedestrianOptions& options);

/// Persons 0, 1, 2, ... of the seed are taken in turn.  A hash cuts the space of descriptions, for all seeds
/// alike: one quarter is for split "test" alone, the rest for "train" and "val", so that a description used
/// for "test" never occurs in "train". A caption of a test person is written of no other person.
struct SynthesizeOptions {
  std::string out;
  bool overwrite = false;  ///< a dataset at `out` may be replaced
  int people = 2000;       ///< of all splits together
  int test_people =
      -1;  ///< of these, how many are split "test" (descriptions pairwise different); -1: a quarter
  int val_people = -1;  ///< -1: a twentieth
  int context_length = 77;
  std::string tokenizer = "train:2000";
  PedestrianOptions draw;

  template <class Visitor>
  void fields(Visitor& v) {
    v("out", out, "folder of the prepared dataset");
    v("people", people, "people of all splits together");
    v("test_people", test_people, "of these, how many are split \"test\"; -1: a quarter");
    v("val_people", val_people, "of these, how many are split \"val\"; -1: a twentieth");
    v("context_length", context_length, "most tokens of a caption, ends included");
    v("tokenizer", tokenizer, "tokenizer SPEC");
    v("draw", draw, "how each person is drawn");
  }
  void validate(const std::string& where) const;
  /// Numbers for the -1s: at least one person each, where four or more are to be divided.
  void settle();
};

/// Writes a prepared dataset (images below images/, a pair's id is the person's number i); returns the
/// report.  Throws InvalidInput if more people are asked for than have different descriptions.  On a signal
/// nothing is written.
Json synthesize_dataset(const SynthesizeOptions& options);

}  // namespace edgeclip
